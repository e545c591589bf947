/* What systemd hears at the socket that it names, and that without one nothing happens. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "ops/systemd.h"

/* Returns a socket with this name, as systemd names it: a path, or @ and a name without a file. */
static int ear(const char *name)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t size = offsetof(struct sockaddr_un, sun_path) + strlen(name);
	int ear = socket(AF_UNIX, SOCK_DGRAM, 0);

	memcpy(address.sun_path, name, strlen(name));
	if (name[0] == '@')
		address.sun_path[0] = '\0';
	assert_int_equal(bind(ear, (struct sockaddr *)&address, (socklen_t)size), 0);
	assert_int_equal(setenv("NOTIFY_SOCKET", name, 1), 0);
	return ear;
}

static void assert_hears(int ear, const char *expected)
{
	char words[256];
	ssize_t size = recv(ear, words, sizeof(words) - 1, MSG_DONTWAIT);

	assert_true(size > 0);
	words[size] = '\0';
	assert_string_equal(words, expected);
}

static void hears(const char *name)
{
	int fd = ear(name);

	assert_true(systemd_listens());
	systemd_say_ready();
	assert_hears(fd, "READY=1\n");
	systemd_say_stopping(3615); /* more than 32 bits of microseconds hold */
	assert_hears(fd, "STOPPING=1\nEXTEND_TIMEOUT_USEC=3615000000\n");
	close(fd);
}

static void it_is_told_at_a_path(void **state)
{
	char folder[] = "/tmp/test_systemd.XXXXXX", name[64];

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(name, sizeof(name), "%s/notify", folder);
	hears(name);
	unlink(name);
	rmdir(folder);
}

static void it_is_told_at_a_name_without_a_file(void **state)
{
	char name[64];

	(void)state;
	snprintf(name, sizeof(name), "@test_systemd.%d", (int)getpid());
	hears(name);
}

static void nobody_listens(void **state)
{
	char name[256];

	(void)state;
	unsetenv("NOTIFY_SOCKET");
	assert_false(systemd_listens());
	systemd_say_ready();
	setenv("NOTIFY_SOCKET", "", 1);
	assert_false(systemd_listens());
	systemd_say_stopping(1);
	setenv("NOTIFY_SOCKET", "/nowhere/at/all", 1);
	systemd_say_ready();
	memset(name, 'x', sizeof(name) - 1); /* longer than any address */
	name[sizeof(name) - 1] = '\0';
	setenv("NOTIFY_SOCKET", name, 1);
	systemd_say_ready();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_told_at_a_path),
		cmocka_unit_test(it_is_told_at_a_name_without_a_file),
		cmocka_unit_test(nobody_listens),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
