/*
 * The happy path: CLUSTER SLOTS of the first node that answers; a link for each master; each topic
 * moves from the link that leads nowhere to its own.
 *
 * Failures: nobody answers: asked again, for ever. A shard fails over, a slot moves: a link is lost,
 * a command is answered MOVED, a subscription ends by itself; each makes us ask again, and go on
 * asking until every topic is on a link that is well. Links that have no slot any more are closed.
 */
#include "bus/cluster.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "bus/link.h"
#include "bus/probe.h"
#include "bus/topic.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/random.h"
#include "common/timers.h"
#include "redis/reply.h"
#include "redis/scout.h"
#include "redis/session.h"
#include "redis/slot.h"

#define HOSTS_MAX 32      /* to ask: those of the address, and masters that were heard of */
#define ASK_MS_MIN 300    /* between two questions, and as much again at random */
#define SETTLE_MS_MIN 100 /* between two rounds of moves: two shards may point at each other */

struct cluster {
	struct shared *shared;
	struct scout *scout;
	struct scout_task task;
	struct address_host hosts[HOSTS_MAX]; /* names owned */
	struct link *nowhere;
	struct link *owners[SLOT_COUNT]; /* NULL: unknown */
	struct timer ask;
	struct timer settle;
	uint64_t settled_ms;
	char reason[LINE_REASON_BYTES]; /* why nobody answers, as last logged */
};

struct link *cluster_link(const struct cluster *cluster, unsigned slot)
{
	assert(slot < SLOT_COUNT);
	return cluster->owners[slot] != NULL ? cluster->owners[slot] : cluster->nowhere;
}

/* ---- Whom to ask */

static void add_host(struct cluster *cluster, const char *name, uint16_t port)
{
	size_t count = cluster->task.host_count;

	for (size_t i = 0; i < count; i++)
		if (cluster->hosts[i].port == port && strcmp(cluster->hosts[i].name, name) == 0)
			return;
	if (count == HOSTS_MAX)
		return;
	cluster->hosts[count].name = mem_copy(name, strlen(name) + 1);
	cluster->hosts[count].port = port;
	cluster->task.host_count++;
}

static void forget_hosts(struct cluster *cluster)
{
	for (size_t i = 0; i < cluster->task.host_count; i++)
		free(cluster->hosts[i].name);
	cluster->task.host_count = 0;
}

static void list_hosts(struct cluster *cluster)
{
	const struct address *address = &cluster->shared->redis.address;

	forget_hosts(cluster);
	LIST_EACH(&cluster->shared->links, at) {
		const struct link *link = LIST_ENTRY(at, struct link, in_shared);
		if (link->target.name != NULL && session_is_ready(link->session))
			add_host(cluster, link->target.name, link->target.port);
	}
	for (size_t i = 0; i < address->host_count; i++)
		add_host(cluster, address->hosts[i].name, address->hosts[i].port);
}

static void on_ask(void *context)
{
	struct cluster *cluster = context;

	if (scout_is_asking(cluster->scout))
		return;
	scout_stop(cluster->scout);
	list_hosts(cluster);
	scout_start(cluster->scout, &cluster->task);
}

void cluster_doubt(struct cluster *cluster)
{
	if (!timer_is_set(&cluster->ask))
		timer_set(cluster->shared->timers, &cluster->ask,
		          ASK_MS_MIN / 3 + random_below(ASK_MS_MIN));
}

/* ---- Links and topics in their places */

static struct link *link_to(struct cluster *cluster, const struct address_host *target)
{
	LIST_EACH(&cluster->shared->links, at) {
		struct link *link = LIST_ENTRY(at, struct link, in_shared);
		if (link->target.name != NULL && link->target.port == target->port &&
		    strcmp(link->target.name, target->name) == 0)
			return link;
	}
	struct link *link = link_create(cluster->shared, target);
	link_start(link);
	return link;
}

static void place_topic(struct topic *topic)
{
	struct cluster *cluster = topic_link(topic)->shared->cluster;
	struct link *link = cluster_link(cluster, topic_slot(topic));

	/* Its slot may have been away and come back: on the old link nobody subscribes again. */
	if (link != topic_link(topic) || topic_is_dropped(topic))
		topic_move(topic, link);
}

static bool has_slots(const struct cluster *cluster, const struct link *link)
{
	for (unsigned slot = 0; slot < SLOT_COUNT; slot++)
		if (cluster->owners[slot] == link)
			return true;
	return false;
}

