#include "mesh/mesh.h"

#include <assert.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/list.h"
#include "common/memory.h"
#include "common/table.h"
#include "common/timers.h"
#include "mesh/connection.h"
#include "mesh/counters.h"
#include "mesh/deliver.h"
#include "mesh/echo.h"
#include "mesh/hub.h"
#include "mesh/lease.h"
#include "mesh/roster.h"
#include "mesh/seats.h"
#include "wire/envelope.h"
#include "wire/notice.h"

/* How long a mesh without connections stays subscribed: a client that reconnects finds it warm. */
#define WARM_MS 30000

struct mesh {
	struct table_entry entry; /* in the hub, by name */
	struct hub *hub;
	const struct ports *ports;
	struct topic *topic; /* NULL: cold */
	struct roster *roster;
	struct echo *echo; /* NULL: nothing that could be echoed was delivered yet */
	struct table leases;
	struct seats *seats;
	size_t attached;
	struct timer cool;
	struct timer doubt;
	struct list held_back; /* connections that wait for room on the bus */
	bool loaded;
	char name[];
};

static void on_cool(void *context);
static void on_doubt(void *context);

static uint64_t now_ms(const struct mesh *mesh)
{
	return timers_now(mesh->ports->timers);
}

struct mesh *mesh_create(struct hub *hub, struct slice name)
{
	struct mesh *mesh = mem_zero(sizeof(*mesh) + name.size);

	memcpy(mesh->name, name.data, name.size);
	mesh->entry.key = (struct slice){mesh->name, name.size};
	mesh->hub = hub;
	mesh->ports = hub_ports(hub);
	mesh->roster = roster_create(mesh->ports->settings->ttl_ms);
	mesh->seats = seats_create(mesh->ports, mesh->roster);
	table_init(&mesh->leases);
	list_init(&mesh->held_back);
	timer_init(&mesh->cool, on_cool, mesh);
	timer_init(&mesh->doubt, on_doubt, mesh);
	return mesh;
}

static void stop_timers(struct mesh *mesh)
{
	timer_stop(mesh->ports->timers, &mesh->cool);
	timer_stop(mesh->ports->timers, &mesh->doubt);
	seats_rest(mesh->seats);
}

void mesh_destroy(struct mesh *mesh)
{
	struct table_cursor cursor = {0};
	struct table_entry *entry;

	while ((entry = table_next(&mesh->leases, &cursor)) != NULL)
		lease_end(lease_of_entry(entry)); /* it lingered */
	stop_timers(mesh);
	if (mesh->topic != NULL)
		mesh->ports->bus_port->topic_close(mesh->topic);
	table_fini(&mesh->leases);
	seats_destroy(mesh->seats);
	roster_destroy(mesh->roster);
	echo_destroy(mesh->echo);
	free(mesh);
}

struct slice mesh_name(const struct mesh *mesh)
{
	return mesh->entry.key;
}

struct table_entry *mesh_entry(struct mesh *mesh)
{
	return &mesh->entry;
}

struct mesh *mesh_of_entry(struct table_entry *entry)
{
	return TABLE_HOLDER(entry, struct mesh, entry);
}

struct hub *mesh_hub(const struct mesh *mesh)
{
	return mesh->hub;
}

struct roster *mesh_roster(const struct mesh *mesh)
{
	return mesh->roster;
}

struct topic *mesh_topic(const struct mesh *mesh)
{
	return mesh->topic;
}

struct seats *mesh_seats(const struct mesh *mesh)
{
	return mesh->seats;
}

const struct echo *mesh_echo(const struct mesh *mesh)
{
	return mesh->echo;
}

bool mesh_is_loaded(const struct mesh *mesh)
{
	return mesh->loaded;
}

size_t mesh_peer_count(const struct mesh *mesh)
{
	return roster_size(mesh->roster);
}

bool mesh_knows(const struct mesh *mesh, struct slice id)
{
	return roster_find(mesh->roster, id) != NULL;
}

/* ---- Life: attached connections keep the mesh, leases keep the topic. */

static void forget_if_unused(struct mesh *mesh)
{
	if (mesh->attached == 0 && mesh->topic == NULL)
		hub_forget_mesh(mesh->hub, mesh);
}

void mesh_attach(struct mesh *mesh)
{
	mesh->attached++;
}

void mesh_detach(struct mesh *mesh)
{
	mesh->attached--;
	forget_if_unused(mesh);
}

