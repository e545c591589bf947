/*
 * Looking for leases that have lapsed. Redis judges; any node may ask it to, at any time, and each
 * node with connections in a mesh does: about as often as the earliest lease there ends.
 */
#pragma once

struct sweep;
struct topic;

/* Returns owned. */
struct sweep *sweep_create(struct topic *topic);
/* Accepts NULL. */
void sweep_destroy(struct sweep *sweep);

/* The session is up and this node's peers are announced. */
void sweep_start(struct sweep *sweep);
void sweep_stop(struct sweep *sweep);
