/*
 * What the tests of fetches and issuers need: an issuer that is a process of its own (the one of the
 * integration tests), an event loop, and a clock that the test puts forward.
 *
 * Where that is allowed, all of it is in a network of its own, in which one address is public.
 */
#pragma once

#include <arpa/inet.h>
#include <net/if.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/event.h>

#include "auth/fetch.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/metrics.h"
#include "common/timers.h"
#include "net/tls.h"

#define PATIENCE_MS 20000
#define PUBLIC_ADDRESS "198.51.100.1"
#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

/* ---- The network */

static bool has_public_address;

static inline bool set_address(int fd, const char *interface, const char *address)
{
	struct ifreq request = {.ifr_flags = 0};
	struct sockaddr_in *in = (struct sockaddr_in *)(void *)&request.ifr_addr;

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", interface);
	in->sin_family = AF_INET;
	inet_pton(AF_INET, address, &in->sin_addr);
	return ioctl(fd, SIOCSIFADDR, &request) == 0;
}

/* Before anything else is done: a network of our own, if this machine lets us. */
static inline void network_create(void)
{
	struct ifreq up = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};

	if (unshare(CLONE_NEWNET) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0)
		return;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	has_public_address = ioctl(fd, SIOCSIFFLAGS, &up) == 0 &&
	                     set_address(fd, "lo", "127.0.0.1") &&
	                     set_address(fd, "lo:1", PUBLIC_ADDRESS);
	close(fd);
}

/* ---- The issuer */

struct server {
	pid_t pid;
	FILE *commands;
	FILE *answers;
	char folder[32];
	char ca[128];
	unsigned port;
};

static struct server server;

static inline const char *server_answer(void)
{
	static char line[8192];

	if (fgets(line, sizeof(line), server.answers) == NULL)
		fail_msg("the issuer is gone");
	line[strcspn(line, "\n")] = '\0';
	return line;
}

static inline const char *tell(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Gives it a command (see harness/issuer.py), and returns its answer. */
static inline const char *tell(const char *format, ...)
{
	va_list values;

	va_start(values, format);
	vfprintf(server.commands, format, values);
	va_end(values);
	fputc('\n', server.commands);
	fflush(server.commands);
	return server_answer();
}

static inline unsigned long count(const char *what)
{
	return strtoul(tell("count %s", what), NULL, 10);
}

static inline void server_run(const int commands[2], const int answers[2])
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(commands[0], STDIN_FILENO);
	dup2(answers[1], STDOUT_FILENO);
	close(commands[1]);
	close(answers[0]);
	setenv("PYTHONDONTWRITEBYTECODE", "1", 1);
	if (chdir(HARNESS_FOLDER) == 0)
		execl(PYTHON, PYTHON, "-m", "harness.issuer", server.folder,
		      has_public_address ? "0.0.0.0" : "127.0.0.1", (char *)NULL);
	_exit(127);
}

static inline void server_start(void)
{
	int commands[2];
	int answers[2];

	snprintf(server.folder, sizeof(server.folder), "/tmp/relay-auth-XXXXXX");
	assert_non_null(mkdtemp(server.folder));
	assert_int_equal(pipe(commands) + pipe(answers), 0);
	server.pid = fork();
	if (server.pid == 0)
		server_run(commands, answers);
	close(commands[0]);
	close(answers[1]);
	server.commands = fdopen(commands[1], "w");
	server.answers = fdopen(answers[0], "r");
	assert_int_equal(sscanf(server_answer(), "%u %127s", &server.port, server.ca), 2);
}

static inline void server_end(void)
{
	tell("forget");
	fclose(server.commands);
	fclose(server.answers);
	waitpid(server.pid, NULL, 0);
	assert_int_equal(rmdir(server.folder), 0);
}

/* ---- The loop */

/* Only the test puts it forward: what has a deadline may take as long as this machine needs. */
static uint64_t now_ms;

static inline uint64_t clock_ms(void)
{
	return now_ms;
}

struct world {
	struct event_base *base;
	struct event *alarm;
	struct event *tick;
	struct timers *timers;
	struct tls *tls;
	struct fetch_means means;
	uint64_t longest_turn_us; /* of the processor's time */
};

