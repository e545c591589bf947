/*
 * A scenario is a way to load nodes, and a figure. A new one: a file scenario_NAME.c, a line
 * here, a row in bench.c, and what to run it with in scripts/bench.
 */
#pragma once

#include "bench/measure.h"
#include "bench/net.h"

#define NS 1000000000 /* nanoseconds in a second */
#define NODES_MAX 64

struct speech;

/* From the command line. */
struct bench {
	const char *scenario;
	const struct speech *speech; /* of the server */
	struct sockaddr_in nodes[NODES_MAX];
	size_t node_count;
	struct processes processes; /* whose CPU time counts */
	bool json;                  /* print one line of it, nothing for people */
	bool marks;                 /* say on stdout when what is measured begins and ends */
	uint64_t senders;
	uint64_t receivers;
	uint64_t bytes;     /* per message */
	uint64_t rate;      /* messages a second, open loop; 0: closed loop */
	uint64_t window;    /* messages under way per sender, closed loop */
	uint64_t in_flight; /* messages under way per pair, closed loop */
	uint64_t sockets;
	uint64_t mesh_peers; /* per mesh; 0: as many as the scenario thinks right */
	uint64_t heartbeats, broadcasts, directs; /* a second, of all together, in meshes */
	uint64_t burst;                           /* of these so many come at the same moment */
	uint64_t opening;                         /* peers that are being let in at the same time */
	uint64_t seconds;
	uint64_t warm_up_seconds;
};

/* Broadcasts from senders on node 1 to receivers on node 2. */
void scenario_fanout(const struct bench *bench);

/* Messages between pairs of peers on different nodes. */
void scenario_direct(const struct bench *bench);

/* Peers that come into one mesh, or into several at the same time. */
void scenario_join(const struct bench *bench);

/* Handshakes. */
void scenario_connect(const struct bench *bench);

/* Peers that leave. */
void scenario_leave(const struct bench *bench);

/* The memory and the CPU of sockets on which nothing happens, or a little. */
void scenario_meshes(const struct bench *bench);
