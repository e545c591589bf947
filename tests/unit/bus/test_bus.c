/* Two nodes and a Redis that is well. */
#include "tests/unit/bus/fixture.h"

static void connects_when_started(void **state)
{
	struct world *world = *state;
	struct node node;

	node_start(&node, world);
	assert_int_equal(bus_port()->state(node.bus), BUS_DOWN);
	AWAIT(world, state_of(&node) == BUS_UP);
	assert_non_null(strstr(ask(&world->server, "CLIENT LIST"), "name=p2p-relay:"));
	node_stop(&node);
}

static void connects_at_first_use_only(void **state)
{
	struct world *world = *state;
	struct node node;

	world->settings.first_use = true;
	node_start(&node, world);
	run_ms(world, 200);
	assert_int_equal(bus_port()->state(node.bus), BUS_IDLE);
	assert_int_equal(bus_port()->node(node.bus), 0);
	node_open(&node, world);
	assert_true(bus_port()->node(node.bus) != 0);
	node_stop(&node);
}

static void peers_of_two_nodes_meet(void **state)
{
	struct world *world = *state;
	struct node a;
	struct node b;
	struct lease alice;
	struct lease bob;

	node_start(&a, world);
	node_start(&b, world);
	node_open(&a, world);
	lease_join(&alice, &a, world, "alice");
	assert_int_equal(alice.answers[ANNOUNCE_ONLINE], 1);
	node_open(&b, world); /* cold: alice is in what it loads */
	assert_true(known(&b.mesh, "alice")->online);
	assert_string_equal(known(&b.mesh, "alice")->presence, "{\"from\":\"alice\"}");
	lease_join(&bob, &b, world, "bob");
	AWAIT(world, known(&a.mesh, "bob")->online);

	assert_true(publish(&a, "bob", "to bob", 1));
	assert_true(publish(&a, NULL, "to all", 1));
	AWAIT(world, bob.messages == 1 && b.mesh.messages == 1 && a.mesh.messages == 1);
	assert_string_equal(bob.last, "to bob|");
	assert_string_equal(b.mesh.last, "to all|");

	lease_close(&bob, true);
	AWAIT(world, known(&a.mesh, "bob")->offlines == 1 && known(&b.mesh, "bob")->offlines == 1);
	AWAIT(world, bus_is_settled(b.bus));
	lease_close(&alice, false);
	node_stop(&a);
	node_stop(&b);
}

static void order_is_kept_between_announces_and_messages(void **state)
{
	struct world *world = *state;
	struct node a;
	struct lease alice;

	node_start(&a, world);
	node_open(&a, world);
	lease_join(&alice, &a, world, "alice");
	a.mesh.last[0] = '\0';
	for (int i = 0; i < 20; i++) {
		char text[32];
		snprintf(alice.presence, sizeof(alice.presence), "p%d", i);
		announce_as(&alice, true);
		snprintf(text, sizeof(text), "m%d", i);
		publish(&a, NULL, text, 1);
		if (i == 9)
			turn(world);
	}
	AWAIT(world, a.mesh.messages == 20);
	/* When the last message is there, the last presence has been for a while. */
	assert_string_equal(known(&a.mesh, "alice")->presence, "p19");
	assert_int_equal(known(&a.mesh, "alice")->onlines, 21);
	lease_close(&alice, true);
	node_stop(&a);
}

/* One after the other for the same they go together; what is for another is not overtaken. */
static void messages_of_a_turn_go_together_in_order(void **state)
{
	static const char *const targets[] = {"bob", "bob", NULL, NULL, NULL, "bob", NULL};
	struct world *world = *state;
	struct node a;
	struct lease bob;

	node_start(&a, world);
	node_open(&a, world);
	lease_join(&bob, &a, world, "bob");
	ask(&world->server, "CONFIG RESETSTAT");
	for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
		char text[2] = {(char)('1' + i)};
		publish(&a, targets[i], text, 1);
	}
	publish(&a, "nobody", "8", 1);
	publish(&a, "nobody", "9", 2);
	AWAIT(world, bob.messages == 3 && a.mesh.messages == 4);
	assert_string_equal(bob.last, "1|2|6|");
	assert_string_equal(a.mesh.last, "3|4|5|7|");
	AWAIT(world, a.mesh.unpublished[UNPUBLISHED_NOBODY] == 2);
	assert_string_equal(a.mesh.last_parcel, "9");
	assert_int_equal(a.mesh.last_connection, 2);
	assert_non_null(
		strstr(ask(&world->server, "INFO commandstats"), "cmdstat_publish:calls=5,"));
	lease_close(&bob, true);
	node_stop(&a);
}

