/*
 * The happy path:
 *
 *	IDLE -> RESOLVING -> CONNECTING -> READY, for ever
 *
 * with SEEKING before RESOLVING if sentinels have to be asked who is the master.
 *
 * Failures: the name is not found, nobody answers in time, a connection breaks or is refused, Redis
 * says that it is not (or no longer) the right one, or the owner finds it deaf. All of them go
 * through session_fail() to FAILING, which lasts until the end of the turn of the loop, so that
 * nothing is freed under the feet of a callback. From there both connections are closed (all
 * callbacks hear NULL) and
 *
 *	FAILING -> CONNECTING   if the name has another address that was not tried yet
 *	FAILING -> WAITING -> RESOLVING or SEEKING   after a random part of 50 ms, 100 ms, ...
 *	                                             backoff_ms_max
 */
#include "redis/session.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include <event2/event.h>

#include "common/log.h"
#include "common/memory.h"
#include "common/metrics.h"
#include "common/random.h"
#include "common/timers.h"
#include "net/lookup.h"
#include "redis/command.h"
#include "redis/greeting.h"
#include "redis/redis.h"
#include "redis/reply.h"
#include "redis/sentinel.h"

#define BACKOFF_MS_FIRST 50
#define SETTLED_MS 1000     /* up for longer, and the next connect after a loss comes fast again */
#define CONNECT_MS_MAX 5000 /* from connect() until everything is subscribed, per address */
#define ENDPOINTS_MAX 8
#define TARGET_BYTES 300
#define RUN_ID_BYTES 41
#define ERROR_LOG_MS 10000 /* at most one log line about refused commands in that time */

enum state { IDLE, SEEKING, RESOLVING, CONNECTING, READY, FAILING, WAITING };

static const uint8_t moves[] = {
	[IDLE] = 1 << SEEKING | 1 << RESOLVING,
	[SEEKING] = 1 << RESOLVING | 1 << FAILING,
	[RESOLVING] = 1 << CONNECTING | 1 << FAILING,
	[CONNECTING] = 1 << READY | 1 << FAILING,
	[READY] = 1 << FAILING,
	[FAILING] = 1 << CONNECTING | 1 << WAITING,
	[WAITING] = 1 << SEEKING | 1 << RESOLVING,
};

struct session {
	struct redis *redis;
	const struct session_handler *handler;
	void *context;
	char target[TARGET_BYTES]; /* where to: for logs */
	struct sentinel *sentinel; /* NULL: none is asked */
	struct greeting *greeting;
	struct address_host host; /* name is owned; NULL: a unix socket */
	struct line *commands;
	struct line *subscriber;
	enum state state;
	enum state failed_in;
	char reason[LINE_REASON_BYTES];
	struct event *fall; /* activated to leave FAILING */
	struct timer retry;
	struct timer deadline;
	struct lookup *lookup;
	struct endpoint endpoints[ENDPOINTS_MAX];
	size_t endpoint_count;
	size_t endpoint_at;
	unsigned failures; /* in a row */
	int greeted;       /* of the two connections */
	uint64_t ready_ms;
	uint64_t settled_ms;            /* 0: not up */
	char run_id[RUN_ID_BYTES];      /* of the Redis of this session */
	char last_run_id[RUN_ID_BYTES]; /* of the one of the last session that was up */
	uint64_t redis_age_ms;
	uint64_t error_logged_ms;
	struct buffer command; /* the one that is put together */
};

static uint64_t now_ms(const struct session *session)
{
	return timers_now(session->redis->timers);
}

static void move(struct session *session, enum state state)
{
	assert(moves[session->state] & 1 << state);
	session->state = state;
}

bool session_is_started(const struct session *session)
{
	return session->state != IDLE;
}

bool session_is_ready(const struct session *session)
{
	return session->state == READY;
}

/* ---- Connecting */

static void connect_lines(struct session *session)
{
	const struct endpoint *endpoint = &session->endpoints[session->endpoint_at];
	struct tls *tls = session->redis->tls;
	char reason[LINE_REASON_BYTES];

	move(session, CONNECTING);
	session->greeted = 0;
	timer_set(session->redis->timers, &session->deadline, CONNECT_MS_MAX);
	if (!line_open(session->commands, endpoint, tls, session->host.name, reason) ||
	    !line_open(session->subscriber, endpoint, tls, session->host.name, reason))
		session_fail(session, reason);
}

