/* Whatever happens to Redis or to the way there: what the bus promises about it. */
#include "tests/unit/bus/proxy.h"

static void waits_for_redis_to_appear(void **state)
{
	struct world *world = *state;
	struct node a;

	server_kill(&world->server);
	node_start(&a, world);
	a.mesh.topic = bus_port()->topic_open(a.bus, SLICE("m"), &a.mesh);
	run_ms(world, 300);
	assert_int_equal(state_of(&a), BUS_DOWN);
	server_start(&world->server);
	AWAIT(world, state_of(&a) == BUS_UP);
	AWAIT(world, a.mesh.ends == 1);
	assert_int_equal(a.mesh.losses, 0); /* nothing can have been missed */
	node_stop(&a);
}

static void empty_redis_gets_everything_back(void **state)
{
	struct world *world = *state;
	struct pair_of_nodes two;

	meet(&two, world);
	server_kill(&world->server);
	AWAIT(world, state_of(&two.a) == BUS_DOWN && state_of(&two.b) == BUS_DOWN);
	publish(&two.a, "bob", "1", 1);
	publish(&two.a, NULL, "2", 1);
	publish(&two.a, "bob", "3", 1);
	run_ms(world, 100);
	server_start(&world->server);
	AWAIT(world, state_of(&two.a) == BUS_UP && state_of(&two.b) == BUS_UP);

	/* What was published in the outage waited for the others to be back. */
	AWAIT(world, two.bob.messages == 2 && two.b.mesh.messages == 1);
	assert_string_equal(two.bob.last, "1|3|");
	AWAIT(world, two.a.mesh.losses == 1 && two.b.mesh.losses == 1);
	assert_string_equal(ask(&world->server, "EXISTS relay:{m}:peer:alice relay:{m}:peer:bob"),
	                    "2");
	assert_int_equal(two.alice.subscribed, 2);

	run_ms(world, 4500); /* beyond the hold-off: nobody is told offline who is not */
	assert_int_equal(known(&two.a.mesh, "bob")->offlines,
	                 1); /* bob was not refreshed for a TTL */
	part(&two);
}

static void who_is_announced_quietly_in_a_young_redis_is_found_later(void **state)
{
	struct world *world = *state;
	struct node a;
	struct node b;
	struct lease bob;

	node_start(&a, world);
	node_start(&b, world);
	node_open(&a, world);
	node_open(&b, world);
	lease_open(&bob, &b, "bob");
	AWAIT(world, bob.subscribed == 1);
	announce_as(&bob, false);
	AWAIT(world, bob.joined);
	run_ms(world, 2000);
	assert_false(known(&a.mesh, "bob")->online);
	bus_port()->refresh(bob.inbox, clock_mono_ms());
	AWAIT(world, known(&a.mesh, "bob")->online);
	assert_int_equal(a.mesh.losses, 0);
	lease_close(&bob, true);
	node_stop(&a);
	node_stop(&b);
}

static void quiet_reconnect_tells_nothing(void **state)
{
	struct world *world = *state;
	struct pair_of_nodes two;

	meet(&two, world);
	unsigned onlines = known(&two.b.mesh, "alice")->onlines;
	for (int i = 0; i < 5; i++) {
		uint64_t before = losses();
		ask(&world->server,
		    i % 2 == 0 ? "CLIENT KILL TYPE pubsub" : "CLIENT KILL TYPE normal");
		AWAIT(world, losses() == before + 2);
		AWAIT(world, state_of(&two.a) == BUS_UP && state_of(&two.b) == BUS_UP);
	}
	publish(&two.a, "bob", "still here", 1);
	AWAIT(world, two.bob.messages == 1);
	assert_int_equal(known(&two.b.mesh, "alice")->onlines, onlines);
	assert_int_equal(known(&two.b.mesh, "alice")->offlines, 0);
	assert_int_equal(two.alice.answers[ANNOUNCE_LOST], 0);
	part(&two);
}

static void sent_and_unanswered_is_never_repeated(void **state)
{
	struct world *world = *state;
	struct pair_of_nodes two;

	meet(&two, world);
	kill(world->server.pid, SIGSTOP);
	publish(&two.a, "bob", "maybe", 3);
	announce_as(&two.alice, true);
	run_ms(world, 50);
	server_kill(&world->server);
	AWAIT(world, two.a.mesh.unpublished[UNPUBLISHED_UNKNOWN] == 1);
	assert_string_equal(two.a.mesh.last_parcel, "maybe");
	assert_int_equal(two.alice.answers[ANNOUNCE_LOST], 1);
	server_start(&world->server);
	AWAIT(world, state_of(&two.a) == BUS_UP && state_of(&two.b) == BUS_UP);
	publish(&two.a, "bob", "next", 3);
	AWAIT(world, two.bob.messages > 0);
	assert_string_equal(two.bob.last, "next|");
	part(&two);
}

