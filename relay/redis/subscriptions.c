/*
 * The happy path: SUBSCRIBE, its answer, messages, UNSUBSCRIBE, its answer.
 *
 * Failures: the session ends; subscriptions_restore() subscribes in the next one what is held then.
 * Redis refuses: the session fails, with what Redis said as the reason. A shard refuses because the
 * slot has moved: the session says so. Or it says by itself that a subscription has ended for that
 * reason: the holder hears dropped().
 *
 * All answers name their channel, and are told apart by that, not by their order: a shard that
 * gives a slot away answers once more than it was asked.
 */
#include "redis/subscriptions.h"

#include <assert.h>
#include <stdlib.h>

#include "common/list.h"
#include "common/memory.h"
#include "common/table.h"
#include "redis/command.h"
#include "redis/reply.h"
#include "redis/session.h"

struct subscriptions {
	struct session *session;
	bool sharded;
	struct table table;
	struct list fences;
	bool on; /* restored in this session */
};

struct subscription {
	struct table_entry entry; /* by the channel's name */
	struct subscriptions *all;
	struct blob *channel;
	const struct holder *holder; /* NULL: closed, and waiting for the answers below */
	void *context;
	unsigned subscribing;   /* answers to come */
	unsigned unsubscribing; /* answers to come */
};

/* A PING, answered when all before it is. */
struct fence {
	struct list link;
	void (*done)(void *context); /* NULL: cancelled */
	void *context;
};

static bool is_on(const struct subscriptions *subscriptions)
{
	return subscriptions->on && session_is_ready(subscriptions->session);
}

static void forget(struct subscription *subscription)
{
	table_remove(&subscription->all->table, &subscription->entry);
	blob_unref(subscription->channel);
	free(subscription);
}

static void forget_if_unused(struct subscription *subscription)
{
	if (subscription->holder == NULL && subscription->subscribing == 0 &&
	    subscription->unsubscribing == 0)
		forget(subscription);
}

/* ---- Asking */

static void send(struct subscription *subscription, struct slice verb, struct slice sharded)
{
	struct session *session = subscription->all->session;
	struct buffer *command = session_begin(session, 2);

	command_add(command, subscription->all->sharded ? sharded : verb);
	command_add(command, blob_slice(subscription->channel));
	session_subscriber(session, command_end(command));
}

static void subscribe(struct subscription *subscription)
{
	subscription->subscribing++;
	send(subscription, SLICE("SUBSCRIBE"), SLICE("SSUBSCRIBE"));
}

static struct subscription *find(const struct subscriptions *subscriptions, struct slice channel)
{
	struct table_entry *entry = table_find(&subscriptions->table, channel);

	return entry == NULL ? NULL : TABLE_HOLDER(entry, struct subscription, entry);
}

struct subscription *subscription_open(struct subscriptions *subscriptions, struct blob *channel,
                                       const struct holder *holder, void *context)
{
	struct subscription *subscription = find(subscriptions, blob_slice(channel));

	if (subscription == NULL) {
		subscription = mem_zero(sizeof(*subscription));
		subscription->all = subscriptions;
		subscription->channel = blob_ref(channel);
		table_insert(&subscriptions->table, &subscription->entry, blob_slice(channel));
	}
	assert(subscription->holder == NULL);
	subscription->holder = holder;
	subscription->context = context;
	if (is_on(subscriptions))
		subscribe(subscription);
	return subscription;
}

void subscription_close(struct subscription *subscription)
{
	subscription->holder = NULL;
	if (is_on(subscription->all)) {
		subscription->unsubscribing++;
		send(subscription, SLICE("UNSUBSCRIBE"), SLICE("SUNSUBSCRIBE"));
	}
	forget_if_unused(subscription);
}

void subscription_drop(struct subscription *subscription)
{
	forget(subscription);
}

struct fence *subscriptions_fence(struct subscriptions *subscriptions, void (*done)(void *context),
                                  void *context)
{
	struct fence *fence = mem_zero(sizeof(*fence));
	struct buffer *command = session_begin(subscriptions->session, 1);

	fence->done = done;
	fence->context = context;
	list_init(&fence->link);
	list_append(&subscriptions->fences, &fence->link);
	command_add(command, SLICE("PING"));
	session_subscriber(subscriptions->session, command_end(command));
	return fence;
}

