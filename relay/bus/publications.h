/*
 * What is published in a mesh, in one order, each parcel kept until Redis has answered.
 *
 * What is for the same, one behind the other, goes together: as one message of the channel, for which
 * Redis, and each node that hears it, work once. It is sent at the end of the turn of the loop, or
 * when something else has to come behind it.
 *
 * While the topic is not up it waits, for a few seconds at most, and leaves in
 * order when the topic is up again. What was sent and not answered when a session ended is never
 * sent again: it may have arrived. What a shard refused because the mesh has moved to another was
 * surely not published: it takes its place in the queue again.
 */
#pragma once

#include "mesh/ports.h"

struct link;
struct publications;
struct traffic;

/* Returns owned. */
struct publications *publications_create(struct topic *topic);
/* Nothing may be left: what is kept keeps the topic. Accepts NULL. */
void publications_destroy(struct publications *publications);

/* See bus_port.publish(). */
bool publications_add(struct publications *publications, struct slice target,
                      const struct slice *parts, size_t part_count);

/* What comes next comes behind all that was added. */
void publications_flush(struct publications *publications);

/* The turn of the loop ends: flushes all topics of the link. */
void publications_turn(struct link *link);

/* The topic is up: sends what waits. */
void publications_release(struct publications *publications);

/* The topic is no longer up. */
void publications_hold(struct publications *publications);

/* The topic moves, and what waits with it. */
void publications_move(struct publications *publications, struct traffic *from, struct traffic *to);

/* The topic's link is gone for good. */
void publications_give_up(struct publications *publications);
