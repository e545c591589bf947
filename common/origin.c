#include "common/origin.h"

#include <ctype.h>

#include "common/ip.h"

struct origin {
	struct slice scheme;
	struct slice host;
	uint64_t port; /* 0: none is said, and the scheme has none */
};

/* Is it one or more letters, digits, and what else is allowed? */
static bool is_made_of(struct slice text, struct slice others)
{
	for (size_t i = 0; i < text.size; i++)
		if (!isalnum((unsigned char)text.data[i]) &&
		    memchr(others.data, text.data[i], others.size) == NULL)
			return false;
	return text.size > 0;
}

/* Names, IPv4 addresses, IPv6 addresses in their brackets. IDNs are in their ASCII form here. */
static bool is_host(struct slice text)
{
	struct ip ip;

	if (text.size > 2 && text.data[0] == '[' && text.data[text.size - 1] == ']')
		return ip_parse((struct slice){text.data + 1, text.size - 2}, &ip);
	return is_made_of(text, SLICE("-._"));
}

/* host[:port]; `port` stays as it is if there is none. */
static bool parse_authority(struct slice text, struct slice *host, uint64_t *port)
{
	const char *bracket = memrchr(text.data, ']', text.size);
	const char *from = bracket != NULL ? bracket : text.data;
	const char *end = text.data + text.size;
	const char *colon = memchr(from, ':', (size_t)(end - from));

	*host = (struct slice){text.data, (size_t)((colon != NULL ? colon : end) - text.data)};
	if (colon != NULL &&
	    (!slice_number((struct slice){colon + 1, (size_t)(end - colon - 1)}, port) ||
	     *port < 1 || *port > UINT16_MAX))
		return false;
	return is_host(*host);
}

static uint64_t port_of_scheme(struct slice scheme)
{
	if (slice_equal_any_case(scheme, SLICE("https")))
		return 443;
	return slice_equal_any_case(scheme, SLICE("http")) ? 80 : 0;
}

/* Cuts "scheme://" off. */
static bool parse_scheme(struct slice *text, struct slice *scheme)
{
	const char *colon = memchr(text->data, ':', text->size);

	if (colon == NULL)
		return false;
	*scheme = (struct slice){text->data, (size_t)(colon - text->data)};
	struct slice rest = {colon, text->size - scheme->size};
	if (!slice_starts(rest, SLICE("://")))
		return false;
	*text = (struct slice){rest.data + 3, rest.size - 3};
	return is_made_of(*scheme, SLICE("+-."));
}

static bool parse(struct slice text, struct origin *origin)
{
	if (!parse_scheme(&text, &origin->scheme))
		return false;
	origin->port = port_of_scheme(origin->scheme);
	return parse_authority(text, &origin->host, &origin->port);
}

/* Of a pattern: `below` is whether it is for the hosts below the one that it names. */
static bool parse_pattern(struct slice text, struct origin *origin, bool *below)
{
	if (!parse_scheme(&text, &origin->scheme))
		return false;
	*below = slice_starts(text, SLICE("*."));
	if (*below)
		text = (struct slice){text.data + 2, text.size - 2};
	origin->port = port_of_scheme(origin->scheme);
	return parse_authority(text, &origin->host, &origin->port);
}

bool origin_is_pattern(struct slice text)
{
	struct origin origin;
	bool below;

	return slice_is(text, "*") || slice_is(text, "same") ||
	       parse_pattern(text, &origin, &below);
}

/* Does the host end with a dot and the name, and begin with something else? */
static bool is_below(struct slice host, struct slice name)
{
	if (host.size < name.size + 2)
		return false;
	const char *end = host.data + host.size - name.size;
	return end[-1] == '.' && slice_equal_any_case((struct slice){end, name.size}, name);
}

/*
 * Is it a page that a web server has served under that name? Its scheme is not asked for: whether a
 * proxy has ended TLS nobody knows here.
 */
static bool is_same(const struct origin *origin, struct slice header)
{
	struct slice host;
	uint64_t port = port_of_scheme(origin->scheme);

	return port != 0 && header.data != NULL && parse_authority(header, &host, &port) &&
	       port == origin->port && slice_equal_any_case(host, origin->host);
}

static bool is_meant(const struct origin *origin, struct slice pattern, struct slice host)
{
	struct origin meant;
	bool below;

	if (slice_is(pattern, "same"))
		return is_same(origin, host);
	if (!parse_pattern(pattern, &meant, &below) || origin->port != meant.port ||
	    !slice_equal_any_case(origin->scheme, meant.scheme))
		return false;
	return below ? is_below(origin->host, meant.host)
	             : slice_equal_any_case(origin->host, meant.host);
}

bool origin_is_among(struct slice origin, struct slice patterns, struct slice host)
{
	struct origin parsed = {0};
	bool known = parse(origin, &parsed);
	struct slice pattern;

	while (slice_next_word(&patterns, &pattern))
		if (slice_is(pattern, "*") || (known && is_meant(&parsed, pattern, host)))
			return true;
	return false;
}
