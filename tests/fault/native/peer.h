/*
 * The peers, in groups: who connects where, says what it is alive, comes back after a connection ended,
 * and moves when its node is drained. All they do and hear goes into the journal.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/timers.h"
#include "dice.h"
#include "endpoint.h"
#include "journal.h"
#include "link.h"

#define PEERS_MAX 16384
#define GROUPS_MAX 512
#define NODES_MAX 512
#define MESHES_MAX 256
#define NAME_BYTES_MAX 63
#define VISITS_MAX LANES /* at a time: two tabs, both of which may be on the move */

struct node {
	char name[NAME_BYTES_MAX + 1];
	struct endpoint endpoint;
	bool in_rotation; /* "any" node may be this one */
	bool in_trouble;  /* peers connected to it are away, for the judge */
};

struct group {
	char name[NAME_BYTES_MAX + 1];
	uint32_t first, count; /* peers */
	uint32_t mesh;
	int node;                  /* where they connect to; ANY_NODE */
	bool two_tabs;             /* two connections, */
	int tab_node;              /* of which the other goes there */
	bool comes_back, any_node; /* after a connection ended; to any node in rotation */
	uint64_t back_least_ms, back_most_ms; /* so long after it */
	bool away;                            /* for the judge */
	bool moves;                           /* when told that its node goes away */
	bool beats_presence;                  /* the sign of life is the whole presence */
	uint64_t beat_ms;                     /* 0 = none */
	uint64_t read_bytes_per_second;
	unsigned receive_buffer_bytes;
	char *tokens; /* a line each; NULL: none is shown */
	size_t token_count;
};

#define ANY_NODE (-1)

/* One connection of a peer, from when it is opened. */
struct visit {
	struct peer *peer;
	struct link *link;
	uint16_t number;
	int node;
	uint64_t opened_us;
	unsigned answers; /* to capabilities */
	uint32_t version; /* of what it announced last */
	bool refused;     /* its presence was answered by an error */
	bool upgraded, joined;
	bool closing;       /* by its own will */
	bool is_tab;        /* the other connection of two */
	bool takes_over;    /* from one of the same kind, which is closed when this has joined */
	bool is_left;       /* for one that took over, when the last that was sent here is heard */
	struct timer again; /* to say hello, after it was refused */
	struct timer move;
	uint32_t *sees; /* by peer: 0 = offline, as far as it knows, else 1 + the version heard */
	uint32_t seen;
};

struct peer {
	uint32_t number;
	struct group *group;
	struct visit *visits[VISITS_MAX]; /* by lane */
	uint16_t visit_count;             /* ever */
	uint32_t sent;                    /* the last sequence number */
	uint32_t version;                 /* of what it announces */
	bool wanted;                      /* it is to be connected */
	bool away; /* noted so: its group is, or it is connected to a node in trouble */
	struct timer connect, beat;
	uint32_t counts[RECORD_KIND_COUNT];
};

extern struct peer *peers[PEERS_MAX];
extern uint32_t peer_count;
extern struct node nodes[NODES_MAX];
extern struct group groups[GROUPS_MAX];
extern size_t group_count, node_count;
extern struct dice dice;

/* Where the records go. */
void journal_open(const char *path);
void journal_flush(void);

/* Returns the index, -1 if the table is full. */
int mesh_add(const char *name);

/* Adds a peer to the end of the last group. */
void peer_add(struct group *group);

/* Connects after a time, and from now on by the policy of its group. */
void peer_want(struct peer *peer, uint64_t delay_ms);

/* The connection to say the next thing on: one of those that have joined in turn, or NULL. */
struct visit *peer_voice(const struct peer *peer);

/* Sends on that connection, with the next sequence number. To a peer, or to all if `to` is NULL. */
void peer_send(struct peer *peer, const struct peer *to, size_t fill_bytes);

void peer_change(struct peer *peer); /* announces something new */
void peer_move(struct peer *peer);   /* to another node, without a gap */
void peer_away(struct peer *peer);   /* notes whether it is, after that may have changed */
void peer_leave(struct peer *peer);  /* says that it is offline; stays connected */
void peer_close(struct peer *peer);  /* the polite way */
void peer_reset(struct peer *peer);  /* by TCP resets */
void peer_vanish(struct peer *peer); /* silent and deaf, the sockets open */
void peer_beat(struct peer *peer);   /* after the group's interval changed */

/* Notes that all were away since then: this process stood still, and nobody gave a sign of life. */
void peers_stood_still(uint64_t since_us);
