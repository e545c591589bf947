/*
 * What a request says, read from lws's header table. Good only in the callbacks in which lws
 * still has it.
 */
#pragma once

#include "common/ip.h"
#include "edge/internal.h"
#include "wire/name.h"

enum method {
	METHOD_GET = 1,
	METHOD_HEAD = 2,
	METHOD_POST = 4,
	METHOD_OTHER = 8,
};

struct request {
	enum method method;
	struct slice path; /* without the query; borrowed from lws */
};

/* Returns false if there is none. */
bool request_read(struct lws *wsi, struct request *request);

/* Which HTTP/1.x does it speak? -1: none that we know. */
int request_minor_version(struct lws *wsi);

/*
 * The first of the header's values if there are several, absent if there is none. In the scratch
 * of the edge.
 */
struct slice request_header(struct lws *wsi, enum lws_token_indexes token);

/*
 * The n-th of the values, likewise: lws makes one of each repetition of a header, and of each
 * `name=value` of a query.
 */
struct slice request_value(struct lws *wsi, enum lws_token_indexes token, int n);

/*
 * Walks a header that is a list, duplicates of it being one list. Begins with wsi and token set, the
 * rest zero; items lie in the scratch of the edge, which must be left alone meanwhile.
 */
struct request_list {
	struct lws *wsi;
	enum lws_token_indexes token;
	int value;
	struct slice rest;
};
bool request_list_next(struct request_list *list, struct slice *item);

/*
 * Does one of the values of a header that is a list name the token? In any case; duplicates of
 * the header are one list.
 */
bool request_lists(struct lws *wsi, enum lws_token_indexes token, const char *name);

/* For who is refused by request_mesh(). */
#define REQUEST_MESH_RULE "a mesh is named by 1 to 64 of A-Z a-z 0-9 _ . -"

/*
 * Writes the name of the mesh that the client wants, where the settings allow it to choose. Header
 * beats query; absent if it names none. Returns false if the name is not one, or if the query names
 * two.
 */
bool request_mesh(struct lws *wsi, char name[NAME_MESH_BYTES_MAX], struct slice *mesh);

/* Length of the body: 0 without the header. Returns false if the header is no number. */
bool request_content_length(struct lws *wsi, uint64_t *length);

/* The other end of its connection: the client, or a proxy; :: if that is not known any more. */
void request_peer(struct lws *wsi, struct ip *ip);

/* Does it come from this machine, and not through a proxy on it? */
bool request_is_local(struct lws *wsi);
