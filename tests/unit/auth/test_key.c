/* A key verifies what its private half signed, by an algorithm of its kind, and nothing else. */
#include "auth/key.h"

#include <stdio.h>
#include <stdlib.h>

#include "auth/token.h"
#include "tests/base64url.h"
#include "tests/signer.h"
#include "tests/unit/assert_slice.h"
#include "tests/vectors.h"

static struct key *read_key(struct slice jwk)
{
	const char *error;
	struct key *key = key_read(jwk, &error);

	if (key == NULL)
		fail_msg("%.*s: %s", SLICE_ARGS(jwk), error);
	assert_null(error);
	return key;
}

/* ---- The examples of the RFCs */

static void examples_of_the_rfcs_are_verified(void **state)
{
	(void)state;
	static const char *const rows[][2] = {
		{RFC7515_A2_KEY, RFC7515_A2_RS256},
		{RFC7515_A3_KEY, RFC7515_A3_ES256},
		{RFC7515_A4_KEY, RFC7515_A4_ES512},
		{RFC8037_A2_KEY, RFC8037_A4_EDDSA},
	};
	struct token token;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		assert_int_equal(token_read(slice_of(rows[i][1]), &token), REFUSAL_NONE);
		for (size_t j = 0; j < sizeof(rows) / sizeof(*rows); j++) {
			struct key *key = read_key(slice_of(rows[j][0]));
			assert_int_equal(
				key_verify(key, token.algorithm, token.is_signed, token.signature),
				i == j);
			key_destroy(key);
		}
	}
}

static void assert_thumbprint(const char *jwk, const char *wanted)
{
	struct key *key = read_key(slice_of(jwk));
	struct buffer text = {0};

	base64url_append(&text,
	                 (struct slice){(const char *)key_thumbprint(key), KEY_THUMBPRINT_BYTES});
	assert_slice(buffer_slice(&text), wanted);
	buffer_fini(&text);
	key_destroy(key);
}

static void thumbprints_are_those_of_the_rfcs(void **state)
{
	(void)state;
	assert_thumbprint(RFC7517_A1_RSA, RFC7517_A1_RSA_THUMBPRINT);
	assert_thumbprint(RFC8037_A2_KEY, RFC8037_A3_THUMBPRINT);
	/* Whatever else is said of the key, and in whatever order and spelling. */
	assert_thumbprint(
		"{\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHUR\\u006f\",\"kid\":\"a\","
		"\"crv\":\"Ed25519\",\"use\":\"sig\",\"kty\":\"OKP\"}",
		RFC8037_A3_THUMBPRINT);
}

/* ---- All kinds of keys, all algorithms */

static const char *const kinds[] = {"RSA-2048", "P-256", "P-384", "P-521", "Ed25519", "Ed448"};
#define KINDS (sizeof(kinds) / sizeof(*kinds))

static const struct {
	const char *name;
	size_t kind; /* KINDS: none */
} algorithms[] = {
	{"RS256", 0},       {"RS384", 0},        {"RS512", 0},       {"PS256", 0},
	{"PS384", 0},       {"PS512", 0},        {"ES256", 1},       {"ES384", 2},
	{"ES512", 3},       {"EdDSA", 4},        {"EdDSA", 5},       {"Ed25519", 4},
	{"Ed448", 5},       {"HS256", KINDS},    {"HS384", KINDS},   {"HS512", KINDS},
	{"none", KINDS},    {"None", KINDS},     {"NONE", KINDS},    {"nOnE", KINDS},
	{"none ", KINDS},   {"", KINDS},         {"rs256", KINDS},   {"Rs256", KINDS},
	{"RS256 ", KINDS},  {" RS256", KINDS},   {"RS25", KINDS},    {"RS2566", KINDS},
	{"RS1", KINDS},     {"es256", KINDS},    {"ES256K", KINDS},  {"eddsa", KINDS},
	{"ED25519", KINDS}, {"RSA-OAEP", KINDS}, {"RSA1_5", KINDS},  {"A128KW", KINDS},
	{"dir", KINDS},     {"SHA256", KINDS},   {"RS256\n", KINDS},
};
#define ALGORITHMS (sizeof(algorithms) / sizeof(*algorithms))

static struct signer *signers[KINDS];
static struct key *keys[KINDS];

static struct key *key_with(const struct signer *signer, const char *more)
{
	char jwk[4096];

