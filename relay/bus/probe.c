/*
 * The happy path: nothing was heard for `probe_ms`; PUBLISH on the node's own channel; it comes
 * back.
 *
 * Failures: it does not within ANSWER_MS_MAX although nothing else came either, or the loop did not
 * turn for longer than TTL/6. Both fail the session.
 *
 * What comes on that channel and is not ours is of a twin: a process that was cloned from the same
 * snapshot, with the same number. Connections do not outlive a snapshot, so clones connect anew; each
 * then sends a probe once the link is up, and knows its own by a nonce that it makes at each connect.
 */
#include "bus/probe.h"

#include <stdio.h>
#include <stdlib.h>

#include "bus/cluster.h"
#include "bus/keys.h"
#include "bus/link.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/random.h"
#include "common/timers.h"
#include "redis/command.h"
#include "redis/reply.h"
#include "redis/session.h"
#include "redis/slot.h"
#include "redis/subscriptions.h"

#define ANSWER_MS_MAX 2900 /* with probes each second a silent Redis is noticed within 4 s */
#define TAGS_MAX 16384     /* as many as slots: a shard with few may have none of them */
#define TAG_BYTES 8

struct probe {
	struct link *link;
	struct blob *channel; /* NULL: none, so nothing is proven */
	unsigned slot;        /* of the channel */
	uint64_t node;        /* whose it is */
	struct subscription *subscription;
	struct timer watch;
	uint64_t awake_ms; /* clock_boot_ms() when the loop was last seen to turn */
	uint64_t tick_ms;  /* the watch fires at least this often */
	uint64_t heard_ms; /* the last message on the subscriber */
	uint64_t number;   /* of the last probe: the nonce, then how many there were */
	uint32_t stale;    /* the nonce of the session before, of which a probe may be late */
	uint64_t sent_ms;
	bool in_flight;
	bool accepted; /* the connection for commands has answered */
	bool subscribed;
};

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

bool probe_is_awake(struct probe *probe)
{
	uint64_t now = clock_boot_ms();
	uint64_t gap = now - probe->awake_ms;

	probe->awake_ms = now;
	if (gap <= probe->tick_ms + probe->link->shared->settings->ttl_ms / 6)
		return true;
	session_fail(probe->link->session, "this process stood still");
	return false;
}

void probe_heard(struct probe *probe)
{
	probe->heard_ms = link_now_ms(probe->link);
}

/* ---- Sending */

static void on_published(void *context, enum answer answer, const redisReply *reply)
{
	struct probe *probe = context;

	(void)reply;
	if (answer != ANSWER_LOST)
		probe->accepted = true;
}

static void send(struct probe *probe)
{
	struct link *link = probe->link;
	struct buffer *command = session_begin(link->session, 3);
	char head[LINK_HEAD_BYTES_MAX];
	struct slice start = link_head(link, PARCEL_PROBE, head);

	probe->number++;
	probe->sent_ms = link_now_ms(link);
	probe->in_flight = true;
	probe->accepted = false;
	command_add(command, link->shared->cluster != NULL ? SLICE("SPUBLISH") : SLICE("PUBLISH"));
	command_add(command, blob_slice(probe->channel));
	command_add_size(command, start.size + sizeof(probe->number));
	buffer_append(command, start);
	buffer_append(command, (struct slice){(const char *)&probe->number, sizeof(probe->number)});
	buffer_append(command, SLICE("\r\n"));
	session_command(link->session, command_end(command), on_published, probe);
}

/* ---- Watching */

/* When a probe in flight is overdue. Either connection may still work off what came before it. */
static uint64_t overdue_ms(const struct probe *probe)
{
	const struct session *session = probe->link->session;
	uint64_t last = probe->accepted ? session_subscriber_heard_ms(session)
	                                : session_command_heard_ms(session);

	return later(probe->sent_ms, last) + ANSWER_MS_MAX;
}

static uint64_t silent_ms(const struct probe *probe)
{
	uint64_t answered_ms = session_command_heard_ms(probe->link->session);

	return (answered_ms < probe->heard_ms ? answered_ms : probe->heard_ms) +
	       probe->link->shared->settings->probe_ms;
}

static void on_watch(void *context)
{
	struct probe *probe = context;
	uint64_t now = link_now_ms(probe->link);

	if (!session_is_ready(probe->link->session) || !probe_is_awake(probe))
		return;
	if (probe->subscribed && probe->in_flight && now >= overdue_ms(probe)) {
		session_fail(probe->link->session,
		             probe->accepted ? "the subscriber is deaf" : "no answer");
		return;
	}
	if (probe->subscribed && !probe->in_flight && now >= silent_ms(probe))
		send(probe);

	uint64_t next = probe->in_flight ? overdue_ms(probe) : silent_ms(probe);
	uint64_t wait = next > now ? next - now : 1;
	if (!probe->subscribed)
		wait = probe->tick_ms;
	timer_set(probe->link->shared->timers, &probe->watch,
	          wait < probe->tick_ms ? wait : probe->tick_ms);
}

