#include "mesh/lease.h"

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
#include "mesh/hub.h"
#include "mesh/mesh.h"
#include "mesh/roster.h"
#include "mesh/seats.h"
#include "wire/frame.h"
#include "wire/parcel.h"

/* While draining: time for a peer to show up on another node before this one says that it left. */
#define LINGER_MS 3000

/*
 * SUBSCRIBING -> QUEUED -> ANNOUNCING -> ONLINE -> LINGERING, the last one only while draining. A
 * break of the bus leads from QUEUED and ANNOUNCING back to SUBSCRIBING, a new connection from
 * LINGERING.
 */
enum lease_state {
	LEASE_SUBSCRIBING, /* until the peer's channel is subscribed and the mesh's roster loaded */
	LEASE_QUEUED,      /* until it is our turn to announce */
	LEASE_ANNOUNCING,  /* until our own announcement comes back on the broadcast channel */
	LEASE_ONLINE,
	LEASE_LINGERING,
};

struct lease {
	struct table_entry entry; /* in the mesh, by id */
	struct mesh *mesh;
	const struct ports *ports;
	struct inbox *inbox;
	struct list connections;
	size_t connection_count;
	struct list turn; /* in the hub's queue while QUEUED */
	struct blob *
		presence; /* as the roster has it; until the first comes back: as the connection sent it */
	struct blob *pending; /* announced, and has not come back yet; or NULL */
	struct blob *owner;
	uint64_t heard_ms;
	uint64_t written_ms; /* when Redis was last told of heard_ms */
	struct timer timer;  /* next refresh; while LINGERING the end */
	uint64_t own_block;  /* of news, where the peer's own frames are: */
	uint32_t own_begin;
	uint32_t own_end;
	unsigned in_flight; /* announces that were not answered */
	enum lease_state state;
	bool subscribed;
	bool has_turn;
	bool announced; /* Redis may know the lease: tell it the end */
	char id[];
};

static uint64_t now_ms(const struct lease *lease)
{
	return timers_now(lease->ports->timers);
}

struct lease *lease_of_entry(struct table_entry *entry)
{
	return entry == NULL ? NULL : TABLE_HOLDER(entry, struct lease, entry);
}

struct slice lease_id(const struct lease *lease)
{
	return lease->entry.key;
}

struct slice lease_owner(const struct lease *lease)
{
	return blob_slice(lease->owner);
}

static void on_timer(void *context);

struct lease *lease_create(struct mesh *mesh, struct slice id, struct slice owner,
                           struct blob *presence)
{
	struct lease *lease = mem_zero(sizeof(*lease) + id.size);

	memcpy(lease->id, id.data, id.size);
	lease->mesh = mesh;
	lease->ports = hub_ports(mesh_hub(mesh));
	lease->owner = blob_copy(owner);
	lease->presence = blob_ref(presence);
	lease->heard_ms = now_ms(lease);
	list_init(&lease->connections);
	list_init(&lease->turn);
	timer_init(&lease->timer, on_timer, lease);
	mesh_add_lease(mesh, &lease->entry, (struct slice){lease->id, id.size});
	hub_count_lease(mesh_hub(mesh), true);
	lease->inbox = lease->ports->bus_port->inbox_open(mesh_topic(mesh), lease_id(lease), lease);
	return lease;
}

static void end_turn(struct lease *lease)
{
	if (lease->has_turn) {
		lease->has_turn = false;
		hub_end_turn(mesh_hub(lease->mesh));
	}
}

void lease_end(struct lease *lease)
{
	struct hub *hub = mesh_hub(lease->mesh);

	timer_stop(lease->ports->timers, &lease->timer);
	if (lease->state == LEASE_QUEUED)
		hub_leave_queue(hub, &lease->turn);
	lease->ports->bus_port->inbox_close(lease->inbox, lease->announced);
	mesh_remove_lease(lease->mesh, &lease->entry);
	end_turn(lease);
	hub_count_lease(hub, false);
	blob_unref(lease->presence);
	blob_unref(lease->pending);
	blob_unref(lease->owner);
	free(lease);
}

