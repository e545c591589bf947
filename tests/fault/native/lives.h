/* What the journal says of each peer: when it was there, and what it was told. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "journal.h"

#define NEVER_US UINT64_MAX

/* Why a peer was there no longer. */
enum cause { CAUSE_LEFT, CAUSE_VANISHED, CAUSE_LOST, CAUSE_COUNT };

/* A time in which the peer was in the mesh by its own knowledge: on one connection or more. */
struct stay {
	uint64_t from_us, to_us; /* NEVER_US: to the end */
	enum cause cause;        /* of the end */
};

/* A list that grows. */
struct times {
	uint64_t *list;
	size_t count;
};

struct stays {
	struct stay *list;
	size_t count;
};

struct visit_life {
	uint64_t opened_us, upgraded_us, joined_us, ended_us; /* NEVER_US: did not happen */
	enum ending ending;
	unsigned code;
	bool left; /* is not in any more, since it said so */
};

struct life {
	uint32_t mesh, group;
	struct visit_life *visits; /* by number, from 1 */
	size_t visit_count;
	struct stays stays;
	struct stays away; /* the relay may have called it offline */
	struct times told; /* of messages that it may have missed: resync, or an end not its own */
	size_t first_record; /* in story.by_peer */
	size_t record_count;
	size_t first_send,
		send_count; /* in story.sends; the sequence numbers are from 1 without gaps */
};

struct send {
	uint64_t time_us;
	uint32_t to;             /* BROADCAST */
	uint32_t error_after_us; /* NO_NUMBER: none */
	uint16_t visit;
	uint8_t error;
};

#define BROADCAST UINT32_MAX

struct story {
	const struct record *records;
	size_t record_count;
	uint64_t begin_us, end_us;
	struct life *lives;
	uint32_t life_count, group_count;
	uint32_t *
		by_peer; /* indexes of records: those of peer 0 in order, then those of peer 1, ... */
	struct send *sends;
	size_t send_count;
};

/* Reads the journal; ends the program with a sentence if it is none. */
void story_read(struct story *story, const char *path);

/* The stay at that time, or NULL. */
const struct stay *life_at(const struct life *life, uint64_t time_us);

/* The first of these times in [from_us, to_us], or NEVER_US. */
uint64_t times_within(const struct times *times, uint64_t from_us, uint64_t to_us);
