/*
 * What the peers of a run did and heard, as records of 24 bytes in the order of their times: written by
 * the swarm, read by the judge. Peers, meshes and nodes are numbers that the swarm gave.
 */
#pragma once

#include <stdint.h>

/*      kind            other          number           code */
#define RECORD_KINDS(X)                                                                     \
	X(PEER)           /* mesh      group            -       a peer exists */            \
	X(OPENED)         /* node      -                -       it connects */              \
	X(UPGRADED)       /* -         -                -       101 */                      \
	X(JOINED)         /* -         -                -       the roster has come */      \
	X(LEFT)           /* -         -                -       goes offline by its will */ \
	X(VANISHED)       /* -         -                -       reads and writes no more */ \
	X(ENDED)          /* seconds of Retry-After, close code or status, enum ending */   \
	X(AWAY)           /* -         -                -       may be called offline */    \
	X(BACK)           /* -         -                -       no more */                  \
	X(SENT_DIRECT)    /* to        sequence number  - */                                \
	X(SENT_BROADCAST) /* -         sequence number  - */                                \
	X(GOT_DIRECT)     /* from      sequence number  - */                                \
	X(GOT_BROADCAST)  /* from      sequence number  - */                                \
	X(GOT_ONLINE)     /* peer      version          - */                                \
	X(GOT_OFFLINE)    /* peer      -                - */                                \
	X(GOT_ERROR)      /* -         sequence number  enum fault_error */                 \
	X(GOT_RESYNC)                                                                       \
	X(GOT_DRAIN)   /* -         reconnect_ms     - */                                   \
	X(GOT_STRANGE) /* what nobody sent */                                               \
	X(CHANGED)     /* version - - of what it announces */                               \
	X(GREETED)     /* - - - the relay has read its hello */

enum record_kind {
#define X(name) RECORD_##name,
	RECORD_KINDS(X)
#undef X
		RECORD_KIND_COUNT
};

/* How a connection ended. */
#define ENDINGS(X)                                                         \
	X(REFUSED) /* no TCP connection */                                 \
	X(STATUS)  /* another HTTP status than 101, which is the number */ \
	X(CLOSED)  /* by the relay; the number is the close code */        \
	X(EOF)     /* by the relay, without a word */                      \
	X(RESET)                                                           \
	X(OWN)    /* by the peer */                                        \
	X(BROKEN) /* what came is no WebSocket frame */

enum ending {
#define X(name) ENDING_##name,
	ENDINGS(X)
#undef X
		ENDING_COUNT
};

/* What the relay answers to a message; the names on the wire in lower case, BUS_UNAVAILABLE in two. */
#define FAULT_ERRORS(X)            \
	X(PEER_NOT_FOUND)          \
	X(PEER_UNREACHABLE)        \
	X(BUS_UNAVAILABLE)         \
	X(BUS_UNAVAILABLE_UNKNOWN) \
	X(RATE_LIMITED)            \
	X(NO_PRESENCE)             \
	X(MESH_FULL)               \
	X(OTHER)

enum fault_error {
#define X(name) FAULT_ERROR_##name,
	FAULT_ERRORS(X)
#undef X
		FAULT_ERROR_COUNT
};

/* Connections of a peer that overlap differ in their number modulo this. */
#define LANES 4

#define NO_NUMBER UINT32_MAX /* an error that belongs to no sequence number */

struct record {
	uint64_t time_us; /* CLOCK_MONOTONIC */
	uint32_t peer;    /* who did or heard it */
	uint32_t other;
	uint32_t number;
	uint16_t visit; /* which of the peer's connections, from 1; those that overlap have lanes */
	uint8_t kind;
	uint8_t code;
};

_Static_assert(sizeof(struct record) == 24, "test_judge.py writes them, too");
