/*
 * A WebSocket connection of a peer, for good or ill: it can read slowly or not at all, end without a
 * word, or fall silent with its socket open.
 */
#pragma once

#include "common/text.h"
#include "endpoint.h"
#include "journal.h"

struct link;

#define LINK_OUT_BYTES_MAX 1048576

struct link_events {
	void (*upgraded)(void *context);
	void (*message)(void *context, struct slice text); /* a whole one, borrowed for the call */
	/* The last call. `number` is the close code or the HTTP status, else 0; 1000 if the relay answered. */
	void (*ended)(void *context, enum ending ending, unsigned number, unsigned retry_seconds);
};

/*
 * Connects to a target such as "/ws?mesh=demo" without waiting for it. The events are borrowed; the
 * link belongs to itself, until it has ended. receive_buffer_bytes 0 leaves that to the kernel.
 */
struct link *link_open(const struct endpoint *node, const char *target,
                       unsigned receive_buffer_bytes, const struct link_events *events,
                       void *context);

/* Queues a text message; it leaves at the end of the turn. Returns false if the queue is full. */
bool link_send(struct link *link, struct slice text);

/* Reads so many bytes a second from now on; 0 = nothing, UINT64_MAX = all that comes. */
void link_read(struct link *link, uint64_t bytes_per_second);

/* Says goodbye (1000), and ends when the relay has answered. */
void link_close(struct link *link);

/* Ends now, by a TCP reset. */
void link_reset(struct link *link);

/* Reads and writes nothing any more; the socket stays open until link_reset(). */
void link_vanish(struct link *link);

/* At the end of each turn: sends what was queued, and frees what has ended. */
void links_flush(void);
