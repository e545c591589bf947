/*
 * The happy path: a look is TIME, the index's first entry, and the number of nodes in the mesh. If
 * that entry is due, so may others be: their ids, then the script `reap`, until none is left.
 *
 * Failures: the session ends, the topic is closed or moves: sweep_end(), and the answers that are to
 * come free it. Redis refuses: next look.
 */
#include "bus/sweep.h"

#include <stdio.h>
#include <stdlib.h>

#include "bus/link.h"
#include "bus/topic.h"
#include "common/memory.h"
#include "common/random.h"
#include "common/timers.h"
#include "redis/command.h"
#include "redis/reply.h"
#include "redis/scripts.h"
#include "redis/session.h"

/*
 * The shortest time between two looks, and the least spread; a quarter of the TTL if that is less.
 */
#define STEP_MS 1000

/* Each node adds so much to the spread, so that they do not all look at once. */
#define SPREAD_MS_PER_NODE 250

#define REAP_MAX 100 /* per call */
#define REAP_MAX_TEXT "100"

struct sweep {
	struct topic *topic; /* counted */
	struct timer timer;
	uint64_t redis_now_ms;
	uint64_t earliest_ms; /* by Redis's clock; 0: nobody is there */
	unsigned under_way;
	bool ended;
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
	uint64_t quarter = link_of(sweep)->shared->settings->ttl_ms / 4;

	return quarter < STEP_MS ? quarter : STEP_MS;
}

static void look_in(struct sweep *sweep, uint64_t delay_ms)
{
	uint64_t spread = larger(step_ms(sweep), topic_nodes(sweep->topic) * SPREAD_MS_PER_NODE);

	timer_set(link_of(sweep)->shared->timers, &sweep->timer, delay_ms + random_below(spread));
}

/*
 * When the earliest lease ends. No lease is longer than a TTL; nor do we trust a clock that says
 * so.
 */
static void look_again(struct sweep *sweep)
{
	uint64_t ttl_ms = link_of(sweep)->shared->settings->ttl_ms;
	uint64_t wait_ms = ttl_ms / 2;

	if (sweep->earliest_ms != 0)
		wait_ms = sweep->earliest_ms > sweep->redis_now_ms
		                  ? sweep->earliest_ms - sweep->redis_now_ms
		                  : 0;
	if (wait_ms > ttl_ms)
		wait_ms = ttl_ms;
	look_in(sweep, larger(wait_ms, step_ms(sweep)));
}

static void send(struct sweep *sweep, const struct slice *words, size_t count, line_done *done)
{
	sweep->under_way++;
	session_ask(link_of(sweep)->session, words, count, done, sweep);
}

/* The answer is here. Returns false if it is of no use, and then the sweep may be gone. */
static bool goes_on(struct sweep *sweep)
{
	struct topic *topic = sweep->topic;

	sweep->under_way--;
	if (!sweep->ended)
		return true;
	if (sweep->under_way == 0) {
		free(sweep);
		topic_unref(topic);
	}
	return false;
}

/* ---- Reaping */

struct reaping {
	struct sweep *sweep;
	size_t count;
};

static void ask_who_is_due(struct sweep *sweep);

static void on_reaped(void *context, const redisReply *reply)
{
	struct reaping *reaping = context;
	struct sweep *sweep = reaping->sweep;
	bool more = reaping->count == REAP_MAX;

	free(reaping);
	metric_add(link_of(sweep)->shared->meters.reaped, reply_number(reply, 0));
	if (!goes_on(sweep))
		return;
	if (reply != NULL && more && session_is_ready(link_of(sweep)->session)) {
		ask_who_is_due(sweep);
	} else {
		sweep->earliest_ms = sweep->redis_now_ms; /* unknown now: the next look is soon */
		look_again(sweep);
	}
}

static void reap(struct sweep *sweep, const redisReply *due)
{
	struct link *link = link_of(sweep);
	size_t count = reply_count(due);
	struct reaping *reaping = mem_alloc(sizeof(*reaping));
	struct buffer *command = scripts_begin(link->scripts, SCRIPT_REAP, 2 + count, 1 + count);
	char head[LINK_HEAD_BYTES_MAX];

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
	sweep->under_way++;
	scripts_send(link->scripts, SCRIPT_REAP, on_reaped, reaping);
}

static void on_due(void *context, enum answer answer, const redisReply *reply)
{
	struct sweep *sweep = context;

	if (!goes_on(sweep))
		return;
	if (answer == ANSWER_OK && reply_count(reply) > 0)
		reap(sweep, reply);
	else
		look_again(sweep);
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

static void on_time(void *context, enum answer answer, const redisReply *reply)
{
	struct sweep *sweep = context;

	if (goes_on(sweep) && answer == ANSWER_OK)
		sweep->redis_now_ms = reply_time_ms(reply);
}

static void on_first(void *context, enum answer answer, const redisReply *reply)
{
	struct sweep *sweep = context;

	if (goes_on(sweep))
		sweep->earliest_ms =
			answer == ANSWER_OK ? reply_number(reply_item(reply, 1), 0) : 0;
}

static void on_nodes(void *context, enum answer answer, const redisReply *reply)
{
	struct sweep *sweep = context;

	if (!goes_on(sweep))
		return;
	if (answer == ANSWER_OK)
		topic_set_nodes(sweep->topic, reply_number(reply_item(reply, 1), 1));
	if (answer != ANSWER_LOST && sweep->earliest_ms != 0 &&
	    sweep->earliest_ms <= sweep->redis_now_ms)
		ask_who_is_due(sweep);
	else
		look_again(sweep);
}

static void on_timer(void *context)
{
	struct sweep *sweep = context;
	struct link *link = link_of(sweep);
	const struct slice time[] = {SLICE("TIME")};
	const struct slice first[] = {SLICE("ZRANGE"), topic_index(sweep->topic), SLICE("0"),
	                              SLICE("0"), SLICE("WITHSCORES")};
	const struct slice nodes[] = {SLICE("PUBSUB"),
	                              link->shared->cluster != NULL ? SLICE("SHARDNUMSUB")
	                                                            : SLICE("NUMSUB"),
	                              topic_broadcast(sweep->topic)};

	if (!session_is_ready(link->session))
		return;
	metric_add(link->shared->meters.looks, 1);
	send(sweep, time, 1, on_time);
	send(sweep, first, 5, on_first);
	send(sweep, nodes, 3, on_nodes);
}

struct sweep *sweep_begin(struct topic *topic)
{
	struct shared *shared = topic_link(topic)->shared;
	uint64_t begin_ms = topic_since_ms(topic) + shared_hold_off_ms(shared);
	uint64_t now = shared_now_ms(shared);
	struct sweep *sweep = mem_zero(sizeof(*sweep));

	sweep->topic = topic_ref(topic);
	timer_init(&sweep->timer, on_timer, sweep);
	look_in(sweep, begin_ms > now ? begin_ms - now : 0);
	return sweep;
}

void sweep_end(struct sweep *sweep)
{
	if (sweep == NULL)
		return;
	timer_stop(link_of(sweep)->shared->timers, &sweep->timer);
	sweep->ended = true;
	sweep->under_way++;
	goes_on(sweep);
}
