#include "bus/topic.h"

#include <assert.h>
#include <stdlib.h>

#include "bus/announces.h"
#include "bus/inbox.h"
#include "bus/link.h"
#include "bus/load.h"
#include "bus/publications.h"
#include "bus/recovery.h"
#include "bus/refreshes.h"
#include "bus/sweep.h"
#include "bus/traffic.h"
#include "common/memory.h"
#include "mesh/mesh.h"
#include "redis/session.h"
#include "redis/slot.h"
#include "redis/subscriptions.h"

struct topic {
	struct list in_link;
	struct link *link;
	struct mesh *owner;
	unsigned references;
	unsigned slot;
	struct blob *mesh;
	struct blob *index;
	struct blob *broadcast;
	struct blob *peer_start;
	struct subscription *subscription;
	struct list inboxes;
	struct list leaves;
	struct announces *announces;
	struct refreshes *refreshes;
	struct publications *publications;
	struct recovery *recovery;
	struct load *load;   /* NULL: not recovered */
	struct sweep *sweep; /* likewise */
	uint64_t nodes;
	uint64_t moved_ms;
	bool subscribed;
	bool missed;
	bool dropped;   /* a subscription has ended by itself */
	bool displaced; /* moved while in use, and not yet recovered */
};

static void on_subscribed(void *context)
{
	struct topic *topic = context;

	topic->subscribed = true;
}

static void on_received(void *context, struct slice message)
{
	struct topic *topic = context;

	if (link_read_origin(topic->link, &message))
		mesh_receive(topic->owner, message);
}

void topic_dropped(struct topic *topic)
{
	topic->dropped = true;
	link_dropped(topic->link);
}

static void on_dropped(void *context)
{
	topic_dropped(context);
}

static const struct holder holder = {on_subscribed, on_received, on_dropped};

static void subscribe(struct topic *topic)
{
	topic->subscription =
		subscription_open(topic->link->subscriptions, topic->broadcast, &holder, topic);
}

struct topic *topic_open(struct link *link, struct slice mesh, struct mesh *owner)
{
	struct slice prefix = slice_of(link->shared->settings->prefix);
	struct topic *topic = mem_zero(sizeof(*topic));

	topic->link = link;
	topic->owner = owner;
	topic->references = 1;
	topic->slot = slot_of(mesh);
	topic->nodes = 1;
	topic->mesh = blob_copy(mesh);
	topic->index = keys_index(prefix, mesh);
	topic->broadcast = keys_broadcast(prefix, mesh);
	topic->peer_start = keys_peer(prefix, mesh, SLICE(""));
	list_init(&topic->inboxes);
	list_init(&topic->leaves);
	list_append(&link->topics, &topic->in_link);
	topic->announces = announces_create(topic);
	topic->refreshes = refreshes_create(topic);
	topic->publications = publications_create(topic);
	topic->recovery = recovery_create(topic);
	subscribe(topic);
	if (link->begun)
		topic_begin(topic);
	return topic;
}

static void stop_work(struct topic *topic)
{
	load_end(topic->load);
	sweep_end(topic->sweep);
	topic->load = NULL;
	topic->sweep = NULL;
	refreshes_lost(topic->refreshes);
}

void topic_close(struct topic *topic)
{
	assert(list_empty(&topic->inboxes));
	subscription_close(topic->subscription);
	topic->owner = NULL;
	stop_work(topic);
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
	list_remove(&topic->in_link);
	recovery_destroy(topic->recovery);
	announces_destroy(topic->announces);
	refreshes_destroy(topic->refreshes);
	publications_destroy(topic->publications);
	blob_unref(topic->mesh);
	blob_unref(topic->index);
	blob_unref(topic->broadcast);
	blob_unref(topic->peer_start);
	free(topic);
}

/* ---- On a link, and from one to another */

void topic_begin(struct topic *topic)
{
	recovery_start(topic->recovery, topic->displaced);
}

void topic_recovered(struct topic *topic)
{
	topic->displaced = false;
	if (topic->owner == NULL || !topic->subscribed)
		return;
	topic->load = load_begin(topic);
	topic->sweep = sweep_begin(topic);
}

void topic_lost(struct topic *topic)
{
	topic->missed = topic->missed || topic->subscribed;
	topic->subscribed = false;
	topic->dropped = false;
	recovery_stop(topic->recovery);
	stop_work(topic);
}

void topic_give_up(struct topic *topic)
{
	publications_give_up(topic->publications);
}

static void move_subscriptions(struct topic *topic, struct link *link)
{
	if (topic->owner == NULL)
		return;
	subscription_drop(topic->subscription);
	topic->link = link;
	subscribe(topic);
	for (struct inbox *inbox = inbox_next(&topic->inboxes, NULL); inbox != NULL;
	     inbox = inbox_next(&topic->inboxes, inbox))
		inbox_moved(inbox);
}

void topic_move(struct topic *topic, struct link *link)
{
	struct link *from = topic->link;

	topic_lost(topic);
	if (topic->owner != NULL)
		mesh_relieved(topic->owner);
	list_remove(&topic->in_link);
	list_append(&link->topics, &topic->in_link);
	publications_move(topic->publications, from->traffic, link->traffic);
	move_subscriptions(topic, link);
	topic->link = link;
	topic->moved_ms = link_now_ms(link);
	topic->displaced = topic->missed;
	announces_move(topic->announces);
	if (link->begun)
		topic_begin(topic);
	link_look(from);
}

void topics_each(struct link *link, void (*act)(struct topic *topic))
{
	struct list *at = link->topics.next;

	while (at != &link->topics) {
		struct topic *topic = topic_ref(LIST_ENTRY(at, struct topic, in_link));
		at = at->next;
		act(topic);
		topic_unref(topic);
	}
}

/* ---- Asking it */

bool topic_is_announced(const struct topic *topic)
{
	return recovery_is_announced(topic->recovery);
}

bool topic_is_dropped(const struct topic *topic)
{
	return topic->dropped;
}

bool topic_is_pressed(const struct topic *topic)
{
	return traffic_is_pressed(topic->link->traffic);
}

struct link *topic_link(const struct topic *topic)
{
	return topic->link;
}

struct mesh *topic_owner(const struct topic *topic)
{
	return topic->owner;
}

unsigned topic_slot(const struct topic *topic)
{
	return topic->slot;
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

struct list *topic_leaves(struct topic *topic)
{
	return &topic->leaves;
}

struct announces *topic_announces(struct topic *topic)
{
	return topic->announces;
}

struct refreshes *topic_refreshes(struct topic *topic)
{
	return topic->refreshes;
}

struct publications *topic_publications(struct topic *topic)
{
	return topic->publications;
}

uint64_t topic_nodes(const struct topic *topic)
{
	return topic->nodes;
}

void topic_set_nodes(struct topic *topic, uint64_t nodes)
{
	topic->nodes = nodes > 0 ? nodes : 1;
}

uint64_t topic_since_ms(const struct topic *topic)
{
	uint64_t ready_ms = session_ready_ms(topic->link->session);

	return topic->moved_ms > ready_ms ? topic->moved_ms : ready_ms;
}

bool topic_missed(const struct topic *topic)
{
	return topic->missed;
}

void topic_loaded(struct topic *topic)
{
	topic->missed = false;
}
