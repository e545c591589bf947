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
	bool under_way; /* a command of ours */
};

static void on_answer(void *context, enum answer answer, const redisReply *reply)
{
	struct demotion *demotion = context;

	(void)answer; /* READONLY has failed the session */
	(void)reply;
	demotion->under_way = false;
}

/* One at a time: who is told READONLY because it was asked to look does not tell it once more. */
static void send(struct demotion *demotion, struct slice verb, struct slice argument)
{
	struct session *session = demotion->link->session;
	const struct slice words[] = {verb, blob_slice(demotion->channel), argument};

	if (demotion->under_way || !session_is_ready(session))
		return;
	demotion->under_way = true;
	session_ask(session, words, 3, on_answer, demotion);
}

static void on_received(void *context, struct slice message)
{
	(void)message;
	send(context, SLICE("PEXPIRE"), SLICE("1"));
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
	if (demotion->channel != NULL)
		send(demotion, SLICE("PUBLISH"), slice_of(demotion->link->shared->node_text));
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
