/*
 * The bus: what nodes tell each other through Redis, and what Redis keeps for them.
 *
 * It implements the mesh's bus_port. Nobody above it knows Redis.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mesh/ports.h"
#include "redis/redis.h"

struct event_base;
struct timers;

struct bus_settings {
	struct redis_settings redis;
	const char *prefix;     /* of all keys and channels; without { and } */
	uint64_t ttl_ms;        /* silence that makes a peer offline; the same on all nodes */
	uint64_t probe_ms;      /* silence after which a connection is probed */
	size_t queue_bytes_max; /* of what is published and not yet answered */
	bool first_use;         /* connect when the first topic is opened, not before */
};

/*
 * Returns owned; NULL and a sentence if the settings are wrong. Borrows `base`, `timers` and the
 * strings of the settings for its life; but not the URL, which may hold a password.
 */
struct bus *bus_create(const struct bus_settings *settings, struct event_base *base,
                       struct timers *timers, const char **error);

/* Connects, unless that is left to the first use. */
void bus_start(struct bus *bus);

const struct bus_port *bus_port(void);

/*
 * True when all was answered that Redis was told: nothing published, announced or left is under
 * way. For the end of a drain.
 */
bool bus_is_settled(const struct bus *bus);

/* All topics must be closed. The loop must turn once more to free everything. Accepts NULL. */
void bus_destroy(struct bus *bus);
