/* Which pages may connect: no trick with a name makes one origin pass for another. */
#include "tests/unit/assert_slice.h"

#include "common/origin.h"

static void assert_pattern(const char *text, bool expected)
{
	if (origin_is_pattern(slice_of(text)) != expected)
		fail_msg("%s", text);
}

static void patterns(void **state)
{
	static const char *const good[] = {
		"*",
		"same",
		"https://example.org",
		"https://example.org:443",
		"https://*.example.org",
		"http://*.example.org:8080",
		"http://localhost:3000",
		"HTTPS://Example.ORG",
		"https://xn--gly-goa.example",
		"http://192.0.2.1:8080",
		"https://[2001:db8::1]:8443",
		"chrome-extension://abcdefghijklmnop",
	};
	static const char *const bad[] = {
		"",
		"null",
		"example.org",
		"//example.org",
		"https:example.org",
		"https://",
		"://example.org",
		"https://example.org/",
		"https://example.org/path",
		"https://example.org?query",
		"https://user@example.org",
		"https://example.org:",
		"https://example.org:0",
		"https://example.org:65536",
		"https://example.org:8o",
		"https://*",
		"https://*.",
		"https://**.example.org",
		"https://a.*.example.org",
		"https://*example.org",
		"https://\xc3\xbcgly.example",
		"https://[::1",
		"https://::1",
		"https://[example]",
		"ht tp://example.org",
		"Same",
		"* ",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_pattern(good[i], true);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_pattern(bad[i], false);
	assert_false(origin_is_pattern(SLICE("https://example.org\0.evil.example")));
}

struct row {
	const char *origin;
	const char *patterns;
	const char *host;
	bool expected;
};

static const struct row rows[] = {
	/* Exact, after the default port of the scheme, in any case. */
	{"https://example.org", "https://example.org", "h", true},
	{"https://example.org:443", "https://example.org", "h", true},
	{"https://example.org", "https://example.org:443", "h", true},
	{"HTTPS://EXAMPLE.org", "https://Example.Org", "h", true},
	{"http://example.org:80", "http://example.org", "h", true},
	{"https://example.org:8443", "https://example.org:8443", "h", true},
	{"https://example.org:8443", "https://example.org", "h", false},
	{"https://example.org", "https://example.org:8443", "h", false},
	{"http://example.org", "https://example.org", "h", false},
	{"http://example.org:443", "https://example.org", "h", false},
	{"https://www.example.org", "https://example.org", "h", false},
	{"https://xn--gly-goa.example", "https://xn--gly-goa.example", "h", true},
	{"https://\xc3\xbcgly.example", "https://xn--gly-goa.example", "h", false},
	{"http://[::1]:8080", "http://[::1]:8080", "h", true},
	{"http://[::2]:8080", "http://[::1]:8080", "h", false},
	{"chrome-extension://abc", "chrome-extension://abc", "h", true},
	{"chrome-extension://abd", "chrome-extension://abc", "h", false},
	{"moz-extension://abc", "chrome-extension://abc", "h", false},

	/* Names that contain, begin with or end with the one that is meant. */
	{"https://example.org.evil.com", "https://example.org", "h", false},
	{"https://evilexample.org", "https://example.org", "h", false},
	{"https://example.org.", "https://example.org", "h", false},
	{"https://example.org@evil.com", "https://example.org", "h", false},
	{"https://evil.com@example.org", "https://example.org", "h", false},
	{"https://evil.com:443@example.org", "https://example.org", "h", false},
	{"https://evil.com/https://example.org", "https://example.org", "h", false},
	{"https://evil.com#example.org", "https://example.org", "h", false},
	{"https://example.org/", "https://example.org", "h", false},
	{"https://example.org https://evil.com", "https://example.org", "h", false},
	{"https://example.org, https://example.org", "https://example.org", "h", false},
	{"https://example.org:", "https://example.org", "h", false},
	{"https://example.org:0443", "https://example.org", "h", true}, /* 443 all the same */
	{"example.org", "https://example.org", "h", false},
	{"//example.org", "https://example.org", "h", false},
	{"null", "https://example.org", "h", false},
	{"", "https://example.org", "h", false},
	{"https://", "https://example.org", "h", false},

	/* All below a name, and not itself. */
	{"https://a.example.org", "https://*.example.org", "h", true},
	{"https://a.b.c.example.org", "https://*.example.org", "h", true},
	{"https://A.EXAMPLE.org:443", "https://*.example.org", "h", true},
	{"https://example.org", "https://*.example.org", "h", false},
	{"https://.example.org", "https://*.example.org", "h", false},
	{"https://evilexample.org", "https://*.example.org", "h", false},
	{"https://a.example.org.evil.com", "https://*.example.org", "h", false},
	{"https://evil.com/.example.org", "https://*.example.org", "h", false},
	{"https://evil.com?.example.org", "https://*.example.org", "h", false},
	{"https://evil.com\\.example.org", "https://*.example.org", "h", false},
	{"https://*.example.org", "https://*.example.org", "h", false},
	{"http://a.example.org", "https://*.example.org", "h", false},
	{"https://a.example.org:8443", "https://*.example.org", "h", false},
	{"https://a.example.org:8443", "https://*.example.org:8443", "h", true},

	/* The host that the request names; it does not name the scheme. */
	{"http://localhost:8080", "same", "localhost:8080", true},
	{"http://LOCALHOST:8080", "same", "localhost:8080", true},
	{"https://relay.example", "same", "relay.example", true},
	{"https://relay.example", "same", "relay.example:443", true},
	{"http://relay.example", "same", "relay.example", true},
	{"http://relay.example:80", "same", "relay.example", true},
	{"http://[::1]:8080", "same", "[::1]:8080", true},
	{"https://relay.example.", "same", "relay.example.", true},
	{"https://relay.example", "same", "relay.example:80", false},
	{"http://relay.example", "same", "relay.example:443", false},
	{"http://localhost:3000", "same", "localhost:8080", false},
	{"http://localhost", "same", "localhost:8080", false},
	{"https://relay.example.", "same", "relay.example", false},
	{"https://evil.com", "same", "relay.example", false},
	{"https://relay.example.evil.com", "same", "relay.example", false},
	{"https://relay.example", "same", "user@relay.example", false},
	{"https://relay.example", "same", "", false},
	{"https://relay.example", "same", NULL, false},
	{"chrome-extension://abc", "same", "abc", false},
	{"app://localhost:8080", "same", "localhost:8080", false},
	{"null", "same", "null", false},
	{"file://", "same", "", false},

	/* Several; any; none. */
	{"https://b.example", "https://a.example https://b.example", "h", true},
	{"https://h", "https://a.example same", "h", true},
	{"https://c.example", "https://a.example https://b.example", "h", false},
	{"https://evil.com", "*", "h", true},
	{"null", "*", "h", true},
	{"", "same *", "h", true},
	{"https://h", "", "h", false},
};

static void a_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *row = &rows[i];
		struct slice host = row->host != NULL ? slice_of(row->host) : (struct slice){0};

		if (origin_is_among(slice_of(row->origin), slice_of(row->patterns), host) !=
		    row->expected)
			fail_msg("\"%s\" among \"%s\" at %s", row->origin, row->patterns,
			         row->host);
	}
}

static void a_zero_ends_nothing(void **state)
{
	(void)state;
	assert_false(origin_is_among(SLICE("https://example.org\0.evil.com"),
	                             SLICE("https://example.org"), SLICE("h")));
	assert_false(origin_is_among(SLICE("https://evil.com\0.example.org"),
	                             SLICE("https://*.example.org"), SLICE("h")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(patterns),
		cmocka_unit_test(a_table),
		cmocka_unit_test(a_zero_ends_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
