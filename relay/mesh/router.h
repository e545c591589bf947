/*
 * Who shall get a message of a peer, and off to the bus with it.
 */
#pragma once

#include "mesh/ports.h"
#include "mesh/routing.h"
#include "wire/envelope.h"

struct connection;

/* What a connection that sends has: embedded in it. */
struct sender {
	struct connection *connection;
	struct mesh *mesh;
	const struct ports *ports;
	uint64_t echo_notice_ms; /* when it was last told that it echoes */
	uint32_t message_count;
};

/* May it send under the names that the message gives? If not, it is told. */
bool router_sender_is_right(struct sender *sender, const struct envelope *envelope);

/* Sends a message of route ALL, DIRECT or REPLY on its way, or tells the sender why not. */
void router_send(struct sender *sender, const struct envelope *envelope, struct slice message,
                 const struct row *row);

/* A message of the sender did not get through: tells it. */
void router_unpublished(struct sender *sender, struct slice target, struct slice message,
                        enum unpublished why);