static void on_found(void *context, const struct endpoint *found, size_t count, const char *error)
{
	struct session *session = context;

	session->lookup = NULL;
	if (session->state != RESOLVING)
		return; /* failed in the same turn of the loop */
	if (count == 0) {
		session_fail(session, error);
		return;
	}
	session->endpoint_count = count < ENDPOINTS_MAX ? count : ENDPOINTS_MAX;
	memcpy(session->endpoints, found, session->endpoint_count * sizeof(*found));
	connect_lines(session);
}

static void resolve(struct session *session)
{
	struct redis *redis = session->redis;

	move(session, RESOLVING);
	session->endpoint_at = 0;
	if (session->host.name != NULL) {
		timer_set(redis->timers, &session->deadline, CONNECT_MS_MAX);
		session->lookup = lookup_start(redis->base, session->host.name, session->host.port,
		                               on_found, session);
		return;
	}
	session->endpoint_count = 1;
	session->endpoints[0].port = 0;
	snprintf(session->endpoints[0].name, ENDPOINT_BYTES_MAX, "%s", redis->address.path);
	connect_lines(session);
}

/* Who is the master is asked anew each time. */
static void begin(struct session *session)
{
	if (session->sentinel == NULL) {
		resolve(session);
		return;
	}
	move(session, SEEKING);
	sentinel_seek(session->sentinel);
}

static void set_host(struct session *session, const struct address_host *host)
{
	char *name = mem_copy(host->name, strlen(host->name) + 1);

	free(session->host.name);
	session->host = (struct address_host){name, host->port};
	snprintf(session->target, sizeof(session->target), "%s:%u", host->name, host->port);
}

static void on_master_found(void *context, const struct address_host *master)
{
	struct session *session = context;

	if (session->state != SEEKING)
		return;
	set_host(session, master);
	resolve(session);
}

static bool is_with(const struct session *session, const struct address_host *master)
{
	return session->host.name != NULL && session->host.port == master->port &&
	       strcmp(session->host.name, master->name) == 0;
}

static void on_master_named(void *context, const struct address_host *master)
{
	struct session *session = context;

	if (is_with(session, master))
		return;
	if (session->state == WAITING)
		timer_set(session->redis->timers, &session->retry, random_below(BACKOFF_MS_FIRST));
	else
		session_fail(session, "the sentinels have another master");
}

void session_start(struct session *session)
{
	if (session->state == IDLE)
		begin(session);
}

static void on_retry(void *context)
{
	begin(context);
}

static void on_deadline(void *context)
{
	struct session *session = context;
	bool over_tls = session->state == CONNECTING && session->redis->tls != NULL;

	session_fail(session, over_tls && session->greeted == 0
	                              ? "no answer in time (does it speak TLS on this port?)"
	                              : "no answer in time");
}

static void on_commands_opened(void *context)
{
	struct session *session = context;

	greeting_send(session->greeting, session->commands, true);
}

static void on_subscriber_opened(void *context)
{
	struct session *session = context;

	greeting_send(session->greeting, session->subscriber, false);
}

static void on_learned(void *context, struct slice run_id, uint64_t age_ms)
{
	struct session *session = context;

	session->redis_age_ms = age_ms;
	memset(session->run_id, 0, sizeof(session->run_id));
	snprintf(session->run_id, sizeof(session->run_id), "%.*s", SLICE_ARGS(run_id));
}

static void on_greeted(void *context)
{
	struct session *session = context;

	if (++session->greeted < 2)
		return;
	move(session, READY);
	session->ready_ms = now_ms(session);
	session->handler->ready(session->context);
}

void session_connected(struct session *session)
{
	timer_stop(session->redis->timers, &session->deadline);
}

void session_settled(struct session *session)
{
	session->settled_ms = now_ms(session);
	memcpy(session->last_run_id, session->run_id, sizeof(session->run_id));
}

/* ---- Failing */

/* What is wrong with one address of several may be the least of it: the reasons of all are told. */
static void note_reason(struct session *session, const char *reason)
{
	bool goes_on = session->state == CONNECTING && session->endpoint_at > 0;
	size_t size = goes_on ? strlen(session->reason) : 0;

	if (goes_on && strstr(session->reason, reason) != NULL)
		return;
	snprintf(session->reason + size, sizeof(session->reason) - size, "%s%s",
	         goes_on ? "; " : "", reason);
}

