/* What is answered to plain HTTP. */
#pragma once

#include "edge/internal.h"

/* Another node may have room now; this one in a while. */
#define RETRY_AT_ONCE "Retry-After: 0\r\n"
#define RETRY_LATER "Retry-After: 5\r\n"

/* A request's head is complete. Returns what the lws callback has to return. */
int http_on_request(struct edge *edge, struct lws *wsi);
