/*
 * Why a token is not good enough.
 *
 * For the log and for metrics. Clients learn no more than the codes of RFC 6750 section 3.1: what
 * exactly was wrong helps only who tries.
 */
#pragma once

#include <stdbool.h>

enum refusal {
	REFUSAL_NONE, /* it is good */
	REFUSAL_NO_TOKEN,
	REFUSAL_TOO_LONG,
	REFUSAL_NOT_JWS,
	REFUSAL_BAD_HEADER,
	REFUSAL_BAD_CLAIMS,
	REFUSAL_EXTENSION,
	REFUSAL_OTHER_TYPE,
	REFUSAL_UNKNOWN_ISSUER,
	REFUSAL_NO_KEYS,
	REFUSAL_UNKNOWN_KEY,
	REFUSAL_WRONG_ALGORITHM,
	REFUSAL_WRONG_SIGNATURE,
	REFUSAL_NO_ISSUER,
	REFUSAL_NO_SUBJECT,
	REFUSAL_NO_EXPIRY,
	REFUSAL_BAD_TIME,
	REFUSAL_EXPIRED,
	REFUSAL_NOT_YET_VALID,
	REFUSAL_WRONG_CLIENT,
	REFUSAL_WRONG_AUDIENCE,
	REFUSAL_NO_SCOPE,
	REFUSAL_NO_CLAIM,
	REFUSAL_COUNT,
};

/* One word, for metrics. */
const char *refusal_name(enum refusal refusal);

/* What is wrong, for the log. */
const char *refusal_text(enum refusal refusal);

/*
 * Is the token good, only not good for this: `insufficient_scope`, 403? Otherwise the answer is
 * `invalid_token`, 401, and another token may help.
 */
bool refusal_is_insufficient(enum refusal refusal);
