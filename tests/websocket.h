/*
 * A client's side of RFC 6455 as bytes, for the programs that load and break relays. No I/O, and
 * nothing but what they need: the key is always the same, and so is the mask, all zero, so that the
 * relay has the same work to unmask and the payload is readable.
 */
#pragma once

#include "common/buffer.h"

enum websocket_opcode {
	WEBSOCKET_CONTINUATION = 0,
	WEBSOCKET_TEXT = 1,
	WEBSOCKET_BINARY = 2,
	WEBSOCKET_CLOSE = 8,
	WEBSOCKET_PING = 9,
	WEBSOCKET_PONG = 10,
};

/* Appends the request to upgrade; target is "/ws?mesh=demo". */
void websocket_append_request(struct buffer *out, const char *target);

/*
 * Reads the answer to the request. Returns the bytes of its head, 0 while its end is missing; the
 * status is 101 only if the relay accepted the key, too.
 */
size_t websocket_read_answer(struct slice bytes, int *status);

/* Appends one frame that is a whole message. */
void websocket_append_frame(struct buffer *out, enum websocket_opcode opcode, struct slice payload);

struct websocket_frame {
	enum websocket_opcode opcode;
	bool last;            /* of its message */
	bool masked;          /* which a relay must not do */
	struct slice payload; /* borrows */
};

/* Reads the frame that `bytes` begin with. Returns its bytes, 0 while its end is missing. */
size_t websocket_read_frame(struct slice bytes, struct websocket_frame *frame);
