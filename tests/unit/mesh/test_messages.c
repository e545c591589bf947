/* Messages between peers: who may send them, who gets them, and what the sender hears of it. */
#include <stdio.h>

#include "world.h"

#include "../assert_slice.h"
#include "common/metrics.h"
#include "mesh/mesh.h"

static void assert_refused(struct socket *socket, const char *message, const char *code)
{
	world_sent(socket);
	world_published();
	world_say(socket, message);
	const char *sent = world_sent(socket);
	if (strstr(sent, "\"type\":\"error\"") == NULL || strstr(sent, code) == NULL)
		fail_msg("%s: wanted error %s, was sent: %s", message, code, sent);
	assert_string_equal(world_published(), "");
}

static void a_broadcast_goes_to_all_but_the_peer_untouched(void **state)
{
	struct socket *a = world_join("a");
	struct socket *tab = world_join("a");
	struct socket *b = world_join("b");
	const char *message =
		" { \"data\" : [1.0e5,\"\\u00e9\"], \"from\":\"a\" ,\"type\":\"broadcast\",\"x\":null}";

	(void)state;
	world_sent(a);
	world_sent(tab);
	world_say(a, message);
	const char *sent = world_sent(b);
	assert_memory_equal(sent, message, strlen(message));
	assert_string_equal(world_sent(a), "");
	assert_string_equal(world_sent(tab), "");
}

static void only_missing_names_are_inserted(void **state)
{
	struct socket *a = world_join("a");

	(void)state;
	world_say(a, "{\"type\":\"ack\"}");
	world_say(a, "{\"type\":\"ack\",\"from\":\"agent\"}");
	world_say(a, "{\"type\":\"ack\",\"from\":\"agent\",\"instanceId\":\"a\"}");
	world_say(a, "{\"type\":\"ack\",\"instanceId\":\"a\"}");
	assert_string_equal(world_published(),
	                    "* {\"from\":\"a\",\"type\":\"ack\"}\n"
	                    "* {\"instanceId\":\"a\",\"type\":\"ack\",\"from\":\"agent\"}\n"
	                    "* {\"type\":\"ack\",\"from\":\"agent\",\"instanceId\":\"a\"}\n"
	                    "* {\"from\":\"a\",\"type\":\"ack\",\"instanceId\":\"a\"}\n");
}

static void nobody_sends_under_another_name(void **state)
{
	struct socket *a = world_join("a");

	(void)state;
	world_join("b");
	assert_refused(a, "{\"type\":\"broadcast\",\"from\":\"b\"}", "from_mismatch");
	assert_refused(a, "{\"type\":\"broadcast\",\"from\":\"relay\"}", "from_mismatch");
	assert_refused(a, "{\"type\":\"broadcast\",\"from\":\"x\",\"instanceId\":\"b\"}",
	               "from_mismatch");
	assert_refused(a, "{\"type\":\"presence\",\"from\":\"c\",\"data\":{}}", "from_mismatch");
	assert_refused(a, "{\"type\":\"presence\",\"from\":\"a\",\"instanceId\":\"b\",\"data\":{}}",
	               "from_mismatch");
}

static void strict_names(struct hub_settings *settings)
{
	settings->from_announced = true;
}

static void strictly_only_announced_agents_may_be_named(void **state)
{
	(void)state;
	world_set_up_with(strict_names);
	struct socket *a = world_connect();
	world_say(a, "{\"type\":\"presence\",\"from\":\"a\",\"data\":{\"agents\":[\"x\"]}}");
	world_say(a, "{\"type\":\"ack\",\"from\":\"x\"}");
	assert_string_equal(world_published(),
	                    "* {\"instanceId\":\"a\",\"type\":\"ack\",\"from\":\"x\"}\n");
	assert_refused(a, "{\"type\":\"ack\",\"from\":\"y\"}", "from_mismatch");

	/* In the order sent, also when both come at once. */
	connection_receive(
		a->connection,
		SLICE("{\"type\":\"presence\",\"from\":\"a\",\"data\":{\"agents\":[\"z\"]}}"));
	connection_receive(a->connection, SLICE("{\"type\":\"ack\",\"from\":\"z\"}"));
	world_settle();
	assert_string_equal(world_sent(a), "");
}

