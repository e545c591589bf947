#include "mesh/router.h"

#include "common/clock.h"
#include "common/timers.h"
#include "mesh/connection.h"
#include "mesh/counters.h"
#include "mesh/echo.h"
#include "mesh/hub.h"
#include "mesh/mesh.h"
#include "mesh/roster.h"
#include "wire/notice.h"
#include "wire/parcel.h"

#define AGENT_PEERS_MAX 16   /* peers that a message to an agent reaches */
#define ECHO_NOTICE_MS 60000 /* a peer that echoes hears of it this often */

#define NOBODY ((struct slice){0})

static uint64_t now_ms(const struct sender *sender)
{
	return timers_now(sender->ports->timers);
}

static struct slice id_of(const struct sender *sender)
{
	return connection_id(sender->connection);
}

/* ---- Who it is from */

static bool may_call_itself(const struct sender *sender, struct slice from)
{
	const struct roster *roster = mesh_roster(sender->mesh);

	if (from.data == NULL || slice_equal(from, id_of(sender)))
		return true;
	if (slice_is(from, "relay") || roster_find(roster, from) != NULL)
		return false;
	if (!sender->ports->settings->from_announced)
		return true;
	/* What it announced a moment ago may not have come back yet. */
	if (connection_names(sender->connection, from))
		return true;
	const struct peer *self = roster_find(roster, id_of(sender));
	return self != NULL && roster_peer_has_agent(self, from, now_ms(sender));
}

bool router_sender_is_right(struct sender *sender, const struct envelope *envelope)
{
	if (!may_call_itself(sender, envelope->from)) {
		connection_refuse(sender->connection, ERROR_FROM_MISMATCH,
		                  "`from` is not this peer, nor an agent of it", envelope);
		return false;
	}
	if (envelope->instance_id.data != NULL &&
	    !slice_equal(envelope->instance_id, id_of(sender))) {
		connection_refuse(sender->connection, ERROR_FROM_MISMATCH,
		                  "`instanceId` must be the id of the peer", envelope);
		return false;
	}
	return true;
}

/* ---- Publishing */

/* What a receiver needs in order to trust `instanceId`, else `from`, to name the peer. */
static void missing_names(const struct sender *sender, const struct envelope *envelope,
                          struct buffer *inserted)
{
	struct slice id = id_of(sender);

	if (envelope->from.data == NULL)
		notice_insert(inserted, id, NOBODY);
	else if (envelope->instance_id.data == NULL && !slice_equal(envelope->from, id))
		notice_insert(inserted, NOBODY, id);
}

static void publish(struct sender *sender, const struct envelope *envelope, struct slice message,
                    struct slice target, const uint64_t *digest)
{
	const struct bus_port *bus_port = sender->ports->bus_port;
	const struct parcel parcel = {
		.kind = PARCEL_MESSAGE,
		.node = bus_port->node(sender->ports->bus),
		.connection = connection_number(sender->connection),
		.number = ++sender->message_count,
		.time_ms = clock_wall_ms(),
		.from = id_of(sender),
		.target = target,
		.has_digest = digest != NULL,
		.digest = digest != NULL ? *digest : 0,
	};
	char head[PARCEL_HEAD_BYTES_MAX];
	struct buffer inserted = {0};

	missing_names(sender, envelope, &inserted);
	const struct slice parts[] = {
		{head, parcel_head(&parcel, head)},
		{message.data, envelope->body},
		buffer_slice(&inserted),
		{message.data + envelope->body, message.size - envelope->body},
	};
	if (!bus_port->publish(mesh_topic(sender->mesh), target, parts,
	                       sizeof(parts) / sizeof(parts[0])))
		connection_error(sender->connection, ERROR_BUS_UNAVAILABLE,
		                 "the relay's queue is full, try again", envelope, "no");
	buffer_fini(&inserted);
}

void router_unpublished(struct sender *sender, struct slice target, struct slice message,
                        enum unpublished why)
{
	struct connection *connection = sender->connection;
	struct envelope envelope;

