/*
 * From two connections to a link that is up: the scripts, the subscriptions, the peers that this
 * node holds, the rosters, and last what waits to be published.
 */
#pragma once

#include <stdbool.h>

struct link;
struct recovery;

/* Returns owned. */
struct recovery *recovery_create(struct link *link);
/* Accepts NULL. */
void recovery_destroy(struct recovery *recovery);

/* Both connections are greeted. */
void recovery_start(struct recovery *recovery);
void recovery_scripts_loaded(struct recovery *recovery);
void recovery_subscribed(struct recovery *recovery);

/* The session is over; all callbacks were called. */
void recovery_stop(struct recovery *recovery);

/* This node's peers are announced again. */
bool recovery_is_announced(const struct recovery *recovery);

/* All is done. */
bool recovery_is_done(const struct recovery *recovery);
