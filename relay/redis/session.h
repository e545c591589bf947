/*
 * Two connections to one Redis server, from the first connect on, over all outages: one for
 * commands, one for subscriptions. Both are up or none is.
 */
#pragma once

#include "common/buffer.h"
#include "redis/line.h"

struct address_host;
struct redis;
struct session;

struct session_handler {
	/* Both connections are greeted: commands can be sent. */
	void (*ready)(void *context);
	/* It was ready and is no longer; all commands under way have been answered. */
	void (*lost)(void *context);
	/* It connects anew in a while. After lost(), if it was ready. */
	void (*failed)(void *context, const char *reason);
	/* It is ready still, but has just been told that this Redis is a replica. lost() follows. */
	void (*demoted)(void *context);
	/* On a Cluster: an answer, on either connection, is "MOVED SLOT HOST:PORT". */
	void (*moved)(void *context, struct slice error);
	/* Something came in on the connection for subscriptions. */
	void (*heard)(void *context, const redisReply *reply);
	/* Asked before anything is read while it is ready. If it returns false, that is left unread. */
	bool (*may_read)(void *context);
};

/*
 * `target`, which is copied, is one server of a Cluster; NULL: where the address of `redis` says,
 * which is nowhere if that is a Cluster. Borrows `redis` and the handler. Returns owned.
 */
struct session *session_create(struct redis *redis, const struct address_host *target,
                               const struct session_handler *handler, void *context);

/* Ends it for good: callbacks under way are called with NULL, and nothing can be sent any more. */
void session_stop(struct session *session);

/* It must be stopped. Accepts NULL. */
void session_destroy(struct session *session);

/* Begins to connect; ready() is called each time that both connections are greeted. */
void session_start(struct session *session);
bool session_is_started(const struct session *session);

/* Can commands be sent? Turns false before any callback hears of a loss. */
bool session_is_ready(const struct session *session);

/* Begins a command in a buffer of the session's: sent before the next one is begun. */
struct buffer *session_begin(struct session *session, size_t arguments);

/*
 * Hands over the beginning of a command, whose end goes to session_command(): bytes that are not in the
 * session's buffer need not be copied into it. The session must be ready.
 */
void session_add(struct session *session, struct slice beginning);
/* The session must be ready. `done`: see line.h. */
void session_command(struct session *session, struct slice command, line_done *done, void *context);
/* The same for a command that is a few words. */
void session_ask(struct session *session, const struct slice *words, size_t count, line_done *done,
                 void *context);
/* On the connection for subscriptions: heard() is told what comes of it. */
void session_subscriber(struct session *session, struct slice command);

/*
 * Gives both connections up and connects anew, at the end of this turn of the loop. `reason` is
 * copied.
 */
void session_fail(struct session *session, const char *reason);

/* All is subscribed: the time that a connect may take is no longer counted. */
void session_connected(struct session *session);

/* All is well: if it stays so for a while, the next connect after a loss comes fast again. */
void session_settled(struct session *session);

/* When bytes came in last. */
uint64_t session_command_heard_ms(const struct session *session);
uint64_t session_subscriber_heard_ms(const struct session *session);

/* When the session became ready last. */
uint64_t session_ready_ms(const struct session *session);

/* Of the Redis of this session: at least 40 characters, some of them zeros if it told none. */
const char *session_run_id(const struct session *session);

/* How long Redis has been running, and is it another process than when all was well last? */
uint64_t session_redis_age_ms(const struct session *session);
bool session_redis_is_new(const struct session *session);

/* Where to: for logs. */
const char *session_target(const struct session *session);