static void without_presence_nothing_is_sent(void **state)
{
	struct socket *a = world_connect();

	(void)state;
	assert_refused(a, "{\"type\":\"broadcast\",\"from\":\"a\",\"id\":\"m1\"}", "no_presence");
	assert_refused(a, "{\"type\":\"heartbeat\",\"from\":\"a\"}", "no_presence");
	assert_refused(a, "{\"type\":\"presence\",\"data\":{}}", "invalid_message");
	assert_refused(a, "{\"type\":\"presence\",\"from\":\"relay\",\"data\":{}}",
	               "from_mismatch");
	assert_refused(a, "{\"type\":\"auth\",\"data\":{\"token\":\"x\"}}", "invalid_message");
}

static void a_direct_goes_to_the_instance_then_the_peer_then_the_agent(void **state)
{
	struct socket *a = world_join("a");

	(void)state;
	world_other_presence(
		"b", "{\"type\":\"presence\",\"from\":\"b\",\"data\":{\"agents\":[\"x\",\"c\"]}}");
	world_other_presence(
		"c", "{\"type\":\"presence\",\"from\":\"c\",\"data\":{\"agents\":[\"x\"]}}");
	world_say(a, "{\"type\":\"direct\",\"to\":\"x\",\"targetInstanceId\":\"c\"}");
	assert_memory_equal(world_published(), "c {", 3);
	world_say(a,
	          "{\"type\":\"direct\",\"to\":\"c\"}"); /* a peer before an agent of that name */
	assert_memory_equal(world_published(), "c {", 3);
	world_say(a, "{\"type\":\"direct\",\"to\":\"x\",\"targetInstanceId\":null}");
	const char *published = world_published();
	assert_non_null(strstr(published, "b {"));
	assert_non_null(strstr(published, "c {"));
}

static void a_direct_without_a_name_is_refused(void **state)
{
	struct socket *a = world_join("a");

	(void)state;
	assert_refused(a, "{\"type\":\"direct\",\"data\":1}", "invalid_message");
	assert_refused(a, "{\"type\":\"direct\",\"to\":null}", "invalid_message");
}

static void a_direct_that_nobody_heard_is_answered(void **state)
{
	struct socket *a = world_join("a");

	(void)state;
	world_other_presence("b", "{\"type\":\"presence\",\"from\":\"b\",\"data\":1}");
	world_sent(a);
	world->nobody = "b";
	world_say(a, "{\"type\":\"direct\",\"to\":\"b\",\"turnId\":\"t1\"}");
	const char *sent = world_sent(a);
	assert_non_null(strstr(sent, "\"code\":\"peer_unreachable\""));
	assert_non_null(strstr(sent, "\"id\":\"t1\""));
	assert_non_null(strstr(sent, "\"to\":\"b\""));

	world->nobody = "ghost";
	world_say(a, "{\"type\":\"direct\",\"targetInstanceId\":\"ghost\",\"id\":7}");
	sent = world_sent(a);
	assert_non_null(strstr(sent, "\"code\":\"peer_not_found\""));
	assert_non_null(strstr(sent, "\"id\":7"));

	/* The roster may be behind: only the bus knows that there is no such peer. */
	world_say(a, "{\"type\":\"direct\",\"to\":\"ghost\"}");
	assert_non_null(strstr(world_sent(a), "\"code\":\"peer_not_found\""));
}

static void a_direct_to_oneself_reaches_the_other_tabs(void **state)
{
	struct socket *a = world_join("a");
	struct socket *tab = world_join("a");

	(void)state;
	world_sent(a);
	world_say(a, "{\"type\":\"direct\",\"from\":\"a\",\"to\":\"a\"}");
	assert_string_equal(world_sent(a), "");
	assert_string_equal(world_sent(tab), "{\"type\":\"direct\",\"from\":\"a\",\"to\":\"a\"}\n");
}

