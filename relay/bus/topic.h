/*
 * A mesh in which this node has connections: its broadcast channel, and what has to be done for it.
 *
 * It is counted: calls to Redis that are under way keep it, also after it was closed.
 */
#pragma once

#include "mesh/ports.h"

struct link;

/* See bus_port. */
struct topic *topic_open(struct link *link, struct slice mesh, struct mesh *owner);
void topic_close(struct topic *topic);

struct topic *topic_ref(struct topic *topic);
void topic_unref(struct topic *topic);

struct link *topic_link(const struct topic *topic);
struct mesh *topic_owner(const struct topic *topic); /* NULL: closed */
struct slice topic_mesh(const struct topic *topic);
struct slice topic_index(const struct topic *topic);
struct slice topic_broadcast(const struct topic *topic);
struct slice topic_peer_start(const struct topic *topic); /* of the names of the peers' channels */
struct list *topic_inboxes(struct topic *topic);
struct announces *topic_announces(struct topic *topic);
struct refreshes *topic_refreshes(struct topic *topic);

/* Nodes in this mesh, as last told by Redis; at least 1. */
uint64_t topic_nodes(const struct topic *topic);
void topic_set_nodes(struct topic *topic, uint64_t nodes);

/* The next topic of a link; NULL begins. */
struct topic *topic_next(struct link *link, struct topic *previous);

/* The peers of this node are announced again: loads the rosters, begins to sweep. */
void topics_recovered(struct link *link);
/* The session is over. */
void topics_lost(struct link *link);
