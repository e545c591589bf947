/* What the edge counts. */
#pragma once

#include "common/metrics.h"

#define COUNTERS_CLOSE_CODES 16
#define COUNTERS_REFUSAL_STATUSES 9

struct edge_counters {
	struct metric *connections;
	struct metric *connects;
	struct metric *visitors;
	struct metric *messages_in;
	struct metric *messages_out;
	struct metric *bytes_in;
	struct metric *bytes_out;
	struct metric *writes;
	struct metric *pauses;
	struct metric *outbox_high_water;
	struct metric *accept_pauses;
	struct metric *closes[COUNTERS_CLOSE_CODES];
	struct metric *refusals[COUNTERS_REFUSAL_STATUSES];
};

void edge_counters_init(struct edge_counters *counters);

/* A connection ended, `code` being what either side said; 1006 = nothing. */
void edge_counters_closed(const struct edge_counters *counters, unsigned code);

/* An upgrade was refused with the HTTP status. */
void edge_counters_refused(const struct edge_counters *counters, unsigned status);

static inline void edge_counters_backlog(const struct edge_counters *counters, size_t bytes)
{
	if (bytes > metric_value(counters->outbox_high_water))
		metric_set(counters->outbox_high_water, bytes);
}
