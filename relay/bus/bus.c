/*
 * The bus as the mesh sees it. There is one link; on a Cluster each mesh has the link of its shard.
 */
#include "bus/bus.h"

#include <stdlib.h>
#include <string.h>

#include "bus/announces.h"
#include "bus/cluster.h"
#include "bus/inbox.h"
#include "bus/leaves.h"
#include "bus/link.h"
#include "bus/listings.h"
#include "bus/publications.h"
#include "bus/refreshes.h"
#include "bus/topic.h"
#include "bus/traffic.h"
#include "common/memory.h"
#include "redis/session.h"
#include "redis/slot.h"

#define TTL_MS_MIN 100
#define BACKOFF_MS_MAX 3000

struct bus {
	struct bus_settings settings;
	struct shared shared;
	struct link *link; /* NULL: a Cluster has several */
};

static const char *check(const struct bus_settings *settings)
{
	if (strpbrk(settings->prefix, "{}") != NULL)
		return "the prefix of keys in Redis must not have { or } in it";
	if (settings->ttl_ms < TTL_MS_MIN)
		return "the TTL must be 100 ms at least";
	return NULL;
}

/* A node must be back well within the time in which others hold their sweeps off. */
static uint64_t backoff_ms_max(const struct bus_settings *settings)
{
	uint64_t sixth = settings->ttl_ms / 6;

	return sixth < BACKOFF_MS_MAX ? sixth : BACKOFF_MS_MAX;
}

static bool share(struct bus *bus, struct event_base *base, struct timers *timers,
                  const char **error)
{
	const struct bus_settings *settings = &bus->settings;
	struct shared *shared = &bus->shared;

	shared->settings = settings;
	shared->timers = timers;
	list_init(&shared->links);
	meters_init(&shared->meters);
	shared->leaves = leaves_create(shared);
	if (!redis_init(&shared->redis, &settings->redis, base, timers, error))
		return false;
	shared->redis.backoff_ms_max = backoff_ms_max(settings);
	shared->redis.errors = shared->meters.errors;
	lua_init(shared->scripts, redis_is_cluster(&shared->redis));
	return true;
}

struct bus *bus_create(const struct bus_settings *settings, struct event_base *base,
                       struct timers *timers, const char **error)
{
	*error = check(settings);
	if (*error != NULL)
		return NULL;

	struct bus *bus = mem_zero(sizeof(*bus));
	bus->settings = *settings;
	if (!share(bus, base, timers, error)) {
		bus_destroy(bus);
		return NULL;
	}
	bus->settings.redis.url = NULL; /* it may hold a password; the address has what is needed */
	if (redis_is_cluster(&bus->shared.redis))
		bus->shared.cluster = cluster_create(&bus->shared);
	else
		bus->link = link_create(&bus->shared, NULL);
	return bus;
}

/* Calls are answered, then what is owed is forgotten: after that nothing holds a topic. */
void bus_destroy(struct bus *bus)
{
	if (bus == NULL)
		return;
	LIST_EACH(&bus->shared.links, link)
		link_stop(LIST_ENTRY(link, struct link, in_shared));
	leaves_destroy(bus->shared.leaves);
	LIST_EACH(&bus->shared.links, link)
		link_destroy(LIST_ENTRY(link, struct link, in_shared));
	cluster_destroy(bus->shared.cluster);
	lua_fini(bus->shared.scripts);
	redis_fini(&bus->shared.redis);
	free(bus);
}

/*
 * The node's number is made now and not at the start of the process, which may be long before: the
 * process may have been cloned from a snapshot meanwhile. If that happens later, the probe notices.
 */
static void use(struct bus *bus)
{
	struct shared *shared = &bus->shared;

	if (shared->node != 0)
		return;
	shared_name_node(shared);
	if (bus->link != NULL)
		link_start(bus->link);
	else
		cluster_start(shared->cluster);
}

void bus_start(struct bus *bus)
{
	if (!bus->settings.first_use)
		use(bus);
}

bool bus_is_settled(const struct bus *bus)
{
	LIST_EACH(&bus->shared.links, link)
		if (!traffic_none(LIST_ENTRY(link, struct link, in_shared)->traffic))
			return false;
	return leaves_none(bus->shared.leaves);
}

static struct link *link_of(const struct bus *bus, struct slice mesh)
{
	return bus->link != NULL ? bus->link : cluster_link(bus->shared.cluster, slot_of(mesh));
}

/* ---- The port */

static uint64_t port_node(const struct bus *bus)
{
	return bus->shared.node;
}

static enum bus_state port_state(const struct bus *bus)
{
	return links_state(&bus->shared);
}

static struct topic *port_topic_open(struct bus *bus, struct slice mesh, struct mesh *owner)
{
	use(bus);
	return topic_open(link_of(bus, mesh), mesh, owner);
}

static void port_announce(struct inbox *inbox, const struct announcement *announcement)
{
	struct topic *topic = inbox_topic(inbox);

	/* What a peer said comes before the presence after it. */
	publications_flush(topic_publications(topic));
	announces_add(topic_announces(topic), inbox, announcement);
}

static void port_refresh(struct inbox *inbox, uint64_t heard_ms)
{
	struct topic *topic = inbox_topic(inbox);
	struct link *link = topic_link(topic);

	if (session_is_ready(link->session) && !scripts_are_busy(link->scripts))
		refreshes_add(topic_refreshes(topic), inbox, heard_ms);
}

static bool port_publish(struct topic *topic, struct slice target, const struct slice *parts,
                         size_t part_count)
{
	/* A peer's presence comes before what it says after it. */
	announces_flush(topic_announces(topic));
	return publications_add(topic_publications(topic), target, parts, part_count);
}

static void port_check(struct topic *topic, struct slice peer)
{
	listings_check(topic, peer);
}

static void port_list(struct bus *bus, struct slice mesh, uint64_t timeout_ms, bus_list_done *done,
                      void *context)
{
	use(bus);
	listings_list(link_of(bus, mesh)->listings, mesh, timeout_ms, done, context);
}

const struct bus_port *bus_port(void)
{
	static const struct bus_port port = {
		.node = port_node,
		.state = port_state,
		.topic_open = port_topic_open,
		.topic_close = topic_close,
		.topic_is_pressed = topic_is_pressed,
		.inbox_open = inbox_open,
		.inbox_close = inbox_close,
		.inbox_listen = inbox_listen,
		.announce = port_announce,
		.refresh = port_refresh,
		.publish = port_publish,
		.check = port_check,
		.list = port_list,
	};

	return &port;
}
