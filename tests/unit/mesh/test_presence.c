/* Presence after the join: changes, signs of life, repeats, storms, and the end. */
#include "world.h"

#include <stdio.h>

#include "../assert_slice.h"
#include "mesh/mesh.h"

#define SIXTH_MS (WORLD_TTL_MS / 6)

#define NEWS(id) "{\"type\":\"presence\",\"from\":\"" id "\",\"data\":{}}"
#define SAME_A "{\"type\":\"presence\",\"from\":\"a\",\"data\":{\"of\":\"a\"},\"timestamp\":9}"

static void an_unchanged_presence_is_a_heartbeat(void **state)
{
	struct socket *a = world_join("a");
	struct socket *b = world_join("b");
	unsigned announced = world->announced;

	(void)state;
	world_say(a, SAME_A);
	assert_int_equal(world->announced, announced);
	assert_string_equal(world_sent(b), "");
}

static void a_changed_one_is_told_at_most_every_quarter_second(void **state)
{
	struct socket *a = world_join("a");
	struct socket *b = world_join("b");

	(void)state;
	world_sent(a);
	world_pass(1000);
	world_say(a, "{\"type\":\"presence\",\"data\":1}"); /* `from` is filled in */
	assert_string_equal(world_sent(b), "{\"from\":\"a\",\"type\":\"presence\",\"data\":1}\n");
	world_say(a, "{\"type\":\"presence\",\"from\":\"a\",\"data\":2}");
	world_say(a, "{\"type\":\"presence\",\"from\":\"a\",\"data\":3}");
	assert_string_equal(world_sent(b), "");
	world_pass(250);
	assert_string_equal(world_sent(b), "{\"type\":\"presence\",\"from\":\"a\",\"data\":3}\n");
	assert_string_equal(world_sent(a), "");
}

static void a_heartbeat_with_other_agents_announces_them(void **state)
{
	struct socket *a = world_join("a");
	struct socket *b = world_join("b");

	(void)state;
	world_say(a, "{\"type\":\"heartbeat\",\"from\":\"a\",\"data\":{\"agents\":[\"x\"]}}");
	assert_non_null(strstr(world_sent(b), "\"agents\":[\"x\"]"));
	world_say(a, "{\"type\":\"heartbeat\",\"from\":\"a\",\"data\":{\"agents\":[\"x\"]}}");
	assert_string_equal(world_sent(b), "");
	world_say(b, "{\"type\":\"direct\",\"to\":\"x\"}");
	assert_string_equal(world_published(),
	                    "a {\"from\":\"b\",\"type\":\"direct\",\"to\":\"x\"}\n");
}

static void a_presence_has_bounds(void **state)
{
	struct socket *a = world_join("a");
	struct buffer message = {0};

	(void)state;
	world_say(
		a,
		"{\"type\":\"presence\",\"from\":\"a\",\"data\":{\"agents\":[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\","
		"\"7\",\"8\",\"9\"]}}");
	assert_non_null(strstr(world_sent(a), "invalid_message"));
	buffer_printf(&message, "{\"type\":\"presence\",\"from\":\"a\",\"data\":\"%08192d\"}%c", 0,
	              0);
	world_say(a, message.data);
	assert_non_null(strstr(world_sent(a), "too_large"));
	buffer_fini(&message);
}

/* At once when the last write is a sixth of the TTL ago, else then, with the age of the last message. */
static void signs_of_life_are_written_sparingly_and_exactly(void **state)
{
	struct socket *a = world_join("a");

	(void)state;
	world_pass(100);
	world_say(a, "{\"type\":\"heartbeat\"}");
	assert_int_equal(world->refreshed, 0);
	world_pass(100);
	world_say(a, "{\"type\":\"heartbeat\"}");
	uint64_t heard = world_now();
	world_pass(SIXTH_MS - 200);
	assert_int_equal(world->refreshed, 1);
	assert_int_equal(world->refreshed_heard_ms, heard);

	world_pass(SIXTH_MS);
	world_say(a, "{\"type\":\"broadcast\"}");
	assert_int_equal(world->refreshed, 2); /* at once */
	assert_int_equal(world->refreshed_heard_ms, world_now());
}

static void pongs_count_only_if_asked_for(void **state)
{
	struct socket *a = world_join("a");

	(void)state;
	world_pass(SIXTH_MS);
	connection_pong(a->connection);
	assert_int_equal(world->refreshed, 0);
}

static void let_pongs_count(struct hub_settings *settings)
{
	settings->liveness_pongs = true;
}

static void pongs_count_if_asked_for(void **state)
{
	(void)state;
	world_set_up_with(let_pongs_count);
	struct socket *a = world_join("a");
	world_pass(SIXTH_MS);
	connection_pong(a->connection);
	assert_int_equal(world->refreshed, 1);
}