static void published_while_the_session_falls_waits_for_the_next(void **state)
{
	struct world *world = *state;
	struct pair_of_nodes two;

	meet(&two, world);
	kill(world->server.pid, SIGSTOP);
	publish(&two.a, "bob", "again", 3);
	run_ms(world, 50);
	two.a.mesh.publishes_again = true;
	server_kill(&world->server);
	AWAIT(world, two.a.mesh.unpublished[UNPUBLISHED_UNKNOWN] == 1);
	server_start(&world->server);
	AWAIT(world, two.bob.messages == 1);
	assert_string_equal(two.bob.last, "again|");
	part(&two);
}

static void queue_is_bounded_and_ages(void **state)
{
	struct world *world = *state;
	struct pair_of_nodes two;
	char text[1001];
	unsigned taken = 0;

	world->settings.queue_bytes_max = 100000;
	memset(text, 'x', sizeof(text));
	text[1000] = '\0';
	meet(&two, world);
	server_kill(&world->server);
	AWAIT(world, state_of(&two.a) == BUS_DOWN);
	uint64_t since = clock_mono_ms();
	while (publish(&two.a, "bob", text, 1))
		taken++;
	assert_in_range(taken, 60, 100);
	assert_false(bus_is_settled(two.a.bus));
	AWAIT(world, two.a.mesh.unpublished[UNPUBLISHED_NOT_SENT] == taken);
	assert_in_range(clock_mono_ms() - since, 4400, 5000);
	assert_false(bus_port()->topic_is_pressed(two.a.mesh.topic));
	assert_true(bus_is_settled(two.a.bus));
	part(&two);
}

/* ---- Leaves and leases over an outage in which Redis kept its data */

static void leave_is_owed_over_an_outage(void **state)
{
	struct world *world = *state;
	struct proxy proxy;
	struct pair_of_nodes two;
	struct lease carol;

	world->settings.ttl_ms = 30000;
	proxy_start(&proxy, world);
	meet(&two, world);
	lease_join(&carol, &two.a, world, "carol");
	proxy.refuses = true;
	proxy_cut(&proxy);
	AWAIT(world, state_of(&two.a) == BUS_DOWN && state_of(&two.b) == BUS_DOWN);
	lease_close(&two.alice, true);
	lease_close(&carol, true);
	assert_false(bus_is_settled(two.a.bus));
	lease_open(&carol, &two.a, "carol"); /* back before anybody heard that she left */
	carol.joined = true;
	proxy.refuses = false;
	AWAIT(world, state_of(&two.a) == BUS_UP && state_of(&two.b) == BUS_UP);
	AWAIT(world, bus_is_settled(two.a.bus));
	AWAIT(world, strcmp(ask(&world->server, "EXISTS relay:{m}:peer:alice"), "0") == 0);
	run_ms(world, 100);
	assert_int_equal(known(&two.b.mesh, "carol")->offlines, 0);
	assert_string_equal(ask(&world->server, "EXISTS relay:{m}:peer:carol"), "1");
	lease_close(&carol, true);
	AWAIT(world, known(&two.b.mesh, "carol")->offlines == 1);
	lease_close(&two.bob, true);
	node_stop(&two.a);
	node_stop(&two.b);
	proxy_stop(&proxy);
}

/* Alice is on a node that can be cut off; another, which cannot, hears of her. */
struct watched {
	struct proxy proxy;
	struct node a;
	struct node b;
	struct lease alice;
};

static void watch(struct watched *watched, struct world *world)
{
	node_start(&watched->b, world);
	node_open(&watched->b, world);
	proxy_start(&watched->proxy, world);
	node_start(&watched->a, world);
	node_open(&watched->a, world);
	lease_join(&watched->alice, &watched->a, world, "alice");
	AWAIT(world, known(&watched->b.mesh, "alice")->onlines == 1);
}

static void unwatch(struct watched *watched)
{
	lease_close(&watched->alice, false);
	node_stop(&watched->a);
	node_stop(&watched->b);
	proxy_stop(&watched->proxy);
}

static void lease_that_lapsed_is_announced_aloud(void **state)
{
	struct world *world = *state;
	struct watched watched;

	world->settings.ttl_ms = 1200; /* hold-off: 800 ms, and Redis is older than that */
	run_ms(world, 1200);
	watch(&watched, world);
	watched.proxy.refuses = true;
	proxy_cut(&watched.proxy);
	AWAIT(world, state_of(&watched.a) == BUS_DOWN);
	ask(&world->server, "DEL relay:{m}:peer:alice");
	watched.proxy.refuses = false;
	AWAIT(world, known(&watched.b.mesh, "alice")->onlines == 2);
	/* Recovery's own announces are not answered. */
	assert_int_equal(watched.alice.answers[ANNOUNCE_ONLINE], 1);
	unwatch(&watched);
}