static inline void on_alarm(evutil_socket_t fd, short what, void *context)
{
	struct world *world = context;
	uint64_t wait_ms;

	(void)fd;
	(void)what;
	if (timers_run(world->timers, &wait_ms)) {
		struct timeval wait = {(time_t)(wait_ms / 1000),
		                       (suseconds_t)(wait_ms % 1000) * 1000};
		event_add(world->alarm, &wait);
	}
}

static inline void on_tick(evutil_socket_t fd, short what, void *context)
{
	(void)fd, (void)what, (void)context;
}

/* Not timers_run() itself: timers fire from the loop only. */
static inline void wake(void *context)
{
	struct world *world = context;
	struct timeval now = {0, 0};

	event_add(world->alarm, &now);
}

static inline void advance(struct world *world, uint64_t ms)
{
	now_ms += ms;
	wake(world);
}

static inline int world_set_up(void **state)
{
	struct world *world = calloc(1, sizeof(*world));
	const struct tls_settings settings = {.option = "--test", .ca_file = server.ca};
	const char *error = NULL;

	tell("fault connection");
	tell("fault discovery");
	tell("fault keys");
	now_ms = 1;
	world->base = event_base_new();
	world->alarm = event_new(world->base, -1, 0, on_alarm, world);
	world->tick = event_new(world->base, -1, 0, on_tick, NULL);
	world->timers = timers_create(clock_ms, wake, world);
	world->tls = tls_create(&settings, &error);
	if (world->tls == NULL)
		fail_msg("%s", error);
	world->means = (struct fetch_means){world->base, world->timers, world->tls};
	*state = world;
	return 0;
}

static inline int world_tear_down(void **state)
{
	struct world *world = *state;

	event_base_loop(world->base, EVLOOP_NONBLOCK);
	event_free(world->alarm);
	event_free(world->tick);
	timers_destroy(world->timers);
	tls_destroy(world->tls);
	event_base_free(world->base);
	metrics_reset();
	free(world);
	return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_set_up, world_tear_down)

static inline uint64_t processor_us(void)
{
	struct timespec time;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
	return (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_nsec / 1000;
}

/* One turn of the loop, or 10 ms in which nothing happens. */
static inline void turn(struct world *world)
{
	const struct timeval longest = {0, 10000};
	uint64_t start_us = processor_us();

	event_add(world->tick, &longest);
	event_base_loop(world->base, EVLOOP_ONCE);
	event_del(world->tick);
	uint64_t took_us = processor_us() - start_us;
	if (took_us > world->longest_turn_us)
		world->longest_turn_us = took_us;
}

static inline void turns(struct world *world, unsigned times)
{
	while (times-- > 0)
		turn(world);
}

/* Turns the loop until the condition holds; fails if it does not in time. */
#define AWAIT(world, condition)                                     \
	do {                                                        \
		uint64_t await_end = clock_mono_ms() + PATIENCE_MS; \
		while (!(condition) && clock_mono_ms() < await_end) \
			turn(world);                                \
		if (!(condition))                                   \
			fail_msg("in vain: %s", #condition);        \
	} while (0)

/* Puts the clock forward, as far as it goes without taking time from what is under way. */
static inline void pass(struct world *world, uint64_t ms)
{
	const int idle_events = 1; /* the alarm */
	const uint64_t step_ms = 500;

	for (uint64_t passed = 0; passed < ms; passed += step_ms) {
		advance(world, step_ms);
		turn(world);
		AWAIT(world, event_base_get_num_events(
				     world->base, EVENT_BASE_COUNT_ADDED |
							  EVENT_BASE_COUNT_ACTIVE) <= idle_events);
	}
}

static inline void print_longest_turn(const struct world *world)
{
	print_message("longest turn of the loop: %.1f ms of the processor\n",
	              (double)world->longest_turn_us / 1000);
}

/* ---- All tests of a program */

static inline int group_set_up(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_LOGFMT);
	network_create();
	server_start();
	return 0;
}

static inline int group_tear_down(void **state)
{
	(void)state;
	server_end();
	return 0;
}
