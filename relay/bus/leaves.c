#include "bus/leaves.h"

#include <stdlib.h>

#include "bus/command.h"
#include "bus/inbox.h"
#include "bus/link.h"
#include "bus/recovery.h"
#include "bus/scripts.h"
#include "bus/topic.h"
#include "common/memory.h"
#include "common/table.h"

#define LEAVES_MAX 65536 /* who is not told of then goes offline when the lease ends */

struct leaves {
	struct link *link;
	struct table table;
};

struct leave {
	struct table_entry entry; /* by the peer's key */
	struct leaves *all;
	struct inbox *inbox; /* counted */
	uint64_t left_ms;
	unsigned in_flight;
	bool owed;
};

static void forget_if_done(struct leave *leave)
{
	if (leave->owed || leave->in_flight > 0)
		return;
	table_remove(&leave->all->table, &leave->entry);
	metric_set(leave->all->link->meters.leaves_owed, leave->all->table.size);
	inbox_unref(leave->inbox);
	free(leave);
}

/* Any answer will do: an error would be the same the next time. */
static void on_answer(void *context, const struct redisReply *reply)
{
	struct leave *leave = context;

	leave->in_flight--;
	if (reply != NULL && leave->in_flight == 0)
		leave->owed = false;
	forget_if_done(leave);
}

static void send(struct leave *leave)
{
	struct link *link = leave->all->link;
	struct topic *topic = inbox_topic(leave->inbox);
	struct buffer *command = scripts_begin(link->scripts, SCRIPT_LEAVE, 3, 3);
	char head[PARCEL_HEAD_BYTES_MAX];

	leave->in_flight++;
	command_add(command, topic_index(topic));
	command_add(command, topic_broadcast(topic));
	command_add(command, inbox_key(leave->inbox));
	command_add(command, slice_of(link->node_text));
	command_add(command, inbox_peer(leave->inbox));
	command_add(command, link_head(link, PARCEL_OFFLINE, head));
	scripts_send(link->scripts, SCRIPT_LEAVE, on_answer, leave);
}

static struct leave *find(const struct leaves *leaves, struct slice key)
{
	struct table_entry *entry = table_find(&leaves->table, key);

	return entry == NULL ? NULL : TABLE_HOLDER(entry, struct leave, entry);
}

void leaves_add(struct leaves *leaves, struct inbox *inbox)
{
	struct leave *leave = find(leaves, inbox_key(inbox));

	if (leave == NULL) {
		if (leaves->table.size >= LEAVES_MAX)
			return;
		leave = mem_zero(sizeof(*leave));
		leave->all = leaves;
		leave->inbox = inbox_ref(inbox);
		table_insert(&leaves->table, &leave->entry, inbox_key(inbox));
		metric_set(leaves->link->meters.leaves_owed, leaves->table.size);
	}
	leave->left_ms = link_now_ms(leaves->link);
	leave->owed = true;
	if (recovery_is_announced(leaves->link->recovery)) /* else it is repeated at that time */
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

void leaves_repeat(struct leaves *leaves)
{
	uint64_t now = link_now_ms(leaves->link);
	struct table_cursor cursor = {0};
	struct table_entry *entry;

	while ((entry = table_next(&leaves->table, &cursor)) != NULL) {
		struct leave *leave = TABLE_HOLDER(entry, struct leave, entry);
		if (leave->in_flight > 0)
			continue;
		if (now - leave->left_ms < leaves->link->settings->ttl_ms) {
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

struct leaves *leaves_create(struct link *link)
{
	struct leaves *leaves = mem_zero(sizeof(*leaves));

	leaves->link = link;
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
