/* What all links of this node share. */
#pragma once

#include "bus/bus.h"
#include "bus/keys.h"
#include "bus/lua.h"
#include "bus/meters.h"
#include "common/list.h"
#include "redis/redis.h"

struct shared {
	const struct bus_settings *settings;
	struct redis redis;
	struct timers *timers;
	struct meters meters;
	struct script scripts[SCRIPT_COUNT];
	struct cluster *cluster; /* NULL: Redis is no Cluster */
	struct leaves *leaves;
	struct list links;
	uint64_t node; /* 0 until the bus is used */
	char node_text[KEYS_NODE_BYTES + 1];
};

/*
 * Gives this node a number. The old one, if there is one, is left to the twin that has it, too: it lives in
 * other keys from now on, and connects anew.
 */
void shared_name_node(struct shared *shared);

/* Now, as the timers see it. */
uint64_t shared_now_ms(const struct shared *shared);

/*
 * How long sweeps are held off after a connect: others must be able to announce their peers first.
 */
uint64_t shared_hold_off_ms(const struct shared *shared);
