/* Each entry is visited at its second, however far that is, and nothing runs for an empty wheel. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "edge/wheel.h"

struct entry {
	struct list link;
	uint32_t due_s;
	uint32_t every_s; /* 0 = gone for good */
	uint32_t visited_s;
	unsigned visits;
	unsigned early;
};

static uint64_t now_ms;
static struct timers *timers;
static struct wheel wheel;

static uint64_t now(void)
{
	return now_ms;
}

static uint32_t on_visit(struct list *link, uint32_t now_s)
{
	struct entry *entry = LIST_ENTRY(link, struct entry, link);

	if (now_s < entry->due_s) {
		entry->early += entry->visits == 0;
		return entry->due_s;
	}
	entry->visits++;
	entry->visited_s = now_s;
	entry->due_s = entry->every_s > 0 ? now_s + entry->every_s : UINT32_MAX;
	return entry->due_s;
}

static int set_up(void **state)
{
	(void)state;
	now_ms = 1000500;
	timers = timers_create(now, NULL, NULL);
	wheel_init(&wheel, timers, on_visit);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	wheel_fini(&wheel);
	timers_destroy(timers);
	return 0;
}

/*
 * Runs the timers up to that time as a loop would: sleeping until the next is due. Returns how
 * often it woke.
 */
static unsigned run_until(uint64_t end_ms)
{
	unsigned wakes = 0;
	uint64_t wait_ms;

	while (timers_run(timers, &wait_ms) && now_ms + wait_ms <= end_ms) {
		now_ms += wait_ms;
		wakes++;
	}
	now_ms = end_ms;
	return wakes;
}

static struct entry *add(struct entry *entry, uint32_t in_s, uint32_t every_s)
{
	*entry = (struct entry){.due_s = wheel_now_s(&wheel) + in_s, .every_s = every_s};
	list_init(&entry->link);
	wheel_place(&wheel, &entry->link, entry->due_s);
	return entry;
}

static void visits_come_at_their_second(void **state)
{
	struct entry entries[7];
	static const uint32_t in_s[] = {1, 2, 25, 62, 63, 64, 200};

	(void)state;
	for (size_t i = 0; i < 7; i++)
		add(&entries[i], in_s[i], 0);
	run_until(now_ms + 300000);
	for (size_t i = 0; i < 7; i++) {
		assert_int_equal(entries[i].visits, 1);
		assert_int_equal(entries[i].visited_s, 1000 + in_s[i]);
		assert_int_equal(entries[i].early, in_s[i] / 65); /* once a turn */
		list_remove(&entries[i].link);
	}
}

static void what_is_late_comes_at_once(void **state)
{
	struct entry entry;

	(void)state;
	add(&entry, 0, 0);
	run_until(now_ms + 600);
	assert_int_equal(entry.visits, 1);
	list_remove(&entry.link);
}

static void an_empty_wheel_sleeps(void **state)
{
	struct entry entry;

	(void)state;
	assert_int_equal(run_until(now_ms + 1000000), 0);
	add(&entry, 25, 25);
	list_remove(&entry.link);
	assert_in_range(run_until(now_ms + 1000000), 0, 1);

	/* It has not turned all that time, and still is right at once. */
	add(&entry, 25, 25);
	assert_int_equal(run_until(now_ms + 100100), 4);
	assert_int_equal(entry.visits, 4);
	list_remove(&entry.link);
}

static void moving_earlier_and_later(void **state)
{
	struct entry entry;

	(void)state;
	add(&entry, 25, 0);
	entry.due_s = 1005;
	wheel_place(&wheel, &entry.link, entry.due_s);
	run_until(1004900);
	assert_int_equal(entry.visits, 0);
	entry.due_s = 1040;
	wheel_place(&wheel, &entry.link, entry.due_s);
	run_until(1039900);
	assert_int_equal(entry.visits, 0);
	run_until(1041000);
	assert_int_equal(entry.visited_s, 1040);
	list_remove(&entry.link);
}

static void after_a_long_sleep_all_are_visited_once(void **state)
{
	struct entry entries[100];
	uint64_t wait_ms;

	(void)state;
	for (uint32_t i = 0; i < 100; i++)
		add(&entries[i], 1 + i % 60, 25);
	now_ms += 500000;
	timers_run(timers, &wait_ms);
	assert_int_equal(wheel.late_s, 499); /* the first was due at 1001 */
	for (size_t i = 0; i < 100; i++)
		assert_int_equal(entries[i].visits, 1);
	run_until(now_ms + 25000);
	assert_int_equal(wheel.late_s, 0);
	for (size_t i = 0; i < 100; i++) {
		assert_int_equal(entries[i].visits, 2);
		list_remove(&entries[i].link);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(visits_come_at_their_second, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_late_comes_at_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_empty_wheel_sleeps, set_up, tear_down),
		cmocka_unit_test_setup_teardown(moving_earlier_and_later, set_up, tear_down),
		cmocka_unit_test_setup_teardown(after_a_long_sleep_all_are_visited_once, set_up,
	                                        tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
