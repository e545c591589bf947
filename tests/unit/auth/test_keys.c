/* A token is good if a key of the issuer's set signed it: and whatever else it says does not help. */
#include "auth/keys.h"

#include <stdlib.h>

#include <openssl/hmac.h>

#include "tests/base64url.h"
#include "tests/signer.h"
#include "tests/unit/assert_slice.h"
#include "tests/vectors.h"

static struct signer *rsa;
static struct signer *p256;
static struct signer *p384;
static struct signer *ed25519;
static struct signer *stranger; /* RSA, in no set */

static int make_signers(void **state)
{
	(void)state;
	rsa = signer_create("RSA-2048");
	p256 = signer_create("P-256");
	p384 = signer_create("P-384");
	ed25519 = signer_create("Ed25519");
	stranger = signer_create("RSA-2048");
	return 0;
}

static int drop_signers(void **state)
{
	(void)state;
	signer_destroy(rsa);
	signer_destroy(p256);
	signer_destroy(p384);
	signer_destroy(ed25519);
	signer_destroy(stranger);
	return 0;
}

/* ---- Sets */

/* A set of keys is written as a list of these. */
struct entry {
	const struct signer *signer;
	const char *more;
};

static struct keys *set_of(const struct entry *entries, size_t count)
{
	struct buffer text = {0};
	const char *error;

	buffer_append(&text, SLICE("{\"keys\":["));
	for (size_t i = 0; i < count; i++)
		buffer_printf(&text, "%s{%s%s}", i == 0 ? "" : ",",
		              signer_members(entries[i].signer), entries[i].more);
	buffer_append(&text, SLICE("]}"));
	struct keys *keys = keys_read(buffer_slice(&text), &error);
	buffer_fini(&text);
	assert_non_null(keys);
	return keys;
}

static struct keys *usual_set(void)
{
	const struct entry entries[] = {
		{rsa, ",\"kid\":\"rsa\""},
		{p256, ",\"kid\":\"p256\""},
		{p384, ",\"kid\":\"p384\""},
		{ed25519, ",\"kid\":\"ed\""},
	};

	return set_of(entries, 4);
}

static enum refusal check(const struct keys *keys, struct slice text)
{
	const struct key *signer;
	struct token token;
	enum refusal refusal = token_read(text, &token);

	return refusal != REFUSAL_NONE ? refusal : keys_verify(keys, &token, &signer);
}

static enum refusal check_signed(const struct keys *keys, const struct signer *signer,
                                 const char *algorithm, const char *header)
{
	struct buffer text = {0};

	signer_token(signer, algorithm, slice_of(header), SLICE("{}"), &text);
	enum refusal refusal = check(keys, buffer_slice(&text));
	buffer_fini(&text);
	return refusal;
}

static void keys_of_rfc_7517_are_read(void **state)
{
	(void)state;
	const char *error;
	struct keys *keys =
		keys_read(SLICE("{\"keys\":[" RFC7517_A1_EC "," RFC7517_A1_RSA "]}"), &error);

	assert_non_null(keys);
	assert_null(error);
	assert_int_equal(keys_count(keys), 1); /* the other is for encryption */
	keys_destroy(keys);
}

static void keys_of_no_use_are_left_out(void **state)
{
	(void)state;
	const char *error;
	struct keys *keys = keys_read(
		SLICE("{\"more\":1,\"keys\":[1,null,\"a\",[],{}," RFC7515_A1_SECRET
	              ",{\"kty\":\"AKP\",\"alg\":\"ML-DSA-44\",\"pub\":\"AA\"}," RFC8037_A2_KEY
	              "," RFC7517_A1_EC "," RFC7515_A3_KEY "]}"),
		&error);

	assert_non_null(keys);
	assert_int_equal(keys_count(keys), 2);
	assert_int_equal(check(keys, SLICE(RFC8037_A4_EDDSA)), REFUSAL_NONE);
	assert_int_equal(check(keys, SLICE(RFC7515_A3_ES256)), REFUSAL_NONE);
	assert_int_equal(check(keys, SLICE(RFC7515_A2_RS256)), REFUSAL_WRONG_ALGORITHM);
	keys_destroy(keys);
}

