#include "mesh/mesh.h"

#include <assert.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/list.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/table.h"
#include "common/timers.h"
#include "mesh/block.h"
#include "mesh/connection.h"
#include "mesh/counters.h"
#include "mesh/deliver.h"
#include "mesh/echo.h"
#include "mesh/hub.h"
#include "mesh/lease.h"
#include "mesh/roster.h"
#include "wire/envelope.h"
#include "wire/frame.h"
#include "wire/notice.h"

/* How long a mesh without connections stays subscribed: a client that reconnects finds it warm. */
#define WARM_MS 30000

/* A resync notice makes clients ask for things: not all in the same moment. */
#define RESYNC_STEPS 20
#define RESYNC_STEP_MS 100

/*
 * News about a peer cost a write to each seat. Where there are many seats, news are gathered for so
 * long that telling them takes no more than a small part of the thread, whatever storm is on.
 */
#define NEWS_PAUSE_US_PER_SEAT 200
#define NEWS_PAUSE_MS_MAX 250
#define NEWS_BYTES_MAX 65536 /* of messages; then they are told */

/* The roster is repeated to each connection in its own phase, with this many looks per period. */
#define REPEAT_LOOKS 16

struct seat {
	struct socket *socket;
	struct lease *lease;
	struct connection *connection;
	uint64_t repeated_ms;
	uint32_t news_begin; /* what is before in the block of news it knows from the roster */
	bool repeats;
};

/* What became of peers, framed, until the seats are told. */
struct news {
	struct buffer block;
	uint64_t number; /* of the block: leases note where in it they are spoken of */
	uint64_t told_ms;
	struct timer due;
};

struct mesh {
	struct table_entry entry; /* in the hub, by name */
	struct hub *hub;
	const struct ports *ports;
	struct topic *topic; /* NULL: cold */
	struct roster *roster;
	struct echo *echo; /* NULL: nothing that could be echoed was delivered yet */
	struct table leases;
	struct seat *seats;
	size_t seat_count;
	size_t seat_capacity;
	size_t attached;
	struct blob *block; /* the roster framed, of block_version */
	uint64_t block_version;
	struct news news;
	struct timer cool;
	struct timer repeat;
	struct timer resync;
	struct timer doubt;
	struct list held_back; /* connections that wait for room on the bus */
	unsigned resync_step;
	bool loaded;
	char name[];
};

static void on_cool(void *context);
static void on_repeat(void *context);
static void on_resync(void *context);
static void on_doubt(void *context);
static void on_news_due(void *context);

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
	table_init(&mesh->leases);
	list_init(&mesh->held_back);
	timer_init(&mesh->cool, on_cool, mesh);
	timer_init(&mesh->repeat, on_repeat, mesh);
	timer_init(&mesh->resync, on_resync, mesh);
	timer_init(&mesh->doubt, on_doubt, mesh);
	timer_init(&mesh->news.due, on_news_due, mesh);
	mesh->news.number = 1; /* 0: of none */
	return mesh;
}

