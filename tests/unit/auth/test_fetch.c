/* A document is fetched, or it is said why not; in bounds, and from nobody but who was meant. */
#include "tests/unit/auth/fixture.h"

#define WELL_KNOWN "/pool/.well-known/openid-configuration"

struct order {
	struct fetch *fetch; /* NULL: answered */
	unsigned answers;
	enum fetch_result result;
	bool is_from_private;
	size_t size;
	char reason[64];
	char body[8];
};

static void on_done(void *context, const struct fetch_answer *answer)
{
	struct order *order = context;

	order->fetch = NULL;
	order->answers++;
	order->result = answer->result;
	order->is_from_private = answer->is_from_private;
	order->size = answer->body.size;
	snprintf(order->reason, sizeof(order->reason), "%s", answer->reason);
	snprintf(order->body, sizeof(order->body), "%.*s", SLICE_ARGS(answer->body));
}

static void begin(struct order *order, struct world *world, const char *host, bool only_public)
{
	char url[256];

	*order = (struct order){.answers = 0};
	snprintf(url, sizeof(url), "https://%s:%u" WELL_KNOWN, host, server.port);
	order->fetch = fetch_start(&world->means, url, only_public, on_done, order);
}

/* With the fault, for this time. */
static struct order fetch(struct world *world, const char *which, const char *fault)
{
	struct order order;

	tell("fault %s %s", which, fault);
	begin(&order, world, "127.0.0.1", false);
	AWAIT(world, order.answers > 0);
	tell("fault %s", which);
	return order;
}

static void check(const struct order *order, enum fetch_result result, const char *reason)
{
	if (order->result != result || strcmp(order->reason, reason) != 0)
		fail_msg("%u %s instead of %u %s", order->result, order->reason, result, reason);
	assert_int_equal(order->answers, 1);
}

/* ---- What is right */

static void a_document_is_fetched(void **state)
{
	static const char *const ways[] = {"good", "chunked", "until-close", "text"};
	struct world *world = *state;

	for (size_t i = 0; i < COUNT(ways); i++) {
		struct order order = fetch(world, "discovery", ways[i]);
		check(&order, FETCH_OK, "");
		assert_string_equal(order.body, "{\"issue");
		assert_true(order.is_from_private);
	}
	print_longest_turn(world);
}

/* One address of the name may be ::1, where nobody is. */
static void a_name_is_looked_up(void **state)
{
	struct world *world = *state;
	struct order order;

	for (int i = 0; i < 4; i++) {
		begin(&order, world, "localhost", false);
		AWAIT(world, order.answers > 0);
		check(&order, FETCH_OK, "");
	}
}

static void a_body_has_a_bound(void **state)
{
	static const char *const faults[] = {
		"huge",           "huge-until-close", "huge-chunked",    "endless-chunk-size",
		"endless-header", "many-headers",     "endless-trailer", "endless-continue",
	};
	struct world *world = *state;
	char padded[32];

	snprintf(padded, sizeof(padded), "padded %d", FETCH_BODY_BYTES_MAX);
	struct order order = fetch(world, "discovery", padded);
	check(&order, FETCH_OK, "");
	assert_int_equal(order.size, FETCH_BODY_BYTES_MAX);
	snprintf(padded, sizeof(padded), "padded %d", FETCH_BODY_BYTES_MAX + 1);
	order = fetch(world, "discovery", padded);
	check(&order, FETCH_UNUSABLE, "the answer is too long, or not HTTP");
	for (size_t i = 0; i < COUNT(faults); i++) {
		order = fetch(world, "discovery", faults[i]);
		check(&order, FETCH_UNUSABLE, "the answer is too long, or not HTTP");
	}
	print_longest_turn(world);
}

/* ---- What is wrong */

static void another_status_is_refused(void **state)
{
	static const unsigned statuses[] = {201, 204, 304, 401, 404, 429, 500, 503};
	char fault[32];
	char reason[64];

	for (size_t i = 0; i < COUNT(statuses); i++) {
		snprintf(fault, sizeof(fault), "status %u", statuses[i]);
		snprintf(reason, sizeof(reason), "answered with status %u", statuses[i]);
		struct order order = fetch(*state, "discovery", fault);
		check(&order, FETCH_REFUSED, reason);
	}
}

static void a_redirect_is_not_followed(void **state)
{
	struct order order = fetch(*state, "discovery", "redirect");

	check(&order, FETCH_REFUSED, "answered with status 302");
	assert_int_equal(count("/elsewhere"), 0);
}

static void what_breaks_is_told(void **state)
{
	static const char cut_off[] = "not reachable, or cut off";
	static const struct {
		const char *which;
		const char *fault;
		enum fetch_result result;
		const char *reason;
	} cases[] = {
		{"discovery", "cut", FETCH_UNREACHABLE, cut_off},
		{"discovery", "close", FETCH_UNREACHABLE, cut_off},
		{"discovery", "reset", FETCH_UNREACHABLE, cut_off},
		{"discovery", "no-http", FETCH_UNUSABLE, "the answer is too long, or not HTTP"},
		{"connection", "reset", FETCH_UNREACHABLE, cut_off},
		{"connection", "early", FETCH_REFUSED, "answered with status 408"},
		{"connection", "plain", FETCH_UNTRUSTED, "what answers there does not speak TLS"},
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct order order = fetch(*state, cases[i].which, cases[i].fault);
		check(&order, cases[i].result, cases[i].reason);
	}
}

