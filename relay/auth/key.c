/*
 * OpenSSL does all of the arithmetic. Here is only what it is to be told: RFC 7518's names of its
 * algorithms, which of them belong to which kind of key, and the two ways of writing an ECDSA
 * signature, of which JOSE's is the one that OpenSSL does not read.
 */
#include "auth/key.h"

#include <stdlib.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>

#include "auth/members.h"
#include "common/base64url.h"
#include "common/buffer.h"
#include "common/memory.h"
#include "wire/json.h"

#define EXPONENT_BITS_MAX 64    /* OpenSSL's own bound, for moduli beyond 3072 bits */
#define COORDINATE_BYTES_MAX 66 /* of P-521 */
#define WORD_BYTES_MAX 32       /* of `kty`, `crv`, `use`, `alg`, and what is in `key_ops` */
/* Of a member that is a number; some put zero bytes in front, though RFC 7518 forbids it. */
#define NUMBER_BYTES_MAX (KEY_RSA_BITS_MAX / 8 + 2)
#define NUMBER_TEXT_BYTES_MAX (NUMBER_BYTES_MAX / 3 * 4 + 4)
/* A sequence of two integers, each with a zero byte in front so that it is positive. */
#define ECDSA_DER_BYTES_MAX (3 + 2 * (2 + 1 + COORDINATE_BYTES_MAX))

enum kind { RSA_KEY, P256, P384, P521, ED25519_KEY, ED448_KEY, KINDS };

static const struct {
	const char *type;    /* `kty` */
	const char *curve;   /* `crv` */
	const char *openssl; /* OpenSSL's name of the group, or of the kind of key */
	size_t coordinate_bytes;
} kinds[KINDS] = {
	[RSA_KEY] = {"RSA", NULL, "RSA", 0},
	[P256] = {"EC", "P-256", "prime256v1", 32},
	[P384] = {"EC", "P-384", "secp384r1", 48},
	[P521] = {"EC", "P-521", "secp521r1", 66},
	[ED25519_KEY] = {"OKP", "Ed25519", "ED25519", 0},
	[ED448_KEY] = {"OKP", "Ed448", "ED448", 0},
};

static const struct algorithm {
	const char *name; /* `alg` */
	enum kind kind;
	const char *digest; /* NULL: part of the algorithm */
	bool pss;
} algorithms[] = {
	{"RS256", RSA_KEY, "SHA256", false}, {"RS384", RSA_KEY, "SHA384", false},
	{"RS512", RSA_KEY, "SHA512", false}, {"PS256", RSA_KEY, "SHA256", true},
	{"PS384", RSA_KEY, "SHA384", true},  {"PS512", RSA_KEY, "SHA512", true},
	{"ES256", P256, "SHA256", false},    {"ES384", P384, "SHA384", false},
	{"ES512", P521, "SHA512", false},    {"EdDSA", ED25519_KEY, NULL, false},
	{"EdDSA", ED448_KEY, NULL, false},   {"Ed25519", ED25519_KEY, NULL, false}, /* RFC 9864 */
	{"Ed448", ED448_KEY, NULL, false},
};

struct key {
	EVP_PKEY *public_key;
	enum kind kind;
	const struct algorithm *only; /* NULL: any that fits its kind */
	struct slice id;
	char id_bytes[KEY_ID_BYTES_MAX];
	unsigned char thumbprint[KEY_THUMBPRINT_BYTES];
};

/* ---- What a JWK says */

/* A short word of a member; absent if there is none, or it is no such string. */
static struct slice word_of(struct slice raw, char out[WORD_BYTES_MAX])
{
	struct slice word;

	return json_string(raw, out, WORD_BYTES_MAX, &word) ? word : (struct slice){0};
}

static bool is_word(struct slice raw, const char *word)
{
	char out[WORD_BYTES_MAX];
	struct slice text = word_of(raw, out);

	return text.data != NULL && slice_is(text, word);
}

/* A member that is base64url, decoded into `out`. */
static bool read_bytes(const struct members *jwk, const char *name, char *out, size_t capacity,
                       struct slice *bytes)
{
	char unescaped[NUMBER_TEXT_BYTES_MAX];
	struct slice text;

