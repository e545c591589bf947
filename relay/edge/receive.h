/* Bytes in: whole messages for the mesh. */
#pragma once

#include "edge/internal.h"

/* lws hands over a piece of a message. */
void receive_piece(struct socket *socket, struct slice piece);

/* Drops what has come of a message that is not whole. */
void receive_drop(struct socket *socket);

/*
 * When the message that is coming in must be whole, in seconds of the wheel; UINT32_MAX if there
 * is none.
 */
uint32_t receive_deadline_s(const struct socket *socket);

/* Time in which the node itself did not read does not count. */
void receive_restart_deadline(struct socket *socket);
