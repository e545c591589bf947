/*
 * The happy path: look the host's name up, connect to its first address, shake hands, ask, take the
 * answer's body.
 *
 * Failures: no such name, no address that may be connected to, none that answers (they are tried one
 * after the other), a certificate that is not good, another status, bytes that are no HTTP, too
 * many, and all that in more than FETCH_MS_MAX. Whatever happens to a connection ends in settle() or
 * try_next(), and both go on in on_step(), on a turn of their own: evhttp calls us from within what
 * would be freed.
 */
#include "auth/fetch.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <event2/http.h>

#include "common/buffer.h"
#include "common/memory.h"
#include "common/random.h"
#include "common/timers.h"
#include "net/lookup.h"
#include "net/tls.h"

#define HTTPS_PORT 443
#define HOST_BYTES_MAX 253 /* of a name in DNS */
#define HEADERS_BYTES_MAX 16384
#define ENDPOINTS_MAX 8

/*
 * Of all that comes. evhttp has bounds for headers and body only, not for the size of a chunk that
 * never ends, nor for how often a server says 100 Continue.
 */
#define ANSWER_BYTES_MAX (2 * (HEADERS_BYTES_MAX + FETCH_BODY_BYTES_MAX))

#define TOO_LONG "the answer is too long, or not HTTP"

struct target {
	char host[HOST_BYTES_MAX + 1]; /* an IPv6 address without brackets */
	uint16_t port;
	struct buffer authority; /* as Host says it */
	struct buffer path;      /* and the query */
};

struct fetch {
	struct fetch_means means;
	struct target target;
	bool only_public;
	fetch_done *done;
	void *context;
	struct lookup *lookup;
	struct endpoint endpoints[ENDPOINTS_MAX];
	size_t count;
	size_t first; /* one at random: if it is dead, a later fetch has more luck */
	size_t tried;
	struct ssl_st *session;
	struct bufferevent *stream;           /* has the session */
	struct evhttp_connection *connection; /* has the stream; NULL: none */
	size_t came_bytes;
	enum evhttp_request_error error;
	bool has_error;
	struct timer deadline;
	struct event *step;
	bool is_over; /* the answer is known */
	struct fetch_answer answer;
	struct buffer body;
	char reason[64];
};

/* ---- The URL */

/* The host as evhttp has it may have brackets around it. */
static bool read_host(struct target *target, const char *host)
{
	size_t size = host != NULL ? strlen(host) : 0;

	if (size > 2 && host[0] == '[' && host[size - 1] == ']') {
		host++;
		size -= 2;
	}
	if (size == 0 || size > HOST_BYTES_MAX)
		return false;
	memcpy(target->host, host, size);
	target->host[size] = '\0';
	return true;
}

static void read_rest(struct target *target, const struct evhttp_uri *uri)
{
	const char *path = evhttp_uri_get_path(uri);
	const char *query = evhttp_uri_get_query(uri);
	bool is_ipv6 = strchr(target->host, ':') != NULL;

	buffer_printf(&target->authority, is_ipv6 ? "[%s]" : "%s", target->host);
	if (target->port != HTTPS_PORT)
		buffer_printf(&target->authority, ":%u", target->port);
	buffer_printf(&target->path, "%s", path[0] != '\0' ? path : "/");
	if (query != NULL)
		buffer_printf(&target->path, "?%s", query);
	buffer_append(&target->authority, (struct slice){"", 1});
	buffer_append(&target->path, (struct slice){"", 1});
}

static const char *read_uri(struct target *target, const struct evhttp_uri *uri)
{
	const char *scheme = evhttp_uri_get_scheme(uri);
	int port = evhttp_uri_get_port(uri);

	if (scheme == NULL || evutil_ascii_strcasecmp(scheme, "https") != 0)
		return "is not https";
	if (evhttp_uri_get_userinfo(uri) != NULL)
		return "has a user in it";
	if (!read_host(target, evhttp_uri_get_host(uri)))
		return "has no host, or one too long";
	if (port == 0 || port > UINT16_MAX)
		return "has no good port";
	target->port = port > 0 ? (uint16_t)port : HTTPS_PORT;
	read_rest(target, uri);
	return NULL;
}

static void target_fini(struct target *target)
{
	buffer_fini(&target->authority);
	buffer_fini(&target->path);
}

