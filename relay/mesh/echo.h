/*
 * Echo guard: messages that a peer sends back as if they were its own.
 *
 * Some pages broadcast again what they receive. Five of them turn one message into 1, 4, 16, 64, ...
 * per round trip, without end. So a mesh remembers for a while what was delivered in it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/text.h"

struct echo;

/* Returns owned; remembers messages for `window_ms`, of more than some 4,000 not all. */
struct echo *echo_create(uint64_t window_ms);

/* Accepts NULL. */
void echo_destroy(struct echo *echo);

/* The same on every node: what two messages of equal type and data have in common. */
uint64_t echo_digest(struct slice type, struct slice data);

/* A message with that digest was delivered, sent by the peer. */
void echo_remember(struct echo *echo, uint64_t digest, struct slice peer, uint64_t now_ms);

/* Was that delivered lately, sent by another peer? */
bool echo_heard(const struct echo *echo, uint64_t digest, struct slice peer, uint64_t now_ms);
