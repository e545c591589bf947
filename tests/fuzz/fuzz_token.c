/*
 * A token is good only if the issuer signed it; and what we read out of one that it did sign,
 * another parser reads, too.
 *
 * An input is either a token as it is, of which only those are good that the RFCs printed, or a
 * header and a payload, which are signed here: so that claims are reached.
 */
#include "auth/claims.h"
#include "auth/keys.h"
#include "auth/policy.h"
#include "wire/name.h"

#include "tests/base64url.h"
#include "tests/fuzz/opinion.h"
#include "tests/fuzz/words.h"
#include "tests/signer.h"
#include "tests/vectors.h"

#define NOW_MS 1760000000000
#define SEPARATOR '\n' /* between header and payload */

static const struct slice known[] = {
	SLICE(RFC7515_A2_RS256),
	SLICE(RFC7515_A3_ES256),
	SLICE(RFC7515_A4_ES512),
	SLICE(RFC8037_A4_EDDSA),
};
#define KNOWN (sizeof(known) / sizeof(*known))

static const struct policy policy = {
	.clients = SLICE("app"),
	.audiences = SLICE("api other"),
	.scopes = SLICE("join"),
	.required_claims = SLICE("role=dev role=ops level=3"),
};

static const struct slice words[] = {
	SLICE("{\"alg\":\"EdDSA\"}\n{"),
	SLICE("{\"alg\":\"Ed25519\",\"kid\":\"ed\"}\n{"),
	SLICE("\"alg\":\"none\","),
	SLICE("\"alg\":\"HS256\","),
	SLICE("\"alg\":\"EdDSA\","),
	SLICE("\"\\u0061lg\":\"RS256\","),
	SLICE("\"kid\":\"rsa\","),
	SLICE("\"kid\":\"\\u0065d\","),
	SLICE("\"typ\":\"JWT\","),
	SLICE("\"typ\":\"application\\/at+jwt\","),
	SLICE("\"crit\":[\"b64\"],"),
	SLICE("\"b64\":false,"),
	SLICE("\"jwk\":{},"),
	SLICE("\"iss\":\"https:\\/\\/i\","),
	SLICE("\"iss\":\"https://i\","),
	SLICE("\"sub\":\"\\ud83d\\ude00\","),
	SLICE("\"sub\":\"s\","),
	SLICE("\"exp\":1760000000,"),
	SLICE("\"exp\":1.76e9,"),
	SLICE("\"exp\":1e999,"),
	SLICE("\"\\u0065xp\":0,"),
	SLICE("\"nbf\":1760000061,"),
	SLICE("\"iat\":0.5,"),
	SLICE("\"aud\":\"api\","),
	SLICE("\"aud\":[\"x\",\"\\u0061pi\",1],"),
	SLICE("\"client_id\":\"app\","),
	SLICE("\"azp\":\"app\","),
	SLICE("\"scope\":\"openid join\","),
	SLICE("\"scp\":[\"join\"],"),
	SLICE("\"role\":[\"dev\",[]],"),
	SLICE("\"level\":3,"),
	SLICE("\"mesh\":\"a\","),
	SLICE("\"mesh\":[\"a\",\"b c\",\"\\u0064\"],"),
	SLICE("\"a\":{\"b\":[{}]},"),
	SLICE("\"z\":0}"),
	SLICE("[[[[[[[["),
	SLICE("]]]]]]]]"),
	SLICE("\\ud800"),
	SLICE("\xff"),
	SLICE("."),
	SLICE("="),
	SLICE("eyJhbGciOiJub25lIn0."),
	SLICE("eyJhbGciOiJFZERTQSJ9."),
};
static const size_t word_count = sizeof(words) / sizeof(words[0]);

static struct signer *signer;
static struct keys *keys;

int LLVMFuzzerInitialize(int *argc, char ***argv);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct buffer text = {0};
	const char *error;

	(void)argc, (void)argv;
	signer = signer_of_seed(SLICE(RFC8037_A1_SEED));
	buffer_printf(&text,
	              "{\"keys\":[" RFC7515_A2_KEY "," RFC7515_A3_KEY "," RFC7515_A4_KEY
	              ",{%s,\"kid\":\"ed\"}," RFC7517_A1_RSA "]}",
	              signer_members(signer));
	keys = keys_read(buffer_slice(&text), &error);
	assert(keys != NULL && keys_count(keys) == 5);
	buffer_fini(&text);
	return 0;
}

/* ---- The second opinion */

