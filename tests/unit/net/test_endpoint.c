/* Which addresses are nobody else's business. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "net/endpoint.h"

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

static bool is_private(const char *name)
{
	struct endpoint endpoint = {.port = 443};

	snprintf(endpoint.name, sizeof(endpoint.name), "%s", name);
	return endpoint_is_private(&endpoint);
}

static void private_addresses(void **state)
{
	static const char *const names[] = {
		"0.0.0.0",
		"10.0.0.1",
		"100.64.0.0",
		"100.127.255.255",
		"127.0.0.1",
		"127.255.255.255",
		"169.254.169.254",
		"172.16.0.1",
		"172.31.255.255",
		"192.168.255.255",
		"224.0.0.1",
		"255.255.255.255",
		"::",
		"::1",
		"fc00::1",
		"fdff::",
		"fe80::1",
		"feff::",
		"ff02::1",
		"::ffff:10.0.0.1",
		"64:ff9b::a00:1",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(names); i++)
		if (!is_private(names[i]))
			fail_msg("%s", names[i]);
}

static void addresses_of_the_internet(void **state)
{
	static const char *const names[] = {
		"1.1.1.1",         "9.255.255.255",  "11.0.0.0",         "100.63.255.255",
		"100.128.0.0",     "126.0.0.1",      "128.0.0.1",        "169.253.255.255",
		"172.15.255.255",  "172.32.0.0",     "192.167.0.1",      "223.255.255.255",
		"2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(names); i++)
		if (is_private(names[i]))
			fail_msg("%s", names[i]);
}

static void what_is_no_address_is_private(void **state)
{
	const struct endpoint unix_socket = {.name = "1.1.1.1", .port = 0};

	(void)state;
	assert_true(is_private("localhost"));
	assert_true(is_private(""));
	assert_true(endpoint_is_private(&unix_socket));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(private_addresses),
		cmocka_unit_test(addresses_of_the_internet),
		cmocka_unit_test(what_is_no_address_is_private),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
