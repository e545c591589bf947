/*
 * The happy path, the same for the first session, for those after a loss, and on a shard that the
 * mesh has moved to:
 *
 *	SUBSCRIBING  until all that was subscribed is answered
 *	ANNOUNCING   announce the peers of this node again, quietly: 5,000 nodes that tell each other
 *	             what all of them know would be 25 million deliveries. Whose lease was gone has been,
 *	             or may have been, told offline: those are announced once more aloud; unless Redis
 *	             itself is so young that it has just lost everybody
 *	WAITING      a second, if the subscribers of the other nodes are gone, too: they must be back to
 *	             hear us
 *	DONE         what was published meanwhile leaves
 *
 * Failures: the session ends or the topic moves: recovery_stop(), and all of it anew; who was to be
 * announced aloud, or whose quiet announcement has no answer, is announced aloud then. Redis refuses
 * an announce (it is full): the lease will be found gone by its next refresh, and be announced then.
 *
 * All recoveries of a link share CALLS_MAX calls under way; who gets none waits for its turn.
 */
#include "bus/recovery.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "bus/claims.h"
#include "bus/inbox.h"
#include "bus/leaves.h"
#include "bus/link.h"
#include "bus/publications.h"
#include "bus/topic.h"
#include "common/memory.h"
#include "common/timers.h"
#include "redis/session.h"
#include "redis/subscriptions.h"

#define PEERS_PER_CALL 100
#define CALLS_MAX 10 /* in flight, of a link */
#define NEW_REDIS_MS 1000

enum phase { OFF, SUBSCRIBING, ANNOUNCING, WAITING, DONE };

/* Inboxes, each counted, worked off from the front. */
struct queue {
	struct inbox **items;
	size_t size;
	size_t capacity;
	size_t at;
};

struct recovery {
	struct topic *topic;
	struct link *link; /* of the topic, when it started */
	enum phase phase;
	struct fence *fence;
	struct queue quiet; /* all */
	struct queue loud;  /* those whose lease was gone */
	unsigned calls;
	unsigned round; /* answers to calls of an earlier one do not count */
	struct list turn;
	struct timer wait;
	bool moved;
};

/* An announce under way. */
struct call {
	struct recovery *recovery; /* kept by the inboxes of its claims */
	struct link *link;
	unsigned round;
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
	link->recovering--;
	publications_release(topic_publications(recovery->topic));
	link_look(link);
}

static void on_wait(void *context)
{
	finish(context);
}

static void finish_announcing(struct recovery *recovery)
{
	struct link *link = recovery->link;

	recovery->phase = WAITING;
	queue_fini(&recovery->quiet);
	queue_fini(&recovery->loud);
	leaves_repeat(recovery->topic);
	topic_recovered(recovery->topic);
	if (recovery->moved || session_redis_is_new(link->session))
		timer_set(link->shared->timers, &recovery->wait, NEW_REDIS_MS);
	else
		finish(recovery);
}

/* ---- Announcing */

static void go_on(struct recovery *recovery);

static void on_announced(struct recovery *recovery, const struct claim *claim)
{
	struct lease *owner = inbox_owner(claim->inbox);

	if (owner == NULL)
		return;
	if (claim->answer == ANNOUNCE_TAKEN)
		lease_answered(owner, ANNOUNCE_TAKEN);
	else if (claim->answer == ANNOUNCE_ONLINE && inbox_is_untold(claim->inbox))
		queue_add(&recovery->loud, claim->inbox);
}

/* Of those whom a young Redis has just lost, nobody was told that they are offline. */
static bool is_untold(const struct link *link, const struct claim *claim)
{
	if (claim->answer == ANNOUNCE_LOST)
		return true;
	return claim->answer == ANNOUNCE_ONLINE && !claim->loud &&
	       session_redis_age_ms(link->session) >= shared_hold_off_ms(link->shared);
}

static void next_turn(struct link *link)
{
	while (link->recovery_calls < CALLS_MAX && !list_empty(&link->recoveries_waiting)) {
		struct list *turn = link->recoveries_waiting.next;
		list_remove(turn);
		go_on(LIST_ENTRY(turn, struct recovery, turn));
	}
}

static void on_answer(void *context, struct list *claims)
{
	struct call call = *(struct call *)context;
	struct recovery *recovery = call.recovery;

	free(context);
	call.link->recovery_calls--;
	LIST_EACH(claims, link) {
		const struct claim *claim = LIST_ENTRY(link, struct claim, link);
		inbox_set_untold(claim->inbox, is_untold(call.link, claim));
	}
	if (call.round == recovery->round) {
		recovery->calls--;
		LIST_EACH(claims, link)
			on_announced(recovery, LIST_ENTRY(link, struct claim, link));
		go_on(recovery);
	}
	next_turn(call.link);
}

