/* A token has one spelling, and nothing in it that is not understood. */
#include "auth/token.h"

#include <stdlib.h>

#include "tests/base64url.h"
#include "tests/unit/assert_slice.h"

static struct token token;

/* Reads a copy that has nothing behind it: ASan sees a step too far. */
static enum refusal read_exact(struct slice text)
{
	static char *copy;

	free(copy);
	copy = malloc(text.size > 0 ? text.size : 1);
	memcpy(copy, text.data, text.size);
	memset(&token, 0xff, sizeof(token)); /* what was read before leaves no trace */
	return token_read((struct slice){copy, text.size}, &token);
}

static enum refusal read_header(const char *header)
{
	struct buffer text = {0};

	base64url_append(&text, slice_of(header));
	buffer_append(&text, SLICE(".e30.c2ln"));
	enum refusal refusal = read_exact(buffer_slice(&text));
	buffer_fini(&text);
	return refusal;
}

static void parts_are_decoded(void **state)
{
	(void)state;
	/* {"alg":"RS256","kid":"a"} . {"iss":"b"} . sig */
	assert_int_equal(
		read_exact(SLICE("eyJhbGciOiJSUzI1NiIsImtpZCI6ImEifQ.eyJpc3MiOiJiIn0.c2ln")),
		REFUSAL_NONE);
	assert_slice(token.algorithm, "RS256");
	assert_slice(token.key_id, "a");
	assert_slice(token.payload, "{\"iss\":\"b\"}");
	assert_slice(token.signature, "sig");
	assert_slice(token.is_signed, "eyJhbGciOiJSUzI1NiIsImtpZCI6ImEifQ.eyJpc3MiOiJiIn0");
	assert_int_equal(read_header("{\"alg\":\"ES256\"}"), REFUSAL_NONE);
	assert_null(token.key_id.data);
	assert_int_equal(read_header("{\"\\u0061lg\":\"E\\u0053256\",\"kid\":\"\\u00fc\"}"),
	                 REFUSAL_NONE);
	assert_slice(token.algorithm, "ES256");
	assert_slice(token.key_id, "\xc3\xbc");
	assert_int_equal(read_header("{\"alg\":\"ES256\",\"kid\":\"\"}"), REFUSAL_NONE);
	assert_slice(token.key_id, "");
}

#define HEADER "eyJhbGciOiJSUzI1NiJ9" /* {"alg":"RS256"} */

static void any_other_shape_is_refused(void **state)
{
	(void)state;
	static const char *const rows[] = {
		"",
		".",
		"..",
		"...",
		HEADER,
		HEADER ".",
		HEADER ".e30", /* two parts */
		HEADER "..c2ln",
		HEADER ".e30.", /* no signature, as RFC 7515 A.5 */
		".e30.c2ln",
		HEADER ".e30.c2ln.", /* four */
		HEADER ".e30.c2ln.c2ln",
		HEADER ".e30.c2ln.c2ln.c2ln", /* five: a JWE */
		HEADER ".e30..c2ln",
		"." HEADER ".e30.c2ln",
		HEADER ".e30.c2ln\n",
		" " HEADER ".e30.c2ln",
		HEADER ".e30.c2ln ",
		HEADER ".e30.c2ln=",
		HEADER ".e30=.c2ln",
		HEADER "=.e30.c2ln",
		HEADER ".e30.c2lnY", /* half a byte */
		HEADER ".e30.c2l",   /* bits that are left over, in each part */
		HEADER ".e31.c2ln",
		"eyJhbGciOiJSUzI1NiIgfR.e30.c2ln",
		HEADER ".e30.c2l/",
		HEADER ".e30.c2l+",
		HEADER ".e3\n0.c2ln",
		HEADER ".e30.c2ln\xc3\xa9",
		HEADER ",e30,c2ln",
		"{\"alg\":\"RS256\"}.{}.c2ln",
		"Bearer " HEADER ".e30.c2ln",
	};

	assert_int_equal(read_exact(SLICE(HEADER ".e30.c2ln")), REFUSAL_NONE);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (read_exact(slice_of(rows[i])) != REFUSAL_NOT_JWS)
			fail_msg("%s: %s", rows[i], refusal_name(read_exact(slice_of(rows[i]))));
	assert_int_equal(token_read((struct slice){0}, &token), REFUSAL_NOT_JWS);
	assert_int_equal(read_exact(SLICE(HEADER ".e30.c2\0n")), REFUSAL_NOT_JWS);
}

