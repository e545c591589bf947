/*
 * The happy path:
 *
 *	IDLE -> RESOLVING -> CONNECTING -> READY, for ever
 *
 * Failures: the name is not found, nobody answers in time, a connection breaks or is refused, Redis
 * says that it is not (or no longer) the right one, the probe finds one of the two deaf, or we
 * stood still ourselves. All of them go through session_fail() to FAILING, which lasts until the
 * end of the turn of the loop, so that nothing is freed under the feet of a callback. From there
 * both connections are closed (all callbacks hear NULL) and
 *
 *	FAILING -> CONNECTING   if the name has another address that was not tried yet
 *	FAILING -> WAITING -> RESOLVING   after a random part of 50 ms, 100 ms, ... 5 s
 */
#include "bus/session.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include <event2/event.h>

#include "bus/command.h"
#include "bus/greeting.h"
#include "bus/link.h"
#include "bus/probe.h"
#include "bus/recovery.h"
#include "bus/reply.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/random.h"
#include "common/timers.h"

#define BACKOFF_MS_FIRST 50
#define BACKOFF_MS_MAX 5000
#define CONNECT_MS_MAX 5000 /* from connect() until everything is subscribed, per address */
#define ENDPOINTS_MAX 8
#define TARGET_BYTES 300
#define RUN_ID_BYTES 41
#define ERROR_LOG_MS 10000 /* at most one log line about refused commands in that time */

enum state { IDLE, RESOLVING, CONNECTING, READY, FAILING, WAITING };

static const uint8_t moves[] = {
	[IDLE] = 1 << RESOLVING,
	[RESOLVING] = 1 << CONNECTING | 1 << FAILING,
	[CONNECTING] = 1 << READY | 1 << FAILING,
	[READY] = 1 << FAILING,
	[FAILING] = 1 << CONNECTING | 1 << WAITING,
	[WAITING] = 1 << RESOLVING,
};

struct session {
	struct link *link;
	char target[TARGET_BYTES];
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
};

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
	char reason[LINE_REASON_BYTES];

	move(session, CONNECTING);
	session->greeted = 0;
	timer_set(session->link->timers, &session->deadline, CONNECT_MS_MAX);
	if (!line_open(session->commands, endpoint, reason) ||
	    !line_open(session->subscriber, endpoint, reason))
		session_fail(session, reason);
}

static void on_found(void *context, const struct endpoint *found, size_t count, const char *error)
{
	struct session *session = context;

	session->lookup = NULL;
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
	const struct address *address = &session->link->address;

	move(session, RESOLVING);
	session->endpoint_at = 0;
	if (address->host_count > 0) {
		timer_set(session->link->timers, &session->deadline, CONNECT_MS_MAX);
		session->lookup = lookup_start(session->link->base, address->hosts[0].name,
		                               address->hosts[0].port, on_found, session);
		return;
	}
	session->endpoint_count = 1;
	session->endpoints[0].port = 0;
	snprintf(session->endpoints[0].name, ENDPOINT_BYTES_MAX, "%s", address->path);
	connect_lines(session);
}

void session_start(struct session *session)
{
	if (session->state == IDLE)
		resolve(session);
}

static void on_retry(void *context)
{
	resolve(context);
}

static void on_deadline(void *context)
{
	session_fail(context, "no answer in time");
}

static void on_commands_opened(void *context)
{
	struct session *session = context;

	greeting_send(session->link, session->commands, true);
}

static void on_subscriber_opened(void *context)
{
	struct session *session = context;

	greeting_send(session->link, session->subscriber, false);
}

void session_learn_redis(struct session *session, struct slice run_id, uint64_t age_ms)
{
	session->redis_age_ms = age_ms;
	snprintf(session->run_id, sizeof(session->run_id), "%.*s", SLICE_ARGS(run_id));
}

void session_greeted(struct session *session)
{
	if (++session->greeted < 2)
		return;
	move(session, READY);
	session->ready_ms = link_now_ms(session->link);
	recovery_start(session->link->recovery);
}

void session_connected(struct session *session)
{
	timer_stop(session->link->timers, &session->deadline);
}

void session_settled(struct session *session)
{
	session->settled_ms = link_now_ms(session->link);
	memcpy(session->last_run_id, session->run_id, sizeof(session->run_id));
}

/* ---- Failing */

void session_fail(struct session *session, const char *reason)
{
	if (session->state == IDLE || session->state == FAILING || session->state == WAITING)
		return;
	session->failed_in = session->state;
	move(session, FAILING);
	snprintf(session->reason, sizeof(session->reason), "%s", reason);
	event_active(session->fall, EV_TIMEOUT, 0);
}

static void on_lost(void *context, const char *reason)
{
	session_fail(context, reason);
}

