/*
 * Half of each mesh leaves, one after the other at a rate, until all who stay have heard of each of
 * theirs. Of our relay: with others nobody hears of it.
 */
#include <stdlib.h>

#include "bench/report.h"
#include "common/memory.h"

#define LEAVES_PER_SECOND 500

struct leave {
	const struct bench *bench;
	struct crowd crowd;
	struct witness *witnesses;
	struct report report;
	uint64_t begin_ns;
	uint64_t mesh_peers;
	uint64_t next, left; /* who is looked at next, and how many have left */
	uint64_t heard;      /* times that somebody who stays heard of one who left */
};

struct witness {
	struct peer peer; /* first: a peer is a witness */
	struct leave *leave;
};

/* Two of four, so that some are on each node. */
static bool is_to_leave(size_t number)
{
	return number % 4 >= 2;
}

static void on_message(struct peer *peer, struct slice message)
{
	static const char offline[] = "\"status\":\"offline\"";

	if (!is_to_leave(peer->number) &&
	    memmem(message.data, message.size, offline, sizeof(offline) - 1) != NULL)
		((struct witness *)peer)->leave->heard++;
}

/* Returns when the next is to go. */
static uint64_t let_go(void *context, uint64_t now)
{
	struct leave *leave = context;
	uint64_t rate = leave->bench->rate > 0 ? leave->bench->rate : LEAVES_PER_SECOND;

	for (; leave->next < leave->bench->receivers; leave->next++) {
		if (!is_to_leave(leave->next))
			continue;
		uint64_t due_ns = leave->begin_ns + leave->left * NS / rate;
		if (due_ns > now)
			return due_ns;
		peer_leave(&leave->witnesses[leave->next].peer);
		leave->left++;
	}
	return now + NS;
}

static bool is_complete(const void *context)
{
	const struct leave *leave = context;

	return leave->heard >= leave->left * leave->mesh_peers / 2;
}

static void open_all(struct leave *leave)
{
	for (size_t i = 0; i < leave->bench->receivers; i++) {
		struct witness *witness = &leave->witnesses[i];

		witness->leave = leave;
		witness->peer.mesh = 1 + i / leave->mesh_peers;
		peer_open(&witness->peer, &leave->crowd, i, PEER_LISTENER, i, on_message);
		crowd_wait(&leave->crowd, leave->bench->opening);
	}
	crowd_wait(&leave->crowd, 0);
	leave->crowd.settled = true;
}

static void run(struct leave *leave)
{
	const struct bench *bench = leave->bench;
	const struct talk talk = {leave, let_go, is_complete};

	report_begin(&leave->report, bench, 0);
	leave->begin_ns = net_now();
	while (leave->left < bench->receivers / 2 && !crowd_is_broken(&leave->crowd))
		net_turn(leave->crowd.net, let_go(leave, net_now()));
	crowd_hear_out(&leave->crowd, &talk);
	report_end(&leave->report, bench, leave->left);

	report_title(bench, "%lu of %lu peers over all nodes, until all know", leave->left,
	             bench->receivers);
	report_print(&leave->report, &leave->crowd);
}

void scenario_leave(const struct bench *bench)
{
	struct leave leave = {
		.bench = bench,
		.witnesses = mem_zero(bench->receivers * sizeof(struct witness)),
		.mesh_peers = bench->mesh_peers > 0 ? bench->mesh_peers : bench->receivers,
		.report = {.unit = "leaves"},
	};

	if (leave.mesh_peers % 4 != 0 || bench->receivers % leave.mesh_peers != 0)
		die("peers that leave need whole meshes of a multiple of four");
	crowd_init(&leave.crowd, bench);
	open_all(&leave);
	run(&leave);

	for (size_t i = 0; i < bench->receivers; i++)
		peer_fini(&leave.witnesses[i].peer);
	report_fini(&leave.report);
	free(leave.witnesses);
	crowd_fini(&leave.crowd);
}
