/*
 * The two connections of a link, from the first connect on, over all outages: one for commands, one
 * for subscriptions. Both are up or none is.
 */
#pragma once

#include "bus/line.h"

struct address_host;
struct link;
struct session;

/* Returns owned. */
struct session *session_create(struct link *link);

/* Ends it for good: callbacks under way are called with NULL, and nothing can be sent any more. */
void session_stop(struct session *session);

/* It must be stopped. Accepts NULL. */
void session_destroy(struct session *session);

/* Begins to connect; link_greeted() is called each time that both connections are greeted. */
void session_start(struct session *session);
bool session_is_started(const struct session *session);

/* Can commands be sent? Turns false before any callback hears of a loss. */
bool session_is_ready(const struct session *session);

/* The session must be ready. `done`: see line.h. */
void session_command(struct session *session, struct slice command, line_done *done, void *context);
/* The same for a command that is a few words. */
void session_ask(struct session *session, const struct slice *words, size_t count, line_done *done,
                 void *context);
/* On the connection for subscriptions: subscriptions_heard() hears what comes of it. */
void session_subscriber(struct session *session, struct slice command);

/*
 * Gives both connections up and connects anew, at the end of this turn of the loop. `reason` is
 * copied.
 */
void session_fail(struct session *session, const char *reason);

/* All is subscribed: the time that a connect may take is no longer counted. */
void session_connected(struct session *session);

/* The link is up: if it stays so for a while, the next connect after a loss comes fast again. */
void session_settled(struct session *session);

/* When bytes came in last. */
uint64_t session_command_heard_ms(const struct session *session);
uint64_t session_subscriber_heard_ms(const struct session *session);

/* When the session became ready last. */
uint64_t session_ready_ms(const struct session *session);

/* Of the Redis of this session: at least 40 characters, some of them zeros if it told none. */
const char *session_run_id(const struct session *session);

/* How long Redis has been running, and is it another process than when the link was up last? */
uint64_t session_redis_age_ms(const struct session *session);
bool session_redis_is_new(const struct session *session);

/* Where to: for logs. */
const char *session_target(const struct session *session);

/* ---- For greeting.c and sentinel.c */

void session_learn_redis(struct session *session, struct slice run_id, uint64_t age_ms);
void session_greeted(struct session *session);

/* The sentinels have named the master. */
void session_found(struct session *session, const struct address_host *master);
/* Is it the one that this session is with, or is connecting to? */
bool session_is_with(const struct session *session, const struct address_host *master);
/* They have another now. */
void session_elsewhere(struct session *session);
