/* A link that looks well and is not, and a node that stood still. */
#include "tests/unit/bus/proxy.h"

static void silent_redis_is_noticed(void **state)
{
	struct world *world = *state;
	struct pair_of_nodes two;

	world->settings.ttl_ms = 30000;
	meet(&two, world);
	run_ms(world, 1000); /* probes come and go */
	assert_int_equal(state_of(&two.a), BUS_UP);
	uint64_t since = clock_mono_ms();
	kill(world->server.pid, SIGSTOP);
	AWAIT(world, state_of(&two.a) == BUS_DOWN && state_of(&two.b) == BUS_DOWN);
	assert_in_range(clock_mono_ms() - since, 2900, 300 + 3000 + 500);
	kill(world->server.pid, SIGCONT);
	AWAIT(world, state_of(&two.a) == BUS_UP && state_of(&two.b) == BUS_UP);
	publish(&two.a, "bob", "back", 1);
	AWAIT(world, two.bob.messages == 1);
	part(&two);
}

static void short_stop_of_redis_costs_nothing(void **state)
{
	struct world *world = *state;
	struct pair_of_nodes two;

	world->settings.ttl_ms = 30000;
	meet(&two, world);
	kill(world->server.pid, SIGSTOP);
	publish(&two.a, "bob", "late", 1);
	run_ms(world, 2000);
	kill(world->server.pid, SIGCONT);
	AWAIT(world, two.bob.messages == 1);
	assert_int_equal(losses(), 0);
	part(&two);
}

static void deaf_subscriber_is_noticed(void **state)
{
	struct world *world = *state;
	struct proxy proxy;
	struct pair_of_nodes two;

	world->settings.ttl_ms = 30000;
	proxy_start(&proxy, world);
	meet(&two, world);
	proxy.deafens = true;
	AWAIT(world, state_of(&two.a) != BUS_UP && state_of(&two.b) != BUS_UP);
	run_ms(world, 1000);
	assert_true(state_of(&two.a) != BUS_UP);
	proxy.deafens = false;
	AWAIT(world, state_of(&two.a) == BUS_UP && state_of(&two.b) == BUS_UP);
	publish(&two.a, "bob", "heard", 1);
	AWAIT(world, two.bob.messages == 1);
	part(&two);
	proxy_stop(&proxy);
}

/* Stops this process for a while, from outside. */
static void freeze_ms(unsigned ms)
{
	pid_t self = getpid();
	pid_t child = fork();

	if (child == 0) {
		kill(self, SIGSTOP);
		usleep(ms * 1000);
		kill(self, SIGCONT);
		_exit(0);
	}
	usleep(50000);
	waitpid(child, NULL, 0);
}

/* Others have told its peers offline meanwhile; what waits in its sockets is from before. */
static void frozen_node_does_not_deliver_its_backlog(void **state)
{
	struct world *world = *state;
	struct pair_of_nodes two;

	/* It may stand still for a probe's 300 ms and a sixth of this: 1.3 s, so this machine may be slow. */
	world->settings.ttl_ms = 6000;
	meet(&two, world);
	publish(&two.a, "bob", "stale", 1);
	event_base_loop(world->base,
	                EVLOOP_NONBLOCK); /* it is written, and comes back while we are frozen */
	unsigned before = two.bob.messages;
	freeze_ms(1500);
	AWAIT(world, two.a.mesh.losses == 1 && two.b.mesh.losses == 1);
	assert_int_equal(losses(), 2);
	assert_int_equal(two.bob.messages, before);
	part(&two);
}

/* A probe on the node's own channel that is not its own. */
static void probe_as_twin(const struct world *world, uint64_t node)
{
	const struct parcel parcel = {.kind = PARCEL_PROBE, .node = node};
	const uint64_t number = (uint64_t)42 << 32;
	char head[PARCEL_HEAD_BYTES_MAX];
	char path[96];
	char command[256];

	snprintf(path, sizeof(path), "%s/parcel", world->server.folder);
	FILE *file = fopen(path, "wb");
	assert_non_null(file);
	fwrite(head, 1, parcel_head(&parcel, head), file);
	fwrite(&number, 1, sizeof(number), file);
	fclose(file);
	snprintf(command, sizeof(command), "-x PUBLISH 'relay:{~}:node:%016llx' <%s",
	         (unsigned long long)node, path);
	assert_string_equal(ask(&world->server, command), "1");
	unlink(path);
}

static void cloned_node_takes_another_number(void **state)
{
	struct world *world = *state;
	struct pair_of_nodes two;
	char command[128];

	meet(&two, world);
	uint64_t before = bus_port()->node(two.a.bus);
	probe_as_twin(world, before);
	AWAIT(world, bus_port()->node(two.a.bus) != before);
	AWAIT(world, state_of(&two.a) == BUS_UP);
	assert_int_equal(known(&two.b.mesh, "alice")->offlines, 0);

	/* It lives under the new one: its own probes, and the leases of its peers. */
	snprintf(command, sizeof(command), "HEXISTS 'relay:{m}:peer:alice' n:%016llx",
	         (unsigned long long)bus_port()->node(two.a.bus));
	assert_string_equal(ask(&world->server, command), "1");
	uint64_t after = bus_port()->node(two.a.bus);
	run_ms(world, 1000); /* several probes */
	assert_int_equal(bus_port()->node(two.a.bus), after);
	assert_int_equal(losses(), 1);
	publish(&two.b, "alice", "found", 1);
	AWAIT(world, two.alice.messages == 1);
	part(&two);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(silent_redis_is_noticed),
		TEST(short_stop_of_redis_costs_nothing),
		TEST(deaf_subscriber_is_noticed),
		TEST(frozen_node_does_not_deliver_its_backlog),
		TEST(cloned_node_takes_another_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
