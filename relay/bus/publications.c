/*
 * The happy path: PUBLISH, its answer.
 *
 * Failures: the answer is 0 for a peer's channel (nobody holds it); Redis refuses; the session ends
 * before the answer; no session comes in time; the bound is reached (then publications_add() says
 * no).
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

struct publications {
	struct topic *topic;
	struct list waiting; /* by number */
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
	uint32_t connection;
	size_t target_at;
	size_t target_size; /* 0: for all */
	size_t parcel_at;
	size_t parcel_size;
	size_t size;
	char command[];
};

static size_t cost(const struct publication *publication)
{
	return sizeof(*publication) + publication->size;
}

static struct shared *shared_of(const struct topic *topic)
{
	return topic_link(topic)->shared;
}

static void forget(struct publication *publication)
{
	traffic_done(publication->traffic, cost(publication));
	topic_unref(publication->topic);
	free(publication);
}

static void fail(struct publication *publication, enum unpublished why)
{
	struct mesh *mesh = topic_owner(publication->topic);
	struct slice target = {publication->command + publication->target_at,
	                       publication->target_size};
	struct slice parcel = {publication->command + publication->parcel_at,
	                       publication->parcel_size};

	if (publication->target_size == 0)
		target = (struct slice){0};
	metric_add(shared_of(publication->topic)->meters.publish_failures[why], 1);
	if (mesh != NULL)
		mesh_unpublished(mesh, publication->connection, target, parcel, why);
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

static void send(struct publication *publication)
{
	struct link *link = topic_link(publication->topic);

	metric_add(link->shared->meters.publishes, 1);
	publication->sent_ms = link_now_ms(link);
	link_write_origin(link,
	                  publication->command + publication->parcel_at - link_origin_bytes(link));
	session_command(link->session, (struct slice){publication->command, publication->size},
	                on_answer, publication);
}

/* ---- Composing */

struct shape {
	struct slice channel_start;
	struct slice target;
	const struct slice *parts;
	size_t part_count;
	size_t parcel_size;
	size_t target_at; /* in the command */
	size_t parcel_at;
};

/* Returns the command, in the session's buffer. */
static struct slice compose(struct link *link, struct shape *shape)
{
	static const char origin[LINK_ORIGIN_BYTES]; /* written when it is sent */
	struct buffer *command = session_begin(link->session, 3);

	command_add(command, link->shared->cluster != NULL ? SLICE("SPUBLISH") : SLICE("PUBLISH"));
	command_add_size(command, shape->channel_start.size + shape->target.size);
	buffer_append(command, shape->channel_start);
	shape->target_at = command->size;
	buffer_append(command, shape->target);
	buffer_append(command, SLICE("\r\n"));
	command_add_size(command, link_origin_bytes(link) + shape->parcel_size);
	buffer_append(command, (struct slice){origin, link_origin_bytes(link)});
	shape->parcel_at = command->size;
	for (size_t i = 0; i < shape->part_count; i++)
		buffer_append(command, shape->parts[i]);
	buffer_append(command, SLICE("\r\n"));
	return command_end(command);
}

static struct publication *create(struct publications *all, struct shape *shape)
{
	struct link *link = topic_link(all->topic);
	struct slice command = compose(link, shape);
	struct publication *publication = mem_alloc(sizeof(*publication) + command.size + 1);

	*publication = (struct publication){
		.topic = all->topic,
		.traffic = link->traffic,
		.since_ms = link_now_ms(link),
		.target_at = shape->target_at,
		.target_size = shape->target.size,
		.parcel_at = shape->parcel_at,
		.parcel_size = shape->parcel_size,
		.size = command.size,
	};
	list_init(&publication->link);
	memcpy(publication->command, command.data, command.size + 1);
	return publication;
}

bool publications_add(struct publications *publications, struct slice target,
                      const struct slice *parts, size_t part_count, uint32_t connection)
{
	struct topic *topic = publications->topic;
	struct shape shape = {
		.channel_start =
			target.data != NULL ? topic_peer_start(topic) : topic_broadcast(topic),
		.target = target,
		.parts = parts,
		.part_count = part_count,
	};

	for (size_t i = 0; i < part_count; i++)
		shape.parcel_size += parts[i].size;
	struct publication *publication = create(publications, &shape);
	if (!traffic_take(publication->traffic, cost(publication))) {
		free(publication);
		return false;
	}
	topic_ref(topic);
	publication->connection = connection;
	publication->number = ++publications->last_number;
	if (may_send(publications))
		send(publication);
	else
		wait_in_order(publications, publication);
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
	list_init(&publications->waiting);
	timer_init(&publications->expiry, on_expiry, publications);
	return publications;
}

void publications_destroy(struct publications *publications)
{
	if (publications == NULL)
		return;
	assert(list_empty(&publications->waiting));
	timer_stop(shared_of(publications->topic)->timers, &publications->expiry);
	free(publications);
}
