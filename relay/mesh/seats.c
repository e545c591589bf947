#include "mesh/seats.h"

#include <assert.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/memory.h"
#include "common/timers.h"
#include "mesh/block.h"
#include "mesh/connection.h"
#include "mesh/counters.h"
#include "mesh/hub.h"
#include "mesh/lease.h"
#include "mesh/roster.h"
#include "wire/frame.h"
#include "wire/notice.h"

/* A resync notice makes clients ask for things: not all in the same moment. */
#define RESYNC_STEPS 20
#define RESYNC_STEP_MS 100

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

struct seats {
	const struct ports *ports;
	struct roster *roster;
	struct seat *items;
	size_t count;
	size_t capacity;
	struct blob *block; /* the roster framed, of block_version */
	uint64_t block_version;
	struct news news;
	struct timer repeat;
	struct timer resync;
	unsigned resync_step;
};

static void on_repeat(void *context);
static void on_resync(void *context);
static void on_news_due(void *context);

static uint64_t now_ms(const struct seats *seats)
{
	return timers_now(seats->ports->timers);
}

struct seats *seats_create(const struct ports *ports, struct roster *roster)
{
	struct seats *seats = mem_zero(sizeof(*seats));

	seats->ports = ports;
	seats->roster = roster;
	timer_init(&seats->repeat, on_repeat, seats);
	timer_init(&seats->resync, on_resync, seats);
	timer_init(&seats->news.due, on_news_due, seats);
	seats->news.number = 1; /* 0: of none */
	return seats;
}

void seats_rest(struct seats *seats)
{
	timer_stop(seats->ports->timers, &seats->repeat);
	timer_stop(seats->ports->timers, &seats->resync);
	timer_stop(seats->ports->timers, &seats->news.due);
}

void seats_destroy(struct seats *seats)
{
	seats_rest(seats);
	blob_unref(seats->block);
	buffer_fini(&seats->news.block);
	free(seats->items);
	free(seats);
}

size_t seats_count(const struct seats *seats)
{
	return seats->count;
}

/* ---- Sending */

static void send_to(struct seats *seats, const struct seat *seat, struct blob *frames,
                    uint32_t begin, uint32_t end, bool exempt)
{
	if (begin < end)
		seats->ports->edge->send(seat->socket, frames, begin, end, exempt);
}

/* From `begin` on, without the part that is about the receiver itself. */
static void send_around(struct seats *seats, const struct seat *seat, struct blob *frames,
                        uint32_t begin, uint32_t own_begin, uint32_t own_end, bool exempt)
{
	send_to(seats, seat, frames, begin, own_begin, exempt);
	send_to(seats, seat, frames, begin > own_end ? begin : own_end, frames->size, exempt);
}

void seats_deliver(struct seats *seats, struct blob *frames, const struct lease *sender)
{
	uint64_t delivered = 0;

	seats_tell(seats);
	for (size_t i = 0; i < seats->count; i++) {
		if (seats->items[i].lease == sender)
			continue;
		seats->ports->edge->send(seats->items[i].socket, frames, 0, frames->size, false);
		delivered++;
	}
	metric_add(seats->ports->counters->messages_delivered, delivered);
}

static void send_roster(struct seats *seats, struct seat *seat)
{
	struct slice own = lease_id(seat->lease);

	if (connection_accepts_roster(seat->connection)) {
		struct blob *frames = block_of_roster(seats->roster, own, clock_wall_ms());
		send_to(seats, seat, frames, 0, frames->size, true);
		blob_unref(frames);
		return;
	}
	if (seats->block == NULL || seats->block_version != roster_version(seats->roster)) {
		blob_unref(seats->block);
		seats->block = block_of_presences(seats->roster);
		seats->block_version = roster_version(seats->roster);
	}
	const struct peer *self = roster_find(seats->roster, own);
	uint32_t begin = self == NULL ? 0 : self->frame_begin;
	uint32_t end = self == NULL ? 0 : self->frame_end;
	send_around(seats, seat, seats->block, 0, begin, end, true);
}

/* ---- News */

void seats_tell(struct seats *seats)
{
	struct news *news = &seats->news;

	if (news->block.size == 0)
		return;

	struct blob *frames = blob_copy(buffer_slice(&news->block));
	for (size_t i = 0; i < seats->count; i++) {
		struct seat *seat = &seats->items[i];
		uint32_t own_begin;
		uint32_t own_end;
		lease_own_frames(seat->lease, news->number, &own_begin, &own_end);
		send_around(seats, seat, frames, seat->news_begin, own_begin, own_end, false);
		seat->news_begin = 0;
	}
	blob_unref(frames);
	buffer_fini(&news->block);
	news->number++;
	news->told_ms = now_ms(seats);
	timer_stop(seats->ports->timers, &news->due);
}

static void on_news_due(void *context)
{
	seats_tell(context);
}