static uint64_t delivered(void)
{
	return metric_counter("p2p_relay_messages_delivered_total", "", NULL, NULL)->value;
}

static const char *const bundle[] = {"a {1}", "a {2}", "malformed", "b {3}",
                                     "a {4}", "c {5}", NULL};

static void a_bundle_goes_in_order_to_all_but_each_sender(void **state)
{
	struct socket *a = world_join("a");
	struct socket *tab = world_join("a");
	struct socket *b = world_join("b");
	struct socket *d = world_join("d");

	(void)state;
	world_sent(a);
	world_sent(tab);
	world_sent(b);
	uint64_t before = delivered();
	world_bundle(WORLD_NODE, NULL, bundle);
	assert_string_equal(world_sent(a), "{3}\n{5}\n");
	assert_string_equal(world_sent(tab), "{3}\n{5}\n");
	assert_string_equal(world_sent(b), "{1}\n{2}\n{4}\n{5}\n");
	assert_string_equal(world_sent(d), "{1}\n{2}\n{3}\n{4}\n{5}\n");
	assert_int_equal(delivered() - before, 2 + 2 + 4 + 5);

	/* What was noted of the last one is over. */
	world_other_broadcast("c", "{6}");
	world_other_presence("e", "{\"type\":\"presence\",\"from\":\"e\"}");
	assert_string_equal(world_sent(a), "{6}\n{\"type\":\"presence\",\"from\":\"e\"}\n");
}

static void a_bundle_for_a_peer_reaches_its_tabs_in_order(void **state)
{
	struct socket *b = world_join("b");
	struct socket *tab = world_join("b");

	(void)state;
	world_sent(b);
	world_bundle(WORLD_OTHER_NODE, "b", bundle);
	assert_string_equal(world_sent(b), "{1}\n{2}\n{3}\n{4}\n{5}\n");
	assert_string_equal(world_sent(tab), "{1}\n{2}\n{3}\n{4}\n{5}\n");
}

static void a_direct_from_another_node_reaches_every_tab(void **state)
{
	struct socket *a = world_join("a");
	struct socket *tab = world_join("a");

	(void)state;
	world_sent(a);
	world_other_direct("a", "b", "{\"type\":\"direct\"}");
	assert_string_equal(world_sent(a), "{\"type\":\"direct\"}\n");
	assert_string_equal(world_sent(tab), "{\"type\":\"direct\"}\n");
}

static void answer_only_who_asked(struct hub_settings *settings)
{
	settings->replies_to_target = true;
}

static void replies_go_to_their_target_if_so_set(void **state)
{
	(void)state;
	world_set_up_with(answer_only_who_asked);
	struct socket *a = world_join("a");
	world_join("b");
	world_say(a, "{\"type\":\"stream\",\"from\":\"a\",\"to\":\"b\"}");
	world_say(a, "{\"type\":\"stream\",\"from\":\"a\",\"to\":\"nobody\"}");
	world_say(a, "{\"type\":\"stream\",\"from\":\"a\",\"targetInstanceId\":\"nobody\"}");
	world_say(a, "{\"type\":\"stream\",\"from\":\"a\"}");
	world_say(a, "{\"type\":\"broadcast\",\"from\":\"a\",\"to\":\"b\"}");
	assert_string_equal(
		world_published(),
		"b {\"type\":\"stream\",\"from\":\"a\",\"to\":\"b\"}\n"
		"* {\"type\":\"stream\",\"from\":\"a\",\"to\":\"nobody\"}\n"
		"* {\"type\":\"stream\",\"from\":\"a\",\"targetInstanceId\":\"nobody\"}\n"
		"* {\"type\":\"stream\",\"from\":\"a\"}\n"
		"* {\"type\":\"broadcast\",\"from\":\"a\",\"to\":\"b\"}\n");
}

static void replies_go_to_all_otherwise(void **state)
{
	struct socket *a = world_join("a");

	(void)state;
	world_join("b");
	world_say(a, "{\"type\":\"stream\",\"from\":\"a\",\"to\":\"b\"}");
	assert_memory_equal(world_published(), "* {", 3);
}

