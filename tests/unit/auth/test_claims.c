/* A token says who, by whom and until when, or it says nothing. */
#include "auth/claims.h"

#include <stdlib.h>

#include "auth/token.h"
#include "common/buffer.h"

#include "tests/unit/assert_slice.h"

static struct claims claims;

/* Reads a copy that has nothing behind it: ASan sees a step too far. */
static enum refusal read_exact(struct slice payload)
{
	static char *copy;

	free(copy);
	copy = malloc(payload.size > 0 ? payload.size : 1);
	memcpy(copy, payload.data, payload.size);
	memset(&claims, 0xff, sizeof(claims)); /* what was read before leaves no trace */
	return claims_read((struct slice){copy, payload.size}, &claims);
}

#define READ(literal) read_exact(SLICE(literal))
#define WHO "\"iss\":\"https://issuer.example\",\"sub\":\"alice\""

static void claims_are_read(void **state)
{
	(void)state;
	assert_int_equal(READ("{" WHO ",\"exp\":1760000000,\"nbf\":1,\"iat\":2.5,\"a\":[1]}"),
	                 REFUSAL_NONE);
	assert_slice(claims.issuer, "https://issuer.example");
	assert_slice(claims.subject, "alice");
	assert_true(claims.expires_ms == 1760000000000);
	assert_true(claims.not_before_ms == 1000);
	assert_true(claims.issued_ms == 2500);
	assert_slice(members_find(&claims.members, SLICE("a")), "[1]");
	assert_int_equal(READ("{" WHO ",\"exp\":1}"), REFUSAL_NONE);
	assert_true(claims.not_before_ms == 0);
	assert_true(claims.issued_ms == 0);
	assert_int_equal(READ("{\"iss\":\"https:\\/\\/i\",\"s\\u0075b\":\"\\u00fc\",\"exp\":1}"),
	                 REFUSAL_NONE);
	assert_slice(claims.issuer, "https://i");
	assert_slice(claims.subject, "\xc3\xbc");
}

