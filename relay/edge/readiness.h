/* Whether newcomers may be sent here: what this process knows of itself, and what it shows the others. */
#pragma once

#include "edge/internal.h"

/* Finds our place on the scoreboard; without one from the settings it is a board of our own. */
void readiness_init(struct edge *edge);
void readiness_fini(struct edge *edge);

/* Has it, with all workers together, as many sockets as it may? */
bool readiness_is_full(const struct edge *edge);

/* Shows the others how it is, and again from time to time. The edge must have its hub. */
void readiness_show(struct edge *edge);
