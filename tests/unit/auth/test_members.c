/* An object has one reading, or it is refused. */
#include "auth/members.h"

#include <stdlib.h>

#include "common/buffer.h"

#include "tests/unit/assert_slice.h"

static struct members members;

/* Reads a copy that has nothing behind it: ASan sees a step too far. */
static bool read_exact(struct slice object)
{
	static char *copy;

	free(copy);
	copy = malloc(object.size > 0 ? object.size : 1);
	memcpy(copy, object.data, object.size);
	return members_read((struct slice){copy, object.size}, &members);
}

#define assert_read(literal) assert_true(read_exact(SLICE(literal)))
#define assert_refused(literal) assert_false(read_exact(SLICE(literal)))
#define assert_member(name, raw) assert_slice(members_find(&members, SLICE(name)), raw)
#define assert_none(name) assert_null(members_find(&members, SLICE(name)).data)

static void members_are_found_raw(void **state)
{
	(void)state;
	assert_read(" {\"a\" : [1, {\"b\":2}] ,\"c\":\"\\u0064\", \"\":null} \r\n");
	assert_int_equal(members.count, 3);
	assert_member("a", "[1, {\"b\":2}]");
	assert_member("c", "\"\\u0064\"");
	assert_member("", "null");
	assert_none("b"); /* not at this level */
	assert_none("A");
	assert_read("{}");
	assert_int_equal(members.count, 0);
}

static void escaped_names_are_found(void **state)
{
	(void)state;
	assert_read("{\"\\u0061lg\":1,\"https:\\/\\/a\":2,\"\\ud83d\\ude00\":3}");
	assert_member("alg", "1");
	assert_member("https://a", "2");
	assert_member("\xf0\x9f\x98\x80", "3");
}

static void a_name_that_comes_twice_spoils_it(void **state)
{
	(void)state;
	assert_refused("{\"a\":1,\"a\":1}");
	assert_refused("{\"a\":1,\"b\":2,\"a\":1}");
	assert_refused("{\"a\":1,\"\\u0061\":1}");
	assert_refused("{\"\\u0061\":1,\"a\":1}");
	assert_refused("{\"\\u0061\":1,\"\\u0061\":1}");
	assert_refused("{\"a/b\":1,\"a\\/b\":1}");
	assert_refused("{\"\":1,\"\":1}");
	/* Others may cut at the NUL; these are two names, and only one is asked for. */
	assert_read("{\"a\":1,\"a\\u0000\":2}");
	assert_member("a", "1");
	/* Of what is further down only the grammar is checked. */
	assert_read("{\"a\":{\"b\":1,\"b\":2}}");
}

static void a_name_that_is_no_text_spoils_it(void **state)
{
	(void)state;
	assert_refused("{\"\\ud800\":1}");
	assert_refused("{\"a\":1,\"\\udc00b\":1}");
}

static void what_is_no_object_is_refused(void **state)
{
	(void)state;
	assert_refused("");
	assert_refused(" ");
	assert_refused("{");
	assert_refused("{\"a\"");
	assert_refused("{\"a\":");
	assert_refused("{\"a\":1");
	assert_refused("{\"a\":1,}");
	assert_refused("{\"a\":1}x");
	assert_refused("{\"a\":1}{}");
	assert_refused("{\"a\":NaN}");
	assert_refused("{\"a\":Infinity}");
	assert_refused("{a:1}");
	assert_refused("{'a':1}");
	assert_refused("{\"a\":\"\xff\"}");
	assert_refused("\xef\xbb\xbf{}");
	assert_refused("[]");
	assert_refused("\"{}\"");
	assert_refused("null");
	assert_false(members_read((struct slice){0}, &members));
}

/* {"a":[[[...]]]}, with that many brackets */
static bool read_nested(size_t depth)
{
	struct buffer text = {0};

	buffer_append(&text, SLICE("{\"a\":"));
	for (size_t i = 0; i < depth; i++)
		buffer_append(&text, SLICE("["));
	for (size_t i = 0; i < depth; i++)
		buffer_append(&text, SLICE("]"));
	buffer_append(&text, SLICE("}"));
	bool read = read_exact(buffer_slice(&text));
	buffer_fini(&text);
	return read;
}

static void depth_is_bounded(void **state)
{
	(void)state;
	assert_true(read_nested(63)); /* and the object itself */
	assert_false(read_nested(64));
	assert_false(read_nested(3000));
}

static bool read_many(size_t count)
{
	struct buffer text = {0};

	for (size_t i = 0; i < count; i++)
		buffer_printf(&text, "%c\"n%zu\":%zu", i == 0 ? '{' : ',', i, i);
	buffer_append(&text, SLICE("}"));
	bool read = read_exact(buffer_slice(&text));
	buffer_fini(&text);
	return read;
}

static void number_is_bounded(void **state)
{
	(void)state;
	assert_true(read_many(MEMBERS_MAX));
	assert_member("n0", "0");
	assert_member("n127", "127");
	assert_false(read_many(MEMBERS_MAX + 1));
}

static void escaped_names_are_bounded(void **state)
{
	(void)state;
	struct buffer text = {0};

	buffer_append(&text, SLICE("{\"\\u0061"));
	for (size_t i = 1; i < MEMBERS_ESCAPED_BYTES_MAX; i++)
		buffer_append(&text, SLICE("x"));
	buffer_append(&text, SLICE("\":1,\"plain\":2"));
	size_t size = text.size;
	buffer_append(&text, SLICE("}"));
	assert_true(read_exact(buffer_slice(&text)));
	assert_member("plain", "2");
	text.size = size;
	buffer_append(&text, SLICE(",\"\\n\":3}"));
	assert_false(read_exact(buffer_slice(&text)));
	buffer_fini(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(members_are_found_raw),
		cmocka_unit_test(escaped_names_are_found),
		cmocka_unit_test(a_name_that_comes_twice_spoils_it),
		cmocka_unit_test(a_name_that_is_no_text_spoils_it),
		cmocka_unit_test(what_is_no_object_is_refused),
		cmocka_unit_test(depth_is_bounded),
		cmocka_unit_test(number_is_bounded),
		cmocka_unit_test(escaped_names_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
