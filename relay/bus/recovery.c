/*
 * The happy path, the same for the first session and for those after a loss:
 *
 *	SCRIPTS      load the scripts
 *	SUBSCRIBING  subscribe all that is held, the node's own channel last: its answer ends it
 *	ANNOUNCING   announce the peers of this node again, quietly: 5,000 nodes that tell each other
 *	             what all of them know would be 25 million deliveries. Whose lease was gone has been,
 *	             or may have been, told offline: those are announced once more aloud; unless Redis
 *	             itself is so young that it has just lost everybody
 *	WAITING      a second, if Redis has lost its subscribers too: others must be back to hear us
 *	DONE         what was published meanwhile leaves
 *
 * Failures: the session ends: recovery_stop(), and all of it anew in the next. Redis refuses an
 * announce (it is full): the lease will be found gone by its next refresh, and be announced then.
 */
#include "bus/recovery.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "bus/claims.h"
#include "bus/inbox.h"
#include "bus/leaves.h"
#include "bus/link.h"
#include "bus/listings.h"
#include "bus/probe.h"
#include "bus/publications.h"
#include "bus/scripts.h"
#include "bus/session.h"
#include "bus/subscriptions.h"
#include "bus/topic.h"
#include "common/memory.h"
#include "common/timers.h"

#define PEERS_PER_CALL 100
#define CALLS_MAX 10 /* in flight */
#define NEW_REDIS_MS 1000

enum phase { OFF, SCRIPTS, SUBSCRIBING, ANNOUNCING, WAITING, DONE };

/* Inboxes, each counted, worked off from the front. */
struct queue {
	struct inbox **items;
	size_t size;
	size_t capacity;
	size_t at;
};

struct recovery {
	struct link *link;
	enum phase phase;
	struct queue quiet; /* all */
	struct queue loud;  /* those whose lease was gone */
	unsigned calls;
	struct timer wait;
};

static void queue_add(struct queue *queue, struct inbox *inbox)
{
	if (queue->size == queue->capacity) {
		queue->capacity = queue->capacity > 0 ? queue->capacity * 2 : PEERS_PER_CALL;
		queue->items = mem_resize(queue->items, queue->capacity * sizeof(struct inbox *));
	}
	queue->items[queue->size++] = inbox_ref(inbox);
}

static struct inbox *queue_first(const struct queue *queue)
{
	return queue->at < queue->size ? queue->items[queue->at] : NULL;
}

static void queue_drop(struct queue *queue)
{
	inbox_unref(queue->items[queue->at++]);
}

static void queue_fini(struct queue *queue)
{
	while (queue_first(queue) != NULL)
		queue_drop(queue);
	free(queue->items);
	*queue = (struct queue){0};
}

/* ---- Done */

static void finish(struct recovery *recovery)
{
	struct link *link = recovery->link;

	recovery->phase = DONE;
	session_settled(link->session);
	publications_release(link->publications);
	link_tell(link, NULL);
}

static void on_wait(void *context)
{
	struct recovery *recovery = context;

	if (session_is_ready(recovery->link->session))
		finish(recovery);
}

static void finish_announcing(struct recovery *recovery)
{
	struct link *link = recovery->link;

	recovery->phase = WAITING;
	queue_fini(&recovery->quiet);
	queue_fini(&recovery->loud);
	leaves_repeat(link->leaves);
	topics_recovered(link);
	if (session_redis_is_new(link->session))
		timer_set(link->timers, &recovery->wait, NEW_REDIS_MS);
	else
		finish(recovery);
}

/* ---- Announcing */

static void go_on(struct recovery *recovery);

static void on_announced(struct recovery *recovery, const struct claim *claim)
{
	struct lease *owner = inbox_owner(claim->inbox);
	struct link *link = recovery->link;

	if (owner == NULL)
		return;
	if (claim->answer == ANNOUNCE_TAKEN)
		lease_answered(owner, ANNOUNCE_TAKEN);
	else if (claim->answer == ANNOUNCE_ONLINE && !claim->loud &&
	         session_redis_age_ms(link->session) >= link_hold_off_ms(link))
		queue_add(&recovery->loud, claim->inbox);
}

static void on_answer(void *context, struct list *claims)
{
	struct recovery *recovery = context;

	recovery->calls--;
	LIST_EACH(claims, link)
		on_announced(recovery, LIST_ENTRY(link, struct claim, link));
	go_on(recovery);
}