	return json_string(members_find(jwk, slice_of(name)), unescaped, sizeof(unescaped),
	                   &text) &&
	       base64url_decode(text, out, capacity, bytes) && bytes->size > 0;
}

static bool has_private_half(const struct members *jwk)
{
	static const char *const names[] = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (members_find(jwk, slice_of(names[i])).data != NULL)
			return true;
	return false;
}

/* `use` and `key_ops` (RFC 7517 sections 4.2 and 4.3). */
static bool is_to_verify(const struct members *jwk)
{
	struct slice use = members_find(jwk, SLICE("use"));
	struct slice operations = members_find(jwk, SLICE("key_ops"));
	struct slice operation;

	if (use.data != NULL && !is_word(use, "sig"))
		return false;
	if (operations.data == NULL)
		return true;
	while (json_next_item(&operations, &operation))
		if (is_word(operation, "verify"))
			return true;
	return false;
}

/* Returns KINDS if it is of none that is known. */
static enum kind kind_of(const struct members *jwk)
{
	struct slice type = members_find(jwk, SLICE("kty"));
	struct slice curve = members_find(jwk, SLICE("crv"));
	enum kind kind = 0;

	while (kind < KINDS && !(is_word(type, kinds[kind].type) &&
	                         (kinds[kind].curve == NULL || is_word(curve, kinds[kind].curve))))
		kind++;
	return kind;
}

static const struct algorithm *find_algorithm(struct slice name, enum kind kind)
{
	for (size_t i = 0; i < sizeof(algorithms) / sizeof(*algorithms); i++)
		if (algorithms[i].kind == kind && slice_is(name, algorithms[i].name))
			return &algorithms[i];
	return NULL;
}

static const char *read_algorithm(const struct members *jwk, struct key *key)
{
	struct slice raw = members_find(jwk, SLICE("alg"));
	char out[WORD_BYTES_MAX];

	if (raw.data == NULL)
		return NULL;
	key->only = find_algorithm(word_of(raw, out), key->kind);
	return key->only != NULL ? NULL : "the key is for another algorithm";
}

static const char *read_id(const struct members *jwk, struct key *key)
{
	struct slice raw = members_find(jwk, SLICE("kid"));

	if (raw.data == NULL)
		return NULL;
	if (!json_string(raw, key->id_bytes, sizeof(key->id_bytes), &key->id))
		return "the key's id is no string of at most 256 bytes";
	memmove(key->id_bytes, key->id.data, key->id.size);
	key->id.data = key->id_bytes;
	return NULL;
}

/* ---- From there to OpenSSL */

/* Returns owned; NULL if OpenSSL does not like it: a point that is not on the curve, too. */
static EVP_PKEY *make_public(const char *type, OSSL_PARAM *parameters)
{
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
	EVP_PKEY *key = NULL;

	if (context == NULL || EVP_PKEY_fromdata_init(context) != 1 ||
	    EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, parameters) != 1)
		key = NULL;
	EVP_PKEY_CTX_free(context);
	return key;
}

static BIGNUM *number_of(struct slice bytes)
{
	BIGNUM *number = BN_bin2bn((const unsigned char *)bytes.data, (int)bytes.size, NULL);

	if (number == NULL)
		abort();
	return number;
}

static const char *check_rsa(const BIGNUM *modulus, const BIGNUM *exponent)
{
	int bits = BN_num_bits(modulus);

	if (bits < KEY_RSA_BITS_MIN || bits > KEY_RSA_BITS_MAX)
		return "the RSA key has not 2048 to 16384 bits";
	if (!BN_is_odd(modulus))
		return "the RSA key's modulus is even";
	if (!BN_is_odd(exponent) || BN_is_one(exponent) ||
	    BN_num_bits(exponent) > EXPONENT_BITS_MAX)
		return "the RSA key's exponent is not odd, from 3 to 64 bits";
	return NULL;
}

static EVP_PKEY *make_rsa(BIGNUM *modulus, BIGNUM *exponent)
{
	OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();

	if (builder == NULL ||
	    OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, modulus) != 1 ||
	    OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, exponent) != 1)
		abort();
	OSSL_PARAM *parameters = OSSL_PARAM_BLD_to_param(builder);
	if (parameters == NULL)
		abort();
	EVP_PKEY *key = make_public("RSA", parameters);
	OSSL_PARAM_free(parameters);
	OSSL_PARAM_BLD_free(builder);
	return key;
}