void fence_cancel(struct fence *fence)
{
	if (fence != NULL)
		fence->done = NULL;
}

/* ---- Hearing */

static void on_subscribe(struct subscription *subscription)
{
	if (subscription->subscribing == 0)
		return;
	subscription->subscribing--;
	if (subscription->holder != NULL && subscription->subscribing == 0)
		subscription->holder->subscribed(subscription->context);
	else
		forget_if_unused(subscription);
}

static void on_unsubscribe(struct subscription *subscription)
{
	if (subscription->unsubscribing > 0) {
		subscription->unsubscribing--;
		forget_if_unused(subscription);
	} else if (subscription->holder != NULL && subscription->subscribing == 0) {
		subscription->holder->dropped(subscription->context);
	}
}

static void on_message(struct subscription *subscription, struct slice message)
{
	if (subscription->holder != NULL && subscription->subscribing == 0)
		subscription->holder->received(subscription->context, message);
}

static void on_pong(struct subscriptions *subscriptions)
{
	struct fence *fence;

	if (list_empty(&subscriptions->fences))
		return;
	fence = LIST_ENTRY(subscriptions->fences.next, struct fence, link);
	list_remove(&fence->link);
	if (fence->done != NULL)
		fence->done(fence->context);
	free(fence);
}

bool subscriptions_heard(struct subscriptions *subscriptions, const redisReply *reply)
{
	struct slice kind = reply_text(reply_item(reply, 0));
	struct subscription *subscription;

	if (kind.data == NULL)
		kind = reply_text(reply); /* PONG, before anything is subscribed */
	if (slice_is(kind, "pong") || slice_is(kind, "PONG")) {
		on_pong(subscriptions);
		return false;
	}
	subscription = find(subscriptions, reply_text(reply_item(reply, 1)));
	if (subscription == NULL)
		return false;
	if (slice_is(kind, "message") || slice_is(kind, "smessage")) {
		on_message(subscription, reply_text(reply_item(reply, 2)));
		return true;
	}
	if (slice_is(kind, "subscribe") || slice_is(kind, "ssubscribe"))
		on_subscribe(subscription);
	else if (slice_is(kind, "unsubscribe") || slice_is(kind, "sunsubscribe"))
		on_unsubscribe(subscription);
	return false;
}

/* ---- Sessions */

void subscriptions_restore(struct subscriptions *subscriptions)
{
	struct table_cursor cursor = {0};
	struct table_entry *entry;

	subscriptions->on = true;
	while ((entry = table_next(&subscriptions->table, &cursor)) != NULL)
		subscribe(TABLE_HOLDER(entry, struct subscription, entry));
}

void subscriptions_lost(struct subscriptions *subscriptions)
{
	struct table_cursor cursor = {0};
	struct table_entry *entry;

	subscriptions->on = false;
	LIST_EACH(&subscriptions->fences, link) {
		list_remove(link);
		free(LIST_ENTRY(link, struct fence, link));
	}
	while ((entry = table_next(&subscriptions->table, &cursor)) != NULL) {
		struct subscription *subscription = TABLE_HOLDER(entry, struct subscription, entry);
		subscription->subscribing = 0;
		subscription->unsubscribing = 0;
		forget_if_unused(subscription);
	}
}

struct subscriptions *subscriptions_create(struct session *session, bool sharded)
{
	struct subscriptions *subscriptions = mem_zero(sizeof(*subscriptions));

	subscriptions->session = session;
	subscriptions->sharded = sharded;
	list_init(&subscriptions->fences);
	table_init(&subscriptions->table);
	return subscriptions;
}

void subscriptions_destroy(struct subscriptions *subscriptions)
{
	if (subscriptions == NULL)
		return;
	subscriptions_lost(subscriptions);
	table_fini(&subscriptions->table);
	free(subscriptions);
}