static void what_is_no_set_is_refused(void **state)
{
	(void)state;
	static const char *const rows[] = {
		"",
		"<html>",
		"[]",
		"{}",
		"{\"keys\":[]}",
		"{\"keys\":{}}",
		"{\"keys\":null}",
		"{\"keys\":[" RFC7517_A1_EC "," RFC7515_A1_SECRET "]}",
		"{\"keys\":[" RFC8037_A2_KEY "]",
		"{\"keys\":[" RFC8037_A2_KEY "]}x",
		"{\"keys\":[" RFC8037_A2_KEY "],\"keys\":[]}",
		"{\"keys\":[" RFC8037_A2_KEY "],\"k\\u0065ys\":[" RFC8037_A2_KEY "]}",
		"[" RFC8037_A2_KEY "]",
		RFC8037_A2_KEY,
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const char *error = NULL;
		if (keys_read(slice_of(rows[i]), &error) != NULL)
			fail_msg("accepted: %s", rows[i]);
		assert_non_null(error);
	}
}

static void number_is_bounded(void **state)
{
	(void)state;
	struct buffer text = {0};
	const char *error;

	buffer_append(&text, SLICE("{\"keys\":["));
	for (size_t i = 0; i <= KEYS_MAX; i++)
		buffer_printf(&text, "%s{%s,\"kid\":\"%zu\"}", i == 0 ? "" : ",",
		              signer_members(ed25519), i);
	buffer_append(&text, SLICE("]}"));
	struct keys *keys = keys_read(buffer_slice(&text), &error);
	assert_int_equal(keys_count(keys), KEYS_MAX);
	assert_int_equal(check_signed(keys, ed25519, "EdDSA", "{\"alg\":\"EdDSA\",\"kid\":\"63\"}"),
	                 REFUSAL_NONE);
	assert_int_equal(check_signed(keys, ed25519, "EdDSA", "{\"alg\":\"EdDSA\",\"kid\":\"64\"}"),
	                 REFUSAL_UNKNOWN_KEY);
	keys_destroy(keys);
	buffer_fini(&text);
}

/* ---- Which key */

static void the_key_that_a_token_names_verifies_it(void **state)
{
	(void)state;
	struct keys *keys = usual_set();
	static const struct {
		struct signer **signer;
		const char *algorithm;
		const char *header;
		enum refusal refusal;
	} rows[] = {
		{&rsa, "RS256", "{\"alg\":\"RS256\",\"kid\":\"rsa\"}", REFUSAL_NONE},
		{&rsa, "PS512", "{\"alg\":\"PS512\",\"kid\":\"rsa\"}", REFUSAL_NONE},
		{&rsa, "RS256", "{\"kid\":\"r\\u0073a\",\"alg\":\"RS256\"}", REFUSAL_NONE},
		{&p256, "ES256", "{\"alg\":\"ES256\",\"kid\":\"p256\"}", REFUSAL_NONE},
		{&p384, "ES384", "{\"alg\":\"ES384\",\"kid\":\"p384\"}", REFUSAL_NONE},
		{&ed25519, "EdDSA", "{\"alg\":\"EdDSA\",\"kid\":\"ed\"}", REFUSAL_NONE},
		{&rsa, "RS256", "{\"alg\":\"RS256\",\"kid\":\"RSA\"}", REFUSAL_UNKNOWN_KEY},
		{&rsa, "RS256", "{\"alg\":\"RS256\",\"kid\":\"\"}", REFUSAL_UNKNOWN_KEY},
		{&rsa, "RS256", "{\"alg\":\"RS256\",\"kid\":\"rs\"}", REFUSAL_UNKNOWN_KEY},
		{&rsa, "RS256", "{\"alg\":\"RS256\",\"kid\":\"rsa\\u0000\"}", REFUSAL_UNKNOWN_KEY},
		{&stranger, "RS256", "{\"alg\":\"RS256\",\"kid\":\"rsa\"}",
	         REFUSAL_WRONG_SIGNATURE},
		{&p256, "ES256", "{\"alg\":\"ES256\",\"kid\":\"rsa\"}", REFUSAL_WRONG_ALGORITHM},
		{&rsa, "RS256", "{\"alg\":\"RS256\",\"kid\":\"p256\"}", REFUSAL_WRONG_ALGORITHM},
		/* Without a name those are tried that fit. */
		{&rsa, "RS256", "{\"alg\":\"RS256\"}", REFUSAL_NONE},
		{&ed25519, "EdDSA", "{\"alg\":\"EdDSA\"}", REFUSAL_NONE},
		{&stranger, "RS256", "{\"alg\":\"RS256\"}", REFUSAL_UNKNOWN_KEY},
		{&p384, "ES384", "{\"alg\":\"ES512\"}", REFUSAL_WRONG_ALGORITHM},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		enum refusal refusal =
			check_signed(keys, *rows[i].signer, rows[i].algorithm, rows[i].header);
		if (refusal != rows[i].refusal)
			fail_msg("%zu %s: %s", i, rows[i].header, refusal_name(refusal));
	}
	keys_destroy(keys);
}

