/*
 * The bus as the mesh sees it. There is one link now; on a Cluster each mesh would have the link of
 * its shard, and everything below a topic or inbox would stay as it is.
 */
#include "bus/bus.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bus/announces.h"
#include "bus/inbox.h"
#include "bus/leaves.h"
#include "bus/link.h"
#include "bus/listings.h"
#include "bus/publications.h"
#include "bus/refreshes.h"
#include "bus/scripts.h"
#include "bus/session.h"
#include "bus/topic.h"
#include "common/memory.h"

#define TTL_MS_MIN 100

struct bus {
	struct bus_settings settings;
	char *password_file;
	char *prefix;
	struct link *link;
};

static char *copy(const char *text)
{
	return text == NULL ? NULL : mem_copy(text, strlen(text) + 1);
}

static const char *check(const struct bus_settings *settings)
{
	if (strpbrk(settings->prefix, "{}") != NULL)
		return "the prefix of keys in Redis must not have { or } in it";
	if (settings->ttl_ms < TTL_MS_MIN)
		return "the TTL must be 100 ms at least";
	if (settings->redis_password_file != NULL &&
	    access(settings->redis_password_file, R_OK) != 0)
		return "the file with the Redis password can't be read";
	return NULL;
}

struct bus *bus_create(const struct bus_settings *settings, struct event_base *base,
                       struct timers *timers, const char **error)
{
	*error = check(settings);
	if (*error != NULL)
		return NULL;

	struct bus *bus = mem_zero(sizeof(*bus));
	bus->password_file = copy(settings->redis_password_file);
	bus->prefix = copy(settings->prefix);
	bus->settings = *settings;
	bus->settings.redis_password_file = bus->password_file;
	bus->settings.prefix = bus->prefix;
	bus->link = link_create(&bus->settings, base, timers, error);
	bus->settings.redis_url = NULL; /* it may hold a password; the link has what it needs */
	if (bus->link == NULL) {
		bus_destroy(bus);
		return NULL;
	}
	return bus;
}

void bus_destroy(struct bus *bus)
{
	if (bus == NULL)
		return;
	link_destroy(bus->link);
	free(bus->password_file);
	free(bus->prefix);
	free(bus);
}

void bus_start(struct bus *bus, struct hub *hub)
{
	bus->link->hub = hub;
	if (!bus->settings.first_use)
		link_start(bus->link);
}

bool bus_is_settled(const struct bus *bus)
{
	return leaves_none(bus->link->leaves) && publications_none(bus->link->publications);
}

/* ---- The port */

static uint64_t port_node(const struct bus *bus)
{
	return bus->link->node;
}

static enum bus_state port_state(const struct bus *bus)
{
	return link_state(bus->link);
}

static struct topic *port_topic_open(struct bus *bus, struct slice mesh, struct mesh *owner)
{
	link_start(bus->link);
	return topic_open(bus->link, mesh, owner);
}

static void port_announce(struct inbox *inbox, const struct announcement *announcement)
{
	announces_add(topic_announces(inbox_topic(inbox)), inbox, announcement);
}

static void port_refresh(struct inbox *inbox, uint64_t heard_ms)
{
	struct topic *topic = inbox_topic(inbox);
	struct link *link = topic_link(topic);

	if (session_is_ready(link->session) && !scripts_are_busy(link->scripts))
		refreshes_add(topic_refreshes(topic), inbox, heard_ms);
}

static bool port_publish(struct topic *topic, struct slice target, const struct slice *parts,
                         size_t part_count, uint32_t connection)
{
	/* A peer's presence comes before what it says after it. */
	announces_flush(topic_announces(topic));
	return publications_add(topic_link(topic)->publications, topic, target, parts, part_count,
	                        connection);
}

static void port_check(struct topic *topic, struct slice peer)
{
	listings_check(topic_link(topic), topic, peer);
}

static void port_list(struct bus *bus, struct slice mesh, uint64_t timeout_ms, bus_list_done *done,
                      void *context)
{
	link_start(bus->link);
	listings_list(bus->link->listings, mesh, timeout_ms, done, context);
}

const struct bus_port *bus_port(void)
{
	static const struct bus_port port = {
		.node = port_node,
		.state = port_state,
		.topic_open = port_topic_open,
		.topic_close = topic_close,
		.inbox_open = inbox_open,
		.inbox_close = inbox_close,
		.announce = port_announce,
		.refresh = port_refresh,
		.publish = port_publish,
		.check = port_check,
		.list = port_list,
	};

	return &port;
}
