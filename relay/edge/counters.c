#include "edge/counters.h"

#include <stdio.h>

/* The last of each list counts what is not in it. */
static const unsigned close_codes[COUNTERS_CLOSE_CODES] = {1000, 1001, 1002, 1003, 1006, 1007,
                                                           1008, 1009, 1012, 1013, 4401, 4403,
                                                           4408, 4413, 4429, 0};
static const unsigned statuses[COUNTERS_REFUSAL_STATUSES] = {400, 401, 403, 404, 405,
                                                             426, 429, 503, 0};

static void init_list(struct metric **metrics, const unsigned *values, size_t count,
                      const char *name, const char *help, const char *label)
{
	for (size_t i = 0; i < count; i++) {
		char text[16];
		snprintf(text, sizeof(text), values[i] == 0 ? "other" : "%u", values[i]);
		metrics[i] = metric_counter(name, help, label, text);
	}
}

void edge_counters_init(struct edge_counters *counters)
{
	*counters = (struct edge_counters){
		.connections =
			metric_gauge("p2p_relay_connections", "WebSockets open now.", NULL, NULL),
		.connects = metric_counter("p2p_relay_connects_total", "WebSockets opened.", NULL,
	                                   NULL),
		.visitors = metric_gauge(
			"p2p_relay_tcp_connections",
			"TCP connections of clients: WebSockets, HTTP, and those that have not said yet.",
			NULL, NULL),
		.messages_in = metric_counter("p2p_relay_socket_messages_received_total",
	                                      "Whole messages read from sockets.", NULL, NULL),
		.messages_out = metric_counter(
			"p2p_relay_socket_messages_sent_total",
			"Entries of outboxes written to sockets: a message, or several that came together.",
			NULL, NULL),
		.bytes_in = metric_counter("p2p_relay_socket_received_bytes_total",
	                                   "Payload bytes read from sockets.", NULL, NULL),
		.bytes_out = metric_counter("p2p_relay_socket_sent_bytes_total",
	                                    "Bytes written to sockets, frame headers included.",
	                                    NULL, NULL),
		.writes = metric_counter(
			"p2p_relay_socket_writes_total",
			"Writes to sockets: the fewer per message, the more were sent together.",
			NULL, NULL),
		.pauses = metric_counter(
			"p2p_relay_socket_pauses_total",
			"Times that frames to a socket had to wait for --frames-per-second.", NULL,
			NULL),
		.outbox_high_water = metric_gauge_most(
			"p2p_relay_outbox_high_water_bytes",
			"The largest backlog that one socket has had.", NULL, NULL),
		.accept_pauses = metric_counter(
			"p2p_relay_accept_pauses_total",
			"Times that newcomers had to wait: no descriptors, or too many connections.",
			NULL, NULL),
	};
	init_list(counters->closes, close_codes, COUNTERS_CLOSE_CODES, "p2p_relay_closes_total",
	          "WebSockets closed, by close code; 1006 = cut without one.", "code");
	init_list(counters->refusals, statuses, COUNTERS_REFUSAL_STATUSES,
	          "p2p_relay_upgrade_refusals_total", "Upgrades refused, by HTTP status.",
	          "status");
}

/* Where `value` is in the list, or the last place. */
static size_t place_of(const unsigned *values, size_t count, unsigned value)
{
	size_t place = 0;

	while (place < count - 1 && values[place] != value)
		place++;
	return place;
}

void edge_counters_closed(const struct edge_counters *counters, unsigned code)
{
	metric_add(counters->closes[place_of(close_codes, COUNTERS_CLOSE_CODES, code)], 1);
}

void edge_counters_refused(const struct edge_counters *counters, unsigned status)
{
	metric_add(counters->refusals[place_of(statuses, COUNTERS_REFUSAL_STATUSES, status)], 1);
}
