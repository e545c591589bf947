/*
 * WebSocket clients by the thousands on one thread: the load generator's own side of RFC 6455.
 *
 * It speaks only what a server on loopback needs, and trusts nobody: a server that breaks the
 * protocol loses the connection, with a sentence that says why.
 */
#pragma once

#include <netinet/in.h>
#include <stdint.h>

#include "common/text.h"
#include "websocket.h"

struct client;
struct net;

/* What is called, with the client's context. The slice is borrowed for the call. */
struct client_events {
	void (*upgraded)(void *context);
	void (*message)(void *context, struct slice message); /* a whole one, text or binary */
	void (*lost)(void *context, const char *why); /* the last call; not by net_destroy() */
};

/* Returns owned. */
struct net *net_create(void);

/* Closes and frees all clients too. Accepts NULL. */
void net_destroy(struct net *net);

/* Nanoseconds of the clock that all times of the generator are on. */
uint64_t net_now(void);

/* Sends what is to be sent, waits until `until_ns` at most, and handles what came. */
void net_turn(struct net *net, uint64_t until_ns);

/*
 * Connects, and asks for the upgrade of `target` ("/ws?mesh=demo") without waiting for it. The net
 * owns the client; `events` must stay.
 */
struct client *net_connect(struct net *net, const struct sockaddr_in *node, const char *target,
                           const struct client_events *events, void *context);

/*
 * Queues a message, text or binary; it leaves at the next turn after the upgrade, in one write with
 * all others of the client. Nothing happens if the client is lost.
 */
void client_send(struct client *client, enum websocket_opcode opcode, struct slice message);

/* Ends the program: prints the sentence, exit 1. */
void die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
