/*
 * Channels: who of us holds which, over all sessions.
 *
 * A channel has at most one holder. If it is closed and opened again while Redis has not answered
 * the first yet, the commands leave in that order, and what is in force in the end is the last.
 */
#pragma once

#include "common/blob.h"
#include "common/text.h"

struct link;
struct subscription;
struct subscriptions;

struct holder {
	/* Redis has the subscription: again in each session. Nothing is received before. */
	void (*subscribed)(void *context);
	void (*received)(void *context, struct slice message);
};

/* Returns owned. */
struct subscriptions *subscriptions_create(struct link *link);
/* All must be closed. Accepts NULL. */
void subscriptions_destroy(struct subscriptions *subscriptions);

/*
 * Takes a reference of the channel's name. The subscription is borrowed until subscription_close().
 */
struct subscription *subscription_open(struct subscriptions *subscriptions, struct blob *channel,
                                       const struct holder *holder, void *context);
void subscription_close(struct subscription *subscription);

/* The session is ready: subscribes all that is held. */
void subscriptions_restore(struct subscriptions *subscriptions);

/* The session is over: Redis has forgotten all of it. */
void subscriptions_lost(struct subscriptions *subscriptions);