static void stop_timers(struct mesh *mesh)
{
	timer_stop(mesh->ports->timers, &mesh->cool);
	timer_stop(mesh->ports->timers, &mesh->repeat);
	timer_stop(mesh->ports->timers, &mesh->resync);
	timer_stop(mesh->ports->timers, &mesh->doubt);
	timer_stop(mesh->ports->timers, &mesh->news.due);
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
	roster_destroy(mesh->roster);
	echo_destroy(mesh->echo);
	blob_unref(mesh->block);
	buffer_fini(&mesh->news.block);
	free(mesh->seats);
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

/* ---- Delivering to seats */

static void send_to(struct mesh *mesh, const struct seat *seat, struct blob *frames, uint32_t begin,
                    uint32_t end, bool exempt)
{
	if (begin < end)
		mesh->ports->edge->send(seat->socket, frames, begin, end, exempt);
}

/* From `begin` on, without the part that is about the receiver itself. */
static void send_around(struct mesh *mesh, const struct seat *seat, struct blob *frames,
                        uint32_t begin, uint32_t own_begin, uint32_t own_end, bool exempt)
{
	send_to(mesh, seat, frames, begin, own_begin, exempt);
	send_to(mesh, seat, frames, begin > own_end ? begin : own_end, frames->size, exempt);
}

static void send_to_all_but(struct mesh *mesh, struct blob *frames, const struct lease *sender)
{
	uint64_t delivered = 0;

	for (size_t i = 0; i < mesh->seat_count; i++) {
		if (mesh->seats[i].lease == sender)
			continue;
		mesh->ports->edge->send(mesh->seats[i].socket, frames, 0, frames->size, false);
		delivered++;
	}
	metric_add(mesh->ports->counters->messages_delivered, delivered);
}

static void send_roster(struct mesh *mesh, struct seat *seat)
{
	struct slice own = lease_id(seat->lease);

	if (connection_accepts_roster(seat->connection)) {
		struct blob *frames = block_of_roster(mesh->roster, own, clock_wall_ms());
		send_to(mesh, seat, frames, 0, frames->size, true);
		blob_unref(frames);
		return;
	}
	if (mesh->block == NULL || mesh->block_version != roster_version(mesh->roster)) {
		blob_unref(mesh->block);
		mesh->block = block_of_presences(mesh->roster);
		mesh->block_version = roster_version(mesh->roster);
	}
	const struct peer *self = roster_find(mesh->roster, own);
	uint32_t begin = self == NULL ? 0 : self->frame_begin;
	uint32_t end = self == NULL ? 0 : self->frame_end;
	send_around(mesh, seat, mesh->block, 0, begin, end, true);
}

/* ---- News: gathered, and told before whatever else is delivered */

void mesh_tell_news(struct mesh *mesh)
{
	struct news *news = &mesh->news;

	if (news->block.size == 0)
		return;

	struct blob *frames = blob_copy(buffer_slice(&news->block));
	for (size_t i = 0; i < mesh->seat_count; i++) {
		struct seat *seat = &mesh->seats[i];
		uint32_t own_begin;
		uint32_t own_end;
		lease_own_frames(seat->lease, news->number, &own_begin, &own_end);
		send_around(mesh, seat, frames, seat->news_begin, own_begin, own_end, false);
		seat->news_begin = 0;
	}
	blob_unref(frames);
	buffer_fini(&news->block);
	news->number++;
	news->told_ms = now_ms(mesh);
	timer_stop(mesh->ports->timers, &news->due);
}

static void on_news_due(void *context)
{
	mesh_tell_news(context);
}

/* At once if the last time is a while ago. */
static void tell_news_in_time(struct mesh *mesh)
{
	struct news *news = &mesh->news;
	uint64_t pause_ms = mesh->seat_count * NEWS_PAUSE_US_PER_SEAT / 1000;
	uint64_t age_ms = now_ms(mesh) - news->told_ms;

	if (pause_ms > NEWS_PAUSE_MS_MAX)
		pause_ms = NEWS_PAUSE_MS_MAX;
	if (age_ms >= pause_ms || news->block.size >= NEWS_BYTES_MAX)
		mesh_tell_news(mesh);
	else if (news->block.size > 0 && !timer_is_set(&news->due))
		timer_set(mesh->ports->timers, &news->due, pause_ms - age_ms);
}

/*
 * Notes for the peer's own connections here where it speaks, or is spoken of, which they are not to
 * hear. A lease notes only one part of a block: if others come in between, another block begins.
 * Returns the peer's lease, NULL if it is not here.
 */
static struct lease *add_to_block(struct mesh *mesh, struct slice id, struct slice message)
{
	struct news *news = &mesh->news;
	struct lease *lease = mesh_lease(mesh, id);
	uint32_t own_begin = 0;
	uint32_t own_end = 0;

	if (lease != NULL)
		lease_own_frames(lease, news->number, &own_begin, &own_end);
	if (own_begin < own_end && own_end < news->block.size) {
		mesh_tell_news(mesh);
		own_begin = own_end = 0;
	}
	if (own_begin == own_end)
		own_begin = (uint32_t)news->block.size;
	frame_append_text(&news->block, &message, 1);
	if (lease != NULL)
		lease_set_own_frames(lease, news->number, own_begin, (uint32_t)news->block.size);
	return lease;
}

/* ---- Seats */

void mesh_seat(struct mesh *mesh, struct connection *connection, struct lease *lease,
               struct socket *socket, bool repeats)
{
	if (mesh->seat_count == mesh->seat_capacity) {
		mesh->seat_capacity = mesh->seat_capacity > 0 ? mesh->seat_capacity * 2 : 4;
		mesh->seats = mem_resize(mesh->seats, mesh->seat_capacity * sizeof(*mesh->seats));
	}
	struct seat *seat = &mesh->seats[mesh->seat_count];
	*seat = (struct seat){
		.socket = socket,
		.lease = lease,
		.connection = connection,
		.news_begin = (uint32_t)mesh->news.block.size,
	};
	connection_seated(connection, mesh->seat_count);
	mesh->seat_count++;
	mesh_seat_repeats(mesh, mesh->seat_count - 1, repeats);
	send_roster(mesh, seat);
}

void mesh_unseat(struct mesh *mesh, size_t index)
{
	assert(index < mesh->seat_count);
	mesh->seats[index] = mesh->seats[--mesh->seat_count];
	if (index < mesh->seat_count)
		connection_seated(mesh->seats[index].connection, index);
}

void mesh_seat_repeats(struct mesh *mesh, size_t index, bool repeats)
{
	struct seat *seat = &mesh->seats[index];
	uint64_t period = mesh->ports->settings->presence_repeat_ms;

	seat->repeats = repeats && period > 0;
	seat->repeated_ms = now_ms(mesh);
	if (seat->repeats && !timer_is_set(&mesh->repeat))
		timer_set(mesh->ports->timers, &mesh->repeat, period);
}

static void repeat_to(struct mesh *mesh, struct seat *seat, uint64_t now)
{
	seat->repeated_ms = now;
	if (roster_size(mesh->roster) <= 1)
		return;
	if (mesh->ports->edge->backlog(seat->socket) > 0) {
		metric_add(mesh->ports->counters->roster_repeats_skipped, 1);
		return;
	}
	send_roster(mesh, seat);
	metric_add(mesh->ports->counters->roster_repeats, 1);
}

/* Clients that forget a peer unheard for 30 s hear of everybody once a period, at no cost to the bus. */
static void on_repeat(void *context)
{
	struct mesh *mesh = context;
	uint64_t period = mesh->ports->settings->presence_repeat_ms;
	uint64_t now = now_ms(mesh);
	uint64_t oldest = UINT64_MAX;

	mesh_tell_news(mesh); /* they are older than the roster */
	for (size_t i = 0; i < mesh->seat_count; i++) {
		struct seat *seat = &mesh->seats[i];
		if (!seat->repeats)
			continue;
		if (now - seat->repeated_ms >= period)
			repeat_to(mesh, seat, now);
		if (seat->repeated_ms < oldest)
			oldest = seat->repeated_ms;
	}
	if (oldest == UINT64_MAX)
		return;
	uint64_t wait = period - (now - oldest);
	uint64_t look = period / REPEAT_LOOKS;
	timer_set(mesh->ports->timers, &mesh->repeat, wait > look ? wait : look);
}

static void on_resync(void *context)
{
	struct mesh *mesh = context;
	struct buffer notice = {0};

	notice_resync(&notice, clock_wall_ms());
	struct slice message = buffer_slice(&notice);
	struct blob *frames = frame_text(&message, 1);
	for (size_t i = 0; i < mesh->seat_count; i++)
		if (connection_number(mesh->seats[i].connection) % RESYNC_STEPS ==
		    mesh->resync_step)
			send_to(mesh, &mesh->seats[i], frames, 0, frames->size, false);
	blob_unref(frames);
	buffer_fini(&notice);
	if (++mesh->resync_step < RESYNC_STEPS)
		timer_set(mesh->ports->timers, &mesh->resync, RESYNC_STEP_MS);
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
	if (mesh->seat_count == 0)
		return;

	mesh_tell_news(mesh);
	struct blob *frames = deliver_frames(mesh->ports, message);
	send_to_all_but(mesh, frames, mesh_lease(mesh, message->from));
	blob_unref(frames);
}

/* What a node published in a turn: one block, with the news that wait, which most receivers get whole. */
static void receive_bundle(struct mesh *mesh, struct slice parcels)
{
	struct parcel message;
	uint64_t delivered = 0;

	if (mesh->seat_count > 0)
		buffer_reserve(&mesh->news.block, parcels.size);
	while (deliver_message(mesh->ports, &parcels, &message)) {
		remember(mesh, &message);
		if (mesh->seat_count == 0)
			continue;
		deliver_note_age(mesh->ports, &message);
		struct lease *sender = add_to_block(mesh, message.from, message.body);
		delivered += mesh->seat_count - (sender != NULL ? lease_seat_count(sender) : 0);
	}
	mesh_tell_news(mesh);
	metric_add(mesh->ports->counters->messages_delivered, delivered);
}

static void take_presence(struct mesh *mesh, struct slice id, struct slice message,
                          uint64_t seen_ms)
{
	if (roster_put(mesh->roster, id, message, seen_ms, now_ms(mesh)))
		add_to_block(mesh, id, message);

	struct lease *lease = mesh_lease(mesh, id);
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
	tell_news_in_time(mesh);

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
	add_to_block(mesh, id, buffer_slice(&notice));
	buffer_fini(&notice);
}

/* Observers are told first; then a lease on the peer decides whether to contradict or to end. */
static void tell_offline(struct mesh *mesh, struct slice ids)
{
	struct slice rest = ids;
	struct slice id;

	while (parcel_next_offline(&rest, &id))
		take_offline(mesh, id);
	tell_news_in_time(mesh);

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
	add_to_block(mesh, id, presence);
	tell_news_in_time(mesh);
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
	if (after_loss) {
		mesh->resync_step = 0;
		timer_set(mesh->ports->timers, &mesh->resync, 0);
	}
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