/*
 * Moves peers of one mesh from the queue to the lists of what is to be sent. Returns their topic,
 * NULL if the queue is empty.
 */
static struct topic *gather(struct queue *queue, bool aloud, struct list *quiet, struct list *loud)
{
	struct topic *topic = NULL;
	struct inbox *inbox;
	size_t count = 0;

	while (count < PEERS_PER_CALL && (inbox = queue_first(queue)) != NULL) {
		struct announcement announcement;
		struct lease *owner = inbox_owner(inbox);
		if (owner != NULL && topic != NULL && topic != inbox_topic(inbox))
			break;
		if (owner != NULL && lease_restate(owner, &announcement)) {
			announcement.loud = announcement.loud || aloud;
			struct claim *claim = claim_create(inbox, &announcement);
			list_append(announcement.loud ? loud : quiet, &claim->link);
			topic = inbox_topic(inbox);
			count++;
		}
		queue_drop(queue);
	}
	return topic;
}

static void send(struct recovery *recovery, struct topic *topic, struct list *claims)
{
	while (!list_empty(claims)) {
		recovery->calls++;
		claims_send(topic, claims, on_answer, recovery);
	}
}

static bool send_some(struct recovery *recovery, struct queue *queue, bool aloud)
{
	struct list quiet;
	struct list loud;

	list_init(&quiet);
	list_init(&loud);
	struct topic *topic = gather(queue, aloud, &quiet, &loud);
	if (topic == NULL)
		return false;
	send(recovery, topic, &quiet);
	send(recovery, topic, &loud);
	return true;
}

static void go_on(struct recovery *recovery)
{
	if (recovery->phase != ANNOUNCING || !session_is_ready(recovery->link->session))
		return;
	while (recovery->calls < CALLS_MAX && (send_some(recovery, &recovery->quiet, false) ||
	                                       send_some(recovery, &recovery->loud, true)))
		;
	if (recovery->calls == 0)
		finish_announcing(recovery);
}

/* ---- Beginning */

void recovery_start(struct recovery *recovery)
{
	struct link *link = recovery->link;

	recovery->phase = SCRIPTS;
	probe_start(link->probe);
	scripts_load(link->scripts);
	listings_ask(link->listings);
	link_tell(link, NULL);
}

void recovery_scripts_loaded(struct recovery *recovery)
{
	recovery->phase = SUBSCRIBING;
	subscriptions_restore(recovery->link->subscriptions);
	probe_subscribe(recovery->link->probe);
}

void recovery_subscribed(struct recovery *recovery)
{
	struct link *link = recovery->link;

	session_connected(link->session);
	recovery->phase = ANNOUNCING;
	for (struct topic *topic = topic_next(link, NULL); topic != NULL;
	     topic = topic_next(link, topic)) {
		struct list *inboxes = topic_inboxes(topic);
		for (struct inbox *inbox = inbox_next(inboxes, NULL); inbox != NULL;
		     inbox = inbox_next(inboxes, inbox))
			queue_add(&recovery->quiet, inbox);
	}
	go_on(recovery);
}

void recovery_stop(struct recovery *recovery)
{
	struct link *link = recovery->link;

	assert(recovery->calls == 0);
	recovery->phase = OFF;
	timer_stop(link->timers, &recovery->wait);
	queue_fini(&recovery->quiet);
	queue_fini(&recovery->loud);
	probe_stop(link->probe);
	publications_hold(link->publications);
	subscriptions_lost(link->subscriptions);
	topics_lost(link);
}

bool recovery_is_announced(const struct recovery *recovery)
{
	return recovery->phase >= WAITING && session_is_ready(recovery->link->session);
}

bool recovery_is_done(const struct recovery *recovery)
{
	return recovery->phase == DONE;
}

struct recovery *recovery_create(struct link *link)
{
	struct recovery *recovery = mem_zero(sizeof(*recovery));

	recovery->link = link;
	timer_init(&recovery->wait, on_wait, recovery);
	return recovery;
}

void recovery_destroy(struct recovery *recovery)
{
	if (recovery == NULL)
		return;
	timer_stop(recovery->link->timers, &recovery->wait);
	queue_fini(&recovery->quiet);
	queue_fini(&recovery->loud);
	free(recovery);
}