static void offline_is_told_to_everybody_else_once(void **state)
{
	struct socket *a = world_join("a");

	(void)state;
	world_other_presence("b", "{\"type\":\"presence\",\"from\":\"b\",\"data\":1}");
	world_sent(a);
	world_other_offline("b");
	const char *sent = world_sent(a);
	assert_non_null(strstr(
		sent, "{\"type\":\"presence\",\"from\":\"b\",\"data\":{\"status\":\"offline\"}"));
	world_other_offline("b");
	assert_string_equal(world_sent(a), "");
}

/* A frozen node, an outage, another node's mistake: the client did nothing wrong. */
static void a_living_peer_that_was_told_offline_is_announced_again(void **state)
{
	struct socket *a = world_join("a");
	struct socket *b = world_join("b");

	(void)state;
	world_pass(WORLD_TTL_MS - 1);
	world_sent(a);
	world_sent(b);
	world_other_offline("a");
	assert_int_equal(a->closed, 0);
	const char *sent = world_sent(b);
	assert_non_null(strstr(sent, "\"status\":\"offline\""));
	assert_non_null(strstr(sent, "{\"of\":\"a\"}"));
	assert_string_equal(world_sent(a), "");
}

static void a_silent_peer_that_was_told_offline_is_closed(void **state)
{
	struct socket *a = world_join("a");

	(void)state;
	world_pass(WORLD_TTL_MS);
	world_other_offline("a");
	assert_int_equal(a->closed, CLOSE_HEARTBEAT);
	assert_int_equal(world->left, 0); /* Redis knows already */
}

static void a_lost_lease_is_taken_again(void **state)
{
	struct socket *a = world_join("a");
	unsigned announced = world->announced;

	(void)state;
	lease_lost(connection_lease(a->connection));
	assert_int_equal(world->announced, announced + 1);
	assert_int_equal(a->closed, 0);
}

static void recovery_restates_the_living_and_lets_the_silent_lapse(void **state)
{
	struct socket *a = world_join("a");
	struct lease *lease = connection_lease(a->connection);
	struct announcement announcement;

	(void)state;
	assert_true(lease_restate(lease, &announcement));
	assert_false(announcement.loud);
	assert_slice(announcement.message,
	             "{\"type\":\"presence\",\"from\":\"a\",\"data\":{\"of\":\"a\"}}");

	world->answer = ANNOUNCE_LOST; /* a change that got lost must be told loudly */
	world_pass(1000);
	world_say(a, "{\"type\":\"presence\",\"from\":\"a\",\"data\":2}");
	assert_true(lease_restate(lease, &announcement));
	assert_true(announcement.loud);
	assert_slice(announcement.message, "{\"type\":\"presence\",\"from\":\"a\",\"data\":2}");

	world_pass(WORLD_TTL_MS);
	assert_false(lease_restate(lease, &announcement));
}

static void a_change_is_restated_until_it_has_come_back(void **state)
{
	const char *changed = "{\"type\":\"presence\",\"from\":\"a\",\"data\":2}";
	struct socket *a = world_join("a");
	struct lease *lease = connection_lease(a->connection);
	struct announcement announcement;

	(void)state;
	world->mute = true; /* the bus breaks between the answer and the event */
	world_pass(1000);
	world_say(a, changed);
	world_settle();
	assert_true(lease_restate(lease, &announcement));
	assert_true(announcement.loud);
	assert_slice(announcement.message, changed);

	world_other_presence("a", changed);
	assert_true(lease_restate(lease, &announcement));
	assert_false(announcement.loud);
	assert_slice(announcement.message, changed);
}

static void a_peer_twice_in_one_parcel_hears_neither(void **state)
{
	struct socket *a = world_join("a");
	struct socket *b = world_join("b");

	(void)state;
	world_sent(a);
	world_other_presence_twice("a", "{\"type\":\"presence\",\"from\":\"a\",\"data\":2}",
	                           "{\"type\":\"presence\",\"from\":\"a\",\"data\":3}");
	assert_string_equal(world_sent(a), "{\"type\":\"presence\",\"from\":\"between\"}\n");
	assert_string_equal(world_sent(b), "{\"type\":\"presence\",\"from\":\"a\",\"data\":2}\n"
	                                   "{\"type\":\"presence\",\"from\":\"between\"}\n"
	                                   "{\"type\":\"presence\",\"from\":\"a\",\"data\":3}\n");
}