	snprintf(jwk, sizeof(jwk), "{%s%s}", signer_members(signer), more);
	return read_key(slice_of(jwk));
}

static int make_keys(void **state)
{
	(void)state;
	for (size_t i = 0; i < KINDS; i++) {
		signers[i] = signer_create(kinds[i]);
		keys[i] = key_with(signers[i], "");
	}
	return 0;
}

static int drop_keys(void **state)
{
	(void)state;
	for (size_t i = 0; i < KINDS; i++) {
		signer_destroy(signers[i]);
		key_destroy(keys[i]);
	}
	return 0;
}

static const struct slice text = SLICE("what is signed");

static bool verify(const struct key *key, const char *algorithm, struct slice signature)
{
	return key_verify(key, slice_of(algorithm), text, signature);
}

/* EdDSA and the curve's name mean the same. */
static bool is_good(const char *signed_as, const char *said, size_t kind)
{
	if (kind == 4 || kind == 5)
		return strcmp(said, "EdDSA") == 0 || strcmp(said, kinds[kind]) == 0;
	return strcmp(signed_as, said) == 0;
}

/* Every signature there is, by every key, under every name. */
static void a_signature_is_good_for_its_key_and_its_algorithm(void **state)
{
	(void)state;
	struct buffer signature = {0};

	for (size_t by = 0; by < ALGORITHMS; by++) {
		if (algorithms[by].kind == KINDS)
			continue;
		buffer_clear(&signature);
		signer_sign(signers[algorithms[by].kind], algorithms[by].name, text, &signature);
		for (size_t as = 0; as < ALGORITHMS; as++) {
			for (size_t k = 0; k < KINDS; k++) {
				bool wanted = k == algorithms[by].kind &&
				              is_good(algorithms[by].name, algorithms[as].name, k);
				if (verify(keys[k], algorithms[as].name,
				           buffer_slice(&signature)) != wanted)
					fail_msg("signed %s, said %s, key %s", algorithms[by].name,
					         algorithms[as].name, kinds[k]);
			}
		}
	}
	buffer_fini(&signature);
}

static void a_key_fits_its_own_algorithms(void **state)
{
	(void)state;
	for (size_t k = 0; k < KINDS; k++) {
		for (size_t a = 0; a < ALGORITHMS; a++) {
			bool wanted = algorithms[a].kind == k;
			if (strcmp(algorithms[a].name, "EdDSA") == 0)
				wanted = k == 4 || k == 5;
			assert_int_equal(key_fits(keys[k], slice_of(algorithms[a].name)), wanted);
		}
		assert_false(key_fits(keys[k], (struct slice){0}));
	}
}

static void another_key_of_the_kind_is_another_key(void **state)
{
	(void)state;
	static const char *const names[KINDS] = {"PS256", "ES256", "ES384",
	                                         "ES512", "EdDSA", "EdDSA"};
	struct buffer signature = {0};

	for (size_t i = 0; i < KINDS; i++) {
		struct signer *other = signer_create(kinds[i]);
		buffer_clear(&signature);
		signer_sign(other, names[i], text, &signature);
		assert_false(verify(keys[i], names[i], buffer_slice(&signature)));
		signer_destroy(other);
	}
	buffer_fini(&signature);
}

static void a_signature_with_a_bit_changed_is_none(void **state)
{
	(void)state;
	struct buffer signature = {0};

	for (size_t a = 0; a < ALGORITHMS; a++) {
		const char *name = algorithms[a].name;
		size_t kind = algorithms[a].kind;
		if (kind == KINDS)
			continue;
		buffer_clear(&signature);
		signer_sign(signers[kind], name, text, &signature);
		for (size_t i = 0; i < signature.size; i += 7) {
			signature.data[i] ^= 1;
			assert_false(verify(keys[kind], name, buffer_slice(&signature)));
			signature.data[i] ^= 1;
		}
		assert_true(verify(keys[kind], name, buffer_slice(&signature)));
		assert_false(key_verify(keys[kind], slice_of(name), SLICE("What is signed"),
		                        buffer_slice(&signature)));
		assert_false(key_verify(keys[kind], slice_of(name), SLICE(""),
		                        buffer_slice(&signature)));
		/* Longer or shorter. */
		for (size_t size = 0; size < signature.size; size += 5)
			assert_false(
				verify(keys[kind], name, (struct slice){signature.data, size}));
		buffer_append(&signature, (struct slice){"", 1});
		assert_false(verify(keys[kind], name, buffer_slice(&signature)));
	}
	buffer_fini(&signature);
}

