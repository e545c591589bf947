/*
 * What a kind of server wants to hear, and what it says: a table of functions. A new one: a file
 * speech_NAME.c, a line here, a row in bench.c.
 */
#pragma once

#include "bench/peer.h"

struct speech {
	const char *name;
	bool ours;          /* may do nothing wrong */
	bool presence;      /* peers are told who else is there: peer->names is called */
	bool speakers_hear; /* who speaks to all hears the other speakers */

	/* Appends what the peer asks for in the HTTP request. */
	void (*target)(const struct peer *peer, struct buffer *target);

	/* After the upgrade. NULL: nothing more is needed, the peer is ready. */
	void (*greet)(struct peer *peer);

	/* Hands the messages of other peers in `bytes`, a whole WebSocket message, to the peer. */
	void (*hear)(struct peer *peer, struct slice bytes);

	/* Sends the message to whom the peer speaks to. */
	void (*say)(struct peer *peer, struct slice message);
};

extern const struct speech speech_relay;
extern const struct speech speech_nats;
extern const struct speech speech_nchan;
extern const struct speech speech_centrifugo;
extern const struct speech speech_raw;
