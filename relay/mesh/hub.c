#include "mesh/hub.h"

#include <assert.h>
#include <stdlib.h>

#include "common/list.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/table.h"
#include "mesh/connection.h"
#include "mesh/counters.h"
#include "mesh/lease.h"
#include "mesh/mesh.h"
#include "mesh/routing.h"

struct hub {
	struct ports ports;
	struct hub_settings settings;
	struct routing *routing;
	struct table meshes;
	struct table connections; /* by number */
	struct list queue;        /* leases that wait for their turn to be announced */
	size_t queued;
	size_t turns_taken;
	size_t leases;
	uint32_t last_number;
	bool draining;
};

struct hub *hub_create(const struct hub_settings *settings, struct timers *timers,
                       const struct edge_port *edge, const struct bus_port *bus_port,
                       struct bus *bus)
{
	struct hub *hub = mem_zero(sizeof(*hub));

	hub->settings = *settings;
	hub->ports = (struct ports){
		.settings = &hub->settings,
		.counters = counters_create(),
		.timers = timers,
		.edge = edge,
		.bus_port = bus_port,
		.bus = bus,
	};
	hub->routing = routing_create(settings->drop_types);
	table_init(&hub->meshes);
	table_init(&hub->connections);
	list_init(&hub->queue);
	return hub;
}

void hub_destroy(struct hub *hub)
{
	struct table_cursor cursor = {0};
	struct table_entry *entry;

	if (hub == NULL)
		return;
	while ((entry = table_next(&hub->meshes, &cursor)) != NULL) {
		table_remove(&hub->meshes, entry);
		mesh_destroy(mesh_of_entry(entry));
	}
	table_fini(&hub->meshes);
	table_fini(&hub->connections);
	routing_destroy(hub->routing);
	free(hub->ports.counters);
	free(hub);
}

const struct ports *hub_ports(const struct hub *hub)
{
	return &hub->ports;
}

struct routing *hub_routing(const struct hub *hub)
{
	return hub->routing;
}

static struct mesh *mesh_named(struct hub *hub, struct slice name)
{
	struct table_entry *entry = table_find(&hub->meshes, name);

	if (entry != NULL)
		return mesh_of_entry(entry);

	struct mesh *mesh = mesh_create(hub, name);
	table_insert(&hub->meshes, mesh_entry(mesh), mesh_name(mesh));
	metric_add(hub->ports.counters->meshes, 1);
	return mesh;
}

void hub_forget_mesh(struct hub *hub, struct mesh *mesh)
{
	table_remove(&hub->meshes, mesh_entry(mesh));
	metric_subtract(hub->ports.counters->meshes, 1);
	mesh_destroy(mesh);
}

static struct slice number_key(const uint32_t *number)
{
	return (struct slice){(const char *)number, sizeof(*number)};
}

struct connection *hub_connection(const struct hub *hub, uint32_t number)
{
	struct table_entry *entry = table_find(&hub->connections, number_key(&number));

	return entry == NULL ? NULL : connection_of_entry(entry);
}

/* Numbers come round again after 2^32 connections; an old one may still be open then. */
static uint32_t next_number(struct hub *hub)
{
	do {
		hub->last_number++;
	} while (hub->last_number == 0 || hub_connection(hub, hub->last_number) != NULL);
	return hub->last_number;
}

struct connection *hub_connect(struct hub *hub, struct slice mesh, struct slice owner,
                               struct socket *socket)
{
	struct connection *connection =
		connection_create(hub, mesh_named(hub, mesh), next_number(hub), owner, socket);
	struct table_entry *entry = connection_entry(connection);

	table_insert(&hub->connections, entry, entry->key);
	return connection;
}

void hub_forget(struct hub *hub, struct connection *connection)
{
	table_remove(&hub->connections, connection_entry(connection));
}

void hub_list(struct hub *hub, struct slice mesh, uint64_t timeout_ms, bus_list_done *done,
              void *context)
{
	hub->ports.bus_port->list(hub->ports.bus, mesh, timeout_ms, done, context);
}

bool hub_is_ready(const struct hub *hub, const char **reason)
{
	enum bus_state state = hub->ports.bus_port->state(hub->ports.bus);

	if (state == BUS_UP || state == BUS_IDLE)
		return true;
	*reason = state == BUS_DOWN ? "no connection to Redis" : "recovering from a loss of Redis";
	return false;
}

void hub_drain(struct hub *hub)
{
	hub->draining = true;
}

bool hub_is_draining(const struct hub *hub)
{
	return hub->draining;
}

bool hub_is_empty(const struct hub *hub)
{
	return hub->connections.size == 0 && hub->leases == 0;
}

void hub_count_lease(struct hub *hub, bool more)
{
	if (more)
		hub->leases++;
	else
		hub->leases--;
	metric_set(hub->ports.counters->peers, hub->leases);
}

/* ---- Turns: a storm of newcomers reaches Redis in portions. */

static void count_queue(struct hub *hub)
{
	metric_set(hub->ports.counters->joins_waiting, hub->queued);
}

bool hub_ask_turn(struct hub *hub, struct list *lease_link, bool *now)
{
	*now = hub->turns_taken < hub->settings.joins_in_flight_max;
	if (*now) {
		hub->turns_taken++;
		return true;
	}
	if (hub->queued >= hub->settings.joins_waiting_max)
		return false;
	list_append(&hub->queue, lease_link);
	hub->queued++;
	count_queue(hub);
	return true;
}

void hub_leave_queue(struct hub *hub, struct list *lease_link)
{
	list_remove(lease_link);
	hub->queued--;
	count_queue(hub);
}

/* The turn passes to the one that has waited longest. */
void hub_end_turn(struct hub *hub)
{
	assert(hub->turns_taken > 0);
	if (list_empty(&hub->queue)) {
		hub->turns_taken--;
		return;
	}
	struct list *link = hub->queue.next;
	hub_leave_queue(hub, link);
	lease_take_turn(link);
}
