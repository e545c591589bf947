#include "auth/refusal.h"

static const struct {
	const char *name;
	const char *text;
} refusals[REFUSAL_COUNT] = {
	[REFUSAL_NONE] = {"none", "the token is good"},
	[REFUSAL_NO_TOKEN] = {"no_token", "there is no token"},
	[REFUSAL_TOO_LONG] = {"too_long", "the token is longer than 8192 bytes"},
	[REFUSAL_NOT_JWS] = {"not_jws", "the token is not three parts of base64url"},
	[REFUSAL_BAD_HEADER] = {"bad_header",
                                "the token's header is no JSON object with an `alg`, has a member "
                                "twice, or one that is not what it should be"},
	[REFUSAL_BAD_CLAIMS] = {"bad_claims",
                                "the token's claims are no JSON object, or have a member twice"},
	[REFUSAL_EXTENSION] = {"extension", "the token wants an extension that is not known here"},
	[REFUSAL_OTHER_TYPE] = {"other_type", "the token is of another type than JWT and at+jwt"},
	[REFUSAL_UNKNOWN_ISSUER] = {"unknown_issuer",
                                    "the token is from no issuer that is trusted"},
	[REFUSAL_NO_KEYS] = {"no_keys", "the issuer's keys have not been read yet"},
	[REFUSAL_UNKNOWN_KEY] = {"unknown_key", "no key of the issuer has signed the token"},
	[REFUSAL_WRONG_ALGORITHM] = {"wrong_algorithm",
                                     "the token's algorithm is not one for the issuer's key"},
	[REFUSAL_WRONG_SIGNATURE] = {"wrong_signature", "the token's signature is wrong"},
	[REFUSAL_NO_ISSUER] = {"no_issuer", "the token has no issuer (`iss`) of 1 to 512 bytes"},
	[REFUSAL_NO_SUBJECT] = {"no_subject", "the token has no subject (`sub`) of 1 to 256 bytes"},
	[REFUSAL_NO_EXPIRY] = {"no_expiry", "the token does not say when it expires (`exp`)"},
	[REFUSAL_BAD_TIME] = {"bad_time", "a time in the token (`exp`, `nbf`, `iat`) is none"},
	[REFUSAL_EXPIRED] = {"expired", "the token has expired"},
	[REFUSAL_NOT_YET_VALID] = {"not_yet_valid", "the token is not valid yet"},
	[REFUSAL_WRONG_CLIENT] = {"wrong_client", "the token is for none of the allowed clients"},
	[REFUSAL_WRONG_AUDIENCE] = {"wrong_audience",
                                    "the token is for none of the allowed audiences"},
	[REFUSAL_NO_SCOPE] = {"no_scope", "the token has none of the allowed scopes"},
	[REFUSAL_NO_CLAIM] = {"no_claim", "the token lacks a required claim"},
};

const char *refusal_name(enum refusal refusal)
{
	return refusals[refusal].name;
}

const char *refusal_text(enum refusal refusal)
{
	return refusals[refusal].text;
}

bool refusal_is_insufficient(enum refusal refusal)
{
	return refusal == REFUSAL_NO_SCOPE || refusal == REFUSAL_NO_CLAIM;
}
