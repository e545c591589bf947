/*
 * All that a node knows: its meshes, and the limits that hold for each of their connections.
 *
 * The hub has no state that outlives its connections. It lives in one thread, calls outward only
 * through the ports, and takes its time from the timers.
 */
#pragma once

#include "common/timers.h"
#include "mesh/ports.h"

struct connection;
struct hub;

struct hub_settings {
	uint64_t ttl_ms;             /* without a message for this long a peer is offline */
	uint64_t join_ms_max;        /* a connection that has not joined by then is closed */
	uint64_t presence_repeat_ms; /* 0 = never */
	uint64_t echo_window_ms;     /* 0 = no echo guard */
	uint64_t mesh_peers_max;
	uint64_t agents_max;          /* per peer */
	uint64_t message_bytes_max;   /* only told to clients; the edge enforces it */
	uint64_t outbox_bytes_max;    /* of the edge: what is larger can't be sent to anybody */
	uint64_t messages_per_second; /* per connection, 0 = no limit */
	uint64_t bytes_per_second;    /* per connection, 0 = no limit */
	uint64_t joins_in_flight_max; /* announces of newcomers awaiting their answer */
	uint64_t joins_waiting_max;   /* further ones waiting for their turn */
	bool replies_to_target;       /* --replies to */
	bool from_announced;          /* --from announced */
	bool liveness_pongs;          /* --liveness pongs */
	const char *drop_types;       /* separated by spaces; borrowed */
	const char *version;          /* borrowed */
};

/* Returns owned. Borrows everything for its life. */
struct hub *hub_create(const struct hub_settings *settings, struct timers *timers,
                       const struct edge_port *edge, const struct bus_port *bus_port,
                       struct bus *bus);

/* All connections must be gone. Accepts NULL. */
void hub_destroy(struct hub *hub);

/* From now on leases are kept for 3 s after their last connection, so that peers may move to another node unnoticed. */
void hub_drain(struct hub *hub);

/* True when nothing is left to tell Redis: no lease, no connection. For the end of a drain. */
bool hub_is_empty(const struct hub *hub);

/* Can this node serve newcomers? If not, says why in *reason (a literal). For /readyz. */
bool hub_is_ready(const struct hub *hub, const char **reason);

/* A socket was upgraded. Returns the mesh's side of it; the edge ends it by connection_destroy(). `mesh`: name_is_mesh(). */
struct connection *hub_connect(struct hub *hub, struct slice mesh, struct slice owner,
                               struct socket *socket);

/* Lists a mesh's peers, whether or not this node has connections there. See ports.h. */
void hub_list(struct hub *hub, struct slice mesh, uint64_t timeout_ms, bus_list_done *done,
              void *context);

/* What the rest of mesh/ calls. */

const struct ports *hub_ports(const struct hub *hub);
struct routing *hub_routing(const struct hub *hub);

/* Returns the connection of that number, or NULL. */
struct connection *hub_connection(const struct hub *hub, uint32_t number);
void hub_forget(struct hub *hub, struct connection *connection);

/* The mesh has neither connections nor a topic any more. */
void hub_forget_mesh(struct hub *hub, struct mesh *mesh);

bool hub_is_draining(const struct hub *hub);

struct list;

/*
 * Turns: so many leases may be announcing for the first time at once. Takes a turn and returns true;
 * or queues the lease for one (lease_take_turn() follows) and returns true; or returns false because
 * too many are waiting.
 */
bool hub_ask_turn(struct hub *hub, struct list *lease_link, bool *now);
void hub_end_turn(struct hub *hub);
void hub_leave_queue(struct hub *hub, struct list *lease_link);

/* Leases count for hub_is_empty(). */
void hub_count_lease(struct hub *hub, bool more);
