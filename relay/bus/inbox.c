#include "bus/inbox.h"

#include <assert.h>
#include <stdlib.h>

#include "bus/announces.h"
#include "bus/keys.h"
#include "bus/leaves.h"
#include "bus/link.h"
#include "bus/publications.h"
#include "bus/topic.h"
#include "common/memory.h"
#include "mesh/lease.h"
#include "redis/subscriptions.h"

struct inbox {
	struct list in_topic;
	struct topic *topic; /* counted */
	struct lease *owner;
	unsigned references;
	bool untold;
	struct blob *key;                  /* also the channel */
	size_t peer_bytes;                 /* the end of it */
	struct subscription *subscription; /* NULL: not to be heard */
};

static void on_subscribed(void *context)
{
	struct inbox *inbox = context;

	lease_subscribed(inbox->owner);
}

static void on_received(void *context, struct slice message)
{
	struct inbox *inbox = context;

	if (link_read_origin(topic_link(inbox->topic), &message))
		lease_receive(inbox->owner, message);
}

static void on_dropped(void *context)
{
	struct inbox *inbox = context;

	topic_dropped(inbox->topic);
}

static const struct holder holder = {on_subscribed, on_received, on_dropped};

static void subscribe(struct inbox *inbox)
{
	struct link *link = topic_link(inbox->topic);

	inbox->subscription = subscription_open(link->subscriptions, inbox->key, &holder, inbox);
}

struct inbox *inbox_open(struct topic *topic, struct slice peer, struct lease *owner)
{
	struct link *link = topic_link(topic);
	struct inbox *inbox = mem_zero(sizeof(*inbox));

	inbox->topic = topic_ref(topic);
	inbox->owner = owner;
	inbox->references = 1;
	inbox->key = keys_peer(slice_of(link->shared->settings->prefix), topic_mesh(topic), peer);
	inbox->peer_bytes = peer.size;
	list_append(topic_inboxes(topic), &inbox->in_topic);
	subscribe(inbox);
	leaves_forget(link->shared->leaves, blob_slice(inbox->key));
	return inbox;
}

static void unsubscribe(struct inbox *inbox)
{
	if (inbox->subscription != NULL)
		subscription_close(inbox->subscription);
	inbox->subscription = NULL;
}

void inbox_listen(struct inbox *inbox, bool on)
{
	unsubscribe(inbox);
	if (on)
		subscribe(inbox);
}

void inbox_moved(struct inbox *inbox)
{
	if (inbox->subscription == NULL)
		return;
	subscription_drop(inbox->subscription);
	subscribe(inbox);
}

void inbox_close(struct inbox *inbox, bool leave)
{
	/* What was announced and published comes before the end of it. */
	announces_flush(topic_announces(inbox->topic));
	publications_flush(topic_publications(inbox->topic));
	unsubscribe(inbox);
	list_remove(&inbox->in_topic);
	inbox->owner = NULL;
	if (leave)
		leaves_add(topic_link(inbox->topic)->shared->leaves, inbox);
	inbox_unref(inbox);
}

struct inbox *inbox_ref(struct inbox *inbox)
{
	inbox->references++;
	return inbox;
}

void inbox_unref(struct inbox *inbox)
{
	assert(inbox->references > 0);
	if (--inbox->references > 0)
		return;
	blob_unref(inbox->key);
	topic_unref(inbox->topic);
	free(inbox);
}

void inbox_set_untold(struct inbox *inbox, bool untold)
{
	inbox->untold = untold;
}

bool inbox_is_untold(const struct inbox *inbox)
{
	return inbox->untold;
}

struct topic *inbox_topic(const struct inbox *inbox)
{
	return inbox->topic;
}

struct lease *inbox_owner(const struct inbox *inbox)
{
	return inbox->owner;
}

struct slice inbox_key(const struct inbox *inbox)
{
	return blob_slice(inbox->key);
}

struct slice inbox_peer(const struct inbox *inbox)
{
	return (struct slice){inbox->key->bytes + inbox->key->size - inbox->peer_bytes,
	                      inbox->peer_bytes};
}

struct inbox *inbox_next(struct list *inboxes, struct inbox *previous)
{
	struct list *next = previous == NULL ? inboxes->next : previous->in_topic.next;

	return next == inboxes ? NULL : LIST_ENTRY(next, struct inbox, in_topic);
}