/* CVE-2022-21449: zeros were the signature of anything. */
static void numbers_that_are_out_of_range_sign_nothing(void **state)
{
	(void)state;
	static const char *const names[KINDS] = {"RS256", "ES256", "ES384",
	                                         "ES512", "EdDSA", "EdDSA"};
	static const size_t sizes[KINDS] = {256, 64, 96, 132, 64, 114};
	char signature[256];

	for (size_t i = 0; i < KINDS; i++) {
		for (int fill = 0; fill < 256; fill += 255) {
			memset(signature, fill, sizeof(signature));
			assert_false(
				verify(keys[i], names[i], (struct slice){signature, sizes[i]}));
			assert_false(verify(keys[i], names[i], (struct slice){signature, 0}));
		}
	}
}

/* What OpenSSL itself writes has another spelling for the same signature. */
static void der_is_no_signature(void **state)
{
	(void)state;
	struct buffer raw = {0};
	char der[72] = {0x30, 68, 0x02, 32};

	do { /* no zero bytes to be put in front */
		buffer_clear(&raw);
		signer_sign(signers[1], "ES256", text, &raw);
	} while (raw.data[0] <= 0 || raw.data[32] <= 0);
	memcpy(der + 4, raw.data, 32);
	der[36] = 0x02;
	der[37] = 32;
	memcpy(der + 38, raw.data + 32, 32);
	assert_true(verify(keys[1], "ES256", buffer_slice(&raw)));
	assert_false(verify(keys[1], "ES256", (struct slice){der, 70}));
	buffer_fini(&raw);
}

/* ---- What a JWK says of itself */

static void a_key_that_names_its_algorithm_is_good_for_no_other(void **state)
{
	(void)state;
	struct key *rsa = key_with(signers[0], ",\"alg\":\"PS384\"");
	struct key *ed25519 = key_with(signers[4], ",\"alg\":\"EdDSA\"");
	struct buffer signature = {0};

	assert_true(key_fits(rsa, SLICE("PS384")));
	assert_false(key_fits(rsa, SLICE("RS256")));
	assert_true(key_fits(ed25519, SLICE("EdDSA")));
	signer_sign(signers[0], "RS256", text, &signature);
	assert_true(verify(keys[0], "RS256", buffer_slice(&signature)));
	assert_false(verify(rsa, "RS256", buffer_slice(&signature)));
	buffer_fini(&signature);
	key_destroy(rsa);
	key_destroy(ed25519);
}

static void an_id_is_kept(void **state)
{
	(void)state;
	struct key *key = key_with(signers[1], ",\"kid\":\"a\\u00fc\"");

	assert_slice(key_id(key), "a\xc3\xbc");
	assert_null(key_id(keys[1]).data);
	key_destroy(key);
	key = key_with(signers[1], ",\"kid\":\"\"");
	assert_slice(key_id(key), "");
	key_destroy(key);
}

static void what_a_key_may_say_of_itself(void **state)
{
	(void)state;
	static const struct {
		const char *more;
		bool good;
	} rows[] = {
		{",\"use\":\"sig\"", true},
		{",\"use\":\"enc\"", false},
		{",\"use\":\"\"", false},
		{",\"use\":null", false},
		{",\"use\":[\"sig\"]", false},
		{",\"key_ops\":[\"verify\"]", true},
		{",\"key_ops\":[\"sign\",\"ver\\u0069fy\"]", true},
		{",\"key_ops\":[\"encrypt\",\"wrapKey\"]", false},
		{",\"key_ops\":[]", false},
		{",\"key_ops\":\"verify\"", false},
		{",\"key_ops\":null", false},
		{",\"use\":\"sig\",\"key_ops\":[\"verify\"]", true},
		{",\"use\":\"enc\",\"key_ops\":[\"verify\"]", false},
		{",\"alg\":\"ES256\"", true},
		{",\"alg\":\"ES384\"", false},
		{",\"alg\":\"RS256\"", false},
		{",\"alg\":\"ECDH-ES\"", false},
		{",\"alg\":\"none\"", false},
		{",\"alg\":\"HS256\"", false},
		{",\"alg\":null", false},
		{",\"alg\":256", false},
		{",\"kid\":1", false},
		{",\"kid\":null", false},
		{",\"kid\":\"\\ud800\"", false},
		{",\"kid\":\"a\",\"kid\":\"b\"", false},
		{",\"k\\u0074y\":\"EC\"", false},
		{",\"d\":\"AQ\"", false},
		{",\"k\":\"AQ\"", false},
		{",\"x5c\":[\"AA==\"],\"x5t\":\"AA\",\"x5u\":\"https://evil\",\"nbf\":1,\"more\":{}",
	         true},
	};
	char jwk[4096];

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const char *error;
		snprintf(jwk, sizeof(jwk), "{%s%s}", signer_members(signers[1]), rows[i].more);
		struct key *key = key_read(slice_of(jwk), &error);
		if ((key != NULL) != rows[i].good || (error == NULL) != rows[i].good)
			fail_msg("%s: %s", rows[i].more, error);
		key_destroy(key);
	}
}

