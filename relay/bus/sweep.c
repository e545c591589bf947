/*
 * The happy path: a look is TIME, the index's first entry, and the number of nodes in the mesh. If
 * that entry is due, so may others be: their ids, then the script `reap`, until none is left.
 *
 * Failures: the session ends or the topic is closed: no further step. Redis refuses: next look.
 */
#include "bus/sweep.h"

#include <stdlib.h>

#include "bus/command.h"
#include "bus/link.h"
#include "bus/reply.h"
#include "bus/scripts.h"
#include "bus/session.h"
#include "bus/topic.h"
#include "common/memory.h"
#include "common/random.h"
#include "common/timers.h"

/*
 * The shortest time between two looks, and the least spread; a quarter of the TTL if that is less.
 */
#define STEP_MS 1000

/* Each node adds so much to the spread, so that they do not all look at once. */
#define SPREAD_MS_PER_NODE 250

#define REAP_MAX 100 /* per call */
#define REAP_MAX_TEXT "100"

struct sweep {
	struct topic *topic;
	struct timer timer;
	uint64_t redis_now_ms;
	uint64_t earliest_ms; /* by Redis's clock; 0: nobody is there */
	bool on;
	bool looking; /* answers are to come */
};

static struct link *link_of(const struct sweep *sweep)
{
	return topic_link(sweep->topic);
}