static void a_kid_that_two_keys_share_means_both(void **state)
{
	(void)state;
	const struct entry entries[] = {
		{stranger, ",\"kid\":\"a\""}, {p256, ",\"kid\":\"a\""}, {rsa, ",\"kid\":\"a\""}};
	struct keys *keys = set_of(entries, 3);

	assert_int_equal(check_signed(keys, rsa, "RS256", "{\"alg\":\"RS256\",\"kid\":\"a\"}"),
	                 REFUSAL_NONE);
	assert_int_equal(check_signed(keys, p256, "ES256", "{\"alg\":\"ES256\",\"kid\":\"a\"}"),
	                 REFUSAL_NONE);
	assert_int_equal(check_signed(keys, p256, "ES256", "{\"alg\":\"RS256\",\"kid\":\"a\"}"),
	                 REFUSAL_WRONG_SIGNATURE);
	keys_destroy(keys);
}

static void few_keys_are_tried(void **state)
{
	(void)state;
	struct entry entries[KEYS_TRIED_MAX + 1];

	for (size_t i = 0; i < KEYS_TRIED_MAX; i++)
		entries[i] = (struct entry){stranger, ""};
	entries[KEYS_TRIED_MAX] = (struct entry){rsa, ""};
	struct keys *keys = set_of(entries + 1, KEYS_TRIED_MAX);
	assert_int_equal(check_signed(keys, rsa, "RS256", "{\"alg\":\"RS256\"}"), REFUSAL_NONE);
	keys_destroy(keys);
	keys = set_of(entries, KEYS_TRIED_MAX + 1);
	assert_int_equal(check_signed(keys, rsa, "RS256", "{\"alg\":\"RS256\"}"),
	                 REFUSAL_UNKNOWN_KEY);
	keys_destroy(keys);
}

static void the_signer_is_told_and_known_again(void **state)
{
	(void)state;
	const struct entry old_entries[] = {{rsa, ",\"kid\":\"1\""}, {p256, ",\"kid\":\"2\""}};
	const struct entry new_entries[] = {{p256, ",\"kid\":\"3\",\"use\":\"sig\""},
	                                    {stranger, ",\"kid\":\"1\""}};
	struct keys *old_keys = set_of(old_entries, 2);
	struct keys *new_keys = set_of(new_entries, 2);
	const struct key *signer = NULL;
	struct buffer text = {0};
	struct token token;

	signer_token(p256, "ES256", SLICE("{\"alg\":\"ES256\",\"kid\":\"2\"}"), SLICE("{}"), &text);
	assert_int_equal(token_read(buffer_slice(&text), &token), REFUSAL_NONE);
	assert_int_equal(keys_verify(old_keys, &token, &signer), REFUSAL_NONE);
	assert_slice(key_id(signer), "2");
	assert_true(keys_have(new_keys, key_thumbprint(signer)));
	buffer_clear(&text);

	signer_token(rsa, "RS256", SLICE("{\"alg\":\"RS256\",\"kid\":\"1\"}"), SLICE("{}"), &text);
	assert_int_equal(token_read(buffer_slice(&text), &token), REFUSAL_NONE);
	assert_int_equal(keys_verify(old_keys, &token, &signer), REFUSAL_NONE);
	assert_true(keys_have(old_keys, key_thumbprint(signer)));
	assert_false(keys_have(new_keys, key_thumbprint(signer))); /* of that name, but another */
	buffer_fini(&text);
	keys_destroy(old_keys);
	keys_destroy(new_keys);
}

