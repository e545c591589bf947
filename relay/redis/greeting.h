/* What is said first on a connection: who we are, and is this a Redis that can be used? */
#pragma once

#include "redis/line.h"

struct address;
struct greeting;
struct redis;

struct greeting_handler {
	/* The connection can be used. */
	void (*greeted)(void *context);
	/* It can't; may be called more than once. */
	void (*failed)(void *context, const char *reason);
	/* Before greeted(), on the connection for commands: which process it is, and how old. */
	void (*learned)(void *context, struct slice run_id, uint64_t age_ms);
};

/* Returns owned. */
struct greeting *greeting_create(struct redis *redis, const struct greeting_handler *handler,
                                 void *context);
/* The lines that it was sent on must be closed. Accepts NULL. */
void greeting_destroy(struct greeting *greeting);

/* `commands`: the connection for commands, on which Redis is examined. */
void greeting_send(struct greeting *greeting, struct line *line, bool commands);

/*
 * AUTH, if there is a user or a password. With `password_file` the password is read from it anew;
 * NULL: the address has it. Without a need for it `done` is not called.
 */
void greeting_authenticate(struct line *line, struct address *access, const char *password_file,
                           line_done *done, void *context);
