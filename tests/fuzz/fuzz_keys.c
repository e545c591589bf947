/*
 * Whatever an issuer's key set says, reading it harms nobody, and no key comes out of it that is
 * not in it.
 */
#include "auth/keys.h"

#include "tests/fuzz/opinion.h"
#include "tests/fuzz/words.h"
#include "tests/vectors.h"

static const struct slice words[] = {
	SLICE("{\"keys\":["),
	SLICE("\"k\\u0065ys\":[],"),
	SLICE("]}"),
	SLICE("},{"),
	SLICE("\"kty\":\"RSA\","),
	SLICE("\"kty\":\"EC\","),
	SLICE("\"kty\":\"OKP\","),
	SLICE("\"kty\":\"oct\","),
	SLICE("\"crv\":\"P-256\","),
	SLICE("\"crv\":\"P-384\","),
	SLICE("\"crv\":\"P-521\","),
	SLICE("\"crv\":\"Ed25519\","),
	SLICE("\"crv\":\"Ed448\","),
	SLICE("\"crv\":\"X25519\","),
	SLICE("\"use\":\"sig\","),
	SLICE("\"use\":\"enc\","),
	SLICE("\"key_ops\":[\"verify\"],"),
	SLICE("\"alg\":\"RS256\","),
	SLICE("\"alg\":\"ES512\","),
	SLICE("\"alg\":\"EdDSA\","),
	SLICE("\"alg\":\"none\","),
	SLICE("\"kid\":\"a\","),
	SLICE("\"k\\u0069d\":\"\\u0061\","),
	SLICE("\"d\":\"AQ\","),
	SLICE("\"e\":\"AQAB\""),
	SLICE("\"e\":\"AQ\""),
	SLICE("\"n\":\"\""),
	SLICE("\"x5c\":[\"AA==\"],"),
	SLICE("AAAAAAAAAAAAAAAA"),
	SLICE("________________"),
	SLICE("="),
	SLICE(RFC7515_A3_KEY ","),
	SLICE(RFC8037_A2_KEY ","),
};
static const size_t word_count = sizeof(words) / sizeof(words[0]);

/* Of RSA there are several ways to write one key: with zero bytes in front of a number. */
static const struct {
	struct slice token;
	struct slice jwk;
	bool one_spelling;
} known[] = {
	{SLICE(RFC7515_A2_RS256), SLICE(RFC7515_A2_KEY), false},
	{SLICE(RFC7515_A3_ES256), SLICE(RFC7515_A3_KEY), true},
	{SLICE(RFC7515_A4_ES512), SLICE(RFC7515_A4_KEY), true},
	{SLICE(RFC8037_A4_EDDSA), SLICE(RFC8037_A2_KEY), true},
};
#define KNOWN (sizeof(known) / sizeof(*known))

static unsigned char thumbprints[KNOWN][KEY_THUMBPRINT_BYTES];

int LLVMFuzzerInitialize(int *argc, char ***argv);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const char *error;

	(void)argc, (void)argv;
	for (size_t i = 0; i < KNOWN; i++) {
		struct key *key = key_read(known[i].jwk, &error);
		memcpy(thumbprints[i], key_thumbprint(key), KEY_THUMBPRINT_BYTES);
		key_destroy(key);
	}
	return 0;
}

static void check_set(struct slice text, const struct keys *set)
{
	yyjson_doc *doc = opinion_read(text);
	size_t found;
	yyjson_val *list = opinion_member(yyjson_doc_get_root(doc), "keys", &found);

	assert(found == 1 && yyjson_is_arr(list));
	assert(keys_count(set) > 0 && keys_count(set) <= yyjson_arr_size(list));
	assert(keys_count(set) <= KEYS_MAX);
	yyjson_doc_free(doc);
}

static void check_known(const struct keys *set, size_t i)
{
	const struct key *by;
	struct token token;

	assert(token_read(known[i].token, &token) == REFUSAL_NONE);
	if (keys_verify(set, &token, &by) != REFUSAL_NONE)
		return;
	assert(keys_have(set, key_thumbprint(by)));
	assert(key_fits(by, token.algorithm));
	if (known[i].one_spelling)
		assert(memcmp(key_thumbprint(by), thumbprints[i], KEY_THUMBPRINT_BYTES) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text = {(const char *)data, size};
	const char *error = NULL;
	struct keys *set = keys_read(text, &error);

	assert((set == NULL) == (error != NULL));
	if (set == NULL)
		return 0;
	check_set(text, set);
	for (size_t i = 0; i < KNOWN; i++)
		check_known(set, i);
	keys_destroy(set);
	return 0;
}