static void what_must_be_there_must_be_right(void **state)
{
	(void)state;
	static const struct {
		const char *payload;
		enum refusal refusal;
	} rows[] = {
		{"", REFUSAL_BAD_CLAIMS},
		{"x", REFUSAL_BAD_CLAIMS},
		{"[]", REFUSAL_BAD_CLAIMS},
		{"{" WHO ",\"exp\":1}x", REFUSAL_BAD_CLAIMS},
		{"{" WHO ",\"exp\":NaN}", REFUSAL_BAD_CLAIMS},
		{"{" WHO ",\"exp\":Infinity}", REFUSAL_BAD_CLAIMS},
		{"{" WHO ",\"exp\":01}", REFUSAL_BAD_CLAIMS},
		{"{" WHO ",\"exp\":+1}", REFUSAL_BAD_CLAIMS},
		{"{" WHO ",\"exp\":0x1}", REFUSAL_BAD_CLAIMS},
		{"{" WHO ",\"exp\":1,\"exp\":2}", REFUSAL_BAD_CLAIMS},
		{"{" WHO ",\"exp\":1,\"\\u0065xp\":2}", REFUSAL_BAD_CLAIMS},
		{"{" WHO ",\"exp\":1,\"sub\":\"bob\"}", REFUSAL_BAD_CLAIMS},
		{"{" WHO ",\"exp\":1,\"s\\u0075b\":\"bob\"}", REFUSAL_BAD_CLAIMS},
		{"{" WHO ",\"exp\":1,\"iss\":\"https://issuer.example\"}", REFUSAL_BAD_CLAIMS},
		{"{" WHO ",\"exp\":1,\"a\":1,\"a\":1}", REFUSAL_BAD_CLAIMS},
		{"{" WHO ",\"exp\":1,\"a\":\"\xff\"}", REFUSAL_BAD_CLAIMS},
		{"{}", REFUSAL_NO_ISSUER},
		{"{\"sub\":\"a\",\"exp\":1}", REFUSAL_NO_ISSUER},
		{"{\"iss\":\"\",\"sub\":\"a\",\"exp\":1}", REFUSAL_NO_ISSUER},
		{"{\"iss\":null,\"sub\":\"a\",\"exp\":1}", REFUSAL_NO_ISSUER},
		{"{\"iss\":1,\"sub\":\"a\",\"exp\":1}", REFUSAL_NO_ISSUER},
		{"{\"iss\":[\"https://issuer.example\"],\"sub\":\"a\",\"exp\":1}",
	         REFUSAL_NO_ISSUER},
		{"{\"iss\":\"a\",\"exp\":1}", REFUSAL_NO_SUBJECT},
		{"{\"iss\":\"a\",\"sub\":\"\",\"exp\":1}", REFUSAL_NO_SUBJECT},
		{"{\"iss\":\"a\",\"sub\":null,\"exp\":1}", REFUSAL_NO_SUBJECT},
		{"{\"iss\":\"a\",\"sub\":1,\"exp\":1}", REFUSAL_NO_SUBJECT},
		{"{\"iss\":\"a\",\"sub\":{\"a\":1},\"exp\":1}", REFUSAL_NO_SUBJECT},
		{"{\"iss\":\"a\",\"sub\":[\"a\"],\"exp\":1}", REFUSAL_NO_SUBJECT},
		{"{\"iss\":\"a\",\"sub\":\"\\ud800\",\"exp\":1}", REFUSAL_NO_SUBJECT},
		{"{\"iss\":\"a\",\"Sub\":\"a\",\"exp\":1}", REFUSAL_NO_SUBJECT},
		{"{" WHO "}", REFUSAL_NO_EXPIRY},
		{"{" WHO ",\"EXP\":1}", REFUSAL_NO_EXPIRY},
		{"{" WHO ",\"exp\":null}", REFUSAL_BAD_TIME},
		{"{" WHO ",\"exp\":\"1760000000\"}", REFUSAL_BAD_TIME},
		{"{" WHO ",\"exp\":true}", REFUSAL_BAD_TIME},
		{"{" WHO ",\"exp\":[1]}", REFUSAL_BAD_TIME},
		{"{" WHO ",\"exp\":{}}", REFUSAL_BAD_TIME},
		{"{" WHO ",\"exp\":-1}", REFUSAL_BAD_TIME},
		{"{" WHO ",\"exp\":-0}", REFUSAL_BAD_TIME},
		{"{" WHO ",\"exp\":1e999}", REFUSAL_BAD_TIME},
		{"{" WHO ",\"exp\":253402300800}", REFUSAL_BAD_TIME},
		{"{" WHO ",\"exp\":1760000000000}", REFUSAL_BAD_TIME}, /* milliseconds */
		{"{" WHO ",\"exp\":18446744073709551616}", REFUSAL_BAD_TIME},
		{"{" WHO ",\"exp\":9223372036854775807}", REFUSAL_BAD_TIME},
		{"{" WHO
	         ",\"exp\":1.00000000000000000000000000000000000000000000000000000000000000}",
	         REFUSAL_BAD_TIME},
		{"{" WHO ",\"exp\":1,\"nbf\":\"1\"}", REFUSAL_BAD_TIME},
		{"{" WHO ",\"exp\":1,\"nbf\":-1}", REFUSAL_BAD_TIME},
		{"{" WHO ",\"exp\":1,\"nbf\":null}", REFUSAL_BAD_TIME},
		{"{" WHO ",\"exp\":1,\"iat\":\"now\"}", REFUSAL_BAD_TIME},
		{"{" WHO ",\"exp\":1,\"iat\":1e999}", REFUSAL_BAD_TIME},
		{"{" WHO ",\"exp\":253402300799}", REFUSAL_NONE},
		{"{" WHO ",\"exp\":1.76e9}", REFUSAL_NONE},
		{"{" WHO ",\"exp\":0}", REFUSAL_NONE}, /* a time, long ago */
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		enum refusal refusal = read_exact(slice_of(rows[i].payload));
		if (refusal != rows[i].refusal)
			fail_msg("%s: %s", rows[i].payload, refusal_name(refusal));
	}
}

static enum refusal read_long(const char *name, size_t size, bool escaped)
{
	struct buffer text = {0};
	const char *other = strcmp(name, "iss") == 0 ? "sub" : "iss";

	buffer_printf(&text, "{\"%s\":\"a\",\"exp\":1,\"%s\":\"", other, name);
	for (size_t i = 0; i < size; i++)
		buffer_append(&text, escaped && i == 0 ? SLICE("\\u0061") : SLICE("a"));
	buffer_append(&text, SLICE("\"}"));
	enum refusal refusal = read_exact(buffer_slice(&text));
	buffer_fini(&text);
	return refusal;
}

static void lengths_are_bounded(void **state)
{
	(void)state;
	for (int escaped = 0; escaped < 2; escaped++) {
		assert_int_equal(read_long("sub", 256, escaped), REFUSAL_NONE);
		assert_int_equal(claims.subject.size, 256);
		assert_int_equal(read_long("sub", 257, escaped), REFUSAL_NO_SUBJECT);
		assert_int_equal(read_long("iss", 512, escaped), REFUSAL_NONE);
		assert_int_equal(claims.issuer.size, 512);
		assert_int_equal(read_long("iss", 513, escaped), REFUSAL_NO_ISSUER);
	}
}

static void depth_is_bounded(void **state)
{
	(void)state;
	struct buffer text = {0};

	buffer_append(&text, SLICE("{" WHO ",\"exp\":1,\"a\":"));
	for (size_t i = 0; i < 64; i++)
		buffer_append(&text, SLICE("["));
	for (size_t i = 0; i < 64; i++)
		buffer_append(&text, SLICE("]"));
	buffer_append(&text, SLICE("}"));
	assert_int_equal(read_exact(buffer_slice(&text)), REFUSAL_BAD_CLAIMS);
	buffer_fini(&text);
}

