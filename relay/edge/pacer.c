/*
 * Nothing ticks while all may leave. When the bucket is empty the timer is set, once; it finds some
 * frames' worth of tokens, so that a socket that is always behind is written to 20 times a second and
 * not for each frame.
 */
#include "edge/pacer.h"

#include <stdlib.h>

#include "common/bucket.h"
#include "common/memory.h"
#include "edge/flush.h"
#include "wire/frame.h"

#define PAUSE_MS 50
#define BURST_PART 8 /* of a second */

struct pacer {
	struct socket *socket;
	struct bucket frames;
	struct timer pause;
	uint64_t pause_ms;
	uint64_t owed;
};

static uint64_t at_least(uint64_t least, uint64_t number)
{
	return number > least ? number : least;
}

static void on_pause_over(void *context)
{
	struct pacer *pacer = context;

	flush_mark(pacer->socket);
}

struct pacer *pacer_create(struct socket *socket, uint64_t frames_per_second)
{
	struct timers *timers = socket->edge->timers;
	struct pacer *pacer = mem_zero(sizeof(*pacer));

	pacer->socket = socket;
	pacer->pause_ms = at_least(PAUSE_MS, 1000 / frames_per_second);
	bucket_init(&pacer->frames, frames_per_second, at_least(1, frames_per_second / BURST_PART),
	            timers_now(timers));
	timer_init(&pacer->pause, on_pause_over, pacer);
	return pacer;
}

void pacer_destroy(struct pacer *pacer)
{
	if (pacer == NULL)
		return;
	timer_stop(pacer->socket->edge->timers, &pacer->pause);
	free(pacer);
}

bool pacer_waits(const struct pacer *pacer)
{
	return timer_is_set(&pacer->pause);
}

static void wait(struct pacer *pacer)
{
	struct edge *edge = pacer->socket->edge;

	timer_set(edge->timers, &pacer->pause, pacer->pause_ms);
	metric_add(edge->counters.pauses, 1);
}

struct slice pacer_admit(struct pacer *pacer, struct slice frames)
{
	uint64_t now_ms = timers_now(pacer->socket->edge->timers);
	size_t wanted;
	size_t found;

	pacer->owed -= bucket_take_some(&pacer->frames, pacer->owed, now_ms);
	frame_first(frames, pacer->frames.burst, &wanted);

	size_t count = pacer->owed > 0 ? 0 : bucket_take_some(&pacer->frames, wanted, now_ms);
	if (count < wanted)
		wait(pacer);
	return (struct slice){frames.data, frame_first(frames, count, &found)};
}

void pacer_owe(struct pacer *pacer)
{
	pacer->owed++;
}
