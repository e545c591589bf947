#include "net/endpoint.h"

#include <string.h>

#include "common/ip.h"

/* RFC 6890, and multicast. */
#define PRIVATE                                                       \
	"0.0.0.0/8 "      /* this network */                          \
	"10.0.0.0/8 "     /* private */                               \
	"100.64.0.0/10 "  /* behind a carrier's NAT */                \
	"127.0.0.0/8 "    /* loopback */                              \
	"169.254.0.0/16 " /* link-local; where clouds tell secrets */ \
	"172.16.0.0/12 "  /* private */                               \
	"192.168.0.0/16 " /* private */                               \
	"224.0.0.0/3 "    /* multicast, reserved, broadcast */        \
	"::/127 "         /* unspecified, loopback */                 \
	"fc00::/7 "       /* unique local */                          \
	"fe80::/9 "       /* link-local, site-local */                \
	"ff00::/8"        /* multicast */

/* What is behind a translator counts as the IPv4 address that it stands for (RFC 6052). */
static void untranslate(struct ip *ip)
{
	static const unsigned char nat64[12] = {0, 0x64, 0xff, 0x9b};

	if (memcmp(ip->bytes, nat64, sizeof(nat64)) != 0)
		return;
	memset(ip->bytes, 0, 10);
	ip->bytes[10] = ip->bytes[11] = 0xff;
}

bool endpoint_is_private(const struct endpoint *endpoint)
{
	struct networks networks;
	struct ip ip;

	if (endpoint->port == 0 || !ip_parse(slice_of(endpoint->name), &ip))
		return true;
	untranslate(&ip);
	return !networks_parse(SLICE(PRIVATE), &networks) || networks_contain(&networks, &ip);
}
