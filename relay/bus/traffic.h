/*
 * How much a link has to publish, waiting or unanswered, against its bound. Long before that, who
 * publishes is held back: what Redis takes in about a second may be under way, else messages, and the
 * leases behind them, would come late.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct link;
struct traffic;

/* Returns owned. */
struct traffic *traffic_create(struct link *link);
/* Nothing may be left. Accepts NULL. */
void traffic_destroy(struct traffic *traffic);

/* Returns false, and takes nothing, if it would pass the bound. */
bool traffic_take(struct traffic *traffic, size_t bytes);
void traffic_done(struct traffic *traffic, size_t bytes);

/* Redis has answered that much, so long after it was sent. */
void traffic_answered(struct traffic *traffic, size_t bytes, uint64_t delay_ms);

/* Moves to another link, whatever its bound. */
void traffic_move(struct traffic *from, struct traffic *to, size_t bytes);

/* Is who publishes to be held back? When not any more, the meshes are told. */
bool traffic_is_pressed(const struct traffic *traffic);

/* The link is not up any more: nobody is to be held back. */
void traffic_relax(struct traffic *traffic);

bool traffic_none(const struct traffic *traffic);
