/* Where a socket listens or connects to: "127.0.0.1:8080" or "unix:/path". */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/un.h>

struct endpoint {
	union {
		struct sockaddr any;
		struct sockaddr_in ip;
		struct sockaddr_un local;
	} address;
	socklen_t size;
};

#define ENDPOINT_TEXT_BYTES 128

bool endpoint_parse(const char *text, struct endpoint *endpoint);

/* Writes it as endpoint_parse() reads it. */
void endpoint_format(const struct endpoint *endpoint, char text[ENDPOINT_TEXT_BYTES]);

/* Returns a socket that does not block, or -1 with errno. Fills in the port if it was 0. */
int endpoint_listen(struct endpoint *endpoint);

/* Returns a socket that does not block and is connecting, or -1 with errno. */
int endpoint_connect(const struct endpoint *endpoint);
