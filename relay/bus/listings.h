/* Questions that the mesh asks of Redis. See bus_port.check() and bus_port.list(). */
#pragma once

#include "mesh/ports.h"

struct link;
struct listings;

/* Returns owned. */
struct listings *listings_create(struct link *link);
/* Who still waits is answered. Accepts NULL. */
void listings_destroy(struct listings *listings);

void listings_check(struct topic *topic, struct slice peer);

void listings_list(struct listings *listings, struct slice mesh, uint64_t timeout_ms,
                   bus_list_done *done, void *context);

/* The session is ready: asks what waits for it. */
void listings_ask(struct listings *listings);
