/*
 * Looking for leases that have lapsed. Redis judges; any node may ask it to, at any time, and each
 * node with connections in a mesh does: about as often as the earliest lease there ends.
 */
#pragma once

struct sweep;
struct topic;

/* This node's peers are announced. Owned until sweep_end(). */
struct sweep *sweep_begin(struct topic *topic);

/* The session is over, or the topic is closed or moves. Accepts NULL. */
void sweep_end(struct sweep *sweep);
