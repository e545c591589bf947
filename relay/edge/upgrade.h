/* Who may open a WebSocket. */
#pragma once

#include "edge/internal.h"

/*
 * Decides, and writes the refusal if it is one. Returns what the lws callback CONFIRM_UPGRADE has
 * to return. `protocol` is what the client wants to upgrade to.
 */
int upgrade_decide(struct edge *edge, struct lws *wsi, const char *protocol);
