/*
 * The happy path: read resolv.conf and hosts; ask for A and AAAA; hand over what came.
 *
 * Failures: no such name, no name server that answers (4.5 s), cancelled. All of them end in one
 * call of on_found(), which frees.
 */
#include "net/lookup.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>

#include <event2/dns.h>
#include <event2/event.h>
#include <event2/util.h>

#include "common/memory.h"

#define ENDPOINTS_MAX 8

/* A name server that does not answer is given up after TIMEOUT * ATTEMPTS. */
#define TIMEOUT_SECONDS "1.5"
#define ATTEMPTS "3"

struct lookup {
	struct evdns_base *dns;
	struct event *finish;
	lookup_done *done; /* NULL: cancelled */
	void *context;
	uint16_t port;
	const char *error;
	struct endpoint found[ENDPOINTS_MAX];
	size_t count;
};

/*
 * On a turn of the loop of its own: an answer out of /etc/hosts comes before evdns_getaddrinfo()
 * returns.
 */
static void on_finish(evutil_socket_t fd, short what, void *context)
{
	struct lookup *lookup = context;

	(void)fd;
	(void)what;
	if (lookup->done != NULL)
		lookup->done(lookup->context, lookup->found, lookup->count, lookup->error);
	if (lookup->dns != NULL)
		evdns_base_free(lookup->dns, 0);
	event_free(lookup->finish);
	free(lookup);
}

static void add(struct lookup *lookup, const struct addrinfo *info)
{
	const void *address;

	if (lookup->count == ENDPOINTS_MAX)
		return;
	if (info->ai_family == AF_INET)
		address = &((const struct sockaddr_in *)(const void *)info->ai_addr)->sin_addr;
	else if (info->ai_family == AF_INET6)
		address = &((const struct sockaddr_in6 *)(const void *)info->ai_addr)->sin6_addr;
	else
		return;

	struct endpoint *endpoint = &lookup->found[lookup->count];
	if (inet_ntop(info->ai_family, address, endpoint->name, sizeof(endpoint->name)) == NULL)
		return;
	endpoint->port = lookup->port;
	lookup->count++;
}

static void on_found(int result, struct evutil_addrinfo *all, void *context)
{
	struct lookup *lookup = context;

	for (const struct addrinfo *info = all; info != NULL; info = info->ai_next)
		add(lookup, info);
	if (all != NULL)
		evutil_freeaddrinfo(all);
	lookup->error = result != 0 ? evutil_gai_strerror(result) : "the name has no address";
	event_active(lookup->finish, EV_TIMEOUT, 0);
}

static void start_dns(struct lookup *lookup, struct event_base *base)
{
	lookup->dns = evdns_base_new(base, EVDNS_BASE_DISABLE_WHEN_INACTIVE);
	if (lookup->dns == NULL)
		abort();
	/* Without resolv.conf it asks 127.0.0.1: as good as any. */
	(void)evdns_base_resolv_conf_parse(lookup->dns, DNS_OPTIONS_ALL, "/etc/resolv.conf");
	evdns_base_set_option(lookup->dns, "timeout:", TIMEOUT_SECONDS);
	evdns_base_set_option(lookup->dns, "attempts:", ATTEMPTS);
}

struct lookup *lookup_start(struct event_base *base, const char *host, uint16_t port,
                            lookup_done *done, void *context)
{
	const struct evutil_addrinfo hints = {
		.ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM,
		.ai_protocol = IPPROTO_TCP,
	};
	struct lookup *lookup = mem_zero(sizeof(*lookup));

	lookup->done = done;
	lookup->context = context;
	lookup->port = port;
	lookup->finish = event_new(base, -1, 0, on_finish, lookup);
	if (lookup->finish == NULL)
		abort();
	start_dns(lookup, base);
	(void)evdns_getaddrinfo(lookup->dns, host, NULL, &hints, on_found, lookup);
	return lookup;
}

/*
 * on_found() comes in any case: with what was found, or at once because the resolver is shut down.
 */
void lookup_cancel(struct lookup *lookup)
{
	if (lookup == NULL)
		return;
	lookup->done = NULL;
	if (lookup->dns != NULL && event_pending(lookup->finish, EV_TIMEOUT, NULL) == 0) {
		evdns_base_free(lookup->dns, 1);
		lookup->dns = NULL;
	}
}
