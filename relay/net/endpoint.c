#include "net/endpoint.h"

#include <arpa/inet.h>
#include <stddef.h>
#include <string.h>

#define BYTES 16 /* of an IPv6 address, and of an IPv4 address mapped into one */
#define MAPPED_BITS 96

struct range {
	const char *first;
	unsigned bits; /* that all addresses of the range have in common */
};

/* True if the text is an address; IPv4 becomes ::ffff:a.b.c.d. */
static bool read_address(const char *text, unsigned char address[BYTES])
{
	memset(address, 0, BYTES);
	if (inet_pton(AF_INET6, text, address) == 1)
		return true;
	address[10] = address[11] = 0xff;
	return inet_pton(AF_INET, text, address + 12) == 1;
}

static bool is_in(const unsigned char address[BYTES], const struct range *range)
{
	unsigned char first[BYTES];
	unsigned whole = range->bits / 8;
	unsigned rest = 8 - range->bits % 8;

	return read_address(range->first, first) && memcmp(address, first, whole) == 0 &&
	       (rest == 8 || address[whole] >> rest == first[whole] >> rest);
}

bool endpoint_is_private(const struct endpoint *endpoint)
{
	static const struct range nat64 = {"64:ff9b::", MAPPED_BITS};
	static const struct range ranges[] = {
		{"0.0.0.0", MAPPED_BITS + 8},      /* this network */
		{"10.0.0.0", MAPPED_BITS + 8},     /* private */
		{"100.64.0.0", MAPPED_BITS + 10},  /* behind a carrier's NAT */
		{"127.0.0.0", MAPPED_BITS + 8},    /* loopback */
		{"169.254.0.0", MAPPED_BITS + 16}, /* link-local; where clouds tell secrets */
		{"172.16.0.0", MAPPED_BITS + 12},  /* private */
		{"192.168.0.0", MAPPED_BITS + 16}, /* private */
		{"224.0.0.0", MAPPED_BITS + 3},    /* multicast, reserved, broadcast */
		{"::", 127},                       /* unspecified, loopback */
		{"fc00::", 7},                     /* unique local */
		{"fe80::", 9},                     /* link-local, site-local */
		{"ff00::", 8},                     /* multicast */
	};
	unsigned char address[BYTES];

	if (endpoint->port == 0 || !read_address(endpoint->name, address))
		return true;
	if (is_in(address, &nat64)) {
		memset(address, 0, 10);
		address[10] = address[11] = 0xff;
	}
	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
		if (is_in(address, &ranges[i]))
			return true;
	return false;
}
