/*
 * The peers, in groups: who connects where, says what it is alive, comes back after a connection ended,
 * and moves when its node is drained. All they do and hear goes into the journal.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/timers.h"
#include "fault/dice.h"
#include "fault/endpoint.h"
#include "fault/journal.h"
#include "fault/link.h"

#define PEERS_MAX 16384
#define GROUPS_MAX 256
#define NODES_MAX 64
#define MESHES_MAX 256
#define NAME_BYTES_MAX 63
#define VISITS_MAX 2 /* at a time; a peer that moves has two for a moment */

struct node {
	char name[NAME_BYTES_MAX + 1];
	struct endpoint endpoint;
	bool in_rotation; /* "any" node may be this one */
};

struct group {
	char name[NAME_BYTES_MAX + 1];
	uint32_t first, count; /* peers */
	uint32_t mesh;
	int node;                  /* where they connect to; ANY_NODE */
	bool comes_back, any_node; /* after a connection ended; to any node in rotation */
	uint64_t back_least_ms, back_most_ms; /* so long after it */
	bool moves;                           /* when told that its node goes away */
	bool beats_presence;                  /* the sign of life is the whole presence */
	uint64_t beat_ms;                     /* 0 = none */
	uint64_t read_bytes_per_second;
	unsigned receive_buffer_bytes;
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
	bool refused;     /* its presence was answered by an error */
	bool upgraded, joined;
	struct timer again; /* to say hello, after it was refused */
	uint8_t *sees;      /* a bit per peer that it believes to be online */
	uint32_t seen;
};

struct peer {
	uint32_t number;
	struct group *group;
	struct visit *visits[VISITS_MAX];
	uint16_t visit_count; /* ever */
	uint32_t sent;        /* the last sequence number */
	bool wanted;          /* it is to be connected */
	struct timer connect, move, beat;
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

/* The connection to say something on, or NULL. */
struct visit *peer_voice(const struct peer *peer);

/* Writes a record of something that is not of one connection. */
void peer_note(struct peer *peer, enum record_kind kind, uint32_t other, uint32_t number);

/* Sends on that connection, with the next sequence number. To a peer, or to all if `to` is NULL. */
void peer_send(struct peer *peer, const struct peer *to, size_t fill_bytes);

void peer_leave(struct peer *peer);  /* says that it is offline; stays connected */
void peer_close(struct peer *peer);  /* the polite way */
void peer_reset(struct peer *peer);  /* by TCP resets */
void peer_vanish(struct peer *peer); /* silent and deaf, the sockets open */
void peer_beat(struct peer *peer);   /* after the group's interval changed */
