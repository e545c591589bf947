/* A timer that is set fires once, in its turn; a stopped one never. */
#include "common/timers.h"

#include "tests/unit/assert_slice.h"

static uint64_t now_ms;
static unsigned wakes;

static uint64_t test_clock(void)
{
	return now_ms;
}

static void count_wake(void *context)
{
	(void)context;
	wakes++;
}

/* What fired, in order. */
static char fired[64];
static size_t fired_count;

struct letter {
	struct timer timer;
	char name;
	struct timers *timers;
	uint64_t again_ms; /* sets itself again with this delay, if `repeats` */
	bool repeats;
	struct timer *stops; /* stops this one as it fires */
};

static void fire(void *context)
{
	struct letter *letter = context;

	assert_false(timer_is_set(&letter->timer)); /* free to be set again */
	assert_true(fired_count < sizeof(fired));
	fired[fired_count++] = letter->name;
	if (letter->stops != NULL)
		timer_stop(letter->timers, letter->stops);
	if (letter->repeats)
		timer_set(letter->timers, &letter->timer, letter->again_ms);
}

static struct letter letter_make(struct timers *timers, char name)
{
	return (struct letter){.name = name, .timers = timers};
}

static void letter_set(struct letter *letter, uint64_t delay_ms)
{
	if (letter->timer.fire == NULL)
		timer_init(&letter->timer, fire, letter);
	timer_set(letter->timers, &letter->timer, delay_ms);
}

static int set_up(void **state)
{
	now_ms = 1000000;
	wakes = 0;
	fired_count = 0;
	*state = timers_create(test_clock, count_wake, NULL);
	return 0;
}

static int tear_down(void **state)
{
	timers_destroy(*state);
	return 0;
}

static struct slice all_fired(void)
{
	return (struct slice){fired, fired_count};
}

static void none_set_none_fired(void **state)
{
	uint64_t wait_ms = 7;

	assert_false(timers_run(*state, &wait_ms));
	assert_int_equal(wait_ms, 7);
}

static void fires_in_order_of_due_time(void **state)
{
	struct letter c = letter_make(*state, 'c');
	struct letter a = letter_make(*state, 'a');
	struct letter b = letter_make(*state, 'b');
	uint64_t wait_ms;

	letter_set(&c, 30);
	letter_set(&a, 10);
	letter_set(&b, 20);
	assert_true(timers_run(*state, &wait_ms));
	assert_int_equal(wait_ms, 10);
	now_ms += 9;
	assert_true(timers_run(*state, &wait_ms));
	assert_int_equal(wait_ms, 1);
	assert_slice(all_fired(), ""); /* never early */
	now_ms += 11;
	assert_true(timers_run(*state, &wait_ms));
	assert_slice(all_fired(), "ab");
	assert_int_equal(wait_ms, 10);
	now_ms += 1000; /* late, but not lost */
	assert_false(timers_run(*state, &wait_ms));
	assert_slice(all_fired(), "abc");
}

static void set_again_moves(void **state)
{
	struct letter a = letter_make(*state, 'a');
	struct letter b = letter_make(*state, 'b');
	uint64_t wait_ms;

	letter_set(&a, 10);
	letter_set(&b, 20);
	letter_set(&a, 50);
	now_ms += 30;
	assert_true(timers_run(*state, &wait_ms));
	assert_slice(all_fired(), "b");
	now_ms += 30;
	assert_false(timers_run(*state, &wait_ms));
	assert_slice(all_fired(), "ba");
}

static void stopped_does_not_fire(void **state)
{
	struct letter a = letter_make(*state, 'a');
	struct letter b = letter_make(*state, 'b');
	uint64_t wait_ms;

	letter_set(&a, 10);
	letter_set(&b, 10);
	timer_stop(*state, &a.timer);
	timer_stop(*state, &a.timer); /* not set: no harm */
	now_ms += 10;
	assert_false(timers_run(*state, &wait_ms));
	assert_slice(all_fired(), "b");
}