static void a_long_id_is_refused(void **state)
{
	(void)state;
	char jwk[4096];
	char id[KEY_ID_BYTES_MAX + 2] = {0};
	const char *error;

	memset(id, 'k', KEY_ID_BYTES_MAX);
	snprintf(jwk, sizeof(jwk), "{%s,\"kid\":\"%s\"}", signer_members(signers[1]), id);
	key_destroy(read_key(slice_of(jwk)));
	id[KEY_ID_BYTES_MAX] = 'k';
	snprintf(jwk, sizeof(jwk), "{%s,\"kid\":\"%s\"}", signer_members(signers[1]), id);
	assert_null(key_read(slice_of(jwk), &error));
}

/* ---- What is no key */

#define X "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU" /* RFC 7515 A.3 */
#define Y "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"
#define ED "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" /* RFC 8037 A.2 */
#define ZERO32 "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

static void what_is_no_key_is_refused(void **state)
{
	(void)state;
	static const char *const rows[] = {
		"",
		"x",
		"[]",
		"null",
		"\"\"",
		"{}",
		"{\"kty\":\"oct\",\"k\":\"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ\"}",
		"{\"kty\":\"rsa\",\"n\":\"AQAB\",\"e\":\"AQAB\"}",
		"{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"}", /* 17 bits */
		"{\"kty\":\"RSA\",\"e\":\"AQAB\"}",
		"{\"kty\":\"EC\",\"x\":\"" X "\",\"y\":\"" Y "\"}",
		"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" X "\"}",
		"{\"kty\":\"EC\",\"crv\":\"P-256\",\"y\":\"" Y "\"}",
		"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" X "\",\"y\":\"\"}",
		"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" X "\",\"y\":1}",
		/* Not on the curve: the other coordinate, nothing, a bit of y, another curve. */
		"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" Y "\",\"y\":\"" X "\"}",
		"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" X "\",\"y\":\"" X "\"}",
		"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" ZERO32 "\",\"y\":\"" ZERO32 "\"}",
		"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" X
		"\",\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a4\"}",
		"{\"kty\":\"EC\",\"crv\":\"P-384\",\"x\":\"" X "\",\"y\":\"" Y "\"}",
		"{\"kty\":\"EC\",\"crv\":\"secp256k1\",\"x\":\"" X "\",\"y\":\"" Y "\"}",
		"{\"kty\":\"EC\",\"crv\":\"p-256\",\"x\":\"" X "\",\"y\":\"" Y "\"}",
		"{\"kty\":\"EC\",\"crv\":\"Ed25519\",\"x\":\"" X "\",\"y\":\"" Y "\"}",
		/* Not base64url, or not in its one spelling. */
		"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" X "=\",\"y\":\"" Y "\"}",
		"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" X
		"\",\"y\":\"x/FEzRu9m36HLN/tue659LNpXW6pCyStikYjKIWI5a0\"}",
		"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" X "\",\"y\":\"" Y "AA\"}",
		"{\"kty\":\"OKP\",\"crv\":\"Ed25519\"}",
		"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"\"}",
		"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"" ED "AA\"}",
		"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AAAA\"}",
		"{\"kty\":\"OKP\",\"crv\":\"Ed448\",\"x\":\"" ED "\"}",
		"{\"kty\":\"OKP\",\"crv\":\"X25519\",\"x\":\"" ED "\"}",
		"{\"kty\":\"EC\",\"crv\":\"Ed25519\",\"x\":\"" ED "\"}",
		"{\"kty\":\"OKP\",\"x\":\"" ED "\"}",
		"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"" ED "\",\"d\":\"" ED "\"}",
		"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"" ED "\",\"x\":\"" ED "\"}",
		RFC7515_A1_SECRET,
		RFC7517_A1_EC,
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const char *error = NULL;
		struct key *key = key_read(slice_of(rows[i]), &error);
		if (key != NULL)
			fail_msg("accepted: %s", rows[i]);
		assert_non_null(error);
	}
}

