#include "bus/link.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include <event2/event.h>

#include "bus/announces.h"
#include "bus/cluster.h"
#include "bus/demotion.h"
#include "bus/listings.h"
#include "bus/probe.h"
#include "bus/publications.h"
#include "bus/topic.h"
#include "bus/traffic.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/timers.h"
#include "redis/scripts.h"
#include "redis/session.h"
#include "redis/subscriptions.h"

enum bus_state link_state(const struct link *link)
{
	if (!session_is_started(link->session))
		return BUS_IDLE;
	if (!session_is_ready(link->session))
		return BUS_DOWN;
	return link->up ? BUS_UP : BUS_RECOVERING;
}

enum bus_state links_state(const struct shared *shared)
{
	enum bus_state best = shared->node != 0 ? BUS_DOWN : BUS_IDLE;

	LIST_EACH(&shared->links, link) {
		enum bus_state state = link_state(LIST_ENTRY(link, struct link, in_shared));
		best = state > best ? state : best;
	}
	return best;
}

/* One line per change; until it is up again, one per new reason. */
static void log_state(struct link *link, enum bus_state state, const char *reason)
{
	static const char *const names[] = {"idle", "down", "recovering", "up"};
	const char *target = session_target(link->session);
	const char *node = link->shared->node_text;

	if (reason == NULL) {
		if (state != link->told && (state == BUS_UP || link->reason[0] == '\0'))
			log_info("bus_state", LOG_TEXT("state", names[state]),
			         LOG_TEXT("node", node), LOG_TEXT("redis", target));
		if (state == BUS_UP)
			link->reason[0] = '\0';
		return;
	}
	if (strcmp(link->reason, reason) == 0)
		return;
	snprintf(link->reason, sizeof(link->reason), "%s", reason);
	log_warn("bus_down", LOG_TEXT("reason", reason), LOG_TEXT("node", node),
	         LOG_TEXT("redis", target));
}

/* Logs the state if it is another than was told. `reason`: why it is down; else NULL. */
static void tell(struct link *link, const char *reason)
{
	enum bus_state state = link_state(link);

	log_state(link, state, reason);
	if (state == BUS_DOWN && link->told > BUS_DOWN)
		metric_add(link->shared->meters.reconnects, 1);
	link->told = state;
	metric_set(link->shared->meters.state, links_state(link->shared));
}

/* ---- From connected to up, and back */

static void on_ready(void *context)
{
	struct link *link = context;

	probe_start(link->probe);
	scripts_load(link->scripts);
	listings_ask(link->listings);
	tell(link, NULL);
}

static void on_subscribed(void *context)
{
	struct link *link = context;

	link->subscribed = true;
	session_connected(link->session);
	link_look(link);
}

static void on_loaded(void *context)
{
	struct link *link = context;

	link->begun = true;
	probe_place(link->probe);
	subscriptions_restore(link->subscriptions);
	topics_each(link, topic_begin);
	subscriptions_fence(link->subscriptions, on_subscribed, link);
}

void link_look(struct link *link)
{
	if (link->up || !link->subscribed || link->recovering > 0 ||
	    !session_is_ready(link->session))
		return;
	link->up = true;
	session_settled(link->session);
	tell(link, NULL);
	probe_up(link->probe);
}

static void on_lost(void *context)
{
	struct link *link = context;

	link->begun = link->subscribed = link->up = false;
	probe_stop(link->probe);
	scripts_lost(link->scripts);
	topics_each(link, topic_lost);
	subscriptions_lost(link->subscriptions);
	assert(link->recovering == 0 && link->recovery_calls == 0);
	traffic_relax(link->traffic);
}

static void on_failed(void *context, const char *reason)
{
	struct link *link = context;

	if (link->shared->cluster != NULL)
		cluster_doubt(link->shared->cluster);
	tell(link, reason);
}

/* ---- What the session hears */

static void on_demoted(void *context)
{
	struct link *link = context;

	demotion_tell(link->demotion);
}

static void on_moved(void *context, struct slice error)
{
	struct link *link = context;

	cluster_moved(link->shared->cluster, link, error);
}

static void on_heard(void *context, const redisReply *reply)
{
	struct link *link = context;

	if (subscriptions_heard(link->subscriptions, reply))
		probe_heard(link->probe);
}