void mesh_add_lease(struct mesh *mesh, struct table_entry *entry, struct slice id)
{
	timer_stop(mesh->ports->timers, &mesh->cool);
	if (mesh->topic == NULL)
		mesh->topic =
			mesh->ports->bus_port->topic_open(mesh->ports->bus, mesh_name(mesh), mesh);
	table_insert(&mesh->leases, entry, id);
}

void mesh_remove_lease(struct mesh *mesh, struct table_entry *entry)
{
	table_remove(&mesh->leases, entry);
	if (mesh->leases.size == 0)
		timer_set(mesh->ports->timers, &mesh->cool, WARM_MS);
}

struct lease *mesh_lease(const struct mesh *mesh, struct slice id)
{
	return lease_of_entry(table_find(&mesh->leases, id));
}

static void on_cool(void *context)
{
	struct mesh *mesh = context;

	stop_timers(mesh);
	mesh_relieved(mesh);
	mesh->ports->bus_port->topic_close(mesh->topic);
	mesh->topic = NULL;
	mesh->loaded = false;
	roster_clear(mesh->roster);
	forget_if_unused(mesh);
}

/* ---- Back-pressure: who publishes faster than the bus takes it is not read from. */

bool mesh_is_pressed(const struct mesh *mesh)
{
	return mesh->topic != NULL && mesh->ports->bus_port->topic_is_pressed(mesh->topic);
}

void mesh_hold_back(struct mesh *mesh, struct list *connection_link)
{
	list_append(&mesh->held_back, connection_link);
}

void mesh_relieved(struct mesh *mesh)
{
	while (!list_empty(&mesh->held_back)) {
		struct list *link = mesh->held_back.next;
		list_remove(link);
		connection_let_go(connection_of_hold_link(link));
	}
}

/* ---- What comes in on the broadcast channel */

static void remember(struct mesh *mesh, const struct parcel *message)
{
	uint64_t window_ms = mesh->ports->settings->echo_window_ms;

	if (!message->has_digest || window_ms == 0)
		return;
	if (mesh->echo == NULL)
		mesh->echo = echo_create(window_ms);
	echo_remember(mesh->echo, message->digest, message->from, now_ms(mesh));
}

static void receive_message(struct mesh *mesh, const struct parcel *message)
{
	remember(mesh, message);
	if (seats_count(mesh->seats) == 0)
		return;

	struct blob *frames = deliver_frames(mesh->ports, message);
	seats_deliver(mesh->seats, frames, mesh_lease(mesh, message->from));
	blob_unref(frames);
}

/* What a node published in a turn: one block, with the news that wait, which most receivers get whole. */
static void receive_bundle(struct mesh *mesh, struct slice parcels)
{
	struct parcel message;
	size_t seats = seats_count(mesh->seats);
	uint64_t delivered = 0;
	uint64_t now = clock_wall_ms();

	seats_reserve(mesh->seats, parcels.size);
	while (deliver_message(mesh->ports, &parcels, &message)) {
		remember(mesh, &message);
		if (seats == 0)
			continue;
		deliver_note_age(mesh->ports, &message, now);
		struct lease *sender = mesh_lease(mesh, message.from);
		seats_gather(mesh->seats, sender, message.body);
		delivered += seats - (sender != NULL ? lease_seat_count(sender) : 0);
	}
	seats_tell(mesh->seats);
	metric_add(mesh->ports->counters->messages_delivered, delivered);
}

static void take_presence(struct mesh *mesh, struct slice id, struct slice message,
                          uint64_t seen_ms)
{
	struct lease *lease = mesh_lease(mesh, id);

	if (roster_put(mesh->roster, id, message, seen_ms, now_ms(mesh)))
		seats_gather(mesh->seats, lease, message);

	const struct peer *peer = roster_find(mesh->roster, id);
	if (lease != NULL && peer != NULL)
		lease_heard_presence(lease, peer->presence, message);
}

static void receive_presences(struct mesh *mesh, const struct parcel *parcel)
{
	bool from_here = parcel->node == mesh->ports->bus_port->node(mesh->ports->bus);
	struct slice records = parcel->body;
	struct slice message;
	struct slice id;

	while (deliver_presence(mesh->ports, &records, &id, &message))
		take_presence(mesh, id, message, parcel->time_ms);
	seats_tell_in_time(mesh->seats);

	/* Only now do our own newcomers join: their rosters have all that is news to the others. */
	records = parcel->body;
	while (parcel_next_presence(&records, &id, &message)) {
		struct lease *lease = mesh_lease(mesh, id);
		if (lease != NULL && from_here)
			lease_came_back(lease);
	}
}