void lease_remove(struct lease *lease, struct list *connection_link)
{
	list_remove(connection_link);
	if (--lease->connection_count > 0)
		return;
	if (hub_is_draining(mesh_hub(lease->mesh)) && lease->state == LEASE_ONLINE) {
		lease->state = LEASE_LINGERING;
		lease->ports->bus_port->inbox_listen(lease->inbox, false);
		timer_set(lease->ports->timers, &lease->timer, LINGER_MS);
		return;
	}
	lease_end(lease);
}

/* The peer can't be announced: its connections are told, and the lease ends. */
static void fail(struct lease *lease, enum error_code code, const char *message)
{
	LIST_EACH(&lease->connections, link) {
		list_remove(link);
		connection_join_failed(connection_of_lease_link(link), code, message);
	}
	lease_end(lease);
}

/* Each close takes its connection out of the lease; the last one ends the lease, which is not to be touched then. */
static void close_all(struct lease *lease, enum close_code code, const char *reason)
{
	for (size_t left = lease->connection_count; left > 0; left--)
		connection_close(connection_of_lease_link(lease->connections.next), code, reason);
}

void lease_add(struct lease *lease, struct list *connection_link)
{
	list_append(&lease->connections, connection_link);
	lease->connection_count++;
	if (lease->state == LEASE_LINGERING) {
		timer_stop(lease->ports->timers, &lease->timer);
		lease->state = LEASE_SUBSCRIBING;
		lease->subscribed = false;
		lease->ports->bus_port->inbox_listen(lease->inbox, true);
	}
	if (lease->state == LEASE_ONLINE)
		connection_joined(connection_of_lease_link(connection_link));
}

/* ---- Announcing */

static void announce(struct lease *lease, struct blob *presence, bool fresh)
{
	const struct announcement announcement = {
		.message = blob_slice(presence),
		.owner = blob_slice(lease->owner),
		.heard_ms = lease->heard_ms,
		.loud = true,
		.fresh = fresh,
	};

	lease->in_flight++;
	lease->announced = true;
	lease->written_ms = now_ms(lease);
	lease->ports->bus_port->announce(lease->inbox, &announcement);
}

/* Who joins is not read from: what it may have said meanwhile is no silence. */
static void announce_first(struct lease *lease)
{
	lease->heard_ms = now_ms(lease);
	lease->has_turn = true;
	lease->state = LEASE_ANNOUNCING;
	announce(lease, lease->presence, true);
}

void lease_take_turn(struct list *lease_link)
{
	announce_first(LIST_ENTRY(lease_link, struct lease, turn));
}

static bool has_room(const struct lease *lease)
{
	return mesh_peer_count(lease->mesh) < lease->ports->settings->mesh_peers_max ||
	       mesh_knows(lease->mesh, lease_id(lease));
}

static void announce_when_ready(struct lease *lease)
{
	bool now;

	if (lease->state != LEASE_SUBSCRIBING || !lease->subscribed || !mesh_is_loaded(lease->mesh))
		return;
	if (!has_room(lease)) {
		fail(lease, ERROR_MESH_FULL, "the mesh has as many peers as it may");
		return;
	}
	if (!hub_ask_turn(mesh_hub(lease->mesh), &lease->turn, &now)) {
		close_all(lease, CLOSE_TRY_AGAIN, "too many peers are joining, try again later");
		return;
	}
	if (now)
		announce_first(lease);
	else
		lease->state = LEASE_QUEUED;
}

void lease_subscribed(struct lease *lease)
{
	lease->subscribed = true;
	/* Answered, but the subscriber broke before our own announcement came back: it never will. */
	if (lease->state == LEASE_ANNOUNCING && lease->in_flight == 0)
		lease->state = LEASE_SUBSCRIBING;
	announce_when_ready(lease);
}

void lease_mesh_loaded(struct lease *lease)
{
	announce_when_ready(lease);
}

void lease_change(struct lease *lease, struct blob *presence)
{
	blob_ref(presence);
	blob_unref(lease->pending);
	lease->pending = presence;
	announce(lease, presence, true);
}

