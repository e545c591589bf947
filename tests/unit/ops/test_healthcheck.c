/* What p2p-relay --healthcheck makes of what it finds on the port. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ops/healthcheck.h"
#include "ops/options.h"

#define ALIVE "HTTP/1.1 200 OK\r\n\r\n"

static int listener;
static struct options options;
static const char *answer; /* NULL: none, and the connection stays open */
static char asked[256];
static char said[256];

static void *serve(void *context)
{
	int fd = accept(listener, NULL, NULL);
	ssize_t got = recv(fd, asked, sizeof(asked) - 1, 0);

	asked[got > 0 ? got : 0] = '\0';
	if (answer != NULL)
		assert_int_equal(send(fd, answer, strlen(answer), MSG_NOSIGNAL), strlen(answer));
	else
		got = recv(fd, said, 1, 0); /* until the other side gives up */
	close(fd);
	return context;
}

/* Listens at the address, and returns the port. */
static uint16_t listen_at(const char *host)
{
	struct sockaddr_in6 ipv6 = {.sin6_family = AF_INET6};
	struct sockaddr_in ipv4 = {.sin_family = AF_INET};
	bool is_ipv4 = inet_pton(AF_INET, host, &ipv4.sin_addr) == 1;
	struct sockaddr *address = is_ipv4 ? (struct sockaddr *)&ipv4 : (struct sockaddr *)&ipv6;
	socklen_t size = is_ipv4 ? sizeof(ipv4) : sizeof(ipv6);

	if (!is_ipv4)
		assert_int_equal(inet_pton(AF_INET6, host, &ipv6.sin6_addr), 1);
	listener = socket(address->sa_family, SOCK_STREAM, 0);
	setsockopt(listener, IPPROTO_IPV6, IPV6_V6ONLY, &(int){0}, sizeof(int));
	assert_int_equal(bind(listener, address, size), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, address, &size), 0);
	return ntohs(is_ipv4 ? ipv4.sin_port : ipv6.sin6_port);
}

static struct option_address address(const char *host, uint16_t port)
{
	struct option_address address = {.port = port};

	snprintf(address.host, sizeof(address.host), "%s", host);
	return address;
}

static bool check(void)
{
	FILE *err = fmemopen(said, sizeof(said), "w");
	bool healthy = healthcheck(&options, err);

	fclose(err);
	return healthy;
}

/* Checks it with somebody there who answers so. */
static bool check_with(const char *text)
{
	pthread_t server;

	answer = text;
	assert_int_equal(pthread_create(&server, NULL, serve, NULL), 0);
	bool healthy = check();
	assert_int_equal(pthread_join(server, NULL), 0);
	return healthy;
}

static int setup(void **state)
{
	(void)state;
	options = (struct options){.listen = address("127.0.0.1", listen_at("127.0.0.1"))};
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	if (listener >= 0)
		close(listener);
	return 0;
}

static void alive(void **state)
{
	(void)state;
	assert_true(check_with(ALIVE));
	assert_string_equal(said, "");
	assert_ptr_equal(strstr(asked, "GET /livez HTTP/1."), asked);
}

static void not_alive(void **state)
{
	(void)state;
	assert_false(check_with("HTTP/1.1 503 Service Unavailable\r\n\r\n"));
	assert_non_null(strstr(said, "not the answer"));
	assert_false(check_with("SSH-2.0-OpenSSH_9.2p1\r\n"));
	assert_false(check_with("HTTP"));
	assert_false(check_with(""));
}

static void silent(void **state)
{
	(void)state;
	assert_false(check_with(NULL));
	assert_non_null(strstr(said, "no answer"));
}

static void nobody_there(void **state)
{
	(void)state;
	close(listener);
	listener = -1;
	assert_false(check());
	assert_non_null(strstr(said, "refused"));
}

static void all_addresses_are_asked_at_loopback(void **state)
{
	(void)state;
	options.listen = address("0.0.0.0", options.listen.port);
	assert_true(check_with(ALIVE));
	close(listener);
	options.listen = address("::", listen_at("::"));
	assert_true(check_with(ALIVE));
}

/* The admin port never speaks TLS, and is there for such questions. */
static void the_admin_port_if_there_is_one(void **state)
{
	(void)state;
	options.admin_listen = options.listen;
	options.listen = address("127.0.0.1", 1);
	options.tls_cert_file = "cert.pem";
	assert_true(check_with(ALIVE));
	assert_false(check_with("HTTP/1.1 404 Not Found\r\n\r\n"));
}

/* Without one, an alert and a goodbye are signs of life: they come from the loop. */
static void tls_is_alive_when_it_reacts(void **state)
{
	(void)state;
	options.tls_cert_file = "cert.pem";
	assert_true(check_with("\x15\x03\x01"));
	assert_true(check_with(""));
	assert_false(check_with(NULL));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(alive),
		TEST(not_alive),
		TEST(silent),
		TEST(nobody_there),
		TEST(all_addresses_are_asked_at_loopback),
		TEST(the_admin_port_if_there_is_one),
		TEST(tls_is_alive_when_it_reacts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
