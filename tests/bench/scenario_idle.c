/*
 * What a socket costs on which nothing happens: memory, and CPU time while it is there.
 *
 * Each belongs to a peer that is in and could be spoken to. Ours are in many small meshes: in a large
 * one its roster would be what is measured.
 */
#include <stdlib.h>

#include "bench/report.h"
#include "common/memory.h"

#define QUIET_NS ((uint64_t)NS)
#define QUIET_SECONDS_MAX 60

static void ignore(struct peer *peer, struct slice message)
{
	(void)peer;
	(void)message;
}

/* Until nobody has heard anything for a while. */
static void wait_until_quiet(struct crowd *crowd)
{
	uint64_t give_up_ns = net_now() + (uint64_t)QUIET_SECONDS_MAX * NS;
	uint64_t heard = crowd->heard, quiet_ns = net_now() + QUIET_NS;

	while (net_now() < quiet_ns) {
		if (net_now() >= give_up_ns)
			die("it did not become quiet in %d s", QUIET_SECONDS_MAX);
		net_turn(crowd->net, quiet_ns);
		if (crowd->heard != heard)
			quiet_ns = net_now() + QUIET_NS;
		heard = crowd->heard;
	}
}

void scenario_idle(const struct bench *bench)
{
	struct peer *peers = mem_zero(bench->sockets * sizeof(struct peer));
	struct report report = {.unit = "sockets", .idle = true};
	struct crowd crowd;

	crowd_init(&crowd, bench);
	report.before = memory_read(&bench->processes);
	for (size_t i = 0; i < bench->sockets; i++) {
		peers[i].mesh = 1 + i / bench->mesh_peers;
		peer_open(&peers[i], &crowd, i % 2, PEER_PARTNER, i, ignore);
		crowd_wait(&crowd, bench->opening);
	}
	crowd_wait(&crowd, 0);
	crowd.settled = true;
	wait_until_quiet(&crowd);
	report.after = memory_read(&bench->processes);

	stretch_begin(&report.stretch, &bench->processes, 0);
	for (uint64_t until_ns = net_now() + bench->seconds * NS; net_now() < until_ns;)
		net_turn(crowd.net, until_ns);
	stretch_end(&report.stretch, &bench->processes, crowd.ready - crowd.lost);

	report_title(bench, "%lu sockets over both nodes", bench->sockets);
	report_print(&report, &crowd);
	for (size_t i = 0; i < bench->sockets; i++)
		peer_fini(&peers[i]);
	report_fini(&report);
	crowd_fini(&crowd);
	free(peers);
}