static void forget_pending(struct lease *lease)
{
	blob_unref(lease->pending);
	lease->pending = NULL;
}

/* Redis is full: the peer stays what it was, and who said otherwise is told. */
static void refuse_pending(struct lease *lease)
{
	forget_pending(lease);
	LIST_EACH(&lease->connections, link)
		connection_change_failed(connection_of_lease_link(link));
}

/* Redis forgot the peer already: there is no end of the lease to be told. */
static void close_silent(struct lease *lease)
{
	lease->announced = false;
	close_all(lease, CLOSE_HEARTBEAT, "no message for too long");
}

void lease_answered(struct lease *lease, enum announce_answer answer)
{
	if (lease->in_flight > 0) /* not counted: recovery's own */
		lease->in_flight--;
	end_turn(lease);
	switch (answer) {
	case ANNOUNCE_ONLINE:
	case ANNOUNCE_KEPT:
		return;
	case ANNOUNCE_SILENT:
		close_silent(lease);
		return;
	case ANNOUNCE_TAKEN:
		lease->announced = false;
		fail(lease, ERROR_ID_TAKEN, "this id belongs to somebody else who is online");
		return;
	case ANNOUNCE_REFUSED:
		if (lease->state == LEASE_ANNOUNCING)
			fail(lease, ERROR_BUS_UNAVAILABLE,
			     "the presence could not be stored, try again");
		else if (lease->in_flight == 0)
			refuse_pending(lease);
		return;
	case ANNOUNCE_LOST:
		if (lease->state == LEASE_ANNOUNCING) {
			lease->state =
				LEASE_SUBSCRIBING; /* lease_subscribed() comes after the reconnect */
			lease->subscribed = false;
		}
		return;
	}
}

static void hold_presence(struct lease *lease, struct blob *presence)
{
	blob_ref(presence);
	blob_unref(lease->presence);
	lease->presence = presence;
}

/* Only now it has arrived: Redis's answer does not mean that the event survives a break of the bus. */
void lease_heard_presence(struct lease *lease, struct blob *presence, struct slice message)
{
	if (lease->pending != NULL && slice_equal(blob_slice(lease->pending), message))
		forget_pending(lease);
	if (lease->state == LEASE_ONLINE)
		hold_presence(lease, presence);
}

void lease_came_back(struct lease *lease)
{
	const struct peer *peer = roster_find(mesh_roster(lease->mesh), lease_id(lease));

	if (lease->state != LEASE_ANNOUNCING)
		return;
	lease->state = LEASE_ONLINE;
	if (peer != NULL)
		hold_presence(lease, peer->presence);
	LIST_EACH(&lease->connections, link)
		connection_joined(connection_of_lease_link(link));
}

bool lease_restate(struct lease *lease, struct announcement *announcement)
{
	if (lease->state != LEASE_ONLINE ||
	    now_ms(lease) - lease->heard_ms >= lease->ports->settings->ttl_ms)
		return false;
	lease->written_ms = now_ms(lease);
	*announcement = (struct announcement){
		.message = blob_slice(lease->pending != NULL ? lease->pending : lease->presence),
		.owner = blob_slice(lease->owner),
		.heard_ms = lease->heard_ms,
		.loud = lease->pending != NULL,
		.fresh = lease->pending != NULL,
	};
	return true;
}

/* ---- Signs of life */

static void refresh(struct lease *lease)
{
	lease->written_ms = now_ms(lease);
	lease->ports->bus_port->refresh(lease->inbox, lease->heard_ms);
}

static uint64_t refresh_ms(const struct lease *lease)
{
	return lease->ports->settings->ttl_ms / 6;
}

/*
 * Redis is told at once if the last time is a while ago, else when it will be, with the age of the
 * last message then. So a lease ends a TTL after the last message, whatever the rhythm of messages,
 * for at most one write per TTL/6.
 */
