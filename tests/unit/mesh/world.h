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
	uint64_t announced_heard_ms; /* of the latest announce */
	enum announce_answer answer; /* to announces; anything but ONLINE: nothing comes back */
	bool mute;                   /* announces are answered, but no event comes back */
	bool queue_full;
	bool pressed;
	enum bus_state state;
	enum authorized authorized; /* what a token is good for */
	const char *nobody;         /* publishing to this peer reaches nobody */
	struct slice missing;       /* check() finds this peer missing */
};

/* The one that the test is in: made and ended by these, as cmocka's set-up and tear-down. */
extern struct world *world;
int world_set_up(void **state);
int world_tear_down(void **state);
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_set_up, world_tear_down)

/* Makes it anew, with settings that the function changed. */
void world_set_up_with(void (*change)(struct hub_settings *settings));

void world_settle(void);

/* Moves the clock, firing what becomes due on the way. */
void world_pass(uint64_t ms);
uint64_t world_now(void);

struct socket *world_connect(void);
struct socket *world_connect_as(const char *owner);
void world_disconnect(struct socket *socket);

void world_say(struct socket *socket, const char *message);

/* Connects and joins as that peer; what it was sent so far is forgotten. */
struct socket *world_join(const char *id);

/* Returns what was sent and forgets it. Good until the next call of the same function. */
const char *world_sent(struct socket *socket);
const char *world_published(void);

/* The token that the edge was shown last. */
const char *world_token(void);

/* Events of another node, in the mesh "default", which must be open. */
void world_other_presence(const char *id, const char *message);
/* Twice in one parcel, with the peer "between" in between. */
void world_other_presence_twice(const char *id, const char *first, const char *second);
void world_other_offline(const char *ids);
void world_other_broadcast(const char *from, const char *message);
void world_other_direct(const char *target, const char *from, const char *message);

/*
 * What `node` published in one turn: "FROM MESSAGE" each, up to a NULL. `target` NULL: to all. What has
 * no FROM is put in as it is, and is no parcel.
 */
void world_bundle(uint64_t node, const char *target, const char *const *messages);

/* The bus went away and came back: everything is subscribed and loaded again. */
void world_reconnect(void);
/* The mesh that is open. */
struct mesh *world_mesh(void);

/* Is the channel of the peer subscribed? */
bool world_listens(const char *id);
