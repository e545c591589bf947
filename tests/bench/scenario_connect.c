/* Handshakes and nothing else: so many sockets, as fast as they are upgraded. */
#include <stdlib.h>

#include "bench/report.h"
#include "common/memory.h"

static void ignore(struct peer *peer, struct slice message)
{
	(void)peer;
	(void)message;
}

void scenario_connect(const struct bench *bench)
{
	struct peer *peers = mem_zero(bench->sockets * sizeof(struct peer));
	struct report report = {.unit = "connects"};
	struct crowd crowd;

	crowd_init(&crowd, bench);
	report_begin(&report, bench, 0);
	for (size_t i = 0; i < bench->sockets; i++) {
		peer_open(&peers[i], &crowd, i, PEER_VISITOR, i, ignore);
		crowd_wait(&crowd, bench->opening);
	}
	crowd_wait(&crowd, 0);
	report_end(&report, bench, crowd.ready);

	report_title(bench, "%lu sockets over all nodes, %lu at a time", bench->sockets,
	             bench->opening);
	report_print(&report, &crowd);
	for (size_t i = 0; i < bench->sockets; i++)
		peer_fini(&peers[i]);
	report_fini(&report);
	crowd_fini(&crowd);
	free(peers);
}
