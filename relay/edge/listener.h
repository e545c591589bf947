/*
 * The listening socket. Our own, not lws's: so that we know its port, and can say what is wrong
 * with it.
 */
#pragma once

#include "edge/internal.h"

/*
 * Returns owned, bound, not yet accepting; or NULL with a sentence in *error, good until the next
 * call.
 */
struct listener *listener_create(struct edge *edge, const char **error);

void listener_start(struct listener *listener);

unsigned listener_port(const struct listener *listener);

/* A connection that it had accepted has ended: there is room again. */
void listener_on_end(struct listener *listener);

/* Accepts NULL. */
void listener_destroy(struct listener *listener);
