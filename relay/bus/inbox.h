/*
 * A peer of which this node has connections: its channel, and its key in Redis.
 *
 * Counted, like topics.
 */
#pragma once

#include "mesh/ports.h"

struct list;

/* See bus_port. */
struct inbox *inbox_open(struct topic *topic, struct slice peer, struct lease *owner);
void inbox_close(struct inbox *inbox, bool leave);
void inbox_listen(struct inbox *inbox, bool on);

/*
 * Whether its peer came online in Redis, or may have, without the mesh being told: an announcement
 * without an event was answered so, or not at all.
 */
void inbox_set_untold(struct inbox *inbox, bool untold);
bool inbox_is_untold(const struct inbox *inbox);

/* The topic has moved to another link. */
void inbox_moved(struct inbox *inbox);

struct inbox *inbox_ref(struct inbox *inbox);
void inbox_unref(struct inbox *inbox);

struct topic *inbox_topic(const struct inbox *inbox);
struct lease *inbox_owner(const struct inbox *inbox); /* NULL: closed */
struct slice inbox_key(const struct inbox *inbox);
struct slice inbox_peer(const struct inbox *inbox);

/* The next inbox of topic_inboxes(); NULL begins. */
struct inbox *inbox_next(struct list *inboxes, struct inbox *previous);