static void only_who_was_meant_is_asked(void **state)
{
	static const struct {
		const char *certificate;
		const char *reason;
	} cases[] = {
		{"expired", "its certificate has expired"},
		{"other", "its certificate is not for this address"},
		{"stranger", "its certificate is not from a CA that is known here"},
	};
	unsigned long asked = count("discovery");

	for (size_t i = 0; i < COUNT(cases); i++) {
		tell("present %s", cases[i].certificate);
		struct order order = fetch(*state, "discovery", "good");
		check(&order, FETCH_UNTRUSTED, cases[i].reason);
	}
	assert_int_equal(count("discovery"), asked);
	tell("present good");
	struct order order = fetch(*state, "discovery", "good");
	check(&order, FETCH_OK, "");
}

static void nobody_there(void **state)
{
	tell("stop");
	struct order order = fetch(*state, "discovery", "good");
	check(&order, FETCH_UNREACHABLE, "can't connect");
	tell("start");
}

/* Whatever it is that never comes. */
static void it_has_five_seconds(void **state)
{
	static const char *const faults[] = {"discovery hang", "discovery drip", "connection mute"};
	struct world *world = *state;
	struct order order;

	for (size_t i = 0; i < COUNT(faults); i++) {
		unsigned long connections = count("connections");
		tell("fault %s", faults[i]);
		begin(&order, world, "127.0.0.1", false);
		AWAIT(world, count("connections") > connections);
		turns(world, 5);
		advance(world, FETCH_MS_MAX - 1);
		turns(world, 5);
		assert_int_equal(order.answers, 0);
		advance(world, 1);
		AWAIT(world, order.answers > 0);
		check(&order, FETCH_UNREACHABLE, "no answer in time");
		tell("fault discovery");
	}
}

/* ---- Where it may go */

static void a_private_address_can_be_ruled_out(void **state)
{
	struct world *world = *state;
	unsigned long connections = count("connections");
	struct order order;

	begin(&order, world, "localhost", true);
	AWAIT(world, order.answers > 0);
	check(&order, FETCH_UNREACHABLE, "its address is a private one");
	assert_int_equal(count("connections"), connections);
	if (!has_public_address)
		skip();
	begin(&order, world, PUBLIC_ADDRESS, true);
	AWAIT(world, order.answers > 0);
	check(&order, FETCH_OK, "");
	assert_false(order.is_from_private);
}

static void urls(void **state)
{
	static const char *const good[] = {
		"https://issuer.example",
		"HTTPS://issuer.example/",
		"https://issuer.example:8443/a/b%20c?d=e&f",
		"https://192.0.2.1/keys",
		"https://[2001:db8::1]:443/keys",
	};
	static const char *const bad[] = {
		"",
		"issuer.example",
		"http://issuer.example/",
		"ftp://issuer.example/",
		"file:///etc/passwd",
		"https://",
		"https:///keys",
		"https://user@issuer.example/",
		"https://user:secret@issuer.example/",
		"https://issuer.example:0/",
		"https://issuer.example:65536/",
		"https://issuer.example:443x/",
		"https://issuer.example/a b",
		"https://issuer.example/\r\nHost: other",
		"https://issuer.example/\xc3\xbc",
		"https://[2001:db8::1/keys",
	};
	char long_url[FETCH_URL_BYTES_MAX + 2] = "https://issuer.example/";
	size_t size = strlen(long_url);
	const char *error;

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++)
		if (!fetch_url_is_good(good[i], &error))
			fail_msg("%s %s", good[i], error);
	for (size_t i = 0; i < COUNT(bad); i++)
		if (fetch_url_is_good(bad[i], &error))
			fail_msg("%s is good", bad[i]);
	memset(long_url + size, 'a', sizeof(long_url) - 1 - size);
	assert_false(fetch_url_is_good(long_url, &error));
	long_url[FETCH_URL_BYTES_MAX] = '\0';
	assert_true(fetch_url_is_good(long_url, &error));
}

/* In each of its states. */
static void a_fetch_can_be_cancelled(void **state)
{
	struct world *world = *state;
	struct order order = {.answers = 0};
	unsigned cancelled = 0;

	for (;; cancelled++) {
		begin(&order, world, cancelled % 2 == 0 ? "localhost" : "127.0.0.1", false);
		for (unsigned i = 0; i < cancelled / 2 && order.fetch != NULL; i++)
			turn(world);
		if (order.fetch == NULL)
			break;
		fetch_cancel(order.fetch);
		turns(world, 3);
		assert_int_equal(order.answers, 0);
	}
	assert_true(cancelled >= 8);
	fetch_cancel(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_document_is_fetched),
		TEST(a_name_is_looked_up),
		TEST(a_body_has_a_bound),
		TEST(another_status_is_refused),
		TEST(a_redirect_is_not_followed),
		TEST(what_breaks_is_told),
		TEST(only_who_was_meant_is_asked),
		TEST(nobody_there),
		TEST(it_has_five_seconds),
		TEST(a_private_address_can_be_ruled_out),
		TEST(urls),
		TEST(a_fetch_can_be_cancelled),
	};

	return cmocka_run_group_tests(tests, group_set_up, group_tear_down);
}