static void take_offline(struct mesh *mesh, struct slice id)
{
	struct buffer notice = {0};

	if (!roster_remove(mesh->roster, id))
		return;
	notice_offline(&notice, id, clock_wall_ms());
	seats_gather(mesh->seats, mesh_lease(mesh, id), buffer_slice(&notice));
	buffer_fini(&notice);
}

/* Observers are told first; then a lease on the peer decides whether to contradict or to end. */
static void tell_offline(struct mesh *mesh, struct slice ids)
{
	struct slice rest = ids;
	struct slice id;

	while (parcel_next_offline(&rest, &id))
		take_offline(mesh, id);
	seats_tell_in_time(mesh->seats);

	rest = ids;
	while (parcel_next_offline(&rest, &id)) {
		struct lease *lease = mesh_lease(mesh, id);
		if (lease != NULL)
			lease_heard_offline(lease);
	}
}

void mesh_receive(struct mesh *mesh, struct slice bytes)
{
	struct parcel parcel;

	if (!deliver_open(mesh->ports, bytes, &parcel))
		return;
	switch (parcel.kind) {
	case PARCEL_MESSAGE:
		receive_message(mesh, &parcel);
		break;
	case PARCEL_BUNDLE:
		receive_bundle(mesh, parcel.body);
		break;
	case PARCEL_PRESENCE:
		receive_presences(mesh, &parcel);
		break;
	case PARCEL_OFFLINE:
		tell_offline(mesh, parcel.body);
		break;
	default: /* not for this channel */
		metric_add(mesh->ports->counters->parcels_kind, 1);
		break;
	}
}

/* ---- The roster as Redis has it */

void mesh_load_begin(struct mesh *mesh)
{
	roster_load_begin(mesh->roster);
}

void mesh_load_peer(struct mesh *mesh, struct slice id, struct slice presence, uint64_t seen_ms)
{
	bool readable = presence.data == NULL || deliver_is_presence(mesh->ports, id, presence);

	if (!readable || !roster_load_put(mesh->roster, id, presence, seen_ms, now_ms(mesh)))
		return;

	struct lease *lease = mesh_lease(mesh, id);
	seats_gather(mesh->seats, lease, presence);
	seats_tell_in_time(mesh->seats);
	if (lease != NULL)
		lease_heard_presence(lease, roster_find(mesh->roster, id)->presence, presence);
}

void mesh_load_end(struct mesh *mesh, bool after_loss)
{
	struct table_cursor cursor = {0};
	struct table_entry *entry;
	uint64_t ttl_ms = mesh->ports->settings->ttl_ms;

	/*
	 * A peer that the snapshot lacks may be on a node that has yet to announce it again: that takes
	 * no longer than a lease lives and the sweeps are held off.
	 */
	if (roster_load_end(mesh->roster) > 0 && !timer_is_set(&mesh->doubt))
		timer_set(mesh->ports->timers, &mesh->doubt, ttl_ms + 2 * ttl_ms / 3);
	if (after_loss)
		seats_resync(mesh->seats);
	if (mesh->loaded)
		return;
	mesh->loaded = true;
	while ((entry = table_next(&mesh->leases, &cursor)) != NULL)
		lease_mesh_loaded(lease_of_entry(entry));
}

static void on_doubt(void *context)
{
	struct mesh *mesh = context;
	struct table_cursor cursor = {0};
	struct peer *peer;

	while ((peer = roster_next(mesh->roster, &cursor)) != NULL)
		if (peer->suspect != 0)
			mesh->ports->bus_port->check(mesh->topic, peer_id(peer));
}

void mesh_peer_missing(struct mesh *mesh, struct slice id)
{
	const struct peer *peer = roster_find(mesh->roster, id);

	if (peer == NULL || peer->suspect == 0)
		return; /* an event spoke of it meanwhile */

	struct blob *copy = blob_copy(id); /* `id` may be the peer's own */
	tell_offline(mesh, blob_slice(copy));
	blob_unref(copy);
}

void mesh_unpublished(struct mesh *mesh, struct slice target, struct slice bytes,
                      enum unpublished why)
{
	struct parcel parcel;

	if (parcel_read(bytes, &parcel) != PARCEL_OK)
		return;
	struct connection *connection = hub_connection(mesh->hub, parcel.connection);
	if (connection != NULL)
		connection_unpublished(connection, target, parcel.body, why);
}
