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
#include "common/table.h"

enum peer_kind {
	PEER_LISTENER, /* hears what is said to all */
	PEER_SPEAKER,  /* says it; with some servers it can't but hear the other speakers */
	PEER_VISITOR,  /* says nothing after the handshake */
	PEER_PARTNER,  /* has an address, and speaks to the partner, whose number is its own ^ 1 */
};

#define NAME_BYTES 32
#define ALIAS_BYTES 64

struct peer;
typedef void peer_message(struct peer *peer, struct slice message);
typedef void peer_names(struct peer *peer, size_t number);

struct peer {
	struct crowd *crowd;
	struct client *client;
	peer_message *message; /* called with each message of another peer, and maybe with others */
	peer_names *names;     /* if not NULL, called with the peers that the server names to it */
	enum peer_kind kind;
	size_t number;
	size_t mesh; /* 0: the one that all share; else its number. Only ours has such a thing */
	bool ready;  /* has been let in: hears what is said from now on */
	bool leaves; /* its end is no loss */
	char name[NAME_BYTES];
	char partner[NAME_BYTES];       /* the name of the peer that it speaks to, if it is one */
	struct table_entry alias_entry; /* in the crowd's, if it has one */
	char alias[ALIAS_BYTES];
	struct buffer unread; /* the speech's: the begin of what is still to come */
};

/* All peers of a run, and what the servers did wrong. */
struct crowd {
	const struct bench *bench;
	struct net *net;
	struct buffer scratch; /* the speech's, for the message that it makes */
	struct table aliases;  /* peers by the name that the server gave them, if it does */
	char everybody[16];    /* the name of all peers together; a new one for each run */
	size_t opened, ready, lost;
	uint64_t heard; /* messages of the servers, of any kind */
	bool settled;   /* everybody hears everybody: from now on an error is one */
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

/* What the peers say to each other, be it as fast as it is answered or at a rate. */
struct talk {
	void *context;
	uint64_t (*go_on)(void *context, uint64_t now_ns); /* says what is due; when is the next? */
	bool (*is_complete)(const void *context);          /* all has come that was said */
};

/* Lets them talk until then; gives up, which is an error, if nothing comes for long. */
void crowd_talk(struct crowd *crowd, const struct talk *talk, uint64_t until_ns);

/* Says no more, and waits for what is under way; it is an error if that does not come. */
void crowd_hear_out(struct crowd *crowd, const struct talk *talk);

/*
 * Connects the peer, zeroed memory but for `names` and `mesh`, to the node of that number, counted round:
 * with two nodes 2 is the first.
 */
void peer_open(struct peer *peer, struct crowd *crowd, size_t node, enum peer_kind kind,
               size_t number, peer_message *message);
void peer_fini(struct peer *peer);

/* Closes its connection, politely. */
void peer_leave(struct peer *peer);

/* Says a message to whom it speaks to. It is sent at the next turn. */
void peer_say(struct peer *peer, struct slice message);

/* For the speech: the server has let the peer in. */
void peer_is_ready(struct peer *peer);

/* For the speech: what the server calls the peer. */
void peer_set_alias(struct peer *peer, struct slice alias);

/* Returns the peer that the server calls so, or NULL. */
struct peer *crowd_find_alias(const struct crowd *crowd, struct slice alias);
