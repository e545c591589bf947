/* What the relay understands of a presence message's `data`. */
#pragma once

#include "common/buffer.h"
#include "common/text.h"

/* A presence is kept in Redis and repeated to many: it must be small. */
#define PRESENCE_BYTES_MAX 8192

struct presence {
	struct slice data;   /* raw JSON value of the message's `data`; absent if there is none */
	struct slice agents; /* raw JSON array of data.agents; absent if it is none */
	struct slice timestamp; /* raw JSON value; absent if there is none */
	bool offline;           /* data.status is "offline" */
};

/* Reads a presence message (a whole message that envelope_read() accepted, or accepted elsewhere). Returns false if it is not one JSON object. */
bool presence_read(struct slice message, struct presence *presence);

/*
 * Can it be this peer's presence? What nodes announce always can; what comes from Redis may be from
 * elsewhere.
 */
bool presence_is_of(struct slice id, struct slice message);

/*
 * Takes the next agent's name off presence.agents (a copy of it); items that are no ids are passed
 * over. `scratch` must hold NAME_ID_BYTES_MAX bytes; the name lies in it or in the message.
 */
bool presence_next_agent(struct slice *agents, char *scratch, struct slice *name);

/* Appends the presence message with its data.agents replaced by (or, if it had none, given) the raw array. */
void presence_with_agents(struct slice message, struct slice agents, struct buffer *out);