static void one_may_stop_another_that_is_due_too(void **state)
{
	struct letter a = letter_make(*state, 'a');
	struct letter b = letter_make(*state, 'b');
	uint64_t wait_ms;

	a.stops = &b.timer;
	letter_set(&a, 10);
	letter_set(&b, 11);
	now_ms += 100;
	assert_false(timers_run(*state, &wait_ms));
	assert_slice(all_fired(), "a");
}

/* Or the loop would never get to its sockets. */
static void repeating_without_delay_does_not_hold_the_loop(void **state)
{
	struct letter a = letter_make(*state, 'a');
	uint64_t wait_ms;

	a.repeats = true;
	letter_set(&a, 0);
	assert_true(timers_run(*state, &wait_ms));
	assert_slice(all_fired(), "a");
	assert_int_equal(wait_ms, 1);
}

static void owner_is_woken_when_the_earliest_changes(void **state)
{
	struct letter a = letter_make(*state, 'a');
	struct letter b = letter_make(*state, 'b');
	struct letter c = letter_make(*state, 'c');

	letter_set(&a, 100);
	assert_int_equal(wakes, 1);
	letter_set(&b, 200);
	assert_int_equal(wakes, 1); /* later than what it waits for */
	letter_set(&c, 50);
	assert_int_equal(wakes, 2);
}

static void owner_is_not_woken_by_what_it_runs(void **state)
{
	struct letter a = letter_make(*state, 'a');
	uint64_t wait_ms;

	a.repeats = true;
	a.again_ms = 5;
	letter_set(&a, 10);
	assert_int_equal(wakes, 1);
	now_ms += 10;
	assert_true(timers_run(*state, &wait_ms));
	assert_int_equal(wait_ms, 5); /* told by the return */
	assert_int_equal(wakes, 1);
}

/* A heap is easily right for three. */
static void thousand_fire_in_order_also_after_stops(void **state)
{
	static struct letter letters[1000];
	static uint64_t due[1000];
	uint64_t wait_ms;
	uint64_t random = 12345;
	size_t left = 0;

	for (size_t i = 0; i < 1000; i++) {
		letters[i] = letter_make(*state, 'x');
		random = random * 6364136223846793005U + 1442695040888963407U;
		due[i] = random >> 54; /* 0..1023 */
		letter_set(&letters[i], due[i]);
	}
	for (size_t i = 0; i < 1000; i += 3)
		timer_stop(*state, &letters[i].timer);
	for (uint64_t elapsed = 0; elapsed < 1024; elapsed++) {
		fired_count = 0;
		timers_run(*state, &wait_ms);
		size_t wanted = 0;
		left = 0;
		for (size_t i = 0; i < 1000; i++) {
			if (i % 3 == 0)
				continue;
			wanted += due[i] == elapsed;
			left += due[i] > elapsed;
			assert_int_equal(timer_is_set(&letters[i].timer), due[i] > elapsed);
		}
		assert_int_equal(fired_count, wanted);
		now_ms++;
	}
	assert_int_equal(left, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(none_set_none_fired, set_up, tear_down),
		cmocka_unit_test_setup_teardown(fires_in_order_of_due_time, set_up, tear_down),
		cmocka_unit_test_setup_teardown(set_again_moves, set_up, tear_down),
		cmocka_unit_test_setup_teardown(stopped_does_not_fire, set_up, tear_down),
		cmocka_unit_test_setup_teardown(one_may_stop_another_that_is_due_too, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(repeating_without_delay_does_not_hold_the_loop,
	                                        set_up, tear_down),
		cmocka_unit_test_setup_teardown(owner_is_woken_when_the_earliest_changes, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(owner_is_not_woken_by_what_it_runs, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(thousand_fire_in_order_also_after_stops, set_up,
	                                        tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
