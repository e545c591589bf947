/*
 * Happy path: upgrade -> open, the mesh makes a connection -> messages -> one side closes: OPEN
 * -> CLOSING (asked for; from here on nothing is taken in either direction) -> LEAVING (the mesh
 * has let go; waits until what lws still holds of a cut write is out, then the close frame
 * follows) -> LEFT (lws waits for the peer's close frame, 5 s at most; of a flooder in vain) -> lws
 * says it is gone: freed.
 *
 * What may go wrong:
 *  - The peer closes first: OPEN -> LEFT, lws answers by itself.
 *  - The peer vanishes: lws closes, in whatever state.
 *  - A write fails: cut.
 *  - The peer reads nothing, so that its close frame never gets its turn: cut by its deadline.
 *  - A breach of the protocol: lws closes with 1002, and says so before its close frame leaves (but
 *    not before what it still holds of a cut write): OPEN -> LEFT.
 *
 * The mesh may ask for a close while it is being called, and must not be called back then: hence
 * CLOSING, which the flush turns into LEAVING. lws never frees a socket within a call of ours:
 * all ends come from its own event handlers or timers.
 */
#include "edge/socket.h"

#include <assert.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/memory.h"
#include "edge/deadlines.h"
#include "edge/flush.h"
#include "edge/guest.h"
#include "edge/pacer.h"
#include "edge/receive.h"
#include "edge/visitor.h"

#define CLOSE_LOST 1006 /* never on the wire: no close frame was seen */
#define CLOSE_NO_CODE 1005

/* Pings and pongs of one client. lws answers each ping by a write of its own, past all queues. */
#define CONTROLS_PER_SECOND_MAX 100

/*
 * From here on its deadline runs, and the close frame of the peer must be read; but not the flood
 * that is in front of it: 100 MB a second, only to be thrown away, take all of this thread.
 */
static void wait_for_end(struct socket *socket, enum socket_state state)
{
	bool reads = socket->close_code != CLOSE_FLOODING;

	socket->state = (uint8_t)state;
	deadlines_leave(socket);
	if (socket->reading != reads) {
		socket->reading = reads;
		lws_rx_flow_control(socket->wsi, reads ? 1 : 0);
	}
}

static void log_opened(struct socket *socket, struct guest *guest)
{
	char address[IP_TEXT_SIZE];
	struct ip ip;

	visitor_ip(socket->wsi, &ip);
	ip_print(&ip, address);
	log_debug("connection_opened", LOG_NUMBER("connection", socket->number),
	          LOG_SLICE("mesh", guest_mesh(guest)), LOG_TEXT("address", address));
}

/* It counts as one of the node's from here on. */
static void enter(struct socket *socket, struct guest *guest)
{
	struct edge *edge = socket->edge;

	list_append(&edge->sockets, &socket->member);
	activity_opened(&edge->score->activity, timers_now(edge->timers), clock_wall_ms() / 1000);
	metric_set(edge->counters.connections, edge_socket_count(edge));
	metric_add(edge->counters.connects, 1);

	socket->connection = hub_connect(edge->hub, guest_mesh(guest), guest_owner(guest), socket);
	socket->number = connection_number(socket->connection);
	if (log_is_on(LOG_LEVEL_DEBUG))
		log_opened(socket, guest);
	if (guest_is_idle(guest))
		guest_leave(guest);
	else
		socket->guest = guest;
	if (edge->settings.frames_per_second > 0)
		socket->pacer = pacer_create(socket, edge->settings.frames_per_second);
	deadlines_add(socket);
}

static void turn_away(struct socket *socket, struct guest *guest)
{
	const struct rejection *rejection = guest_rejection(guest);

	socket->close_code = (uint16_t)rejection->code;
	socket->close_reason = rejection->why;
	edge_counters_closed(&socket->edge->counters, rejection->code);
	guest_leave(guest);
	wait_for_end(socket, SOCKET_LEAVING);
	lws_callback_on_writable(socket->wsi);
}

