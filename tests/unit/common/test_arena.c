/* What is taken stays apart, whole and aligned, until all of it is given back. */
#include <setjmp.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/arena.h"

#define COUNT 300

static void what_is_taken_stays_whole(void **state)
{
	struct arena arena = {0};
	unsigned char *taken[COUNT];

	(void)state;
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < COUNT; i++) {
			taken[i] = arena_take(&arena, i);
			assert_int_equal((uintptr_t)taken[i] % alignof(max_align_t), 0);
			memset(taken[i], (int)(i + round) & 0xff, i);
		}
		for (unsigned i = 0; i < COUNT; i++)
			for (unsigned at = 0; at < i; at++)
				assert_int_equal(taken[i][at], (i + round) & 0xff);
		arena_reset(&arena);
	}
	arena_fini(&arena);
}

static void a_little_is_kept(void **state)
{
	struct arena arena = {0};
	const void *first = arena_take(&arena, 1);

	(void)state;
	arena_reset(&arena);
	assert_ptr_equal(arena_take(&arena, 1), first);
	arena_fini(&arena);
}

static void much_is_not_kept(void **state)
{
	struct arena arena = {0};

	(void)state;
	memset(arena_take(&arena, 1 << 20), 1, 1 << 20);
	arena_reset(&arena);
	assert_null(arena.chunk);
	arena_reset(&arena);
	arena_fini(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_taken_stays_whole),
		cmocka_unit_test(a_little_is_kept),
		cmocka_unit_test(much_is_not_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