static void publishing_to_nobody_is_told(void **state)
{
	struct world *world = *state;
	struct node a;

	node_start(&a, world);
	node_open(&a, world);
	assert_true(publish(&a, "nobody", "lost", 7));
	AWAIT(world, a.mesh.unpublished[UNPUBLISHED_NOBODY] == 1);
	assert_string_equal(a.mesh.last_target, "nobody");
	assert_string_equal(a.mesh.last_parcel, "lost");
	assert_int_equal(a.mesh.last_connection, 7);
	AWAIT(world, bus_is_settled(a.bus));
	node_stop(&a);
}

/* Whatever may be in an id is good as a channel and as a key. */
static void ids_may_be_strange(void **state)
{
	static const char *const ids[] = {"a b",  "{x}:y*?[z]",     "\"'\\", "\xc3\xa4\xe2\x82\xac",
	                                  "%s%n", "relay:{m}:peer:"};
	struct world *world = *state;
	struct node a;
	struct lease leases[6];

	node_start(&a, world);
	node_open(&a, world);
	for (size_t i = 0; i < 6; i++)
		lease_join(&leases[i], &a, world, ids[i]);
	for (size_t i = 0; i < 6; i++)
		publish(&a, ids[i], ids[i], 1);
	for (size_t i = 0; i < 6; i++) {
		AWAIT(world, leases[i].messages == 1);
		lease_close(&leases[i], true);
	}
	for (size_t i = 0; i < 6; i++)
		AWAIT(world, known(&a.mesh, ids[i])->offlines == 1);
	assert_string_equal(ask(&world->server, "DBSIZE"), "0");
	node_stop(&a);
}

/* The tabs of a browser that go and come: the last state counts, whatever is still under way. */
static void inbox_reopened_at_once_is_subscribed(void **state)
{
	struct world *world = *state;
	struct node a;
	struct lease alice;

	node_start(&a, world);
	node_open(&a, world);
	lease_open(&alice, &a, "alice");
	for (int i = 0; i < 50; i++) {
		if (i % 7 == 3)
			turn(world);
		lease_close(&alice, false);
		lease_open(&alice, &a, "alice");
	}
	AWAIT(world, alice.subscribed > 0);
	assert_int_equal(alice.subscribed, 1);
	publish(&a, "alice", "here", 1);
	AWAIT(world, alice.messages == 1);
	lease_close(&alice, false);
	publish(&a, "alice", "gone", 1);
	AWAIT(world, a.mesh.unpublished[UNPUBLISHED_NOBODY] == 1);
	node_stop(&a);
}

static void leave_is_not_owed_to_a_peer_that_is_back(void **state)
{
	struct world *world = *state;
	struct node a;
	struct lease alice;

	node_start(&a, world);
	node_open(&a, world);
	lease_join(&alice, &a, world, "alice");
	kill(world->server.pid, SIGSTOP);
	run_ms(world, 50);
	kill(world->server.pid, SIGCONT);
	lease_close(&alice, true);
	lease_open(&alice, &a, "alice");
	AWAIT(world, alice.subscribed == 1);
	announce_as(&alice, true);
	AWAIT(world, alice.joined);
	run_ms(world, 100);
	assert_true(known(&a.mesh, "alice")
	                    ->online); /* offline, then online: in the order of the facts */
	lease_close(&alice, true);
	node_stop(&a);
}

