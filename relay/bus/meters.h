/* What the bus counts. */
#pragma once

#include "common/metrics.h"
#include "mesh/ports.h"

enum script {
	SCRIPT_ANNOUNCE,
	SCRIPT_REFRESH,
	SCRIPT_LEAVE,
	SCRIPT_REAP,
};
#define SCRIPT_COUNT 4

struct meters {
	struct metric *state; /* enum bus_state */
	struct metric *reconnects;
	struct metric *queue_bytes;
	struct metric *publishes;
	struct metric *publish_failures[3]; /* by enum unpublished */
	struct metric *errors;
	struct metric *script_calls[SCRIPT_COUNT];
	struct metric *script_us[SCRIPT_COUNT];
	struct metric *looks;
	struct metric *reaped;
	struct metric *leaves_owed;
	struct metric *stale; /* messages: see link.h */
	struct histogram *probe_seconds;
};

void meters_init(struct meters *meters);
