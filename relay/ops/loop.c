#include "ops/loop.h"

#include <assert.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/memory.h"
#include "common/timers.h"

#define SIGNALS_MAX 4

struct loop {
	struct event_base *base;
	struct timers *timers;
	struct event *alarm; /* at the time when the earliest of the timers is due */
	struct event *signals[SIGNALS_MAX];
	unsigned signal_count;
	void (*caught)(int signal, void *context);
	void *context;
};

static void *present(void *thing)
{
	if (thing == NULL) {
		fprintf(stderr, "the event loop can't be set up\n");
		abort();
	}
	return thing;
}

static void run_timers(struct loop *loop)
{
	uint64_t wait_ms;

	if (!timers_run(loop->timers, &wait_ms))
		return;
	const struct timeval wait = {
		.tv_sec = (time_t)(wait_ms / 1000),
		.tv_usec = (suseconds_t)(wait_ms % 1000) * 1000,
	};
	event_add(loop->alarm, &wait);
}

static void on_alarm(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	run_timers(context);
}

/* Another timer is the earliest now: look at the end of this turn how long to wait for it. */
static void on_wake(void *context)
{
	struct loop *loop = context;

	if (loop->alarm != NULL)
		event_active(loop->alarm, EV_TIMEOUT, 0);
}

struct loop *loop_create(void)
{
	struct loop *loop = mem_zero(sizeof(*loop));

	/* libevent must not see an allocation fail any more than we do. */
	event_set_mem_functions(mem_alloc, mem_resize, free);
	struct event_config *config = present(event_config_new());

	/* One thread: no locks. */
	event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
	loop->base = present(event_base_new_with_config(config));
	event_config_free(config);
	loop->timers = timers_create(clock_mono_ms, on_wake, loop);
	loop->alarm = present(evtimer_new(loop->base, on_alarm, loop));
	return loop;
}

void loop_destroy(struct loop *loop)
{
	if (loop == NULL)
		return;
	for (unsigned i = 0; i < loop->signal_count; i++)
		event_free(loop->signals[i]);
	event_free(loop->alarm);
	loop->alarm = NULL;
	event_base_loop(loop->base, EVLOOP_NONBLOCK); /* what libraries free on a later turn */
	timers_destroy(loop->timers);
	event_base_free(loop->base);
	free(loop);
}

struct event_base *loop_base(struct loop *loop)
{
	return loop->base;
}

struct timers *loop_timers(struct loop *loop)
{
	return loop->timers;
}

static void on_signal(evutil_socket_t signal, short what, void *context)
{
	struct loop *loop = context;

	(void)what;
	loop->caught(signal, loop->context);
}

void loop_on_signals(struct loop *loop, const int *signals, unsigned count,
                     void (*caught)(int signal, void *context), void *context)
{
	assert(loop->signal_count == 0 && count <= SIGNALS_MAX);
	loop->caught = caught;
	loop->context = context;
	for (; loop->signal_count < count; loop->signal_count++) {
		/* What libevent puts back when the event goes: one that comes at the very end is late. */
		signal(signals[loop->signal_count], SIG_IGN);
		struct event *event = present(
			evsignal_new(loop->base, signals[loop->signal_count], on_signal, loop));
		event_add(event, NULL);
		loop->signals[loop->signal_count] = event;
	}
}

void loop_run(struct loop *loop)
{
	event_base_dispatch(loop->base);
}

void loop_stop(struct loop *loop)
{
	event_base_loopbreak(loop->base);
}