/* A modulus of so many bits, whose last bits are given, and an exponent. */
static const char *rsa_error(size_t bits, unsigned char last, const char *exponent)
{
	struct buffer jwk = {0};
	char modulus[KEY_RSA_BITS_MAX / 8 + 64];
	size_t size = (bits + 7) / 8;
	const char *error;

	memset(modulus, 0xa5, sizeof(modulus));
	modulus[0] = (char)(1U << (bits - 1) % 8);
	modulus[size - 1] = (char)last;
	buffer_append(&jwk, SLICE("{\"kty\":\"RSA\",\"n\":\""));
	base64url_append(&jwk, (struct slice){modulus, size});
	buffer_printf(&jwk, "\",\"e\":\"%s\"}", exponent);
	key_destroy(key_read(buffer_slice(&jwk), &error));
	buffer_fini(&jwk);
	return error;
}

static void weak_and_odd_rsa_keys_are_refused(void **state)
{
	(void)state;
	assert_null(rsa_error(2048, 1, "AQAB"));
	assert_null(rsa_error(4096, 1, "AQAB"));
	assert_null(rsa_error(16384, 1, "AQAB"));
	assert_null(rsa_error(2048, 1, "Aw"));          /* 3 */
	assert_null(rsa_error(2048, 1, "AAEAAQ"));      /* a zero byte in front */
	assert_null(rsa_error(2048, 1, "__________8")); /* 64 bits */
	assert_non_null(rsa_error(2047, 1, "AQAB"));
	assert_non_null(rsa_error(1024, 1, "AQAB"));
	assert_non_null(rsa_error(512, 1, "AQAB"));
	assert_non_null(rsa_error(16385, 1, "AQAB"));
	assert_non_null(rsa_error(16600, 1, "AQAB"));
	assert_non_null(rsa_error(2048, 2, "AQAB")); /* even */
	assert_non_null(rsa_error(2048, 1, "AQ"));   /* 1: the signature is the message */
	assert_non_null(rsa_error(2048, 1, "AA"));
	assert_non_null(rsa_error(2048, 1, "Ag"));
	assert_non_null(rsa_error(2048, 1, "AQAA"));
	assert_non_null(rsa_error(2048, 1, ""));
	assert_non_null(rsa_error(2048, 1, "AQAB="));
	assert_non_null(rsa_error(2048, 1, "AQAAAAAAAAAB")); /* 65 bits */
}

static void a_real_key_of_1024_bits_is_refused(void **state)
{
	(void)state;
	struct signer *weak = signer_create("RSA-1024");
	char jwk[4096];
	const char *error;

	snprintf(jwk, sizeof(jwk), "{%s}", signer_members(weak));
	assert_null(key_read(slice_of(jwk), &error));
	assert_non_null(strstr(error, "2048"));
	signer_destroy(weak);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(examples_of_the_rfcs_are_verified),
		cmocka_unit_test(thumbprints_are_those_of_the_rfcs),
		cmocka_unit_test(a_signature_is_good_for_its_key_and_its_algorithm),
		cmocka_unit_test(a_key_fits_its_own_algorithms),
		cmocka_unit_test(another_key_of_the_kind_is_another_key),
		cmocka_unit_test(a_signature_with_a_bit_changed_is_none),
		cmocka_unit_test(numbers_that_are_out_of_range_sign_nothing),
		cmocka_unit_test(der_is_no_signature),
		cmocka_unit_test(a_key_that_names_its_algorithm_is_good_for_no_other),
		cmocka_unit_test(an_id_is_kept),
		cmocka_unit_test(what_a_key_may_say_of_itself),
		cmocka_unit_test(a_long_id_is_refused),
		cmocka_unit_test(what_is_no_key_is_refused),
		cmocka_unit_test(weak_and_odd_rsa_keys_are_refused),
		cmocka_unit_test(a_real_key_of_1024_bits_is_refused),
	};

	return cmocka_run_group_tests(tests, make_keys, drop_keys);
}
