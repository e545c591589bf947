/*
 * A public key of an issuer, made from a JSON Web Key (RFC 7517, RFC 7518 section 6, RFC 8037).
 *
 * The key decides which algorithms it is good for; a token only picks one of them. So nothing that
 * is signed with a secret, or not at all, can come out as good.
 */
#pragma once

#include "common/text.h"

#define KEY_RSA_BITS_MIN 2048 /* RFC 7518 section 3.3 */
#define KEY_RSA_BITS_MAX 16384
#define KEY_ID_BYTES_MAX 256
#define KEY_THUMBPRINT_BYTES 32

struct key;

/*
 * Returns owned; NULL and a sentence if it is no key that tokens can be verified with: one for
 * another use or algorithm, too weak a key, a point that is not on its curve. A key with its private
 * half is refused, too: whoever could fetch it can sign.
 */
struct key *key_read(struct slice jwk, const char **error);

/* Accepts NULL. */
void key_destroy(struct key *key);

/* Its `kid`, absent if it has none. Borrowed. */
struct slice key_id(const struct key *key);

/* The same for the same public key, whatever else is said of it: SHA-256 by RFC 7638. Borrowed. */
const unsigned char *key_thumbprint(const struct key *key);

/* May the algorithm (`alg`, RFC 7518 section 3.1) be used with this key? */
bool key_fits(const struct key *key, struct slice algorithm);

/* Is it the signature of the text? Never if the algorithm does not fit. */
bool key_verify(const struct key *key, struct slice algorithm, struct slice text,
                struct slice signature);
