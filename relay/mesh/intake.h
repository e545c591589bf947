/*
 * What becomes of a message that a client sends: limits, type table, and the types that are for the
 * relay itself. What is for other peers goes on to the router.
 */
#pragma once

#include "common/text.h"

struct connection;

/* Takes one text message of a connection that is not closing. */
void intake_receive(struct connection *connection, struct slice message);