void session_fail(struct session *session, const char *reason)
{
	if (session->state == IDLE || session->state == FAILING || session->state == WAITING)
		return;
	note_reason(session, reason);
	session->failed_in = session->state;
	move(session, FAILING);
	event_active(session->fall, EV_TIMEOUT, 0);
}

static void on_failed(void *context, const char *reason)
{
	session_fail(context, reason);
}

static bool may_read(void *context)
{
	struct session *session = context;

	return session->state == CONNECTING ||
	       (session->state == READY && session->handler->may_read(session->context));
}

/*
 * A random part of a time that doubles: nodes that lost Redis together do not come back together.
 */
static void wait_to_retry(struct session *session)
{
	uint64_t now = now_ms(session);
	uint64_t longest = session->redis->backoff_ms_max;
	uint64_t most = BACKOFF_MS_FIRST;

	if (session->settled_ms != 0 && now - session->settled_ms > SETTLED_MS)
		session->failures = 0;
	session->settled_ms = 0;
	for (unsigned i = 0; i < session->failures && most < longest; i++)
		most *= 2;
	if (most > longest)
		most = longest;
	session->failures++;
	move(session, WAITING);
	timer_set(session->redis->timers, &session->retry, random_below(most + 1));
}

static void on_fall(evutil_socket_t fd, short what, void *context)
{
	struct session *session = context;

	(void)fd;
	(void)what;
	timer_stop(session->redis->timers, &session->deadline);
	lookup_cancel(session->lookup);
	session->lookup = NULL;
	line_close(session->commands);
	line_close(session->subscriber);
	if (session->failed_in == CONNECTING &&
	    session->endpoint_at + 1 < session->endpoint_count) {
		session->endpoint_at++;
		connect_lines(session);
		return;
	}
	wait_to_retry(session);
	if (session->failed_in == READY)
		session->handler->lost(session->context);
	session->handler->failed(session->context, session->reason);
}

/* ---- Talking */

struct buffer *session_begin(struct session *session, size_t arguments)
{
	buffer_clear(&session->command);
	command_begin(&session->command, arguments);
	return &session->command;
}

void session_add(struct session *session, struct slice beginning)
{
	assert(session->state == READY);
	line_add(session->commands, beginning);
}

void session_command(struct session *session, struct slice command, line_done *done, void *context)
{
	assert(session->state == READY);
	line_send(session->commands, command, done, context);
}

void session_ask(struct session *session, const struct slice *words, size_t count, line_done *done,
                 void *context)
{
	struct buffer *command = session_begin(session, count);

	for (size_t i = 0; i < count; i++)
		command_add(command, words[i]);
	session_command(session, command_end(command), done, context);
}

void session_subscriber(struct session *session, struct slice command)
{
	assert(session->state == READY);
	line_send(session->subscriber, command, NULL, NULL);
}

/* Errors that say something about this Redis, not about the command: it is not to be used now. */
static bool ends_session(struct slice error)
{
	static const char *const starts[] = {
		"READONLY ", "NOREPLICAS ", "MASTERDOWN ",  "LOADING ",   "MISCONF ",
		"NOAUTH ",   "WRONGPASS ",  "CLUSTERDOWN ", "UNBLOCKED ", "NOPERM ",
	};

	for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++)
		if (slice_starts(error, slice_of(starts[i])))
			return true;
	return false;
}

static void log_error_reply(struct session *session, struct slice error)
{
	uint64_t now = now_ms(session);

	metric_add(session->redis->errors, 1);
	if (session->error_logged_ms != 0 && now - session->error_logged_ms < ERROR_LOG_MS)
		return;
	session->error_logged_ms = now;
	log_warn("redis_refused", LOG_SLICE("error", error));
}

/* A Cluster's way to say that a slot is, or will soon be, another shard's. */
static bool is_elsewhere(struct session *session, struct slice error)
{
	if (!slice_starts(error, SLICE("MOVED ")))
		return false;
	if (redis_is_cluster(session->redis))
		session->handler->moved(session->context, error);
	else
		session_fail(session,
		             "this Redis is a Cluster: its URL begins with redis+cluster://");
	return true;
}

/* Those are answered by asking once more: see scripts.c. */
static bool is_for_later(struct slice error)
{
	return slice_starts(error, SLICE("NOSCRIPT ")) || slice_starts(error, SLICE("ASK ")) ||
	       slice_starts(error, SLICE("TRYAGAIN "));
}