/* The first time its announcement is lost, or the answer to it: which of the two, nobody knows. */
static void who_was_announced_without_an_answer_is_announced_aloud(void **state)
{
	struct world *world = *state;
	struct watched watched;

	world->settings.ttl_ms = 1200;
	run_ms(world, 1200);
	watch(&watched, world);
	watched.proxy.refuses = true;
	proxy_cut(&watched.proxy);
	AWAIT(world, state_of(&watched.a) == BUS_DOWN);
	ask(&world->server, "DEL relay:{m}:peer:alice");
	watched.proxy.swallows = true;
	watched.proxy.refuses = false;
	AWAIT(world, strcmp(ask(&world->server, "EXISTS relay:{m}:peer:alice"), "1") == 0);
	assert_int_equal(known(&watched.b.mesh, "alice")->onlines, 1);
	watched.proxy.swallows = false;
	proxy_cut(&watched.proxy);
	AWAIT(world, known(&watched.b.mesh, "alice")->onlines == 2);
	unwatch(&watched);
}

/* Who listens all the time must be told, and not only find out by a load. */
static void changed_presence_is_announced_aloud(void **state)
{
	struct world *world = *state;
	struct watched watched;

	world->settings.ttl_ms = 30000;
	watch(&watched, world);
	snprintf(watched.alice.presence, sizeof(watched.alice.presence), "changed");
	watched.alice.loud = true;
	proxy_cut(&watched.proxy);
	AWAIT(world, strcmp(known(&watched.b.mesh, "alice")->presence, "changed") == 0);
	unwatch(&watched);
}

static void owner_who_lost_the_id_is_told(void **state)
{
	struct world *world = *state;
	struct proxy proxy;
	struct pair_of_nodes two;

	world->settings.ttl_ms = 30000;
	proxy_start(&proxy, world);
	meet(&two, world);
	proxy.refuses = true;
	proxy_cut(&proxy);
	AWAIT(world, state_of(&two.a) == BUS_DOWN);
	ask(&world->server, "HSET relay:{m}:peer:alice owner mallory n:other 99999999999999");
	proxy.refuses = false;
	AWAIT(world, two.alice.answers[ANNOUNCE_TAKEN] == 1);
	part(&two);
	proxy_stop(&proxy);
}

/* ---- Many */

#define CROWD 1050

static void crowd_is_announced_in_batches(void **state)
{
	struct world *world = *state;
	static struct lease crowd[CROWD];
	struct node a;

	world->settings.ttl_ms = 30000;
	node_start(&a, world);
	a.mesh.only_counts = true;
	node_open(&a, world);
	for (int i = 0; i < CROWD; i++) {
		char id[32];
		snprintf(id, sizeof(id), "peer%d", i);
		lease_open(&crowd[i], &a, id);
		crowd[i].joined = true;
	}
	AWAIT(world, crowd[CROWD - 1].subscribed == 1);
	server_kill(&world->server);
	AWAIT(world, state_of(&a) == BUS_DOWN);
	server_start(&world->server);
	AWAIT(world, state_of(&a) == BUS_UP);
	for (int i = 0; i < CROWD; i++)
		assert_int_equal(crowd[i].subscribed, 2);
	assert_string_equal(ask(&world->server, "ZCARD relay:{m}:peers"), "1050");
	assert_non_null(
		strstr(ask(&world->server, "INFO commandstats"), "cmdstat_evalsha:calls=11,"));
	for (int i = 0; i < CROWD; i++)
		lease_close(&crowd[i], i % 2 == 0);
	AWAIT(world, bus_is_settled(a.bus));
	assert_string_equal(ask(&world->server, "ZCARD relay:{m}:peers"), "525");
	node_stop(&a);
}

/*
 * Whatever is under way when the bus goes: ASan sees to it that nothing is used after it, and
 * nothing leaks.
 */
static void may_be_destroyed_at_any_time(void **state)
{
	struct world *world = *state;
	struct node a;
	struct lease alice;

	for (int turns = 0; turns < 40; turns++) {
		node_start(&a, world);
		a.mesh.topic = bus_port()->topic_open(a.bus, SLICE("m"), &a.mesh);
		lease_open(&alice, &a, "alice");
		alice.announces_when_subscribed = true;
		if (turns % 3 == 0)
			publish(&a, NULL, "x", 1);
		for (int i = 0; i < turns; i++)
			event_base_loop(world->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
		if (turns % 4 == 1)
			ask(&world->server, "CLIENT KILL TYPE normal");
		if (turns % 4 == 2)
			announce_as(&alice, true);
		lease_close(&alice, turns % 2 == 0);
		node_stop(&a);
		event_base_loop(world->base, EVLOOP_NONBLOCK);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(waits_for_redis_to_appear),
		TEST(empty_redis_gets_everything_back),
		TEST(who_is_announced_quietly_in_a_young_redis_is_found_later),
		TEST(quiet_reconnect_tells_nothing),
		TEST(sent_and_unanswered_is_never_repeated),
		TEST(published_while_the_session_falls_waits_for_the_next),
		TEST(queue_is_bounded_and_ages),
		TEST(leave_is_owed_over_an_outage),
		TEST(lease_that_lapsed_is_announced_aloud),
		TEST(who_was_announced_without_an_answer_is_announced_aloud),
		TEST(changed_presence_is_announced_aloud),
		TEST(owner_who_lost_the_id_is_told),
		TEST(crowd_is_announced_in_batches),
		TEST(may_be_destroyed_at_any_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