static void who_changes_while_redis_is_full_is_told(void **state)
{
	struct socket *a = world_join("a");

	(void)state;
	world->answer = ANNOUNCE_REFUSED;
	world_pass(1000);
	world_say(a, "{\"type\":\"presence\",\"from\":\"a\",\"data\":2}");
	world_settle();
	assert_non_null(strstr(world_sent(a), "bus_unavailable"));

	world->answer = ANNOUNCE_KEPT;
	world_pass(1000);
	unsigned announced = world->announced;
	world_say(a, "{\"type\":\"presence\",\"from\":\"a\",\"data\":2}");
	assert_int_equal(world->announced, announced + 1);
}

static void leaving_by_presence_keeps_the_connection_and_its_id(void **state)
{
	struct socket *a = world_join("a");

	(void)state;
	world_say(a, "{\"type\":\"presence\",\"from\":\"a\",\"data\":{\"status\":\"offline\"}}");
	assert_int_equal(world->left, 1);
	world_say(a, "{\"type\":\"broadcast\"}");
	assert_non_null(strstr(world_sent(a), "no_presence"));
	world_say(a, "{\"type\":\"presence\",\"from\":\"b\",\"data\":{}}");
	assert_non_null(strstr(world_sent(a), "from_mismatch"));
	world_say(a, SAME_A);
	assert_true(connection_is_joined(a->connection));
	world_pass(WORLD_TTL_MS);
	assert_int_equal(a->closed, 0);
}

static void while_draining_a_lease_outlives_its_last_connection(void **state)
{
	struct socket *a = world_join("a");

	(void)state;
	hub_drain(world->hub);
	assert_true(world_listens("a"));
	world_disconnect(a);
	assert_false(world_listens("a")); /* who sends to it now is told */
	world_pass(2999);
	assert_int_equal(world->left, 0);
	assert_false(hub_is_empty(world->hub));
	world_pass(1);
	assert_int_equal(world->left, 1);
	assert_true(hub_is_empty(world->hub));
}

static void a_lease_that_outlives_its_connection_can_be_taken_up_again(void **state)
{
	struct socket *a = world_join("a");

	(void)state;
	hub_drain(world->hub);
	world_disconnect(a);
	world_pass(1000);
	struct socket *again = world_join("a");
	assert_true(connection_is_joined(again->connection));
	assert_true(world_listens("a"));
	world_pass(3000);
	assert_int_equal(world->left, 0);
}

static void repeat_every_16_s(struct hub_settings *settings)
{
	settings->presence_repeat_ms = 16000;
}

static void the_roster_is_repeated_to_who_did_not_accept_events(void **state)
{
	(void)state;
	world_set_up_with(repeat_every_16_s);
	struct socket *a = world_join("a");
	struct socket *b = world_join("b");
	struct socket *c = world_join("c");
	world_say(c, "{\"type\":\"capabilities\",\"data\":{\"accept\":[\"events\"]}}");
	b->backlog = 1; /* behind: left out */
	world_sent(a);
	world_sent(b);
	world_sent(c);

	world_pass(17000);
	const char *sent = world_sent(a);
	assert_null(strstr(sent, "\"from\":\"a\""));
	assert_non_null(strstr(sent, "\"from\":\"b\""));
	assert_non_null(strstr(sent, "\"from\":\"c\""));
	assert_string_equal(world_sent(b), "");
	assert_string_equal(world_sent(c), "");
	world_pass(16000);
	assert_non_null(strstr(world_sent(a), "\"from\":\"b\""));
}

/* Another node may yet announce them again: only Redis's word, later, makes it sure. */
static void peers_that_a_snapshot_lacks_are_doubted_then_checked(void **state)
{
	struct socket *a = world_join("a");

	(void)state;
	world_other_presence("b", "{\"type\":\"presence\",\"from\":\"b\",\"data\":1}");
	world_other_presence("c", "{\"type\":\"presence\",\"from\":\"c\",\"data\":1}");
	world_sent(a);
	world->missing = SLICE("b");
	world_reconnect();
	world_say(a, SAME_A);
	world_pass(WORLD_TTL_MS);
	world_say(a, SAME_A);
	assert_null(strstr(world_sent(a), "offline"));
	world_pass(2 * WORLD_TTL_MS / 3);
	const char *sent = world_sent(a);
	assert_non_null(strstr(sent, "\"from\":\"b\",\"data\":{\"status\":\"offline\"}"));
	assert_null(strstr(sent, "\"from\":\"c\""));
}

static void after_a_loss_every_client_is_told_once(void **state)
{
	struct socket *a = world_join("a");
	struct socket *b = world_join("b");

	(void)state;
	world_sent(a);
	world_reconnect();
	world_pass(2000);
	struct socket *both[] = {a, b};
	for (int i = 0; i < 2; i++) {
		const char *sent = world_sent(both[i]);
		const char *first = strstr(sent, "\"type\":\"resync\"");
		assert_non_null(first);
		assert_null(strstr(first + 1, "\"type\":\"resync\""));
	}
}

