/*
 * Happy path: the mesh queues a reference, the socket gets on the list of dirty ones, which
 * activates the flush event; that runs behind the I/O events of the same turn and writes to each
 * socket what it has, up to 64 KiB of whole frames.
 *
 * lws_write(LWS_WRITE_RAW) takes all or fails. What the kernel does not take lws copies and sends
 * later; until then nothing else may be written, or it would be copied too. So:
 *  - lws_partial_buffered() before each write: then wait for lws to call back when the rest is
 *    out.
 *  - Only whole frames: lws puts pongs and its close frame between two writes of ours.
 *  - A failed write: the socket is dead, but lws must not free it under the feet of this loop:
 *    cut.
 *
 * The event has the priority of the sockets. libevent runs a lower one only when nothing higher
 * is ready, and under a flood something always is: nothing was delivered for 3 s, with 1.1 GB
 * queued.
 */
#include "edge/flush.h"

#include "edge/pacer.h"
#include "edge/socket.h"

/* Of its frames none may leave yet; its pacer will say when. */
static bool is_paced(const struct socket *socket)
{
	return socket->pacer != NULL && pacer_waits(socket->pacer);
}

static void flush_one(struct socket *socket)
{
	switch (socket->state) {
	case SOCKET_OPEN:
		if (flush_some(socket))
			flush_mark(socket);
		else if (socket->outbox != NULL && !is_paced(socket))
			lws_callback_on_writable(socket->wsi);
		break;
	case SOCKET_CLOSING:
		socket_leave(socket);
		break;
	default:
		break;
	}
}

static void on_flush(evutil_socket_t fd, short what, void *context)
{
	static const struct timeval at_once = {0, 0};
	struct edge *edge = context;
	struct list *last = edge->dirty.previous;

	(void)fd;
	(void)what;
	/* Those that get dirty meanwhile line up behind. No socket ends within this loop. */
	for (bool more = !list_empty(&edge->dirty); more;) {
		struct list *link = edge->dirty.next;
		more = link != last;
		list_remove(link);
		flush_one(LIST_ENTRY(link, struct socket, work));
	}
	/*
	 * A timer, since an event that activates itself would not let the loop look at its
	 * sockets.
	 */
	edge->flush_due = !list_empty(&edge->dirty);
	if (edge->flush_due)
		event_add(edge->flush, &at_once);
}

bool flush_init(struct edge *edge)
{
	list_init(&edge->dirty);
	edge->flush = event_new(edge->base, -1, 0, on_flush, edge);
	return edge->flush != NULL;
}

void flush_fini(struct edge *edge)
{
	if (edge->flush != NULL)
		event_free(edge->flush);
	edge->flush = NULL;
}

void flush_mark(struct socket *socket)
{
	struct edge *edge = socket->edge;

	if (!list_empty(&socket->work))
		return;
	list_append(&edge->dirty, &socket->work);
	if (!edge->flush_due) {
		edge->flush_due = true;
		event_active(edge->flush, EV_TIMEOUT, 1);
	}
}

bool flush_some(struct socket *socket)
{
	struct edge *edge = socket->edge;

	if (socket->outbox == NULL || is_paced(socket) || lws_partial_buffered(socket->wsi))
		return false;

	struct slice run = outbox_peek(socket->outbox, edge->scratch, WRITE_BYTES_MAX);
	if (socket->pacer != NULL) {
		run = pacer_admit(socket->pacer, run);
		if (run.size == 0)
			return false;
	}
	if (lws_write(socket->wsi, (unsigned char *)(uintptr_t)run.data, run.size, LWS_WRITE_RAW) <
	    0) {
		socket_cut(socket);
		return false;
	}
	metric_add(edge->counters.writes, 1);
	metric_add(edge->counters.bytes_out, run.size);
	metric_add(edge->counters.messages_out, outbox_consume(&socket->outbox, run.size));
	return socket->outbox != NULL && !is_paced(socket) && !lws_partial_buffered(socket->wsi);
}

void flush_all(struct socket *socket)
{
	while (flush_some(socket))
		;
}