static bool is_well(const struct cluster *cluster, const struct link *link)
{
	return list_empty(&link->topics) ||
	       (link != cluster->nowhere && session_is_ready(link->session));
}

static void settle(struct cluster *cluster)
{
	struct list *links = &cluster->shared->links;

	timer_stop(cluster->shared->timers, &cluster->settle);
	cluster->settled_ms = shared_now_ms(cluster->shared);
	LIST_EACH(links, at)
		topics_each(LIST_ENTRY(at, struct link, in_shared), place_topic);
	LIST_EACH(links, at) {
		struct link *link = LIST_ENTRY(at, struct link, in_shared);
		if (link->begun)
			probe_place(link->probe);
		if (!is_well(cluster, link))
			cluster_doubt(cluster);
		if (link != cluster->nowhere && !has_slots(cluster, link)) {
			link_stop(link);
			link_destroy(link);
		}
	}
	metric_set(cluster->shared->meters.state, links_state(cluster->shared));
}

static void on_settle(void *context)
{
	settle(context);
}

/* ---- What nodes say */

static void take_range(struct cluster *cluster, const struct slot_range *range)
{
	struct link *link = link_to(cluster, &range->master);

	for (unsigned slot = range->first; slot <= range->last; slot++)
		cluster->owners[slot] = link;
}

static bool on_found(void *context, const redisReply *reply)
{
	struct cluster *cluster = context;
	const struct address_host *asked = scout_host(cluster->scout);
	struct slot_range range;
	bool any = false;

	for (size_t i = 0; i < reply_count(reply) && !any; i++)
		any = slot_read_range(reply_item(reply, i), asked, &range);
	if (!any)
		return false;
	cluster->reason[0] = '\0';
	memset(cluster->owners, 0, sizeof(cluster->owners));
	for (size_t i = 0; i < reply_count(reply); i++)
		if (slot_read_range(reply_item(reply, i), asked, &range))
			take_range(cluster, &range);
	settle(cluster);
	return true;
}

static void on_failed(void *context, const char *reason)
{
	struct cluster *cluster = context;

	if (strcmp(cluster->reason, reason) != 0)
		log_warn("cluster_unknown", LOG_TEXT("reason", reason),
		         LOG_TEXT("node", cluster->shared->node_text));
	snprintf(cluster->reason, sizeof(cluster->reason), "%s", reason);
	cluster_doubt(cluster);
}

static void on_heard(void *context, const redisReply *reply)
{
	(void)context;
	(void)reply;
}

static void on_lost(void *context)
{
	(void)context;
}

static void settle_soon(struct cluster *cluster)
{
	uint64_t since = shared_now_ms(cluster->shared) - cluster->settled_ms;

	if (!timer_is_set(&cluster->settle))
		timer_set(cluster->shared->timers, &cluster->settle,
		          since < SETTLE_MS_MIN ? SETTLE_MS_MIN - since : 0);
}

void cluster_moved(struct cluster *cluster, const struct link *link, struct slice error)
{
	struct slot_range range;

	cluster_doubt(cluster);
	if (!slot_read_moved(error, &link->target, &range))
		return;
	take_range(cluster, &range);
	settle_soon(cluster);
}

/* ---- Life */

void cluster_start(struct cluster *cluster)
{
	timer_set(cluster->shared->timers, &cluster->ask, 0);
}

struct cluster *cluster_create(struct shared *shared)
{
	static const struct scout_handler handler = {on_found, on_failed, on_heard, on_lost};
	static const struct slice question[] = {SLICE("CLUSTER"), SLICE("SLOTS")};
	struct cluster *cluster = mem_zero(sizeof(*cluster));

	cluster->shared = shared;
	shared->cluster = cluster;
	cluster->scout = scout_create(&shared->redis, &handler, cluster);
	cluster->task = (struct scout_task){
		.hosts = cluster->hosts,
		.words = question,
		.word_count = 2,
		.access = &shared->redis.address,
		.password_file = shared->redis.password_file,
	};
	timer_init(&cluster->ask, on_ask, cluster);
	timer_init(&cluster->settle, on_settle, cluster);
	cluster->nowhere = link_create(shared, NULL);
	return cluster;
}

void cluster_destroy(struct cluster *cluster)
{
	if (cluster == NULL)
		return;
	timer_stop(cluster->shared->timers, &cluster->ask);
	timer_stop(cluster->shared->timers, &cluster->settle);
	scout_destroy(cluster->scout);
	forget_hosts(cluster);
	free(cluster);
}
