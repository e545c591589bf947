/*
 * A bus that gives back what it gets: Redis, with no other node than this one.
 *
 * What the mesh asks of it is done later, in order, by mirror_work(), as the loop and Redis would.
 */
#pragma once

#include <assert.h>
#include <stdlib.h>

#include "common/buffer.h"
#include "common/list.h"
#include "common/memory.h"
#include "mesh/lease.h"
#include "mesh/mesh.h"
#include "wire/parcel.h"

#define MIRROR_NODE 1

struct topic {
	struct mesh *owner; /* NULL: closed */
};

struct inbox {
	struct list link;
	struct lease *owner;
	struct blob *id;
	bool online; /* announced, and not gone since */
};

/* Of those that are about an inbox or a topic that is gone nothing comes. */
struct errand {
	struct list link;
	enum errand_kind { LOAD, SUBSCRIBED, ANSWER, BROADCAST, DIRECT } kind;
	enum announce_answer answer;
	struct blob *id;    /* the inbox's, or the target */
	struct blob *bytes; /* the parcel */
};

static struct {
	struct topic topic; /* of the one mesh that is used */
	struct list inboxes;
	struct list errands;
} mirror = {
	.inboxes = {&mirror.inboxes, &mirror.inboxes},
	.errands = {&mirror.errands, &mirror.errands},
};

static struct inbox *mirror_find(struct slice id)
{
	LIST_EACH(&mirror.inboxes, link) {
		struct inbox *inbox = LIST_ENTRY(link, struct inbox, link);
		if (slice_equal(blob_slice(inbox->id), id))
			return inbox;
	}
	return NULL;
}

static struct errand *mirror_add(enum errand_kind kind, struct blob *id)
{
	struct errand *errand = mem_zero(sizeof(*errand));

	errand->kind = kind;
	errand->id = id != NULL ? blob_ref(id) : NULL;
	list_append(&mirror.errands, &errand->link);
	return errand;
}

static void mirror_tell(enum parcel_kind kind, const struct slice *parts, size_t count)
{
	const struct parcel parcel = {.kind = kind, .node = MIRROR_NODE, .time_ms = 1000};
	char head[PARCEL_HEAD_BYTES_MAX];
	struct buffer bytes = {0};

	buffer_append(&bytes, (struct slice){head, parcel_head(&parcel, head)});
	for (size_t i = 0; i < count; i++)
		buffer_append(&bytes, parts[i]);
	mirror_add(BROADCAST, NULL)->bytes = blob_copy(buffer_slice(&bytes));
	buffer_fini(&bytes);
}

static uint64_t mirror_node(const struct bus *bus)
{
	(void)bus;
	return MIRROR_NODE;
}

static enum bus_state mirror_state(const struct bus *bus)
{
	(void)bus;
	return BUS_UP;
}

static struct topic *mirror_topic_open(struct bus *bus, struct slice mesh, struct mesh *owner)
{
	(void)bus;
	(void)mesh;
	assert(mirror.topic.owner == NULL);
	mirror.topic.owner = owner;
	mirror_add(LOAD, NULL);
	return &mirror.topic;
}

static void mirror_topic_close(struct topic *topic)
{
	assert(list_empty(&mirror.inboxes));
	topic->owner = NULL;
}

static bool mirror_topic_is_pressed(const struct topic *topic)
{
	(void)topic;
	return false;
}

static struct inbox *mirror_inbox_open(struct topic *topic, struct slice peer, struct lease *owner)
{
	struct inbox *inbox = mem_zero(sizeof(*inbox));

	(void)topic;
	assert(mirror_find(peer) == NULL);
	inbox->id = blob_copy(peer);
	inbox->owner = owner;
	list_append(&mirror.inboxes, &inbox->link);
	mirror_add(SUBSCRIBED, inbox->id);
	return inbox;
}

