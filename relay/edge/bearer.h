/*
 * A bearer token in a request (RFC 6750 section 2): in the header Authorization; as the name of a
 * subprotocol, since a browser can send no header; or in the query.
 */
#pragma once

#include "edge/internal.h"

/* What pages offer, and get back. With a dot and the token behind it, it is the token's. */
#define BEARER_PROTOCOL "base64UrlBearerAuthorization"

enum bearer {
	BEARER_NONE,
	BEARER_FOUND,
	BEARER_UNCLEAR, /* two headers, or what is no base64url */
};

/*
 * Looks for the token in that order, and takes the first. It is written to `out`; a longer one than
 * AUTH_TOKEN_BYTES_MAX is cut after one byte more, so that whoever checks it sees that. `query`: does
 * one in the query count?
 */
enum bearer bearer_find(struct lws *wsi, bool query, char out[AUTH_TOKEN_BYTES_MAX + 1],
                        struct slice *token);

/*
 * Which subprotocol is to be answered, "" for none. Browsers want one of those that they offered
 * back, and the one that carries the token must not be it.
 */
const char *bearer_protocol(struct lws *wsi);
