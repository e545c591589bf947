#include "bus/link.h"

#include <stdlib.h>

#include <event2/event.h>

#include "bus/announces.h"
#include "bus/command.h"
#include "bus/leaves.h"
#include "bus/listings.h"
#include "bus/probe.h"
#include "bus/publications.h"
#include "bus/recovery.h"
#include "bus/scripts.h"
#include "bus/session.h"
#include "bus/subscriptions.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/random.h"
#include "common/timers.h"
#include "mesh/hub.h"

static void on_turn(evutil_socket_t fd, short what, void *context)
{
	struct link *link = context;

	(void)fd;
	(void)what;
	if (link->told == BUS_IDLE) /* begun in this turn */
		link_tell(link, NULL);
	announces_turn(link);
	publications_turn(link->publications);
}

struct link *link_create(const struct bus_settings *settings, struct event_base *base,
                         struct timers *timers, const char **error)
{
	struct address address;

	if (!address_parse(settings->redis_url, &address, error))
		return NULL;
	if (address.form != ADDRESS_SINGLE || address.tls) {
		*error = "only redis:// and unix: are supported yet";
		address_fini(&address);
		return NULL;
	}
	struct link *link = mem_zero(sizeof(*link));
	link->settings = settings;
	link->address = address;
	link->base = base;
	link->timers = timers;
	list_init(&link->topics);
	list_init(&link->announces_due);
	meters_init(&link->meters);
	link->turn = event_new(base, -1, 0, on_turn, link);
	if (link->turn == NULL)
		abort();
	link->session = session_create(link);
	link->probe = probe_create(link);
	link->scripts = scripts_create(link);
	link->subscriptions = subscriptions_create(link);
	link->publications = publications_create(link);
	link->leaves = leaves_create(link);
	link->listings = listings_create(link);
	link->recovery = recovery_create(link);
	return link;
}

/*
 * The session stops first: all callbacks that are under way are called, and find everything still
 * there.
 */
void link_destroy(struct link *link)
{
	if (link == NULL)
		return;
	session_stop(link->session);
	announces_turn(link);
	probe_destroy(link->probe);
	scripts_destroy(link->scripts);
	recovery_destroy(link->recovery);
	listings_destroy(link->listings);
	leaves_destroy(link->leaves);
	publications_destroy(link->publications);
	subscriptions_destroy(link->subscriptions);
	session_destroy(link->session);
	address_fini(&link->address);
	event_free(link->turn);
	buffer_fini(&link->command);
	free(link);
}

/*
 * The node's number is made now and not at the start of the process, which may be long before: the
 * process may have been cloned from a snapshot meanwhile.
 */
void link_start(struct link *link)
{
	if (session_is_started(link->session))
		return;
	while (link->node == 0)
		link->node = random_u64();
	keys_node_text(link->node, link->node_text);
	session_start(link->session);
	link_wake(link); /* the hub is told later: it may be the mesh that calls */
}

enum bus_state link_state(const struct link *link)
{
	if (!session_is_started(link->session))
		return BUS_IDLE;
	if (!session_is_ready(link->session))
		return BUS_DOWN;
	return recovery_is_done(link->recovery) ? BUS_UP : BUS_RECOVERING;
}

/* One line per change; while it stays down, one per new reason. */
static void log_state(struct link *link, enum bus_state state, const char *reason)
{
	static const char *const names[] = {"idle", "down", "recovering", "up"};

	if (state == BUS_UP)
		link->reason[0] = '\0';
	if (reason == NULL) {
		if (state != link->told)
			log_info("bus_state", LOG_TEXT("state", names[state]),
			         LOG_TEXT("node", link->node_text),
			         LOG_TEXT("redis", session_target(link->session)));
		return;
	}
	if (state == link->told && strcmp(link->reason, reason) == 0)
		return;
	snprintf(link->reason, sizeof(link->reason), "%s", reason);
	log_warn("bus_down", LOG_TEXT("reason", reason), LOG_TEXT("node", link->node_text),
	         LOG_TEXT("redis", session_target(link->session)));
}

void link_tell(struct link *link, const char *reason)
{
	enum bus_state state = link_state(link);

	log_state(link, state, reason);
	if (state == link->told)
		return;
	if (state == BUS_DOWN && link->told != BUS_IDLE)
		metric_add(link->meters.reconnects, 1);
	link->told = state;
	metric_set(link->meters.state, state);
	hub_bus_changed(link->hub, state);
}

void link_wake(struct link *link)
{
	event_active(link->turn, EV_TIMEOUT, 0);
}

struct buffer *link_command(struct link *link, size_t arguments)
{
	buffer_clear(&link->command);
	command_begin(&link->command, arguments);
	return &link->command;
}

uint64_t link_now_ms(const struct link *link)
{
	return timers_now(link->timers);
}

uint64_t link_hold_off_ms(const struct link *link)
{
	return 2 * link->settings->ttl_ms / 3;
}

struct slice link_head(const struct link *link, enum parcel_kind kind,
                       char head[PARCEL_HEAD_BYTES_MAX])
{
	const struct parcel parcel = {.kind = kind, .node = link->node, .time_ms = clock_wall_ms()};

	return (struct slice){head, parcel_head(&parcel, head)};
}