static void dropped_and_reserved_types_go_nowhere(void **state)
{
	struct socket *a = world_join("a");

	(void)state;
	world_say(a, "{\"type\":\"relay-log\",\"from\":\"b\"}");
	assert_string_equal(world_published(), "");
	assert_string_equal(world_sent(a), "");
	assert_refused(a, "{\"type\":\"resync\"}", "reserved_type");
	assert_refused(a, "{\"type\":\"relay.x\"}", "reserved_type");
}

static void echoes_are_dropped_and_told_once_a_minute(void **state)
{
	struct socket *a = world_join("a");

	(void)state;
	world_other_broadcast("b", "{}"); /* without a digest: never remembered */
	world_say(a, "{\"type\":\"invoke\",\"data\":1,\"timestamp\":1}");
	struct socket *c = world_join("c");
	world_published();
	assert_refused(c, "{\"type\":\"invoke\",\"data\":1}", "echo_suppressed");
	world_say(c, "{\"type\":\"invoke\",\"data\":1}");
	assert_string_equal(world_sent(c), "");                            /* told already */
	world_say(c, "{\"type\":\"invoke\",\"data\":1,\"turnId\":\"t\"}"); /* meant */
	world_say(c, "{\"type\":\"invoke\",\"data\":2}");
	world_say(c, "{\"type\":\"other\",\"data\":1}");
	const char *published = world_published();
	assert_non_null(strstr(published, "turnId"));
	assert_non_null(strstr(published, "\"data\":2"));
	assert_non_null(strstr(published, "other"));
	world_pass(5000);
	world_say(c, "{\"type\":\"invoke\",\"data\":1}");
	assert_string_not_equal(world_published(), "");
}

static void what_can_not_be_read_is_answered_and_then_closed(void **state)
{
	struct socket *a = world_join("a");

	(void)state;
	for (int i = 0; i < 20; i++)
		assert_refused(
			a,
			i % 2 == 0 ? "[]"
				   : "{\"type\":\"broadcast\",\"from\":\"a\",\"fr\\u006fm\":\"b\"}",
			"invalid_message");
	world_say(a, "nonsense");
	assert_int_equal(a->closed, CLOSE_POLICY);
}

static void the_answer_to_a_bad_message_has_its_id(void **state)
{
	struct socket *a = world_join("a");

	(void)state;
	world_say(a, "{\"type\":\"direct\",\"to\":7,\"turnId\":\"t9\"}");
	const char *sent = world_sent(a);
	assert_non_null(strstr(sent, "invalid_message"));
	assert_non_null(strstr(sent, "\"type\":\"direct\""));
	assert_non_null(strstr(sent, "\"id\":\"t9\""));
}

static void text_that_is_not_utf8_ends_the_connection(void **state)
{
	struct socket *a = world_join("a");

	(void)state;
	world_say(a, "{\"type\":\"broadcast\",\"data\":\"\xff\"}");
	assert_int_equal(a->closed, CLOSE_NOT_UTF8);
	assert_int_equal(world->left, 1);
}

static void two_a_second(struct hub_settings *settings)
{
	settings->messages_per_second = 2;
}

static void a_flood_is_refused_and_then_closed(void **state)
{
	(void)state;
	world_set_up_with(two_a_second);
	struct socket *a = world_join("a");
	world_say(a, "{\"type\":\"broadcast\"}");
	assert_refused(a, "{\"type\":\"broadcast\"}", "rate_limited");
	for (int i = 0; i < 19; i++)
		world_say(a, "{\"type\":\"broadcast\"}");
	assert_int_equal(a->closed, 0);
	world_say(a, "{\"type\":\"broadcast\"}");
	assert_int_equal(a->closed, CLOSE_FLOODING);
}