/* Returns what is wrong with the URL, or NULL. */
static const char *target_read(struct target *target, const char *url)
{
	const char *error = "is not a URL, or too long";

	*target = (struct target){.port = 0};
	if (strlen(url) > FETCH_URL_BYTES_MAX)
		return error;
	struct evhttp_uri *uri = evhttp_uri_parse(url);
	if (uri == NULL)
		return error;
	error = read_uri(target, uri);
	evhttp_uri_free(uri);
	return error;
}

bool fetch_url_is_good(const char *url, const char **error)
{
	struct target target;

	*error = target_read(&target, url);
	target_fini(&target);
	return *error == NULL;
}

/* ---- Ending */

static void settle(struct fetch *fetch, enum fetch_result result, const char *reason)
{
	if (fetch->is_over)
		return;
	fetch->is_over = true;
	fetch->answer.result = result;
	snprintf(fetch->reason, sizeof(fetch->reason), "%s", reason);
	event_active(fetch->step, EV_TIMEOUT, 0);
}

/* The connection is of no use; the next address may be better, or else that is the reason. */
static void try_next(struct fetch *fetch, const char *reason)
{
	if (fetch->tried < fetch->count)
		event_active(fetch->step, EV_TIMEOUT, 0);
	else
		settle(fetch, FETCH_UNREACHABLE, reason);
}

static void on_deadline(void *context)
{
	settle(context, FETCH_UNREACHABLE, "no answer in time");
}

static void hang_up(struct fetch *fetch)
{
	if (fetch->connection != NULL)
		evhttp_connection_free(fetch->connection);
	fetch->connection = NULL;
}

static void destroy(struct fetch *fetch)
{
	timer_stop(fetch->means.timers, &fetch->deadline);
	lookup_cancel(fetch->lookup);
	hang_up(fetch);
	event_free(fetch->step);
	target_fini(&fetch->target);
	buffer_fini(&fetch->body);
	free(fetch);
}

/* ---- The answer */

/* evhttp has put the connection's errors away, the first one lowest. */
static const char *reason_of_tls(struct fetch *fetch)
{
	const char *reason = tls_reason_of(fetch->session, 0);
	unsigned long error;

	while ((error = bufferevent_get_openssl_error(fetch->stream)) != 0) {
		const char *of_error = tls_reason_of(fetch->session, error);
		if (of_error != NULL)
			reason = of_error;
	}
	return reason;
}

/* There is no answer, or not all of one. */
static void on_failure(struct fetch *fetch)
{
	const char *reason = reason_of_tls(fetch);

	if (reason != NULL)
		settle(fetch, FETCH_UNTRUSTED, reason);
	else if (fetch->has_error && (fetch->error == EVREQ_HTTP_DATA_TOO_LONG ||
	                              fetch->error == EVREQ_HTTP_INVALID_HEADER))
		settle(fetch, FETCH_UNUSABLE, TOO_LONG);
	else
		try_next(fetch, fetch->has_error ? "not reachable, or cut off" : "can't connect");
}

static void take_body(struct fetch *fetch, struct evbuffer *bytes)
{
	size_t size = evbuffer_get_length(bytes);

	if (size > FETCH_BODY_BYTES_MAX) {
		settle(fetch, FETCH_UNUSABLE, TOO_LONG);
		return;
	}
	evbuffer_remove(bytes, buffer_reserve(&fetch->body, size), size);
	fetch->body.size = size;
	fetch->answer.body = buffer_slice(&fetch->body);
	settle(fetch, FETCH_OK, "");
}

static void on_error(enum evhttp_request_error error, void *context)
{
	struct fetch *fetch = context;

	fetch->has_error = true;
	fetch->error = error;
}

/* NULL, or a status of 0: there is no answer. */
static void on_answer(struct evhttp_request *request, void *context)
{
	struct fetch *fetch = context;
	int status = request != NULL ? evhttp_request_get_response_code(request) : 0;
	char reason[sizeof(fetch->reason)];

	if (status == 0) {
		on_failure(fetch);
	} else if (status == HTTP_OK) {
		take_body(fetch, evhttp_request_get_input_buffer(request));
	} else {
		snprintf(reason, sizeof(reason), "answered with status %d", status);
		settle(fetch, FETCH_REFUSED, reason);
	}
}

/* ---- Asking */

static struct evhttp_request *make_request(struct fetch *fetch)
{
	struct evhttp_request *request = evhttp_request_new(on_answer, fetch);