static void length_is_bounded(void **state)
{
	(void)state;
	struct buffer text = {0};

	buffer_append(&text, SLICE(HEADER ".e30."));
	while (text.size < TOKEN_BYTES_MAX + 1)
		buffer_append(&text, SLICE("A"));
	assert_int_equal(read_exact(buffer_slice(&text)), REFUSAL_TOO_LONG);
	text.size = TOKEN_BYTES_MAX; /* 3 mod 4 characters in the last part: whole bytes */
	assert_int_equal(read_exact(buffer_slice(&text)), REFUSAL_NONE);
	buffer_fini(&text);
}

static void headers_that_are_not_understood_are_refused(void **state)
{
	(void)state;
	static const struct {
		const char *header;
		enum refusal refusal;
	} rows[] = {
		{"[]", REFUSAL_BAD_HEADER},
		{"{", REFUSAL_BAD_HEADER},
		{"x", REFUSAL_BAD_HEADER},
		{"{\"alg\":\"RS256\"}x", REFUSAL_BAD_HEADER},
		{"{\"alg\":\"RS256\"}{}", REFUSAL_BAD_HEADER},
		{"{\"alg\":\"RS256\xff\"}", REFUSAL_BAD_HEADER},
		{"{}", REFUSAL_BAD_HEADER},
		{"{\"ALG\":\"RS256\"}", REFUSAL_BAD_HEADER},
		{"{\"alg\":null}", REFUSAL_BAD_HEADER},
		{"{\"alg\":256}", REFUSAL_BAD_HEADER},
		{"{\"alg\":[\"RS256\"]}", REFUSAL_BAD_HEADER},
		{"{\"alg\":{\"alg\":\"RS256\"}}", REFUSAL_BAD_HEADER},
		{"{\"alg\":\"RS256RS256RS256RS256\"}", REFUSAL_BAD_HEADER},
		{"{\"alg\":\"RS256\",\"alg\":\"none\"}", REFUSAL_BAD_HEADER},
		{"{\"alg\":\"none\",\"alg\":\"RS256\"}", REFUSAL_BAD_HEADER},
		{"{\"alg\":\"RS256\",\"\\u0061lg\":\"none\"}", REFUSAL_BAD_HEADER},
		{"{\"alg\":\"RS256\",\"kid\":\"a\",\"k\\u0069d\":\"b\"}", REFUSAL_BAD_HEADER},
		{"{\"alg\":\"RS256\",\"x\":1,\"x\":1}", REFUSAL_BAD_HEADER},
		{"{\"alg\":\"RS256\",\"kid\":1}", REFUSAL_BAD_HEADER},
		{"{\"alg\":\"RS256\",\"kid\":null}", REFUSAL_BAD_HEADER},
		{"{\"alg\":\"RS256\",\"kid\":[\"a\"]}", REFUSAL_BAD_HEADER},
		{"{\"alg\":\"RS256\",\"kid\":\"\\ud800\"}", REFUSAL_BAD_HEADER},
		{"{\"alg\":\"RS256\",\"crit\":[\"exp\"]}", REFUSAL_EXTENSION},
		{"{\"alg\":\"RS256\",\"crit\":[\"b64\"],\"b64\":false}", REFUSAL_EXTENSION},
		{"{\"alg\":\"RS256\",\"crit\":[]}", REFUSAL_EXTENSION},
		{"{\"alg\":\"RS256\",\"crit\":null}", REFUSAL_EXTENSION},
		{"{\"alg\":\"RS256\",\"cr\\u0069t\":[\"x\"]}", REFUSAL_EXTENSION},
		{"{\"alg\":\"RS256\",\"b64\":false}", REFUSAL_EXTENSION},
		{"{\"alg\":\"RS256\",\"b64\":true}", REFUSAL_EXTENSION},
		{"{\"alg\":\"RS256\",\"typ\":\"logout+jwt\"}", REFUSAL_OTHER_TYPE},
		{"{\"alg\":\"RS256\",\"typ\":\"dpop+jwt\"}", REFUSAL_OTHER_TYPE},
		{"{\"alg\":\"RS256\",\"typ\":\"application/secevent+jwt\"}", REFUSAL_OTHER_TYPE},
		{"{\"alg\":\"RS256\",\"typ\":\"text/JWT\"}", REFUSAL_OTHER_TYPE},
		{"{\"alg\":\"RS256\",\"typ\":\"\"}", REFUSAL_OTHER_TYPE},
		{"{\"alg\":\"RS256\",\"typ\":null}", REFUSAL_OTHER_TYPE},
		{"{\"alg\":\"RS256\",\"typ\":\"JWT\\u0000\"}", REFUSAL_OTHER_TYPE},
		{"{\"alg\":\"RS256\",\"typ\":\"JWT\"}", REFUSAL_NONE},
		{"{\"alg\":\"RS256\",\"typ\":\"jwt\"}", REFUSAL_NONE},
		{"{\"alg\":\"RS256\",\"typ\":\"application/jwt\"}", REFUSAL_NONE},
		{"{\"alg\":\"RS256\",\"typ\":\"at+jwt\"}", REFUSAL_NONE},
		{"{\"alg\":\"RS256\",\"typ\":\"AT+JWT\"}", REFUSAL_NONE},
		{"{\"alg\":\"RS256\",\"typ\":\"application/at+jwt\"}", REFUSAL_NONE},
		{"{\"alg\":\"RS256\",\"typ\":\"application\\/at+jwt\"}", REFUSAL_NONE},
		/* Where a key is to be found is not the token's to say: not even looked at. */
		{"{\"alg\":\"RS256\",\"jku\":\"https://evil\",\"x5u\":\"https://evil\",\"jwk\":{},"
	         "\"x5c\":[\"AA\"],\"x5t\":\"AA\",\"cty\":\"JWT\",\"nonce\":1}",
	         REFUSAL_NONE},
		/* Read as it is: what it is good for, the key says. */
		{"{\"alg\":\"none\"}", REFUSAL_NONE},
		{"{\"alg\":\"HS256\"}", REFUSAL_NONE},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		enum refusal refusal = read_header(rows[i].header);
		if (refusal != rows[i].refusal)
			fail_msg("%s: %s", rows[i].header, refusal_name(refusal));
	}
}

