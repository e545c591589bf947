/*
 * What has to happen to each socket by when: pings and their answers, messages that come in pieces,
 * sockets that do not leave.
 *
 * Each socket is in the edge's wheel, at the earliest of its deadlines.
 */
#pragma once

#include "edge/internal.h"

void deadlines_init(struct edge *edge);
void deadlines_fini(struct edge *edge);

/*
 * A new socket: its first ping comes within ping_seconds, at random, so that those that came
 * together are spread.
 */
void deadlines_add(struct socket *socket);

/* A deadline may have become earlier. */
void deadlines_update(struct socket *socket);

/* Reading goes on: all deadlines for the client begin anew. */
void deadlines_resume(struct socket *socket);

/* It is leaving: from now on there is only one deadline, after which it is cut. */
void deadlines_leave(struct socket *socket);