	if (request == NULL)
		abort();
	struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
	evhttp_request_set_error_cb(request, on_error);
	evhttp_add_header(headers, "Host", fetch->target.authority.data);
	evhttp_add_header(headers, "Accept", "application/json");
	evhttp_add_header(headers, "User-Agent", "p2p-relay");
	evhttp_add_header(headers, "Connection", "close");
	return request;
}

static void on_input(struct evbuffer *input, const struct evbuffer_cb_info *change, void *context)
{
	struct fetch *fetch = context;

	(void)input;
	fetch->came_bytes += change->n_added;
	if (fetch->came_bytes > ANSWER_BYTES_MAX)
		settle(fetch, FETCH_UNUSABLE, TOO_LONG);
}

/* Returns false if the URL's host is nobody who could have a certificate. */
static bool open_stream(struct fetch *fetch)
{
	const struct fetch_means *means = &fetch->means;

	fetch->session = tls_session(means->tls, fetch->target.host);
	if (fetch->session == NULL)
		return false;
	/* Deferred, or else libevent tells of the end before it shows the last bytes. */
	fetch->stream = bufferevent_openssl_socket_new(
		means->base, -1, fetch->session, BUFFEREVENT_SSL_CONNECTING,
		BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
	if (fetch->stream == NULL)
		abort();
	if (evbuffer_add_cb(bufferevent_get_input(fetch->stream), on_input, fetch) == NULL)
		abort();
	return true;
}

static void connect_to_next(struct fetch *fetch)
{
	size_t at = (fetch->first + fetch->tried++) % fetch->count;
	const struct endpoint *endpoint = &fetch->endpoints[at];

	fetch->has_error = false;
	fetch->answer.is_from_private = endpoint_is_private(endpoint);
	if (!open_stream(fetch)) {
		settle(fetch, FETCH_UNTRUSTED, "TLS is for a host with a name or an address");
		return;
	}
	/* An address and not the name: evhttp would look that up with getaddrinfo(). */
	fetch->connection = evhttp_connection_base_bufferevent_new(
		fetch->means.base, NULL, fetch->stream, endpoint->name, endpoint->port);
	if (fetch->connection == NULL)
		abort();
	evhttp_connection_set_max_headers_size(fetch->connection, HEADERS_BYTES_MAX);
	evhttp_connection_set_max_body_size(fetch->connection, FETCH_BODY_BYTES_MAX);
	if (evhttp_make_request(fetch->connection, make_request(fetch), EVHTTP_REQ_GET,
	                        fetch->target.path.data) != 0)
		abort(); /* out of memory: connections that fail are told to on_answer() */
}

static void on_found(void *context, const struct endpoint *found, size_t count, const char *error)
{
	struct fetch *fetch = context;

	fetch->lookup = NULL;
	if (fetch->is_over)
		return;
	for (size_t i = 0; i < count && fetch->count < ENDPOINTS_MAX; i++)
		if (!fetch->only_public || !endpoint_is_private(&found[i]))
			fetch->endpoints[fetch->count++] = found[i];
	if (fetch->count == 0) {
		settle(fetch, FETCH_UNREACHABLE,
		       count == 0 ? error : "its address is a private one");
		return;
	}
	fetch->first = random_below(fetch->count);
	connect_to_next(fetch);
}

static void on_step(evutil_socket_t fd, short what, void *context)
{
	struct fetch *fetch = context;

	(void)fd;
	(void)what;
	hang_up(fetch);
	if (!fetch->is_over) {
		connect_to_next(fetch);
		return;
	}
	fetch->answer.reason = fetch->reason;
	fetch->done(fetch->context, &fetch->answer);
	destroy(fetch);
}

/* ---- Life */

struct fetch *fetch_start(const struct fetch_means *means, const char *url, bool only_public,
                          fetch_done *done, void *context)
{
	struct fetch *fetch = mem_zero(sizeof(*fetch));
	const char *error = target_read(&fetch->target, url);

	fetch->means = *means;
	fetch->only_public = only_public;
	fetch->done = done;
	fetch->context = context;
	fetch->step = event_new(means->base, -1, 0, on_step, fetch);
	if (fetch->step == NULL)
		abort();
	timer_init(&fetch->deadline, on_deadline, fetch);
	assert(error == NULL);
	timer_set(means->timers, &fetch->deadline, FETCH_MS_MAX);
	fetch->lookup =
		lookup_start(means->base, fetch->target.host, fetch->target.port, on_found, fetch);
	return fetch;
}

void fetch_cancel(struct fetch *fetch)
{
	if (fetch != NULL)
		destroy(fetch);
}
