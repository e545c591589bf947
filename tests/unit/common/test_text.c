/* Slices compare by their bytes, and what is read out of them is exact or refused. */
#include "tests/unit/assert_slice.h"

static void absent_and_empty_are_equal_in_bytes_only(void **state)
{
	(void)state;
	struct slice absent = {0};

	assert_true(slice_equal(absent, SLICE("")));
	assert_null(absent.data);
	assert_non_null(SLICE("").data);
	assert_false(slice_equal(SLICE("a"), SLICE("b")));
	assert_false(slice_equal(SLICE("a"), SLICE("ab")));
	assert_true(slice_equal(SLICE("a\0b"), SLICE("a\0b"))); /* a zero is a byte like others */
	assert_false(slice_is(SLICE("a\0b"), "a"));
}

static void start_may_not_be_longer(void **state)
{
	(void)state;
	assert_true(slice_starts(SLICE("relay.x"), SLICE("relay.")));
	assert_true(slice_starts(SLICE("relay."), SLICE("relay.")));
	assert_false(slice_starts(SLICE("relay"), SLICE("relay.")));
}

static void words_are_taken_off_one_by_one(void **state)
{
	(void)state;
	struct slice list = SLICE("  one two   three ");
	struct slice word;

	assert_true(slice_next_word(&list, &word));
	assert_slice(word, "one");
	assert_true(slice_next_word(&list, &word));
	assert_slice(word, "two");
	assert_true(slice_next_word(&list, &word));
	assert_slice(word, "three");
	assert_false(slice_next_word(&list, &word));
	assert_false(slice_next_word(&list, &word));
}

static void no_words_in_nothing(void **state)
{
	(void)state;
	struct slice absent = {0};
	struct slice empty = SLICE("");
	struct slice word;

	assert_false(slice_next_word(&absent, &word));
	assert_false(slice_next_word(&empty, &word));
}

static void numbers_are_all_of_the_slice(void **state)
{
	(void)state;
	const char *const wrong[] = {"", " 1", "1 ", "-1", "+1", "0x10", "1.0", "1e3", "one"};
	uint64_t number = 7;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		assert_false(slice_number(slice_of(wrong[i]), &number));
	assert_int_equal(number, 7); /* a refusal leaves it alone */
	assert_false(slice_number(SLICE("1\0"), &number));

	assert_true(slice_number(SLICE("0"), &number));
	assert_int_equal(number, 0);
	assert_true(slice_number(SLICE("00042"), &number));
	assert_int_equal(number, 42);
}

static void numbers_do_not_wrap_around(void **state)
{
	(void)state;
	uint64_t number;

	assert_true(slice_number(SLICE("18446744073709551615"), &number));
	assert_true(number == UINT64_MAX);
	assert_false(slice_number(SLICE("18446744073709551616"), &number));
	assert_false(slice_number(SLICE("99999999999999999999"), &number));
	assert_false(slice_number(SLICE("184467440737095516150"), &number));
}

static void blanks_around_are_cut_off(void **state)
{
	(void)state;
	assert_true(slice_is(slice_trim(SLICE(" \t a b\t ")), "a b"));
	assert_true(slice_is(slice_trim(SLICE(" \t")), ""));
	assert_true(slice_is(slice_trim(SLICE("\n")), "\n"));
	assert_int_equal(slice_trim((struct slice){0}).size, 0);
}

static void letters_are_equal_in_any_case(void **state)
{
	(void)state;
	assert_true(slice_equal_any_case(SLICE("WebSocket"), SLICE("websockeT")));
	assert_false(slice_equal_any_case(SLICE("websocket"), SLICE("websockets")));
	assert_false(slice_equal_any_case(SLICE("a@"), SLICE("a`")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(absent_and_empty_are_equal_in_bytes_only),
		cmocka_unit_test(start_may_not_be_longer),
		cmocka_unit_test(words_are_taken_off_one_by_one),
		cmocka_unit_test(no_words_in_nothing),
		cmocka_unit_test(blanks_around_are_cut_off),
		cmocka_unit_test(letters_are_equal_in_any_case),
		cmocka_unit_test(numbers_are_all_of_the_slice),
		cmocka_unit_test(numbers_do_not_wrap_around),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
