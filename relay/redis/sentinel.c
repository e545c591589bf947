/*
 * The happy path: a sentinel names the master; the line to it stays open and subscribes
 * +switch-master. A word on that channel, and the new master is named: so a stale master, which
 * still answers to its old friends for ten seconds and more after it has come back, is left at once.
 *
 * Failures: the sentinel is gone or silent while we listen: another one is asked, and must name the
 * same master. None answers: asked again every RETRY_MS, while the session goes on as it was.
 */
#include "redis/sentinel.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/memory.h"
#include "common/timers.h"
#include "redis/redis.h"
#include "redis/reply.h"
#include "redis/scout.h"

#define RETRY_MS 1000
#define WATCH_MS 3000 /* a PING that often, answered before the next */
#define NAME_BYTES_MAX 256

struct sentinel {
	struct redis *redis;
	const struct sentinel_handler *handler;
	void *context;
	struct scout *scout;
	struct slice question[3];
	struct scout_task task;
	struct timer retry;
	struct timer watch;
	uint64_t asked_ms; /* the last PING */
	bool seeking;      /* who asked waits for the answer */
};

static void ask(struct sentinel *sentinel)
{
	timer_stop(sentinel->redis->timers, &sentinel->watch);
	scout_start(sentinel->scout, &sentinel->task);
}

/* ---- What the sentinels say */

static bool read_host(struct slice name, struct slice port, char text[NAME_BYTES_MAX],
                      struct address_host *host)
{
	uint64_t number;

	if (name.size == 0 || name.size >= NAME_BYTES_MAX || !slice_number(port, &number) ||
	    number == 0 || number > UINT16_MAX)
		return false;
	memcpy(text, name.data, name.size);
	text[name.size] = '\0';
	*host = (struct address_host){text, (uint16_t)number};
	return true;
}

static void listen(struct sentinel *sentinel)
{
	static const struct slice words[] = {SLICE("SUBSCRIBE"), SLICE("+switch-master")};

	scout_say(sentinel->scout, words, 2);
	sentinel->asked_ms = 0;
	timer_set(sentinel->redis->timers, &sentinel->watch, WATCH_MS);
}

static bool on_found(void *context, const redisReply *reply)
{
	struct sentinel *sentinel = context;
	char name[NAME_BYTES_MAX];
	struct address_host master;

	if (!read_host(reply_text(reply_item(reply, 0)), reply_text(reply_item(reply, 1)), name,
	               &master))
		return false;
	listen(sentinel);
	if (sentinel->seeking) {
		sentinel->seeking = false;
		sentinel->handler->found(sentinel->context, &master);
	} else {
		sentinel->handler->named(sentinel->context, &master);
	}
	return true;
}

static void on_failed(void *context, const char *reason)
{
	struct sentinel *sentinel = context;
	char text[LINE_REASON_BYTES];

	if (sentinel->seeking) {
		sentinel->seeking = false;
		snprintf(text, sizeof(text), "no sentinel knows a master %s: %s",
		         sentinel->redis->address.master, reason);
		sentinel->handler->failed(sentinel->context, text);
	} else {
		timer_set(sentinel->redis->timers, &sentinel->retry, RETRY_MS);
	}
}

/* `NAME OLD-HOST OLD-PORT NEW-HOST NEW-PORT`, of all masters that they watch. */
static bool read_switch(const struct sentinel *sentinel, struct slice message,
                        char name[NAME_BYTES_MAX], struct address_host *master)
{
	struct slice words[5];

	for (size_t i = 0; i < 5; i++)
		if (!slice_next_word(&message, &words[i]))
			return false;
	return slice_is(words[0], sentinel->redis->address.master) &&
	       read_host(words[3], words[4], name, master);
}

static void on_heard(void *context, const redisReply *reply)
{
	struct sentinel *sentinel = context;
	char name[NAME_BYTES_MAX];
	struct address_host master;

	if (slice_is(reply_text(reply_item(reply, 0)), "message") &&
	    read_switch(sentinel, reply_text(reply_item(reply, 2)), name, &master))
		sentinel->handler->named(sentinel->context, &master);
}

/* ---- Listening */

static void on_retry(void *context)
{
	ask(context);
}

static void on_lost(void *context)
{
	struct sentinel *sentinel = context;

	timer_stop(sentinel->redis->timers, &sentinel->watch);
	timer_set(sentinel->redis->timers, &sentinel->retry, RETRY_MS);
}

static void on_watch(void *context)
{
	static const struct slice words[] = {SLICE("PING")};
	struct sentinel *sentinel = context;

	if (sentinel->asked_ms > scout_heard_ms(sentinel->scout)) {
		scout_stop(sentinel->scout);
		on_lost(sentinel);
		return;
	}
	sentinel->asked_ms = timers_now(sentinel->redis->timers);
	scout_say(sentinel->scout, words, 1);
	timer_set(sentinel->redis->timers, &sentinel->watch, WATCH_MS);
}

/* ---- Life */

void sentinel_seek(struct sentinel *sentinel)
{
	sentinel->seeking = true;
	timer_stop(sentinel->redis->timers, &sentinel->retry);
	ask(sentinel);
}

struct sentinel *sentinel_create(struct redis *redis, const struct sentinel_handler *handler,
                                 void *context)
{
	static const struct scout_handler of_scout = {on_found, on_failed, on_heard, on_lost};
	struct sentinel *sentinel = mem_zero(sizeof(*sentinel));

	sentinel->redis = redis;
	sentinel->handler = handler;
	sentinel->context = context;
	sentinel->scout = scout_create(redis, &of_scout, sentinel);
	sentinel->question[0] = SLICE("SENTINEL");
	sentinel->question[1] = SLICE("GET-MASTER-ADDR-BY-NAME");
	sentinel->question[2] = slice_of(redis->address.master);
	sentinel->task = (struct scout_task){
		.hosts = redis->address.hosts,
		.host_count = redis->address.host_count,
		.words = sentinel->question,
		.word_count = 3,
		.access = &redis->sentinel_access,
		.password_file = redis->sentinel_password_file,
	};
	timer_init(&sentinel->retry, on_retry, sentinel);
	timer_init(&sentinel->watch, on_watch, sentinel);
	return sentinel;
}

void sentinel_destroy(struct sentinel *sentinel)
{
	if (sentinel == NULL)
		return;
	timer_stop(sentinel->redis->timers, &sentinel->retry);
	timer_stop(sentinel->redis->timers, &sentinel->watch);
	scout_destroy(sentinel->scout);
	free(sentinel);
}
