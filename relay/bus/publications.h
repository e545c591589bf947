/*
 * What is published in a mesh, in one order, each parcel kept until Redis has answered.
 *
 * While the topic is up it is sent at once. Else it waits, for a few seconds at most, and leaves in
 * order when the topic is up again. What was sent and not answered when a session ended is never
 * sent again: it may have arrived. What a shard refused because the mesh has moved to another was
 * surely not published: it takes its place in the queue again.
 */
#pragma once

#include "mesh/ports.h"

struct publications;
struct traffic;

/* Returns owned. */
struct publications *publications_create(struct topic *topic);
/* Nothing may be left: what is kept keeps the topic. Accepts NULL. */
void publications_destroy(struct publications *publications);

/* See bus_port.publish(). */
bool publications_add(struct publications *publications, struct slice target,
                      const struct slice *parts, size_t part_count, uint32_t connection);

/* The topic is up: sends what waits. */
void publications_release(struct publications *publications);

/* The topic is no longer up. */
void publications_hold(struct publications *publications);

/* The topic moves, and what waits with it. */
void publications_move(struct publications *publications, struct traffic *from, struct traffic *to);

/* The topic's link is gone for good. */
void publications_give_up(struct publications *publications);
