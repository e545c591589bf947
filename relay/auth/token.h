/*
 * A token: a JSON Web Signature in its compact form (RFC 7515 section 3.1), taken apart.
 *
 * Strictly: each token has one spelling, and what is not understood is refused. Nothing in it is
 * proven until keys_verify() has said so.
 */
#pragma once

#include "common/base64url.h"
#include "common/text.h"

#include "auth/key.h"
#include "auth/refusal.h"

#define TOKEN_BYTES_MAX 8192
#define TOKEN_ALGORITHM_BYTES_MAX 16

struct token {
	struct slice algorithm; /* `alg` */
	struct slice key_id;    /* `kid`; absent: the token names none */
	struct slice payload;   /* the claims, if claims_read() finds some */
	struct slice signature;
	struct slice is_signed; /* what the signature is over, a slice of the text */
	char decoded[BASE64URL_BYTES(TOKEN_BYTES_MAX)];
	char unescaped[TOKEN_ALGORITHM_BYTES_MAX + KEY_ID_BYTES_MAX];
};

/*
 * Takes a token apart, which stays borrowed. The struct is not to be copied: its slices point into
 * it.
 *
 * Refused are, besides what is not three parts of base64url: `crit` and `b64` (RFC 7515 section
 * 4.1.11: no extension is understood), and a `typ` other than JWT and at+jwt (RFC 8725 section 3.11:
 * a logout token of the same issuer must not let anybody in). `jku`, `jwk`, `x5u` and `x5c` are not
 * looked at: where keys come from is not the token's to say.
 */
enum refusal token_read(struct slice text, struct token *token);