static void a_full_queue_is_told_and_a_pressed_bus_holds_senders_back(void **state)
{
	struct socket *a = world_join("a");

	(void)state;
	world->queue_full = true;
	world_say(a, "{\"type\":\"broadcast\"}");
	const char *sent = world_sent(a);
	assert_non_null(strstr(sent, "bus_unavailable"));
	assert_non_null(strstr(sent, "\"delivered\":\"no\""));
	world->queue_full = false;

	world->pressed = true;
	assert_true(a->reading); /* who sends nothing is not held back */
	world_say(a, "{\"type\":\"broadcast\"}");
	assert_false(a->reading);
	world->pressed = false;
	mesh_relieved(world_mesh());
	assert_true(a->reading);
}

static void a_fresh_token_is_shown_to_the_edge(void **state)
{
	struct socket *a = world_connect(); /* before a presence: the token may end at any time */
	char message[AUTH_TOKEN_BYTES_MAX + 100];

	(void)state;
	world->authorized = AUTHORIZED;
	world_say(a, "{\"type\":\"auth\",\"data\":{\"token\":\"x.\\u0079.z\"}}");
	assert_string_equal(world_token(), "x.y.z");
	const char *sent = world_sent(a);
	assert_non_null(strstr(sent, "\"auth_response\""));
	assert_non_null(strstr(sent, "\"expires_at\":1760000000"));

	connection_auth_expiring(a->connection, 1760000000000);
	assert_non_null(strstr(world_sent(a), "{\"type\":\"auth_expiring\",\"from\":\"relay\","
	                                      "\"data\":{\"expires_at\":1760000000}"));

	snprintf(message, sizeof(message), "{\"type\":\"auth\",\"data\":{\"token\":\"%0*d\"}}",
	         AUTH_TOKEN_BYTES_MAX + 1, 0);
	assert_refused(a, message, "unauthorized");
	assert_refused(a, "{\"type\":\"auth\"}", "unauthorized");
	assert_refused(a, "{\"type\":\"auth\",\"data\":{\"token\":7}}", "unauthorized");
	assert_string_equal(world_token(), "");
}

static void the_answer_to_a_token_says_why(void **state)
{
	static const struct {
		enum authorized authorized;
		const char *code;
	} answers[] = {
		{AUTHORIZED_NOT, "unauthorized"},
		{AUTHORIZED_OTHER, "unauthorized"},
		{AUTHORIZED_LATER, "unauthorized"},
		{AUTHORIZED_TOO_OFTEN, "rate_limited"},
		{AUTHORIZED_WITHOUT_ANY, "invalid_message"},
	};
	struct socket *a = world_connect();

	(void)state;
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		world->authorized = answers[i].authorized;
		assert_refused(a, "{\"type\":\"auth\",\"data\":{\"token\":\"secret\"}}",
		               answers[i].code);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_broadcast_goes_to_all_but_the_peer_untouched),
		TEST(only_missing_names_are_inserted),
		TEST(nobody_sends_under_another_name),
		TEST(strictly_only_announced_agents_may_be_named),
		TEST(without_presence_nothing_is_sent),
		TEST(a_direct_goes_to_the_instance_then_the_peer_then_the_agent),
		TEST(a_direct_without_a_name_is_refused),
		TEST(a_direct_that_nobody_heard_is_answered),
		TEST(a_direct_to_oneself_reaches_the_other_tabs),
		TEST(a_bundle_goes_in_order_to_all_but_each_sender),
		TEST(a_bundle_for_a_peer_reaches_its_tabs_in_order),
		TEST(a_direct_from_another_node_reaches_every_tab),
		TEST(replies_go_to_their_target_if_so_set),
		TEST(replies_go_to_all_otherwise),
		TEST(dropped_and_reserved_types_go_nowhere),
		TEST(echoes_are_dropped_and_told_once_a_minute),
		TEST(what_can_not_be_read_is_answered_and_then_closed),
		TEST(the_answer_to_a_bad_message_has_its_id),
		TEST(text_that_is_not_utf8_ends_the_connection),
		TEST(a_flood_is_refused_and_then_closed),
		TEST(a_fresh_token_is_shown_to_the_edge),
		TEST(the_answer_to_a_token_says_why),
		TEST(a_full_queue_is_told_and_a_pressed_bus_holds_senders_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