/* Returns owned; NULL if it is no object in which each name comes once. */
static yyjson_doc *read_object(struct slice text)
{
	yyjson_doc *doc = opinion_read(text);
	yyjson_val *root = yyjson_doc_get_root(doc);
	size_t i;
	size_t count;
	size_t found;
	yyjson_val *name;
	yyjson_val *value;

	assert(yyjson_is_obj(root));
	assert(opinion_depth(root) <= 64);
	yyjson_obj_foreach(root, i, count, name, value)
	{
		opinion_member(root, yyjson_get_str(name), &found);
		assert(found <= 1 || strlen(yyjson_get_str(name)) < yyjson_get_len(name));
	}
	return doc;
}

static yyjson_val *member(yyjson_doc *doc, const char *name)
{
	size_t found;

	return opinion_member(yyjson_doc_get_root(doc), name, &found);
}

static bool is_text(yyjson_val *value, struct slice text)
{
	return yyjson_is_str(value) && slice_equal(opinion_text(value), text);
}

static bool is_one_of(yyjson_val *value, const char *a, const char *b)
{
	size_t i;
	size_t count;
	yyjson_val *item;

	if (yyjson_is_arr(value)) {
		yyjson_arr_foreach(value, i, count, item)
		{
			if (is_text(item, slice_of(a)) || is_text(item, slice_of(b)))
				return true;
		}
	}
	return is_text(value, slice_of(a)) || is_text(value, slice_of(b));
}

static void check_header(struct slice header, const struct token *token)
{
	yyjson_doc *doc = read_object(header);

	assert(is_text(member(doc, "alg"), token->algorithm));
	assert(token->key_id.data == NULL ? member(doc, "kid") == NULL
	                                  : is_text(member(doc, "kid"), token->key_id));
	assert(member(doc, "crit") == NULL && member(doc, "b64") == NULL);
	yyjson_doc_free(doc);
}

static void check_claims(struct slice payload, const struct claims *claims)
{
	yyjson_doc *doc = read_object(payload);
	yyjson_val *expires = member(doc, "exp");

	assert(is_text(member(doc, "iss"), claims->issuer) && claims->issuer.size > 0);
	assert(is_text(member(doc, "sub"), claims->subject) && claims->subject.size > 0);
	assert(yyjson_is_raw(expires));
	assert((uint64_t)(strtod(yyjson_get_raw(expires), NULL) * 1000) == claims->expires_ms);
	if (claims_at(claims, NOW_MS) == REFUSAL_NONE)
		assert(claims->expires_ms > NOW_MS - CLAIMS_SKEW_MS);
	if (policy_check(&policy, claims) == REFUSAL_NONE) {
		assert(is_one_of(member(doc, "aud"), "api", "other"));
		assert(is_one_of(member(doc, "client_id"), "app", "app") ||
		       (member(doc, "client_id") == NULL &&
		        is_one_of(member(doc, "azp"), "app", "app")));
		assert(is_one_of(member(doc, "role"), "dev", "ops"));
	}
	yyjson_doc_free(doc);
}

static void check_meshes(const struct claims *claims)
{
	char out[TOKEN_BYTES_MAX];
	struct slice meshes = claims_meshes(claims, "mesh", out);
	struct slice mesh;

	assert(meshes.size <= sizeof(out));
	while (slice_next_word(&meshes, &mesh))
		assert(name_is_mesh(mesh));
}

/* ---- The two kinds of input */

static void try_token(struct slice text)
{
	const struct key *by;
	struct token token;
	size_t i = 0;

	if (token_read(text, &token) != REFUSAL_NONE ||
	    keys_verify(keys, &token, &by) != REFUSAL_NONE)
		return;
	while (i < KNOWN && !slice_starts(known[i], token.is_signed))
		i++;
	assert(i < KNOWN);
}

static void try_signed(struct slice header, struct slice payload)
{
	struct buffer text = {0};
	struct claims claims;
	struct token token;
	const struct key *by;

	signer_token(signer, "EdDSA", header, payload, &text);
	if (token_read(buffer_slice(&text), &token) == REFUSAL_NONE) {
		assert(slice_equal(token.payload, payload));
		check_header(header, &token);
		bool fits =
			slice_is(token.algorithm, "EdDSA") || slice_is(token.algorithm, "Ed25519");
		bool named = token.key_id.data == NULL || slice_is(token.key_id, "ed");
		bool good = keys_verify(keys, &token, &by) == REFUSAL_NONE;
		assert(good == (fits && named));
		if (claims_read(token.payload, &claims) == REFUSAL_NONE) {
			check_claims(payload, &claims);
			check_meshes(&claims);
		}
	}
	buffer_fini(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice input = {(const char *)data, size};
	const char *end = size == 0 ? NULL : memchr(data, SEPARATOR, size);

	try_token(input);
	if (end != NULL) {
		size_t header_bytes = (size_t)(end - input.data);
		try_signed((struct slice){input.data, header_bytes},
		           (struct slice){end + 1, size - header_bytes - 1});
	}
	return 0;
}
