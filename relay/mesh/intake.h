/*
 * What becomes of a message that a client sends: limits, type table, and the types that are for the
 * relay itself. What is for other peers goes on to the router.
 */
#pragma once

#include "common/text.h"

struct connection;

/* A presence is kept in Redis and repeated to many: it must be small. */
#define PRESENCE_BYTES_MAX 8192

/* Takes one text message of a connection that is not closing. */
void intake_receive(struct connection *connection, struct slice message);
