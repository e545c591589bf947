/* An issuer's keys are there, newer ones when they are needed, and old ones while it is away. */
#include "auth/issuer.h"
#include "tests/unit/auth/fixture.h"

#define WELL_KNOWN "/pool/.well-known/openid-configuration"
#define MINUTE_MS 60000

struct seat {
	struct issuer *issuer;
	unsigned refreshed;
};

static void on_refreshed(void *context, struct issuer *issuer)
{
	struct seat *seat = context;

	assert_ptr_equal(issuer, seat->issuer);
	seat->refreshed++;
}

static void create(struct seat *seat, struct world *world, const char *host)
{
	char url[128];
	const char *error = NULL;

	*seat = (struct seat){.refreshed = 0};
	snprintf(url, sizeof(url), "https://%s:%u" WELL_KNOWN, host, server.port);
	seat->issuer = issuer_create(&world->means, url, on_refreshed, seat, &error);
	if (seat->issuer == NULL)
		fail_msg("%s", error);
	issuer_start(seat->issuer);
}

/* Whose first refresh is over. */
static void open_at(struct seat *seat, struct world *world, const char *host)
{
	create(seat, world, host);
	AWAIT(world, seat->refreshed == 1);
}

static void await_next(struct seat *seat, struct world *world)
{
	unsigned refreshed = seat->refreshed;

	AWAIT(world, seat->refreshed > refreshed);
}

static enum refusal verify(const struct seat *seat, const char *text)
{
	struct token token;
	const struct key *signer;

	assert_int_equal(token_read(slice_of(text), &token), REFUSAL_NONE);
	return keys_verify(issuer_keys(seat->issuer), &token, &signer);
}

static const char *why_not(const struct seat *seat)
{
	const char *reason = "";

	return issuer_is_ready(seat->issuer, &reason) ? "ready" : reason;
}

static uint64_t fetches(const char *result)
{
	return metric_counter("p2p_relay_issuer_fetches_total", "", "result", result)->value;
}

/* ---- What is right */

static void keys_are_fetched(void **state)
{
	struct world *world = *state;
	struct seat seat;
	char name[64];

	snprintf(name, sizeof(name), "https://localhost:%u/pool", server.port);
	create(&seat, world, "localhost");
	assert_string_equal(why_not(&seat), "the issuer's keys: not fetched yet");
	assert_null(issuer_keys(seat.issuer));
	assert_int_equal(issuer_name(seat.issuer).size, 0);
	AWAIT(world, seat.refreshed == 1);
	assert_string_equal(why_not(&seat), "ready");
	assert_true(slice_is(issuer_name(seat.issuer), name));
	assert_int_equal(keys_count(issuer_keys(seat.issuer)), 2);
	assert_int_equal(verify(&seat, tell("mint")), REFUSAL_NONE);
	assert_int_equal(fetches("ok"), 2);
	print_longest_turn(world);
	issuer_destroy(seat.issuer);
}

/* What it takes to read the most that may come. */
static void many_keys_do_not_hold_the_loop_up(void **state)
{
	static const char *const algorithms[] = {"ES256", "EdDSA"};
	struct world *world = *state;

	for (size_t i = 0; i < COUNT(algorithms); i++) {
		struct seat seat;
		tell("fault keys many %s", algorithms[i]);
		world->longest_turn_us = 0;
		open_at(&seat, world, "127.0.0.1");
		assert_int_equal(keys_count(issuer_keys(seat.issuer)), KEYS_MAX);
		print_message("%s: ", algorithms[i]);
		print_longest_turn(world);
		issuer_destroy(seat.issuer);
	}
}

static void neither_do_false_ones(void **state)
{
	struct world *world = *state;
	struct seat seat;

	tell("fault keys false ES256");
	open_at(&seat, world, "127.0.0.1");
	assert_null(issuer_keys(seat.issuer));
	print_message("%s: ", why_not(&seat));
	print_longest_turn(world);
	issuer_destroy(seat.issuer);
}

static void they_are_fetched_again_in_five_minutes(void **state)
{
	struct world *world = *state;
	struct seat seat;
	unsigned long asked = count("keys");

	open_at(&seat, world, "127.0.0.1");
	pass(world, 4 * MINUTE_MS);
	assert_int_equal(count("keys"), asked + 1);
	pass(world, 2 * MINUTE_MS);
	AWAIT(world, seat.refreshed == 2);
	assert_int_equal(count("keys"), asked + 2);
	issuer_destroy(seat.issuer);
}

static void a_new_key_takes_one_fetch(void **state)
{
	struct world *world = *state;
	struct seat seat;
	char old[8192];

	open_at(&seat, world, "127.0.0.1");
	unsigned long asked = count("keys");
	snprintf(old, sizeof(old), "%s", tell("mint"));
	tell("rotate");
	assert_int_equal(verify(&seat, tell("mint")), REFUSAL_UNKNOWN_KEY);
	assert_true(issuer_refresh(seat.issuer));
	assert_true(issuer_refresh(seat.issuer)); /* is under way */
	await_next(&seat, world);
	assert_int_equal(verify(&seat, tell("mint")), REFUSAL_NONE);
	assert_int_equal(verify(&seat, old), REFUSAL_UNKNOWN_KEY);
	assert_int_equal(count("keys"), asked + 1);
	issuer_destroy(seat.issuer);
}

