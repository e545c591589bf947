/*
 * Happy path: GET /ws or /, version 13, a key, and a guest that is admitted (guest.c): lws sends
 * the 101 and the socket is opened.
 *
 * lws by itself accepts a POST, takes any version for 13, and where it refuses it mostly just
 * hangs up: so all is checked here, and each refusal has a status and a sentence. Headers may
 * come twice, as AgentCore's Python client sends them; of Sec-WebSocket-Key the first counts,
 * which is the one that the client checks the answer against.
 */
#include "edge/upgrade.h"

#include <ctype.h>
#include <strings.h>

#include "edge/answer.h"
#include "edge/bearer.h"
#include "edge/guest.h"
#include "edge/http.h"
#include "edge/visitor.h"

#define KEY_BYTES 24 /* 16 bytes in base64 */

/*
 * Not in lws's public headers, and the only way to accept a client that offers nothing but
 * subprotocols unknown to us: lws would hang up. An empty text removes the header.
 */
int lws_hdr_simple_create(struct lws *wsi, enum lws_token_indexes token, const char *text);

static void count_refusal(struct edge *edge, struct lws *wsi, const struct rejection *rejection)
{
	const char *reason = rejection->detail != NULL ? rejection->detail : rejection->why;
	char address[IP_TEXT_SIZE];
	struct ip ip;

	visitor_ip(wsi, &ip);
	ip_print(&ip, address);
	log_info("upgrade_refused", LOG_NUMBER("status", rejection->status),
	         LOG_TEXT("reason", reason), LOG_TEXT("address", address));
	edge_counters_refused(&edge->counters, rejection->status);
}

static int reject(struct edge *edge, struct lws *wsi, const struct rejection *rejection)
{
	count_refusal(edge, wsi, rejection);
	return answer_refusal(wsi, rejection->status, rejection->why, rejection->headers);
}

static int refuse(struct edge *edge, struct lws *wsi, unsigned status, const char *why,
                  const char *headers)
{
	return reject(edge, wsi,
	              &(struct rejection){.status = status, .why = why, .headers = headers});
}

static bool is_key(struct slice key)
{
	if (key.size != KEY_BYTES || key.data[22] != '=' || key.data[23] != '=')
		return false;
	for (size_t i = 0; i < 22; i++)
		if (!isalnum((unsigned char)key.data[i]) && key.data[i] != '+' &&
		    key.data[i] != '/')
			return false;
	return true;
}

/* lws would make its answer of the key and of the spaces behind it (RFC 9110 section 5.5: no part of it). */
static bool trim_key(struct lws *wsi)
{
	char key[KEY_BYTES + 1] = {0};

	if (lws_hdr_fragment_length(wsi, WSI_TOKEN_KEY, 0) == KEY_BYTES)
		return true;
	memcpy(key, request_header(wsi, WSI_TOKEN_KEY).data, KEY_BYTES);
	return lws_hdr_simple_create(wsi, WSI_TOKEN_KEY, key) == 0;
}

/* Leaves of the offered subprotocols the one that is answered, if any. */
static bool select_protocol(struct lws *wsi)
{
	return lws_hdr_simple_create(wsi, WSI_TOKEN_PROTOCOL, bearer_protocol(wsi)) == 0;
}

int upgrade_decide(struct edge *edge, struct lws *wsi, const char *protocol)
{
	struct rejection rejection;
	struct request request;

	if (strcasecmp(protocol, "websocket") != 0)
		return 0; /* goes on as plain HTTP */
	if (!request_read(wsi, &request))
		return -1;
	if (!slice_is(request.path, "/ws") && !slice_is(request.path, "/"))
		return refuse(edge, wsi, 404, "WebSockets are at /ws", NULL);
	if (request.method != METHOD_GET)
		return refuse(edge, wsi, 405, "a WebSocket begins with GET", "Allow: GET\r\n");
	if (request_minor_version(wsi) != 1)
		return refuse(edge, wsi, 400, "a WebSocket begins with HTTP/1.1", NULL);
	if (!slice_is(request_header(wsi, WSI_TOKEN_VERSION), "13"))
		return refuse(edge, wsi, 426, "WebSocket version 13 only",
		              "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n");
	if (!request_lists(wsi, WSI_TOKEN_CONNECTION, "upgrade"))
		return refuse(edge, wsi, 400, "no Connection: Upgrade", NULL);
	if (!is_key(request_header(wsi, WSI_TOKEN_KEY)))
		return refuse(edge, wsi, 400, "no valid Sec-WebSocket-Key", NULL);
	if (request_header(wsi, WSI_TOKEN_HOST).data == NULL)
		return refuse(edge, wsi, 400, "no Host", NULL);
	struct guest *guest = guest_admit(edge, wsi, &rejection);
	if (guest == NULL && !edge->settings.refuse_by_close)
		return reject(edge, wsi, &rejection);
	if (guest == NULL) {
		count_refusal(edge, wsi, &rejection);
		guest = guest_turn_away(&rejection);
	}
	lws_set_opaque_user_data(wsi, guest);
	if (!trim_key(wsi) || !select_protocol(wsi))
		return refuse(edge, wsi, 400, "too many headers", NULL);
	return 0;
}
