/*
 * Happy path: a message that lies whole in lws's read buffer goes to the mesh where it lies. One
 * that comes in pieces, be it as fragments, over several reads or in more than one read buffer,
 * is gathered first.
 *
 * What may go wrong, each ending the connection with its own close code:
 *  - binary: 1003
 *  - longer than message_bytes_max: 1009 as soon as that is certain, which may be before its
 *    bytes came
 *  - not whole in time: 1008 (see deadlines.c)
 *  - too much is being gathered for all sockets together: 1013
 */
#include "edge/receive.h"

#include <assert.h>
#include <stdlib.h>

#include "common/memory.h"
#include "edge/deadlines.h"
#include "edge/socket.h"

/* For all sockets: who opens many and sends each time all but the last byte shall not get far. */
#define GATHERED_BYTES_MAX ((size_t)256 << 20)

struct message {
	uint32_t begun_s;
	struct buffer bytes;
};

void receive_drop(struct socket *socket)
{
	struct message *message = socket->message;

	if (message == NULL)
		return;
	socket->edge->gathered_bytes -= message->bytes.size;
	socket->message = NULL;
	buffer_fini(&message->bytes);
	free(message);
}

static void deliver(struct socket *socket, struct slice message)
{
	/* lws keeps what it has already read when the mesh stops the flow. */
	assert(socket->reading);
	metric_add(socket->edge->counters.messages_in, 1);
	connection_receive(socket->connection, message);
}

static bool gather(struct socket *socket, struct slice piece)
{
	struct edge *edge = socket->edge;

	if (edge->gathered_bytes + piece.size > GATHERED_BYTES_MAX) {
		socket_close(socket, CLOSE_TRY_AGAIN, "too many unfinished messages on this node");
		return false;
	}
	if (socket->message == NULL) {
		socket->message = mem_zero(sizeof(*socket->message));
		socket->message->begun_s = wheel_now_s(&edge->wheel);
		deadlines_update(socket);
	}
	buffer_append(&socket->message->bytes, piece);
	edge->gathered_bytes += piece.size;
	return true;
}

/* Would the message be too long with this piece and with what its frame says is still to come? */
static bool is_too_long(const struct socket *socket, size_t piece)
{
	size_t room = socket->edge->settings.message_bytes_max;
	size_t to_come = lws_remaining_packet_payload(socket->wsi);

	if (socket->message != NULL)
		room -= socket->message->bytes.size;
	return piece > room || to_come > room - piece;
}

void receive_piece(struct socket *socket, struct slice piece)
{
	if (socket->state != SOCKET_OPEN)
		return;
	metric_add(socket->edge->counters.bytes_in, piece.size);
	socket->pinged_s = 0; /* who sends is alive, even if its pong is stuck behind a backlog */
	if (lws_frame_is_binary(socket->wsi)) {
		socket_close(socket, CLOSE_BINARY, "text messages only");
		return;
	}
	if (is_too_long(socket, piece.size)) {
		socket_close(socket, CLOSE_TOO_LARGE, "message too large");
		return;
	}

	bool last = lws_is_final_fragment(socket->wsi) != 0;
	if (last && socket->message == NULL) {
		deliver(socket, piece.size > 0 ? piece : SLICE(""));
		return;
	}
	if (!gather(socket, piece) || !last)
		return;

	/* Not in the socket any more while the mesh has it: the mesh may close the socket. */
	struct message *message = socket->message;
	socket->message = NULL;
	socket->edge->gathered_bytes -= message->bytes.size;
	deliver(socket, message->bytes.size > 0 ? buffer_slice(&message->bytes) : SLICE(""));
	buffer_fini(&message->bytes);
	free(message);
}

uint32_t receive_deadline_s(const struct socket *socket)
{
	if (socket->message == NULL)
		return UINT32_MAX;
	return socket->message->begun_s + socket->edge->settings.fragment_seconds_max;
}

void receive_restart_deadline(struct socket *socket)
{
	if (socket->message != NULL)
		socket->message->begun_s = wheel_now_s(&socket->edge->wheel);
}
