/*
 * Writes what is queued: once per turn of the loop, one write per socket.
 *
 * So an idle node sends a message at once, and a busy one sends together all that one epoll_wait
 * brought.
 */
#pragma once

#include "edge/internal.h"

/* Returns false if there is no memory for the event. */
bool flush_init(struct edge *edge);
void flush_fini(struct edge *edge);

/* Sees to it that the socket is looked at before the loop waits again. */
void flush_mark(struct socket *socket);

/* One write. Returns true if more is queued and the kernel may take it. */
bool flush_some(struct socket *socket);

/* Writes until nothing is queued or the kernel takes no more. */
void flush_all(struct socket *socket);
