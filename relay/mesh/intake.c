#include "mesh/intake.h"

#include "common/clock.h"
#include "common/timers.h"
#include "mesh/connection.h"
#include "mesh/hub.h"
#include "mesh/lease.h"
#include "mesh/limits.h"
#include "mesh/mesh.h"
#include "mesh/roster.h"
#include "mesh/router.h"
#include "mesh/routing.h"
#include "wire/envelope.h"
#include "wire/json.h"
#include "wire/notice.h"
#include "wire/presence.h"

static const struct hub_settings *settings_of(const struct connection *connection)
{
	return hub_ports(connection_hub(connection))->settings;
}

static uint64_t now_ms(const struct connection *connection)
{
	return timers_now(hub_ports(connection_hub(connection))->timers);
}

/* ---- Types that are for the relay */

static bool presence_fits(struct connection *connection, struct slice message,
                          const struct presence *presence, const struct envelope *envelope)
{
	char scratch[NAME_ID_BYTES_MAX];
	struct slice agents = presence->agents;
	struct slice name;
	size_t count = 0;

	if (message.size > PRESENCE_BYTES_MAX) {
		connection_refuse(connection, ERROR_TOO_LARGE, "a presence may have 8192 bytes",
		                  envelope);
		return false;
	}
	while (presence_next_agent(&agents, scratch, &name))
		count++;
	if (count > settings_of(connection)->agents_max) {
		connection_refuse(connection, ERROR_INVALID_MESSAGE,
		                  "the presence names too many agents", envelope);
		return false;
	}
	return true;
}

static bool presence_is_ours(struct connection *connection, const struct envelope *envelope)
{
	if (envelope->from.data == NULL && connection_id(connection).data == NULL) {
		connection_refuse(connection, ERROR_INVALID_MESSAGE,
		                  "a presence needs `from`, the id of the peer", envelope);
		return false;
	}
	struct slice id = envelope->from.data != NULL ? envelope->from : connection_id(connection);
	if (slice_is(id, "relay") || (connection_id(connection).data != NULL &&
	                              !slice_equal(id, connection_id(connection)))) {
		connection_refuse(connection, ERROR_FROM_MISMATCH,
		                  "`from` must be the id of this connection's first presence",
		                  envelope);
		return false;
	}
	if (envelope->instance_id.data != NULL && !slice_equal(envelope->instance_id, id)) {
		connection_refuse(connection, ERROR_FROM_MISMATCH,
		                  "`instanceId` must be the id of the peer", envelope);
		return false;
	}
	return true;
}

static void take_presence(struct connection *connection, struct envelope *envelope,
                          struct slice message)
{
	struct presence presence;

	presence_read(message, &presence);
	if (presence.offline) {
		connection_leave(connection, envelope->from);
		return;
	}
	if (!presence_fits(connection, message, &presence, envelope))
		return;
	if (!connection_is_joined(connection)) {
		connection_join(connection, envelope, message);
		return;
	}
	if (!connection_agrees(connection, presence.data))
		connection_change(connection, message);
}

/* With `from` filled in, which a later presence may lack. */
static void receive_presence(struct connection *connection, struct envelope *envelope,
                             struct slice message)
{
	struct buffer whole = {0};

	if (!presence_is_ours(connection, envelope))
		return;
	if (envelope->from.data == NULL) {
		envelope->from = connection_id(connection);
		buffer_append(&whole, (struct slice){message.data, envelope->body});
		notice_insert(&whole, envelope->from, (struct slice){0});
		buffer_append(&whole, (struct slice){message.data + envelope->body,
		                                     message.size - envelope->body});
		message = buffer_slice(&whole);
	}
	take_presence(connection, envelope, message);
	buffer_fini(&whole);
}

/* Old pages keep their agents up to date in heartbeats: that is a presence in other words. */
static void receive_heartbeat(struct connection *connection, const struct envelope *envelope)
{
	const struct peer *peer =
		roster_find(mesh_roster(connection_mesh(connection)), connection_id(connection));
	struct slice agents = json_member(envelope->data, "agents");
	struct buffer message = {0};
	struct presence presence;

	if (peer == NULL || agents.size == 0 || agents.data[0] != '[' ||
	    slice_equal(peer->parsed.agents, agents))
		return;
	presence_with_agents(blob_slice(peer->presence), agents, &message);
	presence_read(buffer_slice(&message), &presence);
	if (presence_fits(connection, buffer_slice(&message), &presence, envelope))
		connection_change(connection, buffer_slice(&message));
	buffer_fini(&message);
}

static void receive_capabilities(struct connection *connection, const struct envelope *envelope)
{
	const struct ports *ports = connection_sender(connection)->ports;
	const struct hub_settings *settings = ports->settings;
	struct slice accept = json_member(envelope->data, "accept");
	struct slice item;
	struct slice word;
	char scratch[16];
	struct buffer notice = {0};
	const struct notice_capabilities capabilities = {
		.version = settings->version,
		.node = ports->bus_port->node(ports->bus),
		.mesh = mesh_name(connection_mesh(connection)),
		.heartbeat_seconds = settings->ttl_ms < 3000 ? 1 : settings->ttl_ms / 3000,
		.ttl_seconds = settings->ttl_ms / 1000,
		.message_bytes_max = settings->message_bytes_max,
		.presence_bytes_max = PRESENCE_BYTES_MAX,
		.agents_max = settings->agents_max,
		.messages_per_second = settings->messages_per_second,
		.bytes_per_second = settings->bytes_per_second,
		.types = routing_types(),
	};

	while (json_next_item(&accept, &item)) {
		if (!json_string(item, scratch, sizeof(scratch), &word))
			continue;
		if (slice_is(word, "events"))
			connection_accept_events(connection);
		else if (slice_is(word, "roster"))
			connection_accept_roster(connection);
	}
	notice_capabilities(&notice, &capabilities, clock_wall_ms());
	connection_notify(connection, &notice);
}

