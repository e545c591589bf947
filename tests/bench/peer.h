/*
 * Who takes part in a scenario: connections to the servers, each a peer with a number, of which its
 * name there is made.
 *
 * What a server does wrong is counted and told once of each kind. A server of ours may do nothing
 * wrong: the program ends then, for a figure measured on broken traffic is worth nothing.
 */
#pragma once

#include "bench/scenario.h"
#include "common/buffer.h"

enum peer_kind {
	PEER_LISTENER, /* hears what is said to all */
	PEER_SPEAKER,  /* says it; with some servers it can't but hear the other speakers */
	PEER_PARTNER,  /* has an address, and speaks to the partner, whose number is its own ^ 1 */
};

#define NAME_BYTES 32

struct peer;
typedef void peer_message(struct peer *peer, struct slice message);

struct peer {
	struct crowd *crowd;
	struct client *client;
	peer_message *message; /* called with each message of another peer, and maybe with others */
	enum peer_kind kind;
	size_t number;
	bool ready; /* has been let in: hears what is said from now on */
	char name[NAME_BYTES];
	char partner[NAME_BYTES]; /* the name of the peer that it speaks to, if it is one */
	struct buffer unread;     /* the speech's: the begin of what is still to come */
};

/* All peers of a run, and what the servers did wrong. */
struct crowd {
	const struct bench *bench;
	struct net *net;
	struct buffer scratch; /* the speech's, for the message that it makes */
	char everybody[16];    /* the name of all peers together; a new one for each run */
	size_t opened, ready, lost;
	bool settled; /* everybody hears everybody: from now on an error is one */
	uint64_t gaps, duplicates, errors;
};

void crowd_init(struct crowd *crowd, const struct bench *bench);

/* Disconnects all peers. Their own memory is the scenario's; peer_fini() frees what is in them. */
void crowd_fini(struct crowd *crowd);

/* Writes the name that the peer of that number has, or will have. */
void crowd_name(const struct crowd *crowd, size_t number, char name[NAME_BYTES]);

/* Waits until at most `waiting_max` of the peers opened are not let in yet, 60 s at most. */
void crowd_wait(struct crowd *crowd, size_t waiting_max);

/* Counts in one of the crowd's three counters what the servers did wrong. */
void crowd_fault(struct crowd *crowd, uint64_t *counter, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Whether to go on is pointless: a connection is lost. */
bool crowd_is_broken(const struct crowd *crowd);

/* Connects the peer, zeroed memory, to node 0 or 1. */
void peer_open(struct peer *peer, struct crowd *crowd, size_t node, enum peer_kind kind,
               size_t number, peer_message *message);
void peer_fini(struct peer *peer);

/* Says a message to whom it speaks to. Leaves at the next turn. */
void peer_say(struct peer *peer, struct slice message);

/* For the speech: the server has let the peer in. */
void peer_is_ready(struct peer *peer);
