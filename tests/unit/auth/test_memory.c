/* What was verified is known again until it expires, and no more is kept than fits. */
#include "auth/memory.h"

#include <stdio.h>
#include <stdlib.h>

#include "auth/claims.h"
#include "common/memory.h"
#include "tests/unit/assert_slice.h"

#define NOW_MS 1760000000000

static const struct grant *keep(struct memory *memory, const char *token, const char *subject,
                                uint64_t expires_ms)
{
	/* Gone when this returns. */
	char *copy = mem_copy(subject, strlen(subject));
	const struct grant grant = {.issuer = SLICE("https://issuer"),
	                            .subject = {copy, strlen(subject)},
	                            .meshes = SLICE("a b"),
	                            .expires_ms = expires_ms,
	                            .key = {1, 2, 3}};

	const struct grant *kept = memory_keep(memory, slice_of(token), &grant, NOW_MS);
	free(copy);
	return kept;
}

static const struct grant *find(struct memory *memory, const char *token)
{
	return memory_find(memory, slice_of(token), NOW_MS);
}

static void a_token_is_known_again(void **state)
{
	(void)state;
	struct memory *memory = memory_create();

	assert_null(find(memory, "token"));
	const struct grant *kept = keep(memory, "token", "alice", NOW_MS + 1);
	assert_ptr_equal(find(memory, "token"), kept);
	assert_slice(kept->issuer, "https://issuer");
	assert_slice(kept->subject, "alice");
	assert_slice(kept->meshes, "a b");
	assert_true(kept->expires_ms == NOW_MS + 1);
	assert_int_equal(kept->key[2], 3);
	assert_null(find(memory, "tokem"));
	assert_null(find(memory, "toke"));
	assert_null(find(memory, ""));
	memory_destroy(memory);
	memory_destroy(NULL);
}

static void what_is_not_said_stays_unsaid(void **state)
{
	(void)state;
	struct memory *memory = memory_create();
	const struct grant grant = {
		.issuer = SLICE("i"), .subject = SLICE("s"), .expires_ms = NOW_MS};

	const struct grant *kept = memory_keep(memory, SLICE("token"), &grant, NOW_MS);
	assert_int_equal(kept->meshes.size, 0);
	memory_destroy(memory);
}

/* To the millisecond when claims_at() would refuse it. */
static void an_expired_token_is_forgotten(void **state)
{
	(void)state;
	struct memory *memory = memory_create();
	uint64_t last_ms = NOW_MS + CLAIMS_SKEW_MS - 1;

	keep(memory, "token", "alice", NOW_MS);
	assert_non_null(memory_find(memory, SLICE("token"), last_ms));
	assert_int_equal(memory_count(memory), 1);
	assert_null(memory_find(memory, SLICE("token"), last_ms + 1));
	assert_int_equal(memory_count(memory), 0);
	memory_destroy(memory);
}

static void a_token_is_kept_once(void **state)
{
	(void)state;
	struct memory *memory = memory_create();

	keep(memory, "token", "alice", NOW_MS);
	keep(memory, "token", "bob", NOW_MS);
	assert_int_equal(memory_count(memory), 1);
	assert_slice(find(memory, "token")->subject, "bob");
	memory_destroy(memory);
}

static void keep_number(struct memory *memory, unsigned number)
{
	char token[16];

	snprintf(token, sizeof(token), "token%u", number);
	keep(memory, token, token, NOW_MS);
}

static void who_was_not_seen_for_longest_is_forgotten_first(void **state)
{
	(void)state;
	struct memory *memory = memory_create();

	for (unsigned i = 0; i < MEMORY_TOKENS_MAX; i++)
		keep_number(memory, i);
	assert_int_equal(memory_count(memory), MEMORY_TOKENS_MAX);
	assert_non_null(find(memory, "token0")); /* seen just now */
	keep_number(memory, MEMORY_TOKENS_MAX);
	assert_int_equal(memory_count(memory), MEMORY_TOKENS_MAX);
	assert_non_null(find(memory, "token0"));
	assert_null(find(memory, "token1"));
	assert_slice(find(memory, "token2")->subject, "token2");
	assert_non_null(find(memory, "token65536"));
	memory_destroy(memory);
}

static void bytes_are_bounded(void **state)
{
	(void)state;
	struct memory *memory = memory_create();
	static char meshes[8192];
	char token[16];

	memset(meshes, 'm', sizeof(meshes));
	for (unsigned i = 0; i < 3 * MEMORY_BYTES_MAX / sizeof(meshes); i++) {
		const struct grant grant = {.issuer = SLICE("i"),
		                            .subject = SLICE("s"),
		                            .meshes = {meshes, sizeof(meshes)},
		                            .expires_ms = NOW_MS};
		snprintf(token, sizeof(token), "token%u", i);
		memory_keep(memory, slice_of(token), &grant, NOW_MS);
		assert_true(memory_count(memory) * sizeof(meshes) <= MEMORY_BYTES_MAX);
	}
	assert_true(memory_count(memory) > MEMORY_BYTES_MAX / sizeof(meshes) / 2);
	assert_non_null(find(memory, token));
	memory_destroy(memory);
}

/* So that nothing stays for ever in a relay to which hardly anybody comes. */
static void the_expired_make_room(void **state)
{
	(void)state;
	struct memory *memory = memory_create();
	const struct grant later = {
		.issuer = SLICE("i"), .subject = SLICE("s"), .expires_ms = 2 * NOW_MS};

	for (unsigned i = 0; i < 100; i++)
		keep_number(memory, i);
	memory_keep(memory, SLICE("later"), &later, NOW_MS + CLAIMS_SKEW_MS);
	assert_int_equal(memory_count(memory), 1);
	memory_destroy(memory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_token_is_known_again),
		cmocka_unit_test(what_is_not_said_stays_unsaid),
		cmocka_unit_test(an_expired_token_is_forgotten),
		cmocka_unit_test(a_token_is_kept_once),
		cmocka_unit_test(who_was_not_seen_for_longest_is_forgotten_first),
		cmocka_unit_test(bytes_are_bounded),
		cmocka_unit_test(the_expired_make_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
