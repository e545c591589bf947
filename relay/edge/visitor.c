#include "edge/visitor.h"

#include "common/origin.h"
#include "edge/request.h"

#define ORIGIN_BYTES_MAX 512 /* a host name has 253 at most */

bool visitor_page_is_allowed(struct lws *wsi)
{
	char copy[ORIGIN_BYTES_MAX];
	struct slice origin = request_header(wsi, WSI_TOKEN_ORIGIN);

	if (origin.data == NULL)
		return true;
	if (origin.size > sizeof(copy) || lws_hdr_fragment_length(wsi, WSI_TOKEN_ORIGIN, 1) > 0)
		return false; /* no browser sends that, nor two of them */
	memcpy(copy, origin.data, origin.size);
	return origin_is_among((struct slice){copy, origin.size},
	                       slice_of(edge_of(wsi)->settings.allowed_origins),
	                       request_header(wsi, WSI_TOKEN_HOST));
}

/* All headers of the name are one list (RFC 9110 section 5.3). In the scratch of the edge. */
static struct slice forwarded_for(struct lws *wsi)
{
	char *scratch = edge_of(wsi)->scratch;
	int size = 0;

	for (int n = 0;; n++) {
		int more = lws_hdr_copy_fragment(wsi, scratch + size, WRITE_BYTES_MAX - size,
		                                 WSI_TOKEN_X_FORWARDED_FOR, n);
		if (more < 0)
			break;
		size += more;
		scratch[size++] = ',';
	}
	return (struct slice){scratch, size > 0 ? (size_t)size - 1 : 0};
}

/* Cuts the last entry off the list, which is not empty. */
static struct slice take_last(struct slice *list)
{
	const char *comma = memrchr(list->data, ',', list->size);
	const char *begin = comma != NULL ? comma + 1 : list->data;
	struct slice last = {begin, (size_t)(list->data + list->size - begin)};

	list->size = comma != NULL ? (size_t)(comma - list->data) : 0;
	return slice_trim(last);
}

/* Some proxies add the port: 192.0.2.1:1234, [2001:db8::1]:1234. */
static struct slice without_port(struct slice text)
{
	const char *colon = memchr(text.data, ':', text.size);
	const char *bracket = memchr(text.data, ']', text.size);

	if (text.size > 0 && text.data[0] == '[' && bracket != NULL)
		return (struct slice){text.data + 1, (size_t)(bracket - text.data) - 1};
	if (colon != NULL && memrchr(text.data, ':', text.size) == colon)
		text.size = (size_t)(colon - text.data);
	return text;
}

void visitor_ip(struct lws *wsi, struct ip *ip)
{
	const struct networks *trusted = &edge_of(wsi)->trusted_proxies;
	struct ip before;

	request_peer(wsi, ip);
	if (!networks_contain(trusted, ip))
		return;
	struct slice list = forwarded_for(wsi);
	while (list.size > 0 && networks_contain(trusted, ip) &&
	       ip_parse(without_port(take_last(&list)), &before))
		*ip = before;
}

bool visitor_count(struct lws *wsi, struct tally_mark **mark)
{
	struct edge *edge = edge_of(wsi);
	struct ip ip;

	*mark = NULL;
	if (edge->settings.connections_per_address_max == 0)
		return true;
	visitor_ip(wsi, &ip);
	*mark = tally_take(edge->addresses, ip_site(&ip),
	                   edge->settings.connections_per_address_max);
	return *mark != NULL;
}
