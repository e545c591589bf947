#include "mesh/connection.h"

#include <assert.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/list.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/table.h"
#include "common/timers.h"
#include "mesh/counters.h"
#include "mesh/hold.h"
#include "mesh/hub.h"
#include "mesh/intake.h"
#include "mesh/lease.h"
#include "mesh/limits.h"
#include "mesh/mesh.h"
#include "mesh/roster.h"
#include "mesh/router.h"
#include "mesh/seats.h"
#include "wire/envelope.h"
#include "wire/frame.h"
#include "wire/notice.h"
#include "wire/presence.h"

#define PRESENCE_CHANGE_MS 250 /* at most one changed presence in this time; the latest wins */
#define JOIN_ATTEMPT_MS 5000   /* then the client is told to try again */
#define HELD_BYTES_MAX 65536   /* of messages to a peer that is about to join */

enum connection_state {
	CONNECTION_NEW,     /* nobody yet */
	CONNECTION_JOINING, /* waits for its lease; the socket is not read */
	CONNECTION_JOINED,  /* has a seat */
	CONNECTION_LEFT,    /* said that it is offline; bound to its id */
	CONNECTION_CLOSING, /* nothing counts any more */
};

/* Reasons for which the socket is not read. */
#define PAUSED_JOINING 1u
#define PAUSED_BUS 2u

struct connection {
	struct table_entry entry; /* in the hub, by number */
	struct hub *hub;
	const struct ports *ports;
	struct mesh *mesh;
	struct socket *socket;
	struct lease *lease; /* while JOINING and JOINED */
	struct list in_lease;
	struct list held_back; /* in the mesh, while the bus is pressed */
	size_t seat;           /* in the mesh, while JOINED */
	struct blob *owner;
	struct blob *id;       /* the peer that this is; NULL until a presence bound it */
	struct blob *presence; /* what this connection announced last */
	struct timer
		timer; /* JOINING: attempt over. NEW: time to join over. JOINED: changed presence is due */
	struct limits limits;
	struct hold hold;    /* while JOINING */
	uint64_t opened_ms;  /* when the time to join began */
	uint64_t changed_ms; /* when the last changed presence was announced */
	struct sender sender;
	uint32_t number;
	unsigned paused;
	enum connection_state state;
	bool change_due;
	bool accepts_events;
	bool accepts_roster;
};

static uint64_t now_ms(const struct connection *connection)
{
	return timers_now(connection->ports->timers);
}

static const struct hub_settings *settings_of(const struct connection *connection)
{
	return connection->ports->settings;
}

struct table_entry *connection_entry(struct connection *connection)
{
	return &connection->entry;
}

struct connection *connection_of_entry(struct table_entry *entry)
{
	return TABLE_HOLDER(entry, struct connection, entry);
}

struct connection *connection_of_lease_link(struct list *link)
{
	return LIST_ENTRY(link, struct connection, in_lease);
}

struct connection *connection_of_hold_link(struct list *link)
{
	return LIST_ENTRY(link, struct connection, held_back);
}

uint32_t connection_number(const struct connection *connection)
{
	return connection->number;
}

bool connection_is_joined(const struct connection *connection)
{
	return connection->state == CONNECTION_JOINED;
}

struct hub *connection_hub(const struct connection *connection)
{
	return connection->hub;
}

struct mesh *connection_mesh(const struct connection *connection)
{
	return connection->mesh;
}

struct lease *connection_lease(const struct connection *connection)
{
	return connection->lease;
}

struct sender *connection_sender(struct connection *connection)
{
	return &connection->sender;
}

struct limits *connection_limits(struct connection *connection)
{
	return &connection->limits;
}

void connection_accept_events(struct connection *connection)
{
	connection->accepts_events = true;
	if (connection->state == CONNECTION_JOINED)
		seats_set_repeats(mesh_seats(connection->mesh), connection->seat, false);
}

void connection_accept_roster(struct connection *connection)
{
	connection->accepts_roster = true;
}

bool connection_accepts_roster(const struct connection *connection)
{
	return connection->accepts_roster;
}

void connection_seated(struct connection *connection, size_t seat)
{
	connection->seat = seat;
}

struct slice connection_mesh_name(const struct connection *connection)
{
	return mesh_name(connection->mesh);
}

struct slice connection_id(const struct connection *connection)
{
	return connection->id == NULL ? (struct slice){0} : blob_slice(connection->id);
}