static uint64_t larger(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static uint64_t step_ms(const struct sweep *sweep)
{
	uint64_t quarter = link_of(sweep)->settings->ttl_ms / 4;

	return quarter < STEP_MS ? quarter : STEP_MS;
}

static void look_in(struct sweep *sweep, uint64_t delay_ms)
{
	uint64_t spread = larger(step_ms(sweep), topic_nodes(sweep->topic) * SPREAD_MS_PER_NODE);

	if (sweep->on)
		timer_set(link_of(sweep)->timers, &sweep->timer, delay_ms + random_below(spread));
}

/*
 * When the earliest lease ends. No lease is longer than a TTL; nor do we trust a clock that says
 * so.
 */
static void look_again(struct sweep *sweep)
{
	uint64_t ttl_ms = link_of(sweep)->settings->ttl_ms;
	uint64_t wait_ms = ttl_ms / 2;

	if (sweep->earliest_ms != 0)
		wait_ms = sweep->earliest_ms > sweep->redis_now_ms
		                  ? sweep->earliest_ms - sweep->redis_now_ms
		                  : 0;
	if (wait_ms > ttl_ms)
		wait_ms = ttl_ms;
	look_in(sweep, larger(wait_ms, step_ms(sweep)));
}

/* Keeps the topic until the answer is there. */
static void send(struct sweep *sweep, const struct slice *words, size_t count,
                 redisCallbackFn *callback)
{
	topic_ref(sweep->topic);
	session_ask(link_of(sweep)->session, words, count, callback, sweep);
}

/* ---- Reaping */

struct reaping {
	struct sweep *sweep;
	size_t count;
};

static void ask_who_is_due(struct sweep *sweep);

static void on_reaped(void *context, const struct redisReply *reply)
{
	struct reaping *reaping = context;
	struct sweep *sweep = reaping->sweep;
	struct topic *topic = sweep->topic;
	bool more = reaping->count == REAP_MAX;

	free(reaping);
	metric_add(link_of(sweep)->meters.reaped, reply_number(reply, 0));
	if (reply != NULL && sweep->on && more) {
		ask_who_is_due(sweep);
	} else {
		sweep->looking = false;
		sweep->earliest_ms = sweep->redis_now_ms; /* unknown now: the next look is soon */
		look_again(sweep);
	}
	topic_unref(topic);
}

static void reap(struct sweep *sweep, const redisReply *due)
{
	struct link *link = link_of(sweep);
	size_t count = reply_count(due);
	struct reaping *reaping = mem_alloc(sizeof(*reaping));
	struct buffer *command = scripts_begin(link->scripts, SCRIPT_REAP, 2 + count, 1 + count);
	char head[PARCEL_HEAD_BYTES_MAX];

	command_add(command, topic_index(sweep->topic));
	command_add(command, topic_broadcast(sweep->topic));
	for (size_t i = 0; i < count; i++) {
		struct slice id = reply_text(reply_item(due, i));
		struct slice start = topic_peer_start(sweep->topic);
		command_add_size(command, start.size + id.size);
		buffer_append(command, start);
		buffer_append(command, id);
		buffer_append(command, SLICE("\r\n"));
	}
	command_add(command, link_head(link, PARCEL_OFFLINE, head));
	for (size_t i = 0; i < count; i++)
		command_add(command, reply_text(reply_item(due, i)));
	*reaping = (struct reaping){sweep, count};
	topic_ref(sweep->topic);
	scripts_send(link->scripts, SCRIPT_REAP, on_reaped, reaping);
}

static void on_due(redisAsyncContext *redis, void *reply, void *context)
{
	struct sweep *sweep = context;
	struct topic *topic = sweep->topic;
	enum answer answer = session_judge(link_of(sweep)->session, reply);

	(void)redis;
	if (answer == ANSWER_OK && sweep->on && reply_count(reply) > 0) {
		reap(sweep, reply);
	} else {
		sweep->looking = false;
		look_again(sweep);
	}
	topic_unref(topic);
}

static void ask_who_is_due(struct sweep *sweep)
{
	char now[24];
	int size = snprintf(now, sizeof(now), "%llu", (unsigned long long)sweep->redis_now_ms);
	const struct slice words[] = {SLICE("ZRANGE"),  topic_index(sweep->topic),
	                              SLICE("-inf"),    {now, (size_t)size},
	                              SLICE("BYSCORE"), SLICE("LIMIT"),
	                              SLICE("0"),       SLICE(REAP_MAX_TEXT)};

	send(sweep, words, sizeof(words) / sizeof(words[0]), on_due);
}

/* ---- Looking */

static void on_time(redisAsyncContext *redis, void *reply, void *context)
{
	struct sweep *sweep = context;

	(void)redis;
	if (session_judge(link_of(sweep)->session, reply) == ANSWER_OK)
		sweep->redis_now_ms = reply_time_ms(reply);
	topic_unref(sweep->topic);
}

static void on_first(redisAsyncContext *redis, void *reply, void *context)
{
	struct sweep *sweep = context;

	(void)redis;
	sweep->earliest_ms = 0;
	if (session_judge(link_of(sweep)->session, reply) == ANSWER_OK)
		sweep->earliest_ms = reply_number(reply_item(reply, 1), 0);
	topic_unref(sweep->topic);
}

static void on_nodes(redisAsyncContext *redis, void *reply, void *context)
{
	struct sweep *sweep = context;
	struct topic *topic = sweep->topic;
	enum answer answer = session_judge(link_of(sweep)->session, reply);

	(void)redis;
	if (answer == ANSWER_OK)
		topic_set_nodes(topic, reply_number(reply_item(reply, 1), 1));
	if (answer != ANSWER_LOST && sweep->on && sweep->earliest_ms != 0 &&
	    sweep->earliest_ms <= sweep->redis_now_ms) {
		ask_who_is_due(sweep);
	} else {
		sweep->looking = false;
		look_again(sweep);
	}
	topic_unref(topic);
}

static void on_timer(void *context)
{
	struct sweep *sweep = context;
	const struct slice time[] = {SLICE("TIME")};
	const struct slice first[] = {SLICE("ZRANGE"), topic_index(sweep->topic), SLICE("0"),
	                              SLICE("0"), SLICE("WITHSCORES")};
	const struct slice nodes[] = {SLICE("PUBSUB"), SLICE("NUMSUB"),
	                              topic_broadcast(sweep->topic)};

	if (!session_is_ready(link_of(sweep)->session) || sweep->looking)
		return;
	sweep->looking = true;
	metric_add(link_of(sweep)->meters.looks, 1);
	send(sweep, time, 1, on_time);
	send(sweep, first, 5, on_first);
	send(sweep, nodes, 3, on_nodes);
}

void sweep_start(struct sweep *sweep)
{
	const struct link *link = link_of(sweep);
	uint64_t begin_ms = session_ready_ms(link->session) + link_hold_off_ms(link);
	uint64_t now = link_now_ms(link);

	sweep->on = true;
	look_in(sweep, begin_ms > now ? begin_ms - now : 0);
}

void sweep_stop(struct sweep *sweep)
{
	sweep->on = false;
	timer_stop(link_of(sweep)->timers, &sweep->timer);
}

struct sweep *sweep_create(struct topic *topic)
{
	struct sweep *sweep = mem_zero(sizeof(*sweep));

	sweep->topic = topic;
	timer_init(&sweep->timer, on_timer, sweep);
	return sweep;
}

void sweep_destroy(struct sweep *sweep)
{
	if (sweep == NULL)
		return;
	timer_stop(link_of(sweep)->timers, &sweep->timer);
	free(sweep);
}
