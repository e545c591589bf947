/*
 * WebSocket clients by the hundreds on one thread: the load generator's own side of RFC 6455.
 *
 * It speaks only what a relay on loopback needs, and trusts nobody: whatever is not right ends the
 * program with a sentence, for a figure measured on broken traffic is worth nothing.
 */
#pragma once

#include <netinet/in.h>
#include <stdint.h>

#include "common/text.h"

struct client;
struct net;

/* One whole text message; the bytes are borrowed for the call. */
typedef void client_message(struct client *client, void *context, struct slice message);

/* Returns owned. */
struct net *net_create(void);

/* Closes and frees all clients too. Accepts NULL. */
void net_destroy(struct net *net);

/* Nanoseconds of the clock that all times of the generator are on. */
uint64_t net_now(void);

/* Sends what is to be sent, waits until `until_ns` at most, and handles what came. */
void net_turn(struct net *net, uint64_t until_ns);

/* Connects, and asks for the upgrade without waiting for it. The net owns the client. */
struct client *net_connect(struct net *net, const struct sockaddr_in *node, client_message *message,
                           void *context);

/* Queues a text message; it leaves at the next turn after the upgrade. */
void client_send(struct client *client, struct slice text);

/* Ends the program: prints the sentence, exit 1. */
void die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
