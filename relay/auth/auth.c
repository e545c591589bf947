/*
 * The happy path: the token is remembered, or: take it apart, find its issuer, verify the signature
 * with that issuer's keys, ask the policy, remember it.
 *
 * Whether it has expired is asked first: that costs nothing, and is the usual reason. Nothing else
 * that it says is looked at before the signature.
 */
#include "auth/auth.h"

#include <stdio.h>
#include <stdlib.h>

#include "auth/claims.h"
#include "auth/issuer.h"
#include "auth/memory.h"
#include "auth/policy.h"
#include "auth/token.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/metrics.h"
#include "net/tls.h"

#define ISSUERS_MAX 16
#define REASON_BYTES 256

struct auth {
	struct fetch_means means;
	struct issuer *issuers[ISSUERS_MAX];
	size_t issuer_count;
	struct policy policy;
	const char *mesh_claim; /* NULL: none */
	struct memory *memory;
	struct metric *results[REFUSAL_COUNT];
	struct metric *remembered;
};

/* ---- Checking */

static struct issuer *find_issuer(const struct auth *auth, struct slice name)
{
	for (size_t i = 0; i < auth->issuer_count; i++)
		if (slice_equal(issuer_name(auth->issuers[i]), name))
			return auth->issuers[i];
	return NULL;
}

/* One that is not known by name yet may be the one that is looked for. */
static bool all_are_known(const struct auth *auth)
{
	for (size_t i = 0; i < auth->issuer_count; i++)
		if (issuer_name(auth->issuers[i]).size == 0)
			return false;
	return true;
}

static enum refusal verify(const struct auth *auth, const struct token *token,
                           const struct claims *claims, const struct key **signer)
{
	struct issuer *issuer = find_issuer(auth, claims->issuer);
	enum refusal refusal;

	if (issuer == NULL)
		return all_are_known(auth) ? REFUSAL_UNKNOWN_ISSUER : REFUSAL_NO_KEYS;
	if (issuer_keys(issuer) == NULL)
		return REFUSAL_NO_KEYS;
	refusal = keys_verify(issuer_keys(issuer), token, signer);
	if (refusal == REFUSAL_UNKNOWN_KEY && issuer_refresh(issuer))
		return REFUSAL_NO_KEYS;
	return refusal;
}

static void take_over(const struct grant *grant, struct identity *identity)
{
	struct buffer owner = {0};

	buffer_append(&owner, grant->issuer);
	buffer_append(&owner, SLICE(" "));
	buffer_append(&owner, grant->subject);
	*identity = (struct identity){
		.owner = blob_copy(buffer_slice(&owner)),
		.meshes = grant->meshes.size > 0 ? blob_copy(grant->meshes) : NULL,
		.expires_ms = grant->expires_ms,
	};
	buffer_fini(&owner);
}

/* A key that its issuer has withdrawn takes its tokens along. */
static const struct grant *recall(const struct auth *auth, struct slice text, uint64_t now_ms)
{
	const struct grant *grant = memory_find(auth->memory, text, now_ms);
	struct issuer *issuer = grant != NULL ? find_issuer(auth, grant->issuer) : NULL;

	if (issuer == NULL || issuer_keys(issuer) == NULL ||
	    !keys_have(issuer_keys(issuer), grant->key))
		return NULL;
	return grant;
}

static enum refusal check_anew(const struct auth *auth, struct slice text, uint64_t now_ms,
                               struct identity *identity)
{
	char meshes[TOKEN_BYTES_MAX];
	const struct key *signer = NULL;
	struct token token;
	struct claims claims;
	enum refusal refusal = token_read(text, &token);

	if (refusal == REFUSAL_NONE)
		refusal = claims_read(token.payload, &claims);
	if (refusal == REFUSAL_NONE)
		refusal = claims_at(&claims, now_ms);
	if (refusal == REFUSAL_NONE)
		refusal = verify(auth, &token, &claims, &signer);
	if (refusal == REFUSAL_NONE)
		refusal = policy_check(&auth->policy, &claims);
	if (refusal != REFUSAL_NONE)
		return refusal;

