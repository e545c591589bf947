/*
 * What the mesh asks of the world outside.
 *
 * The mesh decides; sockets and Redis are other folders' business. These two tables of functions are
 * all that it knows of them: relay/edge fills in the first, relay/bus the second, and the unit tests
 * fill in both with fakes. None of the functions calls back into the mesh before it returns.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/blob.h"
#include "common/text.h"

struct mesh;
struct lease;
struct timers;

/* Close codes (RFC 6455 section 7.4, and the protocol's own above 4000). */
enum close_code {
	CLOSE_GOING_AWAY = 1001,
	CLOSE_BINARY = 1003,
	CLOSE_NOT_UTF8 = 1007,
	CLOSE_POLICY = 1008,
	CLOSE_TOO_LARGE = 1009,
	CLOSE_RESTARTING = 1012,
	CLOSE_TRY_AGAIN = 1013,
	CLOSE_UNAUTHORIZED = 4401,
	CLOSE_FORBIDDEN = 4403,
	CLOSE_HEARTBEAT = 4408,
	CLOSE_TOO_SLOW = 4413,
	CLOSE_FLOODING = 4429,
};

struct socket; /* the edge's */

#define AUTH_TOKEN_BYTES_MAX 8192

/* What a fresh token does for a socket that came with another one. */
enum authorized {
	AUTHORIZED,
	AUTHORIZED_NOT,         /* no good token, or not for this mesh */
	AUTHORIZED_OTHER,       /* good, but somebody else's */
	AUTHORIZED_LATER,       /* its issuer's keys can't be had now */
	AUTHORIZED_TOO_OFTEN,   /* not looked at */
	AUTHORIZED_WITHOUT_ANY, /* this relay does without tokens */
};

struct edge_port {
	/*
	 * Queues frames->bytes[begin..end), whole WebSocket frames, for the socket; the edge takes a
	 * reference of its own. Returns false, and takes nothing, if the socket's outbox would pass its
	 * bound (the edge then closes it with 4413 by itself) or if it is closing. `exempt` bytes do
	 * not count: a roster, whose bytes are shared, must reach also who has a small outbox.
	 */
	bool (*send)(struct socket *socket, struct blob *frames, uint32_t begin, uint32_t end,
	             bool exempt);

	/* Bytes queued and not yet written, exempt ones included. */
	size_t (*backlog)(const struct socket *socket);

	/* Begins the closing handshake; `reason` is a literal of at most 123 bytes. The mesh hears
	 * nothing more of the socket but connection_destroy(), which comes later, never within this call. */
	void (*close)(struct socket *socket, enum close_code code, const char *reason);

	/* Stops or resumes the calls of connection_receive(); TCP holds the sender back meanwhile. */
	void (*read)(struct socket *socket, bool on);

	/*
	 * Looks at a fresh token, of at most AUTH_TOKEN_BYTES_MAX; if it is a good one of the same
	 * owner, the socket may stay until *expires_ms (unix time). Never keeps or logs the token.
	 */
	enum authorized (*authorize)(struct socket *socket, struct slice token,
	                             uint64_t *expires_ms);
};

struct bus;
struct topic; /* the bus's: a mesh in which this node has connections */
struct inbox; /* the bus's: a peer of which this node has connections */

enum bus_state {
	BUS_IDLE,       /* not wanted yet */
	BUS_DOWN,       /* no Redis; connecting */
	BUS_RECOVERING, /* connected; subscribing, announcing again, loading rosters */
	BUS_UP,
};

/* What a node says of a peer that it holds. Slices are borrowed for the call. */
struct announcement {
	struct slice message; /* the presence message */
	struct slice owner;   /* empty without authentication */
	uint64_t heard_ms;    /* clock_mono_ms() of the peer's last message here */
	bool loud;            /* tell the mesh; else only keep it in Redis (after an outage) */
	bool fresh;           /* the peer said it just now; else another node may know better */
};

/* Why a message did not reach, or may not have reached, anybody. */
enum unpublished {
	UNPUBLISHED_NOBODY,   /* nobody subscribes the target's channel */
	UNPUBLISHED_NOT_SENT, /* the bus is down, or its queue is full: surely not delivered */
	UNPUBLISHED_UNKNOWN,  /* sent, but the connection broke before the answer */
};

/* Asked of a mesh's index in Redis. `ids` is NULL if Redis did not answer in time. */
typedef void bus_list_done(void *context, const struct slice *ids, size_t count);

struct bus_port {
	/* This node's id, made at the first topic_open(); 0 before. */
	uint64_t (*node)(const struct bus *bus);
	/* On a Cluster: the best of all shards. */
	enum bus_state (*state)(const struct bus *bus);

	/*
	 * Subscribes the mesh's broadcast channel, loads the roster and keeps both up over reconnects,
	 * looks for lapsed leases in the mesh's index: until topic_close(). Calls mesh_...() of `owner`.
	 * `mesh` is borrowed until topic_close(). All inboxes are closed before the topic.
	 */
	struct topic *(*topic_open)(struct bus *bus, struct slice mesh, struct mesh *owner);
	void (*topic_close)(struct topic *topic);

	/*
	 * Is so much on its way to Redis that who publishes there must be held back? When it is not
	 * any more, mesh_relieved() follows.
	 */
	bool (*topic_is_pressed)(const struct topic *topic);

	/*
	 * Subscribes the peer's channel and keeps it subscribed over reconnects, until inbox_close().
	 * Calls lease_...() of `owner`. `peer` is borrowed until inbox_close(). With `leave` Redis is
	 * told, now or after an outage, that the node's last connection of the peer is gone.
	 */
	struct inbox *(*inbox_open)(struct topic *topic, struct slice peer, struct lease *owner);
	void (*inbox_close)(struct inbox *inbox, bool leave);

	/*
	 * Unsubscribes the peer's channel before the inbox is closed, so that Redis answers who sends
	 * there that nobody hears it; or subscribes it again: lease_subscribed() follows.
	 */
	void (*inbox_listen)(struct inbox *inbox, bool on);

	/* Announces the peer; lease_answered() follows, also when it fails. Only while subscribed. */
	void (*announce)(struct inbox *inbox, const struct announcement *announcement);

	/* Moves the lease's end to `heard_ms` + TTL; gathered for up to 100 ms. lease_lost() may follow.
	 * While the bus is down it does nothing: recovery announces all. */
	void (*refresh)(struct inbox *inbox, uint64_t heard_ms);

	/*
	 * Publishes the parts, joined a parcel of the kind PARCEL_MESSAGE, on the channel of the peer
	 * `target`, or on the broadcast channel if it is absent; what follows one another there in a
	 * turn of the loop arrives as a PARCEL_BUNDLE. Returns false if the queue is full.
	 * mesh_unpublished() follows if it does not get through.
	 */
	bool (*publish)(struct topic *topic, struct slice target, const struct slice *parts,
	                size_t part_count);

	/* Asks Redis whether the peer is online; mesh_peer_missing() follows if not. */
	void (*check)(struct topic *topic, struct slice peer);

	/* Lists the ids in the index of any mesh; `done` follows within `timeout_ms`. */
	void (*list)(struct bus *bus, struct slice mesh, uint64_t timeout_ms, bus_list_done *done,
	             void *context);
};

struct hub_settings;
struct counters;

/* What all parts of the mesh share; borrowed from the hub. */
struct ports {
	const struct hub_settings *settings;
	struct counters *counters;
	struct timers *timers;
	const struct edge_port *edge;
	const struct bus_port *bus_port;
	struct bus *bus;
};
