/* An address has one form, whatever it was written as; a network has what it has, to the bit. */
#include "tests/unit/assert_slice.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "common/ip.h"

static struct ip ip_of(const char *text)
{
	struct ip ip;

	if (!ip_parse(slice_of(text), &ip))
		fail_msg("%s", text);
	return ip;
}

static void assert_prints(const char *text, const char *expected)
{
	char printed[IP_TEXT_SIZE];
	struct ip ip = ip_of(text);

	ip_print(&ip, printed);
	assert_string_equal(printed, expected);
}

static void forms(void **state)
{
	(void)state;
	assert_prints("192.0.2.1", "192.0.2.1");
	assert_prints("::ffff:192.0.2.1", "192.0.2.1");
	assert_prints("::ffff:c000:201", "192.0.2.1");
	assert_prints("2001:DB8:0:0::1", "2001:db8::1");
	assert_prints("::", "::");
	assert_prints("::1.2.3.4", "::1.2.3.4"); /* another address than 1.2.3.4 */
	assert_prints("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255",
	              "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
}

static void what_is_no_address(void **state)
{
	static const char *const texts[] = {
		"",
		"1.2.3",
		"1.2.3.4.5",
		"256.1.1.1",
		"1.2.3.4:80",
		"[::1]",
		"::1%lo",
		"fe80::%1",
		"1.2.3.4 ",
		" 1.2.3.4",
		"0x1.2.3.4",
		"unknown",
		"_hidden",
		"1.2.3.4/8",
		"01.2.3.4",
		":::",
		"1:2:3:4:5:6:7:8:9",
		"ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.2555",
	};
	struct ip ip;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (ip_parse(slice_of(texts[i]), &ip))
			fail_msg("%s", texts[i]);
	assert_false(ip_parse(SLICE("1.2.3.4\0"), &ip));
}

static void socket_addresses(void **state)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0xc0000201)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
	struct sockaddr_un other = {.sun_family = AF_UNIX};
	struct ip expected = ip_of("192.0.2.1");
	struct ip ip;

	(void)state;
	assert_true(ip_from((struct sockaddr *)&v4, &ip));
	assert_memory_equal(&ip, &expected, sizeof(ip));
	inet_pton(AF_INET6, "::ffff:192.0.2.1", &v6.sin6_addr);
	assert_true(ip_from((struct sockaddr *)&v6, &ip));
	assert_memory_equal(&ip, &expected, sizeof(ip));
	assert_false(ip_from((struct sockaddr *)&other, &ip));
}

static bool is_same_site(const char *a, const char *b)
{
	struct ip first = ip_of(a), second = ip_of(b);

	return slice_equal(ip_site(&first), ip_site(&second));
}

static void sites(void **state)
{
	(void)state;
	assert_true(is_same_site("2001:db8:1:2::1", "2001:db8:1:2:ffff::"));
	assert_false(is_same_site("2001:db8:1:2::1", "2001:db8:1:3::1"));
	assert_true(is_same_site("192.0.2.1", "::ffff:192.0.2.1"));
	assert_false(is_same_site("192.0.2.1", "192.0.2.2"));
	assert_false(is_same_site("192.0.2.1", "::1")); /* a /64 that has all of IPv4 in it */
}

static void assert_contains(const char *words, const char *address, bool expected)
{
	struct networks networks;
	struct ip ip = ip_of(address);

	assert_true(networks_parse(slice_of(words), &networks));
	if (networks_contain(&networks, &ip) != expected)
		fail_msg("%s in %s", address, words);
}

static void networks(void **state)
{
	(void)state;
	assert_contains("10.0.0.0/8", "10.255.255.255", true);
	assert_contains("10.0.0.0/8", "11.0.0.0", false);
	assert_contains("10.0.0.0/8", "::ffff:10.1.2.3", true);
	assert_contains("10.0.0.0/8", "::10.1.2.3", false);
	assert_contains("10.1.2.3/8", "10.9.9.9", true);
	assert_contains("192.0.2.128/25", "192.0.2.127", false);
	assert_contains("192.0.2.128/25", "192.0.2.128", true);
	assert_contains("192.0.2.6/31", "192.0.2.7", true);
	assert_contains("192.0.2.6/31", "192.0.2.8", false);
	assert_contains("192.0.2.7", "192.0.2.7", true);
	assert_contains("192.0.2.7/32", "192.0.2.6", false);
	assert_contains("0.0.0.0/0", "255.1.2.3", true);
	assert_contains("0.0.0.0/0", "::1", false);
	assert_contains("fd00::/8", "fdff::1", true);
	assert_contains("fd00::/8", "fe00::1", false);
	assert_contains("2001:db8::/33", "2001:db8:7fff::", true);
	assert_contains("2001:db8::/33", "2001:db8:8000::", false);
	assert_contains("::1", "::1", true);
	assert_contains("::/0", "10.1.2.3", true);
	assert_contains("::ffff:10.0.0.0/104", "10.1.2.3", true);
	assert_contains("10.0.0.0/8 fd00::/8", "fd00::1", true);
	assert_contains("", "10.0.0.1", false);
}

static void what_is_no_network(void **state)
{
	static const char *const texts[] = {
		"10.0.0.0/33", "10.0.0.0/",  "10.0.0.0/-1", "10.0.0.0/8/8",
		"10.0.0/8",    "fd00::/129", "/8",          "host",
		"10.0.0.0/8x", "[::1]/128",  "::1 x",       "10.0.0.0 /8",
	};
	char many[NETWORKS_MAX * 4 + 8] = "";
	struct networks networks;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (networks_parse(slice_of(texts[i]), &networks))
			fail_msg("%s", texts[i]);
	for (size_t i = 0; i < NETWORKS_MAX; i++)
		strcat(many, "::1 ");
	assert_true(networks_parse(slice_of(many), &networks));
	assert_int_equal(networks.count, NETWORKS_MAX);
	strcat(many, "::1");
	assert_false(networks_parse(slice_of(many), &networks));
}

static void loopback(void **state)
{
	static const char *const no[] = {
		"128.0.0.1", "126.255.255.255", "::", "::2", "::127.0.0.1", "fe80::1"};

	(void)state;
	for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++) {
		struct ip ip = ip_of(no[i]);
		assert_false(ip_is_loopback(&ip));
	}
	for (const char *const *text = (const char *const[]){"127.0.0.1", "127.255.0.9", "::1",
	                                                     "::ffff:127.0.0.1", NULL};
	     *text != NULL; text++) {
		struct ip ip = ip_of(*text);
		assert_true(ip_is_loopback(&ip));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forms),
		cmocka_unit_test(what_is_no_address),
		cmocka_unit_test(socket_addresses),
		cmocka_unit_test(sites),
		cmocka_unit_test(loopback),
		cmocka_unit_test(networks),
		cmocka_unit_test(what_is_no_network),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
