#include "bus/leaves.h"

#include <stdlib.h>

#include "bus/inbox.h"
#include "bus/link.h"
#include "bus/topic.h"
#include "common/memory.h"
#include "common/table.h"
#include "redis/command.h"
#include "redis/scripts.h"

#define LEAVES_MAX 65536 /* who is not told of then goes offline when the lease ends */

struct leaves {
	struct shared *shared;
	struct table table;
};

struct leave {
	struct table_entry entry; /* by the peer's key */
	struct list in_topic;
	struct leaves *all;
	struct inbox *inbox; /* counted */
	uint64_t left_ms;
	unsigned in_flight;
	bool owed;
	bool repeat; /* the topic recovered while it was in flight, where the topic had been before */
};

static void forget_if_done(struct leave *leave)
{
	if (leave->owed || leave->in_flight > 0)
		return;
	table_remove(&leave->all->table, &leave->entry);
	list_remove(&leave->in_topic);
	metric_set(leave->all->shared->meters.leaves_owed, leave->all->table.size);
	inbox_unref(leave->inbox);
	free(leave);
}

static void on_answer(void *context, const redisReply *reply);

static void send(struct leave *leave)
{
	struct topic *topic = inbox_topic(leave->inbox);
	struct link *link = topic_link(topic);
	struct buffer *command = scripts_begin(link->scripts, SCRIPT_LEAVE, 3, 3);
	char head[LINK_HEAD_BYTES_MAX];

	leave->in_flight++;
	leave->repeat = false;
	command_add(command, topic_index(topic));
	command_add(command, topic_broadcast(topic));
	command_add(command, inbox_key(leave->inbox));
	command_add(command, slice_of(link->shared->node_text));
	command_add(command, inbox_peer(leave->inbox));
	command_add(command, link_head(link, PARCEL_OFFLINE, head));
	scripts_send(link->scripts, SCRIPT_LEAVE, on_answer, leave);
}

/* Any answer will do: an error would be the same the next time. */
static void on_answer(void *context, const redisReply *reply)
{
	struct leave *leave = context;

	if (--leave->in_flight == 0 && reply != NULL)
		leave->owed = false;
	if (leave->in_flight == 0 && leave->owed && leave->repeat &&
	    topic_is_announced(inbox_topic(leave->inbox)))
		send(leave);
	forget_if_done(leave);
}

static struct leave *find(const struct leaves *leaves, struct slice key)
{
	struct table_entry *entry = table_find(&leaves->table, key);

	return entry == NULL ? NULL : TABLE_HOLDER(entry, struct leave, entry);
}

void leaves_add(struct leaves *leaves, struct inbox *inbox)
{
	struct topic *topic = inbox_topic(inbox);
	struct leave *leave = find(leaves, inbox_key(inbox));

	if (leave == NULL) {
		if (leaves->table.size >= LEAVES_MAX)
			return;
		leave = mem_zero(sizeof(*leave));
		leave->all = leaves;
		leave->inbox = inbox_ref(inbox);
		list_init(&leave->in_topic);
		list_append(topic_leaves(topic), &leave->in_topic);
		table_insert(&leaves->table, &leave->entry, inbox_key(inbox));
		metric_set(leaves->shared->meters.leaves_owed, leaves->table.size);
	}
	leave->left_ms = shared_now_ms(leaves->shared);
	leave->owed = true;
	if (topic_is_announced(topic)) /* else it is repeated at that time */
		send(leave);
}

void leaves_forget(struct leaves *leaves, struct slice key)
{
	struct leave *leave = find(leaves, key);

	if (leave == NULL)
		return;
	leave->owed = false;
	forget_if_done(leave);
}

void leaves_repeat(struct topic *topic)
{
	LIST_EACH(topic_leaves(topic), link) {
		struct leave *leave = LIST_ENTRY(link, struct leave, in_topic);
		const struct shared *shared = leave->all->shared;
		leave->repeat = leave->in_flight > 0;
		if (leave->repeat)
			continue;
		if (shared_now_ms(shared) - leave->left_ms < shared->settings->ttl_ms) {
			send(leave);
			continue;
		}
		leave->owed = false;
		forget_if_done(leave);
	}
}

bool leaves_none(const struct leaves *leaves)
{
	return leaves->table.size == 0;
}

struct leaves *leaves_create(struct shared *shared)
{
	struct leaves *leaves = mem_zero(sizeof(*leaves));

	leaves->shared = shared;
	table_init(&leaves->table);
	return leaves;
}

void leaves_destroy(struct leaves *leaves)
{
	struct table_cursor cursor = {0};
	struct table_entry *entry;

	if (leaves == NULL)
		return;
	while ((entry = table_next(&leaves->table, &cursor)) != NULL) {
		struct leave *leave = TABLE_HOLDER(entry, struct leave, entry);
		leave->owed = false;
		forget_if_done(leave);
	}
	table_fini(&leaves->table);
	free(leaves);
}
