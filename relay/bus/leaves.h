/*
 * "The node's last connection of this peer is gone": owed to Redis until it has answered, also over
 * outages, unless the peer comes back here or its lease has lapsed anyway.
 */
#pragma once

#include <stdbool.h>

#include "common/text.h"

struct inbox;
struct leaves;
struct shared;
struct topic;

/* Returns owned. */
struct leaves *leaves_create(struct shared *shared);
/* No call may be under way. Accepts NULL. */
void leaves_destroy(struct leaves *leaves);

/* The inbox was closed. */
void leaves_add(struct leaves *leaves, struct inbox *inbox);

/* The peer whose key this is came back. */
void leaves_forget(struct leaves *leaves, struct slice key);

/* The topic has recovered: sends what is owed from before. */
void leaves_repeat(struct topic *topic);

bool leaves_none(const struct leaves *leaves);
