/*
 * A world around one hub: a clock that the test moves, sockets that remember what they were sent,
 * and a bus that plays Redis and the other nodes.
 *
 * What the hub asks of the bus is done in order when the test calls world_settle(), as the loop and
 * Redis would.
 */
#pragma once

#include "common/buffer.h"
#include "mesh/connection.h"
#include "mesh/hub.h"
#include "mesh/lease.h"

#define WORLD_NODE 1
#define WORLD_OTHER_NODE 2
#define WORLD_TTL_MS 30000

struct socket {
	struct connection *connection;
	struct buffer sent; /* messages since world_sent(), each followed by a newline */
	unsigned closed;    /* the close code, 0 = open */
	bool reading;
	size_t backlog;
};

struct world {
	struct hub *hub;
	struct timers *timers;
	struct buffer
		published; /* "CHANNEL message\n" since world_published(); the broadcast channel is "*" */
	unsigned announced; /* calls since the start */
	unsigned refreshed;
	unsigned left;
	unsigned checked;
	uint64_t refreshed_heard_ms; /* of the latest refresh */
	enum announce_answer answer; /* to announces; anything but ONLINE: nothing comes back */
	bool mute;                   /* announces are answered, but no event comes back */
	bool queue_full;
	const char *nobody;   /* publishing to this peer reaches nobody */
	struct slice missing; /* check() finds this peer missing */
};

/* The settings that world_create() starts from. */
struct hub_settings world_settings(void);

struct world *world_create(const struct hub_settings *settings);
void world_destroy(struct world *world);

void world_settle(struct world *world);

/* Moves the clock, firing what becomes due on the way. */
void world_pass(struct world *world, uint64_t ms);
uint64_t world_now(void);

struct socket *world_connect(struct world *world);
struct socket *world_connect_as(struct world *world, const char *owner);
void world_disconnect(struct socket *socket);

void world_say(struct world *world, struct socket *socket, const char *message);

/* Connects and joins as that peer; what it was sent so far is forgotten. */
struct socket *world_join(struct world *world, const char *id);

/* Returns what was sent and forgets it. Good until the next call of the same function. */
const char *world_sent(struct socket *socket);
const char *world_published(struct world *world);

/* Events of another node, in the mesh "default", which must be open. */
void world_other_presence(struct world *world, const char *id, const char *message);
void world_other_offline(struct world *world, const char *ids);
void world_other_broadcast(struct world *world, const char *from, const char *message);
void world_other_direct(struct world *world, const char *target, const char *from,
                        const char *message);

/* The bus went away and came back: everything is subscribed and loaded again. */
void world_reconnect(struct world *world);
/* The mesh that is open. */
struct mesh *world_mesh(struct world *world);
