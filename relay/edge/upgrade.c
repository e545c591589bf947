/*
 * Happy path: GET /ws or /, version 13, a key, the node has room, the mesh has a valid name: lws
 * sends the 101 and the socket is opened.
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
#include "edge/http.h"
#include "edge/visitor.h"

#define KEY_BYTES 24 /* 16 bytes in base64 */

/*
 * Browsers can send a token in no other way than as the name of a subprotocol, and want the other
 * name they offered back.
 */
#define BEARER_PROTOCOL "base64UrlBearerAuthorization"

/*
 * Not in lws's public headers, and the only way to accept a client that offers nothing but
 * subprotocols unknown to us: lws would hang up. An empty text removes the header.
 */
int lws_hdr_simple_create(struct lws *wsi, enum lws_token_indexes token, const char *text);

static int refuse(struct edge *edge, struct lws *wsi, unsigned status, const char *why,
                  const char *headers)
{
	char address[IP_TEXT_SIZE];
	struct ip ip;

	visitor_ip(wsi, &ip);
	ip_print(&ip, address);
	log_info("upgrade_refused", LOG_NUMBER("status", status), LOG_TEXT("reason", why),
	         LOG_TEXT("address", address));
	edge_counters_refused(&edge->counters, status);
	return answer_refusal(wsi, status, why, headers);
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

/* Leaves of the offered subprotocols the one that is answered, if any. */
static bool select_protocol(struct lws *wsi)
{
	bool bearer = request_lists(wsi, WSI_TOKEN_PROTOCOL, BEARER_PROTOCOL);

	return lws_hdr_simple_create(wsi, WSI_TOKEN_PROTOCOL, bearer ? BEARER_PROTOCOL : "") == 0;
}

int upgrade_decide(struct edge *edge, struct lws *wsi, const char *protocol)
{
	char name[NAME_MESH_BYTES_MAX];
	struct slice mesh;
	struct request request;
	struct tally_mark *mark;

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
	if (!visitor_page_is_allowed(wsi))
		return refuse(edge, wsi, 403, "not from a page of this origin", NULL);
	if (edge->drain.begun)
		return refuse(edge, wsi, 503, "the node is draining", RETRY_AT_ONCE);
	if (edge->socket_count >= edge->settings.connections_max)
		return refuse(edge, wsi, 503, "the node is full", RETRY_LATER);
	if (!request_mesh(wsi, name, &mesh))
		return refuse(edge, wsi, 400, REQUEST_MESH_RULE, NULL);
	if (!visitor_count(wsi, &mark))
		return refuse(edge, wsi, 429, "too many connections from this address",
		              RETRY_LATER);
	lws_set_opaque_user_data(wsi, mark);
	if (!select_protocol(wsi))
		return refuse(edge, wsi, 400, "too many headers", NULL);
	return 0;
}
