/* The type table, the echo guard and the limits. */
#include "mesh/routing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "mesh/echo.h"
#include "mesh/hub.h"
#include "mesh/limits.h"

static enum route route_of(struct routing *routing, const char *type)
{
	return routing_row(routing, slice_of(type))->route;
}

static void every_type_has_its_route(void **state)
{
	struct routing *routing = routing_create("relay-log direct");

	(void)state;
	assert_int_equal(route_of(routing, "presence"), ROUTE_PRESENCE);
	assert_int_equal(route_of(routing, "heartbeat"), ROUTE_HEARTBEAT);
	assert_int_equal(route_of(routing, "capabilities"), ROUTE_CAPABILITIES);
	assert_int_equal(route_of(routing, "auth"), ROUTE_AUTH);
	assert_int_equal(route_of(routing, "broadcast"), ROUTE_ALL);
	for (const char *const *reply =
	             (const char *const[]){"stream", "ack", "turn_end", "error", NULL};
	     *reply; reply++)
		assert_int_equal(route_of(routing, *reply), ROUTE_REPLY);
	assert_int_equal(route_of(routing, "task-created"), ROUTE_ALL);
	assert_int_equal(route_of(routing, "relay-log"), ROUTE_DROPPED);
	assert_int_equal(route_of(routing, "relay-logs"), ROUTE_ALL);
	assert_int_equal(route_of(routing, "direct"), ROUTE_DROPPED); /* the list beats the table */
	routing_destroy(routing);
	metrics_reset();
}

static void what_only_the_relay_says_is_reserved(void **state)
{
	static const char *const types[] = {
		"drain",         "resync",         "roster",
		"cursor",        "receipt",        "trace",
		"auth_response", "auth_expiring",  "capabilities_response",
		"relay.",        "relay.anything", NULL};
	struct routing *routing = routing_create("");

	(void)state;
	for (const char *const *type = types; *type != NULL; type++)
		assert_int_equal(route_of(routing, *type), ROUTE_RESERVED);
	assert_int_equal(route_of(routing, "relay"), ROUTE_ALL);
	routing_destroy(routing);
	metrics_reset();
}

static void an_echo_is_the_same_of_another_peer_within_the_window(void **state)
{
	struct echo *echo = echo_create(5000);
	uint64_t digest = echo_digest(SLICE("invoke"), SLICE("{\"n\":1}"));

	(void)state;
	assert_int_not_equal(digest, echo_digest(SLICE("broadcast"), SLICE("{\"n\":1}")));
	assert_int_not_equal(digest, echo_digest(SLICE("invoke"), SLICE("{\"n\":2}")));
	echo_remember(echo, digest, SLICE("a"), 1000);
	assert_true(echo_heard(echo, digest, SLICE("b"), 1000));
	assert_true(echo_heard(echo, digest, SLICE("b"), 5999));
	assert_false(echo_heard(echo, digest, SLICE("b"), 6000));
	assert_false(echo_heard(echo, digest, SLICE("a"), 1000)); /* its own words again */
	echo_destroy(echo);
}

/* A page that is slow to echo must not find that the mesh has forgotten what it heard meanwhile. */
static void a_busy_mesh_remembers_all_of_the_window(void **state)
{
	struct echo *echo = echo_create(5000);
	char data[24];

	(void)state;
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 2000; i++) {
			snprintf(data, sizeof(data), "%d", i);
			uint64_t digest = echo_digest(SLICE("invoke"), slice_of(data));
			if (round == 0)
				echo_remember(echo, digest, SLICE("a"), 1000 + (uint64_t)i);
			assert_true(echo_heard(echo, digest, SLICE("b"), 5999));
			assert_false(echo_heard(echo, digest, SLICE("a"), 5999));
		}
	}
	echo_destroy(echo);
}

/* However many send the same, each is told from the others. */
static void several_may_have_sent_the_same(void **state)
{
	static const char *const peers[] = {"a", "b", "c", "d"};
	struct echo *echo = echo_create(5000);

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		echo_remember(echo, 7, slice_of(peers[i]), 1000 + i);
		for (size_t j = 0; j < 4; j++)
			assert_int_equal(echo_heard(echo, 7, slice_of(peers[j]), 1000 + i),
			                 i > 0 || j > 0);
	}
	assert_true(echo_heard(echo, 7, SLICE("d"), 6001)); /* c, at 1002 */
	assert_false(echo_heard(echo, 7, SLICE("d"), 6002));
	echo_destroy(echo);
}

/* Messages made so that they fall into one set are forgotten for one another, and cost no memory. */
static void who_picks_digests_gets_no_larger_table(void **state)
{
	struct echo *echo = echo_create(5000);

	(void)state;
	for (uint64_t i = 1; i <= 1000; i++)
		echo_remember(echo, i << 32, SLICE("a"), 1000 + i);
	assert_true(echo_heard(echo, (uint64_t)1000 << 32, SLICE("b"), 2000));
	assert_false(echo_heard(echo, (uint64_t)900 << 32, SLICE("b"), 2000));
	echo_destroy(echo);
}

/* 10 a second: 10 pass, 100 are refused, then it is a flood. */
static void limits_pass_then_refuse_then_give_up(void **state)
{
	const struct hub_settings settings = {.messages_per_second = 10};
	struct limits limits;

	(void)state;
	limits_init(&limits, &settings, 0);
	for (int i = 0; i < 10; i++)
		assert_int_equal(limits_take(&limits, 1, 0), LIMITS_PASS);
	for (int i = 0; i < 100; i++)
		assert_int_equal(limits_take(&limits, 1, 0), LIMITS_REFUSE);
	assert_int_equal(limits_take(&limits, 1, 0), LIMITS_FLOOD);
	assert_int_equal(limits_take(&limits, 1, 100), LIMITS_PASS); /* 100 ms bring one token */
	assert_int_equal(limits_take(&limits, 1, 100), LIMITS_REFUSE);
}

static void bytes_are_limited_by_themselves(void **state)
{
	const struct hub_settings settings = {.bytes_per_second = 1000};
	struct limits limits;

	(void)state;
	limits_init(&limits, &settings, 0);
	assert_int_equal(limits_take(&limits, 900, 0), LIMITS_PASS);
	assert_int_equal(limits_take(&limits, 101, 0), LIMITS_REFUSE);
	assert_int_equal(limits_take(&limits, 100, 0), LIMITS_PASS);
}

static void twenty_faults_are_borne(void **state)
{
	const struct hub_settings settings = {0};
	struct limits limits;

	(void)state;
	limits_init(&limits, &settings, 0);
	for (int i = 0; i < 20; i++)
		assert_true(limits_take_fault(&limits, 0));
	assert_false(limits_take_fault(&limits, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_type_has_its_route),
		cmocka_unit_test(what_only_the_relay_says_is_reserved),
		cmocka_unit_test(an_echo_is_the_same_of_another_peer_within_the_window),
		cmocka_unit_test(a_busy_mesh_remembers_all_of_the_window),
		cmocka_unit_test(several_may_have_sent_the_same),
		cmocka_unit_test(who_picks_digests_gets_no_larger_table),
		cmocka_unit_test(limits_pass_then_refuse_then_give_up),
		cmocka_unit_test(bytes_are_limited_by_themselves),
		cmocka_unit_test(twenty_faults_are_borne),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
