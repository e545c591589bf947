/*
 * The happy path: SUBSCRIBE, its answer, messages, UNSUBSCRIBE, its answer.
 *
 * Failures: the session ends; subscriptions_restore() subscribes in the next one what is held then.
 * A SUBSCRIBE that Redis refuses has no answer that hiredis could give to anybody: it closes the
 * connection, with what Redis said as the reason.
 *
 * One SUBSCRIBE per channel, so that hiredis, which looks each message's channel up anyway, hands
 * us the subscription with it: no second look-up.
 */
#include "bus/subscriptions.h"

#include <assert.h>
#include <stdlib.h>

#include "bus/command.h"
#include "bus/link.h"
#include "bus/probe.h"
#include "bus/reply.h"
#include "bus/session.h"
#include "common/memory.h"
#include "common/table.h"

struct subscriptions {
	struct link *link;
	struct table table;
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
	bool known;             /* to hiredis, which has a pointer to it */
};

static void forget(struct subscription *subscription)
{
	table_remove(&subscription->all->table, &subscription->entry);
	blob_unref(subscription->channel);
	free(subscription);
}

static void forget_if_unused(struct subscription *subscription)
{
	if (subscription->holder == NULL && !subscription->known)
		forget(subscription);
}

static void on_subscribe(struct subscription *subscription)
{
	assert(subscription->subscribing > 0);
	subscription->subscribing--;
	if (subscription->holder != NULL && subscription->subscribing == 0)
		subscription->holder->subscribed(subscription->context);
}

static void on_unsubscribe(struct subscription *subscription)
{
	assert(subscription->unsubscribing > 0);
	subscription->unsubscribing--;
	if (subscription->subscribing == 0 && subscription->unsubscribing == 0) {
		subscription->known = false;
		forget_if_unused(subscription);
	}
}

static void on_reply(redisAsyncContext *redis, void *reply, void *context)
{
	struct subscription *subscription = context;
	struct link *link = subscription->all->link;

	(void)redis;
	if (session_judge(link->session, reply) != ANSWER_OK)
		return;
	struct slice kind = reply_text(reply_item(reply, 0));
	if (slice_is(kind, "message")) {
		probe_heard(link->probe);
		if (subscription->holder != NULL && subscription->subscribing == 0)
			subscription->holder->received(subscription->context,
			                               reply_text(reply_item(reply, 2)));
	} else if (slice_is(kind, "subscribe")) {
		on_subscribe(subscription);
	} else if (slice_is(kind, "unsubscribe")) {
		on_unsubscribe(subscription);
	}
}

static void send(struct subscription *subscription, struct slice verb)
{
	struct link *link = subscription->all->link;
	struct buffer *command = link_command(link, 2);

	command_add(command, verb);
	command_add(command, blob_slice(subscription->channel));
	session_subscriber(link->session, command_end(command), on_reply, subscription);
}

static bool is_on(const struct subscriptions *subscriptions)
{
	return subscriptions->on && session_is_ready(subscriptions->link->session);
}

static void subscribe(struct subscription *subscription)
{
	subscription->subscribing++;
	subscription->known = true;
	send(subscription, SLICE("SUBSCRIBE"));
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
		send(subscription, SLICE("UNSUBSCRIBE"));
	}
	forget_if_unused(subscription);
}

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
	while ((entry = table_next(&subscriptions->table, &cursor)) != NULL) {
		struct subscription *subscription = TABLE_HOLDER(entry, struct subscription, entry);
		subscription->subscribing = 0;
		subscription->unsubscribing = 0;
		subscription->known = false;
		forget_if_unused(subscription);
	}
}

struct subscriptions *subscriptions_create(struct link *link)
{
	struct subscriptions *subscriptions = mem_zero(sizeof(*subscriptions));

	subscriptions->link = link;
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