void socket_open(struct edge *edge, struct lws *wsi, struct guest *guest)
{
	struct socket *socket = mem_zero(sizeof(*socket));

	socket->edge = edge;
	socket->wsi = wsi;
	socket->reading = true;
	list_init(&socket->member);
	list_init(&socket->work);
	list_init(&socket->slot);
	lws_set_wsi_user(wsi, socket);
	if (guest_rejection(guest) == NULL)
		enter(socket, guest);
	else
		turn_away(socket, guest);
}

void socket_close(struct socket *socket, enum close_code code, const char *reason)
{
	if (socket->state != SOCKET_OPEN)
		return;
	socket->state = SOCKET_CLOSING;
	socket->close_code = (uint16_t)code;
	socket->close_reason = reason;
	flush_mark(socket);
}

/* The end is certain: the mesh lets go, and all that was for or from it is dropped. */
static void detach(struct socket *socket, unsigned code, struct slice reason)
{
	struct edge *edge = socket->edge;

	socket->state =
		SOCKET_LEAVING; /* whatever the mesh does with it while it lets go is ignored */
	outbox_clear(&socket->outbox);
	receive_drop(socket);
	list_remove(&socket->work);
	log_info("connection_closed", LOG_NUMBER("connection", socket->number),
	         LOG_NUMBER("code", code), LOG_SLICE("reason", reason));
	edge_counters_closed(&edge->counters, code);
	connection_destroy(socket->connection);
	socket->connection = NULL;
}

void socket_leave(struct socket *socket)
{
	assert(socket->state == SOCKET_CLOSING);
	if (socket->close_code != CLOSE_TOO_SLOW)
		flush_all(socket);
	if (socket->state == SOCKET_LEFT)
		return; /* the write failed */
	detach(socket, socket->close_code, slice_of(socket->close_reason));
	wait_for_end(socket, SOCKET_LEAVING);
	lws_callback_on_writable(socket->wsi);
}

void socket_cut(struct socket *socket)
{
	if (socket->connection != NULL)
		detach(socket, CLOSE_LOST, SLICE("the connection broke"));
	wait_for_end(socket, SOCKET_LEFT);
	if (!socket->reading) {
		socket->reading = true; /* lws lets nobody go whom it must not read */
		lws_rx_flow_control(socket->wsi, 1);
	}
	lws_set_timeout(socket->wsi, PENDING_TIMEOUT_USER_REASON_BASE, LWS_TO_KILL_ASYNC);
	/* Its timers are looked at only after some event of its own. */
	lws_cancel_service(socket->edge->lws);
}

int socket_on_writable(struct socket *socket)
{
	if (socket->state == SOCKET_CLOSING)
		socket_leave(socket);

	switch (socket->state) {
	case SOCKET_OPEN:
		if (flush_some(socket))
			lws_callback_on_writable(socket->wsi);
		return 0;
	case SOCKET_LEAVING:
		/* With a rest of a cut write in its hands lws would send no close frame. */
		if (lws_partial_buffered(socket->wsi)) {
			lws_callback_on_writable(socket->wsi);
			return 0;
		}
		socket->state = SOCKET_LEFT;
		lws_close_reason(socket->wsi, (enum lws_close_status)socket->close_code,
		                 (unsigned char *)(uintptr_t)socket->close_reason,
		                 strlen(socket->close_reason));
		return -1;
	default:
		return 0;
	}
}

int socket_on_peer_close(struct socket *socket, struct slice payload)
{
	if (socket->state == SOCKET_OPEN || socket->state == SOCKET_CLOSING) {
		const unsigned char *bytes = (const unsigned char *)payload.data;
		unsigned code = CLOSE_NO_CODE;
		struct slice reason = SLICE("");

		if (payload.size >= 2) {
			code = (unsigned)(bytes[0] << 8 | bytes[1]);
			reason = (struct slice){payload.data + 2, payload.size - 2};
		}
		detach(socket, code, reason);
	}
	wait_for_end(socket, SOCKET_LEFT);
	return 0;
}

