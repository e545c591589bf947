#include "loop.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"

#define EVENTS 256

static int epoll = -1;
static bool ended;
static struct timers *timers;
static bool timers_changed;

void die(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	exit(1);
}

/* A run of the rig may need more descriptors than a shell allows. */
static void raise_descriptor_limit(void)
{
	struct rlimit wanted = {.rlim_cur = 1 << 17, .rlim_max = 1 << 17}, now;

	if (setrlimit(RLIMIT_NOFILE, &wanted) == 0 || getrlimit(RLIMIT_NOFILE, &now) != 0)
		return;
	now.rlim_cur = now.rlim_max;
	setrlimit(RLIMIT_NOFILE, &now);
}

static void on_timers_changed(void *context)
{
	(void)context;
	timers_changed = true;
}

void loop_init(void)
{
	raise_descriptor_limit();
	epoll = epoll_create1(EPOLL_CLOEXEC);
	if (epoll < 0)
		die("epoll_create1: %s", strerror(errno));
	timers = timers_create(clock_mono_ms, on_timers_changed, NULL);
}

void loop_end(void)
{
	ended = true;
}

struct timers *loop_timers(void)
{
	return timers;
}

void source_watch(struct source *source, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = source};

	if (source->watched && source->events == events)
		return;
	if (epoll_ctl(epoll, source->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, source->fd, &event) !=
	    0)
		die("epoll_ctl: %s", strerror(errno));
	source->watched = true;
	source->events = events;
}

void source_forget(struct source *source)
{
	if (source->watched && epoll_ctl(epoll, EPOLL_CTL_DEL, source->fd, NULL) != 0)
		die("epoll_ctl: %s", strerror(errno));
	source->watched = false;
	source->events = 0;
}

void source_close(struct source *source, bool reset)
{
	struct linger linger = {.l_onoff = 1, .l_linger = 0};

	if (source->fd < 0)
		return;
	if (reset) /* refused on a unix socket, which knows no reset */
		setsockopt(source->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	close(source->fd);
	source->fd = -1;
	source->watched = false;
	source->events = 0;
}

/* Fires what is due and ends the turn. Returns how long epoll may wait. */
static int end_turn(void (*turn_ended)(void))
{
	uint64_t wait_ms;
	bool waiting = timers_run(timers, &wait_ms);

	timers_changed = false;
	if (turn_ended != NULL)
		turn_ended();
	if (timers_changed)
		return 0;
	return waiting ? (int)(wait_ms < 60000 ? wait_ms : 60000) : -1;
}

void loop_run(void (*turn_ended)(void))
{
	struct epoll_event events[EVENTS];

	while (!ended) {
		int count = epoll_wait(epoll, events, EVENTS, end_turn(turn_ended));

		if (count < 0 && errno != EINTR)
			die("epoll_wait: %s", strerror(errno));
		for (int i = 0; i < count; i++) {
			struct source *source = events[i].data.ptr;

			if (source->watched) /* an earlier event may have closed it */
				source->ready(source, events[i].events);
		}
	}
}
