#include "common/timers.h"

#include <assert.h>
#include <stdlib.h>

#include "common/memory.h"

#define FIRST_CAPACITY 64

struct timers {
	struct timer **heap; /* heap[1..size]; a parent is never due after its children */
	size_t size;
	size_t capacity;
	uint64_t (*now)(void);
	void (*wake)(void *context);
	void *context;
	bool running; /* timers_run() tells its caller the next due time by itself */
};

struct timers *timers_create(uint64_t (*now)(void), void (*wake)(void *context), void *context)
{
	struct timers *timers = mem_zero(sizeof(*timers));

	timers->now = now;
	timers->wake = wake;
	timers->context = context;
	return timers;
}

void timers_destroy(struct timers *timers)
{
	if (timers == NULL)
		return;
	free(timers->heap);
	free(timers);
}

uint64_t timers_now(const struct timers *timers)
{
	return timers->now();
}

static void put(struct timers *timers, struct timer *timer, size_t place)
{
	timers->heap[place] = timer;
	timer->place = place;
}

/* Lets the timer rise to where its parent is due no later. */
static void rise(struct timers *timers, struct timer *timer, size_t place)
{
	while (place > 1 && timers->heap[place / 2]->due_ms > timer->due_ms) {
		put(timers, timers->heap[place / 2], place);
		place /= 2;
	}
	put(timers, timer, place);
}

/* Lets the timer sink to where its children are due no earlier. */
static void sink(struct timers *timers, struct timer *timer, size_t place)
{
	for (size_t child = 2 * place; child <= timers->size; child = 2 * place) {
		if (child < timers->size &&
		    timers->heap[child + 1]->due_ms < timers->heap[child]->due_ms)
			child++;
		if (timers->heap[child]->due_ms >= timer->due_ms)
			break;
		put(timers, timers->heap[child], place);
		place = child;
	}
	put(timers, timer, place);
}

static void take_out(struct timers *timers, struct timer *timer)
{
	struct timer *last = timers->heap[timers->size--];
	size_t place = timer->place;

	timer->place = 0;
	if (last == timer)
		return;
	put(timers, last, place);
	rise(timers, last, place);
	sink(timers, last, last->place);
}

static uint64_t earliest(const struct timers *timers)
{
	return timers->size > 0 ? timers->heap[1]->due_ms : UINT64_MAX;
}

void timer_set(struct timers *timers, struct timer *timer, uint64_t delay_ms)
{
	uint64_t before = earliest(timers);

	assert(timer->fire != NULL);
	if (timer->place != 0)
		take_out(timers, timer);
	if (timers->size + 2 > timers->capacity) {
		timers->capacity = timers->capacity > 0 ? timers->capacity * 2 : FIRST_CAPACITY;
		timers->heap = mem_resize(timers->heap, timers->capacity * sizeof(struct timer *));
	}
	if (delay_ms == 0 && timers->running)
		delay_ms =
			1; /* or a timer that sets itself again would never let timers_run() return */
	timer->due_ms = timers->now() + delay_ms;
	timers->size++;
	rise(timers, timer, timers->size);
	if (earliest(timers) != before && timers->wake != NULL && !timers->running)
		timers->wake(timers->context);
}

void timer_stop(struct timers *timers, struct timer *timer)
{
	if (timer->place != 0)
		take_out(timers, timer);
}

bool timers_run(struct timers *timers, uint64_t *wait_ms)
{
	uint64_t now = timers->now();

	timers->running = true;
	while (timers->size > 0 && timers->heap[1]->due_ms <= now) {
		struct timer *timer = timers->heap[1];
		take_out(timers, timer);
		timer->fire(timer->context);
	}
	timers->running = false;

	if (timers->size == 0)
		return false;
	now = timers->now();
	*wait_ms = timers->heap[1]->due_ms > now ? timers->heap[1]->due_ms - now : 0;
	return true;
}
