/* What is decoded has exactly one spelling: whatever else looks like base64 is refused. */
#include "common/base64url.h"

#include "tests/base64url.h"
#include "tests/unit/assert_slice.h"

static char out[64];
static struct slice bytes;

static bool decode(const char *text)
{
	return base64url_decode(slice_of(text), out, sizeof(out), &bytes);
}

static void examples_of_the_rfcs_are_decoded(void **state)
{
	(void)state;
	static const char *const rows[][2] = {
		{"", ""},           {"Zg", "f"},          {"Zm8", "fo"},          {"Zm9v", "foo"},
		{"Zm9vYg", "foob"}, {"Zm9vYmE", "fooba"}, {"Zm9vYmFy", "foobar"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		assert_true(decode(rows[i][0]));
		assert_slice(bytes, rows[i][1]);
	}
	assert_true(decode("A-z_4ME")); /* RFC 7515, appendix C */
	assert_true(slice_equal(bytes, SLICE("\x03\xec\xff\xe0\xc1")));
}

static void any_other_spelling_is_refused(void **state)
{
	(void)state;
	static const char *const rows[] = {
		"Zg==",   "Zm8=",   "Zg=",          "=",       /* padding */
		"Zh",     "Zv",     "Zm9",          "A-z_4MF", /* bits that are left over */
		"Z",      "Zm9vY",  "AAAAA",                   /* a single character is no byte */
		"A+z_",   "A/z_",   "+/+/",                    /* the other alphabet */
		"Zm9v\n", "\nZm9v", "Zm 9v",        " Zm9v",   /* space */
		"Zm9v.",  "Zm9v\"", "Zm9v\xc3\xa9", "Zm9v\x80", "Zm@v", "Zm[v", "Zm`v", "Zm{v",
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (decode(rows[i]))
			fail_msg("accepted: %s", rows[i]);
	assert_false(base64url_decode((struct slice){"Zm\0v", 4}, out, sizeof(out), &bytes));
}

/* All spellings of one, two and three bytes, by an encoder that only has to be simple. */
static void of_all_texts_the_encoded_are_decoded(void **state)
{
	(void)state;
	static const char alphabet[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	struct buffer again = {0};
	size_t good = 0;

	for (size_t size = 2; size <= 3; size++) {
		for (uint32_t bits = 0; bits < 1U << 6 * size; bits++) {
			char text[4] = {alphabet[bits & 63], alphabet[bits >> 6 & 63],
			                size == 3 ? alphabet[bits >> 12] : '\0'};
			if (!decode(text))
				continue;
			good++;
			buffer_clear(&again);
			base64url_append(&again, bytes);
			assert_true(slice_equal(buffer_slice(&again), slice_of(text)));
		}
	}
	assert_int_equal(good, 256 + 65536);
	buffer_fini(&again);
}

static void too_long_is_refused_at_the_byte(void **state)
{
	(void)state;
	assert_true(base64url_decode(SLICE("Zm9v"), out, 3, &bytes));
	assert_false(base64url_decode(SLICE("Zm9v"), out, 2, &bytes));
	assert_false(base64url_decode(SLICE("Zg"), out, 0, &bytes));
	assert_true(base64url_decode(SLICE(""), out, 0, &bytes));
	assert_int_equal(bytes.size, 0);
}

static void the_bound_is_enough(void **state)
{
	(void)state;
	struct buffer text = {0};

	for (size_t size = 0; size < sizeof(out); size++) {
		buffer_clear(&text);
		base64url_append(&text, (struct slice){out, size});
		assert_true(size <= BASE64URL_BYTES(text.size));
	}
	buffer_fini(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(examples_of_the_rfcs_are_decoded),
		cmocka_unit_test(any_other_spelling_is_refused),
		cmocka_unit_test(of_all_texts_the_encoded_are_decoded),
		cmocka_unit_test(too_long_is_refused_at_the_byte),
		cmocka_unit_test(the_bound_is_enough),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
