/* Each has at most what it may, and who has none is forgotten. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "edge/tally.h"

static void each_has_its_own_bound(void **state)
{
	struct tally *tally = tally_create();
	struct tally_mark *first = tally_take(tally, SLICE("ann"), 2);
	struct tally_mark *second = tally_take(tally, SLICE("ann"), 2);
	struct tally_mark *other = tally_take(tally, SLICE("bob"), 2);

	(void)state;
	assert_non_null(first);
	assert_non_null(second);
	assert_non_null(other);
	assert_null(tally_take(tally, SLICE("ann"), 2));
	tally_give_back(first);
	first = tally_take(tally, SLICE("ann"), 2);
	assert_non_null(first);
	assert_null(tally_take(tally, SLICE("ann"), 2));
	assert_null(tally_take(tally, SLICE("ann"), 1)); /* a bound may become lower */
	tally_give_back(first);
	tally_give_back(second);
	tally_give_back(other);
	tally_give_back(NULL);
	tally_destroy(tally); /* complains if it remembers anybody */
}

static void none_is_none(void **state)
{
	struct tally *tally = tally_create();

	(void)state;
	assert_null(tally_take(tally, SLICE("ann"), 0));
	tally_destroy(tally);
	tally_destroy(NULL);
}

static void keys_are_copied_bytes(void **state)
{
	struct tally *tally = tally_create();
	char key[] = {'a', 0, 'b'};
	struct tally_mark *mark = tally_take(tally, (struct slice){key, sizeof(key)}, 1);

	(void)state;
	key[2] = 'c';
	assert_null(tally_take(tally, SLICE("a\0b"), 1));
	struct tally_mark *other = tally_take(tally, (struct slice){key, sizeof(key)}, 1);
	assert_non_null(other);
	tally_give_back(mark);
	tally_give_back(other);
	tally_destroy(tally);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_has_its_own_bound),
		cmocka_unit_test(none_is_none),
		cmocka_unit_test(keys_are_copied_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
