/* Joining: the roster first, then messages, and a clear word when it can't be. */
#include "world.h"

#include "../assert_slice.h"

#define PRESENCE_A "{\"type\":\"presence\",\"from\":\"a\",\"data\":{}}"

static void assert_error(struct socket *socket, const char *code)
{
	const char *sent = world_sent(socket);

	if (strstr(sent, "\"type\":\"error\"") == NULL || strstr(sent, code) == NULL)
		fail_msg("wanted error %s, was sent: %s", code, sent);
}

static void the_newcomer_gets_the_roster_and_the_others_get_the_newcomer(void **state)
{
	struct socket *a = world_join("a");
	struct socket *b = world_connect();

	(void)state;
	world_say(b, "{\"type\":\"presence\",\"from\":\"b\",\"data\":1,\"timestamp\":5}");
	assert_string_equal(
		world_sent(b),
		"{\"timestamp\":1.000,\"type\":\"presence\",\"from\":\"a\",\"data\":{\"of\":\"a\"}}\n");
	assert_string_equal(world_sent(a),
	                    "{\"type\":\"presence\",\"from\":\"b\",\"data\":1,\"timestamp\":5}\n");
}

static void who_accepts_a_roster_gets_it_as_one_message(void **state)
{
	struct socket *b = world_connect();

	(void)state;
	world_join("a");
	world_say(b, "{\"type\":\"capabilities\",\"data\":{\"accept\":[\"roster\",7,\"?\"]}}");
	assert_non_null(strstr(world_sent(b), "capabilities_response"));
	world_say(b, "{\"type\":\"presence\",\"from\":\"b\",\"data\":1}");
	const char *sent = world_sent(b);
	assert_non_null(strstr(sent, "\"type\":\"roster\""));
	assert_non_null(strstr(
		sent, "\"peers\":[{\"timestamp\":1.000,\"type\":\"presence\",\"from\":\"a\""));
	assert_null(strstr(sent, "\"from\":\"b\""));
}

static void nothing_is_read_until_the_own_presence_came_back(void **state)
{
	struct socket *a = world_connect();

	(void)state;
	connection_receive(a->connection, SLICE(PRESENCE_A));
	assert_false(a->reading);
	world_settle();
	assert_true(a->reading);
	assert_string_equal(world_sent(a), "");
}

/* Its channel is subscribed before it is announced: who knows its id may write to it already. */
static void what_comes_while_joining_comes_after_the_roster(void **state)
{
	struct socket *a = world_join("a");
	struct socket *b = world_connect();

	(void)state;
	world_sent(a);
	connection_receive(b->connection,
	                   SLICE("{\"type\":\"presence\",\"from\":\"b\",\"data\":1}"));
	world_other_direct("b", "c", "{\"n\":1}");
	world_other_direct("b", "c", "{\"n\":2}");
	world_settle();
	assert_string_equal(
		world_sent(b),
		"{\"timestamp\":1.000,\"type\":\"presence\",\"from\":\"a\",\"data\":{\"of\":\"a\"}}\n"
		"{\"n\":1}\n{\"n\":2}\n");
}

static void a_second_tab_joins_without_asking_redis(void **state)
{
	struct socket *first = world_join("a");
	unsigned announced = world->announced;
	struct socket *second = world_connect();

	(void)state;
	world_say(second, "{\"type\":\"presence\",\"from\":\"a\",\"data\":{\"of\":\"a\"}}");
	assert_int_equal(world->announced, announced);
	assert_true(second->reading);
	world_disconnect(first);
	assert_int_equal(world->left, 0);
	world_disconnect(second);
	assert_int_equal(world->left, 1);
}

static void a_second_tab_with_other_data_announces_them(void **state)
{
	struct socket *b = world_join("b");
	struct socket *second = world_connect();

	(void)state;
	world_join("a");
	world_sent(b);
	world_say(second, "{\"type\":\"presence\",\"from\":\"a\",\"data\":2}");
	assert_string_equal(world_sent(b), "{\"type\":\"presence\",\"from\":\"a\",\"data\":2}\n");
}

static void another_owner_is_told_that_the_id_is_taken(void **state)
{
	struct socket *a = world_connect();

	(void)state;
	world->answer = ANNOUNCE_TAKEN;
	world_say(a, PRESENCE_A);
	assert_error(a, "id_taken");
	assert_true(a->reading);
	assert_int_equal(world->left, 0);
	world->answer = ANNOUNCE_ONLINE;
	world_say(a, "{\"type\":\"presence\",\"from\":\"other\",\"data\":{}}"); /* not bound yet */
	assert_string_equal(world_sent(a), "");
	assert_true(connection_is_joined(a->connection));
}

static void another_owner_on_the_same_node_too(void **state)
{
	struct socket *a = world_connect_as("issuer alice");
	struct socket *b = world_connect_as("issuer bob");

	(void)state;
	world_say(a, PRESENCE_A);
	world_say(b, PRESENCE_A);
	assert_error(b, "id_taken");
	assert_true(connection_is_joined(a->connection));
}

static void a_full_redis_refuses(void **state)
{
	struct socket *a = world_connect();

	(void)state;
	world->answer = ANNOUNCE_REFUSED;
	world_say(a, PRESENCE_A);
	assert_error(a, "bus_unavailable");
	assert_true(a->reading);
}