static void a_long_key_id_is_refused(void **state)
{
	(void)state;
	struct buffer header = {0};

	buffer_append(&header, SLICE("{\"alg\":\"RS256\",\"kid\":\""));
	for (size_t i = 0; i < KEY_ID_BYTES_MAX; i++)
		buffer_append(&header, SLICE("k"));
	size_t size = header.size;
	buffer_append(&header, (struct slice){"\"}", 3});
	assert_int_equal(read_header(header.data), REFUSAL_NONE);
	assert_int_equal(token.key_id.size, KEY_ID_BYTES_MAX);
	header.size = size;
	buffer_append(&header, (struct slice){"k\"}", 4});
	assert_int_equal(read_header(header.data), REFUSAL_BAD_HEADER);
	buffer_fini(&header);
}

static void a_deep_header_is_refused(void **state)
{
	(void)state;
	struct buffer header = {0};

	buffer_append(&header, SLICE("{\"alg\":\"RS256\",\"x\":"));
	for (size_t i = 0; i < 2000; i++)
		buffer_append(&header, SLICE("["));
	for (size_t i = 0; i < 2000; i++)
		buffer_append(&header, SLICE("]"));
	buffer_append(&header, (struct slice){"}", 2});
	assert_int_equal(read_header(header.data), REFUSAL_BAD_HEADER);
	buffer_fini(&header);
}

static void every_refusal_has_a_name_and_a_text(void **state)
{
	(void)state;
	for (enum refusal a = 0; a < REFUSAL_COUNT; a++) {
		assert_non_null(refusal_text(a));
		for (enum refusal b = 0; b < a; b++)
			assert_string_not_equal(refusal_name(a), refusal_name(b));
	}
	assert_non_null(strstr(refusal_text(REFUSAL_TOO_LONG), "8192"));
	assert_int_equal(TOKEN_BYTES_MAX, 8192);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parts_are_decoded),
		cmocka_unit_test(any_other_shape_is_refused),
		cmocka_unit_test(length_is_bounded),
		cmocka_unit_test(headers_that_are_not_understood_are_refused),
		cmocka_unit_test(a_long_key_id_is_refused),
		cmocka_unit_test(a_deep_header_is_refused),
		cmocka_unit_test(every_refusal_has_a_name_and_a_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
