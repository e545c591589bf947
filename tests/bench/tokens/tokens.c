/*
 * How many tokens a node can check in a second of CPU time, by algorithm: all that it does for one,
 * from the text to the decision. And how many of those that it remembers.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "auth/claims.h"
#include "auth/keys.h"
#include "auth/memory.h"
#include "auth/policy.h"
#include "tests/signer.h"

#define NOW_MS 1676313851000
#define SLICES 40
#define SLICE_SECONDS 0.05

/* An access token of Cognito, with a key id of the usual length. */
#define KEY_ID "0VRJl0pKoZ1xPpVqXx1yP3cZ8mQ6n2bT5kF7hR9sWdE="
static const char claims_text[] =
	"{\"sub\":\"aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee\",\"cognito:groups\":[\"dev\"],"
	"\"iss\":\"https://cognito-idp.us-west-2.amazonaws.com/us-west-2_example\",\"version\":2,"
	"\"client_id\":\"1example23456789\",\"origin_jti\":\"aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee\","
	"\"event_id\":\"64f513be-32db-42b0-b78e-b02127b4f463\",\"token_use\":\"access\","
	"\"scope\":\"phone openid profile resourceserver.1/appclient2 email\",\"auth_time\":1676313851,"
	"\"exp\":1676317451,\"iat\":1676313851,\"jti\":\"aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee\","
	"\"username\":\"my-test-user\"}";

static const struct policy policy = {.clients = SLICE("1example23456789")};

struct subject {
	struct keys *keys;
	struct buffer token;
	struct memory *memory;
};

static struct grant check(const struct subject *subject)
{
	struct token token;
	struct claims claims;
	const struct key *signer;

	if (token_read(buffer_slice(&subject->token), &token) != REFUSAL_NONE ||
	    claims_read(token.payload, &claims) != REFUSAL_NONE ||
	    keys_verify(subject->keys, &token, &signer) != REFUSAL_NONE ||
	    claims_at(&claims, NOW_MS) != REFUSAL_NONE ||
	    policy_check(&policy, &claims) != REFUSAL_NONE)
		abort();
	struct grant grant = {.expires_ms = claims.expires_ms};
	memcpy(grant.key, key_thumbprint(signer), sizeof(grant.key));
	return grant;
}

static void verify(const struct subject *subject)
{
	check(subject);
}

static void recognise(const struct subject *subject)
{
	const struct grant *grant =
		memory_find(subject->memory, buffer_slice(&subject->token), NOW_MS);

	if (grant == NULL || !keys_have(subject->keys, grant->key))
		abort();
}

static double cpu_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* One slice: seconds for each. */
static double slice_of_time(void (*run)(const struct subject *), const struct subject *subject)
{
	double start = cpu_seconds();
	double seconds;
	unsigned count = 0;

	do {
		for (unsigned i = 0; i < 16; i++, count++)
			run(subject);
		seconds = cpu_seconds() - start;
	} while (seconds < SLICE_SECONDS);
	return seconds / count;
}

/* The best of all slices: what else the machine has to do only adds to it. */
static void measure(const char *name, void (*run)(const struct subject *),
                    const struct subject *subject)
{
	double best = slice_of_time(run, subject);

	for (size_t i = 1; i < SLICES; i++) {
		double seconds = slice_of_time(run, subject);
		best = seconds < best ? seconds : best;
	}
	printf("%-10s %7.0f /s  %6.1f us\n", name, 1 / best, best * 1e6);
}

/* The key stands behind others in the set, as it would after a rotation. */
static struct keys *set_with(const struct signer *signer)
{
	struct buffer text = {0};
	const char *error;

	buffer_append(&text, SLICE("{\"keys\":["));
	for (unsigned i = 0; i < 4; i++)
		buffer_printf(&text, "{%s,\"kid\":\"other%u\"},", signer_members(signer), i);
	buffer_printf(&text, "{%s,\"kid\":\"" KEY_ID "\"}]}", signer_members(signer));
	struct keys *keys = keys_read(buffer_slice(&text), &error);
	buffer_fini(&text);
	return keys;
}

static void measure_algorithm(const char *algorithm, const char *kind, bool remembered)
{
	struct signer *signer = signer_create(kind);
	struct subject subject = {.keys = set_with(signer), .memory = memory_create()};
	char header[128];
	int size = snprintf(header, sizeof(header), "{\"kid\":\"" KEY_ID "\",\"alg\":\"%s\"}",
	                    algorithm);

	signer_token(signer, algorithm, (struct slice){header, (size_t)size}, slice_of(claims_text),
	             &subject.token);
	struct grant grant = check(&subject);
	memory_keep(subject.memory, buffer_slice(&subject.token), &grant, NOW_MS);
	measure(algorithm, verify, &subject);
	if (remembered)
		measure("remembered", recognise, &subject);
	memory_destroy(subject.memory);
	buffer_fini(&subject.token);
	keys_destroy(subject.keys);
	signer_destroy(signer);
}

int main(void)
{
	static const char *const algorithms[][2] = {
		{"RS256", "RSA-2048"}, {"PS256", "RSA-2048"}, {"ES256", "P-256"},
		{"ES384", "P-384"},    {"EdDSA", "Ed25519"},
	};

	for (size_t i = 0; i < sizeof(algorithms) / sizeof(*algorithms); i++)
		measure_algorithm(algorithms[i][0], algorithms[i][1], i == 0);
	return 0;
}
