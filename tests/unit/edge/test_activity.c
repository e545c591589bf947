/*
 * Busy is a node with a socket, and for two minutes after; the time of the last change is that,
 * and not now.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "edge/activity.h"

/* Both clocks of the tests: seconds since the start, and the same on the wall. */
#define WALL 1700000000

static void open_at(struct activity *activity, uint64_t s)
{
	activity_opened(activity, s * 1000, WALL + s);
}

static void close_at(struct activity *activity, uint64_t s)
{
	activity_closed(activity, s * 1000, WALL + s);
}

static void check_at(const struct activity *activity, uint64_t s, bool busy, uint64_t changed_s)
{
	uint64_t changed = 1;

	assert_int_equal(activity_is_busy(activity, s * 1000, &changed), busy);
	assert_int_equal(changed, changed_s);
}

static void a_new_node_has_never_changed(void **state)
{
	struct activity activity = {0};

	(void)state;
	check_at(&activity, 0, false, 0);
	check_at(&activity, 1000, false, 0);
}

static void busy_until_two_minutes_after_the_last_socket(void **state)
{
	struct activity activity = {0};

	(void)state;
	open_at(&activity, 10);
	open_at(&activity, 20);
	check_at(&activity, 5000, true, WALL + 10);
	close_at(&activity, 6000);
	check_at(&activity, 6500, true, WALL + 10);
	close_at(&activity, 7000);
	check_at(&activity, 7119, true, WALL + 10);
	check_at(&activity, 7120, false, WALL + 7120);
	check_at(&activity, 9000, false, WALL + 7120);
}

static void a_socket_within_the_two_minutes_changes_nothing(void **state)
{
	struct activity activity = {0};

	(void)state;
	open_at(&activity, 10);
	close_at(&activity, 20);
	open_at(&activity, 100);
	check_at(&activity, 100, true, WALL + 10);
	close_at(&activity, 200);
	check_at(&activity, 319, true, WALL + 10);
	check_at(&activity, 320, false, WALL + 320);
	open_at(&activity, 400);
	check_at(&activity, 400, true, WALL + 400);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_new_node_has_never_changed),
		cmocka_unit_test(busy_until_two_minutes_after_the_last_socket),
		cmocka_unit_test(a_socket_within_the_two_minutes_changes_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
