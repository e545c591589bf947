#include "bus/topic.h"

#include <assert.h>
#include <stdlib.h>

#include "bus/announces.h"
#include "bus/keys.h"
#include "bus/link.h"
#include "bus/load.h"
#include "bus/recovery.h"
#include "bus/refreshes.h"
#include "bus/subscriptions.h"
#include "bus/sweep.h"
#include "common/memory.h"
#include "mesh/mesh.h"

struct topic {
	struct list in_link;
	struct link *link;
	struct mesh *owner;
	unsigned references;
	struct blob *mesh;
	struct blob *index;
	struct blob *broadcast;
	struct blob *peer_start;
	struct subscription *subscription;
	struct list inboxes;
	struct announces *announces;
	struct refreshes *refreshes;
	struct load *load;
	struct sweep *sweep;
	uint64_t nodes;
	bool subscribed;
};

static void begin_work(struct topic *topic)
{
	load_start(topic->load);
	sweep_start(topic->sweep);
}

static void on_subscribed(void *context)
{
	struct topic *topic = context;

	topic->subscribed = true;
	if (recovery_is_announced(topic->link->recovery))
		begin_work(topic);
}

static void on_received(void *context, struct slice message)
{
	struct topic *topic = context;

	mesh_receive(topic->owner, message);
}

static const struct holder holder = {on_subscribed, on_received};

struct topic *topic_open(struct link *link, struct slice mesh, struct mesh *owner)
{
	struct slice prefix = slice_of(link->settings->prefix);
	struct topic *topic = mem_zero(sizeof(*topic));

	topic->link = link;
	topic->owner = owner;
	topic->references = 1;
	topic->nodes = 1;
	topic->mesh = blob_copy(mesh);
	topic->index = keys_index(prefix, mesh);
	topic->broadcast = keys_broadcast(prefix, mesh);
	topic->peer_start = keys_peer(prefix, mesh, SLICE(""));
	list_init(&topic->inboxes);
	list_append(&link->topics, &topic->in_link);
	topic->announces = announces_create(topic);
	topic->refreshes = refreshes_create(topic);
	topic->load = load_create(topic);
	topic->sweep = sweep_create(topic);
	topic->subscription =
		subscription_open(link->subscriptions, topic->broadcast, &holder, topic);
	return topic;
}

void topic_close(struct topic *topic)
{
	assert(list_empty(&topic->inboxes));
	subscription_close(topic->subscription);
	list_remove(&topic->in_link);
	topic->owner = NULL;
	load_stop(topic->load);
	sweep_stop(topic->sweep);
	refreshes_lost(topic->refreshes);
	announces_flush(topic->announces);
	topic_unref(topic);
}

struct topic *topic_ref(struct topic *topic)
{
	topic->references++;
	return topic;
}

void topic_unref(struct topic *topic)
{
	assert(topic->references > 0);
	if (--topic->references > 0)
		return;
	announces_destroy(topic->announces);
	refreshes_destroy(topic->refreshes);
	load_destroy(topic->load);
	sweep_destroy(topic->sweep);
	blob_unref(topic->mesh);
	blob_unref(topic->index);
	blob_unref(topic->broadcast);
	blob_unref(topic->peer_start);
	free(topic);
}

struct link *topic_link(const struct topic *topic)
{
	return topic->link;
}

struct mesh *topic_owner(const struct topic *topic)
{
	return topic->owner;
}

struct slice topic_mesh(const struct topic *topic)
{
	return blob_slice(topic->mesh);
}

struct slice topic_index(const struct topic *topic)
{
	return blob_slice(topic->index);
}

struct slice topic_broadcast(const struct topic *topic)
{
	return blob_slice(topic->broadcast);
}

struct slice topic_peer_start(const struct topic *topic)
{
	return blob_slice(topic->peer_start);
}

struct list *topic_inboxes(struct topic *topic)
{
	return &topic->inboxes;
}

struct announces *topic_announces(struct topic *topic)
{
	return topic->announces;
}

struct refreshes *topic_refreshes(struct topic *topic)
{
	return topic->refreshes;
}

uint64_t topic_nodes(const struct topic *topic)
{
	return topic->nodes;
}

void topic_set_nodes(struct topic *topic, uint64_t nodes)
{
	topic->nodes = nodes > 0 ? nodes : 1;
}

struct topic *topic_next(struct link *link, struct topic *previous)
{
	struct list *next = previous == NULL ? link->topics.next : previous->in_link.next;

	return next == &link->topics ? NULL : LIST_ENTRY(next, struct topic, in_link);
}

void topics_recovered(struct link *link)
{
	for (struct topic *topic = topic_next(link, NULL); topic != NULL;
	     topic = topic_next(link, topic))
		if (topic->subscribed)
			begin_work(topic);
}

void topics_lost(struct link *link)
{
	for (struct topic *topic = topic_next(link, NULL); topic != NULL;
	     topic = topic_next(link, topic)) {
		load_lost(topic->load, topic->subscribed);
		sweep_stop(topic->sweep);
		refreshes_lost(topic->refreshes);
		topic->subscribed = false;
	}
}
