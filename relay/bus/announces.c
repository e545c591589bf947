#include "bus/announces.h"

#include <stdlib.h>

#include "bus/claims.h"
#include "bus/inbox.h"
#include "bus/link.h"
#include "bus/topic.h"
#include "common/memory.h"
#include "redis/scripts.h"
#include "redis/session.h"

struct announces {
	struct list due; /* in link->announces_due while there are claims */
	struct topic *topic;
	struct list claims;
};

struct announces *announces_create(struct topic *topic)
{
	struct announces *announces = mem_zero(sizeof(*announces));

	announces->topic = topic;
	list_init(&announces->due);
	list_init(&announces->claims);
	return announces;
}

/* Claims hold their inbox and so the topic: none can be left. */
void announces_destroy(struct announces *announces)
{
	free(announces);
}

static void on_done(void *context, struct list *claims)
{
	(void)context;
	LIST_EACH(claims, link) {
		struct claim *claim = LIST_ENTRY(link, struct claim, link);
		struct lease *owner = inbox_owner(claim->inbox);
		if (owner != NULL)
			lease_answered(owner, claim->answer);
	}
}

void announces_add(struct announces *announces, struct inbox *inbox,
                   const struct announcement *announcement)
{
	struct link *link = topic_link(announces->topic);
	struct claim *claim = claim_create(inbox, announcement);

	if (list_empty(&announces->claims))
		list_append(&link->announces_due, &announces->due);
	list_append(&announces->claims, &claim->link);
	link_wake(link);
}

void announces_move(struct announces *announces)
{
	struct link *link = topic_link(announces->topic);

	if (list_empty(&announces->claims))
		return;
	list_remove(&announces->due);
	list_append(&link->announces_due, &announces->due);
	link_wake(link);
}

void announces_flush(struct announces *announces)
{
	struct link *link = topic_link(announces->topic);

	if (list_empty(&announces->claims) || !session_is_ready(link->session) ||
	    scripts_are_busy(link->scripts))
		return;
	list_remove(&announces->due);
	while (!list_empty(&announces->claims))
		claims_send(announces->topic, &announces->claims, on_done, NULL);
}

static void give_up(struct announces *announces, enum announce_answer answer)
{
	struct topic *topic = topic_ref(announces->topic);

	list_remove(&announces->due);
	claims_answer(&announces->claims, answer, on_done, NULL);
	topic_unref(topic);
}

void announces_turn(struct link *link)
{
	struct list due;

	list_init(&due);
	list_move(&link->announces_due, &due);
	while (!list_empty(&due)) {
		struct announces *announces = LIST_ENTRY(due.next, struct announces, due);
		if (!session_is_ready(link->session))
			give_up(announces, ANNOUNCE_LOST);
		else if (scripts_are_busy(link->scripts))
			give_up(announces, ANNOUNCE_REFUSED);
		else
			announces_flush(announces);
	}
}
