/* Where to connect to. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define ENDPOINT_BYTES_MAX 108 /* of a unix socket's path, its zero included */

struct endpoint {
	char name[ENDPOINT_BYTES_MAX]; /* an IP address, or the path of a unix socket */
	uint16_t port;                 /* 0: a unix socket */
};

/*
 * Is it an address that not everybody on the Internet can reach: of this machine, of its link, of a
 * private network, or of no single machine (RFC 6890)? An IPv4 address inside an IPv6 one counts as
 * itself. A unix socket is private.
 */
bool endpoint_is_private(const struct endpoint *endpoint);
