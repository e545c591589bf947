/*
 * How much a link has to publish, waiting or unanswered, against its bound. Above the high mark who
 * publishes is held back until it is below the low one.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct link;
struct traffic;

/* Returns owned. */
struct traffic *traffic_create(struct link *link);
/* Nothing may be left. Accepts NULL. */
void traffic_destroy(struct traffic *traffic);

/* Returns false, and takes nothing, if it would pass the bound. */
bool traffic_take(struct traffic *traffic, size_t bytes);
void traffic_done(struct traffic *traffic, size_t bytes);

/* Moves to another link, whatever its bound. */
void traffic_move(struct traffic *from, struct traffic *to, size_t bytes);

/* At the end of a turn: holds the meshes back if there is too much. */
void traffic_turn(struct traffic *traffic);

/* Lets them go, if the low mark is reached or the link is not up. */
void traffic_relax(struct traffic *traffic);

bool traffic_none(const struct traffic *traffic);
