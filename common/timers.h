/*
 * Timers on a heap, driven by whoever owns the loop.
 *
 * The program's modules set timers here instead of at the event library, so that they can be tested
 * with a clock that the test moves. Times are clock_mono_ms() (or the test's).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct timer {
	void (*fire)(void *context);
	void *context;
	uint64_t due_ms;
	size_t place; /* in the heap, from 1; 0 = not set */
};

struct timers;

/*
 * Returns owned. `now` is the clock; `wake` (NULL allowed) is called with `context` when the earliest
 * due time became another, so that the owner can arm the loop's own timer again.
 */
struct timers *timers_create(uint64_t (*now)(void), void (*wake)(void *context), void *context);

/* Frees the heap; timers still set are forgotten. Accepts NULL. */
void timers_destroy(struct timers *timers);

/* The clock, as the timers see it. */
uint64_t timers_now(const struct timers *timers);

/* Fills in a timer that is not set. */
static inline void timer_init(struct timer *timer, void (*fire)(void *context), void *context)
{
	*timer = (struct timer){.fire = fire, .context = context};
}

static inline bool timer_is_set(const struct timer *timer)
{
	return timer->place != 0;
}

/* Sets the timer, or moves it if it is set: it fires once, `delay_ms` from now. */
void timer_set(struct timers *timers, struct timer *timer, uint64_t delay_ms);

/* Makes sure that it fires no more. May be called on a timer that is not set. */
void timer_stop(struct timers *timers, struct timer *timer);

/*
 * Fires what is due, in order of due time. A timer that sets itself again while it fires is due 1 ms later at the soonest.
 * Returns false if none is set, else true and the ms until the next is due.
 */
bool timers_run(struct timers *timers, uint64_t *wait_ms);
