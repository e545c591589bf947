/*
 * Happy path: a row of the table, an answer built in one go, and the connection stays for the next
 * request. Only POST /invocations has to wait: see invocations.c.
 *
 * Nothing here waits for Redis. What the platform polls costs a few counters and one write.
 */
#include "edge/http.h"

#include "common/clock.h"
#include "common/metrics.h"
#include "common/random.h"
#include "edge/answer.h"
#include "edge/invocations.h"
#include "embedded_console.h"

/* In the page, where the nonce goes that lets its script and its style run. */
#define NONCE_MARK "{{nonce}}"

static int answer(struct lws *wsi, const struct request *request, unsigned status,
                  struct slice body)
{
	return answer_write(wsi, &(struct answer){
					 .status = status,
					 .body = body,
					 .without_body = request->method == METHOD_HEAD,
				 });
}

static int on_ping(struct edge *edge, struct lws *wsi, const struct request *request)
{
	char body[128];
	uint64_t changed_s;
	bool busy = scoreboard_is_busy(edge->scoreboard, timers_now(edge->timers), &changed_s);
	const char *status = busy ? "HealthyBusy" : "Healthy";
	int size = changed_s == 0 ? snprintf(body, sizeof(body), "{\"status\":\"%s\"}", status)
	                          : snprintf(body, sizeof(body),
	                                     "{\"status\":\"%s\",\"time_of_last_update\":%llu}",
	                                     status, (unsigned long long)changed_s);

	return answer(wsi, request, 200, (struct slice){body, (size_t)size});
}

static int on_livez(struct edge *edge, struct lws *wsi, const struct request *request)
{
	char body[128];
	int size = snprintf(body, sizeof(body), "{\"status\":\"alive\",\"version\":\"%.64s\"}",
	                    edge->settings.version);

	if (!edge_is_live(edge))
		return answer(wsi, request, 503, SLICE("{\"status\":\"stalled\"}"));
	return answer(wsi, request, 200, (struct slice){body, (size_t)size});
}

static int on_readyz(struct edge *edge, struct lws *wsi, const struct request *request)
{
	char body[256];
	const char *reason = NULL;

	if (edge_is_ready(edge, &reason))
		return answer(wsi, request, 200, SLICE("{\"status\":\"ready\"}"));
	int size = snprintf(body, sizeof(body), "{\"status\":\"unready\",\"reason\":\"%.200s\"}",
	                    reason);
	return answer(wsi, request, 503, (struct slice){body, (size_t)size});
}

static int on_metrics(struct edge *edge, struct lws *wsi, const struct request *request)
{
	struct buffer body = {0};

	if (!edge->settings.metrics_on_main || !request_is_local(wsi))
		return answer(wsi, request, 404, SLICE("{\"error\":\"not found\"}\n"));
	metrics_render(&body);
	int result = answer_write(wsi, &(struct answer){
					       .status = 200,
					       .type = "text/plain; version=0.0.4; charset=utf-8",
					       .body = buffer_slice(&body),
					       .without_body = request->method == METHOD_HEAD,
				       });
	buffer_fini(&body);
	return result;
}

static void append_page(struct buffer *out, struct slice nonce)
{
	const char *from = embedded_console_html;
	const char *mark;

	while ((mark = strstr(from, NONCE_MARK)) != NULL) {
		buffer_append(out, (struct slice){from, (size_t)(mark - from)});
		buffer_append(out, nonce);
		from = mark + strlen(NONCE_MARK);
	}
	buffer_append(out, slice_of(from));
}

static int on_console(struct edge *edge, struct lws *wsi, const struct request *request)
{
	struct buffer body = {0};
	char nonce[40];
	char headers[512];
	const char *only_tls = edge->settings.certificate != NULL
	                               ? "Strict-Transport-Security: max-age=31536000\r\n"
	                               : "";

	snprintf(nonce, sizeof(nonce), "%016llx%016llx", (unsigned long long)random_u64(),
	         (unsigned long long)random_u64());
	snprintf(
		headers, sizeof(headers),
		"Content-Security-Policy: default-src 'none'; script-src 'nonce-%s'; style-src 'nonce-%s'; "
		"connect-src 'self' ws: wss:; img-src data:; base-uri 'none'; form-action 'none'; "
		"frame-ancestors 'none'\r\n"
		"Referrer-Policy: no-referrer\r\n"
		"%s",
		nonce, nonce, only_tls);
	append_page(&body, slice_of(nonce));
	int result = answer_write(wsi, &(struct answer){
					       .status = 200,
					       .type = "text/html; charset=utf-8",
					       .body = buffer_slice(&body),
					       .headers = headers,
					       .without_body = request->method == METHOD_HEAD,
				       });
	buffer_fini(&body);
	return result;
}

static const struct route {
	const char *path;
	unsigned methods;
	const char *allow;
	int (*handle)(struct edge *edge, struct lws *wsi, const struct request *request);
} routes[] = {
	{"/ping", METHOD_GET | METHOD_HEAD, "Allow: GET, HEAD\r\n", on_ping},
	{"/invocations", METHOD_POST, "Allow: POST\r\n", invocations_on_request},
	{"/livez", METHOD_GET | METHOD_HEAD, "Allow: GET, HEAD\r\n", on_livez},
	{"/readyz", METHOD_GET | METHOD_HEAD, "Allow: GET, HEAD\r\n", on_readyz},
	{"/metrics", METHOD_GET | METHOD_HEAD, "Allow: GET, HEAD\r\n", on_metrics},
	{"/", METHOD_GET | METHOD_HEAD, "Allow: GET, HEAD\r\n", on_console},
};

/* Somebody who means to open a WebSocket should be told what is missing. */
static int on_ws_without_upgrade(struct lws *wsi)
{
	return answer_error(wsi, 426, "this is a WebSocket: Upgrade: websocket is missing",
	                    "Upgrade: websocket\r\n");
}

int http_on_request(struct edge *edge, struct lws *wsi)
{
	struct request request;
	uint64_t length;

	if (!request_read(wsi, &request))
		return -1;
	if (request_minor_version(wsi) < 0)
		return answer_error(wsi, 400, "HTTP/1.0 or HTTP/1.1 only", NULL);
	if (lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_TRANSFER_ENCODING) > 0)
		return answer_error(wsi, 411, "a body needs a Content-Length", NULL);
	if (!request_content_length(wsi, &length))
		return answer_error(wsi, 400, "Content-Length is not a number", NULL);

	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
		if (!slice_is(request.path, routes[i].path))
			continue;
		if ((request.method & routes[i].methods) == 0)
			return answer_error(wsi, 405, "method not allowed", routes[i].allow);
		if (request.method != METHOD_POST && length > 0)
			return answer_error(wsi, 413, "no body is expected here", NULL);
		return routes[i].handle(edge, wsi, &request);
	}
	if (slice_is(request.path, "/ws"))
		return on_ws_without_upgrade(wsi);
	return answer_error(wsi, 404, "not found", NULL);
}
