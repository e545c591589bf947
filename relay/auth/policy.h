/*
 * Who of those that an issuer vouches for may come in: the operator's say.
 *
 * It is worded like AgentCore's customJWTAuthorizer. Of each kind that is given one must match; of
 * required claims one value of each name.
 */
#pragma once

#include "auth/claims.h"

/* Words separated by spaces; of required claims, lines. Empty: any will do. */
struct policy {
	/*
	 * Whom the token was issued to: its `client_id` (RFC 9068), else its `azp` (OpenID Connect),
	 * else its `cid` (Okta), else, since an id token is for its client, its `aud`.
	 */
	struct slice clients;
	struct slice audiences; /* `aud`, a string or an array */
	struct slice scopes;    /* in `scope` or `scp`: words, or an array */
	/*
	 * NAME=VALUE, one a line. The claim is that string, or that number or boolean as it is written, or an array
	 * with one of them in it. The name ends at the first `=`.
	 */
	struct slice required_claims;
};

/* Would any token of the issuer do? That is hardly what somebody wants. */
bool policy_is_empty(const struct policy *policy);

enum refusal policy_check(const struct policy *policy, const struct claims *claims);
