/*
 * Who is online in a mesh, and what they last announced: this node's copy.
 *
 * Fed by the events of the broadcast channel, and by snapshots of what Redis holds. A snapshot is
 * read while events go on, so it is merged by one rule: what an event touched since the load began
 * is not overwritten. (Merged naively, 7 to 37 of 40 rosters were wrong.)
 */
#pragma once

#include "common/blob.h"
#include "common/list.h"
#include "common/table.h"
#include "wire/presence.h"

struct roster;

struct peer {
	struct table_entry entry; /* key: the id */
	struct blob *presence;    /* the message as announced */
	struct presence parsed;   /* of `presence`, whose bytes it borrows */
	uint64_t seen_ms;         /* since 1970: when that was announced */

	/* The roster's own. */
	uint64_t touched; /* the load during which an event spoke of it */
	uint64_t listed;  /* the load whose snapshot had it */
	uint64_t suspect; /* the load whose snapshot lacked it, 0 = none */
	struct list agents;

	/* Where the peer's frame is in the block that mesh/block.h built last. */
	uint32_t frame_begin;
	uint32_t frame_end;
};

static inline struct slice peer_id(const struct peer *peer)
{
	return peer->entry.key;
}

/* Returns owned. Names of agents stay addressable for `agent_ms` after another announcement dropped them. */
struct roster *roster_create(uint64_t agent_ms);

/* Accepts NULL. */
void roster_destroy(struct roster *roster);

size_t roster_size(const struct roster *roster);

/* Rises with every change. */
uint64_t roster_version(const struct roster *roster);

/* Returns the peer, borrowed until it is removed, or NULL. */
struct peer *roster_find(const struct roster *roster, struct slice id);

/* Walks the peers; see table_next(). */
struct peer *roster_next(const struct roster *roster, struct table_cursor *cursor);

/*
 * An event: the peer announced this. Returns true if observers have something to learn: it was not
 * online, or its `data` was another. A message that is no JSON object changes nothing.
 */
bool roster_put(struct roster *roster, struct slice id, struct slice message, uint64_t seen_ms,
                uint64_t now_ms);

/* An event: the peer is offline. Returns true if it was online. */
bool roster_remove(struct roster *roster, struct slice id);

/* Forgets everybody. */
void roster_clear(struct roster *roster);

/*
 * The peers that name the agent, by their latest announcement or by one that is not older than
 * agent_ms. Returns how many were put into `peers`.
 */
size_t roster_with_agent(const struct roster *roster, struct slice agent, uint64_t now_ms,
                         struct peer **peers, size_t peers_max);

/* Does the peer name the agent? */
bool roster_peer_has_agent(const struct peer *peer, struct slice agent, uint64_t now_ms);

/* A snapshot begins; what came of an unfinished one before is kept. */
void roster_load_begin(struct roster *roster);

/* The snapshot has this peer; `message` may be absent if the roster has it already. Returns like roster_put(). */
bool roster_load_put(struct roster *roster, struct slice id, struct slice message, uint64_t seen_ms,
                     uint64_t now_ms);

/* The snapshot is complete: peers that it lacks, and of which no event spoke since it began, become suspect. Returns how many are suspect. */
size_t roster_load_end(struct roster *roster);
