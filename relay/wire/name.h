/* What may be the name of a peer, an agent or a mesh. */
#pragma once

#include "common/text.h"

#define NAME_ID_BYTES_MAX 128
#define NAME_TYPE_BYTES_MAX 64
#define NAME_MESH_BYTES_MAX 64

/*
 * Ids of peers and names of agents: 1..128 bytes of UTF-8, no control characters (C0, DEL, C1).
 * `relay` is a valid id by this function: who sends under it is refused by the mesh.
 */
bool name_is_id(struct slice name);

/* Types of messages: the same, 1..64 bytes. */
bool name_is_type(struct slice name);

/* 1..64 of [A-Za-z0-9_.-]. */
bool name_is_mesh(struct slice name);