	struct grant grant = {
		.issuer = claims.issuer,
		.subject = claims.subject,
		.expires_ms = claims.expires_ms,
	};
	memcpy(grant.key, key_thumbprint(signer), sizeof(grant.key));
	if (auth->mesh_claim != NULL) {
		grant.meshes = claims_meshes(&claims, auth->mesh_claim, meshes);
		if (grant.meshes.size == 0)
			return REFUSAL_NO_CLAIM;
	}
	take_over(memory_keep(auth->memory, text, &grant, now_ms), identity);
	return REFUSAL_NONE;
}

enum refusal auth_check(struct auth *auth, struct slice token, struct identity *identity)
{
	uint64_t now_ms = clock_wall_ms();
	const struct grant *grant = recall(auth, token, now_ms);
	enum refusal refusal = REFUSAL_NONE;

	if (grant != NULL) {
		take_over(grant, identity);
		metric_add(auth->remembered, 1);
	} else {
		refusal = check_anew(auth, token, now_ms, identity);
	}
	metric_add(auth->results[refusal], 1);
	return refusal;
}

void identity_fini(struct identity *identity)
{
	blob_unref(identity->owner);
	blob_unref(identity->meshes);
	*identity = (struct identity){0};
}

bool auth_is_ready(const struct auth *auth, const char **reason)
{
	for (size_t i = 0; i < auth->issuer_count; i++)
		if (!issuer_is_ready(auth->issuers[i], reason))
			return false;
	return true;
}

/* ---- Life */

static const char *describe(const char *option, struct slice value, const char *why)
{
	static char text[FETCH_URL_BYTES_MAX + REASON_BYTES];

	snprintf(text, sizeof(text), "%s %.*s %s", option, SLICE_ARGS(value), why);
	return text;
}

static bool add_issuers(struct auth *auth, const char *urls, const char **error)
{
	struct slice list = slice_of(urls);
	struct slice word;

	while (slice_next_word(&list, &word)) {
		char url[FETCH_URL_BYTES_MAX];
		const char *why;

		if (auth->issuer_count == ISSUERS_MAX || word.size >= sizeof(url)) {
			*error = "--discovery-url names too many issuers, or is too long";
			return false;
		}
		memcpy(url, word.data, word.size);
		url[word.size] = '\0';
		auth->issuers[auth->issuer_count] =
			issuer_create(&auth->means, url, NULL, NULL, &why);
		if (auth->issuers[auth->issuer_count] == NULL) {
			*error = describe("--discovery-url", word, why);
			return false;
		}
		auth->issuer_count++;
	}
	return true;
}

static struct slice list_of(const char *words)
{
	return words != NULL ? slice_of(words) : (struct slice){0};
}

static void add_meters(struct auth *auth)
{
	for (size_t i = 0; i < REFUSAL_COUNT; i++)
		auth->results[i] = metric_counter("p2p_relay_token_checks_total",
		                                  "Tokens looked at, by what came of it.", "result",
		                                  refusal_name((enum refusal)i));
	auth->remembered = metric_counter("p2p_relay_tokens_remembered_total",
	                                  "Tokens that had been verified before.", NULL, NULL);
}

struct auth *auth_create(const struct auth_settings *settings, struct event_base *base,
                         struct timers *timers, const char **error)
{
	struct auth *auth = mem_zero(sizeof(*auth));
	const struct tls_settings for_tls = {.option = "--auth", .ca_file = settings->ca_file};

	auth->means = (struct fetch_means){.base = base, .timers = timers};
	auth->memory = memory_create();
	auth->mesh_claim = settings->mesh_claim;
	auth->policy = (struct policy){
		.clients = list_of(settings->allowed_clients),
		.audiences = list_of(settings->allowed_audiences),
		.scopes = list_of(settings->allowed_scopes),
		.required_claims = list_of(settings->required_claims),
	};
	auth->means.tls = tls_create(&for_tls, error);
	if (auth->means.tls == NULL || !add_issuers(auth, settings->discovery_urls, error)) {
		auth_destroy(auth);
		return NULL;
	}
	add_meters(auth);
	for (size_t i = 0; i < auth->issuer_count; i++)
		issuer_start(auth->issuers[i]);
	return auth;
}

void auth_destroy(struct auth *auth)
{
	if (auth == NULL)
		return;
	for (size_t i = 0; i < auth->issuer_count; i++)
		issuer_destroy(auth->issuers[i]);
	tls_destroy(auth->means.tls);
	memory_destroy(auth->memory);
	free(auth);
}
