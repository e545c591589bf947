/*
 * Who is the master? Asks the sentinels, and hears from them when it changes.
 */
#pragma once

struct address_host;
struct redis;
struct sentinel;

struct sentinel_handler {
	/* The answer to sentinel_seek(). `master` is borrowed for the call. */
	void (*found)(void *context, const struct address_host *master);
	/* No sentinel has an answer: seek again. */
	void (*failed)(void *context, const char *reason);
	/* They name a master unasked: it may be another one, or the same. */
	void (*named)(void *context, const struct address_host *master);
};

/* Returns owned. */
struct sentinel *sentinel_create(struct redis *redis, const struct sentinel_handler *handler,
                                 void *context);
/* Accepts NULL. */
void sentinel_destroy(struct sentinel *sentinel);

/* Asks: found() or failed() follows, later. From then on named() may be called. */
void sentinel_seek(struct sentinel *sentinel);
