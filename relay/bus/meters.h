/* What the bus counts. */
#pragma once

#include "common/metrics.h"
#include "mesh/ports.h"

struct meters {
	struct metric *state; /* enum bus_state */
	struct metric *reconnects;
	struct metric *queue_bytes;
	struct metric *publishes;
	struct metric *publish_failures[3]; /* by enum unpublished */
	struct metric *errors;
	struct metric *looks;
	struct metric *reaped;
	struct metric *leaves_owed;
	struct metric *stale; /* messages: see link.h */
	struct histogram *probe_seconds;
};

void meters_init(struct meters *meters);
