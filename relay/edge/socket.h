/* The life of one WebSocket, from the upgrade to its end. */
#pragma once

#include "edge/internal.h"

/* It was upgraded: tells the mesh; or closes it, if the guest is to be turned away. Takes the guest. */
void socket_open(struct edge *edge, struct lws *wsi, struct guest *guest);

/*
 * Begins to close it. Safe from anywhere, also from within a call from the mesh. Does nothing if
 * it is closing already.
 */
void socket_close(struct socket *socket, enum close_code code, const char *reason);

/*
 * Lets it go: what is queued leaves if it goes at once, the mesh hears of the end. Afterwards it
 * waits to be told by lws that the close frame can be written. Not from within a call from the
 * mesh.
 */
void socket_leave(struct socket *socket);

/*
 * Cuts it, from the loop, soon: no close frame, no waiting. Not from within a call from the mesh.
 */
void socket_cut(struct socket *socket);

/* What lws calls; the results are for lws. */
int socket_on_writable(struct socket *socket);
int socket_on_peer_close(struct socket *socket, struct slice payload);
void socket_on_pong(struct socket *socket);

/* Before each ping and each pong. Returns false if it is to be dropped. */
bool socket_on_control(struct socket *socket);

/* lws closes it by itself, for a breach of the protocol or because it broke. */
void socket_on_closing(struct socket *socket);

/* lws is done with it. Frees it. */
void socket_on_end(struct socket *socket);
