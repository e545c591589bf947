/*
 * IP addresses, and networks of them.
 *
 * There is one kind: an IPv4 address is the IPv6 address that maps it (::ffff:192.0.2.1, RFC 4291
 * section 2.5.5.2), which is also how a socket for both tells it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/text.h"

struct sockaddr;

struct ip {
	uint8_t bytes[16]; /* in network order */
};

#define IP_TEXT_SIZE 46 /* INET6_ADDRSTRLEN */

/* Reads a numeric address: 192.0.2.1 or 2001:db8::1, without port, brackets and zone. */
bool ip_parse(struct slice text, struct ip *ip);

/* Returns false if the address is of another family. */
bool ip_from(const struct sockaddr *address, struct ip *ip);

/* Writes an address that was mapped as IPv4, in the short form of RFC 5952. */
void ip_print(const struct ip *ip, char text[static IP_TEXT_SIZE]);

/* Is it of the machine itself: 127.0.0.0/8 or ::1? */
bool ip_is_loopback(const struct ip *ip);

/*
 * What one client can have of its own: a whole IPv4 address, of an IPv6 address the first 64 bits
 * (RFC 4291 section 2.5.4), since whoever has one has all of that network. Borrowed.
 */
struct slice ip_site(const struct ip *ip);

#define NETWORKS_MAX 64

/* A set of networks, each in CIDR notation (RFC 4632 section 3.1). */
struct networks {
	size_t count;
	struct network {
		struct ip ip;
		unsigned bits; /* of it that count, of 128 */
	} list[NETWORKS_MAX];
};

/*
 * Reads words with spaces between: 10.0.0.0/8, fd00::/8; an address without /BITS is a network of
 * one. Bits of the address that do not count may be set. Returns false if a word is something else,
 * or if there are too many.
 */
bool networks_parse(struct slice words, struct networks *networks);

bool networks_contain(const struct networks *networks, const struct ip *ip);
