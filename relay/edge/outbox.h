/*
 * What waits to be written to one socket.
 *
 * The relay never waits for a slow reader. Each socket has an outbox with a hard bound in bytes;
 * who lets it fill up loses its socket, and nobody else notices. What is queued is references into
 * shared frames, and an outbox takes memory only while something is in it: a pointer that is NULL
 * is an empty outbox.
 *
 * Knows nothing of sockets: who has one peeks, writes, and consumes what got written.
 */
#pragma once

#include "common/blob.h"

struct outbox;

/*
 * Queues frames->bytes[begin..end), whole WebSocket frames, with a reference of its own. Returns
 * false, and takes nothing, if the bytes that count would pass `bytes_max`. Exempt bytes are queued
 * whatever their number, and do not count.
 */
bool outbox_push(struct outbox **outbox, struct blob *frames, uint32_t begin, uint32_t end,
                 bool exempt, size_t bytes_max);

/* Bytes queued, exempt ones included. */
size_t outbox_bytes(const struct outbox *outbox);

/*
 * Returns what to write next: whole frames, oldest first, as many as fit in `scratch`; or one frame
 * alone that is longer than that. Empty if the outbox is. Small pieces are joined in `scratch`, a
 * single one is returned where it lies. Good until the outbox changes.
 */
struct slice outbox_peek(const struct outbox *outbox, char *scratch, size_t scratch_size);

/*
 * Drops the first `size` bytes, which must be there: they are written. Returns how many pieces
 * that finished.
 */
size_t outbox_consume(struct outbox **outbox, size_t size);

/* Drops all. */
void outbox_clear(struct outbox **outbox);