void link_dropped(struct link *link)
{
	if (link->shared->cluster != NULL)
		cluster_doubt(link->shared->cluster);
	else
		session_fail(link->session, "Redis ended a subscription by itself");
}

static bool may_read(void *context)
{
	const struct link *link = context;

	return probe_is_awake(link->probe);
}

/* ---- Life */

static void on_turn(evutil_socket_t fd, short what, void *context)
{
	struct link *link = context;

	(void)fd;
	(void)what;
	if (link->told == BUS_IDLE) /* begun in this turn */
		tell(link, NULL);
	announces_turn(link);
	publications_turn(link);
}

void link_wake(struct link *link)
{
	event_active(link->turn, EV_TIMEOUT, 0);
}

struct link *link_create(struct shared *shared, const struct address_host *target)
{
	static const struct session_handler handler = {
		.ready = on_ready,
		.lost = on_lost,
		.failed = on_failed,
		.demoted = on_demoted,
		.moved = on_moved,
		.heard = on_heard,
		.may_read = may_read,
	};
	struct link *link = mem_zero(sizeof(*link));

	link->shared = shared;
	list_init(&link->in_shared);
	list_append(&shared->links, &link->in_shared);
	if (target != NULL) {
		link->target.name = mem_copy(target->name, strlen(target->name) + 1);
		link->target.port = target->port;
	}
	list_init(&link->topics);
	list_init(&link->announces_due);
	list_init(&link->publications_due);
	list_init(&link->recoveries_waiting);
	link->turn = event_new(shared->redis.base, -1, 0, on_turn, link);
	if (link->turn == NULL)
		abort();
	link->session = session_create(&shared->redis, target, &handler, link);
	link->probe = probe_create(link);
	link->scripts = scripts_create(link->session, shared->timers, shared->scripts, SCRIPT_COUNT,
	                               on_loaded, link);
	link->subscriptions = subscriptions_create(link->session, shared->cluster != NULL);
	link->demotion = demotion_create(link);
	link->traffic = traffic_create(link);
	link->listings = listings_create(link);
	return link;
}

void link_stop(struct link *link)
{
	session_stop(link->session);
	scripts_lost(link->scripts);
	announces_turn(link);
	topics_each(link, topic_give_up);
}

void link_destroy(struct link *link)
{
	if (link == NULL)
		return;
	assert(list_empty(&link->topics));
	list_remove(&link->in_shared);
	listings_destroy(link->listings);
	demotion_destroy(link->demotion);
	probe_destroy(link->probe);
	scripts_destroy(link->scripts);
	traffic_destroy(link->traffic);
	subscriptions_destroy(link->subscriptions);
	session_destroy(link->session);
	event_free(link->turn);
	free(link->target.name);
	free(link);
}

void link_start(struct link *link)
{
	if (session_is_started(link->session))
		return;
	session_start(link->session);
	link_wake(link); /* what is to be said is said later: it may be the mesh that calls */
}

/* ---- For its parts */

uint64_t link_now_ms(const struct link *link)
{
	return timers_now(link->shared->timers);
}

size_t link_origin_bytes(const struct link *link)
{
	return link->shared->cluster != NULL ? LINK_ORIGIN_BYTES : 0;
}

void link_write_origin(const struct link *link, char *at)
{
	if (link->shared->cluster != NULL)
		memcpy(at, session_run_id(link->session), LINK_ORIGIN_BYTES);
}

bool link_read_origin(const struct link *link, struct slice *message)
{
	size_t size = link_origin_bytes(link);

	if (size == 0)
		return true;
	if (message->size < size ||
	    memcmp(message->data, session_run_id(link->session), size) != 0) {
		metric_add(link->shared->meters.stale, 1);
		return false;
	}
	message->data += size;
	message->size -= size;
	return true;
}

struct slice link_head(const struct link *link, enum parcel_kind kind,
                       char head[LINK_HEAD_BYTES_MAX])
{
	const struct parcel parcel = {
		.kind = kind, .node = link->shared->node, .time_ms = clock_wall_ms()};
	size_t origin = link_origin_bytes(link);

	link_write_origin(link, head);
	return (struct slice){head, origin + parcel_head(&parcel, head + origin)};
}