/* Tokens with keys that nobody ever had cost the issuer a fetch in a minute. */
static void a_flood_of_unknown_keys(void **state)
{
	struct world *world = *state;
	struct seat seat;

	open_at(&seat, world, "127.0.0.1");
	unsigned long asked = count("keys");
	for (int minute = 0; minute < 3; minute++) {
		for (int i = 0; i < 1000; i++)
			issuer_refresh(seat.issuer);
		await_next(&seat, world);
		pass(world, MINUTE_MS - 5000);
		assert_false(issuer_refresh(seat.issuer));
		assert_int_equal(count("keys"), asked + 1 + (unsigned)minute);
		pass(world, 5000);
	}
	issuer_destroy(seat.issuer);
}

/* ---- What is wrong */

static void old_keys_serve_while_the_issuer_is_away(void **state)
{
	struct world *world = *state;
	struct seat seat;
	char token[8192];

	open_at(&seat, world, "127.0.0.1");
	snprintf(token, sizeof(token), "%s", tell("mint"));
	tell("stop");
	pass(world, 60 * MINUTE_MS);
	AWAIT(world, fetches("unreachable") > 10);
	assert_string_equal(why_not(&seat), "ready");
	assert_int_equal(verify(&seat, token), REFUSAL_NONE);
	assert_false(issuer_refresh(seat.issuer));

	tell("start");
	tell("rotate");
	pass(world, MINUTE_MS);
	AWAIT(world, verify(&seat, tell("mint")) == REFUSAL_NONE);
	issuer_destroy(seat.issuer);
}

static void a_start_without_the_issuer_heals_by_itself(void **state)
{
	struct world *world = *state;
	struct seat seat;

	tell("stop");
	open_at(&seat, world, "127.0.0.1");
	assert_string_equal(why_not(&seat), "the issuer's discovery document: can't connect");
	assert_null(issuer_keys(seat.issuer));
	tell("start");
	advance(world, 1000);
	await_next(&seat, world);
	assert_string_equal(why_not(&seat), "ready");
	issuer_destroy(seat.issuer);
}

/* At least 1/2 + 1 + 2 + 4 + 8 + 16 s of waiting, and then half a minute each time. */
static void it_is_asked_less_and_less(void **state)
{
	struct world *world = *state;
	struct seat seat;
	unsigned long asked = count("discovery");

	tell("fault discovery status 500");
	open_at(&seat, world, "127.0.0.1");
	pass(world, 30 * MINUTE_MS);
	asked = count("discovery") - asked;
	assert_in_range(asked, 30, 6 + 60);
	issuer_destroy(seat.issuer);
}

/* What is behind the faults of a fetch itself is for test_fetch. */
static void what_is_wrong_is_told(void **state)
{
	static const char document[] = "the issuer's discovery document";
	static const char keys[] = "the issuer's keys:";
	static const struct {
		const char *fault;
		const char *what;
		const char *why;
	} cases[] = {
		{"discovery status 500", document, ": answered with status 500"},
		{"discovery redirect", document, ": answered with status 302"},
		{"discovery huge", document, ": the answer is too long, or not HTTP"},
		{"discovery reset", document, ": not reachable, or cut off"},
		{"connection plain", document, ": what answers there does not speak TLS"},
		{"discovery junk", document, " is no JSON object"},
		{"discovery nothing", document, " is no JSON object"},
		{"discovery twice", document, " is no JSON object"},
		{"discovery lying", document, " is of another issuer than its URL says"},
		{"discovery member issuer null", document, " says no issuer"},
		{"discovery member jwks_uri null", document, " has no jwks_uri that is https"},
		{"discovery member jwks_uri \"http://127.0.0.1/keys\"", document,
	         " has no jwks_uri that is https"},
		{"discovery member jwks_uri \"https://127.0.0.1:1/keys\"", keys, " can't connect"},
		{"keys status 404", keys, " answered with status 404"},
		{"keys redirect", keys, " answered with status 302"},
		{"keys huge", keys, " the answer is too long, or not HTTP"},
		{"keys junk", keys, " the key set is no JSON object with an array `keys`"},
		{"keys empty", keys, " the key set is empty"},
		{"keys cut", keys, " not reachable, or cut off"},
	};
	char reason[160];
	char which[16];

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct seat seat;
		snprintf(reason, sizeof(reason), "%s%s", cases[i].what, cases[i].why);
		snprintf(which, sizeof(which), "%.*s", (int)strcspn(cases[i].fault, " "),
		         cases[i].fault);
		tell("fault %s", cases[i].fault);
		open_at(&seat, *state, "127.0.0.1");
		if (strcmp(why_not(&seat), reason) != 0)
			fail_msg("%s: \"%s\"", cases[i].fault, why_not(&seat));
		issuer_destroy(seat.issuer);
		tell("fault %s", which);
	}
	assert_int_equal(count("/elsewhere"), 0);
}

