/* What a Redis URL may look like, and that a wrong one is refused with a sentence. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "redis/address.h"
#include "redis/command.h"

struct good {
	const char *url;
	const char *host;
	unsigned port;
	const char *path;
	const char *user;
	const char *password;
	unsigned database;
};

struct many {
	const char *url;
	enum address_form form;
	bool tls;
	const char *described;
	const char *master;
	const char *user;
	const char *password;
	unsigned database;
};

static void check_text(const char *got, const char *wanted)
{
	if (wanted == NULL)
		assert_null(got);
	else
		assert_string_equal(got, wanted);
}

static void good_urls_are_read(void **state)
{
	static const struct good cases[] = {
		{"redis://localhost", "localhost", 6379, NULL, NULL, NULL, 0},
		{"redis://localhost/", "localhost", 6379, NULL, NULL, NULL, 0},
		{"redis://10.0.0.1:7000/3", "10.0.0.1", 7000, NULL, NULL, NULL, 3},
		{"redis://[::1]", "::1", 6379, NULL, NULL, NULL, 0},
		{"redis://[fe80::1]:65535/15", "fe80::1", 65535, NULL, NULL, NULL, 15},
		{"redis://u:p@h", "h", 6379, NULL, "u", "p", 0},
		{"redis://:p@h:1", "h", 1, NULL, NULL, "p", 0},
		{"redis://u@h", "h", 6379, NULL, "u", NULL, 0},
		{"redis://u:p@ss:w/rd@h:2/4", "h", 2, NULL, "u", "p@ss:w/rd", 4},
		{"redis://%75%3A:%40%2f@h", "h", 6379, NULL, "u:", "@/", 0},
		{"unix:/run/redis.sock", NULL, 0, "/run/redis.sock", NULL, NULL, 0},
		{"unix:///run/a@b", NULL, 0, "/run/a@b", NULL, NULL, 0},
		{"unix://u:p%2F@/run/r", NULL, 0, "/run/r", "u", "p/", 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct address address;
		const char *error = NULL;
		if (!address_parse(cases[i].url, &address, &error))
			fail_msg("%s: %s", cases[i].url, error);
		assert_int_equal(address.form, ADDRESS_SINGLE);
		assert_false(address.tls);
		assert_int_equal(address.host_count, cases[i].host != NULL ? 1 : 0);
		check_text(address.hosts[0].name, cases[i].host);
		check_text(address.path, cases[i].path);
		check_text(address.user, cases[i].user);
		check_text(address.password, cases[i].password);
		assert_int_equal(address.hosts[0].port, cases[i].port);
		assert_int_equal(address.database, cases[i].database);
		address_fini(&address);
	}
}

static void other_forms_are_read(void **state)
{
	static const struct many cases[] = {
		{"rediss://u:p@h/2", ADDRESS_SINGLE, true, "h:6379", NULL, "u", "p", 2},
		{"redis+sentinel://h/m", ADDRESS_SENTINEL, false, "m of h:26379", "m", NULL, NULL,
	         0},
		{"redis+sentinel://u:p/,@a,b:1,[::1],[::2]:3/my-master_1.x/7", ADDRESS_SENTINEL,
	         false, "my-master_1.x of a:26379,b:1,[::1]:26379,[::2]:3", "my-master_1.x", "u",
	         "p/,", 7},
		{"rediss+sentinel://:p@h:1/m/", ADDRESS_SENTINEL, true, "m of h:1", "m", NULL, "p",
	         0},
		{"redis+cluster://a", ADDRESS_CLUSTER, false, "a:6379", NULL, NULL, NULL, 0},
		{"redis+cluster://a:1/", ADDRESS_CLUSTER, false, "a:1", NULL, NULL, NULL, 0},
		{"rediss+cluster://u@10.0.0.1:7,b,c", ADDRESS_CLUSTER, true,
	         "10.0.0.1:7,b:6379,c:6379", NULL, "u", NULL, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct address address;
		const char *error = NULL;
		char described[256];
		if (!address_parse(cases[i].url, &address, &error))
			fail_msg("%s: %s", cases[i].url, error);
		assert_int_equal(address.form, cases[i].form);
		assert_int_equal(address.tls, cases[i].tls);
		address_describe(&address, described, sizeof(described));
		assert_string_equal(described, cases[i].described);
		assert_null(address.path);
		check_text(address.master, cases[i].master);
		check_text(address.user, cases[i].user);
		check_text(address.password, cases[i].password);
		assert_int_equal(address.database, cases[i].database);
		address_fini(&address);
	}
}

static void hosts_are_counted(void **state)
{
	struct address address;
	const char *error;

	(void)state;
	assert_true(address_parse("redis+cluster://1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16",
	                          &address, &error));
	assert_int_equal(address.host_count, ADDRESS_HOSTS_MAX);
	assert_string_equal(address.hosts[15].name, "16");
	address_fini(&address);
	assert_false(address_parse("redis+cluster://1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17",
	                           &address, &error));
	assert_non_null(strstr(error, "16"));
}

static void bad_urls_are_refused(void **state)
{
	static const char *const cases[] = {
		"",
		"localhost",
		"http://localhost",
		"redis:/localhost",
		"redis://",
		"redis://:6379",
		"redis://h:",
		"redis://h:0",
		"redis://h:65536",
		"redis://h:1x",
		"redis://h:1:2",
		"redis://h/x",
		"redis://h/-1",
		"redis://h/1/2",
		"redis://h?db=1",
		"redis://[::1",
		"redis://[::1]6379",
		"redis://[]",
		"redis://u:p@",
		"redis://u:%4@h",
		"redis://u:%zz@h",
		"redis://%:p@h",
		"redis://u:%00@h",
		"redis://a b",
		"unix:",
		"unix:run",
		"unix://run/redis",
		"unix://u:p@",
		"rediss://",
		"redis://a,b",
		"redis+tls://h",
		"redis+sentinel://h",
		"redis+sentinel://h/",
		"redis+sentinel:///m",
		"redis+sentinel://h,/m",
		"redis+sentinel://,h/m",
		"redis+sentinel://h/m/x",
		"redis+sentinel://h/m/1/2",
		"redis+sentinel://h/m m",
		"redis+cluster://",
		"redis+cluster://a,,b",
		"redis+cluster://a:x,b",
		"redis+cluster://u:%@a,b",
		"redis+cluster://a/1",
		"unix:/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct address address;
		const char *error = NULL;
		if (address_parse(cases[i], &address, &error))
			fail_msg("taken: %s", cases[i]);
		assert_non_null(error);
		assert_true(strlen(error) > 20);
	}
}

static void descriptions_hold_no_password(void **state)
{
	struct address address;
	const char *error;
	char text[64];

	(void)state;
	assert_true(address_parse("redis://user:secret@host:7/1", &address, &error));
	address_describe(&address, text, sizeof(text));
	assert_string_equal(text, "host:7");
	address_describe(&address, text, 5);
	assert_string_equal(text, "host");
	address_fini(&address);
}

static void commands_carry_any_bytes(void **state)
{
	struct buffer out = {0};

	(void)state;
	command_begin(&out, 4);
	command_add(&out, SLICE("SET"));
	command_add(&out, SLICE("a\r\n\0b"));
	command_add(&out, SLICE(""));
	command_add_number(&out, UINT64_MAX);
	struct slice command = command_end(&out);
	const char wanted[] =
		"*4\r\n$3\r\nSET\r\n$5\r\na\r\n\0b\r\n$0\r\n\r\n$20\r\n18446744073709551615\r\n";
	assert_int_equal(command.size, sizeof(wanted) - 1);
	assert_memory_equal(command.data, wanted, sizeof(wanted)); /* with the zero behind it */
	buffer_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_urls_are_read),
		cmocka_unit_test(other_forms_are_read),
		cmocka_unit_test(hosts_are_counted),
		cmocka_unit_test(bad_urls_are_refused),
		cmocka_unit_test(descriptions_hold_no_password),
		cmocka_unit_test(commands_carry_any_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
