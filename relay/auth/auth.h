/*
 * Who may come in: whoever has a token (JWT, RFC 7519) of an issuer that the operator trusts.
 *
 * The options are named like AWS Bedrock AgentCore's customJWTAuthorizer, and mean the same. Nothing
 * here ever waits: an issuer's keys are fetched in the background, and a check is an answer.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "auth/refusal.h"
#include "common/blob.h"
#include "common/text.h"
#include "common/timers.h"

struct auth;
struct event_base;

/*
 * Lists are words with a space between; NULL or "": that kind is not asked for. Of the kinds that
 * are, each must match; within a kind one match is enough. At least one kind is needed.
 */
struct auth_settings {
	const char *discovery_urls;    /* https://.../.well-known/openid-configuration */
	const char *allowed_clients;   /* client_id, azp or aud */
	const char *allowed_audiences; /* aud */
	const char *allowed_scopes;    /* scope, scp */
	const char *required_claims;   /* NAME=VALUE, a line each; of one name one is enough */
	const char *mesh_claim;        /* which names the meshes that one may be in; NULL: none */
	const char *ca_file; /* PEM, of the issuers' CAs; NULL: those that the system trusts */
};

/* Whom a good token is of. */
struct identity {
	struct blob *owner;  /* ISSUER SUB */
	struct blob *meshes; /* names with a space between, at least one; NULL without mesh_claim */
	uint64_t expires_ms; /* unix time */
};

/*
 * Returns owned, and begins to fetch the issuers' keys; or NULL and a sentence that names the
 * option. Borrows the settings' texts.
 */
struct auth *auth_create(const struct auth_settings *settings, struct event_base *base,
                         struct timers *timers, const char **error);

/* Accepts NULL. */
void auth_destroy(struct auth *auth);

/*
 * Are the keys of all issuers here? If not, says of the first why, in *reason, which is good until
 * the loop turns. For /readyz.
 */
bool auth_is_ready(const struct auth *auth, const char **reason);

/*
 * Is the token good? With REFUSAL_NONE *identity is the caller's, for identity_fini(). With
 * REFUSAL_NO_KEYS that can't be said yet, as its issuer's keys are on their way: ask again in a few
 * seconds.
 */
enum refusal auth_check(struct auth *auth, struct slice token, struct identity *identity);

/* Accepts one that is all zeros, and leaves it so. */
void identity_fini(struct identity *identity);