/* ---- Life */

static void on_timer(void *context);

struct connection *connection_create(struct hub *hub, struct mesh *mesh, uint32_t number,
                                     struct slice owner, struct socket *socket)
{
	struct connection *connection = mem_zero(sizeof(*connection));
	const struct hub_settings *settings = hub_ports(hub)->settings;

	connection->hub = hub;
	connection->ports = hub_ports(hub);
	connection->mesh = mesh;
	connection->socket = socket;
	connection->number = number;
	connection->entry.key =
		(struct slice){(const char *)&connection->number, sizeof(connection->number)};
	connection->owner = blob_copy(owner);
	list_init(&connection->in_lease);
	list_init(&connection->held_back);
	hold_init(&connection->hold);
	timer_init(&connection->timer, on_timer, connection);

	connection->opened_ms = now_ms(connection);
	connection->sender =
		(struct sender){.connection = connection, .mesh = mesh, .ports = connection->ports};
	limits_init(&connection->limits, settings, connection->opened_ms);
	timer_set(connection->ports->timers, &connection->timer, settings->join_ms_max);
	mesh_attach(mesh);
	return connection;
}

/* Leaves mesh and lease; what the peer's other connections do is their business. */
static void part(struct connection *connection)
{
	struct lease *lease = connection->lease;

	timer_stop(connection->ports->timers, &connection->timer);
	connection->change_due = false;
	hold_release(&connection->hold, NULL, NULL);
	if (connection->state == CONNECTION_JOINED)
		seats_remove(mesh_seats(connection->mesh), connection->seat);
	connection->lease = NULL;
	if (lease != NULL)
		lease_remove(lease, &connection->in_lease);
}

void connection_destroy(struct connection *connection)
{
	if (connection == NULL)
		return;
	part(connection);
	connection->state = CONNECTION_CLOSING;
	list_remove(&connection->held_back);
	hub_forget(connection->hub, connection);
	mesh_detach(connection->mesh);
	blob_unref(connection->owner);
	blob_unref(connection->id);
	blob_unref(connection->presence);
	free(connection);
}

void connection_close(struct connection *connection, enum close_code code, const char *reason)
{
	if (connection->state == CONNECTION_CLOSING)
		return;
	part(connection);
	connection->state = CONNECTION_CLOSING;
	connection->ports->edge->close(connection->socket, code, reason);
}

/* ---- Reading and sending */

static void pause_reading(struct connection *connection, unsigned reason)
{
	if (connection->paused == 0)
		connection->ports->edge->read(connection->socket, false);
	connection->paused |= reason;
}

static void resume_reading(struct connection *connection, unsigned reason)
{
	if (connection->paused == 0)
		return;
	connection->paused &= ~reason;
	if (connection->paused == 0)
		connection->ports->edge->read(connection->socket, true);
}

void connection_let_go(struct connection *connection)
{
	/* What the node did not read does not count as silence. */
	if (connection->state == CONNECTION_JOINED)
		lease_touch(connection->lease, now_ms(connection));
	resume_reading(connection, PAUSED_BUS);
}

void connection_hold_back(struct connection *connection)
{
	if ((connection->paused & PAUSED_BUS) != 0)
		return;
	pause_reading(connection, PAUSED_BUS);
	mesh_hold_back(connection->mesh, &connection->held_back);
}

static void deliver(void *context, struct blob *frames)
{
	struct connection *connection = context;

	connection->ports->edge->send(connection->socket, frames, 0, frames->size, false);
}

void connection_send(struct connection *connection, struct blob *frames, size_t messages)
{
	struct counters *counters = connection->ports->counters;

	if (connection->state == CONNECTION_JOINED)
		deliver(connection, frames);
	else if (connection->state != CONNECTION_JOINING)
		return;
	else if (!hold_add(&connection->hold, frames, HELD_BYTES_MAX)) {
		metric_add(counters->messages_not_held, messages);
		return;
	}
	metric_add(counters->messages_delivered, messages);
}

void connection_notify(struct connection *connection, struct buffer *notice)
{
	struct slice message = buffer_slice(notice);
	struct blob *frames = frame_text(&message, 1);

	if (connection->state != CONNECTION_CLOSING)
		connection->ports->edge->send(connection->socket, frames, 0, frames->size, false);
	blob_unref(frames);
	buffer_fini(notice);
}

