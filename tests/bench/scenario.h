/*
 * A scenario is a way to load two nodes, and a figure. A new one: a file scenario_NAME.c, a line
 * here, a row in bench.c, and what to run it with in scripts/bench.
 */
#pragma once

#include "bench/measure.h"
#include "bench/net.h"

/* From the command line. */
struct bench {
	struct sockaddr_in nodes[2];
	struct processes processes; /* whose CPU time counts */
	uint64_t senders;
	uint64_t receivers;
	uint64_t bytes;  /* per message */
	uint64_t rate;   /* messages a second, open loop; 0: closed loop */
	uint64_t window; /* messages under way per sender, closed loop */
	uint64_t seconds;
	uint64_t warm_up_seconds;
};

/* Joins a mesh as `id`; without repeats of presences, and with its roster in one message. */
void peer_join(struct client *client, const char *id);

/* Ends the program if the message is an error of the relay's. Others that are not ours are ignored. */
void peer_check(struct slice message);

/* Round trips between pairs of peers on different nodes, at a fixed rate. */
void scenario_direct(const struct bench *bench);

/* Broadcasts from senders on node 1 to receivers on node 2. */
void scenario_fanout(const struct bench *bench);
