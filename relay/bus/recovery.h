/*
 * From a link that can be used to a topic that is up: its channels are subscribed, the peers that
 * this node holds are announced, what they left is told.
 */
#pragma once

#include <stdbool.h>

struct recovery;
struct topic;

/* Returns owned. */
struct recovery *recovery_create(struct topic *topic);
/* Accepts NULL. */
void recovery_destroy(struct recovery *recovery);

/*
 * All subscriptions of the topic have been asked for. `moved`: from another link, so that the
 * other nodes have to come here as well.
 */
void recovery_start(struct recovery *recovery, bool moved);

/* The session is over, or the topic moves. */
void recovery_stop(struct recovery *recovery);

/* The peers are announced, and what comes after them may be sent. */
bool recovery_is_announced(const struct recovery *recovery);
