/*
 * What nodes tell each other: a head in binary, then bytes that receiving nodes pass on unread.
 *
 *	u64 position   0 = not logged (reserved for resume)
 *	u8  version    PARCEL_VERSION
 *	u8  kind
 *	u16 head bytes, all of the head
 *	u32 flags      0
 *	u64 node       who made the parcel
 *	u32 connection there
 *	u32 number     of the message on that connection
 *	u64 time       ms since 1970, the node's clock
 *	u8 + bytes     from: the peer
 *	u8 + bytes     target: the peer that it is for, empty for all
 *	{ u8 tag, u8 size, bytes } ... up to the end of the head
 *	body
 *
 * Numbers are big endian. Builds of different age meet on one bus: an unknown tag is passed over, an
 * unknown kind or version is not for us.
 */
#pragma once

#include "common/buffer.h"
#include "common/text.h"

#define PARCEL_VERSION 1
#define PARCEL_HEAD_BYTES_MAX 768

enum parcel_kind {
	PARCEL_MESSAGE = 1,  /* body: the message as the client sent it, with what was inserted */
	PARCEL_PRESENCE = 2, /* body: records, see parcel_next_presence() */
	PARCEL_OFFLINE = 3,  /* body: ids joined by newlines */
	PARCEL_PROBE = 4,    /* body: the prober's own business */
	PARCEL_RECEIPT = 5,  /* 5..7 are reserved: unknown to this build */
	PARCEL_NACK = 6,
	PARCEL_TRACE = 7,
	PARCEL_BUNDLE = 8, /* body: parcels of the kind PARCEL_MESSAGE, see parcel_next() */
};

enum parcel_tag {
	PARCEL_TAG_TURN = 1,   /* reserved */
	PARCEL_TAG_DIGEST = 2, /* u64: of type and data, for the echo guard */
	PARCEL_TAG_TRACE = 3,  /* reserved */
};

struct parcel {
	uint64_t position;
	enum parcel_kind kind;
	uint32_t flags;
	uint64_t node;
	uint32_t connection;
	uint32_t number;
	uint64_t time_ms;
	struct slice from;   /* up to 255 bytes */
	struct slice target; /* up to 255 bytes */
	bool has_digest;
	uint64_t digest;
	struct slice body; /* not written by parcel_head() */
};

/* Writes the head. Returns its size. */
size_t parcel_head(const struct parcel *parcel, char head[PARCEL_HEAD_BYTES_MAX]);

enum parcel_fault {
	PARCEL_OK,
	PARCEL_MALFORMED,       /* not a parcel: cut short, or sizes that contradict */
	PARCEL_UNKNOWN_VERSION, /* made by a newer or older build */
	PARCEL_UNKNOWN_KIND,    /* of this version, but not for us */
};

/* Reads bytes from the bus, which the parcel borrows. The parcel is only good after PARCEL_OK. */
enum parcel_fault parcel_read(struct slice bytes, struct parcel *parcel);

/*
 * Takes the next record off a PARCEL_PRESENCE body (a copy of it): u16 length, id, u32 length,
 * presence message. Returns false at the end, and at a record that is cut short.
 */
bool parcel_next_presence(struct slice *body, struct slice *id, struct slice *message);

/*
 * Takes the next parcel off a PARCEL_BUNDLE body (a copy of it): u32 length, parcel. Returns false
 * at the end, and at one that is cut short.
 */
bool parcel_next(struct slice *body, struct slice *parcel);

/* Appends what stands before a parcel of that size in a bundle. */
#define PARCEL_LENGTH_BYTES 4
void parcel_append_length(struct buffer *out, size_t parcel_bytes);

/* Takes the next id off a PARCEL_OFFLINE body (a copy of it). */
bool parcel_next_offline(struct slice *body, struct slice *id);
