#include "edge/deadlines.h"

#include "common/random.h"
#include "edge/flush.h"
#include "edge/guest.h"
#include "edge/receive.h"
#include "edge/socket.h"

#define NEVER UINT32_MAX

/* For the closing handshake, at least: then the socket is cut, within a second. */
#define LEAVE_MS 5000
#define LEAVE_HASTY_MS 500

/* With a payload: lws does not report a pong without one. */
static const char ping_frame[] = "\x89\x04ping";

static uint32_t earlier(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

static uint32_t pong_deadline_s(const struct socket *socket)
{
	if (socket->pinged_s == 0)
		return NEVER;
	return socket->pinged_s + socket->edge->settings.pong_seconds_max;
}

/* When something has to be done about it. While it is not read from, its client cannot be late. */
static uint32_t due_s(const struct socket *socket)
{
	uint32_t due = socket->act_at_s;

	if (socket->state != SOCKET_OPEN)
		return due;
	due = earlier(due, guest_due_s(socket->guest));
	if (!socket->reading)
		return due;
	return earlier(due, earlier(pong_deadline_s(socket), receive_deadline_s(socket)));
}

static void ping(struct socket *socket, uint32_t now_s)
{
	struct blob *frame = socket->edge->ping;

	outbox_push(&socket->outbox, frame, 0, frame->size, /*exempt=*/true, 0);
	flush_mark(socket);
	socket->act_at_s = now_s + socket->edge->settings.ping_seconds;
	if (socket->pinged_s == 0)
		socket->pinged_s = now_s;
}

/* All deadlines for the client begin anew. */
static void restart(struct socket *socket)
{
	if (socket->pinged_s != 0)
		socket->pinged_s = wheel_now_s(&socket->edge->wheel);
	receive_restart_deadline(socket);
}

/* Its token: closes the socket, or says that it will. */
static bool may_stay(struct socket *socket, uint32_t now_s)
{
	switch (guest_look(socket->guest, now_s)) {
	case GUEST_WELCOME:
		return true;
	case GUEST_EXPIRING:
		connection_auth_expiring(socket->connection, guest_expires_ms(socket->guest));
		return socket->state == SOCKET_OPEN;
	case GUEST_EXPIRED:
		socket_close(socket, CLOSE_UNAUTHORIZED, "the token has expired");
		return false;
	}
	return true;
}

static uint32_t on_visit(struct list *entry, uint32_t now_s)
{
	struct socket *socket = LIST_ENTRY(entry, struct socket, slot);

	if (socket->edge->wheel.late_s > 0)
		restart(socket); /* it was this node that was late: what they said may wait to be read */
	if (socket->state == SOCKET_OPEN && !may_stay(socket, now_s))
		return now_s + 1;
	if (due_s(socket) > now_s)
		return due_s(socket);
	if (socket->state == SOCKET_CLOSING)
		return now_s + 1; /* the flush is about to see to it */
	if (socket->state != SOCKET_OPEN)
		socket_cut(socket);
	else if (socket->reading && pong_deadline_s(socket) <= now_s)
		socket_close(socket, CLOSE_HEARTBEAT, "no pong");
	else if (socket->reading && receive_deadline_s(socket) <= now_s)
		socket_close(socket, CLOSE_POLICY, "message not finished in time");
	else
		ping(socket, now_s);
	return due_s(socket);
}

void deadlines_init(struct edge *edge)
{
	wheel_init(&edge->wheel, edge->timers, on_visit);
	edge->ping = blob_copy(SLICE(ping_frame));
}

void deadlines_fini(struct edge *edge)
{
	wheel_fini(&edge->wheel);
	blob_unref(edge->ping);
	edge->ping = NULL;
}

void deadlines_update(struct socket *socket)
{
	wheel_place(&socket->edge->wheel, &socket->slot, due_s(socket));
}

void deadlines_add(struct socket *socket)
{
	const struct edge *edge = socket->edge;

	socket->act_at_s =
		wheel_now_s(&edge->wheel) + 1 + (uint32_t)random_below(edge->settings.ping_seconds);
	deadlines_update(socket);
}

void deadlines_resume(struct socket *socket)
{
	restart(socket);
	deadlines_update(socket);
}

/* Who was silent until now will hardly answer the close. */
static uint64_t leave_ms(const struct socket *socket)
{
	bool hasty = socket->edge->drain.hasty || socket->close_code == CLOSE_HEARTBEAT;

	return hasty ? LEAVE_HASTY_MS : LEAVE_MS;
}

void deadlines_leave(struct socket *socket)
{
	uint64_t end_ms = timers_now(socket->edge->timers) + leave_ms(socket);

	socket->act_at_s = (uint32_t)(end_ms / 1000) + 1;
	deadlines_update(socket);
}