void connection_error(struct connection *connection, enum error_code code, const char *message,
                      const struct envelope *envelope, const char *delivered)
{
	struct buffer notice = {0};
	struct notice_error error = {
		.code = error_name(code),
		.message = message,
		.peer = connection_id(connection),
		.delivered = delivered,
	};

	if (envelope != NULL) {
		error.type = envelope->type;
		error.target =
			envelope->to.data != NULL ? envelope->to : envelope->target_instance_id;
		error.raw_id = envelope->id.data != NULL ? envelope->id : envelope->turn_id;
	}
	metric_add(connection->ports->counters->errors[code], 1);
	notice_error(&notice, &error, clock_wall_ms());
	connection_notify(connection, &notice);
}

void connection_refuse(struct connection *connection, enum error_code code, const char *message,
                       const struct envelope *envelope)
{
	connection_error(connection, code, message, envelope, NULL);
}

void connection_drain(struct connection *connection, uint64_t reconnect_ms)
{
	struct buffer notice = {0};

	notice_drain(&notice, reconnect_ms, clock_wall_ms());
	connection_notify(connection, &notice);
}

void connection_auth_expiring(struct connection *connection, uint64_t expires_ms)
{
	struct buffer notice = {0};

	notice_auth_expiring(&notice, expires_ms, clock_wall_ms());
	connection_notify(connection, &notice);
}

enum authorized connection_authorize(struct connection *connection, struct slice token,
                                     uint64_t *expires_ms)
{
	return connection->ports->edge->authorize(connection->socket, token, expires_ms);
}

/* ---- Joining */

static void wait_for_presence(struct connection *connection)
{
	uint64_t age = now_ms(connection) - connection->opened_ms;
	uint64_t max = settings_of(connection)->join_ms_max;

	timer_set(connection->ports->timers, &connection->timer, age < max ? max - age : 0);
}

static void set_id(struct connection *connection, struct slice id)
{
	struct blob *copy = blob_copy(id);

	blob_unref(connection->id);
	connection->id = copy;
}

static void set_presence(struct connection *connection, struct slice message)
{
	blob_unref(connection->presence);
	connection->presence = blob_copy(message);
}

void connection_join(struct connection *connection, const struct envelope *envelope,
                     struct slice message)
{
	struct lease *lease = mesh_lease(connection->mesh, envelope->from);

	if (lease != NULL && !slice_equal(lease_owner(lease), blob_slice(connection->owner))) {
		connection_refuse(connection, ERROR_ID_TAKEN,
		                  "this id belongs to somebody else who is online", envelope);
		return;
	}
	if (connection->state == CONNECTION_LEFT)
		connection->opened_ms = now_ms(connection); /* the time to join begins again */
	set_id(connection, envelope->from);
	set_presence(connection, message);
	connection->state = CONNECTION_JOINING;
	pause_reading(connection, PAUSED_JOINING);
	timer_set(connection->ports->timers, &connection->timer, JOIN_ATTEMPT_MS);
	if (lease == NULL)
		lease = lease_create(connection->mesh, connection_id(connection),
		                     blob_slice(connection->owner), connection->presence);
	connection->lease = lease;
	lease_add(lease, &connection->in_lease);
}

static bool roster_agrees(const struct connection *connection, struct slice data)
{
	const struct peer *peer =
		roster_find(mesh_roster(connection->mesh), connection_id(connection));

	return peer != NULL && slice_equal(peer->parsed.data, data);
}

/* One copy is enough where the roster holds the very bytes. */
static void share_presence(struct connection *connection)
{
	const struct peer *peer =
		roster_find(mesh_roster(connection->mesh), connection_id(connection));

	if (peer != NULL &&
	    slice_equal(blob_slice(peer->presence), blob_slice(connection->presence))) {
		blob_unref(connection->presence);
		connection->presence = blob_ref(peer->presence);
	}
}

static void announce_change(struct connection *connection)
{
	connection->changed_ms = now_ms(connection);
	connection->change_due = false;
	lease_change(connection->lease, connection->presence);
}

void connection_joined(struct connection *connection)
{
	struct presence presence;

	log_info("joined", LOG_NUMBER("connection", connection->number),
	         LOG_SLICE("mesh", mesh_name(connection->mesh)),
	         LOG_SLICE("peer", connection_id(connection)));
	timer_stop(connection->ports->timers, &connection->timer);
	connection->state = CONNECTION_JOINED;
	seats_add(mesh_seats(connection->mesh), connection, connection->lease, connection->socket,
	          !connection->accepts_events);
	hold_release(&connection->hold, deliver, connection);
	resume_reading(connection, PAUSED_JOINING);

	share_presence(connection);
	/* It joined on what another connection of the peer announced. */
	presence_read(blob_slice(connection->presence), &presence);
	if (!roster_agrees(connection, presence.data))
		announce_change(connection);
}