static const char *read_rsa(const struct members *jwk, struct key *key)
{
	char modulus_bytes[NUMBER_BYTES_MAX];
	char exponent_bytes[NUMBER_BYTES_MAX];
	struct slice modulus;
	struct slice exponent;

	if (!read_bytes(jwk, "n", modulus_bytes, sizeof(modulus_bytes), &modulus) ||
	    !read_bytes(jwk, "e", exponent_bytes, sizeof(exponent_bytes), &exponent))
		return "the RSA key lacks a part, or has one that is no base64url";

	BIGNUM *n = number_of(modulus);
	BIGNUM *e = number_of(exponent);
	const char *error = check_rsa(n, e);
	if (error == NULL)
		key->public_key = make_rsa(n, e);
	BN_free(n);
	BN_free(e);
	return error;
}

static const char *read_ec(const struct members *jwk, struct key *key)
{
	size_t coordinate_bytes = kinds[key->kind].coordinate_bytes;
	char *group = (char *)kinds[key->kind].openssl; /* which OpenSSL only reads */
	char point[1 + 2 * COORDINATE_BYTES_MAX] = {POINT_CONVERSION_UNCOMPRESSED};
	struct slice x;
	struct slice y;

	/* All digits are written (RFC 7518 section 6.2.1.2). */
	if (!read_bytes(jwk, "x", point + 1, coordinate_bytes, &x) || x.size != coordinate_bytes ||
	    !read_bytes(jwk, "y", point + 1 + coordinate_bytes, coordinate_bytes, &y) ||
	    y.size != coordinate_bytes)
		return "the EC key lacks a part, or has one that is not as long as its curve wants";

	OSSL_PARAM parameters[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
		OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point,
	                                          1 + 2 * coordinate_bytes),
		OSSL_PARAM_construct_end(),
	};
	key->public_key = make_public("EC", parameters);
	return NULL;
}

static const char *read_okp(const struct members *jwk, struct key *key)
{
	char bytes[COORDINATE_BYTES_MAX];
	struct slice x;

	if (!read_bytes(jwk, "x", bytes, sizeof(bytes), &x))
		return "the OKP key lacks a part, or has one that is no base64url";
	key->public_key = EVP_PKEY_new_raw_public_key_ex(NULL, kinds[key->kind].openssl, NULL,
	                                                 (const unsigned char *)x.data, x.size);
	return NULL;
}

static const char *read_public(const struct members *jwk, struct key *key)
{
	const char *error = key->kind == RSA_KEY                    ? read_rsa(jwk, key)
	                    : kinds[key->kind].coordinate_bytes > 0 ? read_ec(jwk, key)
	                                                            : read_okp(jwk, key);

	ERR_clear_error();
	if (error == NULL && key->public_key == NULL)
		error = "OpenSSL does not accept the key: not a point on its curve, for one";
	return error;
}

/* ---- What it is known by */

/* The members that make the key, in order, without spaces (RFC 7638 section 3). */
static void take_thumbprint(const struct members *jwk, struct key *key)
{
	static const char *const rsa[] = {"e", "kty", "n", NULL};
	static const char *const ec[] = {"crv", "kty", "x", "y", NULL};
	static const char *const okp[] = {"crv", "kty", "x", NULL};
	const char *const *name = key->kind == RSA_KEY                    ? rsa
	                          : kinds[key->kind].coordinate_bytes > 0 ? ec
	                                                                  : okp;
	struct buffer text = {0};
	char before = '{';

	for (; *name != NULL; name++) {
		char unescaped[NUMBER_TEXT_BYTES_MAX];
		struct slice value = {0};
		json_string(members_find(jwk, slice_of(*name)), unescaped, sizeof(unescaped),
		            &value);
		buffer_printf(&text, "%c\"%s\":\"%.*s\"", before, *name, SLICE_ARGS(value));
		before = ',';
	}
	buffer_append(&text, SLICE("}"));
	if (EVP_Digest(text.data, text.size, key->thumbprint, NULL, EVP_sha256(), NULL) != 1)
		abort();
	buffer_fini(&text);
}

