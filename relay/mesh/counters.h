/* What the mesh counts. */
#pragma once

#include "common/metrics.h"
#include "mesh/errors.h"

struct counters {
	struct metric *peers; /* held by this node */
	struct metric *meshes;
	struct metric *messages_delivered;
	struct metric *messages_not_held;
	struct metric *roster_repeats;
	struct metric *roster_repeats_skipped;
	struct metric *echoes_dropped;
	struct metric *joins_waiting;
	struct metric *parcels_malformed;
	struct metric *parcels_version;
	struct metric *parcels_kind;
	struct metric *parcels_size;
	struct metric *errors[ERROR_COUNT];
	struct histogram *latency;
};

/* Returns owned; free with free(). The metrics themselves are the process's. */
struct counters *counters_create(void);
