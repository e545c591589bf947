/* Whatever is in a text, its quoted form is one JSON string on one line that no terminal obeys. */
#include "common/quote.h"

#include "tests/unit/assert_slice.h"

static void assert_quoted(struct slice text, const char *wanted)
{
	struct buffer out = {0};

	buffer_append(&out, SLICE("x"));
	quote_append(&out, text);
	assert_int_equal(out.data[0], 'x'); /* appended */
	assert_slice(((struct slice){out.data + 1, out.size - 1}), wanted);
	buffer_fini(&out);
}

static void plain_text_stays_as_it_is(void **state)
{
	(void)state;
	assert_quoted(SLICE("plain text, 'single' /slash"), "\"plain text, 'single' /slash\"");
	assert_quoted(SLICE("gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80"),
	              "\"gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80\"");
	assert_quoted(SLICE(""), "\"\"");
	assert_quoted((struct slice){0}, "\"\"");
}

static void quotes_and_controls_are_escaped(void **state)
{
	(void)state;
	assert_quoted(SLICE("a\"b\\c"), "\"a\\\"b\\\\c\"");
	assert_quoted(SLICE("\n\r\t"), "\"\\n\\r\\t\"");
	assert_quoted(SLICE("\0\1\x1b[31m\x7f"), "\"\\u0000\\u0001\\u001b[31m\\u007f\"");
}

static void what_terminals_obey_beyond_ascii_is_escaped(void **state)
{
	(void)state;
	assert_quoted(SLICE("\xc2\x9b"
	                    "31m"),
	              "\"\\u009b31m\""); /* CSI in one character */
	assert_quoted(SLICE("\xe2\x80\xa8\xe2\x80\xa9"), "\"\\u2028\\u2029\""); /* separate lines */
	assert_quoted(SLICE("\xc2\xa0\xe2\x80\xa7"),
	              "\"\xc2\xa0\xe2\x80\xa7\""); /* their neighbours do not */
}

static void bytes_that_are_not_utf8_are_replaced(void **state)
{
	(void)state;
	assert_quoted(SLICE("a\xff"
	                    "b"),
	              "\"a\\ufffdb\"");
	assert_quoted(SLICE("\xed\xa0\x80"), "\"\\ufffd\\ufffd\\ufffd\"");
	assert_quoted(SLICE("\xc3"), "\"\\ufffd\"");
	assert_quoted(SLICE("\xc3\""), "\"\\ufffd\\\"\""); /* the quote is not swallowed */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_text_stays_as_it_is),
		cmocka_unit_test(quotes_and_controls_are_escaped),
		cmocka_unit_test(what_terminals_obey_beyond_ascii_is_escaped),
		cmocka_unit_test(bytes_that_are_not_utf8_are_replaced),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
