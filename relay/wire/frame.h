/*
 * WebSocket frames, ready for the wire (RFC 6455 section 5).
 *
 * A message to many sockets is framed once, into a blob that all of them share. Server frames carry
 * no mask, so every receiver gets the same bytes.
 */
#pragma once

#include "common/blob.h"
#include "common/buffer.h"

/*
 * Longer messages leave as fragments of at most this many payload bytes: pings and closes fit in
 * between, and no write to a slow socket has to be copied by more than this.
 */
#define FRAME_PAYLOAD_BYTES_MAX 16384

/* Returns owned: one text message made of the parts in order, as one frame or as fragments. */
struct blob *frame_text(const struct slice *parts, size_t part_count);

/* Appends one text message to a buffer: for blocks of many messages. */
void frame_append_text(struct buffer *out, const struct slice *parts, size_t part_count);

/*
 * Returns the length of the longest run of whole frames at the start of `frames` that is at most
 * `bytes_max` long; the length of the first frame if that alone is longer; 0 if there is none.
 * `frames` must be what the functions above made.
 */
size_t frame_run(struct slice frames, size_t bytes_max);

/*
 * Returns the length of the first `count` frames of `frames`, or of all if there are fewer; *found: how
 * many these are.
 */
size_t frame_first(struct slice frames, size_t count, size_t *found);
