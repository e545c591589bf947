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

#include "bus/command.h"
#include "bus/link.h"
#include "bus/reply.h"
#include "bus/session.h"
#include "bus/topic.h"
#include "common/memory.h"
#include "common/timers.h"
#include "mesh/hub.h"
#include "mesh/mesh.h"

#define WAIT_MS_MAX 5000 /* older news would only confuse */

/* Above the first part of the bound who publishes is held back, until it is below the second. */
#define HIGH(bytes_max) ((bytes_max) / 2)
#define LOW(bytes_max) ((bytes_max) / 4)

struct publications {
	struct link *link;
	struct list waiting;
	size_t bytes; /* waiting, or sent and not answered */
	size_t count;
	struct timer expiry; /* of the first that waits */
	bool released;
	bool pressed; /* the hub knows */
};

struct publication {
	struct list link; /* while waiting */
	struct publications *all;
	struct topic *topic; /* counted */
	uint64_t since_ms;
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

static void forget(struct publication *publication)
{
	struct publications *all = publication->all;

	all->bytes -= cost(publication);
	all->count--;
	metric_set(all->link->meters.queue_bytes, all->bytes);
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
	metric_add(publication->all->link->meters.publish_failures[why], 1);
	if (mesh != NULL)
		mesh_unpublished(mesh, publication->connection, target, parcel, why);
	forget(publication);
}

/* ---- Sending */

static void relax(struct publications *all)
{
	if (!all->pressed || all->bytes > LOW(all->link->settings->queue_bytes_max))
		return;
	all->pressed = false;
	hub_bus_pressed(all->link->hub, false);
}

static void on_answer(redisAsyncContext *redis, void *reply, void *context)
{
	struct publication *publication = context;
	struct publications *all = publication->all;
	enum answer answer = session_judge(all->link->session, reply);

	(void)redis;
	/* An error that ends the session is still an answer: this one was not published. */
	if (answer == ANSWER_ERROR ||
	    (reply != NULL && ((redisReply *)reply)->type == REDIS_REPLY_ERROR))
		fail(publication, UNPUBLISHED_NOT_SENT);
	else if (reply == NULL)
		fail(publication, UNPUBLISHED_UNKNOWN);
	else if (publication->target_size > 0 && reply_number(reply, 1) == 0)
		fail(publication, UNPUBLISHED_NOBODY);
	else
		forget(publication);
	relax(all);
}

static void send(struct publication *publication)
{
	struct link *link = publication->all->link;

	metric_add(link->meters.publishes, 1);
	session_command(link->session, (struct slice){publication->command, publication->size},
	                on_answer, publication);
}

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
	struct link *link = publications->link;
	uint64_t now = link_now_ms(link);

	if (list_empty(&publications->waiting)) {
		timer_stop(link->timers, &publications->expiry);
		return;
	}
	uint64_t due = expires_ms(publication_of(publications->waiting.next));
	timer_set(link->timers, &publications->expiry, due > now ? due - now : 0);
}

static void on_expiry(void *context)
{
	struct publications *publications = context;
	uint64_t now = link_now_ms(publications->link);
	struct list expired;

	list_init(&expired);
	LIST_EACH(&publications->waiting, link) {
		if (now < expires_ms(publication_of(link)))
			break;
		list_remove(link);
		list_append(&expired, link);
	}
	arm_expiry(publications);
	LIST_EACH(&expired, link)
		fail(publication_of(link), UNPUBLISHED_NOT_SENT);
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

/* Writes the command into link->command. */
static void compose(struct link *link, struct shape *shape)
{
	struct buffer *command = link_command(link, 3);

	command_add(command, SLICE("PUBLISH"));
	command_add_size(command, shape->channel_start.size + shape->target.size);
	buffer_append(command, shape->channel_start);
	shape->target_at = command->size;
	buffer_append(command, shape->target);
	buffer_append(command, SLICE("\r\n"));
	command_add_size(command, shape->parcel_size);
	shape->parcel_at = command->size;
	for (size_t i = 0; i < shape->part_count; i++)
		buffer_append(command, shape->parts[i]);
	buffer_append(command, SLICE("\r\n"));
}

static struct publication *create(struct publications *all, struct topic *topic,
                                  struct shape *shape)
{
	compose(all->link, shape);

	struct slice command = command_end(&all->link->command);
	struct publication *publication = mem_alloc(sizeof(*publication) + command.size + 1);

	*publication = (struct publication){
		.all = all,
		.topic = topic_ref(topic),
		.since_ms = link_now_ms(all->link),
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

bool publications_add(struct publications *publications, struct topic *topic, struct slice target,
                      const struct slice *parts, size_t part_count, uint32_t connection)
{
	struct link *link = publications->link;
	struct shape shape = {
		.channel_start =
			target.data != NULL ? topic_peer_start(topic) : topic_broadcast(topic),
		.target = target,
		.parts = parts,
		.part_count = part_count,
	};

	for (size_t i = 0; i < part_count; i++)
		shape.parcel_size += parts[i].size;
	struct publication *publication = create(publications, topic, &shape);
	publication->connection = connection;
	if (publications->bytes + cost(publication) > link->settings->queue_bytes_max) {
		topic_unref(topic);
		free(publication);
		return false;
	}
	publications->bytes += cost(publication);
	publications->count++;
	metric_set(link->meters.queue_bytes, publications->bytes);
	if (publications->released && session_is_ready(link->session)) {
		send(publication);
		if (!publications->pressed &&
		    publications->bytes > HIGH(link->settings->queue_bytes_max))
			link_wake(link);
		return true;
	}
	list_append(&publications->waiting, &publication->link);
	if (!timer_is_set(&publications->expiry))
		arm_expiry(publications);
	return true;
}

/* ---- Up and down */

void publications_release(struct publications *publications)
{
	publications->released = true;
	LIST_EACH(&publications->waiting, link) {
		list_remove(link);
		send(publication_of(link));
	}
	arm_expiry(publications);
	link_wake(publications->link);
}

void publications_hold(struct publications *publications)
{
	publications->released = false;
	publications->pressed = false; /* the hub lets go by itself when the link is not up */
}

void publications_turn(struct publications *publications)
{
	struct link *link = publications->link;
	bool full = publications->bytes > HIGH(link->settings->queue_bytes_max);

	if (!full || publications->pressed || link->told != BUS_UP || link_state(link) != BUS_UP)
		return;
	publications->pressed = true;
	hub_bus_pressed(link->hub, true);
}

bool publications_none(const struct publications *publications)
{
	return publications->count == 0;
}

struct publications *publications_create(struct link *link)
{
	struct publications *publications = mem_zero(sizeof(*publications));

	publications->link = link;
	list_init(&publications->waiting);
	timer_init(&publications->expiry, on_expiry, publications);
	return publications;
}

void publications_destroy(struct publications *publications)
{
	if (publications == NULL)
		return;
	timer_stop(publications->link->timers, &publications->expiry);
	LIST_EACH(&publications->waiting, link) {
		list_remove(link);
		forget(publication_of(link));
	}
	assert(publications->count == 0);
	free(publications);
}
