/*
 * How many frames one socket is sent per second, for gateways that count them.
 *
 * What may not leave yet stays in the outbox, with its bound; when more may, the flush is told.
 * Only sockets of a node with a limit have one.
 */
#pragma once

#include "edge/internal.h"

/* Returns owned. In any second leave `frames_per_second` and an eighth at most. */
struct pacer *pacer_create(struct socket *socket, uint64_t frames_per_second);
/* Accepts NULL. */
void pacer_destroy(struct pacer *pacer);

/* May nothing be written now? */
bool pacer_waits(const struct pacer *pacer);

/* Returns what of the frames may be written now, and must be: a run of whole ones, perhaps none. */
struct slice pacer_admit(struct pacer *pacer, struct slice frames);

/* One leaves past the outbox: it counts, and others wait for it. */
void pacer_owe(struct pacer *pacer);
