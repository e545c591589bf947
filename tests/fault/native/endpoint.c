#include "endpoint.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/text.h"

#define BACKLOG 4096

static bool parse_local(const char *path, struct endpoint *endpoint)
{
	struct sockaddr_un *local = &endpoint->address.local;

	if (*path == '\0' || strlen(path) >= sizeof(local->sun_path))
		return false;
	local->sun_family = AF_UNIX;
	memcpy(local->sun_path, path, strlen(path) + 1);
	endpoint->size = sizeof(*local);
	return true;
}

bool endpoint_parse(const char *text, struct endpoint *endpoint)
{
	struct sockaddr_in *ip = &endpoint->address.ip;
	char host[INET_ADDRSTRLEN];
	const char *colon = strrchr(text, ':');
	uint64_t port;

	memset(endpoint, 0, sizeof(*endpoint));
	if (slice_starts(slice_of(text), SLICE("unix:")))
		return parse_local(text + 5, endpoint);
	if (colon == NULL || (size_t)(colon - text) >= sizeof(host) ||
	    !slice_number(slice_of(colon + 1), &port) || port > UINT16_MAX)
		return false;
	memcpy(host, text, (size_t)(colon - text));
	host[colon - text] = '\0';
	ip->sin_family = AF_INET;
	ip->sin_port = htons((uint16_t)port);
	endpoint->size = sizeof(*ip);
	return inet_pton(AF_INET, host, &ip->sin_addr) == 1;
}

void endpoint_format(const struct endpoint *endpoint, char text[ENDPOINT_TEXT_BYTES])
{
	char host[INET_ADDRSTRLEN];

	if (endpoint->address.any.sa_family == AF_UNIX) {
		snprintf(text, ENDPOINT_TEXT_BYTES, "unix:%s", endpoint->address.local.sun_path);
		return;
	}
	inet_ntop(AF_INET, &endpoint->address.ip.sin_addr, host, sizeof(host));
	snprintf(text, ENDPOINT_TEXT_BYTES, "%s:%u", host, ntohs(endpoint->address.ip.sin_port));
}

static int open_socket(const struct endpoint *endpoint)
{
	int on = 1, family = endpoint->address.any.sa_family;
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd >= 0 && family == AF_INET) {
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on,
		           sizeof(on)); /* accepted sockets inherit it */
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	}
	return fd;
}

static int closed(int fd)
{
	int error = errno;

	close(fd);
	errno = error;
	return -1;
}

int endpoint_listen(struct endpoint *endpoint)
{
	int fd = open_socket(endpoint);
	socklen_t size = endpoint->size;

	if (fd < 0)
		return -1;
	if (endpoint->address.any.sa_family == AF_UNIX)
		unlink(endpoint->address.local.sun_path);
	if (bind(fd, &endpoint->address.any, endpoint->size) != 0 || listen(fd, BACKLOG) != 0)
		return closed(fd);
	if (endpoint->address.any.sa_family == AF_INET)
		getsockname(fd, &endpoint->address.any, &size);
	return fd;
}

int endpoint_connect(const struct endpoint *endpoint)
{
	int fd = open_socket(endpoint);

	if (fd < 0)
		return -1;
	/* EAGAIN: the backlog of a unix socket is full. */
	if (connect(fd, &endpoint->address.any, endpoint->size) != 0 && errno != EINPROGRESS)
		return closed(fd);
	return fd;
}