static void refuse_presence(struct connection *connection, enum error_code code,
                            const char *message)
{
	struct envelope envelope;

	if (envelope_read(blob_slice(connection->presence), &envelope) == ENVELOPE_OK)
		connection_error(connection, code, message, &envelope,
		                 code == ERROR_BUS_UNAVAILABLE ? "no" : NULL);
}

void connection_join_failed(struct connection *connection, enum error_code code,
                            const char *message)
{
	if (connection->state == CONNECTION_JOINED)
		seats_remove(mesh_seats(connection->mesh), connection->seat);
	/* The time to join begins again: an outage costs nobody who tries the socket. */
	if (connection->state == CONNECTION_JOINED || code == ERROR_BUS_UNAVAILABLE)
		connection->opened_ms = now_ms(connection);
	connection->state = CONNECTION_NEW;
	connection->lease = NULL;
	connection->change_due = false;
	hold_release(&connection->hold, NULL, NULL);
	refuse_presence(connection, code, message);
	blob_unref(connection->id);
	connection->id = NULL;
	wait_for_presence(connection);
	resume_reading(connection, PAUSED_JOINING);
}

void connection_change_failed(struct connection *connection)
{
	struct presence mine;

	if (connection->state == CONNECTION_JOINED &&
	    presence_read(blob_slice(connection->presence), &mine) &&
	    !roster_agrees(connection, mine.data))
		refuse_presence(connection, ERROR_BUS_UNAVAILABLE,
		                "the presence could not be stored, try again");
}

static void on_timer(void *context)
{
	struct connection *connection = context;
	struct lease *lease = connection->lease;

	switch (connection->state) {
	case CONNECTION_NEW:
		connection_close(connection, CLOSE_HEARTBEAT, "no presence for too long");
		return;
	case CONNECTION_JOINING:
		connection->lease = NULL;
		connection_join_failed(connection, ERROR_BUS_UNAVAILABLE,
		                       "the mesh can't be reached, try again");
		lease_remove(lease, &connection->in_lease);
		return;
	case CONNECTION_JOINED:
		announce_change(connection);
		return;
	case CONNECTION_LEFT:
	case CONNECTION_CLOSING:
		return;
	}
}

/* ---- Changing and leaving */

bool connection_agrees(const struct connection *connection, struct slice data)
{
	struct presence mine;

	return presence_read(blob_slice(connection->presence), &mine) &&
	       slice_equal(mine.data, data) && roster_agrees(connection, data);
}

bool connection_names(const struct connection *connection, struct slice agent)
{
	char scratch[NAME_ID_BYTES_MAX];
	struct presence mine;
	struct slice name;

	if (!presence_read(blob_slice(connection->presence), &mine))
		return false;
	while (presence_next_agent(&mine.agents, scratch, &name))
		if (slice_equal(name, agent))
			return true;
	return false;
}

void connection_change(struct connection *connection, struct slice message)
{
	uint64_t age = now_ms(connection) - connection->changed_ms;

	set_presence(connection, message);
	if (connection->change_due)
		return;
	if (connection->changed_ms == 0 || age >= PRESENCE_CHANGE_MS) {
		announce_change(connection);
		return;
	}
	connection->change_due = true;
	timer_set(connection->ports->timers, &connection->timer, PRESENCE_CHANGE_MS - age);
}

void connection_leave(struct connection *connection, struct slice id)
{
	part(connection);
	set_id(connection, id);
	connection->state = CONNECTION_LEFT;
}

/* ---- What comes in */

void connection_receive(struct connection *connection, struct slice message)
{
	if (connection->state != CONNECTION_CLOSING)
		intake_receive(connection, message);
}

void connection_unpublished(struct connection *connection, struct slice target,
                            struct slice message, enum unpublished why)
{
	router_unpublished(&connection->sender, target, message, why);
}

void connection_pong(struct connection *connection)
{
	if (settings_of(connection)->liveness_pongs && connection->state == CONNECTION_JOINED)
		lease_touch(connection->lease, now_ms(connection));
}
