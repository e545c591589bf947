#include "bus/refreshes.h"

#include <stdlib.h>

#include "bus/inbox.h"
#include "bus/link.h"
#include "bus/topic.h"
#include "common/memory.h"
#include "common/timers.h"
#include "mesh/lease.h"
#include "redis/command.h"
#include "redis/reply.h"
#include "redis/scripts.h"
#include "redis/session.h"

#define GATHER_MS 100     /* a call of 100 costs Redis a third of 100 calls */
#define REFRESHES_MAX 100 /* per call */

struct refresh {
	struct inbox *inbox; /* counted */
	uint64_t heard_ms;
};

struct refreshes {
	struct topic *topic;
	struct timer timer;
	struct refresh *pending;
	size_t count;
	size_t capacity;
};

struct call {
	size_t count;
	struct inbox *inboxes[REFRESHES_MAX]; /* counted */
};

static void on_answer(void *context, const redisReply *reply)
{
	struct call *call = context;

	for (size_t i = 0; i < reply_count(reply); i++) {
		uint64_t place = reply_number(reply_item(reply, i), 0); /* from 1 */
		if (place == 0 || place > call->count)
			continue;
		struct lease *owner = inbox_owner(call->inboxes[place - 1]);
		if (owner != NULL)
			lease_lost(owner);
	}
	for (size_t i = 0; i < call->count; i++)
		inbox_unref(call->inboxes[i]);
	free(call);
}

static void send(struct topic *topic, const struct refresh *some, size_t count)
{
	struct link *link = topic_link(topic);
	uint64_t now = link_now_ms(link);
	struct call *call = mem_alloc(sizeof(*call));

	call->count = count;
	struct buffer *command = scripts_begin(link->scripts, SCRIPT_REFRESH, 1 + count, 2 + count);
	command_add(command, topic_index(topic));
	for (size_t i = 0; i < count; i++) {
		call->inboxes[i] = some[i].inbox;
		command_add(command, inbox_key(some[i].inbox));
	}
	command_add(command, slice_of(link->shared->node_text));
	command_add_number(command, link->shared->settings->ttl_ms);
	for (size_t i = 0; i < count; i++)
		command_add_number(command, now > some[i].heard_ms ? now - some[i].heard_ms : 0);
	scripts_send(link->scripts, SCRIPT_REFRESH, on_answer, call);
}

/* Who left meanwhile is no longer to be refreshed. */
static void drop_closed(struct refreshes *refreshes)
{
	size_t kept = 0;

	for (size_t i = 0; i < refreshes->count; i++) {
		if (inbox_owner(refreshes->pending[i].inbox) != NULL)
			refreshes->pending[kept++] = refreshes->pending[i];
		else
			inbox_unref(refreshes->pending[i].inbox);
	}
	refreshes->count = kept;
}

static void on_timer(void *context)
{
	struct refreshes *refreshes = context;
	struct topic *topic = topic_ref(refreshes->topic);

	if (session_is_ready(topic_link(topic)->session)) {
		drop_closed(refreshes);
		for (size_t at = 0; at < refreshes->count; at += REFRESHES_MAX) {
			size_t left = refreshes->count - at;
			send(topic, refreshes->pending + at,
			     left < REFRESHES_MAX ? left : REFRESHES_MAX);
		}
		refreshes->count = 0;
	}
	topic_unref(topic);
}

void refreshes_add(struct refreshes *refreshes, struct inbox *inbox, uint64_t heard_ms)
{
	struct link *link = topic_link(refreshes->topic);

	if (refreshes->count == refreshes->capacity) {
		refreshes->capacity = refreshes->capacity > 0 ? refreshes->capacity * 2 : 16;
		refreshes->pending = mem_resize(refreshes->pending,
		                                refreshes->capacity * sizeof(*refreshes->pending));
	}
	refreshes->pending[refreshes->count++] = (struct refresh){inbox_ref(inbox), heard_ms};
	if (!timer_is_set(&refreshes->timer))
		timer_set(link->shared->timers, &refreshes->timer, GATHER_MS);
}

void refreshes_lost(struct refreshes *refreshes)
{
	timer_stop(topic_link(refreshes->topic)->shared->timers, &refreshes->timer);
	while (refreshes->count > 0)
		inbox_unref(refreshes->pending[--refreshes->count].inbox);
}

struct refreshes *refreshes_create(struct topic *topic)
{
	struct refreshes *refreshes = mem_zero(sizeof(*refreshes));

	refreshes->topic = topic;
	timer_init(&refreshes->timer, on_timer, refreshes);
	return refreshes;
}

void refreshes_destroy(struct refreshes *refreshes)
{
	if (refreshes == NULL)
		return;
	timer_stop(topic_link(refreshes->topic)->shared->timers, &refreshes->timer);
	free(refreshes->pending);
	free(refreshes);
}
