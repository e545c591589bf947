#include "mesh/counters.h"

#include "common/memory.h"

static const double latency_bounds[] = {0.001, 0.002, 0.005, 0.01, 0.02, 0.05,
                                        0.1,   0.2,   0.5,   1,    2,    5};

static struct metric *unread(const char *why)
{
	return metric_counter("p2p_relay_parcels_unread_total",
	                      "Parcels from other nodes that were not understood.", "why", why);
}

struct counters *counters_create(void)
{
	struct counters *counters = mem_zero(sizeof(*counters));

	counters->peers =
		metric_gauge("p2p_relay_peers", "Peers with connections on this node.", NULL, NULL);
	counters->meshes = metric_gauge("p2p_relay_meshes", "Meshes with connections on this node.",
	                                NULL, NULL);
	counters->messages_delivered =
		metric_counter("p2p_relay_messages_delivered_total",
	                       "Messages handed to connections.", NULL, NULL);
	counters->messages_not_held = metric_counter(
		"p2p_relay_messages_not_held_total",
		"Messages to peers about to join, beyond what is held for them.", NULL, NULL);
	counters->roster_repeats =
		metric_counter("p2p_relay_roster_repeats_total",
	                       "Rosters repeated to connections without events.", NULL, NULL);
	counters->roster_repeats_skipped =
		metric_counter("p2p_relay_roster_repeats_skipped_total",
	                       "Repeats left out, the connection being behind.", NULL, NULL);
	counters->echoes_dropped =
		metric_counter("p2p_relay_echoes_dropped_total",
	                       "Messages dropped by the echo guard.", NULL, NULL);
	counters->joins_waiting =
		metric_gauge("p2p_relay_joins_waiting",
	                     "Peers waiting for their turn to be announced.", NULL, NULL);
	counters->parcels_malformed = unread("malformed");
	counters->parcels_version = unread("version");
	counters->parcels_kind = unread("kind");
	counters->parcels_size = unread("size");
	for (enum error_code code = 0; code < ERROR_COUNT; code++)
		counters->errors[code] =
			metric_counter("p2p_relay_errors_total", "Errors told to clients, by code.",
		                       "code", error_name(code));
	counters->latency = metric_histogram(
		"p2p_relay_delivery_seconds",
		"From a message's arrival at its node to its delivery.", latency_bounds,
		sizeof(latency_bounds) / sizeof(latency_bounds[0]));
	return counters;
}