static void an_outage_while_joining_is_survived(void **state)
{
	struct socket *a = world_connect();

	(void)state;
	world->answer = ANNOUNCE_LOST;
	world_say(a, PRESENCE_A);
	assert_false(a->reading);
	world->answer = ANNOUNCE_ONLINE;
	world_pass(4000); /* in which it was not read from: no silence of its own */
	world_reconnect();
	assert_true(connection_is_joined(a->connection));
	assert_int_equal(world->announced_heard_ms, world_now());
}

/* The subscriber broke between the answer and the event. */
static void an_event_that_never_comes_is_asked_for_again(void **state)
{
	struct socket *a = world_connect();

	(void)state;
	world->mute = true;
	world_say(a, PRESENCE_A);
	assert_false(a->reading);
	world->mute = false;
	world_reconnect();
	assert_true(connection_is_joined(a->connection));
	assert_int_equal(world->announced, 2);
}

static void after_five_seconds_the_client_may_try_again(void **state)
{
	struct socket *a = world_connect();

	(void)state;
	world->mute = true;
	world_say(a, PRESENCE_A);
	world_pass(4999);
	assert_false(a->reading);
	world_pass(1);
	assert_error(a, "bus_unavailable");
	assert_true(a->reading);
	world->mute = false;
	world_say(a, PRESENCE_A);
	assert_true(connection_is_joined(a->connection));
}

static void who_does_not_join_is_closed(void **state)
{
	struct socket *a = world_connect();

	(void)state;
	world_say(a, "{\"type\":\"capabilities\"}");
	world_pass(29999);
	assert_int_equal(a->closed, 0);
	world_pass(1);
	assert_int_equal(a->closed, CLOSE_HEARTBEAT);
}

static void who_tries_while_the_bus_is_away_is_not_closed(void **state)
{
	struct socket *a = world_connect();

	(void)state;
	world->mute = true;
	for (unsigned tries = 0; tries < 3; tries++) {
		world_pass(24000);
		world_say(a, PRESENCE_A);
		world_pass(5000);
		assert_error(a, "bus_unavailable");
	}
	world_pass(29999);
	assert_int_equal(a->closed, 0);
	world_pass(1);
	assert_int_equal(a->closed, CLOSE_HEARTBEAT);
}

static void one_peer(struct hub_settings *settings)
{
	settings->mesh_peers_max = 1;
}

static void a_full_mesh_refuses_newcomers_but_not_more_tabs(void **state)
{
	(void)state;
	world_set_up_with(one_peer);
	world_join("a");
	struct socket *b = world_connect();
	world_say(b, "{\"type\":\"presence\",\"from\":\"b\"}");
	assert_error(b, "mesh_full");
	struct socket *tab = world_connect();
	world_say(tab, PRESENCE_A);
	assert_true(connection_is_joined(tab->connection));
}

/* 8 turns, 8 places in the queue: the 17th is turned away, and the 9th goes when one is done. */
static void a_storm_of_newcomers_takes_turns(void **state)
{
	struct socket *sockets[17];

	(void)state;
	world_join("first"); /* so that the mesh is loaded */
	unsigned before = world->announced;
	for (int i = 0; i < 17; i++) {
		struct buffer message = {0};
		sockets[i] = world_connect();
		buffer_printf(&message, "{\"type\":\"presence\",\"from\":\"p%d\"}", i);
		connection_receive(sockets[i]->connection, buffer_slice(&message));
		buffer_fini(&message);
	}
	assert_int_equal(world->announced, before);
	world_settle();
	assert_int_equal(world->announced, before + 16);
	for (int i = 0; i < 16; i++)
		assert_true(connection_is_joined(sockets[i]->connection));
	assert_int_equal(sockets[16]->closed, CLOSE_TRY_AGAIN);
}

static void who_goes_while_waiting_leaves_no_trace(void **state)
{
	struct socket *a = world_connect();

	(void)state;
	connection_receive(a->connection, SLICE(PRESENCE_A));
	world_disconnect(a);
	world_settle();
	assert_int_equal(world->announced, 0);
	assert_int_equal(world->left, 0);
	assert_true(hub_is_empty(world->hub));
}

static void a_mesh_stays_warm_for_a_while(void **state)
{
	struct socket *a = world_join("a");

	(void)state;
	world_disconnect(a);
	world_pass(29999);
	assert_non_null(world_mesh());
	world_pass(1);
	assert_null(world_mesh());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_newcomer_gets_the_roster_and_the_others_get_the_newcomer),
		TEST(who_accepts_a_roster_gets_it_as_one_message),
		TEST(nothing_is_read_until_the_own_presence_came_back),
		TEST(what_comes_while_joining_comes_after_the_roster),
		TEST(a_second_tab_joins_without_asking_redis),
		TEST(a_second_tab_with_other_data_announces_them),
		TEST(another_owner_is_told_that_the_id_is_taken),
		TEST(another_owner_on_the_same_node_too),
		TEST(a_full_redis_refuses),
		TEST(an_outage_while_joining_is_survived),
		TEST(an_event_that_never_comes_is_asked_for_again),
		TEST(after_five_seconds_the_client_may_try_again),
		TEST(who_does_not_join_is_closed),
		TEST(who_tries_while_the_bus_is_away_is_not_closed),
		TEST(a_full_mesh_refuses_newcomers_but_not_more_tabs),
		TEST(a_storm_of_newcomers_takes_turns),
		TEST(who_goes_while_waiting_leaves_no_trace),
		TEST(a_mesh_stays_warm_for_a_while),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