/* ---- Time */

#define NOW_MS 1760000000000

static void a_minute_of_difference_is_forgiven(void **state)
{
	(void)state;
	static const struct {
		const char *payload;
		enum refusal refusal;
	} rows[] = {
		{"{" WHO ",\"exp\":1760000001}", REFUSAL_NONE},
		{"{" WHO ",\"exp\":1760000000}", REFUSAL_NONE},
		{"{" WHO ",\"exp\":1759999941}", REFUSAL_NONE}, /* 59 s ago */
		{"{" WHO ",\"exp\":1759999940.001}", REFUSAL_NONE},
		{"{" WHO ",\"exp\":1759999940}", REFUSAL_EXPIRED},
		{"{" WHO ",\"exp\":1759999939}", REFUSAL_EXPIRED},
		{"{" WHO ",\"exp\":0}", REFUSAL_EXPIRED},
		{"{" WHO ",\"exp\":1e-9}", REFUSAL_EXPIRED},
		{"{" WHO ",\"exp\":253402300799}", REFUSAL_NONE},
		{"{" WHO ",\"exp\":1760003600,\"nbf\":1760000000}", REFUSAL_NONE},
		{"{" WHO ",\"exp\":1760003600,\"nbf\":1760000060}", REFUSAL_NONE},
		{"{" WHO ",\"exp\":1760003600,\"nbf\":1760000060.002}", REFUSAL_NOT_YET_VALID},
		{"{" WHO ",\"exp\":1760003600,\"nbf\":1760000061}", REFUSAL_NOT_YET_VALID},
		{"{" WHO ",\"exp\":1760003600,\"iat\":1760000060}", REFUSAL_NONE},
		{"{" WHO ",\"exp\":1760003600,\"iat\":1760000061}", REFUSAL_NOT_YET_VALID},
		{"{" WHO ",\"exp\":1760003600,\"nbf\":0,\"iat\":0}", REFUSAL_NONE},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		assert_int_equal(read_exact(slice_of(rows[i].payload)), REFUSAL_NONE);
		enum refusal refusal = claims_at(&claims, NOW_MS);
		if (refusal != rows[i].refusal)
			fail_msg("%s: %s", rows[i].payload, refusal_name(refusal));
		assert_int_equal(claims_expired(claims.expires_ms, NOW_MS),
		                 refusal == REFUSAL_EXPIRED);
	}
}

/* ---- Meshes */

static char out[TOKEN_BYTES_MAX];

#define assert_meshes(json, words)                                                   \
	do {                                                                         \
		assert_int_equal(READ("{" WHO ",\"exp\":1" json "}"), REFUSAL_NONE); \
		assert_slice(claims_meshes(&claims, "mesh", out), words);            \
	} while (0)

static void a_claim_names_meshes(void **state)
{
	(void)state;
	assert_meshes(",\"mesh\":\"team-a\"", "team-a");
	assert_meshes(",\"mesh\":\"t\\u0065am\"", "team");
	assert_meshes(",\"mesh\":[\"a\",\"b.c\",\"d_e\"]", "a b.c d_e");
	assert_meshes(",\"mesh\":[]", "");
	assert_meshes("", "");
	/* What is no name of a mesh is left out. */
	assert_meshes(",\"mesh\":\"\"", "");
	assert_meshes(",\"mesh\":\"a b\"", "");
	assert_meshes(",\"mesh\":\"a/b\"", "");
	assert_meshes(",\"mesh\":\"*\"", "");
	assert_meshes(",\"mesh\":\"{a}\"", "");
	assert_meshes(",\"mesh\":\"a\\u0000\"", "");
	assert_meshes(",\"mesh\":[\"a b\",1,null,[\"c\"],{\"d\":\"e\"},\"f\",true]", "f");
	assert_meshes(",\"mesh\":1", "");
	assert_meshes(",\"mesh\":{\"a\":\"b\"}", "");
	assert_meshes(",\"mesh\":\"[\\\"a\\\"]\"", "");
	/* 64 bytes, and 65. */
	assert_meshes(
		",\"mesh\":[\"0123456789012345678901234567890123456789012345678901234567890123\","
		"\"01234567890123456789012345678901234567890123456789012345678901234\"]",
		"0123456789012345678901234567890123456789012345678901234567890123");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(claims_are_read),
		cmocka_unit_test(what_must_be_there_must_be_right),
		cmocka_unit_test(lengths_are_bounded),
		cmocka_unit_test(depth_is_bounded),
		cmocka_unit_test(a_minute_of_difference_is_forgiven),
		cmocka_unit_test(a_claim_names_meshes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
