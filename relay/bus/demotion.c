/*
 * The happy path: a node is told READONLY and says so on the channel; the others ask Redis by a
 * write that changes nothing, are told READONLY, too, and all of them connect anew.
 *
 * Failures: it was no replica, or is none any more: the write is answered, and that is all. The
 * connection breaks first: then there is nothing to leave. The word does not get out because the
 * socket is full: each finds out at its own next write.
 */
#include "bus/demotion.h"

#include <stdlib.h>

#include "bus/keys.h"
#include "bus/link.h"
#include "common/memory.h"
#include "redis/session.h"
#include "redis/subscriptions.h"

struct demotion {
	struct link *link;
	struct blob *channel; /* and a key that is never written. NULL: none is needed */
	struct subscription *subscription;
	bool asking; /* or telling */
};

static void on_answer(void *context, enum answer answer, const redisReply *reply)
{
	struct demotion *demotion = context;

	(void)answer; /* READONLY has failed the session */
	(void)reply;
	demotion->asking = false;
}

static void on_received(void *context, struct slice message)
{
	struct demotion *demotion = context;
	const struct slice words[] = {SLICE("PEXPIRE"), blob_slice(demotion->channel), SLICE("1")};

	(void)message;
	if (demotion->asking || !session_is_ready(demotion->link->session))
		return;
	demotion->asking = true;
	session_ask(demotion->link->session, words, 3, on_answer, demotion);
}

static void on_subscribed(void *context)
{
	(void)context;
}

static void on_dropped(void *context)
{
	struct demotion *demotion = context;

	link_dropped(demotion->link);
}

void demotion_tell(struct demotion *demotion)
{
	struct link *link = demotion->link;

	if (demotion->channel == NULL || demotion->asking)
		return;
	const struct slice words[] = {SLICE("PUBLISH"), blob_slice(demotion->channel),
	                              slice_of(link->shared->node_text)};
	demotion->asking = true;
	session_ask(link->session, words, 3, on_answer, demotion);
}

struct demotion *demotion_create(struct link *link)
{
	static const struct holder holder = {on_subscribed, on_received, on_dropped};
	struct demotion *demotion = mem_zero(sizeof(*demotion));

	demotion->link = link;
	if (link->shared->cluster != NULL)
		return demotion;
	demotion->channel = keys_demotion(slice_of(link->shared->settings->prefix));
	demotion->subscription =
		subscription_open(link->subscriptions, demotion->channel, &holder, demotion);
	return demotion;
}

void demotion_destroy(struct demotion *demotion)
{
	if (demotion == NULL)
		return;
	if (demotion->subscription != NULL)
		subscription_drop(demotion->subscription);
	blob_unref(demotion->channel);
	free(demotion);
}
