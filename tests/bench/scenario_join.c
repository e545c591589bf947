/*
 * Peers join a mesh, spread over all nodes, until each knows of all others in it: from the roster that
 * it gets when it joins, and from what it is told of those that come later.
 *
 * Where a server knows nothing of presence, a peer has joined when it hears what is said to all: not
 * the same work by far.
 */
#include <stdlib.h>

#include "bench/report.h"
#include "bench/speech.h"
#include "common/memory.h"

#define JOIN_SECONDS 60

struct join {
	const struct bench *bench;
	struct crowd crowd;
	struct newcomer *newcomers;
	uint64_t mesh_peers;
	struct report report;
	uint64_t known; /* pairs of peers of which the one knows of the other */
};

struct newcomer {
	struct peer peer; /* first: a peer is a newcomer */
	struct join *join;
	bool *knows; /* by place of the other in their mesh */
};

static void ignore(struct peer *peer, struct slice message)
{
	(void)peer;
	(void)message;
}

/* May be told twice, of one that joins while the roster is on its way. */
static void on_peer(struct peer *peer, size_t number)
{
	struct newcomer *newcomer = (struct newcomer *)peer;
	uint64_t size = newcomer->join->mesh_peers, place = number % size;

	if (number == peer->number || number / size != peer->number / size ||
	    number >= newcomer->join->bench->receivers || newcomer->knows[place])
		return;
	newcomer->knows[place] = true;
	newcomer->join->known++;
}

static void join_all(struct join *join)
{
	size_t count = join->bench->receivers;

	for (size_t i = 0; i < count; i++) {
		struct newcomer *newcomer = &join->newcomers[i];

		newcomer->join = join;
		newcomer->knows = mem_zero(join->mesh_peers * sizeof(bool));
		newcomer->peer.names = on_peer;
		newcomer->peer.mesh = join->bench->mesh_peers > 0 ? 1 + i / join->mesh_peers : 0;
		peer_open(&newcomer->peer, &join->crowd, i, PEER_LISTENER, i, ignore);
		crowd_wait(&join->crowd, join->bench->opening);
	}
	crowd_wait(&join->crowd, 0);
}

static void wait_until_all_know_all(struct join *join)
{
	struct crowd *crowd = &join->crowd;
	uint64_t pairs = join->bench->receivers * (join->mesh_peers - 1);
	uint64_t give_up_ns = net_now() + (uint64_t)JOIN_SECONDS * NS;

	while (join->known < pairs && !crowd_is_broken(crowd) && net_now() < give_up_ns)
		net_turn(crowd->net, give_up_ns);
	if (join->known < pairs)
		crowd_fault(crowd, &crowd->errors,
		            "only %lu of %lu times somebody knows of another", join->known, pairs);
}

void scenario_join(const struct bench *bench)
{
	struct join join = {
		.bench = bench,
		.newcomers = mem_zero(bench->receivers * sizeof(struct newcomer)),
		.mesh_peers = bench->mesh_peers > 0 ? bench->mesh_peers : bench->receivers,
		.report = {.unit = "joins"},
	};

	if (bench->receivers % join.mesh_peers != 0)
		die("peers that join need whole meshes");
	crowd_init(&join.crowd, bench);
	report_begin(&join.report, bench, 0);
	join_all(&join);
	if (join.bench->speech->presence)
		wait_until_all_know_all(&join);
	report_end(&join.report, bench, bench->receivers);

	report_title(bench, "%lu peers over all nodes, %lu at a time, %s", bench->receivers,
	             bench->opening,
	             bench->speech->presence ? "until all know of all" : "without presence");
	report_print(&join.report, &join.crowd);
	for (size_t i = 0; i < bench->receivers; i++) {
		peer_fini(&join.newcomers[i].peer);
		free(join.newcomers[i].knows);
	}
	report_fini(&join.report);
	free(join.newcomers);
	crowd_fini(&join.crowd);
}
