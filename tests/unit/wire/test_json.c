/* Looking into a value finds what JSON.parse() would find there. */
#include "wire/json.h"

#include "tests/unit/assert_slice.h"

static void member_is_found_raw(void **state)
{
	(void)state;
	struct slice object = SLICE(" {\"a\" : [1, {\"b\":2}] ,\"c\":\"d\", \"e\":null} ");

	assert_slice(json_member(object, "a"), "[1, {\"b\":2}]");
	assert_slice(json_member(object, "c"), "\"d\"");
	assert_slice(json_member(object, "e"), "null");
	assert_null(json_member(object, "b").data); /* not at this level */
	assert_null(json_member(object, "").data);
}

static void of_two_members_the_last_counts(void **state)
{
	(void)state;
	assert_slice(json_member(SLICE("{\"a\":1,\"b\":2,\"a\":3}"), "a"), "3");
	assert_slice(json_member(SLICE("{\"a\":1,\"\\u0061\":2}"), "a"), "2");
	assert_slice(json_member(SLICE("{\"\\u0061\":2,\"a\":1}"), "a"), "1");
}

static void odd_names_do_not_match(void **state)
{
	(void)state;
	assert_null(json_member(SLICE("{\"a\\u0000\":1}"), "a").data);
	assert_null(json_member(SLICE("{\"a\\ud800\":1}"), "a").data);
	assert_null(json_member(SLICE("{\"aa\":1,\"A\":2}"), "a").data);
	assert_slice(json_member(SLICE("{\"\":1}"), ""), "1");
	/* Longer, unescaped, than any name that is asked for. */
	assert_null(
		json_member(
			SLICE("{\"\\u0061aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\":1}"),
			"a")
			.data);
}

static void what_is_no_object_has_no_members(void **state)
{
	(void)state;
	assert_null(json_member((struct slice){0}, "a").data);
	assert_null(json_member(SLICE(""), "a").data);
	assert_null(json_member(SLICE("[{\"a\":1}]"), "a").data);
	assert_null(json_member(SLICE("\"{\\\"a\\\":1}\""), "a").data);
	assert_null(json_member(SLICE("{}"), "a").data);
}

static void items_are_taken_off_in_order(void **state)
{
	(void)state;
	struct slice rest = SLICE(" [ 1 , [2,[3]],\"],\" ,{\"a\":[4]}, [] ] ");
	struct slice item;
	const char *const wanted[] = {"1", "[2,[3]]", "\"],\"", "{\"a\":[4]}", "[]"};

	for (size_t i = 0; i < sizeof(wanted) / sizeof(*wanted); i++) {
		assert_true(json_next_item(&rest, &item));
		assert_slice(item, wanted[i]);
	}
	assert_false(json_next_item(&rest, &item));
	assert_false(json_next_item(&rest, &item)); /* also when asked again */
}

static void what_is_no_array_has_no_items(void **state)
{
	(void)state;
	struct slice none[] = {{0},          SLICE(""),          SLICE("[]"),
	                       SLICE("[ ]"), SLICE("{\"a\":1}"), SLICE("\"[1]\""),
	                       SLICE("1")};
	struct slice item;

	for (size_t i = 0; i < sizeof(none) / sizeof(*none); i++)
		assert_false(json_next_item(&none[i], &item));
}

static bool string_of(const char *raw, size_t capacity, struct slice *value)
{
	static char out[64];

	return json_string(slice_of(raw), out, capacity, value);
}

static void strings_are_unescaped(void **state)
{
	(void)state;
	struct slice value;

	assert_true(string_of("\"plain\"", 5, &value));
	assert_slice(value, "plain");
	assert_true(string_of("\"\"", 0, &value));
	assert_slice(value, "");
	assert_true(string_of("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", 8, &value));
	assert_slice(value, "\"\\/\b\f\n\r\t");
	assert_true(string_of("\"\\u0041\\u00fc\\u65E5\\uD83D\\uDE00\"", 10, &value));
	assert_slice(value, "A\xc3\xbc\xe6\x97\xa5\xf0\x9f\x98\x80");
	assert_true(string_of("\"\\uffff\\u0080\\u07ff\\u0800\"", 64, &value));
	assert_slice(value, "\xef\xbf\xbf\xc2\x80\xdf\xbf\xe0\xa0\x80");
	assert_true(string_of("\"\\udbff\\udfff\"", 64, &value));
	assert_slice(value, "\xf4\x8f\xbf\xbf");
}

static void unescaped_is_a_slice_of_the_text(void **state)
{
	(void)state;
	struct slice raw = SLICE("\"plain\"");
	struct slice value;

	assert_true(json_string(raw, NULL, 100, &value));
	assert_ptr_equal(value.data, raw.data + 1);
}

static void too_long_is_refused_at_the_byte(void **state)
{
	(void)state;
	struct slice value;

	assert_false(string_of("\"plain\"", 4, &value));
	assert_true(string_of("\"\\u0041b\"", 2, &value));
	assert_false(string_of("\"\\u0041b\"", 1, &value));
	assert_false(
		string_of("\"b\\u00fc\"", 2, &value)); /* would end in the middle of a character */
	assert_true(string_of("\"b\\u00fc\"", 3, &value));
}

static void lone_surrogates_have_no_text(void **state)
{
	(void)state;
	struct slice value;

	assert_false(string_of("\"\\ud800\"", 64, &value));
	assert_false(string_of("\"\\udc00\"", 64, &value));
	assert_false(string_of("\"\\ud800\\n\"", 64, &value));
	assert_false(string_of("\"\\ud800\\ud800\\udc00\"", 64, &value));
}

static void what_is_no_string_has_no_text(void **state)
{
	(void)state;
	struct slice value;

	assert_false(json_string((struct slice){0}, NULL, 64, &value));
	assert_false(string_of("", 64, &value));
	assert_false(string_of("\"", 64, &value));
	assert_false(string_of("1", 64, &value));
	assert_false(string_of("null", 64, &value));
	assert_false(string_of("[\"a\"]", 64, &value));
	assert_false(string_of("\"\\\"", 64, &value)); /* not JSON, and not read beyond */
}

static void appended_string_reads_back(void **state)
{
	(void)state;
	struct slice text = SLICE("a\"b\\c/\b\f\n\r\t\x01\x7f \xc3\xbc\xf0\x9f\x98\x80");
	struct buffer out = {0};
	char unescaped[64];
	struct slice value;

	json_append_string(&out, text);
	assert_true(json_string(buffer_slice(&out), unescaped, sizeof(unescaped), &value));
	assert_true(slice_equal(value, text));
	buffer_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(member_is_found_raw),
		cmocka_unit_test(of_two_members_the_last_counts),
		cmocka_unit_test(odd_names_do_not_match),
		cmocka_unit_test(what_is_no_object_has_no_members),
		cmocka_unit_test(items_are_taken_off_in_order),
		cmocka_unit_test(what_is_no_array_has_no_items),
		cmocka_unit_test(strings_are_unescaped),
		cmocka_unit_test(unescaped_is_a_slice_of_the_text),
		cmocka_unit_test(too_long_is_refused_at_the_byte),
		cmocka_unit_test(lone_surrogates_have_no_text),
		cmocka_unit_test(what_is_no_string_has_no_text),
		cmocka_unit_test(appended_string_reads_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
