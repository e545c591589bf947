/*
 * A Redis Cluster: which shard has which slot, a link for each shard, and each mesh on the right one.
 */
#pragma once

#include "common/text.h"

struct cluster;
struct link;
struct shared;

/* Returns owned. */
struct cluster *cluster_create(struct shared *shared);
/* Its links must be gone. Accepts NULL. */
void cluster_destroy(struct cluster *cluster);

/* Asks for the slots, as often as it takes. */
void cluster_start(struct cluster *cluster);

/* The link of a slot; while it is not known, one that leads nowhere. */
struct link *cluster_link(const struct cluster *cluster, unsigned slot);

/* Something is not as it was: asks for the slots anew, soon. */
void cluster_doubt(struct cluster *cluster);

/* A shard has answered "MOVED SLOT HOST:PORT". Topics move later, not within this call. */
void cluster_moved(struct cluster *cluster, const struct link *link, struct slice error);