/*
 * Moves peers from the queue to the lists of what is to be sent. Returns false if there are none.
 */
static bool gather(struct queue *queue, bool aloud, struct list *quiet, struct list *loud)
{
	struct inbox *inbox;
	size_t count = 0;

	while (count < PEERS_PER_CALL && (inbox = queue_first(queue)) != NULL) {
		struct announcement announcement;
		struct lease *owner = inbox_owner(inbox);
		if (owner != NULL && lease_restate(owner, &announcement)) {
			announcement.loud = announcement.loud || aloud || inbox_is_untold(inbox);
			struct claim *claim = claim_create(inbox, &announcement);
			list_append(announcement.loud ? loud : quiet, &claim->link);
			count++;
		}
		queue_drop(queue);
	}
	return count > 0;
}

static void send(struct recovery *recovery, struct list *claims)
{
	while (!list_empty(claims)) {
		struct call *call = mem_alloc(sizeof(*call));
		*call = (struct call){recovery, recovery->link, recovery->round};
		recovery->calls++;
		recovery->link->recovery_calls++;
		claims_send(recovery->topic, claims, on_answer, call);
	}
}

static bool send_some(struct recovery *recovery, struct queue *queue, bool aloud)
{
	struct list quiet;
	struct list loud;

	list_init(&quiet);
	list_init(&loud);
	if (!gather(queue, aloud, &quiet, &loud))
		return false;
	send(recovery, &quiet);
	send(recovery, &loud);
	return true;
}

static bool has_work(const struct recovery *recovery)
{
	return queue_first(&recovery->quiet) != NULL || queue_first(&recovery->loud) != NULL;
}

static bool is_announcing(const struct recovery *recovery)
{
	return recovery->phase == ANNOUNCING && session_is_ready(recovery->link->session);
}

static void go_on(struct recovery *recovery)
{
	struct link *link = recovery->link;
	struct topic *topic =
		topic_ref(recovery->topic); /* what is dropped may be the last of it */

	while (is_announcing(recovery) && link->recovery_calls < CALLS_MAX &&
	       (send_some(recovery, &recovery->quiet, false) ||
	        send_some(recovery, &recovery->loud, true)))
		;
	if (is_announcing(recovery) && has_work(recovery)) {
		list_remove(&recovery->turn);
		list_append(&link->recoveries_waiting, &recovery->turn);
	} else if (is_announcing(recovery) && recovery->calls == 0) {
		finish_announcing(recovery);
	}
	topic_unref(topic);
}

static void on_subscribed(void *context)
{
	struct recovery *recovery = context;
	struct list *inboxes = topic_inboxes(recovery->topic);

	recovery->fence = NULL;
	recovery->phase = ANNOUNCING;
	for (struct inbox *inbox = inbox_next(inboxes, NULL); inbox != NULL;
	     inbox = inbox_next(inboxes, inbox))
		queue_add(&recovery->quiet, inbox);
	go_on(recovery);
}

/* ---- Beginning and ending */

void recovery_start(struct recovery *recovery, bool moved)
{
	assert(recovery->phase == OFF);
	recovery->moved = moved;
	recovery->link = topic_link(recovery->topic);
	recovery->link->recovering++;
	recovery->round++;
	recovery->calls = 0;
	recovery->phase = SUBSCRIBING;
	recovery->fence =
		subscriptions_fence(recovery->link->subscriptions, on_subscribed, recovery);
}

void recovery_stop(struct recovery *recovery)
{
	if (recovery->phase == OFF)
		return;
	if (recovery->phase != DONE)
		recovery->link->recovering--;
	recovery->phase = OFF;
	recovery->round++;
	fence_cancel(recovery->fence);
	recovery->fence = NULL;
	list_remove(&recovery->turn);
	timer_stop(recovery->link->shared->timers, &recovery->wait);
	queue_fini(&recovery->quiet);
	queue_fini(&recovery->loud);
	publications_hold(topic_publications(recovery->topic));
}

bool recovery_is_announced(const struct recovery *recovery)
{
	return recovery->phase >= WAITING && session_is_ready(recovery->link->session);
}

struct recovery *recovery_create(struct topic *topic)
{
	struct recovery *recovery = mem_zero(sizeof(*recovery));

	recovery->topic = topic;
	list_init(&recovery->turn);
	timer_init(&recovery->wait, on_wait, recovery);
	return recovery;
}

void recovery_destroy(struct recovery *recovery)
{
	if (recovery == NULL)
		return;
	if (recovery->phase != OFF) {
		recovery_stop(recovery);
		link_look(recovery->link);
	}
	free(recovery);
}