static void a_certificate_that_is_not_good(void **state)
{
	struct world *world = *state;
	struct seat seat;

	tell("present expired");
	open_at(&seat, world, "127.0.0.1");
	assert_string_equal(why_not(&seat),
	                    "the issuer's discovery document: its certificate has expired");
	assert_int_equal(fetches("untrusted"), 1);
	tell("present good");
	advance(world, 1000);
	await_next(&seat, world);
	assert_string_equal(why_not(&seat), "ready");
	issuer_destroy(seat.issuer);
}

static void what_is_good_outlives_what_is_not(void **state)
{
	static const char *const faults[] = {"discovery lying", "keys empty", "keys junk"};
	struct world *world = *state;
	struct seat seat;

	open_at(&seat, world, "127.0.0.1");
	assert_true(issuer_refresh(seat.issuer));
	for (size_t i = 0; i < COUNT(faults); i++) {
		uint64_t unusable = fetches("unusable");
		tell("fault %s", faults[i]);
		pass(world, 6 * MINUTE_MS);
		assert_true(fetches("unusable") > unusable);
		assert_int_equal(verify(&seat, tell("mint")), REFUSAL_NONE);
		assert_string_equal(why_not(&seat), "ready");
	}
	issuer_destroy(seat.issuer);
}

/* ---- Who it is, and where its keys may be */

static void a_name_with_a_slash_at_its_end(void **state)
{
	struct world *world = *state;
	struct seat seat;
	char name[64];

	tell("fault discovery slash");
	snprintf(name, sizeof(name), "https://127.0.0.1:%u/pool/", server.port);
	open_at(&seat, world, "127.0.0.1");
	assert_true(slice_is(issuer_name(seat.issuer), name));
	issuer_destroy(seat.issuer);
}

static void urls_that_are_none(void **state)
{
	static const char *const urls[][2] = {
		{"http://127.0.0.1" WELL_KNOWN, "is not https"},
		{"https://u@127.0.0.1" WELL_KNOWN, "has a user in it"},
		{"https://127.0.0.1/pool", "does not end in /.well-known/openid-configuration"},
		{"https://127.0.0.1/?" WELL_KNOWN,
	         "does not end in /.well-known/openid-configuration"},
	};
	struct world *world = *state;
	const char *error;

	for (size_t i = 0; i < COUNT(urls); i++) {
		assert_null(issuer_create(&world->means, urls[i][0], on_refreshed, NULL, &error));
		assert_string_equal(error, urls[i][1]);
	}
}

static void the_internet_does_not_send_us_home(void **state)
{
	struct world *world = *state;
	struct seat seat;

	if (!has_public_address)
		skip();
	tell("fault discovery member jwks_uri \"https://127.0.0.1:%u/pool/keys\"", server.port);
	unsigned long connections = count("connections");
	open_at(&seat, world, PUBLIC_ADDRESS);
	assert_string_equal(why_not(&seat), "the issuer's keys: its address is a private one");
	assert_int_equal(count("connections"), connections + 1);
	tell("fault discovery");
	advance(world, 1000);
	await_next(&seat, world);
	assert_string_equal(why_not(&seat), "ready");
	issuer_destroy(seat.issuer);
}

/* In each of its states. */
static void an_issuer_can_go_at_any_time(void **state)
{
	struct world *world = *state;
	struct seat seat;
	unsigned turn_count = 0;

	do {
		create(&seat, world, "127.0.0.1");
		for (unsigned i = 0; i < turn_count && seat.refreshed == 0; i++)
			turn(world);
		issuer_destroy(seat.issuer);
		turns(world, 2);
		turn_count++;
	} while (seat.refreshed == 0);
	assert_true(turn_count >= 6);
	issuer_destroy(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(keys_are_fetched),
		TEST(many_keys_do_not_hold_the_loop_up),
		TEST(neither_do_false_ones),
		TEST(they_are_fetched_again_in_five_minutes),
		TEST(a_new_key_takes_one_fetch),
		TEST(a_flood_of_unknown_keys),
		TEST(old_keys_serve_while_the_issuer_is_away),
		TEST(a_start_without_the_issuer_heals_by_itself),
		TEST(it_is_asked_less_and_less),
		TEST(what_is_wrong_is_told),
		TEST(a_certificate_that_is_not_good),
		TEST(what_is_good_outlives_what_is_not),
		TEST(a_name_with_a_slash_at_its_end),
		TEST(urls_that_are_none),
		TEST(the_internet_does_not_send_us_home),
		TEST(an_issuer_can_go_at_any_time),
	};

	return cmocka_run_group_tests(tests, group_set_up, group_tear_down);
}
