/*
 * A mesh: one namespace of peers, as far as this node has connections in it.
 */
#pragma once

#include "mesh/ports.h"

struct mesh;

/* What the bus calls. */

/* A parcel came in on the broadcast channel. */
void mesh_receive(struct mesh *mesh, struct slice bytes);

/*
 * The roster as Redis has it: begin, a call for each peer, end. Begins once the broadcast channel is
 * subscribed; events that come in between win over the snapshot. `presence` may be absent if
 * mesh_knows() the peer. The bus repeats it after each reconnect (`after_loss`: messages may have been
 * missed) and every few minutes.
 */
void mesh_load_begin(struct mesh *mesh);
void mesh_load_peer(struct mesh *mesh, struct slice id, struct slice presence, uint64_t seen_ms);
void mesh_load_end(struct mesh *mesh, bool after_loss);
bool mesh_knows(const struct mesh *mesh, struct slice id);

/* The bus has room again: reads from all that were held back. */
void mesh_relieved(struct mesh *mesh);

/* bus_port.check() found that the peer is not online. */
void mesh_peer_missing(struct mesh *mesh, struct slice id);

/* A publish did not get through. `bytes` is the parcel that was published, borrowed. */
void mesh_unpublished(struct mesh *mesh, struct slice target, struct slice bytes,
                      enum unpublished why);

/* For the spread of loads and looks: peers known here. */
size_t mesh_peer_count(const struct mesh *mesh);

/* What the rest of mesh/ calls. */

struct connection;
struct hub;
struct list;
struct roster;
struct seats;
struct table_entry;

/* Returns owned. */
struct mesh *mesh_create(struct hub *hub, struct slice name);
/* Its connections must be gone. */
void mesh_destroy(struct mesh *mesh);

struct slice mesh_name(const struct mesh *mesh);
struct table_entry *mesh_entry(struct mesh *mesh);
struct mesh *mesh_of_entry(struct table_entry *entry);
struct hub *mesh_hub(const struct mesh *mesh);
struct roster *mesh_roster(const struct mesh *mesh);
struct seats *mesh_seats(const struct mesh *mesh);
struct topic *mesh_topic(const struct mesh *mesh);
/* What could be echoed; NULL until something could. */
const struct echo *mesh_echo(const struct mesh *mesh);

/* While true, connections that publish are to be held back, with mesh_hold_back(). */
bool mesh_is_pressed(const struct mesh *mesh);
void mesh_hold_back(struct mesh *mesh, struct list *connection_link);

/* Is the roster loaded? If not, mesh_load_end() calls lease_mesh_loaded() of each lease. */
bool mesh_is_loaded(const struct mesh *mesh);

/* Connections of the mesh, joined or not, keep it alive. */
void mesh_attach(struct mesh *mesh);
void mesh_detach(struct mesh *mesh);

/* Leases keep the topic open. */
void mesh_add_lease(struct mesh *mesh, struct table_entry *entry, struct slice id);
void mesh_remove_lease(struct mesh *mesh, struct table_entry *entry);
struct lease *mesh_lease(const struct mesh *mesh, struct slice id);