/* ---- Hearing */

static uint32_t nonce_of(uint64_t number)
{
	return (uint32_t)(number >> 32);
}

static void on_twin(struct probe *probe)
{
	struct shared *shared = probe->link->shared;

	log_warn("node_cloned", LOG_TEXT("node", shared->node_text),
	         LOG_TEXT("meaning", "another process has this number; taking a new one"));
	shared_name_node(shared);
}

static void hear(struct probe *probe, struct slice bytes)
{
	struct parcel parcel;
	uint64_t number;

	if (parcel_read(bytes, &parcel) != PARCEL_OK || parcel.kind != PARCEL_PROBE ||
	    parcel.body.size != sizeof(number))
		return;
	memcpy(&number, parcel.body.data, sizeof(number));
	if (nonce_of(number) != nonce_of(probe->number) && nonce_of(number) != probe->stale) {
		on_twin(probe);
		return;
	}
	if (!probe->in_flight || number != probe->number)
		return;
	probe->in_flight = false;
	histogram_observe(probe->link->shared->meters.probe_seconds,
	                  (double)(link_now_ms(probe->link) - probe->sent_ms) / 1000);
}

static void on_received(void *context, struct slice message)
{
	struct probe *probe = context;

	if (link_read_origin(probe->link, &message))
		hear(probe, message);
}

static void on_subscribed(void *context)
{
	struct probe *probe = context;

	probe->subscribed = true;
	probe_heard(probe);
	if (probe->link->up)
		probe_up(probe);
}

void probe_up(struct probe *probe)
{
	if (probe->subscribed && !probe->in_flight)
		send(probe);
}

/* ---- The channel */

static void drop_channel(struct probe *probe)
{
	if (probe->channel == NULL)
		return;
	subscription_drop(probe->subscription);
	blob_unref(probe->channel);
	probe->channel = NULL;
	probe->subscribed = false;
	probe->in_flight = false;
}

static void on_dropped(void *context)
{
	struct probe *probe = context;

	probe->subscribed = false;
	probe->in_flight = false;
	link_dropped(probe->link);
}

/* Any tag will do of which the slot is this link's; those that begin with ~ name no mesh. */
static bool find_tag(const struct link *link, char tag[TAG_BYTES], unsigned *slot)
{
	struct cluster *cluster = link->shared->cluster;

	for (unsigned i = 0; i < TAGS_MAX; i++) {
		snprintf(tag, TAG_BYTES, i == 0 ? "~" : "~%u", i);
		*slot = slot_of(slice_of(tag));
		if (cluster == NULL || cluster_link(cluster, *slot) == link)
			return true;
	}
	return false;
}

void probe_place(struct probe *probe)
{
	static const struct holder holder = {on_subscribed, on_received, on_dropped};
	struct link *link = probe->link;
	struct cluster *cluster = link->shared->cluster;
	char tag[TAG_BYTES];

	if (probe->channel != NULL && probe->node == link->shared->node &&
	    (cluster == NULL || (cluster_link(cluster, probe->slot) == link &&
	                         (probe->subscribed || !link->subscribed))))
		return;
	drop_channel(probe);
	if (!find_tag(link, tag, &probe->slot))
		return;
	probe->node = link->shared->node;
	probe->channel =
		keys_node(slice_of(link->shared->settings->prefix), slice_of(tag), probe->node);
	probe->subscription =
		subscription_open(link->subscriptions, probe->channel, &holder, probe);
}

void probe_start(struct probe *probe)
{
	probe->in_flight = false;
	probe->subscribed = false;
	probe->stale = nonce_of(probe->number);
	probe->number = random_u64() & ~(uint64_t)UINT32_MAX;
	probe->awake_ms = clock_boot_ms();
	probe_heard(probe);
	timer_set(probe->link->shared->timers, &probe->watch, probe->tick_ms);
}

void probe_stop(struct probe *probe)
{
	timer_stop(probe->link->shared->timers, &probe->watch);
}

struct probe *probe_create(struct link *link)
{
	struct probe *probe = mem_zero(sizeof(*probe));
	uint64_t sixth = link->shared->settings->ttl_ms / 6;

	probe->link = link;
	probe->tick_ms =
		sixth < link->shared->settings->probe_ms ? sixth : link->shared->settings->probe_ms;
	timer_init(&probe->watch, on_watch, probe);
	return probe;
}

void probe_destroy(struct probe *probe)
{
	if (probe == NULL)
		return;
	probe_stop(probe);
	drop_channel(probe);
	free(probe);
}
