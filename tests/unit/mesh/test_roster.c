/* The roster: who is online, by events and by snapshots that are read while events go on. */
#include "mesh/roster.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define AGENT_MS 30000
#define A SLICE("a")
#define B SLICE("b")
#define MESSAGE(data) SLICE("{\"type\":\"presence\",\"from\":\"a\",\"data\":" data "}")

static int set_up(void **state)
{
	*state = roster_create(AGENT_MS);
	return 0;
}

static int tear_down(void **state)
{
	roster_destroy(*state);
	return 0;
}

static void only_a_change_of_data_is_news(void **state)
{
	struct roster *roster = *state;

	assert_true(roster_put(roster, A, MESSAGE("{\"n\":1}"), 100, 0));
	uint64_t version = roster_version(roster);
	assert_false(roster_put(roster, A, SLICE("{\"data\":{\"n\":1},\"timestamp\":5}"), 200, 0));
	assert_int_equal(roster_version(roster), version);
	assert_int_equal(roster_find(roster, A)->seen_ms, 200);
	assert_true(roster_put(roster, A, MESSAGE("{\"n\":2}"), 300, 0));
	assert_int_equal(roster_size(roster), 1);
}

static void what_is_no_object_changes_nothing(void **state)
{
	struct roster *roster = *state;

	assert_false(roster_put(roster, A, SLICE("17"), 100, 0));
	assert_null(roster_find(roster, A));
}

static void offline_is_told_once(void **state)
{
	struct roster *roster = *state;

	roster_put(roster, A, MESSAGE("1"), 100, 0);
	assert_true(roster_remove(roster, A));
	assert_false(roster_remove(roster, A));
	assert_false(roster_remove(roster, B));
}

static void an_agent_has_every_peer_that_names_it(void **state)
{
	struct roster *roster = *state;
	struct peer *peers[4];

	roster_put(roster, A, MESSAGE("{\"agents\":[\"x\",\"y\"]}"), 100, 0);
	roster_put(roster, B, MESSAGE("{\"agents\":[\"y\",7,\"y\"]}"), 100, 0);
	assert_int_equal(roster_with_agent(roster, SLICE("y"), 0, peers, 4), 2);
	assert_int_equal(roster_with_agent(roster, SLICE("y"), 0, peers, 1), 1);
	assert_int_equal(roster_with_agent(roster, SLICE("x"), 0, peers, 4), 1);
	assert_true(slice_equal(peer_id(peers[0]), A));
	assert_int_equal(roster_with_agent(roster, SLICE("z"), 0, peers, 4), 0);
	roster_remove(roster, A);
	assert_int_equal(roster_with_agent(roster, SLICE("x"), 0, peers, 4), 0);
}

/* Two tabs of a peer announce in turn: both tabs' agents must stay in reach. */
static void an_agent_stays_addressable_for_a_while(void **state)
{
	struct roster *roster = *state;
	struct peer *peers[4];

	roster_put(roster, A, MESSAGE("{\"agents\":[\"x\"]}"), 100, 0);
	roster_put(roster, A, MESSAGE("{\"agents\":[\"y\"]}"), 100, 1000);
	assert_int_equal(roster_with_agent(roster, SLICE("x"), 1000 + AGENT_MS - 1, peers, 4), 1);
	assert_int_equal(roster_with_agent(roster, SLICE("x"), 1000 + AGENT_MS, peers, 4), 0);
	assert_true(roster_peer_has_agent(roster_find(roster, A), SLICE("y"), 1000 + AGENT_MS));
}

static void a_snapshot_does_not_undo_what_an_event_said(void **state)
{
	struct roster *roster = *state;

	roster_load_begin(roster);
	roster_put(roster, A, MESSAGE("\"new\""), 200,
	           0); /* came online, or changed, while it was read */
	roster_put(roster, B, MESSAGE("1"), 100, 0);
	roster_remove(roster, B); /* went offline while it was read */
	assert_false(roster_load_put(roster, A, MESSAGE("\"old\""), 100, 0));
	assert_false(roster_load_put(roster, B, MESSAGE("1"), 100, 0));
	assert_int_equal(roster_load_end(roster), 0);

	assert_true(slice_equal(roster_find(roster, A)->parsed.data, SLICE("\"new\"")));
	assert_null(roster_find(roster, B));
}

static void who_is_unknown_goes_offline_is_not_raised_either(void **state)
{
	struct roster *roster = *state;

	roster_load_begin(roster);
	assert_false(roster_remove(roster, A));
	assert_false(roster_load_put(roster, A, MESSAGE("1"), 100, 0));
	roster_load_end(roster);
	assert_null(roster_find(roster, A));
}

static void a_snapshot_brings_news_and_doubts(void **state)
{
	struct roster *roster = *state;

	roster_put(roster, A, MESSAGE("1"), 100, 0);
	roster_put(roster, B, MESSAGE("1"), 100, 0);
	roster_load_begin(roster);
	assert_true(roster_load_put(roster, A, MESSAGE("2"), 200, 0));
	assert_true(roster_load_put(roster, SLICE("c"), MESSAGE("1"), 200, 0));
	assert_int_equal(roster_load_end(roster), 1);
	assert_int_equal(roster_find(roster, A)->suspect, 0);
	assert_int_not_equal(roster_find(roster, B)->suspect, 0);

	roster_put(roster, B, MESSAGE("1"), 300, 0); /* an event clears it */
	assert_int_equal(roster_find(roster, B)->suspect, 0);
}

static void a_listing_without_presences_clears_doubts(void **state)
{
	struct roster *roster = *state;

	roster_put(roster, A, MESSAGE("1"), 100, 0);
	roster_load_begin(roster);
	assert_false(roster_load_put(roster, A, (struct slice){0}, 0, 0));
	assert_false(roster_load_put(roster, B, (struct slice){0}, 0,
	                             0)); /* unknown: nothing to take over */
	assert_int_equal(roster_load_end(roster), 0);
	assert_int_equal(roster_size(roster), 1);
}

static void clearing_forgets_everybody(void **state)
{
	struct roster *roster = *state;
	struct table_cursor cursor = {0};

	roster_put(roster, A, MESSAGE("{\"agents\":[\"x\"]}"), 100, 0);
	roster_load_begin(roster);
	roster_remove(roster, B);
	roster_clear(roster);
	assert_null(roster_next(roster, &cursor));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(only_a_change_of_data_is_news, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_no_object_changes_nothing, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(offline_is_told_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_agent_has_every_peer_that_names_it, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(an_agent_stays_addressable_for_a_while, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(a_snapshot_does_not_undo_what_an_event_said, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(who_is_unknown_goes_offline_is_not_raised_either,
	                                        set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_snapshot_brings_news_and_doubts, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(a_listing_without_presences_clears_doubts, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(clearing_forgets_everybody, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