static void owners_are_kept_apart(void **state)
{
	struct world *world = *state;
	struct node a;
	struct node b;
	struct lease first;
	struct lease second;

	node_start(&a, world);
	node_start(&b, world);
	node_open(&a, world);
	node_open(&b, world);
	lease_open(&first, &a, "x");
	snprintf(first.owner, sizeof(first.owner), "iss alice");
	AWAIT(world, first.subscribed == 1);
	announce_as(&first, true);
	AWAIT(world, first.joined);
	lease_open(&second, &b, "x");
	snprintf(second.owner, sizeof(second.owner), "iss mallory");
	AWAIT(world, second.subscribed == 1);
	announce_as(&second, true);
	AWAIT(world, second.answers[ANNOUNCE_TAKEN] == 1);
	lease_close(&second, false);
	lease_close(&first, true);
	AWAIT(world, known(&b.mesh, "x")->offlines == 1);
	node_stop(&a);
	node_stop(&b);
}

/* A node that dies: its peers end one TTL after their last message, told once to each observer. */
static void dead_node_is_swept(void **state)
{
	struct world *world = *state;
	struct node a;
	struct node b;
	struct lease alice;
	struct lease bob;

	world->settings.ttl_ms = 1500;
	node_start(&a, world);
	node_start(&b, world);
	node_open(&a, world);
	node_open(&b, world);
	lease_join(&bob, &b, world, "bob");
	lease_join(&alice, &a, world, "alice");
	uint64_t heard = clock_mono_ms();
	AWAIT(world, known(&b.mesh, "alice")->online);
	lease_close(&alice, false); /* as if it were gone without a word */
	node_stop(&a);

	while (known(&b.mesh, "alice")->online && clock_mono_ms() - heard < PATIENCE_MS) {
		bus_port()->refresh(bob.inbox, clock_mono_ms());
		run_ms(world, 200);
	}
	assert_true(clock_mono_ms() - heard >= 1400);
	run_ms(world, 1000);
	assert_int_equal(known(&b.mesh, "alice")->offlines, 1);
	assert_int_equal(known(&b.mesh, "bob")->offlines, 0);
	assert_int_equal(bob.lost, 0);
	lease_close(&bob, true);
	node_stop(&b);
}

static void refresh_finds_a_lost_lease(void **state)
{
	struct world *world = *state;
	struct node a;
	struct lease alice;

	node_start(&a, world);
	node_open(&a, world);
	lease_join(&alice, &a, world, "alice");
	bus_port()->refresh(alice.inbox, clock_mono_ms());
	run_ms(world, 300);
	assert_int_equal(alice.lost, 0);
	ask(&world->server, "DEL relay:{m}:peer:alice");
	bus_port()->refresh(alice.inbox, clock_mono_ms());
	AWAIT(world, alice.lost == 1);
	bus_port()->refresh(alice.inbox, clock_mono_ms());
	lease_close(&alice, true); /* before it leaves */
	run_ms(world, 200);
	node_stop(&a);
}

/* ---- Questions */

struct listed {
	unsigned calls;
	bool none;
	size_t count;
	char ids[256];
};

static void on_listed(void *context, const struct slice *ids, size_t count)
{
	struct listed *listed = context;

	listed->calls++;
	listed->none = ids == NULL;
	listed->count = count;
	for (size_t i = 0; ids != NULL && i < count; i++)
		append(listed->ids, sizeof(listed->ids), ids[i]);
}

static void lists_any_mesh(void **state)
{
	struct world *world = *state;
	struct node a;
	struct lease alice;
	struct listed here = {0};
	struct listed elsewhere = {0};

	node_start(&a, world);
	node_open(&a, world);
	lease_join(&alice, &a, world, "alice");
	bus_port()->list(a.bus, SLICE("m"), 1000, on_listed, &here);
	bus_port()->list(a.bus, SLICE("other"), 1000, on_listed, &elsewhere);
	assert_int_equal(here.calls + elsewhere.calls, 0);
	AWAIT(world, here.calls == 1 && elsewhere.calls == 1);
	assert_string_equal(here.ids, "alice|");
	assert_false(elsewhere.none);
	assert_int_equal(elsewhere.count, 0);

	kill(world->server.pid, SIGSTOP);
	struct listed late = {0};
	bus_port()->list(a.bus, SLICE("m"), 150, on_listed, &late);
	AWAIT(world, late.calls == 1);
	assert_true(late.none);
	kill(world->server.pid, SIGCONT);
	run_ms(world, 100);
	assert_int_equal(late.calls, 1);
	lease_close(&alice, true);
	node_stop(&a);
}