/* ---- Attacks */

static void append_hmac(struct buffer *text, struct slice secret)
{
	unsigned char digest[32];

	assert_non_null(HMAC(EVP_sha256(), secret.data, (int)secret.size,
	                     (const unsigned char *)text->data, text->size, digest, NULL));
	buffer_append(text, SLICE("."));
	base64url_append(text, (struct slice){(const char *)digest, sizeof(digest)});
}

/* What everybody knows of the key, as the secret of an HMAC: CVE-2015-9235 and many after it. */
static void a_public_key_is_no_secret(void **state)
{
	(void)state;
	struct keys *keys = usual_set();
	struct buffer modulus = {0};
	const char *members = signer_members(rsa);
	const char *n = strstr(members, "\"n\":\"") + 5;
	struct slice pem = signer_pem(rsa);
	struct slice n_text = {n, strcspn(n, "\"")};
	struct slice n_bytes;

	buffer_reserve(&modulus, 512);
	assert_true(base64url_decode(n_text, modulus.data, 512, &n_bytes));
	const struct slice secrets[] = {pem,
	                                {pem.data, pem.size - 1},
	                                slice_of(members),
	                                n_text,
	                                n_bytes,
	                                SLICE("rsa"),
	                                SLICE("")};
	static const char *const headers[] = {
		"{\"alg\":\"HS256\",\"kid\":\"rsa\"}",
		"{\"alg\":\"HS256\"}",
		"{\"alg\":\"HS256\",\"typ\":\"JWT\"}",
		"{\"alg\":\"RS256\",\"kid\":\"rsa\"}",
	};

	for (size_t i = 0; i < sizeof(secrets) / sizeof(*secrets); i++) {
		for (size_t j = 0; j < sizeof(headers) / sizeof(*headers); j++) {
			struct buffer text = {0};
			base64url_append(&text, slice_of(headers[j]));
			buffer_append(&text, SLICE(".e30"));
			append_hmac(&text, secrets[i]);
			assert_int_equal(check(keys, buffer_slice(&text)),
			                 j < 3 ? REFUSAL_WRONG_ALGORITHM : REFUSAL_WRONG_SIGNATURE);
			buffer_fini(&text);
		}
	}
	buffer_fini(&modulus);
	keys_destroy(keys);
}

static void a_signature_cannot_be_left_out(void **state)
{
	(void)state;
	struct keys *keys = usual_set();
	static const char *const names[] = {"none",  "None", "NONE", "nOnE",       "n\\u006fne",
	                                    "none ", "",     "null", "NoNe\\u0000"};
	static const char *const signatures[] = {"", ".", ".AA", ".e30", ".bm9uZQ"};
	char header[64];

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		for (size_t j = 0; j < sizeof(signatures) / sizeof(*signatures); j++) {
			for (int named = 0; named < 2; named++) {
				struct buffer text = {0};
				snprintf(header, sizeof(header), "{\"alg\":\"%s\"%s}", names[i],
				         named ? ",\"kid\":\"rsa\"" : "");
				base64url_append(&text, slice_of(header));
				buffer_append(&text, SLICE(".e30"));
				buffer_append(&text, slice_of(signatures[j]));
				assert_int_equal(check(keys, buffer_slice(&text)),
				                 j < 2 ? REFUSAL_NOT_JWS : REFUSAL_WRONG_ALGORITHM);
				buffer_fini(&text);
			}
		}
	}
	assert_int_equal(check(keys, SLICE(RFC7515_A5_NONE)), REFUSAL_NOT_JWS);
	assert_int_equal(check(keys, SLICE(RFC7515_A1_HS256)), REFUSAL_WRONG_ALGORITHM);
	keys_destroy(keys);
}

