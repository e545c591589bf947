/*
 * The happy path: look the first host's name up, connect, AUTH if there is a password, ask; a good
 * answer, after which the line stays open until scout_stop().
 *
 * Failures: no such name, no connection, no or no good answer in time: the next host. After the last
 * one it has failed. Everything that happens to a host ends in give_up(), on a turn of its own.
 */
#include "redis/scout.h"

#include <stdio.h>
#include <stdlib.h>

#include <event2/event.h>

#include "common/buffer.h"
#include "common/memory.h"
#include "common/timers.h"
#include "net/lookup.h"
#include "redis/command.h"
#include "redis/greeting.h"
#include "redis/redis.h"

#define HOST_MS_MAX 2000 /* from the look-up to the answer */

struct scout {
	struct redis *redis;
	const struct scout_handler *handler;
	void *context;
	const struct scout_task *task;
	size_t first; /* asked first */
	size_t at;    /* hosts tried */
	struct lookup *lookup;
	struct line *line;
	struct timer deadline;
	struct event *next; /* activated to go on to the next host */
	char reason[LINE_REASON_BYTES];
	bool asking;
	bool given_up; /* on this host: what it says besides is not heard */
	bool answered;
};

const struct address_host *scout_host(const struct scout *scout)
{
	const struct scout_task *task = scout->task;

	return &task->hosts[(scout->first + scout->at) % task->host_count];
}

uint64_t scout_heard_ms(const struct scout *scout)
{
	return line_heard_ms(scout->line);
}

bool scout_is_asking(const struct scout *scout)
{
	return scout->asking;
}

static void hang_up(struct scout *scout)
{
	timer_stop(scout->redis->timers, &scout->deadline);
	lookup_cancel(scout->lookup);
	scout->lookup = NULL;
	line_close(scout->line);
}

static void give_up(struct scout *scout, const char *reason)
{
	if (scout->given_up)
		return;
	scout->given_up = true;
	snprintf(scout->reason, sizeof(scout->reason), "%s", reason);
	event_active(scout->next, EV_TIMEOUT, 0);
}

/* ---- Asking */

void scout_say(struct scout *scout, const struct slice *words, size_t count)
{
	struct buffer command = {0};

	command_begin(&command, count);
	for (size_t i = 0; i < count; i++)
		command_add(&command, words[i]);
	line_send(scout->line, command_end(&command), NULL, NULL);
	buffer_fini(&command);
}

static void on_authenticated(void *context, enum answer answer, const redisReply *reply)
{
	if (answer == ANSWER_ERROR)
		give_up(context, reply_text(reply).data);
}

static void on_opened(void *context)
{
	struct scout *scout = context;

	greeting_authenticate(scout->line, scout->task->access, scout->task->password_file,
	                      on_authenticated, scout);
	scout_say(scout, scout->task->words, scout->task->word_count);
}

static void on_heard(void *context, const redisReply *reply)
{
	struct scout *scout = context;

	if (scout->given_up)
		return;
	if (scout->answered) {
		scout->handler->heard(scout->context, reply);
		return;
	}
	if (reply_is_error(reply)) {
		give_up(scout, reply_text(reply).data);
	} else if (scout->handler->found(scout->context, reply)) {
		timer_stop(scout->redis->timers, &scout->deadline);
		scout->answered = true;
		scout->asking = false;
		scout->first = (scout->first + scout->at) % scout->task->host_count;
		scout->at = 0;
	} else {
		give_up(scout, "the answer is of no use");
	}
}

static void on_lost(void *context, const char *reason)
{
	struct scout *scout = context;

	if (scout->answered)
		scout->handler->lost(scout->context);
	else
		give_up(scout, reason);
}

static bool may_read(void *context)
{
	const struct scout *scout = context;

	return scout->asking || scout->answered;
}

static enum answer judge(void *context, const redisReply *reply)
{
	(void)context;
	return reply_is_error(reply) ? ANSWER_ERROR : ANSWER_OK;
}

/* ---- One host after the other */

static void on_looked_up(void *context, const struct endpoint *found, size_t count,
                         const char *error)
{
	struct scout *scout = context;
	char reason[LINE_REASON_BYTES];

	scout->lookup = NULL;
	if (count == 0)
		give_up(scout, error);
	else if (!line_open(scout->line, found, scout->redis->tls, scout_host(scout)->name, reason))
		give_up(scout, reason);
}

static void ask(struct scout *scout)
{
	const struct address_host *host = scout_host(scout);

	scout->given_up = false;
	timer_set(scout->redis->timers, &scout->deadline, HOST_MS_MAX);
	scout->lookup =
		lookup_start(scout->redis->base, host->name, host->port, on_looked_up, scout);
}

static void on_next(evutil_socket_t fd, short what, void *context)
{
	struct scout *scout = context;

	(void)fd;
	(void)what;
	hang_up(scout);
	if (!scout->asking)
		return;
	if (++scout->at < scout->task->host_count) {
		ask(scout);
		return;
	}
	scout->asking = false;
	scout->at = 0;
	scout->handler->failed(scout->context, scout->reason);
}

static void on_deadline(void *context)
{
	give_up(context, "no answer in time");
}

void scout_start(struct scout *scout, const struct scout_task *task)
{
	scout_stop(scout);
	scout->task = task;
	scout->first %= task->host_count;
	scout->at = 0;
	scout->asking = true;
	ask(scout);
}

void scout_stop(struct scout *scout)
{
	scout->asking = scout->answered = false;
	event_del(scout->next);
	hang_up(scout);
}

/* ---- Life */

struct scout *scout_create(struct redis *redis, const struct scout_handler *handler, void *context)
{
	static const struct line_handler of_line = {
		.opened = on_opened,
		.lost = on_lost,
		.may_read = may_read,
		.judge = judge,
		.heard = on_heard,
	};
	struct scout *scout = mem_zero(sizeof(*scout));

	scout->redis = redis;
	scout->handler = handler;
	scout->context = context;
	scout->line = line_create(redis->base, &of_line, scout);
	scout->next = event_new(redis->base, -1, 0, on_next, scout);
	if (scout->next == NULL)
		abort();
	timer_init(&scout->deadline, on_deadline, scout);
	return scout;
}

void scout_destroy(struct scout *scout)
{
	if (scout == NULL)
		return;
	scout_stop(scout);
	line_destroy(scout->line);
	event_free(scout->next);
	free(scout);
}
