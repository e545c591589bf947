/*
 * What the mesh announces of its peers. Announces of one mesh that come in the same turn of the
 * loop share a call; none waits longer than that.
 */
#pragma once

#include "common/list.h"
#include "mesh/ports.h"

struct announces;
struct link;

/* Returns owned. */
struct announces *announces_create(struct topic *topic);
/* Accepts NULL. */
void announces_destroy(struct announces *announces);

void announces_add(struct announces *announces, struct inbox *inbox,
                   const struct announcement *announcement);

/* The topic has moved to another link. */
void announces_move(struct announces *announces);

/* Sends what was added, if the session is ready: before something that must come after it. */
void announces_flush(struct announces *announces);

/* At the end of a turn: sends what was added in all meshes, or answers that it is lost. */
void announces_turn(struct link *link);