static void a_token_cannot_bring_its_key(void **state)
{
	(void)state;
	struct keys *keys = usual_set();
	struct buffer header = {0};

	buffer_printf(&header, "{\"alg\":\"RS256\",\"kid\":\"rsa\",\"jwk\":{%s},",
	              signer_members(stranger));
	buffer_append(
		&header,
		SLICE("\"jku\":\"https://evil.example/keys\",\"x5u\":\"https://evil.example\"}"));
	buffer_append(&header, (struct slice){"", 1});
	assert_int_equal(check_signed(keys, stranger, "RS256", header.data),
	                 REFUSAL_WRONG_SIGNATURE);
	/* Nor does it do harm. */
	assert_int_equal(check_signed(keys, rsa, "RS256", header.data), REFUSAL_NONE);
	buffer_fini(&header);
	keys_destroy(keys);
}

/* One kind of key, tokens of all others. */
static void an_algorithm_of_another_kind_of_key_is_refused(void **state)
{
	(void)state;
	const struct entry ec[] = {{p384, ",\"kid\":\"a\""}};
	struct keys *keys = set_of(ec, 1);
	static const struct {
		struct signer **signer;
		const char *algorithm;
		const char *header;
	} rows[] = {
		{&rsa, "RS256", "{\"alg\":\"RS256\",\"kid\":\"a\"}"},
		{&rsa, "PS256", "{\"alg\":\"PS256\",\"kid\":\"a\"}"},
		{&p256, "ES256", "{\"alg\":\"ES256\",\"kid\":\"a\"}"},
		{&p384, "ES256", "{\"alg\":\"ES256\",\"kid\":\"a\"}"}, /* the curve decides */
		{&p384, "ES384", "{\"alg\":\"es384\",\"kid\":\"a\"}"},
		{&p384, "ES384", "{\"alg\":\"ES384 \",\"kid\":\"a\"}"},
		{&ed25519, "EdDSA", "{\"alg\":\"EdDSA\",\"kid\":\"a\"}"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		assert_int_equal(
			check_signed(keys, *rows[i].signer, rows[i].algorithm, rows[i].header),
			REFUSAL_WRONG_ALGORITHM);
	assert_int_equal(check_signed(keys, p384, "ES384", "{\"alg\":\"ES384\",\"kid\":\"a\"}"),
	                 REFUSAL_NONE);
	keys_destroy(keys);
}

/* Every byte of a good token, changed in every bit: not one of them is good. */
static void a_token_with_a_bit_changed_is_none(void **state)
{
	(void)state;
	struct keys *keys = usual_set();
	struct buffer text = {0};

	signer_token(ed25519, "EdDSA", SLICE("{\"alg\":\"EdDSA\",\"kid\":\"ed\"}"),
	             SLICE("{\"iss\":\"a\",\"sub\":\"b\",\"exp\":1}"), &text);
	assert_int_equal(check(keys, buffer_slice(&text)), REFUSAL_NONE);
	for (size_t i = 0; i < text.size; i++) {
		for (int bit = 0; bit < 8; bit++) {
			text.data[i] ^= (char)(1 << bit);
			assert_int_not_equal(check(keys, buffer_slice(&text)), REFUSAL_NONE);
			text.data[i] ^= (char)(1 << bit);
		}
	}
	buffer_fini(&text);
	keys_destroy(keys);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_of_rfc_7517_are_read),
		cmocka_unit_test(keys_of_no_use_are_left_out),
		cmocka_unit_test(what_is_no_set_is_refused),
		cmocka_unit_test(number_is_bounded),
		cmocka_unit_test(the_key_that_a_token_names_verifies_it),
		cmocka_unit_test(a_kid_that_two_keys_share_means_both),
		cmocka_unit_test(few_keys_are_tried),
		cmocka_unit_test(the_signer_is_told_and_known_again),
		cmocka_unit_test(a_public_key_is_no_secret),
		cmocka_unit_test(a_signature_cannot_be_left_out),
		cmocka_unit_test(a_token_cannot_bring_its_key),
		cmocka_unit_test(an_algorithm_of_another_kind_of_key_is_refused),
		cmocka_unit_test(a_token_with_a_bit_changed_is_none),
	};

	return cmocka_run_group_tests(tests, make_signers, drop_signers);
}
