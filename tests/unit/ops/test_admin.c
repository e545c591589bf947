/* The operator's port: what it answers, and that nobody can make it hold much. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <event2/event.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/metrics.h"
#include "ops/admin.h"

#define PATIENCE_TURNS 2000 /* of 1 ms */

static struct event_base *base;
static struct admin *admin;
static uint16_t port;
static const char *not_ready; /* NULL: ready */
static bool stalled;
static char answer[4096];

static bool ready(void *context, const char **reason)
{
	assert_ptr_equal(context, &not_ready);
	*reason = not_ready;
	return not_ready == NULL;
}

static bool live(void *context)
{
	assert_ptr_equal(context, &not_ready);
	return !stalled;
}

static struct admin *create(bool share_port, const char **error)
{
	return admin_create(base,
	                    &(const struct admin_settings){.host = "127.0.0.1",
	                                                   .port = port,
	                                                   .share_port = share_port,
	                                                   .is_ready = ready,
	                                                   .is_live = live,
	                                                   .context = &not_ready},
	                    error);
}

/* Asks the kernel for a port that is free, and gives it back. */
static uint16_t free_port(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
	                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0)
		return 0;
	assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
	close(fd);
	return ntohs(address.sin_port);
}

static int setup(void **state)
{
	const char *error = NULL;

	(void)state;
	not_ready = NULL;
	stalled = false;
	base = event_base_new();
	port = free_port();
	admin = create(false, &error);
	return admin == NULL;
}

static int teardown(void **state)
{
	(void)state;
	admin_destroy(admin);
	event_base_free(base);
	metrics_reset();
	return 0;
}

/* Sends a request and turns the loop until the relay has answered all of it and closed. */
static void ask(const char *request, size_t size)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
	                              .sin_port = htons(port),
	                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	size_t got = 0;
	ssize_t n = -1;

	if (fd < 0) {
		fail_msg("no socket");
		return;
	}
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(send(fd, request, size, MSG_NOSIGNAL), size);
	for (int turn = 0; turn < PATIENCE_TURNS && n != 0; turn++) {
		event_base_loop(base, EVLOOP_NONBLOCK);
		n = recv(fd, answer + got, sizeof(answer) - 1 - got, MSG_DONTWAIT);
		if (n > 0)
			got += (size_t)n;
		else if (n < 0)
			usleep(1000);
	}
	answer[got] = '\0';
	close(fd);
	event_base_loop(base, EVLOOP_NONBLOCK);
	assert_int_equal(n, 0);
}

static void get(const char *method, const char *path)
{
	char request[256];
	int size = snprintf(request, sizeof(request),
	                    "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", method, path);

	ask(request, (size_t)size);
}

static void assert_answer(const char *status, const char *end)
{
	assert_memory_equal(answer, status, strlen(status));
	assert_true(strlen(answer) >= strlen(end));
	assert_string_equal(answer + strlen(answer) - strlen(end), end);
}

static void metrics_are_served(void **state)
{
	(void)state;
	metric_add(metric_counter("p2p_relay_tests_total", "Tests.", NULL, NULL), 7);
	get("GET", "/metrics");
	assert_answer("HTTP/1.1 200 ", "\np2p_relay_tests_total 7\n");
	assert_non_null(strstr(answer, "Content-Type: text/plain; version=0.0.4"));
	get("GET", "/metrics?a=b");
	assert_answer("HTTP/1.1 200 ", "\np2p_relay_tests_total 7\n");
}

static void health_is_served(void **state)
{
	(void)state;
	get("GET", "/livez");
	assert_answer("HTTP/1.1 200 ", "\r\n\r\nlive\n");
	get("GET", "/readyz");
	assert_answer("HTTP/1.1 200 ", "\r\n\r\nready\n");
	not_ready = "draining";
	get("GET", "/readyz");
	assert_answer("HTTP/1.1 503 ", "\r\n\r\ndraining\n");
	get("GET", "/livez"); /* readiness must not restart anybody */
	assert_answer("HTTP/1.1 200 ", "\r\n\r\nlive\n");
	get("HEAD", "/livez");
	assert_answer("HTTP/1.1 200 ", "\r\n\r\n");
	assert_non_null(strstr(answer, "Content-Length: 5\r\n"));
	stalled = true;
	get("GET", "/livez");
	assert_answer("HTTP/1.1 503 ", "\r\n\r\nstalled\n");
}

static void everything_else_is_refused(void **state)
{
	(void)state;
	get("GET", "/");
	assert_answer("HTTP/1.1 404 ", "\n");
	get("GET", "/metrics/");
	assert_answer("HTTP/1.1 404 ", "\n");
	get("POST", "/metrics");
	assert_answer("HTTP/1.1 405 ", "\n");
	assert_non_null(strstr(answer, "Allow: GET, HEAD\r\n"));
	get("DELETE", "/livez");
	assert_answer("HTTP/1.1 405 ", "\n");
}

static void requests_are_bounded(void **state)
{
	static const char body[] =
		"POST /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n";
	static char head[16384];
	int size = snprintf(head, sizeof(head), "GET /livez HTTP/1.1\r\nHost: x\r\nX: ");

	(void)state;
	ask(body, sizeof(body) - 1);
	assert_answer("HTTP/1.1 413 ", "");
	memset(head + size, 'x', sizeof(head) - (size_t)size);
	ask(head, sizeof(head));
	assert_answer("HTTP/1.1 4", "");
}

static void used_port_is_an_error(void **state)
{
	const char *error = NULL;

	(void)state;
	assert_null(create(false, &error));
	assert_string_equal(error, "Address already in use");
}

static void a_port_is_shared_by_those_who_all_want_it(void **state)
{
	const char *error = NULL;
	struct admin *second;

	(void)state;
	assert_null(create(true, &error)); /* the first does not */
	admin_destroy(admin);
	admin = create(true, &error);
	second = create(true, &error);
	assert_non_null(admin);
	assert_non_null(second);
	assert_null(create(false, &error));
	admin_destroy(second);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(metrics_are_served, setup, teardown),
		cmocka_unit_test_setup_teardown(health_is_served, setup, teardown),
		cmocka_unit_test_setup_teardown(everything_else_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(requests_are_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(used_port_is_an_error, setup, teardown),
		cmocka_unit_test_setup_teardown(a_port_is_shared_by_those_who_all_want_it, setup,
	                                        teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
