/* POST /invocations: who is in the mesh. The one request whose answer has to wait. */
#pragma once

#include "edge/request.h"

/* The head is complete; the body, which is ignored, may be still to come. */
int invocations_on_request(struct edge *edge, struct lws *wsi, const struct request *request);

/* The body is complete. */
int invocations_on_body(struct edge *edge, struct lws *wsi);

/* It may be written to. */
int invocations_on_writable(struct edge *edge, struct lws *wsi);

/* lws is done with the connection. */
void invocations_on_end(struct edge *edge, struct lws *wsi);

/* All connections are gone. */
void invocations_fini(struct edge *edge);
