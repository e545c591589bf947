/*
 * A mesh in which this node has connections: its channels, its leases, and what has to be done for
 * them on the link where it lives.
 *
 * It is counted: calls to Redis that are under way and leaves that are owed keep it, also after it
 * was closed.
 */
#pragma once

#include "mesh/ports.h"

struct link;

/* See bus_port. */
struct topic *topic_open(struct link *link, struct slice mesh, struct mesh *owner);
void topic_close(struct topic *topic);
bool topic_is_pressed(const struct topic *topic);

struct topic *topic_ref(struct topic *topic);
void topic_unref(struct topic *topic);

struct link *topic_link(const struct topic *topic);
struct mesh *topic_owner(const struct topic *topic); /* NULL: closed */
unsigned topic_slot(const struct topic *topic);      /* of a Cluster */
struct slice topic_mesh(const struct topic *topic);
struct slice topic_index(const struct topic *topic);
struct slice topic_broadcast(const struct topic *topic);
struct slice topic_peer_start(const struct topic *topic); /* of the names of the peers' channels */
struct list *topic_inboxes(struct topic *topic);
struct list *topic_leaves(struct topic *topic); /* owed: see leaves.c */
struct announces *topic_announces(struct topic *topic);
struct refreshes *topic_refreshes(struct topic *topic);
struct publications *topic_publications(struct topic *topic);

/* Its peers are announced in this session: what comes after that may be sent. */
bool topic_is_announced(const struct topic *topic);

/* Nodes in this mesh, as last told by Redis; at least 1. */
uint64_t topic_nodes(const struct topic *topic);
void topic_set_nodes(struct topic *topic, uint64_t nodes);

/* When this node came to where the topic lives. */
uint64_t topic_since_ms(const struct topic *topic);

/* Messages may have been missed since the roster was loaded last; loading it takes this away. */
bool topic_missed(const struct topic *topic);
void topic_loaded(struct topic *topic);

/* For each topic of a link, also if it is gone afterwards, or lives elsewhere. */
void topics_each(struct link *link, void (*act)(struct topic *topic));

/* The link can be used, and is asked for what the topic holds: begins its recovery. */
void topic_begin(struct topic *topic);

/* Its recovery is done: loads the roster, begins to sweep. */
void topic_recovered(struct topic *topic);

/* The session is over. */
void topic_lost(struct topic *topic);

/* The link will not come back: nor does what waits to be published. */
void topic_give_up(struct topic *topic);

/*
 * One of its subscriptions has ended by itself, as all do in a slot that goes elsewhere: asks where
 * to, and it is to be moved, even if the answer is that it is here (again).
 */
void topic_dropped(struct topic *topic);
bool topic_is_dropped(const struct topic *topic);

/* It lives on another link now, or anew on its own. Not from within an answer to a call. */
void topic_move(struct topic *topic, struct link *link);
