/*
 * Where a web page is from (RFC 6454): whom the Origin header names, and whether he is meant.
 *
 * Browsers let any page open a WebSocket to anywhere, with the cookies and from the place in the
 * network of whoever looks at it. What they do is to say honestly where the page is from: the
 * server has to look (RFC 6455 section 10.2).
 */
#pragma once

#include <stdbool.h>

#include "common/text.h"

// Is it one of these?
//
//	https://app.example.org:8443   that one; without a port the scheme's own (http, https)
//	https://*.example.org          all hosts below example.org, at any depth, and not itself
//	same                           the host and port that the request is sent to
//	*                              any, "null" included
bool origin_is_pattern(struct slice text);

/*
 * Is the origin, as its header has it, one of the patterns, which are words with spaces between?
 * `host` is the value of the Host header.
 */
bool origin_is_among(struct slice origin, struct slice patterns, struct slice host);