static bool may_read(void *context)
{
	struct session *session = context;

	return session->state == CONNECTING ||
	       (session->state == READY && probe_is_awake(session->link->probe));
}

/*
 * A random part of a time that doubles: nodes that lost Redis together do not come back together.
 */
static void wait_to_retry(struct session *session)
{
	uint64_t now = link_now_ms(session->link);
	uint64_t most = BACKOFF_MS_FIRST;

	if (session->settled_ms != 0 && now - session->settled_ms > BACKOFF_MS_MAX)
		session->failures = 0;
	session->settled_ms = 0;
	for (unsigned i = 0; i < session->failures && most < BACKOFF_MS_MAX; i++)
		most *= 2;
	if (most > BACKOFF_MS_MAX)
		most = BACKOFF_MS_MAX;
	session->failures++;
	move(session, WAITING);
	timer_set(session->link->timers, &session->retry, random_below(most + 1));
}

static void on_fall(evutil_socket_t fd, short what, void *context)
{
	struct session *session = context;

	(void)fd;
	(void)what;
	timer_stop(session->link->timers, &session->deadline);
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
		recovery_stop(session->link->recovery);
	link_tell(session->link, session->reason);
}

/* ---- Talking */

void session_command(struct session *session, struct slice command, redisCallbackFn *callback,
                     void *context)
{
	assert(session->state == READY);
	line_send(session->commands, command, callback, context);
}

void session_ask(struct session *session, const struct slice *words, size_t count,
                 redisCallbackFn *callback, void *context)
{
	struct buffer *command = link_command(session->link, count);

	for (size_t i = 0; i < count; i++)
		command_add(command, words[i]);
	session_command(session, command_end(command), callback, context);
}

void session_subscriber(struct session *session, struct slice command, redisCallbackFn *callback,
                        void *context)
{
	assert(session->state == READY);
	line_send(session->subscriber, command, callback, context);
}

/* Errors that say something about this Redis, not about the command: it is not to be used now. */
static bool ends_session(struct slice error)
{
	static const char *const starts[] = {"READONLY ", "NOREPLICAS ",  "MASTERDOWN ",
	                                     "LOADING ",  "NOAUTH ",      "WRONGPASS ",
	                                     "MOVED ",    "CLUSTERDOWN ", "UNBLOCKED "};

	for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++)
		if (slice_starts(error, slice_of(starts[i])))
			return true;
	return false;
}

static void log_error_reply(struct session *session, struct slice error)
{
	uint64_t now = link_now_ms(session->link);

	metric_add(session->link->meters.errors, 1);
	if (session->error_logged_ms != 0 && now - session->error_logged_ms < ERROR_LOG_MS)
		return;
	session->error_logged_ms = now;
	log_warn("redis_refused", LOG_SLICE("error", error));
}

enum answer session_judge(struct session *session, const redisReply *reply)
{
	if (reply == NULL || (session->state != READY && session->state != CONNECTING))
		return ANSWER_LOST;
	if (reply->type != REDIS_REPLY_ERROR)
		return ANSWER_OK;
	if (ends_session(reply_text(reply))) {
		session_fail(session, reply->str);
		return ANSWER_LOST;
	}
	if (!slice_starts(reply_text(reply), SLICE("NOSCRIPT ")))
		log_error_reply(session, reply_text(reply));
	return ANSWER_ERROR;
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

uint64_t session_redis_age_ms(const struct session *session)
{
	return session->redis_age_ms + (link_now_ms(session->link) - session->ready_ms);
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

struct session *session_create(struct link *link)
{
	static const struct line_handler commands = {on_commands_opened, on_lost, may_read};
	static const struct line_handler subscriber = {on_subscriber_opened, on_lost, may_read};
	struct session *session = mem_zero(sizeof(*session));

	session->link = link;
	address_describe(&link->address, session->target, sizeof(session->target));
	session->commands = line_create(link->base, &commands, session);
	session->subscriber = line_create(link->base, &subscriber, session);
	session->fall = event_new(link->base, -1, 0, on_fall, session);
	if (session->fall == NULL)
		abort();
	timer_init(&session->retry, on_retry, session);
	timer_init(&session->deadline, on_deadline, session);
	return session;
}

void session_stop(struct session *session)
{
	session->state = WAITING; /* for a retry that does not come */
	timer_stop(session->link->timers, &session->retry);
	timer_stop(session->link->timers, &session->deadline);
	lookup_cancel(session->lookup);
	session->lookup = NULL;
	line_close(session->commands);
	line_close(session->subscriber);
}

void session_destroy(struct session *session)
{
	if (session == NULL)
		return;
	line_destroy(session->commands);
	line_destroy(session->subscriber);
	event_free(session->fall);
	free(session);
}
