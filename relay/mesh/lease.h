/*
 * A lease: this node's claim that it has live connections of a peer.
 *
 * It begins with the first connection that shows presence under the id and ends with the last. It
 * holds the peer's channel subscribed and its key in Redis alive.
 */
#pragma once

#include "mesh/ports.h"

struct lease;

/* What the bus calls. */

/* The peer's channel is subscribed: at the first time, and again after each reconnect. */
void lease_subscribed(struct lease *lease);

/* A parcel came in on the peer's channel. */
void lease_receive(struct lease *lease, struct slice bytes);

enum announce_answer {
	ANNOUNCE_ONLINE,  /* written; the peer was offline before */
	ANNOUNCE_KEPT,    /* written; the peer was online already */
	ANNOUNCE_TAKEN,   /* the id is another owner's */
	ANNOUNCE_SILENT,  /* the peer was not heard for a TTL: nothing written */
	ANNOUNCE_REFUSED, /* Redis answered with an error, being full for instance */
	ANNOUNCE_LOST,    /* the connection broke before the answer */
};
void lease_answered(struct lease *lease, enum announce_answer answer);

/* A refresh found the lease gone from Redis. */
void lease_lost(struct lease *lease);

/*
 * What to announce of the peer after a reconnect. The bytes are good until the next call into the
 * mesh. Returns false if it is not for the bus to announce: unheard for a TTL, or not joined yet.
 * lease_answered() is called only if the answer is ANNOUNCE_TAKEN.
 */
bool lease_restate(struct lease *lease, struct announcement *announcement);

/* What the rest of mesh/ calls. */

struct connection;
struct list;
struct table_entry;

/* Begins a lease of the peer, which has none here; it subscribes and announces `presence` when it can. */
struct lease *lease_create(struct mesh *mesh, struct slice id, struct slice owner,
                           struct blob *presence);

struct lease *lease_of_entry(struct table_entry *entry);
struct slice lease_id(const struct lease *lease);
struct slice lease_owner(const struct lease *lease);

/*
 * Adds a connection by its link; connection_joined() follows, at once if the peer is online already.
 * Removing the last one ends the lease.
 */
void lease_add(struct lease *lease, struct list *connection_link);
void lease_remove(struct lease *lease, struct list *connection_link);

/* Ends a lease that has no connections: Redis is told that they are gone. */
void lease_end(struct lease *lease);

/* A message of the peer came in, now (ms, of the timers). */
void lease_touch(struct lease *lease, uint64_t now);

/* How many of its connections receive. */
size_t lease_seat_count(const struct lease *lease);

/* Announces another presence of the peer. */
void lease_change(struct lease *lease, struct blob *presence);

/* The roster took over what `message` announced, and holds it as `presence`. */
void lease_heard_presence(struct lease *lease, struct blob *presence, struct slice message);

/* This node's announcement came back: the peer is online, its connections join. */
void lease_came_back(struct lease *lease);

/* The mesh was told that the peer is offline. */
void lease_heard_offline(struct lease *lease);

void lease_mesh_loaded(struct lease *lease);
void lease_take_turn(struct list *lease_link);

/* Where in a block of news, which has a number, the peer's own frames are. Nowhere: begin == end. */
void lease_set_own_frames(struct lease *lease, uint64_t block, uint32_t begin, uint32_t end);
void lease_own_frames(const struct lease *lease, uint64_t block, uint32_t *begin, uint32_t *end);
