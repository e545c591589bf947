#include "ops/healthcheck.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "ops/options.h"

/* For the connection, and again for the answer. */
#define WAIT_SECONDS_MAX 2

static const char question[] =
	"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
static const char good[] = "HTTP/1.1 200 ";

/*
 * Where the address is reached from this machine. One that means all of them stands for loopback; of
 * both families for that of IPv4, which containers have for sure.
 */
static socklen_t address_of(const struct option_address *from, struct sockaddr_storage *address)
{
	struct sockaddr_in *ipv4 = (struct sockaddr_in *)address;
	struct sockaddr_in6 *ipv6 = (struct sockaddr_in6 *)address;
	bool all_ipv6 = strcmp(from->host, "::") == 0;

	if (all_ipv6 || strcmp(from->host, "0.0.0.0") == 0)
		ipv4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	else if (inet_pton(AF_INET, from->host, &ipv4->sin_addr) != 1) {
		*ipv6 = (struct sockaddr_in6){.sin6_family = AF_INET6,
		                              .sin6_port = htons(from->port)};
		inet_pton(AF_INET6, from->host, &ipv6->sin6_addr);
		return sizeof(*ipv6);
	}
	ipv4->sin_family = AF_INET;
	ipv4->sin_port = htons(from->port);
	return sizeof(*ipv4);
}

/* Returns what is wrong, or NULL. */
static const char *ask(int fd, const struct sockaddr *address, socklen_t size, bool tls)
{
	char answer[sizeof(good) - 1];

	if (connect(fd, address, size) != 0 ||
	    send(fd, question, sizeof(question) - 1, MSG_NOSIGNAL) < 0)
		return strerror(errno);
	ssize_t got = recv(fd, answer, sizeof(answer), tls ? 0 : MSG_WAITALL);
	if (got < 0 && errno == EAGAIN)
		return "no answer";
	/* Whoever speaks TLS has nothing to say to this but an alert, or goodbye. It is a reaction. */
	if (tls)
		return NULL;
	if (got != sizeof(answer) || memcmp(answer, good, sizeof(answer)) != 0)
		return "not the answer of a relay that is alive";
	return NULL;
}

bool healthcheck(const struct options *options, FILE *err)
{
	bool admin = options->admin_listen.port != 0;
	const struct option_address *whom = admin ? &options->admin_listen : &options->listen;
	const struct timeval wait = {.tv_sec = WAIT_SECONDS_MAX};
	struct sockaddr_storage address = {.ss_family = AF_UNSPEC};
	socklen_t size = address_of(whom, &address);
	const char *wrong = NULL;
	int fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)) != 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait)) != 0)
		wrong = strerror(errno);
	else
		wrong = ask(fd, (struct sockaddr *)&address, size,
		            !admin && options->tls_cert_file != NULL);
	if (fd >= 0)
		close(fd);
	if (wrong != NULL)
		fprintf(err, "p2p-relay: port %u: %s\n", (unsigned)whom->port, wrong);
	return wrong == NULL;
}
