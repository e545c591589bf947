/*
 * The two connections of a link, from the first connect on, over all outages: one for commands, one
 * for subscriptions. Both are up or none is.
 */
#pragma once

#include "bus/line.h"

struct link;
struct session;

/* Returns owned. */
struct session *session_create(struct link *link);

/* Ends it for good: callbacks under way are called with NULL, and nothing can be sent any more. */
void session_stop(struct session *session);

/* It must be stopped. Accepts NULL. */
void session_destroy(struct session *session);

/* Begins to connect; link's recovery takes over each time that both connections are greeted. */
void session_start(struct session *session);
bool session_is_started(const struct session *session);

/* Can commands be sent? Turns false before any callback hears of a loss. */
bool session_is_ready(const struct session *session);

/* The session must be ready. Callbacks: see line.h. */
void session_command(struct session *session, struct slice command, redisCallbackFn *callback,
                     void *context);
/* The same for a command that is a few words. */
void session_ask(struct session *session, const struct slice *words, size_t count,
                 redisCallbackFn *callback, void *context);
void session_subscriber(struct session *session, struct slice command, redisCallbackFn *callback,
                        void *context);

/*
 * Gives both connections up and connects anew, at the end of this turn of the loop. `reason` is
 * copied.
 */
void session_fail(struct session *session, const char *reason);

/* All is subscribed: the time that a connect may take is no longer counted. */
void session_connected(struct session *session);

/* The link is up: if it stays so for a while, the next connect after a loss comes fast again. */
void session_settled(struct session *session);

enum answer {
	ANSWER_OK,
	ANSWER_ERROR, /* Redis refused this command */
	ANSWER_LOST,  /* none came, or one that ends the session: it has failed now */
};
/* What to make of a reply. Every callback asks this first. */
enum answer session_judge(struct session *session, const redisReply *reply);

/* When bytes came in last. */
uint64_t session_command_heard_ms(const struct session *session);
uint64_t session_subscriber_heard_ms(const struct session *session);

/* When the session became ready last. */
uint64_t session_ready_ms(const struct session *session);

/* How long Redis has been running, and is it another process than when the link was up last? */
uint64_t session_redis_age_ms(const struct session *session);
bool session_redis_is_new(const struct session *session);

/* Where to: for logs. */
const char *session_target(const struct session *session);

/* ---- For greeting.c */

void session_learn_redis(struct session *session, struct slice run_id, uint64_t age_ms);
void session_greeted(struct session *session);