void seats_tell_in_time(struct seats *seats)
{
	struct news *news = &seats->news;
	uint64_t pause_ms = seats->count * NEWS_PAUSE_US_PER_SEAT / 1000;
	uint64_t age_ms = now_ms(seats) - news->told_ms;

	if (pause_ms > NEWS_PAUSE_MS_MAX)
		pause_ms = NEWS_PAUSE_MS_MAX;
	if (age_ms >= pause_ms || news->block.size >= NEWS_BYTES_MAX)
		seats_tell(seats);
	else if (news->block.size > 0 && !timer_is_set(&news->due))
		timer_set(seats->ports->timers, &news->due, pause_ms - age_ms);
}

/* A lease notes only one part of a block: if others come in between, another block begins. */
void seats_gather(struct seats *seats, struct lease *lease, struct slice message)
{
	struct news *news = &seats->news;
	uint32_t own_begin = 0;
	uint32_t own_end = 0;

	if (lease != NULL)
		lease_own_frames(lease, news->number, &own_begin, &own_end);
	if (own_begin < own_end && own_end < news->block.size) {
		seats_tell(seats);
		own_begin = own_end = 0;
	}
	if (own_begin == own_end)
		own_begin = (uint32_t)news->block.size;
	frame_append_text(&news->block, &message, 1);
	if (lease != NULL)
		lease_set_own_frames(lease, news->number, own_begin, (uint32_t)news->block.size);
}

void seats_reserve(struct seats *seats, size_t bytes)
{
	if (seats->count > 0)
		buffer_reserve(&seats->news.block, bytes);
}

/* ---- Who sits here */

void seats_add(struct seats *seats, struct connection *connection, struct lease *lease,
               struct socket *socket, bool repeats)
{
	if (seats->count == seats->capacity) {
		seats->capacity = seats->capacity > 0 ? seats->capacity * 2 : 4;
		seats->items = mem_resize(seats->items, seats->capacity * sizeof(*seats->items));
	}
	struct seat *seat = &seats->items[seats->count];
	*seat = (struct seat){
		.socket = socket,
		.lease = lease,
		.connection = connection,
		.news_begin = (uint32_t)seats->news.block.size,
	};
	connection_seated(connection, seats->count);
	seats->count++;
	seats_set_repeats(seats, seats->count - 1, repeats);
	send_roster(seats, seat);
}

void seats_remove(struct seats *seats, size_t index)
{
	assert(index < seats->count);
	seats->items[index] = seats->items[--seats->count];
	if (index < seats->count)
		connection_seated(seats->items[index].connection, index);
}

/* ---- Repeating the roster, at no cost to the bus: some clients forget a peer unheard for 30 s */

void seats_set_repeats(struct seats *seats, size_t index, bool repeats)
{
	struct seat *seat = &seats->items[index];
	uint64_t period = seats->ports->settings->presence_repeat_ms;

	seat->repeats = repeats && period > 0;
	seat->repeated_ms = now_ms(seats);
	if (seat->repeats && !timer_is_set(&seats->repeat))
		timer_set(seats->ports->timers, &seats->repeat, period);
}

static void repeat_to(struct seats *seats, struct seat *seat, uint64_t now)
{
	seat->repeated_ms = now;
	if (roster_size(seats->roster) <= 1)
		return;
	if (seats->ports->edge->backlog(seat->socket) > 0) {
		metric_add(seats->ports->counters->roster_repeats_skipped, 1);
		return;
	}
	send_roster(seats, seat);
	metric_add(seats->ports->counters->roster_repeats, 1);
}

static void on_repeat(void *context)
{
	struct seats *seats = context;
	uint64_t period = seats->ports->settings->presence_repeat_ms;
	uint64_t now = now_ms(seats);
	uint64_t oldest = UINT64_MAX;

	seats_tell(seats); /* the news are older than the roster */
	for (size_t i = 0; i < seats->count; i++) {
		struct seat *seat = &seats->items[i];
		if (!seat->repeats)
			continue;
		if (now - seat->repeated_ms >= period)
			repeat_to(seats, seat, now);
		if (seat->repeated_ms < oldest)
			oldest = seat->repeated_ms;
	}
	if (oldest == UINT64_MAX)
		return;
	uint64_t wait = period - (now - oldest);
	uint64_t look = period / REPEAT_LOOKS;
	timer_set(seats->ports->timers, &seats->repeat, wait > look ? wait : look);
}

/* ---- Messages may have been missed */

static void on_resync(void *context)
{
	struct seats *seats = context;
	struct buffer notice = {0};

	notice_resync(&notice, clock_wall_ms());
	struct slice message = buffer_slice(&notice);
	struct blob *frames = frame_text(&message, 1);
	for (size_t i = 0; i < seats->count; i++)
		if (connection_number(seats->items[i].connection) % RESYNC_STEPS ==
		    seats->resync_step)
			send_to(seats, &seats->items[i], frames, 0, frames->size, false);
	blob_unref(frames);
	buffer_fini(&notice);
	if (++seats->resync_step < RESYNC_STEPS)
		timer_set(seats->ports->timers, &seats->resync, RESYNC_STEP_MS);
}

void seats_resync(struct seats *seats)
{
	seats->resync_step = 0;
	timer_set(seats->ports->timers, &seats->resync, 0);
}
