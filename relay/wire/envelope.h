/*
 * What a client sends: one JSON object (RFC 8259), of which the relay reads the members that route it.
 *
 * One pass, no allocation. The pass validates all of the message: JSON, UTF-8, depth. Two parsers
 * must never disagree about who sent what, so a routing member that is there twice is refused, also
 * in an escaped spelling ("fr\u006fm").
 */
#pragma once

#include "common/buffer.h"
#include "common/text.h"
#include "wire/name.h"

#define ENVELOPE_DEPTH_MAX 64

/* Of several faults ENVELOPE_NOT_UTF8 wins, then what is met first on the way. */
enum envelope_fault {
	ENVELOPE_OK,
	ENVELOPE_NOT_UTF8,   /* anywhere in the message, whatever else is wrong: close 1007 */
	ENVELOPE_NOT_JSON,   /* not JSON text, or bytes after it */
	ENVELOPE_NOT_OBJECT, /* JSON, but not an object */
	ENVELOPE_TOO_DEEP,   /* nested deeper than 64; the outer object is depth 1 */
	ENVELOPE_BAD_TYPE, /* `type` missing, not a string, or not 1..64 bytes without control characters */
	ENVELOPE_BAD_ID, /* one of the four is not an id (wire/name.h), lone surrogates included */
	ENVELOPE_TWICE,  /* one of type, from, to, instanceId, targetInstanceId is there twice */
};

struct envelope {
	/* Unescaped; absent (data == NULL) when the member is missing. null counts as absent for `to` and
	 * `target_instance_id`, and is ENVELOPE_BAD_ID for the other two. */
	struct slice type;
	struct slice from;
	struct slice to;
	struct slice instance_id;
	struct slice target_instance_id;

	/* Raw JSON values; absent when the member is missing. Of two the last counts. */
	struct slice data;
	struct slice id;
	struct slice turn_id;
	struct slice timestamp;

	size_t body; /* offset just behind the opening brace: where members may be inserted */

	/* Holds what had to be unescaped; the slices above may point here, so an envelope is not copied. */
	char unescaped[4 * NAME_ID_BYTES_MAX + NAME_TYPE_BYTES_MAX];
};

/*
 * Reads the message, whose bytes the envelope borrows. After BAD_TYPE, BAD_ID and TWICE what could be
 * read is there all the same, for the answer; after any other fault the envelope is of no use.
 */
enum envelope_fault envelope_read(struct slice message, struct envelope *envelope);

/* A sentence for the client that sent it. */
const char *envelope_fault_text(enum envelope_fault fault);