	if (envelope_read(message, &envelope) != ENVELOPE_OK)
		return;
	switch (why) {
	case UNPUBLISHED_NOBODY:
		if (mesh_knows(sender->mesh, target))
			connection_refuse(
				connection, ERROR_PEER_UNREACHABLE,
				"the peer is online, but its node can't be reached now, try again",
				&envelope);
		else
			connection_refuse(connection, ERROR_PEER_NOT_FOUND,
			                  "no peer or agent of that name is online", &envelope);
		return;
	case UNPUBLISHED_NOT_SENT:
		connection_error(connection, ERROR_BUS_UNAVAILABLE,
		                 "the message was not delivered, try again", &envelope, "no");
		return;
	case UNPUBLISHED_UNKNOWN:
		connection_error(connection, ERROR_BUS_UNAVAILABLE,
		                 "the message may or may not have been delivered", &envelope,
		                 "unknown");
		return;
	}
}

/* ---- Who it is for */

/* To the peer or the agent that `to` names. Returns false if nobody online is called so. */
static bool send_to(struct sender *sender, const struct envelope *envelope, struct slice message)
{
	const struct roster *roster = mesh_roster(sender->mesh);
	struct peer *peers[AGENT_PEERS_MAX];

	if (envelope->to.data == NULL)
		return false;
	if (roster_find(roster, envelope->to) != NULL) {
		publish(sender, envelope, message, envelope->to, NULL);
		return true;
	}
	size_t count =
		roster_with_agent(roster, envelope->to, now_ms(sender), peers, AGENT_PEERS_MAX);
	for (size_t i = 0; i < count; i++)
		publish(sender, envelope, message, peer_id(peers[i]), NULL);
	return count > 0;
}

/* A target that the roster lacks is asked for all the same: Redis knows best, and answers 0. */
static void send_direct(struct sender *sender, const struct envelope *envelope,
                        struct slice message)
{
	if (envelope->target_instance_id.data != NULL)
		publish(sender, envelope, message, envelope->target_instance_id, NULL);
	else if (envelope->to.data == NULL)
		connection_refuse(sender->connection, ERROR_INVALID_MESSAGE,
		                  "a direct message needs `to` or `targetInstanceId`", envelope);
	else if (!send_to(sender, envelope, message))
		publish(sender, envelope, message, envelope->to, NULL);
}

static bool send_reply(struct sender *sender, const struct envelope *envelope, struct slice message)
{
	struct slice target = envelope->target_instance_id;

	if (target.data == NULL)
		return send_to(sender, envelope, message);
	if (!mesh_knows(sender->mesh, target))
		return false;
	publish(sender, envelope, message, target, NULL);
	return true;
}

static bool is_echo(struct sender *sender, const struct envelope *envelope, uint64_t digest)
{
	const struct echo *echo = mesh_echo(sender->mesh);
	uint64_t now = now_ms(sender);

	if (envelope->turn_id.data != NULL || envelope->timestamp.data != NULL || echo == NULL ||
	    !echo_heard(echo, digest, id_of(sender), now))
		return false;
	metric_add(sender->ports->counters->echoes_dropped, 1);
	if (sender->echo_notice_ms == 0 || now - sender->echo_notice_ms >= ECHO_NOTICE_MS) {
		sender->echo_notice_ms = now;
		connection_refuse(sender->connection, ERROR_ECHO_SUPPRESSED,
		                  "another peer sent the same just now: dropped as an echo",
		                  envelope);
	}
	return true;
}

static void send_to_all(struct sender *sender, const struct envelope *envelope,
                        struct slice message, bool echoed)
{
	if (!echoed || sender->ports->settings->echo_window_ms == 0) {
		publish(sender, envelope, message, NOBODY, NULL);
		return;
	}
	uint64_t digest = echo_digest(envelope->type, envelope->data);
	if (!is_echo(sender, envelope, digest))
		publish(sender, envelope, message, NOBODY, &digest);
}

void router_send(struct sender *sender, const struct envelope *envelope, struct slice message,
                 const struct row *row)
{
	if (row->route == ROUTE_DIRECT)
		send_direct(sender, envelope, message);
	else if (row->route != ROUTE_REPLY || !sender->ports->settings->replies_to_target ||
	         !send_reply(sender, envelope, message))
		send_to_all(sender, envelope, message, row->echoed);
}
