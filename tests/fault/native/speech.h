/*
 * The protocol as the peers speak it. Peers are called p0, p1, ...; what they send has a fixed shape,
 * and the relay forwards bytes untouched, so what they hear is read without a JSON parser, and
 * anything else is strange.
 */
#pragma once

#include "common/buffer.h"
#include "journal.h"

struct heard {
	enum record_kind kind; /* GOT_...; RECORD_JOINED for the answer to capabilities */
	uint32_t other;        /* as in the record */
	uint32_t number;
	uint8_t code;
	bool about_presence; /* the error is the answer to a presence */
	bool fence;          /* the peer's word to itself; no record */
};

struct heard speech_hear(struct slice text);

/* All append to an empty buffer; what they return is borrowed from it. */
struct slice speech_capabilities(struct buffer *out, bool events);
/* `version` tells apart what a peer announced one after the other; 0 is left out. */
struct slice speech_presence(struct buffer *out, uint32_t peer, uint32_t version);
struct slice speech_offline(struct buffer *out, uint32_t peer);
/* To the peer's own other connections: when it comes, so has all that was sent before it. */
struct slice speech_fence(struct buffer *out, uint32_t peer);
struct slice speech_direct(struct buffer *out, uint32_t peer, uint32_t to, uint32_t number,
                           size_t fill_bytes);
struct slice speech_broadcast(struct buffer *out, uint32_t peer, uint32_t number,
                              size_t fill_bytes);