void lease_touch(struct lease *lease, uint64_t now)
{
	lease->heard_ms = now;
	if (lease->state != LEASE_ONLINE || timer_is_set(&lease->timer))
		return;
	if (now - lease->written_ms >= refresh_ms(lease))
		refresh(lease);
	else
		timer_set(lease->ports->timers, &lease->timer,
		          lease->written_ms + refresh_ms(lease) - now);
}

static void on_timer(void *context)
{
	struct lease *lease = context;

	if (lease->state == LEASE_LINGERING)
		lease_end(lease);
	else
		refresh(lease);
}

/* With the presence that the roster holds: a quiet tab must not overwrite what a newer one announced. */
static void announce_again(struct lease *lease)
{
	announce(lease, lease->pending != NULL ? lease->pending : lease->presence,
	         lease->pending != NULL);
}

void lease_lost(struct lease *lease)
{
	if (lease->state == LEASE_ONLINE)
		announce_again(lease);
}

void lease_heard_offline(struct lease *lease)
{
	if (lease->state != LEASE_ONLINE)
		return;
	if (now_ms(lease) - lease->heard_ms < lease->ports->settings->ttl_ms) {
		announce_again(lease);
		return;
	}
	close_silent(lease);
}

/* ---- Delivering */

size_t lease_seat_count(const struct lease *lease)
{
	size_t count = 0;

	LIST_EACH(&lease->connections, link)
		count += connection_is_joined(connection_of_lease_link(link));
	return count;
}

static void receive_message(struct lease *lease, const struct parcel *message)
{
	bool from_here = message->node == lease->ports->bus_port->node(lease->ports->bus);
	struct blob *frames = deliver_frames(lease->ports, message);

	LIST_EACH(&lease->connections, link) {
		struct connection *connection = connection_of_lease_link(link);
		if (!from_here || connection_number(connection) != message->connection)
			connection_send(connection, frames, 1);
	}
	blob_unref(frames);
}

static bool is_from_itself(const struct lease *lease, const struct parcel *message)
{
	return slice_equal(message->from, lease_id(lease));
}

static void deliver_block(struct lease *lease, struct buffer *block, size_t messages)
{
	if (messages == 0)
		return;

	struct blob *frames = blob_copy(buffer_slice(block));
	LIST_EACH(&lease->connections, link)
		connection_send(connection_of_lease_link(link), frames, messages);
	blob_unref(frames);
	buffer_clear(block);
}

/* As one block, but for what a connection of the peer sent to the others. */
static void receive_bundle(struct lease *lease, struct slice parcels)
{
	struct buffer block = {0};
	size_t messages = 0;
	struct parcel message;
	uint64_t now = clock_wall_ms();

	buffer_reserve(&block, parcels.size);
	while (deliver_message(lease->ports, &parcels, &message)) {
		if (is_from_itself(lease, &message)) {
			deliver_block(lease, &block, messages);
			messages = 0;
			receive_message(lease, &message);
			continue;
		}
		deliver_note_age(lease->ports, &message, now);
		frame_append_text(&block, &message.body, 1);
		messages++;
	}
	deliver_block(lease, &block, messages);
	buffer_fini(&block);
}

void lease_receive(struct lease *lease, struct slice bytes)
{
	struct parcel parcel;

	if (!deliver_open(lease->ports, bytes, &parcel))
		return;
	seats_tell(mesh_seats(lease->mesh));
	if (parcel.kind == PARCEL_MESSAGE)
		receive_message(lease, &parcel);
	else if (parcel.kind == PARCEL_BUNDLE)
		receive_bundle(lease, parcel.body);
	else /* not for this channel */
		metric_add(lease->ports->counters->parcels_kind, 1);
}

void lease_set_own_frames(struct lease *lease, uint64_t block, uint32_t begin, uint32_t end)
{
	lease->own_block = block;
	lease->own_begin = begin;
	lease->own_end = end;
}

void lease_own_frames(const struct lease *lease, uint64_t block, uint32_t *begin, uint32_t *end)
{
	bool noted = lease->own_block == block;

	*begin = noted ? lease->own_begin : 0;
	*end = noted ? lease->own_end : 0;
}
