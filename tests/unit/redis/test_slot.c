/* Where a Cluster keeps what, and what it says when that is elsewhere. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "redis/slot.h"

/* As `redis-cli CLUSTER KEYSLOT {...}` says. */
static void slots_are_those_of_redis(void **state)
{
	(void)state;
	assert_int_equal(slot_of(SLICE("123456789")), 12739);
	assert_int_equal(slot_of(SLICE("foo")), 12182);
	assert_int_equal(slot_of(SLICE("default")), 5718);
	assert_int_equal(slot_of(SLICE("")), 0);
}

struct moved {
	const char *error;
	const char *name; /* NULL: makes no sense */
	unsigned slot;
	uint16_t port;
};

static void moved_names_a_slot_and_its_master(void **state)
{
	static const struct moved cases[] = {
		{"MOVED 3999 127.0.0.1:6381", "127.0.0.1", 3999, 6381},
		{"MOVED 16383 redis-1.example:1", "redis-1.example", 16383, 1},
		{"MOVED 0 fe80::1:65535", "fe80::1", 0, 65535},
		{"MOVED 7 :6381", "asked", 7, 6381},
		{"MOVED 7 ?:6381", NULL, 0, 0},
		{"MOVED 16384 a:1", NULL, 0, 0},
		{"MOVED 7 a:0", NULL, 0, 0},
		{"MOVED 7 a:65536", NULL, 0, 0},
		{"MOVED 7 a", NULL, 0, 0},
		{"MOVED a:1", NULL, 0, 0},
		{"MOVED ", NULL, 0, 0},
		{"ASK 7 a:1", NULL, 0, 0},
	};
	const struct address_host asked = {(char *)"asked", 9};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct slot_range range;
		bool good = slot_read_moved(slice_of(cases[i].error), &asked, &range);
		if (good != (cases[i].name != NULL))
			fail_msg("%s", cases[i].error);
		if (!good)
			continue;
		assert_string_equal(range.master.name, cases[i].name);
		assert_int_equal(range.master.port, cases[i].port);
		assert_int_equal(range.first, cases[i].slot);
		assert_int_equal(range.last, cases[i].slot);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slots_are_those_of_redis),
		cmocka_unit_test(moved_names_a_slot_and_its_master),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
