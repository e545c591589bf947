/* Moving all clients to other nodes. */
#pragma once

#include "edge/internal.h"

void drain_init(struct edge *edge);
void drain_fini(struct edge *edge);
