/*
 * Asks one question of several servers, one after the other, until one gives a good answer: the
 * sentinels for the master, nodes of a Cluster for its slots.
 */
#pragma once

#include "redis/address.h"
#include "redis/line.h"

struct scout;
struct redis;

struct scout_handler {
	/* Is this answer of use? If not, the next server is asked. */
	bool (*found)(void *context, const redisReply *reply);
	/* Nobody gave a good answer. `reason` says why the last did not. */
	void (*failed)(void *context, const char *reason);
	/* The line on which there was a good answer has heard something, or is lost. */
	void (*heard)(void *context, const redisReply *reply);
	void (*lost)(void *context);
};

/* Whom it asks what. All is borrowed. */
struct scout_task {
	const struct address_host *hosts;
	size_t host_count;
	const struct slice *words; /* of the question */
	size_t word_count;
	struct address *access;    /* user and password */
	const char *password_file; /* see greeting.h */
};

/* Returns owned. */
struct scout *scout_create(struct redis *redis, const struct scout_handler *handler, void *context);
/* Accepts NULL. */
void scout_destroy(struct scout *scout);

/*
 * Begins: found() or failed() follows. The task must last until then. Who gave a good answer last
 * is asked first.
 */
void scout_start(struct scout *scout, const struct scout_task *task);

/* Closes the line; nothing follows any more. */
void scout_stop(struct scout *scout);

/* Is an answer to come? */
bool scout_is_asking(const struct scout *scout);

/* Sends a few words on the open line, of which the answer goes to heard(). */
void scout_say(struct scout *scout, const struct slice *words, size_t count);

/* Whom it asks, or has asked; and when the line heard something last. */
const struct address_host *scout_host(const struct scout *scout);
uint64_t scout_heard_ms(const struct scout *scout);
