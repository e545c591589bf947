/*
 * A token as a subprotocol: "base64UrlBearerAuthorization.<the token in base64url>", and the bare
 * "base64UrlBearerAuthorization" beside it, as AWS Bedrock AgentCore has it.
 */
#include "edge/bearer.h"

#include <strings.h>

#include "common/base64url.h"
#include "edge/request.h"

#define TOKEN_PROTOCOL SLICE(BEARER_PROTOCOL ".")
#define SCHEME "Bearer "
#define TOKEN_ARGUMENT SLICE("token=")

static enum bearer found(struct slice value, char *out, struct slice *token)
{
	size_t size = value.size <= AUTH_TOKEN_BYTES_MAX ? value.size : AUTH_TOKEN_BYTES_MAX + 1;

	memcpy(out, value.data, size);
	*token = (struct slice){out, size};
	return BEARER_FOUND;
}

/* Of two headers a proxy may have looked at the other one. Other schemes are nobody's business here. */
static enum bearer in_header(struct lws *wsi, char *out, struct slice *token)
{
	struct slice value = request_header(wsi, WSI_TOKEN_HTTP_AUTHORIZATION);

	if (value.size < sizeof(SCHEME) || strncasecmp(value.data, SCHEME, sizeof(SCHEME) - 1) != 0)
		return BEARER_NONE;
	if (request_value(wsi, WSI_TOKEN_HTTP_AUTHORIZATION, 1).data != NULL)
		return BEARER_UNCLEAR;
	value = request_header(wsi, WSI_TOKEN_HTTP_AUTHORIZATION); /* it shares the scratch */
	value.data += sizeof(SCHEME) - 1;
	value.size -= sizeof(SCHEME) - 1;
	return found(value, out, token);
}

static enum bearer in_protocol(struct lws *wsi, char *out, struct slice *token)
{
	struct request_list list = {.wsi = wsi, .token = WSI_TOKEN_PROTOCOL};
	struct slice name;

	while (request_list_next(&list, &name)) {
		if (!slice_starts(name, TOKEN_PROTOCOL))
			continue;
		name.data += TOKEN_PROTOCOL.size;
		name.size -= TOKEN_PROTOCOL.size;
		return base64url_decode(name, out, AUTH_TOKEN_BYTES_MAX, token) ? BEARER_FOUND
		                                                                : BEARER_UNCLEAR;
	}
	return BEARER_NONE;
}

static enum bearer in_query(struct lws *wsi, char *out, struct slice *token)
{
	struct slice value;

	for (int n = 0;; n++) {
		value = request_value(wsi, WSI_TOKEN_HTTP_URI_ARGS, n);
		if (value.data == NULL)
			return BEARER_NONE;
		if (slice_starts(value, TOKEN_ARGUMENT))
			break;
	}
	value.data += TOKEN_ARGUMENT.size;
	value.size -= TOKEN_ARGUMENT.size;
	return found(value, out, token);
}

enum bearer bearer_find(struct lws *wsi, bool query, char out[AUTH_TOKEN_BYTES_MAX + 1],
                        struct slice *token)
{
	enum bearer bearer = in_header(wsi, out, token);

	if (bearer == BEARER_NONE)
		bearer = in_protocol(wsi, out, token);
	if (bearer == BEARER_NONE && query)
		bearer = in_query(wsi, out, token);
	return bearer;
}

const char *bearer_protocol(struct lws *wsi)
{
	return request_lists(wsi, WSI_TOKEN_PROTOCOL, BEARER_PROTOCOL) ? BEARER_PROTOCOL : "";
}
