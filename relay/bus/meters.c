#include "bus/meters.h"

static const char *const failure_names[] = {
	[UNPUBLISHED_NOBODY] = "nobody",
	[UNPUBLISHED_NOT_SENT] = "not_sent",
	[UNPUBLISHED_UNKNOWN] = "unknown",
};

static void init_publishing(struct meters *meters)
{
	meters->queue_bytes = metric_gauge(
		"p2p_relay_bus_queue_bytes",
		"Published and not yet answered by Redis, unsent included.", NULL, NULL);
	meters->publishes =
		metric_counter("p2p_relay_publishes_total", "Parcels handed to Redis.", NULL, NULL);
	for (size_t i = 0; i < sizeof(failure_names) / sizeof(failure_names[0]); i++)
		meters->publish_failures[i] = metric_counter(
			"p2p_relay_publish_failures_total",
			"Parcels that reached nobody (nobody, not_sent) or perhaps nobody (unknown).",
			"reason", failure_names[i]);
}

void meters_init(struct meters *meters)
{
	static const double bounds[] = {.0005, .001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 3};

	meters->state = metric_gauge_least(
		"p2p_relay_bus_state",
		"0 idle, 1 down, 2 recovering, 3 up; of several workers the least.", NULL, NULL);
	meters->reconnects = metric_counter("p2p_relay_bus_reconnects_total",
	                                    "Connections to Redis that were lost.", NULL, NULL);
	meters->errors = metric_counter("p2p_relay_bus_errors_total",
	                                "Commands that Redis answered with an error.", NULL, NULL);
	meters->looks = metric_counter("p2p_relay_sweeps_total", "Looks at the index of a mesh.",
	                               NULL, NULL);
	meters->reaped =
		metric_counter("p2p_relay_reaped_total",
	                       "Peers that a sweep of this node found lapsed.", NULL, NULL);
	meters->leaves_owed =
		metric_gauge("p2p_relay_leaves_owed",
	                     "Peers that left, of which Redis has yet to confirm it.", NULL, NULL);
	meters->stale = metric_counter(
		"p2p_relay_stale_messages_total",
		"Messages that a shard's master of before a failover passed on after it.", NULL,
		NULL);
	meters->probe_seconds = metric_histogram("p2p_relay_bus_probe_seconds",
	                                         "From publishing a probe to its coming back.",
	                                         bounds, sizeof(bounds) / sizeof(bounds[0]));
	init_publishing(meters);
}
