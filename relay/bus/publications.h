/*
 * What the node publishes, in one order, each parcel kept until Redis has answered.
 *
 * While the link is up it is sent at once. Else it waits, for a few seconds at most, and leaves in
 * order when the link is up again. What was sent and not answered when a session ended is never
 * sent again: it may have arrived. Both together have a bound.
 */
#pragma once

#include "mesh/ports.h"

struct link;
struct publications;

/* Returns owned. */
struct publications *publications_create(struct link *link);
/* The session must be gone. Accepts NULL. */
void publications_destroy(struct publications *publications);

/* See bus_port.publish(). */
bool publications_add(struct publications *publications, struct topic *topic, struct slice target,
                      const struct slice *parts, size_t part_count, uint32_t connection);

/* The link is up: sends what waits. */
void publications_release(struct publications *publications);

/* The link is no longer up. */
void publications_hold(struct publications *publications);

/* At the end of a turn: tells the hub if there is too much. */
void publications_turn(struct publications *publications);

bool publications_none(const struct publications *publications);