static void list_is_a_first_use(void **state)
{
	struct world *world = *state;
	struct listed listed = {0};
	struct node a;

	world->settings.first_use = true;
	node_start(&a, world);
	bus_port()->list(a.bus, SLICE("m"), 2000, on_listed, &listed);
	AWAIT(world, listed.calls == 1);
	assert_false(listed.none);
	node_stop(&a);
}

static void check_tells_who_is_missing(void **state)
{
	struct world *world = *state;
	struct node a;
	struct lease alice;

	node_start(&a, world);
	node_open(&a, world);
	lease_join(&alice, &a, world, "alice");
	bus_port()->check(a.mesh.topic, SLICE("alice"));
	run_ms(world, 100);
	assert_string_equal(a.mesh.missing, "");
	bus_port()->check(a.mesh.topic, SLICE("ghost"));
	AWAIT(world, strcmp(a.mesh.missing, "ghost") == 0);
	lease_close(&alice, true);
	node_stop(&a);
}

/* ---- Large and many */

static void many_peers_load_in_chunks(void **state)
{
	struct world *world = *state;
	struct node a;

	ask(&world->server,
	    "EVAL \"for i=1,1201 do local id='p'..(i%20)..'.'..i "
	    "redis.call('ZADD','relay:{big}:peers',99999999999999,id) "
	    "redis.call('HSET','relay:{big}:peer:'..id,'presence','x','seen','1760000000123') end\" 0");
	node_start(&a, world);
	a.mesh.only_counts = true;
	a.mesh.topic = bus_port()->topic_open(a.bus, SLICE("big"), &a.mesh);
	AWAIT(world, a.mesh.begins == 1);
	AWAIT(world, a.mesh.ends == 1);
	assert_int_equal(a.mesh.loaded, 1201);
	node_stop(&a);
}

/* Every few minutes: all ids are compared, and only who is unknown is asked about. */
static void rounds_fetch_only_the_unknown(void **state)
{
	struct world *world = *state;
	struct node a;
	struct lease alice;

	node_start(&a, world);
	node_open(&a, world);
	lease_join(&alice, &a, world, "alice");
	run_ms(world, 2000);
	bus_port()->refresh(alice.inbox, clock_mono_ms());
	AWAIT(world, a.mesh.ends == 2); /* Redis is no longer young */
	ask(&world->server, "HSET relay:{m}:peer:missed presence x seen 1760000000123");
	ask(&world->server, "ZADD relay:{m}:peers 99999999999999 missed");
	run_ms(world, 500);
	assert_false(known(&a.mesh, "missed")->online);
	ask(&world->server, "CONFIG RESETSTAT");
	clock_ahead_ms += 6 * 60 * 1000;
	wake(world);
	AWAIT(world, a.mesh.ends == 3);
	assert_int_equal(a.mesh.loaded, 2);
	assert_int_equal(a.mesh.losses, 0);
	assert_true(known(&a.mesh, "missed")->online);
	assert_non_null(strstr(ask(&world->server, "INFO commandstats"), "cmdstat_hmget:calls=1,"));
	lease_close(&alice, true);
	node_stop(&a);
}

/* Others may have yet to announce theirs; then all that is due is reaped, a hundred at a time. */
static void sweeps_are_held_off_after_a_connect(void **state)
{
	struct world *world = *state;
	struct node a;

	world->settings.ttl_ms = 1500;
	ask(&world->server,
	    "EVAL \"for i=1,250 do "
	    "redis.call('ZADD','relay:{m}:peers',1,'dead'..(i%10)..'.'..i) end\" 0");
	node_start(&a, world);
	a.mesh.only_counts = true;
	uint64_t since = clock_mono_ms();
	node_open(&a, world);
	AWAIT(world, metric_counter("p2p_relay_reaped_total", "", NULL, NULL)->value == 250);
	assert_true(clock_mono_ms() - since >= 1000);
	assert_string_equal(ask(&world->server, "EXISTS relay:{m}:peers"), "0");
	assert_non_null(
		strstr(ask(&world->server, "INFO commandstats"), "cmdstat_evalsha:calls=3,"));
	node_stop(&a);
}