static enum answer judge(void *context, const redisReply *reply)
{
	struct session *session = context;

	if (session->state != READY && session->state != CONNECTING)
		return ANSWER_LOST;
	if (!reply_is_error(reply))
		return ANSWER_OK;
	if (is_elsewhere(session, reply_text(reply)))
		return ANSWER_LOST;
	if (session->state == READY && slice_starts(reply_text(reply), SLICE("READONLY ")))
		session->handler->demoted(session->context);
	if (ends_session(reply_text(reply))) {
		session_fail(session, reply_text(reply).data);
		return ANSWER_LOST;
	}
	if (!is_for_later(reply_text(reply)))
		log_error_reply(session, reply_text(reply));
	return ANSWER_ERROR;
}

static void on_heard(void *context, const redisReply *reply)
{
	struct session *session = context;

	switch (judge(session, reply)) {
	case ANSWER_OK:
		session->handler->heard(session->context, reply);
		break;
	case ANSWER_ERROR:
		session_fail(session, reply_text(reply).data);
		break;
	case ANSWER_LOST:
		break;
	}
}

uint64_t session_command_heard_ms(const struct session *session)
{
	return line_heard_ms(session->commands);
}

uint64_t session_subscriber_heard_ms(const struct session *session)
{
	return line_heard_ms(session->subscriber);
}

uint64_t session_ready_ms(const struct session *session)
{
	return session->ready_ms;
}

const char *session_run_id(const struct session *session)
{
	return session->run_id;
}

uint64_t session_redis_age_ms(const struct session *session)
{
	return session->redis_age_ms + (now_ms(session) - session->ready_ms);
}

bool session_redis_is_new(const struct session *session)
{
	return session->last_run_id[0] != '\0' &&
	       strcmp(session->last_run_id, session->run_id) != 0;
}

const char *session_target(const struct session *session)
{
	return session->target;
}

/* ---- Life */

struct session *session_create(struct redis *redis, const struct address_host *target,
                               const struct session_handler *handler, void *context)
{
	static const struct line_handler commands = {
		.opened = on_commands_opened,
		.lost = on_failed,
		.may_read = may_read,
		.judge = judge,
		.heard = on_heard,
	};
	static const struct line_handler subscriber = {
		.opened = on_subscriber_opened,
		.lost = on_failed,
		.may_read = may_read,
		.judge = judge,
		.heard = on_heard,
	};
	static const struct greeting_handler of_greeting = {
		.greeted = on_greeted,
		.failed = on_failed,
		.learned = on_learned,
	};
	static const struct sentinel_handler of_sentinel = {
		.found = on_master_found,
		.failed = on_failed,
		.named = on_master_named,
	};
	struct session *session = mem_zero(sizeof(*session));

	session->redis = redis;
	session->handler = handler;
	session->context = context;
	session->greeting = greeting_create(redis, &of_greeting, session);
	address_describe(&redis->address, session->target, sizeof(session->target));
	if (target != NULL)
		set_host(session, target);
	else if (redis->address.form == ADDRESS_SENTINEL)
		session->sentinel = sentinel_create(redis, &of_sentinel, session);
	else if (redis->address.form == ADDRESS_SINGLE && redis->address.host_count > 0)
		set_host(session, &redis->address.hosts[0]);
	session->commands = line_create(redis->base, &commands, session);
	session->subscriber = line_create(redis->base, &subscriber, session);
	session->fall = event_new(redis->base, -1, 0, on_fall, session);
	if (session->fall == NULL)
		abort();
	timer_init(&session->retry, on_retry, session);
	timer_init(&session->deadline, on_deadline, session);
	return session;
}

void session_stop(struct session *session)
{
	session->state = WAITING; /* for a retry that does not come */
	timer_stop(session->redis->timers, &session->retry);
	timer_stop(session->redis->timers, &session->deadline);
	lookup_cancel(session->lookup);
	session->lookup = NULL;
	sentinel_destroy(session->sentinel);
	session->sentinel = NULL;
	line_close(session->commands);
	line_close(session->subscriber);
}

void session_destroy(struct session *session)
{
	if (session == NULL)
		return;
	line_destroy(session->commands);
	line_destroy(session->subscriber);
	greeting_destroy(session->greeting);
	event_free(session->fall);
	buffer_fini(&session->command);
	free(session->host.name);
	free(session);
}
