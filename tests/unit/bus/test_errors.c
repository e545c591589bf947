/* Which errors end a session, and which are only about the command. */
#include "tests/unit/bus/proxy.h"

static void replica_is_not_used(void **state)
{
	struct world *world = *state;
	struct node a;

	ask(&world->server, "REPLICAOF 127.0.0.1 1");
	node_start(&a, world);
	run_ms(world, 300);
	assert_int_equal(state_of(&a), BUS_DOWN);
	ask(&world->server, "REPLICAOF NO ONE");
	AWAIT(world, state_of(&a) == BUS_UP);

	/* Demoted under our feet: the next write says so. */
	a.mesh.topic = bus_port()->topic_open(a.bus, SLICE("m"), &a.mesh);
	struct lease alice;
	lease_join(&alice, &a, world, "alice");
	ask(&world->server, "REPLICAOF 127.0.0.1 1");
	announce_as(&alice, true);
	AWAIT(world, state_of(&a) == BUS_DOWN);
	AWAIT(world, alice.answers[ANNOUNCE_LOST] == 1);
	ask(&world->server, "REPLICAOF NO ONE");
	AWAIT(world, state_of(&a) == BUS_UP);
	lease_close(&alice, true);
	node_stop(&a);
}

/* One writes; the other, which finds nothing amiss for long, must not be left behind. */
static void all_nodes_leave_a_replica_together(void **state)
{
	struct world *world = *state;
	struct pair_of_nodes two;

	world->settings.ttl_ms = 60000;
	meet(&two, world);
	ask(&world->server, "REPLICAOF 127.0.0.1 1");
	run_ms(world, 1000); /* some probes of both */
	assert_int_equal(state_of(&two.a), BUS_UP);
	assert_int_equal(state_of(&two.b), BUS_UP);
	announce_as(&two.alice, true);
	AWAIT(world, state_of(&two.a) == BUS_DOWN && state_of(&two.b) == BUS_DOWN);
	assert_int_equal(losses(), 2);
	ask(&world->server, "REPLICAOF NO ONE");
	AWAIT(world, two.a.mesh.losses == 1 && two.b.mesh.losses == 1);
	publish(&two.a, "bob", "here", 1);
	AWAIT(world, two.bob.messages == 1);

	/* A master of which somebody says so is asked, and kept. */
	for (int i = 0; i < 3; i++)
		assert_string_equal(ask(&world->server, "PUBLISH relay:{~}:demotion x"), "2");
	publish(&two.a, "bob", "still", 1);
	AWAIT(world, two.bob.messages == 2 && bus_is_settled(two.a.bus));
	run_ms(world, 100);
	assert_int_equal(losses(), 2);
	part(&two);
}

static void errors_about_redis_end_the_session(void **state)
{
	static const char *const errors[] = {
		"-READONLY You can't write against a read only replica.\r\n",
		"-NOREPLICAS Not enough good replicas to write.\r\n",
		"-MASTERDOWN Link with MASTER is down\r\n",
		"-LOADING Redis is loading the dataset in memory\r\n",
		"-MISCONF Redis is configured to save RDB snapshots, but can't.\r\n",
		"-NOAUTH Authentication required.\r\n",
		"-NOPERM this user has no permissions to run the 'evalsha' command\r\n",
		"-MOVED 3999 127.0.0.1:6381\r\n",
		"what is this?\r\n",
		"*-5\r\n",
	};
	struct world *world = *state;
	struct proxy proxy;
	struct node a;
	struct lease alice;

	proxy_start(&proxy, world);
	node_start(&a, world);
	node_open(&a, world);
	lease_join(&alice, &a, world, "alice");
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		proxy.answer = errors[i];
		bus_port()->refresh(alice.inbox, clock_mono_ms());
		publish(&a, "alice", "x", 1);
		AWAIT(world, state_of(&a) == BUS_DOWN);
		run_ms(world, 100);
		proxy.answer = NULL;
		AWAIT(world, state_of(&a) == BUS_UP);
	}
	assert_int_equal(alice.lost, 0);
	lease_close(&alice, true);
	node_stop(&a);
	proxy_stop(&proxy);
}

static void other_errors_do_not(void **state)
{
	struct world *world = *state;
	struct proxy proxy;
	struct node a;
	struct lease alice;

	world->settings.probe_ms = 5000;
	proxy_start(&proxy, world);
	node_start(&a, world);
	node_open(&a, world);
	lease_join(&alice, &a, world, "alice");
	proxy.answer = "-ERR no\r\n";
	announce_as(&alice, true);
	AWAIT(world, alice.answers[ANNOUNCE_REFUSED] == 1);
	publish(&a, "alice", "x", 1);
	AWAIT(world, a.mesh.unpublished[UNPUBLISHED_NOT_SENT] == 1);
	proxy.answer = NULL;
	assert_int_equal(state_of(&a), BUS_UP);
	lease_close(&alice, true);
	AWAIT(world, bus_is_settled(a.bus));
	node_stop(&a);
	proxy_stop(&proxy);
}

static void a_subscription_that_redis_ends_is_made_anew(void **state)
{
	struct world *world = *state;
	struct proxy proxy;
	struct node a;
	struct lease alice;

	proxy_start(&proxy, world);
	node_start(&a, world);
	node_open(&a, world);
	lease_join(&alice, &a, world, "alice");
	static const char *const ended[] = {
		"*3\r\n$11\r\nunsubscribe\r\n$19\r\nrelay:{m}:broadcast\r\n:0\r\n",
		"*3\r\n$12\r\nsunsubscribe\r\n$20\r\nrelay:{m}:peer:alice\r\n:0\r\n",
	};
	for (size_t i = 0; i < sizeof(ended) / sizeof(ended[0]); i++) {
		proxy_say(&proxy, ended[i]);
		AWAIT(world, a.mesh.losses == i + 1);
		publish(&a, "alice", "x", 1);
		AWAIT(world, alice.messages == i + 1);
	}
	assert_int_equal(alice.lost, 0);
	lease_close(&alice, true);
	node_stop(&a);
	proxy_stop(&proxy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(replica_is_not_used),
		TEST(all_nodes_leave_a_replica_together),
		TEST(errors_about_redis_end_the_session),
		TEST(other_errors_do_not),
		TEST(a_subscription_that_redis_ends_is_made_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
