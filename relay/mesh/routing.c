#include "mesh/routing.h"

#include <stdlib.h>

#include "common/memory.h"
#include "common/table.h"

static const struct {
	const char *type;
	enum route route;
	bool echoed;
} rows[] = {
	{"presence", ROUTE_PRESENCE, false},
	{"heartbeat", ROUTE_HEARTBEAT, false},
	{"direct", ROUTE_DIRECT, false},
	{"broadcast", ROUTE_ALL, true},
	{"stream", ROUTE_REPLY, false},
	{"ack", ROUTE_REPLY, false},
	{"turn_end", ROUTE_REPLY, false},
	{"error", ROUTE_REPLY, false},
	{"capabilities", ROUTE_CAPABILITIES, false},
	{"auth", ROUTE_AUTH, false},
	{"invoke", ROUTE_ALL, true},
	{"ring-update", ROUTE_ALL, true},
	{"drain", ROUTE_RESERVED, false},
	{"resync", ROUTE_RESERVED, false},
	{"roster", ROUTE_RESERVED, false},
	{"cursor", ROUTE_RESERVED, false},
	{"receipt", ROUTE_RESERVED, false},
	{"trace", ROUTE_RESERVED, false},
	{"auth_response", ROUTE_RESERVED, false},
	{"auth_expiring", ROUTE_RESERVED, false},
	{"capabilities_response", ROUTE_RESERVED, false},
};

static const char *const types[] = {
	"presence", "heartbeat", "direct", "broadcast",    "stream",
	"ack",      "turn_end",  "error",  "capabilities", NULL,
};

#define RESERVED_PREFIX SLICE("relay.")

struct routing {
	struct table table;
	struct row other;
	struct row reserved;
};

struct typed_row {
	struct table_entry entry;
	struct row row;
	char type[];
};

static struct metric *received(const char *type)
{
	return metric_counter("p2p_relay_messages_received_total",
	                      "Messages from clients, by type.", "type", type);
}

static void set_row(struct routing *routing, struct slice type, struct row row)
{
	struct table_entry *entry = table_find(&routing->table, type);

	if (entry != NULL) {
		TABLE_HOLDER(entry, struct typed_row, entry)->row = row;
		return;
	}
	struct typed_row *typed = mem_zero(sizeof(*typed) + type.size);
	memcpy(typed->type, type.data, type.size);
	typed->row = row;
	table_insert(&routing->table, &typed->entry, (struct slice){typed->type, type.size});
}

struct routing *routing_create(const char *drop_types)
{
	struct routing *routing = mem_zero(sizeof(*routing));
	struct slice drops = slice_of(drop_types);
	struct slice type;

	table_init(&routing->table);
	routing->other = (struct row){ROUTE_ALL, false, received("other")};
	routing->reserved = (struct row){ROUTE_RESERVED, false, received("reserved")};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct metric *metric = rows[i].route == ROUTE_RESERVED ? routing->reserved.received
		                                                        : received(rows[i].type);
		set_row(routing, slice_of(rows[i].type),
		        (struct row){rows[i].route, rows[i].echoed, metric});
	}
	while (slice_next_word(&drops, &type))
		set_row(routing, type, (struct row){ROUTE_DROPPED, false, received("dropped")});
	return routing;
}

void routing_destroy(struct routing *routing)
{
	struct table_cursor cursor = {0};
	struct table_entry *entry;

	if (routing == NULL)
		return;
	while ((entry = table_next(&routing->table, &cursor)) != NULL) {
		table_remove(&routing->table, entry);
		free(TABLE_HOLDER(entry, struct typed_row, entry));
	}
	table_fini(&routing->table);
	free(routing);
}

const struct row *routing_row(const struct routing *routing, struct slice type)
{
	struct table_entry *entry = table_find(&routing->table, type);

	if (entry != NULL)
		return &TABLE_HOLDER(entry, struct typed_row, entry)->row;
	return slice_starts(type, RESERVED_PREFIX) ? &routing->reserved : &routing->other;
}

const char *const *routing_types(void)
{
	return types;
}
