#include "traffic.h"

#include "common/clock.h"
#include "loop.h"
#include "peer.h"

#define TICK_MS 2
#define BEHIND_MS_MAX \
	100          /* what is owed longer is not sent: a swarm that was held up makes no burst */
#define TRIES_MAX 32 /* to find a peer that fits */

struct stream {
	struct range from, to;
	uint64_t per_second;
	size_t fill_bytes;
	uint64_t owed_micro; /* millionths of a message */
};

static struct stream streams[STREAMS_MAX];
static size_t stream_count;
static struct timer tick;
static uint64_t ticked_us;

static struct peer *some_peer(struct range range)
{
	return peers[range.first + dice_below(&dice, range.count)];
}

static struct peer *some_speaker(struct range range)
{
	for (int i = 0; i < TRIES_MAX; i++) {
		struct peer *peer = some_peer(range);

		if (peer_voice(peer) != NULL)
			return peer;
	}
	return NULL;
}

static struct peer *some_target(struct range range, const struct peer *sender)
{
	for (int i = 0; i < TRIES_MAX; i++) {
		struct peer *peer = some_peer(range);

		if (peer != sender && peer->group->mesh == sender->group->mesh)
			return peer;
	}
	return NULL;
}

static void send_one(const struct stream *stream)
{
	struct peer *sender = some_speaker(stream->from), *target = NULL;

	if (sender == NULL)
		return;
	if (stream->to.count > 0) {
		target = some_target(stream->to, sender);
		if (target == NULL)
			return;
	}
	peer_send(sender, target, stream->fill_bytes);
}

static void on_tick(void *context)
{
	uint64_t now_us = clock_mono_us(), elapsed_us = now_us - ticked_us;

	(void)context;
	ticked_us = now_us;
	if (elapsed_us > BEHIND_MS_MAX * 1000)
		elapsed_us = BEHIND_MS_MAX * 1000;
	for (size_t i = 0; i < stream_count; i++) {
		struct stream *stream = &streams[i];

		stream->owed_micro += elapsed_us * stream->per_second;
		for (; stream->owed_micro >= 1000000; stream->owed_micro -= 1000000)
			send_one(stream);
	}
	if (stream_count > 0)
		timer_set(loop_timers(), &tick, TICK_MS);
}

static bool same(struct range a, struct range b)
{
	return a.first == b.first && a.count == b.count;
}

bool traffic_set(struct range from, struct range to, uint64_t per_second, size_t fill_bytes)
{
	size_t i = 0;

	while (i < stream_count && !(same(streams[i].from, from) && same(streams[i].to, to)))
		i++;
	if (i == STREAMS_MAX)
		return false;
	if (per_second == 0) {
		if (i < stream_count)
			streams[i] = streams[--stream_count];
		return true;
	}
	if (!timer_is_set(&tick)) {
		timer_init(&tick, on_tick, NULL);
		timer_set(loop_timers(), &tick, TICK_MS);
		ticked_us = clock_mono_us();
	}
	if (i == stream_count)
		streams[stream_count++] = (struct stream){.from = from, .to = to};
	streams[i].per_second = per_second;
	streams[i].fill_bytes = fill_bytes;
	return true;
}

void traffic_end(void)
{
	stream_count = 0;
	timer_stop(loop_timers(), &tick);
}