static void topic_may_close_inside_a_callback(void **state)
{
	struct world *world = *state;
	struct node a;

	node_start(&a, world);
	a.mesh.closes_when_loaded = true;
	a.mesh.topic = bus_port()->topic_open(a.bus, SLICE("m"), &a.mesh);
	AWAIT(world, a.mesh.ends == 1);
	run_ms(world, 50);
	node_stop(&a);
}

static void topic_may_close_with_all_under_way(void **state)
{
	struct world *world = *state;
	struct node a;
	struct lease alice;

	for (int i = 0; i < 20; i++) {
		node_start(&a, world);
		AWAIT(world, state_of(&a) == BUS_UP);
		a.mesh.topic = bus_port()->topic_open(a.bus, SLICE("m"), &a.mesh);
		lease_open(&alice, &a, "alice");
		alice.announces_when_subscribed = true;
		for (int turns = 0; turns < i; turns++)
			event_base_loop(world->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
		publish(&a, "alice", "x", 1);
		if (alice.joined)
			bus_port()->refresh(alice.inbox, clock_mono_ms());
		bus_port()->check(a.mesh.topic, SLICE("x"));
		lease_close(&alice, alice.joined);
		if (i % 2 == 0)
			run_ms(world, 20);
		node_stop(&a);
	}
}

static void queue_has_a_bound_and_a_mark(void **state)
{
	struct world *world = *state;
	struct node a;
	static char text[10001];
	unsigned taken = 0;

	memset(text, 'x', sizeof(text) - 1);
	node_start(&a, world);
	node_open(&a, world);
	kill(world->server.pid, SIGSTOP);
	while (publish(&a, NULL, text, 1))
		taken++;
	assert_in_range(taken, (1 << 20) / 10400, (1 << 20) / 10000);
	assert_true(bus_port()->topic_is_pressed(a.mesh.topic));
	kill(world->server.pid, SIGCONT);
	AWAIT(world, !bus_port()->topic_is_pressed(a.mesh.topic));
	AWAIT(world, a.mesh.messages == taken);
	assert_int_equal(a.mesh.reliefs, 1);
	AWAIT(world, bus_is_settled(a.bus));
	node_stop(&a);
}

static void scripts_are_loaded_again(void **state)
{
	struct world *world = *state;
	struct node a;
	struct lease alice;
	struct lease bob;

	node_start(&a, world);
	node_open(&a, world);
	ask(&world->server, "SCRIPT FLUSH");
	lease_join(&alice, &a, world, "alice");
	lease_join(&bob, &a, world, "bob");
	assert_int_equal(alice.answers[ANNOUNCE_ONLINE], 1);
	ask(&world->server, "SCRIPT FLUSH");
	lease_close(&alice, true);
	AWAIT(world, known(&a.mesh, "alice")->offlines == 1);
	lease_close(&bob, true);
	node_stop(&a);
}

static void full_redis_refuses_newcomers_only(void **state)
{
	struct world *world = *state;
	struct node a;
	struct lease alice;
	struct lease bob;

	node_start(&a, world);
	node_open(&a, world);
	lease_join(&alice, &a, world, "alice");
	ask(&world->server, "CONFIG SET maxmemory-policy noeviction maxmemory 1");
	lease_open(&bob, &a, "bob");
	AWAIT(world, bob.subscribed == 1);
	announce_as(&bob, true);
	AWAIT(world, bob.answers[ANNOUNCE_REFUSED] == 1);
	bus_port()->refresh(alice.inbox, clock_mono_ms());
	publish(&a, "alice", "still", 1);
	AWAIT(world, alice.messages == 1);
	assert_int_equal(alice.lost, 0);
	assert_int_equal(state_of(&a), BUS_UP);
	ask(&world->server, "CONFIG SET maxmemory 0");
	lease_close(&alice, true);
	lease_close(&bob, false);
	node_stop(&a);
}

/* ---- Permissions */

#define LEAST_ACL                                                                                                  \
	"-@all '~relay:*' '&relay:*' +hello +auth +ping +role '+client|setname' +subscribe +unsubscribe +publish " \
	"+evalsha '+script|load' +time +hkeys +hget +hmget +hset +hdel +exists +del +pexpire +pexpireat +zadd "    \
	"+zrem +zrange '+pubsub|numsub' +info"

static void least_acl_suffices(void **state)
{
	struct world *world = *state;
	char url[128];
	struct node a;
	struct lease alice;
	struct lease bob;

	assert_string_equal(
		ask(&world->server,
	            "ACL SETUSER relay on '>p@ss:w/rd' resetkeys resetchannels " LEAST_ACL),
		"OK");
	assert_string_equal(ask(&world->server, "ACL SETUSER default off"), "OK");
	snprintf(url, sizeof(url), "unix://relay:p%%40ss%%3Aw%%2Frd@%s", world->server.socket);
	world->settings.redis.url = url;
	world->settings.ttl_ms = 1000;
	node_start(&a, world);
	node_open(&a, world);
	lease_join(&alice, &a, world, "alice");
	lease_join(&bob, &a, world, "bob");
	bus_port()->refresh(alice.inbox, clock_mono_ms());
	bus_port()->check(a.mesh.topic, SLICE("ghost"));
	publish(&a, "alice", "x", 1);
	lease_close(&bob, true);
	AWAIT(world, alice.messages == 1 && known(&a.mesh, "bob")->offlines == 1 &&
	                     a.mesh.missing[0] != '\0');
	AWAIT(world, known(&a.mesh, "alice")->offlines == 1); /* swept */
	assert_int_equal(state_of(&a), BUS_UP);
	assert_int_equal(losses(), 0);
	struct buffer metrics = {0};
	metrics_render(&metrics);
	assert_non_null(memmem(metrics.data, metrics.size, "p2p_relay_bus_errors_total 0", 28));
	buffer_fini(&metrics);
	lease_close(&alice, false);
	node_stop(&a);
}

static void password_may_be_in_a_file(void **state)
{
	struct world *world = *state;
	char file[] = "/tmp/relay-password-XXXXXX";
	int fd = mkstemp(file);
	struct node a;

	ask(&world->server, "CONFIG SET requirepass secret");
	assert_int_equal(write(fd, "wrong\n", 6), 6);
	world->settings.redis.password_file = file;
	node_start(&a, world);
	run_ms(world, 200);
	assert_int_equal(state_of(&a), BUS_DOWN);
	assert_int_equal(ftruncate(fd, 0), 0); /* it is read at each connect */
	assert_int_equal(pwrite(fd, "secret\n", 7, 0), 7);
	AWAIT(world, state_of(&a) == BUS_UP);
	node_stop(&a);
	close(fd);
	unlink(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(connects_when_started),
		TEST(connects_at_first_use_only),
		TEST(peers_of_two_nodes_meet),
		TEST(order_is_kept_between_announces_and_messages),
		TEST(messages_of_a_turn_go_together_in_order),
		TEST(publishing_to_nobody_is_told),
		TEST(ids_may_be_strange),
		TEST(inbox_reopened_at_once_is_subscribed),
		TEST(leave_is_not_owed_to_a_peer_that_is_back),
		TEST(owners_are_kept_apart),
		TEST(dead_node_is_swept),
		TEST(refresh_finds_a_lost_lease),
		TEST(lists_any_mesh),
		TEST(list_is_a_first_use),
		TEST(check_tells_who_is_missing),
		TEST(many_peers_load_in_chunks),
		TEST(rounds_fetch_only_the_unknown),
		TEST(sweeps_are_held_off_after_a_connect),
		TEST(topic_may_close_inside_a_callback),
		TEST(topic_may_close_with_all_under_way),
		TEST(queue_has_a_bound_and_a_mark),
		TEST(scripts_are_loaded_again),
		TEST(full_redis_refuses_newcomers_only),
		TEST(least_acl_suffices),
		TEST(password_may_be_in_a_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