void socket_on_closing(struct socket *socket)
{
	unsigned code = CLOSE_LOST;

	if (socket->connection == NULL)
		return;
	if (lws_get_close_length(socket->wsi) >= 2) {
		const unsigned char *payload = lws_get_close_payload(socket->wsi);
		code = (unsigned)(payload[0] << 8 | payload[1]);
		flush_all(socket); /* what was said before stands before the close frame */
	}
	if (socket->connection != NULL) /* the write did not fail */
		detach(socket, code,
		       code == CLOSE_LOST ? SLICE("the connection broke")
		                          : SLICE("protocol error"));
	socket->state = SOCKET_LEFT;
}

void socket_on_pong(struct socket *socket)
{
	if (socket->state == SOCKET_OPEN)
		connection_pong(socket->connection);
}

bool socket_on_control(struct socket *socket)
{
	uint32_t now_s = wheel_now_s(&socket->edge->wheel);

	if (socket->state != SOCKET_OPEN)
		return false;
	if (socket->controls_s != now_s) {
		socket->controls_s = now_s;
		socket->controls = 0;
	}
	if (++socket->controls > CONTROLS_PER_SECOND_MAX) {
		socket_close(socket, CLOSE_FLOODING, "too many pings or pongs");
		return false;
	}
	socket->pinged_s = 0;
	if (socket->pacer != NULL)
		pacer_owe(socket->pacer); /* lws answers by a frame of its own, if it was a ping */
	return true;
}

/* It was one of the node's. */
static void uncount(struct edge *edge)
{
	activity_closed(&edge->score->activity, timers_now(edge->timers), clock_wall_ms() / 1000);
	metric_set(edge->counters.connections, edge_socket_count(edge));
}

void socket_on_end(struct socket *socket)
{
	struct edge *edge = socket->edge;

	socket_on_closing(socket);
	lws_set_wsi_user(socket->wsi, NULL);
	list_remove(&socket->slot);
	if (!list_empty(&socket->member)) { /* it was not turned away */
		list_remove(&socket->member);
		uncount(edge);
	}
	guest_leave(socket->guest);
	pacer_destroy(socket->pacer);
	free(socket);
}

static bool port_send(struct socket *socket, struct blob *frames, uint32_t begin, uint32_t end,
                      bool exempt)
{
	if (socket->state != SOCKET_OPEN)
		return false;
	if (!outbox_push(&socket->outbox, frames, begin, end, exempt,
	                 socket->edge->settings.outbox_bytes_max)) {
		socket_close(socket, CLOSE_TOO_SLOW, "too slow: outbox full");
		return false;
	}
	edge_counters_backlog(&socket->edge->counters, outbox_bytes(socket->outbox));
	flush_mark(socket);
	return true;
}

static size_t port_backlog(const struct socket *socket)
{
	return outbox_bytes(socket->outbox);
}

static void port_read(struct socket *socket, bool on)
{
	if (socket->state != SOCKET_OPEN || socket->reading == on)
		return;
	socket->reading = on;
	lws_rx_flow_control(socket->wsi, on ? 1 : 0);
	if (on)
		deadlines_resume(socket);
}

static enum authorized port_authorize(struct socket *socket, struct slice token,
                                      uint64_t *expires_ms)
{
	enum authorized authorized = guest_renew(socket->guest, token, expires_ms);

	if (authorized == AUTHORIZED)
		deadlines_update(socket);
	return authorized;
}

const struct edge_port *edge_port(void)
{
	static const struct edge_port port = {
		.send = port_send,
		.backlog = port_backlog,
		.close = socket_close,
		.read = port_read,
		.authorize = port_authorize,
	};
	return &port;
}
