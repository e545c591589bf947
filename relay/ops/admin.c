#include "ops/admin.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/buffer.h"
#include "common/memory.h"
#include "common/metrics.h"

#define HEADER_BYTES_MAX 8192
#define BODY_BYTES_MAX 1 /* libevent reads 0 as "any" in some versions */
#define BACKLOG 128
#define IDLE_SECONDS_MAX 30 /* more than the usual interval of a scrape, for keep-alive */

#define TEXT "text/plain; charset=utf-8"
#define PROMETHEUS "text/plain; version=0.0.4; charset=utf-8"

struct admin {
	struct evhttp *http;
	struct admin_settings settings;
};

/* An answer to HEAD is that to GET without the body; libevent would send it. */
static void answer(struct evhttp_request *request, int status, const char *type, struct slice body)
{
	struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
	bool head = evhttp_request_get_command(request) == EVHTTP_REQ_HEAD;
	struct evbuffer *bytes = evbuffer_new();
	char length[24];

	if (bytes == NULL || (!head && evbuffer_add(bytes, body.data, body.size) != 0))
		abort();
	snprintf(length, sizeof(length), "%zu", body.size);
	evhttp_add_header(headers, "Content-Length", length);
	evhttp_add_header(headers, "Content-Type", type);
	evhttp_add_header(headers, "Cache-Control", "no-store");
	if (status == HTTP_BADMETHOD)
		evhttp_add_header(headers, "Allow", "GET, HEAD");
	evhttp_send_reply(request, status, NULL, bytes);
	evbuffer_free(bytes);
}

/* True if the request may be answered, else says that its method is wrong. */
static bool only_reads(struct evhttp_request *request)
{
	enum evhttp_cmd_type method = evhttp_request_get_command(request);

	if (method == EVHTTP_REQ_GET || method == EVHTTP_REQ_HEAD)
		return true;
	answer(request, HTTP_BADMETHOD, TEXT, SLICE("method not allowed\n"));
	return false;
}

static void on_metrics(struct evhttp_request *request, void *context)
{
	struct buffer text = {.size = 0};

	(void)context;
	if (!only_reads(request))
		return;
	metrics_render(&text);
	answer(request, HTTP_OK, PROMETHEUS, buffer_slice(&text));
	buffer_fini(&text);
}

/* That it answers is the answer, as far as this process is concerned. */
static void on_live(struct evhttp_request *request, void *context)
{
	const struct admin *admin = context;

	if (!only_reads(request))
		return;
	if (admin->settings.is_live(admin->settings.context))
		answer(request, HTTP_OK, TEXT, SLICE("live\n"));
	else
		answer(request, HTTP_SERVUNAVAIL, TEXT, SLICE("stalled\n"));
}

static void on_ready(struct evhttp_request *request, void *context)
{
	struct admin *admin = context;
	struct buffer text = {.size = 0};
	const char *reason = "ready";

	if (!only_reads(request))
		return;
	bool ready = admin->settings.is_ready(admin->settings.context, &reason);
	buffer_printf(&text, "%s\n", ready ? "ready" : reason);
	answer(request, ready ? HTTP_OK : HTTP_SERVUNAVAIL, TEXT, buffer_slice(&text));
	buffer_fini(&text);
}

static void on_other(struct evhttp_request *request, void *context)
{
	(void)context;
	answer(request, HTTP_NOTFOUND, TEXT,
	       SLICE("not found; there are /metrics, /livez and /readyz\n"));
}

/* Returns NULL, with the reason in errno, if it can't be. */
static struct evconnlistener *listen_at(struct event_base *base,
                                        const struct admin_settings *settings)
{
	unsigned flags = LEV_OPT_REUSEABLE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_CLOSE_ON_FREE;
	struct sockaddr_storage address;
	int size = sizeof(address);
	char text[64];

	if (settings->share_port)
		flags |= LEV_OPT_REUSEABLE_PORT;
	snprintf(text, sizeof(text), strchr(settings->host, ':') != NULL ? "[%s]:%u" : "%s:%u",
	         settings->host, settings->port);
	if (evutil_parse_sockaddr_port(text, (struct sockaddr *)&address, &size) != 0) {
		errno = EADDRNOTAVAIL;
		return NULL;
	}
	return evconnlistener_new_bind(base, NULL, NULL, flags, BACKLOG,
	                               (struct sockaddr *)&address, size);
}

struct admin *admin_create(struct event_base *base, const struct admin_settings *settings,
                           const char **error)
{
	struct admin *admin = mem_zero(sizeof(*admin));

	admin->settings = *settings;
	admin->http = evhttp_new(base);
	if (admin->http == NULL) {
		*error = "out of memory";
		goto fail;
	}
	/* All methods, else libevent answers those that it does not allow with 501. */
	evhttp_set_allowed_methods(admin->http, UINT16_MAX);
	evhttp_set_max_headers_size(admin->http, HEADER_BYTES_MAX);
	evhttp_set_max_body_size(admin->http, BODY_BYTES_MAX);
	evhttp_set_timeout(admin->http, IDLE_SECONDS_MAX);
	evhttp_set_cb(admin->http, "/metrics", on_metrics, admin);
	evhttp_set_cb(admin->http, "/livez", on_live, admin);
	evhttp_set_cb(admin->http, "/readyz", on_ready, admin);
	evhttp_set_gencb(admin->http, on_other, admin);

	struct evconnlistener *listener = listen_at(base, settings);
	if (listener == NULL) {
		*error = strerror(errno);
		goto fail;
	}
	if (evhttp_bind_listener(admin->http, listener) == NULL)
		abort(); /* no memory */
	return admin;

fail:
	admin_destroy(admin);
	return NULL;
}

void admin_destroy(struct admin *admin)
{
	if (admin == NULL)
		return;
	if (admin->http != NULL)
		evhttp_free(admin->http);
	free(admin);
}
