/*
 * The type table: what becomes of a message, by its type.
 */
#pragma once

#include "common/metrics.h"
#include "common/text.h"

enum route {
	ROUTE_ALL,          /* every peer of the mesh but the sender; any type that has no row */
	ROUTE_PRESENCE,     /* joins, changes or leaves */
	ROUTE_HEARTBEAT,    /* a sign of life, for the relay only */
	ROUTE_DIRECT,       /* one peer, or the peers of an agent */
	ROUTE_REPLY,        /* like ROUTE_ALL, or like ROUTE_DIRECT with --replies to */
	ROUTE_CAPABILITIES, /* asks the relay what it can do */
	ROUTE_AUTH,         /* carries a token: never to be passed on */
	ROUTE_DROPPED,      /* somebody's private event, on the drop list */
	ROUTE_RESERVED,     /* only the relay may say it */
};

struct row {
	enum route route;
	bool echoed; /* real pages send these back: the echo guard watches them */
	struct metric *received;
};

struct routing;

/* Returns owned. `drop_types`: further types, separated by spaces, that are dropped; it wins over the table. */
struct routing *routing_create(const char *drop_types);

/* Accepts NULL. */
void routing_destroy(struct routing *routing);

/* The row of a type; never NULL. */
const struct row *routing_row(const struct routing *routing, struct slice type);

/* The types that have a row and may be sent, for capabilities_response; ends with NULL. */
const char *const *routing_types(void);
