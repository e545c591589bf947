/*
 * One connection to Redis: hiredis on the event loop.
 *
 * What is sent in a turn of the loop leaves in one write at its end. Every callback of line_send()
 * is called exactly once, with NULL if the line was closed before the answer (a subscription's
 * callback: for every message, and with NULL at the end).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <hiredis/async.h>

#include "bus/lookup.h"
#include "common/text.h"

struct event_base;
struct line;

#define LINE_REASON_BYTES 128

struct line_handler {
	void (*opened)(void *context);
	/* The line is closed; the callbacks follow. Not called after line_close(). */
	void (*lost)(void *context, const char *reason);
	/* Something is there to be read. If it returns false, it is left unread. */
	bool (*may_read)(void *context);
};

/* Returns owned. `handler` must outlive the line. */
struct line *line_create(struct event_base *base, const struct line_handler *handler,
                         void *context);

/* Accepts NULL. */
void line_destroy(struct line *line);

/*
 * Begins to connect a closed line; opened() or lost() follows. Returns false and the reason if that
 * failed at once.
 */
bool line_open(struct line *line, const struct endpoint *endpoint, char reason[LINE_REASON_BYTES]);

/* Calls all callbacks with NULL before it returns. May be called on a closed line. */
void line_close(struct line *line);

/* When the last bytes came in: clock_mono_ms(). */
uint64_t line_heard_ms(const struct line *line);

/* Sends a command that command_...() made and ended. The line must be open. */
void line_send(struct line *line, struct slice command, redisCallbackFn *callback, void *context);