static void mirror_inbox_close(struct inbox *inbox, bool leave)
{
	struct slice id = blob_slice(inbox->id);

	if (leave && inbox->online)
		mirror_tell(PARCEL_OFFLINE, &id, 1);
	list_remove(&inbox->link);
	blob_unref(inbox->id);
	free(inbox);
}

static void mirror_announce(struct inbox *inbox, const struct announcement *announcement)
{
	struct slice id = blob_slice(inbox->id);
	struct slice message = announcement->message;
	char sizes[6] = {
		(char)(id.size >> 8),       (char)id.size,
		(char)(message.size >> 24), (char)(message.size >> 16),
		(char)(message.size >> 8),  (char)message.size,
	};
	const struct slice record[] = {{sizes, 2}, id, {sizes + 2, 4}, message};

	mirror_add(ANSWER, inbox->id)->answer = inbox->online ? ANNOUNCE_KEPT : ANNOUNCE_ONLINE;
	inbox->online = true;
	mirror_tell(PARCEL_PRESENCE, record, 4);
}

static void mirror_refresh(struct inbox *inbox, uint64_t heard_ms)
{
	(void)inbox;
	(void)heard_ms;
}

static bool mirror_publish(struct topic *topic, struct slice target, const struct slice *parts,
                           size_t part_count)
{
	struct buffer bytes = {0};
	struct errand *errand = mirror_add(target.data != NULL ? DIRECT : BROADCAST, NULL);

	(void)topic;
	for (size_t i = 0; i < part_count; i++)
		buffer_append(&bytes, parts[i]);
	if (target.data != NULL)
		errand->id = blob_copy(target);
	errand->bytes = blob_copy(buffer_slice(&bytes));
	buffer_fini(&bytes);
	return true;
}

static void mirror_check(struct topic *topic, struct slice peer)
{
	(void)topic;
	(void)peer;
}

static void mirror_list(struct bus *bus, struct slice mesh, uint64_t timeout_ms,
                        bus_list_done *done, void *context)
{
	(void)bus;
	(void)mesh;
	(void)timeout_ms;
	done(context, NULL, 0);
}

static const struct bus_port mirror_port = {
	.node = mirror_node,
	.state = mirror_state,
	.topic_open = mirror_topic_open,
	.topic_close = mirror_topic_close,
	.topic_is_pressed = mirror_topic_is_pressed,
	.inbox_open = mirror_inbox_open,
	.inbox_close = mirror_inbox_close,
	.announce = mirror_announce,
	.refresh = mirror_refresh,
	.publish = mirror_publish,
	.check = mirror_check,
	.list = mirror_list,
};

static void mirror_run(const struct errand *errand)
{
	struct mesh *mesh = mirror.topic.owner;
	struct inbox *inbox = errand->id == NULL ? NULL : mirror_find(blob_slice(errand->id));

	if (mesh == NULL)
		return;
	switch (errand->kind) {
	case LOAD:
		mesh_load_begin(mesh);
		mesh_load_end(mesh, false);
		break;
	case SUBSCRIBED:
		if (inbox != NULL)
			lease_subscribed(inbox->owner);
		break;
	case ANSWER:
		if (inbox != NULL)
			lease_answered(inbox->owner, errand->answer);
		break;
	case BROADCAST:
		mesh_receive(mesh, blob_slice(errand->bytes));
		break;
	case DIRECT:
		if (inbox != NULL)
			lease_receive(inbox->owner, blob_slice(errand->bytes));
		else
			mesh_unpublished(mesh, blob_slice(errand->id), blob_slice(errand->bytes),
			                 UNPUBLISHED_NOBODY);
		break;
	}
}

/* Returns true if there was something to do. */
static bool mirror_work(void)
{
	bool worked = !list_empty(&mirror.errands);

	while (!list_empty(&mirror.errands)) {
		struct errand *errand = LIST_ENTRY(mirror.errands.next, struct errand, link);
		list_remove(&errand->link);
		mirror_run(errand);
		blob_unref(errand->id);
		blob_unref(errand->bytes);
		free(errand);
	}
	return worked;
}