static const char *read_all(const struct members *jwk, struct key *key)
{
	const char *error;

	key->kind = kind_of(jwk);
	if (key->kind == KINDS)
		return "the key is of a kind that is not known here";
	if (has_private_half(jwk))
		return "the key has its private half with it, so anybody may have it";
	if (!is_to_verify(jwk))
		return "the key is for another use than signatures";
	if ((error = read_algorithm(jwk, key)) != NULL || (error = read_id(jwk, key)) != NULL)
		return error;
	if ((error = read_public(jwk, key)) != NULL)
		return error;
	take_thumbprint(jwk, key);
	return NULL;
}

struct key *key_read(struct slice jwk, const char **error)
{
	struct key *key = mem_zero(sizeof(*key));
	struct members members;

	*error = members_read(jwk, &members) ? read_all(&members, key)
	                                     : "the key is no JSON object, or has a member twice";
	if (*error == NULL)
		return key;
	key_destroy(key);
	return NULL;
}

void key_destroy(struct key *key)
{
	if (key == NULL)
		return;
	EVP_PKEY_free(key->public_key);
	free(key);
}

struct slice key_id(const struct key *key)
{
	return key->id;
}

const unsigned char *key_thumbprint(const struct key *key)
{
	return key->thumbprint;
}

/* ---- Verifying */

/* NULL if it may not be used with the key. */
static const struct algorithm *algorithm_for(const struct key *key, struct slice name)
{
	const struct algorithm *algorithm = find_algorithm(name, key->kind);

	return key->only == NULL || key->only == algorithm ? algorithm : NULL;
}

bool key_fits(const struct key *key, struct slice algorithm)
{
	return algorithm_for(key, algorithm) != NULL;
}

/* From R and S one after the other (RFC 7518 section 3.4) to what OpenSSL reads. */
static bool to_der(size_t coordinate_bytes, struct slice *signature,
                   unsigned char der[ECDSA_DER_BYTES_MAX])
{
	if (signature->size != 2 * coordinate_bytes)
		return false;

	ECDSA_SIG *pair = ECDSA_SIG_new();
	BIGNUM *r = number_of((struct slice){signature->data, coordinate_bytes});
	BIGNUM *s = number_of((struct slice){signature->data + coordinate_bytes, coordinate_bytes});
	if (pair == NULL || ECDSA_SIG_set0(pair, r, s) != 1)
		abort();
	unsigned char *end = der;
	int size = i2d_ECDSA_SIG(pair, &end);
	ECDSA_SIG_free(pair);
	*signature = (struct slice){(const char *)der, size > 0 ? (size_t)size : 0};
	return size > 0;
}

static bool begin(EVP_MD_CTX *context, const struct algorithm *algorithm, EVP_PKEY *public_key)
{
	EVP_PKEY_CTX *parameters;

	if (EVP_DigestVerifyInit_ex(context, &parameters, algorithm->digest, NULL, NULL, public_key,
	                            NULL) != 1)
		return false;
	/* The salt is as long as the digest (RFC 7518 section 3.5); MGF1 takes the same by itself. */
	return !algorithm->pss ||
	       (EVP_PKEY_CTX_set_rsa_padding(parameters, RSA_PKCS1_PSS_PADDING) == 1 &&
	        EVP_PKEY_CTX_set_rsa_pss_saltlen(parameters, RSA_PSS_SALTLEN_DIGEST) == 1);
}

bool key_verify(const struct key *key, struct slice algorithm, struct slice text,
                struct slice signature)
{
	const struct algorithm *with = algorithm_for(key, algorithm);
	size_t coordinate_bytes = kinds[key->kind].coordinate_bytes;
	unsigned char der[ECDSA_DER_BYTES_MAX];

	if (with == NULL || (coordinate_bytes > 0 && !to_der(coordinate_bytes, &signature, der)))
		return false;

	EVP_MD_CTX *context = EVP_MD_CTX_new();
	if (context == NULL)
		abort();
	bool good = begin(context, with, key->public_key) &&
	            EVP_DigestVerify(context, (const unsigned char *)signature.data, signature.size,
	                             (const unsigned char *)text.data, text.size) == 1;
	EVP_MD_CTX_free(context);
	ERR_clear_error();
	return good;
}
