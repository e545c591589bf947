/*
 * One connection to Redis: hiredis's parser, buffers and TLS on the event loop.
 *
 * What is sent in a turn of the loop leaves in one write at its end. Answers come in the order of
 * the commands. hiredis's own asynchronous layer is not used: it knows no sharded pub/sub, looks
 * each message's channel up in a table that we have already, and gives an error in reply to a
 * SUBSCRIBE to nobody.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/text.h"
#include "net/endpoint.h"
#include "redis/reply.h"

struct event_base;
struct line;
struct tls;

#define LINE_REASON_BYTES 128

enum answer {
	ANSWER_OK,
	ANSWER_ERROR, /* Redis refused this command */
	ANSWER_LOST,  /* none came, or one that ends all: `reply` is NULL or what came */
};

/* Called exactly once for a command. `reply` is borrowed for the call. */
typedef void line_done(void *context, enum answer answer, const redisReply *reply);

struct line_handler {
	void (*opened)(void *context);
	/* The line is closed; all commands without an answer are lost. Not called after line_close(). */
	void (*lost)(void *context, const char *reason);
	/* Something is there to be read. If it returns false, it is left unread. */
	bool (*may_read)(void *context);
	/* What to make of the answer to a command. */
	enum answer (*judge)(void *context, const redisReply *reply);
	/* A reply that no command waits for. */
	void (*heard)(void *context, const redisReply *reply);
};

/* Returns owned. `handler` must outlive the line. */
struct line *line_create(struct event_base *base, const struct line_handler *handler,
                         void *context);

/* Accepts NULL. */
void line_destroy(struct line *line);

/*
 * Begins to connect a closed line; opened() or lost() follows. With `tls` the other side must prove
 * that it is `host`; both are borrowed while the line is open. Returns false and the reason if it
 * failed at once.
 */
bool line_open(struct line *line, const struct endpoint *endpoint, struct tls *tls,
               const char *host, char reason[LINE_REASON_BYTES]);

/* Tells all who wait for an answer before it returns. May be called on a closed line. */
void line_close(struct line *line);

bool line_is_open(const struct line *line);

/* When the last bytes came in: clock_mono_ms(). */
uint64_t line_heard_ms(const struct line *line);

/* Takes the beginning of a command that line_send() ends. The line must be open. */
void line_add(struct line *line, struct slice beginning);

/*
 * Sends a command that command_...() made and ended. The line must be open. Without `done` its
 * answer goes to heard(): so does all that comes while no command waits for an answer.
 */
void line_send(struct line *line, struct slice command, line_done *done, void *context);
