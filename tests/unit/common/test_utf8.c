/* UTF-8 is what RFC 3629 says, byte for byte. */
#include "common/utf8.h"

#include "tests/unit/assert_slice.h"

/* All code points there are, by an encoder that only has to be simple. */
static size_t encode(uint32_t code, char *out)
{
	size_t size = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;

	for (size_t i = size - 1; i > 0; i--) {
		out[i] = (char)(0x80 | (code & 0x3f));
		code >>= 6;
	}
	out[0] = (char)(size == 1 ? code : (0xf00U >> size & 0xff) | code);
	return size;
}

static void every_character_is_decoded(void **state)
{
	(void)state;
	char text[4];
	uint32_t code;

	for (uint32_t wanted = 0; wanted <= 0x10ffff; wanted++) {
		size_t size = encode(wanted, text);
		bool surrogate = wanted >= 0xd800 && wanted < 0xe000;
		if (utf8_decode(text, text + size, &code) != (surrogate ? 0 : size))
			fail_msg("U+%04X", (unsigned)wanted);
		if (!surrogate && code != wanted)
			fail_msg("U+%04X became U+%04X", (unsigned)wanted, (unsigned)code);
	}
}

/* Of all sequences of up to four bytes, exactly the encodings above are characters. */
static void nothing_else_is_a_character(void **state)
{
	(void)state;
	char text[4];
	char again[4];
	uint32_t code;
	size_t count = 0;

	for (uint32_t bits = 0; bits < 1U << 25; bits++) {
		/* The bytes that decide: all first bytes, and the top bits of those that follow. */
		text[0] = (char)(bits >> 17);
		text[1] = (char)(bits >> 9 & 0xff);
		text[2] = (char)((bits >> 3 & 0x3f) << 2);
		text[3] = (char)((bits & 7) << 5);
		size_t size = utf8_decode(text, text + 4, &code);
		if (size == 0)
			continue;
		if (encode(code, again) != size || memcmp(text, again, size) != 0)
			fail_msg("%08x", (unsigned)bits);
		count++;
	}
	assert_true(count > 1U << 23);
}

static void text_is_valid_to_its_last_byte(void **state)
{
	(void)state;
	const struct slice valid[] = {
		SLICE(""),
		SLICE("plain"),
		SLICE("gr\xc3\xbc\xc3\x9f"),
		SLICE("\xe6\x97\xa5\xe6\x9c\xac"),
		SLICE("\xf0\x9f\x98\x80"),
		SLICE("\xef\xbf\xbf"), /* U+FFFF is no character, but may be encoded */
		SLICE("a\0b"),
	};
	const struct slice invalid[] = {
		SLICE("\x80"),             /* continues nothing */
		SLICE("a\xc3"),            /* cut short */
		SLICE("\xe6\x97"),         /* cut short */
		SLICE("\xf0\x9f\x98"),     /* cut short */
		SLICE("\xc3z"),            /* not continued */
		SLICE("\xc0\xaf"),         /* overlong slash */
		SLICE("\xe0\x80\xaf"),     /* overlong slash */
		SLICE("\xf0\x80\x80\xaf"), /* overlong slash */
		SLICE("\xed\xa0\x80"),     /* a surrogate */
		SLICE("\xf4\x90\x80\x80"), /* above U+10FFFF */
		SLICE("\xf8\x88\x80\x80\x80"),
		SLICE("\xff"),
	};

	assert_true(utf8_valid((struct slice){0}));
	for (size_t i = 0; i < sizeof(valid) / sizeof(*valid); i++)
		assert_true(utf8_valid(valid[i]));
	for (size_t i = 0; i < sizeof(invalid) / sizeof(*invalid); i++)
		assert_false(utf8_valid(invalid[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_character_is_decoded),
		cmocka_unit_test(nothing_else_is_a_character),
		cmocka_unit_test(text_is_valid_to_its_last_byte),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
