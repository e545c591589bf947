/*
 * The happy path: messages for the same, one behind the other in one turn of the loop, are gathered;
 * PUBLISH, its answer.
 *
 * Failures: the answer is 0 for a peer's channel (nobody holds it); Redis refuses; the session ends
 * before the answer; no session comes in time; the bound is reached (then publications_add() says
 * no). Each message of a publication hears of it.
 */
#include "bus/publications.h"

#include <assert.h>
#include <stdlib.h>

#include "bus/link.h"
#include "bus/topic.h"
#include "bus/traffic.h"
#include "common/memory.h"
#include "common/timers.h"
#include "mesh/mesh.h"
#include "redis/command.h"
#include "redis/reply.h"
#include "redis/session.h"

#define WAIT_MS_MAX 4500 /* older news would only confuse: with its way it is 5 s old at most */

/* Of messages gathered. A larger one goes alone. */
#define GATHERED_BYTES_MAX ((size_t)16 * 1024)

struct publications {
	struct topic *topic;
	struct list due;          /* in link->publications_due while some are gathered */
	struct publication *open; /* gathers what is published in this turn; NULL: none */
	struct list waiting;      /* by number */
	uint64_t last_number;
	struct timer expiry; /* of the first that waits */
	bool released;
};

struct publication {
	struct list link;        /* while waiting */
	struct topic *topic;     /* counted */
	struct traffic *traffic; /* where it counts */
	uint64_t number;
	uint64_t since_ms;
	uint64_t sent_ms;
	size_t target_size; /* 0: for all */
	size_t parcel_count;
	struct buffer bytes; /* the target, then parcels as in a bundle */
};

static size_t cost(const struct publication *publication)
{
	return sizeof(*publication) + publication->bytes.size;
}

static struct shared *shared_of(const struct topic *topic)
{
	return topic_link(topic)->shared;
}

/* Absent: for all. */
static struct slice target_of(const struct publication *publication)
{
	if (publication->target_size == 0)
		return (struct slice){0};
	return (struct slice){publication->bytes.data, publication->target_size};
}

/* Each with its length in front. */
static struct slice parcels_of(const struct publication *publication)
{
	return (struct slice){publication->bytes.data + publication->target_size,
	                      publication->bytes.size - publication->target_size};
}

static void forget(struct publication *publication)
{
	traffic_done(publication->traffic, cost(publication));
	topic_unref(publication->topic);
	buffer_fini(&publication->bytes);
	free(publication);
}

static void fail(struct publication *publication, enum unpublished why)
{
	struct slice parcels = parcels_of(publication);
	struct slice parcel;

	metric_add(shared_of(publication->topic)->meters.publish_failures[why],
	           publication->parcel_count);
	while (parcel_next(&parcels, &parcel)) {
		struct mesh *mesh = topic_owner(publication->topic);
		if (mesh != NULL)
			mesh_unpublished(mesh, target_of(publication), parcel, why);
	}
	forget(publication);
}

/* ---- Waiting */

static struct publication *publication_of(struct list *link)
{
	return LIST_ENTRY(link, struct publication, link);
}

/* Older than this it is not to be sent any more. */
static uint64_t expires_ms(const struct publication *publication)
{
	return publication->since_ms + WAIT_MS_MAX;
}

static void arm_expiry(struct publications *publications)
{
	struct shared *shared = shared_of(publications->topic);
	uint64_t now = shared_now_ms(shared);

	if (list_empty(&publications->waiting)) {
		timer_stop(shared->timers, &publications->expiry);
		return;
	}
	uint64_t due = expires_ms(publication_of(publications->waiting.next));
	timer_set(shared->timers, &publications->expiry, due > now ? due - now : 0);
}

static void give_up(struct publications *publications, uint64_t before_ms)
{
	struct topic *topic = topic_ref(publications->topic);
	struct list expired;

	list_init(&expired);
	LIST_EACH(&publications->waiting, link) {
		if (expires_ms(publication_of(link)) > before_ms)
			break;
		list_remove(link);
		list_append(&expired, link);
	}
	arm_expiry(publications);
	LIST_EACH(&expired, link)
		fail(publication_of(link), UNPUBLISHED_NOT_SENT);
	topic_unref(topic);
}

static void on_expiry(void *context)
{
	struct publications *publications = context;

	give_up(publications, shared_now_ms(shared_of(publications->topic)));
}

void publications_give_up(struct publications *publications)
{
	publications_flush(publications);
	give_up(publications, UINT64_MAX);
}

/* In its place: before those that were published after it. */
static void wait_in_order(struct publications *publications, struct publication *publication)
{
	struct list *place = &publications->waiting;

	while (place->previous != &publications->waiting &&
	       publication_of(place->previous)->number > publication->number)
		place = place->previous;
	list_append(place, &publication->link); /* before the place */
	if (publications->waiting.next == &publication->link)
		arm_expiry(publications);
}

/* ---- Sending */

static void on_answer(void *context, enum answer answer, const redisReply *reply)
{
	struct publication *publication = context;
	struct publications *publications = topic_publications(publication->topic);
	bool refused = reply_is_error(reply);

	if (answer == ANSWER_OK)
		traffic_answered(publication->traffic, cost(publication),
		                 shared_now_ms(shared_of(publication->topic)) -
		                         publication->sent_ms);
	/* An error that ends the session is still an answer: this one was not published. */
	if (refused && slice_starts(reply_text(reply), SLICE("MOVED "))) {
		wait_in_order(publications, publication);
	} else if (refused) {
		fail(publication, UNPUBLISHED_NOT_SENT);
	} else if (answer == ANSWER_LOST) {
		fail(publication, UNPUBLISHED_UNKNOWN);
	} else if (publication->target_size > 0 && reply_number(reply, 1) == 0) {
		fail(publication, UNPUBLISHED_NOBODY);
	} else {
		forget(publication);
	}
}

