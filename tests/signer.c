#include "tests/signer.h"

#include <assert.h>
#include <stdlib.h>

#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "common/memory.h"
#include "tests/base64url.h"

struct signer {
	EVP_PKEY *key;
	struct buffer members;
	struct buffer pem;
};

/* ---- Its public half */

static void append_bytes(struct signer *signer, const char *name, const unsigned char *bytes,
                         size_t size)
{
	buffer_printf(&signer->members, ",\"%s\":\"", name);
	base64url_append(&signer->members, (struct slice){(const char *)bytes, size});
	buffer_append(&signer->members, SLICE("\""));
}

/* A number of the key, with as many bytes as it has, or as many as are wanted. */
static void append_number(struct signer *signer, const char *name, const char *parameter,
                          size_t bytes_wanted)
{
	unsigned char bytes[2048];
	BIGNUM *number = NULL;

	assert(EVP_PKEY_get_bn_param(signer->key, parameter, &number) == 1);
	size_t size = bytes_wanted > 0 ? bytes_wanted : (size_t)BN_num_bytes(number);
	assert(size <= sizeof(bytes) && BN_bn2binpad(number, bytes, (int)size) >= 0);
	append_bytes(signer, name, bytes, size);
	BN_free(number);
}

static size_t coordinate_bytes(const EVP_PKEY *key)
{
	return ((size_t)EVP_PKEY_get_bits(key) + 7) / 8;
}

static void append_members(struct signer *signer, const char *kind)
{
	unsigned char raw[64];
	size_t raw_size = sizeof(raw);

	if (EVP_PKEY_is_a(signer->key, "RSA")) {
		buffer_printf(&signer->members, "\"kty\":\"RSA\"");
		append_number(signer, "n", OSSL_PKEY_PARAM_RSA_N, 0);
		append_number(signer, "e", OSSL_PKEY_PARAM_RSA_E, 0);
	} else if (EVP_PKEY_is_a(signer->key, "EC")) {
		buffer_printf(&signer->members, "\"kty\":\"EC\",\"crv\":\"%s\"", kind);
		append_number(signer, "x", OSSL_PKEY_PARAM_EC_PUB_X, coordinate_bytes(signer->key));
		append_number(signer, "y", OSSL_PKEY_PARAM_EC_PUB_Y, coordinate_bytes(signer->key));
	} else {
		buffer_printf(&signer->members, "\"kty\":\"OKP\",\"crv\":\"%s\"", kind);
		assert(EVP_PKEY_get_raw_public_key(signer->key, raw, &raw_size) == 1);
		append_bytes(signer, "x", raw, raw_size);
	}
	buffer_append(&signer->members, (struct slice){"", 1}); /* terminated */
}

static void append_pem(struct signer *signer)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *text;

	assert(PEM_write_bio_PUBKEY(bio, signer->key) == 1);
	size_t size = (size_t)BIO_get_mem_data(bio, &text);
	buffer_append(&signer->pem, (struct slice){text, size});
	BIO_free(bio);
}

const char *signer_members(const struct signer *signer)
{
	return signer->members.data;
}

struct slice signer_pem(const struct signer *signer)
{
	return buffer_slice(&signer->pem);
}

/* ---- Life */

static struct signer *signer_with(EVP_PKEY *key, const char *kind)
{
	struct signer *signer = mem_zero(sizeof(*signer));

	assert(key != NULL);
	signer->key = key;
	append_members(signer, kind);
	append_pem(signer);
	return signer;
}

struct signer *signer_create(const char *kind)
{
	if (strncmp(kind, "RSA-", 4) == 0)
		return signer_with(
			EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)strtoul(kind + 4, NULL, 10)),
			kind);
	if (strncmp(kind, "P-", 2) == 0)
		return signer_with(EVP_PKEY_Q_keygen(NULL, NULL, "EC", kind), kind);
	return signer_with(EVP_PKEY_Q_keygen(NULL, NULL, kind), kind);
}

struct signer *signer_of_seed(struct slice seed)
{
	return signer_with(EVP_PKEY_new_raw_private_key_ex(NULL, "ED25519", NULL,
	                                                   (const unsigned char *)seed.data,
	                                                   seed.size),
	                   "Ed25519");
}

void signer_destroy(struct signer *signer)
{
	if (signer == NULL)
		return;
	EVP_PKEY_free(signer->key);
	buffer_fini(&signer->members);
	buffer_fini(&signer->pem);
	free(signer);
}

/* ---- Signing */

/* From what OpenSSL writes to R and S one after the other. Returns the size. */
static size_t from_der(unsigned char *signature, size_t size, size_t bytes)
{
	const unsigned char *at = signature;
	ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &at, (long)size);

	assert(pair != NULL);
	BN_bn2binpad(ECDSA_SIG_get0_r(pair), signature, (int)bytes);
	BN_bn2binpad(ECDSA_SIG_get0_s(pair), signature + bytes, (int)bytes);
	ECDSA_SIG_free(pair);
	return 2 * bytes;
}

/* "RS256" -> "SHA256"; NULL for EdDSA, whose name ends with no number of those. */
static const char *digest_of(const char *algorithm)
{
	const char *size = algorithm + 2;

	return strcmp(size, "256") == 0   ? "SHA256"
	       : strcmp(size, "384") == 0 ? "SHA384"
	       : strcmp(size, "512") == 0 ? "SHA512"
	                                  : NULL;
}

void signer_sign(const struct signer *signer, const char *algorithm, struct slice text,
                 struct buffer *signature)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	EVP_PKEY_CTX *parameters;
	unsigned char bytes[2048];
	size_t size = sizeof(bytes);

	assert(EVP_DigestSignInit_ex(context, &parameters, digest_of(algorithm), NULL, NULL,
	                             signer->key, NULL) == 1);
	if (algorithm[0] == 'P')
		assert(EVP_PKEY_CTX_set_rsa_padding(parameters, RSA_PKCS1_PSS_PADDING) == 1 &&
		       EVP_PKEY_CTX_set_rsa_pss_saltlen(parameters, RSA_PSS_SALTLEN_DIGEST) == 1);
	assert(EVP_DigestSign(context, bytes, &size, (const unsigned char *)text.data, text.size) ==
	       1);
	EVP_MD_CTX_free(context);
	if (EVP_PKEY_is_a(signer->key, "EC"))
		size = from_der(bytes, size, coordinate_bytes(signer->key));
	buffer_append(signature, (struct slice){(const char *)bytes, size});
}

void signer_token(const struct signer *signer, const char *algorithm, struct slice header,
                  struct slice payload, struct buffer *token)
{
	size_t start = token->size;
	struct buffer signature = {0};

	base64url_append(token, header);
	buffer_append(token, SLICE("."));
	base64url_append(token, payload);
	signer_sign(signer, algorithm, (struct slice){token->data + start, token->size - start},
	            &signature);
	buffer_append(token, SLICE("."));
	base64url_append(token, buffer_slice(&signature));
	buffer_fini(&signature);
}
