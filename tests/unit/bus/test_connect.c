/*
 * The ways to Redis: names with several addresses, addresses where nobody is, names that do not
 * exist.
 */
#include "tests/unit/bus/fixture.h"

#include <arpa/inet.h>
#include <sys/socket.h>

/* Starts the world's Redis anew, listening on 127.0.0.1 only, too. Returns the port. */
static unsigned listen_on_tcp(struct world *world)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t size = sizeof(address);
	char command[128];
	int probe = socket(AF_INET, SOCK_STREAM, 0);

	if (probe < 0)
		abort();
	assert_int_equal(bind(probe, (struct sockaddr *)&address, sizeof(address)), 0);
	getsockname(probe, (struct sockaddr *)&address, &size);
	close(probe);
	snprintf(command, sizeof(command), "CONFIG SET bind 127.0.0.1 port %u",
	         ntohs(address.sin_port));
	assert_string_equal(ask(&world->server, command), "OK");
	return ntohs(address.sin_port);
}

static void connect_by(struct world *world, const char *format)
{
	char url[128];
	struct node a;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	snprintf(url, sizeof(url), format, listen_on_tcp(world));
#pragma GCC diagnostic pop
	world->settings.redis.url = url;
	node_start(&a, world);
	node_open(&a, world);
	node_stop(&a);
}

static void address_connects(void **state)
{
	connect_by(*state, "redis://127.0.0.1:%u");
}

/* Out of /etc/hosts; it may have ::1 too, where nobody listens. */
static void name_connects(void **state)
{
	connect_by(*state, "redis://localhost:%u/0");
}

static void database_is_selected(void **state)
{
	struct world *world = *state;
	char url[64];
	struct node a;
	struct lease alice;

	snprintf(url, sizeof(url), "redis://127.0.0.1:%u/3", listen_on_tcp(world));
	world->settings.redis.url = url;
	node_start(&a, world);
	node_open(&a, world);
	lease_join(&alice, &a, world, "alice");
	assert_string_equal(ask(&world->server, "-n 3 EXISTS relay:{m}:peer:alice"), "1");
	lease_close(&alice, true);
	node_stop(&a);
}

static void try_in_vain(struct world *world, const char *url, uint64_t ms)
{
	struct node a;

	world->settings.redis.url = url;
	node_start(&a, world);
	run_ms(world, ms);
	assert_int_equal(state_of(&a), BUS_DOWN);
	node_stop(&a);
	event_base_loop(world->base, EVLOOP_NONBLOCK);
}

static void nobody_there_is_no_end(void **state)
{
	try_in_vain(*state, "redis://127.0.0.1:1", 200);
	try_in_vain(*state, "unix:/nonexistent/socket", 200);
	try_in_vain(*state, "redis://no-such-host.invalid", 300);
	try_in_vain(*state, "redis://192.0.2.1", 300); /* nobody answers at all */
}

/* Connected, and then nothing: given up and tried again. */
static void mute_server_is_given_up(void **state)
{
	struct world *world = *state;
	struct node a;

	kill(world->server.pid, SIGSTOP);
	node_start(&a, world);
	run_ms(world, 4500);
	assert_int_equal(state_of(&a), BUS_DOWN);
	kill(world->server.pid, SIGCONT);
	AWAIT(world, state_of(&a) == BUS_UP);
	kill(world->server.pid, SIGSTOP);
	node_stop(&a);
	node_start(&a, world);
	run_ms(world, 5100);
	kill(world->server.pid, SIGCONT);
	AWAIT(world, state_of(&a) == BUS_UP);
	node_stop(&a);
}

/* While the name is being looked up, too. */
static void may_be_destroyed_while_connecting(void **state)
{
	struct world *world = *state;
	struct node a;

	for (int turns = 0; turns < 8; turns++) {
		world->settings.redis.url =
			turns % 2 == 0 ? "redis://no-such-host.invalid" : "redis://192.0.2.1";
		node_start(&a, world);
		for (int i = 0; i < turns / 2; i++)
			event_base_loop(world->base, EVLOOP_NONBLOCK);
		node_stop(&a);
		event_base_loop(world->base, EVLOOP_NONBLOCK);
	}
}

static void bad_settings_are_refused(void **state)
{
	struct world *world = *state;
	const char *error = NULL;

	world->settings.prefix = "a{b}";
	assert_null(bus_create(&world->settings, world->base, world->timers, &error));
	assert_non_null(strstr(error, "prefix"));
	world->settings.prefix = "";
	world->settings.redis.url = "redis:/x";
	assert_null(bus_create(&world->settings, world->base, world->timers, &error));
	assert_non_null(strstr(error, "--redis-url"));
	world->settings.redis.password_file = "/nonexistent";
	assert_null(bus_create(&world->settings, world->base, world->timers, &error));
	assert_non_null(strstr(error, "password"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(address_connects),         TEST(name_connects),
		TEST(database_is_selected),     TEST(nobody_there_is_no_end),
		TEST(mute_server_is_given_up),  TEST(may_be_destroyed_while_connecting),
		TEST(bad_settings_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