/* A session that fails can't be used from that moment on; publications_hold() comes later in the turn. */
static bool may_send(const struct publications *publications)
{
	return publications->released && session_is_ready(topic_link(publications->topic)->session);
}

/* What is published: the parcel, or several as a bundle. Returns what is before `parcels`. */
static struct slice wrap(const struct link *link, const struct publication *publication,
                         struct slice *parcels, char head[LINK_HEAD_BYTES_MAX])
{
	struct slice all = parcels_of(publication);

	*parcels = all;
	if (publication->parcel_count > 1)
		return link_head(link, PARCEL_BUNDLE, head);
	parcel_next(&all, parcels);
	link_write_origin(link, head);
	return (struct slice){head, link_origin_bytes(link)};
}

static void send(struct publication *publication)
{
	struct topic *topic = publication->topic;
	struct link *link = topic_link(topic);
	struct slice target = target_of(publication);
	struct slice channel =
		target.data != NULL ? topic_peer_start(topic) : topic_broadcast(topic);
	char head[LINK_HEAD_BYTES_MAX];
	struct slice parcels;
	struct slice start = wrap(link, publication, &parcels, head);
	struct buffer *command = session_begin(link->session, 3);

	command_add(command, link->shared->cluster != NULL ? SLICE("SPUBLISH") : SLICE("PUBLISH"));
	command_add_size(command, channel.size + target.size);
	buffer_append(command, channel);
	buffer_append(command, target);
	buffer_append(command, SLICE("\r\n"));
	command_add_size(command, start.size + parcels.size);
	buffer_append(command, start);
	session_add(link->session, buffer_slice(command));
	session_add(link->session, parcels);
	session_command(link->session, SLICE("\r\n"), on_answer, publication);

	publication->sent_ms = link_now_ms(link);
	metric_add(link->shared->meters.publishes, publication->parcel_count);
}

static void send_or_wait(struct publications *publications, struct publication *publication)
{
	if (may_send(publications))
		send(publication);
	else
		wait_in_order(publications, publication);
}

/* ---- Gathering */

void publications_flush(struct publications *publications)
{
	struct publication *publication = publications->open;

	if (publication == NULL)
		return;
	list_remove(&publications->due);
	publications->open = NULL;
	send_or_wait(publications, publication);
}

void publications_turn(struct link *link)
{
	while (!list_empty(&link->publications_due))
		publications_flush(
			LIST_ENTRY(link->publications_due.next, struct publications, due));
}

static bool has_room(const struct publication *publication, struct slice target, size_t size)
{
	return publication != NULL && slice_equal(target_of(publication), target) &&
	       parcels_of(publication).size + size <= GATHERED_BYTES_MAX;
}

static void begin(struct publications *publications, struct slice target)
{
	struct link *link = topic_link(publications->topic);
	struct publication *publication = mem_alloc(sizeof(*publication));

	*publication = (struct publication){
		.topic = topic_ref(publications->topic),
		.traffic = link->traffic,
		.number = ++publications->last_number,
		.since_ms = link_now_ms(link),
		.target_size = target.size,
	};
	list_init(&publication->link);
	buffer_append(&publication->bytes, target);
	publications->open = publication;
	list_append(&link->publications_due, &publications->due);
	link_wake(link);
}

static void gather(struct publication *publication, const struct slice *parts, size_t part_count,
                   size_t parcel_bytes)
{
	buffer_reserve(&publication->bytes, PARCEL_LENGTH_BYTES + parcel_bytes);
	parcel_append_length(&publication->bytes, parcel_bytes);
	for (size_t i = 0; i < part_count; i++)
		buffer_append(&publication->bytes, parts[i]);
	publication->parcel_count++;
}

bool publications_add(struct publications *publications, struct slice target,
                      const struct slice *parts, size_t part_count)
{
	size_t parcel_bytes = 0;

	for (size_t i = 0; i < part_count; i++)
		parcel_bytes += parts[i].size;
	size_t size = PARCEL_LENGTH_BYTES + parcel_bytes;
	bool fits = has_room(publications->open, target, size);
	size_t more = fits ? size : sizeof(struct publication) + target.size + size;
	if (!traffic_take(topic_link(publications->topic)->traffic, more))
		return false;
	if (!fits) {
		publications_flush(publications);
		begin(publications, target);
	}
	gather(publications->open, parts, part_count, parcel_bytes);
	return true;
}

/* ---- Up and down, and elsewhere */

void publications_release(struct publications *publications)
{
	publications->released = true;
	LIST_EACH(&publications->waiting, link) {
		if (!may_send(publications))
			break;
		list_remove(link);
		send(publication_of(link));
	}
	arm_expiry(publications);
}

void publications_hold(struct publications *publications)
{
	publications->released = false;
}

void publications_move(struct publications *publications, struct traffic *from, struct traffic *to)
{
	publications_flush(publications);
	LIST_EACH(&publications->waiting, link) {
		struct publication *publication = publication_of(link);
		traffic_move(from, to, cost(publication));
		publication->traffic = to;
	}
}

struct publications *publications_create(struct topic *topic)
{
	struct publications *publications = mem_zero(sizeof(*publications));

	publications->topic = topic;
	list_init(&publications->due);
	list_init(&publications->waiting);
	timer_init(&publications->expiry, on_expiry, publications);
	return publications;
}

void publications_destroy(struct publications *publications)
{
	if (publications == NULL)
		return;
	assert(publications->open == NULL && list_empty(&publications->waiting));
	timer_stop(shared_of(publications->topic)->timers, &publications->expiry);
	free(publications);
}
