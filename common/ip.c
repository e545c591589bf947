#include "common/ip.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#define BITS 128
#define V4_BITS 32

static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

static bool is_v4(const struct ip *ip)
{
	return memcmp(ip->bytes, mapped, sizeof(mapped)) == 0;
}

static void map_v4(const void *four_bytes, struct ip *ip)
{
	memcpy(ip->bytes, mapped, sizeof(mapped));
	memcpy(ip->bytes + sizeof(mapped), four_bytes, sizeof(ip->bytes) - sizeof(mapped));
}

bool ip_parse(struct slice text, struct ip *ip)
{
	char copy[IP_TEXT_SIZE];
	struct in_addr v4;

	if (text.size >= sizeof(copy) || memchr(text.data, '\0', text.size) != NULL)
		return false;
	memcpy(copy, text.data, text.size);
	copy[text.size] = '\0';
	if (inet_pton(AF_INET, copy, &v4) == 1) {
		map_v4(&v4, ip);
		return true;
	}
	return inet_pton(AF_INET6, copy, ip->bytes) == 1;
}

bool ip_from(const struct sockaddr *address, struct ip *ip)
{
	if (address->sa_family == AF_INET) {
		map_v4(&((const struct sockaddr_in *)(const void *)address)->sin_addr, ip);
		return true;
	}
	if (address->sa_family != AF_INET6)
		return false;
	memcpy(ip->bytes, &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr,
	       sizeof(ip->bytes));
	return true;
}

void ip_print(const struct ip *ip, char text[static IP_TEXT_SIZE])
{
	if (is_v4(ip))
		inet_ntop(AF_INET, ip->bytes + sizeof(mapped), text, IP_TEXT_SIZE);
	else
		inet_ntop(AF_INET6, ip->bytes, text, IP_TEXT_SIZE);
}

bool ip_is_loopback(const struct ip *ip)
{
	return is_v4(ip) ? ip->bytes[sizeof(mapped)] == IN_LOOPBACKNET
	                 : memcmp(ip->bytes, &in6addr_loopback, sizeof(ip->bytes)) == 0;
}

struct slice ip_site(const struct ip *ip)
{
	return (struct slice){(const char *)ip->bytes, is_v4(ip) ? sizeof(ip->bytes) : 8};
}

/* ---- Networks */

static bool parse_network(struct slice text, struct network *network)
{
	const char *slash = memchr(text.data, '/', text.size);
	struct slice address = {text.data, slash != NULL ? (size_t)(slash - text.data) : text.size};
	uint64_t bits;

	if (!ip_parse(address, &network->ip))
		return false;
	network->bits = BITS;
	if (slash == NULL)
		return true;

	bool v4 = memchr(address.data, ':', address.size) == NULL;
	struct slice number = {slash + 1, text.size - address.size - 1};
	if (!slice_number(number, &bits) || bits > (v4 ? V4_BITS : BITS))
		return false;
	network->bits = (unsigned)bits + (v4 ? BITS - V4_BITS : 0);
	return true;
}

bool networks_parse(struct slice words, struct networks *networks)
{
	struct slice word;

	networks->count = 0;
	while (slice_next_word(&words, &word)) {
		if (networks->count == NETWORKS_MAX ||
		    !parse_network(word, &networks->list[networks->count]))
			return false;
		networks->count++;
	}
	return true;
}

static bool contains(const struct network *network, const struct ip *ip)
{
	size_t whole = network->bits / 8;
	unsigned shift = 8 - network->bits % 8; /* of the byte that counts in part; 8 = none does */

	return memcmp(network->ip.bytes, ip->bytes, whole) == 0 &&
	       (shift == 8 || network->ip.bytes[whole] >> shift == ip->bytes[whole] >> shift);
}

bool networks_contain(const struct networks *networks, const struct ip *ip)
{
	for (size_t i = 0; i < networks->count; i++)
		if (contains(&networks->list[i], ip))
			return true;
	return false;
}
