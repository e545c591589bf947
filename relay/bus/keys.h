/*
 * How keys and channels are named. All of a mesh have the mesh's name as their hash tag, so that
 * they share one slot of a Cluster. All functions return owned.
 */
#pragma once

#include <stdint.h>

#include "common/blob.h"
#include "common/text.h"

#define KEYS_NODE_BYTES 16 /* a node's number as text */

/* PREFIX{MESH}:peers, a ZSET: who is there, and when to look again. */
struct blob *keys_index(struct slice prefix, struct slice mesh);

/* PREFIX{MESH}:broadcast, a channel. */
struct blob *keys_broadcast(struct slice prefix, struct slice mesh);

/*
 * PREFIX{MESH}:peer:ID, both the HASH and the channel. With an empty id: what they all begin with.
 */
struct blob *keys_peer(struct slice prefix, struct slice mesh, struct slice id);

/* PREFIX{TAG}:node:NODE, the node's own channel. */
struct blob *keys_node(struct slice prefix, struct slice tag, uint64_t node);

/* PREFIX{~}:demotion, a channel of all nodes: see demotion.h. */
struct blob *keys_demotion(struct slice prefix);

/* Writes the node's number, and a zero. */
void keys_node_text(uint64_t node, char text[KEYS_NODE_BYTES + 1]);
