/*
 * Channels: who of us holds which on a session's Redis, over all outages. On a Cluster they are
 * sharded channels.
 *
 * A channel has at most one holder. If it is closed and opened again while Redis has not answered
 * the first yet, the commands leave in that order, and what is in force in the end is the last.
 */
#pragma once

#include "common/blob.h"
#include "redis/reply.h"

struct fence;
struct session;
struct subscription;
struct subscriptions;

struct holder {
	/* Redis has the subscription: again in each session. Nothing is received before. */
	void (*subscribed)(void *context);
	void (*received)(void *context, struct slice message);
	/* A shard has ended the subscription by itself: the slot is another's now. */
	void (*dropped)(void *context);
};

/* `sharded`: as on a Cluster. Returns owned. */
struct subscriptions *subscriptions_create(struct session *session, bool sharded);
/* All must be closed. Accepts NULL. */
void subscriptions_destroy(struct subscriptions *subscriptions);

/*
 * Takes a reference of the channel's name. The subscription is borrowed until subscription_close()
 * or subscription_drop(), which is for a channel that is no longer this Redis's.
 */
struct subscription *subscription_open(struct subscriptions *subscriptions, struct blob *channel,
                                       const struct holder *holder, void *context);
void subscription_close(struct subscription *subscription);
void subscription_drop(struct subscription *subscription);

/*
 * `done` is called when all is answered that was asked for before; not if the session ends first.
 * Borrowed until then.
 */
struct fence *subscriptions_fence(struct subscriptions *subscriptions, void (*done)(void *context),
                                  void *context);
/* `done` is not called any more. Accepts NULL. */
void fence_cancel(struct fence *fence);

/* The session is ready: subscribes all that is held. */
void subscriptions_restore(struct subscriptions *subscriptions);

/* The session is over: Redis has forgotten all of it. */
void subscriptions_lost(struct subscriptions *subscriptions);

/*
 * What came in on the session's connection for subscriptions. Returns true if it was a message on a
 * channel of ours.
 */
bool subscriptions_heard(struct subscriptions *subscriptions, const redisReply *reply);