static void answer_auth(struct connection *connection, const struct envelope *envelope,
                        enum authorized authorized, uint64_t expires_ms)
{
	struct buffer notice = {0};

	switch (authorized) {
	case AUTHORIZED:
		notice_auth_response(&notice, expires_ms, clock_wall_ms());
		connection_notify(connection, &notice);
		return;
	case AUTHORIZED_NOT:
		connection_refuse(connection, ERROR_UNAUTHORIZED, "no valid token for this mesh",
		                  envelope);
		return;
	case AUTHORIZED_OTHER:
		connection_refuse(connection, ERROR_UNAUTHORIZED,
		                  "the token is not of the one who connected", envelope);
		return;
	case AUTHORIZED_LATER:
		connection_refuse(connection, ERROR_UNAUTHORIZED,
		                  "the issuer's keys can't be had now, try again", envelope);
		return;
	case AUTHORIZED_TOO_OFTEN:
		connection_refuse(connection, ERROR_RATE_LIMITED, "one `auth` a second", envelope);
		return;
	case AUTHORIZED_WITHOUT_ANY:
		connection_refuse(connection, ERROR_INVALID_MESSAGE,
		                  "this relay does without authentication", envelope);
		return;
	}
}

/* A fresh token in place of the one that the client came with. */
static void receive_auth(struct connection *connection, const struct envelope *envelope)
{
	char scratch[AUTH_TOKEN_BYTES_MAX];
	uint64_t expires_ms = 0;
	struct slice token;
	enum authorized authorized = AUTHORIZED_NOT;

	if (json_string(json_member(envelope->data, "token"), scratch, sizeof(scratch), &token))
		authorized = connection_authorize(connection, token, &expires_ms);
	answer_auth(connection, envelope, authorized, expires_ms);
}

/* What only a peer that is present may send. */
static void receive_from_peer(struct connection *connection, const struct envelope *envelope,
                              struct slice message, const struct row *row)
{
	if (!connection_is_joined(connection)) {
		connection_refuse(connection, ERROR_NO_PRESENCE, "send a presence first", envelope);
		return;
	}
	if (!router_sender_is_right(connection_sender(connection), envelope))
		return;
	if (row->route == ROUTE_HEARTBEAT)
		receive_heartbeat(connection, envelope);
	else
		router_send(connection_sender(connection), envelope, message, row);
	if (mesh_is_pressed(connection_mesh(connection)))
		connection_hold_back(connection);
}

static void route(struct connection *connection, struct envelope *envelope, struct slice message,
                  uint64_t now)
{
	const struct row *row =
		routing_row(hub_routing(connection_hub(connection)), envelope->type);

	metric_add(row->received, 1);
	if (connection_is_joined(connection)) /* whatever it says: it lives */
		lease_touch(connection_lease(connection), now);
	switch (row->route) {
	case ROUTE_DROPPED:
		return;
	case ROUTE_RESERVED:
		connection_refuse(connection, ERROR_RESERVED_TYPE,
		                  "only the relay sends messages of this type", envelope);
		return;
	case ROUTE_CAPABILITIES:
		receive_capabilities(connection, envelope);
		return;
	case ROUTE_AUTH:
		receive_auth(connection, envelope);
		return;
	case ROUTE_PRESENCE:
		receive_presence(connection, envelope, message);
		return;
	default:
		receive_from_peer(connection, envelope, message, row);
		return;
	}
}

/* ---- The door */

static bool within_limits(struct connection *connection, struct slice message, uint64_t now)
{
	switch (limits_take(connection_limits(connection), message.size, now)) {
	case LIMITS_PASS:
		return true;
	case LIMITS_REFUSE:
		connection_refuse(connection, ERROR_RATE_LIMITED,
		                  "too many messages or bytes per second", NULL);
		return false;
	case LIMITS_FLOOD:
		connection_close(connection, CLOSE_FLOODING,
		                 "went on sending above the rate limit");
		return false;
	}
	return false;
}

/* The answer echoes the message's id where it has one that could be read. */
static void refuse_unreadable(struct connection *connection, enum envelope_fault fault,
                              const struct envelope *envelope)
{
	bool partly =
		fault == ENVELOPE_BAD_TYPE || fault == ENVELOPE_BAD_ID || fault == ENVELOPE_TWICE;

	if (fault == ENVELOPE_NOT_UTF8)
		connection_close(connection, CLOSE_NOT_UTF8, "text must be UTF-8");
	else if (limits_take_fault(connection_limits(connection), now_ms(connection)))
		connection_refuse(connection, ERROR_INVALID_MESSAGE, envelope_fault_text(fault),
		                  partly ? envelope : NULL);
	else
		connection_close(connection, CLOSE_POLICY, "too many messages that can't be read");
}

void intake_receive(struct connection *connection, struct slice message)
{
	struct envelope envelope;
	uint64_t now = now_ms(connection); /* once: it is a part of what a message costs */

	if (!within_limits(connection, message, now))
		return;

	enum envelope_fault fault = envelope_read(message, &envelope);
	if (fault != ENVELOPE_OK) {
		refuse_unreadable(connection, fault, &envelope);
		return;
	}
	route(connection, &envelope, message, now);
}
