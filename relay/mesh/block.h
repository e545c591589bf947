/*
 * A roster as WebSocket frames.
 */
#pragma once

#include "common/blob.h"
#include "mesh/roster.h"

/*
 * Returns owned: one `presence` message per peer, framed, for all connections of the mesh to share.
 * Notes in each peer where its frame is, so that a receiver's own can be left out.
 */
struct blob *block_of_presences(const struct roster *roster);

/* Returns owned: one framed `roster` message with everybody but `own`, for a connection that accepts it. */
struct blob *block_of_roster(const struct roster *roster, struct slice own, uint64_t time_ms);