/* Where there are many, news that come fast are told together: so many seats make a pause of 4 ms. */
#define MANY 20
#define PAUSE_MS 4

static struct socket *join_many(void)
{
	struct socket *first = world_join("a");
	char id[16];

	for (int i = 1; i < MANY; i++) {
		snprintf(id, sizeof(id), "a%d", i);
		world_join(id);
	}
	world_pass(2 * PAUSE_MS); /* all are told, and that was a while ago */
	world_sent(first);
	return first;
}

static void news_that_come_fast_are_told_together(void **state)
{
	struct socket *a = join_many();

	(void)state;
	world_other_presence("x", NEWS("x"));
	assert_string_equal(world_sent(a), NEWS("x") "\n");
	world_other_presence("y", NEWS("y"));
	world_other_presence("z", NEWS("z"));
	world_other_offline("y");
	world_pass(PAUSE_MS - 1);
	assert_string_equal(world_sent(a), "");
	world_pass(1);
	const char *sent = world_sent(a);
	assert_memory_equal(sent, NEWS("y") "\n" NEWS("z") "\n",
	                    strlen(NEWS("y") "\n" NEWS("z") "\n"));
	assert_non_null(strstr(sent, "\"from\":\"y\",\"data\":{\"status\":\"offline\"}"));
}

static void no_message_overtakes_the_news_of_its_sender(void **state)
{
	struct socket *a = join_many();

	(void)state;
	world_other_presence("x", NEWS("x"));
	world_other_presence("y", NEWS("y"));
	world_other_broadcast("y", "{\"type\":\"broadcast\"}");
	assert_string_equal(world_sent(a), NEWS("x") "\n" NEWS("y") "\n{\"type\":\"broadcast\"}\n");
	world_other_presence("z", NEWS("z"));
	world_other_direct("a", "z", "{\"type\":\"direct\",\"to\":\"a\"}");
	assert_string_equal(world_sent(a), NEWS("z") "\n{\"type\":\"direct\",\"to\":\"a\"}\n");
}

static void who_joins_while_news_are_gathered_has_them_from_the_roster(void **state)
{
	(void)state;
	join_many();
	world_other_presence("x", NEWS("x"));
	world_other_presence("y", NEWS("y"));
	struct socket *b = world_connect();
	world_say(b, NEWS("b"));
	world_settle();
	const char *roster = strstr(world_sent(b), "\"from\":\"y\"");
	assert_non_null(roster);
	world_other_presence("z", NEWS("z"));
	world_pass(PAUSE_MS + 1);
	assert_string_equal(world_sent(b), NEWS("z") "\n");
}

static void who_is_gathered_twice_hears_neither(void **state)
{
	struct socket *a = join_many();

	(void)state;
	world_other_presence("x", NEWS("x"));
	world_sent(a);
	world_other_presence("a", NEWS("a"));
	world_other_presence("y", NEWS("y"));
	world_other_presence("a", "{\"type\":\"presence\",\"from\":\"a\",\"data\":2}");
	world_pass(PAUSE_MS);
	assert_string_equal(world_sent(a), NEWS("y") "\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_unchanged_presence_is_a_heartbeat),
		TEST(a_changed_one_is_told_at_most_every_quarter_second),
		TEST(a_heartbeat_with_other_agents_announces_them),
		TEST(a_presence_has_bounds),
		TEST(signs_of_life_are_written_sparingly_and_exactly),
		TEST(pongs_count_only_if_asked_for),
		TEST(pongs_count_if_asked_for),
		TEST(offline_is_told_to_everybody_else_once),
		TEST(a_living_peer_that_was_told_offline_is_announced_again),
		TEST(a_silent_peer_that_was_told_offline_is_closed),
		TEST(a_lost_lease_is_taken_again),
		TEST(recovery_restates_the_living_and_lets_the_silent_lapse),
		TEST(a_change_is_restated_until_it_has_come_back),
		TEST(a_peer_twice_in_one_parcel_hears_neither),
		TEST(who_changes_while_redis_is_full_is_told),
		TEST(leaving_by_presence_keeps_the_connection_and_its_id),
		TEST(while_draining_a_lease_outlives_its_last_connection),
		TEST(a_lease_that_outlives_its_connection_can_be_taken_up_again),
		TEST(the_roster_is_repeated_to_who_did_not_accept_events),
		TEST(peers_that_a_snapshot_lacks_are_doubted_then_checked),
		TEST(after_a_loss_every_client_is_told_once),
		TEST(news_that_come_fast_are_told_together),
		TEST(no_message_overtakes_the_news_of_its_sender),
		TEST(who_joins_while_news_are_gathered_has_them_from_the_roster),
		TEST(who_is_gathered_twice_hears_neither),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
