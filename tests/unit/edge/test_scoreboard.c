/* What any of the workers says holds for all: sockets, being busy, being ready, being alive. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "common/memory.h"
#include "edge/scoreboard.h"

#define WALL 1700000000 /* when the monotonic clock was 0 */

static struct scoreboard *board;
static const char *reason;

static int set_up(void **state)
{
	(void)state;
	board = mem_zero(scoreboard_size(3));
	board->count = 3;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	free(board);
	return 0;
}

static void open_at(unsigned worker, uint64_t s)
{
	activity_opened(&board->scores[worker].activity, s * 1000, WALL + s);
}

static void close_at(unsigned worker, uint64_t s)
{
	activity_closed(&board->scores[worker].activity, s * 1000, WALL + s);
}

static void check_at(uint64_t s, bool busy, uint64_t changed_s)
{
	uint64_t changed;

	assert_int_equal(scoreboard_is_busy(board, s * 1000, &changed), busy);
	assert_int_equal(changed, changed_s);
}

static bool is_ready(unsigned own, uint64_t now_ms)
{
	return scoreboard_others_are_ready(board, &board->scores[own], now_ms, &reason);
}

static void sockets_are_those_of_all(void **state)
{
	(void)state;
	open_at(0, 1);
	open_at(0, 2);
	open_at(2, 3);
	assert_int_equal(scoreboard_sockets(board), 3);
	close_at(0, 4);
	assert_int_equal(scoreboard_sockets(board), 2);
}

static void busy_while_one_of_them_is(void **state)
{
	(void)state;
	check_at(10, false, 0);
	open_at(1, 10);
	check_at(20, true, WALL + 10);
	open_at(2, 30);
	check_at(40, true, WALL + 10);
	close_at(2, 50);
	close_at(1, 60);
	check_at(171, true, WALL + 10);
	check_at(180, false, WALL + 180); /* 120 s after the last one */
	check_at(1000, false, WALL + 180);
	open_at(0, 2000);
	check_at(2000, true, WALL + 2000);
}

static void who_dies_has_lost_its_sockets_just_then(void **state)
{
	(void)state;
	open_at(1, 10);
	open_at(1, 20);
	scoreboard_end(&board->scores[1], 30000, WALL + 30);
	assert_int_equal(scoreboard_sockets(board), 0);
	check_at(149, true, WALL + 10); /* its clients are about to come back */
	check_at(150, false, WALL + 150);
}

static void the_last_to_start_is_told(void **state)
{
	(void)state;
	assert_false(scoreboard_start(board));
	assert_false(scoreboard_start(board));
	assert_true(scoreboard_start(board));
	assert_false(scoreboard_start(board)); /* in the place of one that died */
}

static void ready_when_all_that_serve_are(void **state)
{
	(void)state;
	assert_true(is_ready(0, 100)); /* who has no socket yet gets no newcomers */
	scoreboard_show(&board->scores[1], 100, "draining");
	assert_false(is_ready(0, 100));
	assert_string_equal(reason, "draining");
	assert_true(is_ready(1, 100)); /* of itself it knows better */
	scoreboard_show(&board->scores[1], 200, NULL);
	assert_true(is_ready(0, 200));
	scoreboard_show(&board->scores[1], 300, "draining");
	scoreboard_end(&board->scores[1], 400, WALL);
	assert_true(is_ready(0, 400));
}

static void who_stands_still_is_noticed(void **state)
{
	(void)state;
	scoreboard_show(&board->scores[1], 1000, NULL);
	assert_true(scoreboard_is_live(board, 1000 + SCOREBOARD_SILENT_MS_MAX - 1));
	assert_true(is_ready(0, 1000 + SCOREBOARD_SILENT_MS_MAX - 1));
	assert_false(scoreboard_is_live(board, 1000 + SCOREBOARD_SILENT_MS_MAX));
	assert_false(is_ready(0, 1000 + SCOREBOARD_SILENT_MS_MAX));
	assert_string_equal(reason, "a worker does not respond");
	assert_true(scoreboard_is_live(board, 900)); /* it is ahead of who looks */
	scoreboard_end(&board->scores[1], 9000, WALL);
	assert_true(scoreboard_is_live(board, 9000));
}

#define BOARD_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOARD_TEST(sockets_are_those_of_all),
		BOARD_TEST(busy_while_one_of_them_is),
		BOARD_TEST(who_dies_has_lost_its_sockets_just_then),
		BOARD_TEST(the_last_to_start_is_told),
		BOARD_TEST(ready_when_all_that_serve_are),
		BOARD_TEST(who_stands_still_is_noticed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
