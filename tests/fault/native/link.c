#include "link.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/list.h"
#include "common/memory.h"
#include "loop.h"
#include "websocket.h"

#define READ_BYTES_MAX 65536
#define SLOW_STEP_MS 100
#define ALL UINT64_MAX

struct link {
	struct source source;
	const struct link_events *events;
	void *context;
	struct list dirty; /* in `dirty_links` */
	struct list ended; /* in `ended_links` */
	bool connecting, upgraded, closing, closed, vanished, over;
	unsigned close_code;   /* of the relay's close frame */
	struct buffer in;      /* the begin of a frame whose end is still to come */
	struct buffer partial; /* the fragments of a message so far */
	struct buffer out;
	size_t sent; /* bytes of `out` that have left */
	uint64_t bytes_per_second;
	struct timer next_read;
};

static struct list dirty_links = {&dirty_links, &dirty_links};
static struct list ended_links = {&ended_links, &ended_links};

static void end(struct link *link, enum ending ending, unsigned number, unsigned retry_seconds)
{
	if (link->over)
		return;
	link->over = true;
	source_close(&link->source, ending == ENDING_RESET || ending == ENDING_BROKEN);
	timer_stop(loop_timers(), &link->next_read);
	list_remove(&link->dirty);
	list_append(&ended_links, &link->ended);
	link->events->ended(link->context, ending, number, retry_seconds);
}

/* The other end went, politely or not. */
static void end_lost(struct link *link, bool reset)
{
	if (link->closing)
		end(link, ENDING_OWN, link->closed ? 1000 : 0, 0);
	else if (link->closed)
		end(link, ENDING_CLOSED, link->close_code, 0);
	else if (link->connecting)
		end(link, ENDING_REFUSED, 0, 0);
	else
		end(link, reset ? ENDING_RESET : ENDING_EOF, 0, 0);
}

static void watch(struct link *link)
{
	uint32_t events = 0;

	if (link->over || link->vanished)
		return;
	if (link->connecting || link->sent < link->out.size)
		events |= EPOLLOUT;
	if (link->bytes_per_second == ALL)
		events |= EPOLLIN;
	source_watch(&link->source, events);
}

static void mark_dirty(struct link *link)
{
	list_remove(&link->dirty);
	list_append(&dirty_links, &link->dirty);
}

static void flush(struct link *link)
{
	if (link->source.fd < 0) {
		end(link, ENDING_REFUSED, 0, 0);
		return;
	}
	if (link->connecting || link->vanished)
		return;
	while (link->sent < link->out.size) {
		ssize_t n = send(link->source.fd, link->out.data + link->sent,
		                 link->out.size - link->sent, MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0) {
			end_lost(link, true);
			return;
		}
		link->sent += (size_t)n;
	}
	if (link->sent == link->out.size) {
		buffer_clear(&link->out);
		link->sent = 0;
	}
	watch(link);
}

static bool send_frame(struct link *link, enum websocket_opcode opcode, struct slice payload)
{
	if (link->over || link->out.size - link->sent + payload.size > LINK_OUT_BYTES_MAX)
		return false;
	websocket_append_frame(&link->out, opcode, payload);
	mark_dirty(link);
	return true;
}

bool link_send(struct link *link, struct slice text)
{
	return !link->closing && !link->closed && !link->vanished &&
	       send_frame(link, WEBSOCKET_TEXT, text);
}

void link_close(struct link *link)
{
	static const char normal[] = {1000 >> 8, (char)(1000 & 0xff)};

	if (!link->upgraded) {
		end(link, ENDING_OWN, 0, 0);
		return;
	}
	send_frame(link, WEBSOCKET_CLOSE, (struct slice){normal, sizeof(normal)});
	link->closing = true;
}

void link_reset(struct link *link)
{
	source_close(&link->source, true);
	end(link, ENDING_OWN, 0, 0);
}

void link_vanish(struct link *link)
{
	link->vanished = true;
	timer_stop(loop_timers(), &link->next_read);
	source_forget(&link->source);
}

static void on_closed(struct link *link, struct slice payload)
{
	const uint8_t *code = (const uint8_t *)payload.data;

	link->closed = true;
	if (link->closing)
		return;
	link->close_code = payload.size >= 2 ? (unsigned)(code[0] << 8 | code[1]) : 1005;
	send_frame(link, WEBSOCKET_CLOSE, (struct slice){payload.data, payload.size < 2 ? 0 : 2});
}

/* Returns false if no relay may say that. */
static bool handle_frame(struct link *link, const struct websocket_frame *frame)
{
	switch (frame->opcode) {
	case WEBSOCKET_TEXT:
	case WEBSOCKET_CONTINUATION:
		if ((frame->opcode == WEBSOCKET_TEXT) != (link->partial.size == 0))
			return false;
		if (frame->last && link->partial.size == 0) {
			link->events->message(link->context, frame->payload);
			return true;
		}
		buffer_append(&link->partial, frame->payload);
		if (frame->last) {
			link->events->message(link->context, buffer_slice(&link->partial));
			buffer_clear(&link->partial);
		}
		return true;
	case WEBSOCKET_PING:
		send_frame(link, WEBSOCKET_PONG, frame->payload);
		return true;
	case WEBSOCKET_PONG:
		return true;
	case WEBSOCKET_CLOSE:
		on_closed(link, frame->payload);
		return true;
	case WEBSOCKET_BINARY:
		break;
	}
	return false;
}

static unsigned retry_seconds(struct slice head)
{
	static const char name[] = "retry-after: ";

	for (size_t i = 0; i + sizeof(name) <= head.size; i++)
		if (strncasecmp(head.data + i, name, sizeof(name) - 1) == 0)
			return (unsigned)strtoul(head.data + i + sizeof(name) - 1, NULL, 10);
	return 0;
}

/* Reads the answer to the upgrade. Returns its bytes, 0 if there is nothing more to do now. */
static size_t handle_answer(struct link *link, struct slice bytes)
{
	int status;
	size_t size = websocket_read_answer(bytes, &status);

	if (size == 0)
		return 0;
	if (status != 101) {
		end(link, ENDING_STATUS, (unsigned)status,
		    retry_seconds((struct slice){bytes.data, size}));
		return 0;
	}
	link->upgraded = true;
	link->events->upgraded(link->context);
	return size;
}

/* Returns the bytes of the frame, 0 if there is nothing more to do now. */
static size_t handle_one(struct link *link, struct slice bytes)
{
	struct websocket_frame frame;

	if (!link->upgraded)
		return handle_answer(link, bytes);
	size_t size = websocket_read_frame(bytes, &frame);
	if (size > 0 && (frame.masked || !handle_frame(link, &frame))) {
		end(link, ENDING_BROKEN, 0, 0);
		return 0;
	}
	return size;
}

static void handle_bytes(struct link *link, struct slice bytes)
{
	bool joined = link->in.size > 0;
	size_t done = 0, size;

	if (joined) {
		buffer_append(&link->in, bytes);
		bytes = buffer_slice(&link->in);
	}
	do {
		size = handle_one(link, (struct slice){bytes.data + done, bytes.size - done});
		done += size;
	} while (size > 0 && !link->over);

	if (link->over)
		return;
	if (!joined) {
		buffer_append(&link->in, (struct slice){bytes.data + done, bytes.size - done});
	} else if (done > 0) {
		memmove(link->in.data, link->in.data + done, link->in.size - done);
		link->in.size -= done;
	}
}

static void receive(struct link *link, size_t bytes_max)
{
	static char bytes[READ_BYTES_MAX];
	ssize_t n = recv(link->source.fd, bytes,
	                 bytes_max < READ_BYTES_MAX ? bytes_max : READ_BYTES_MAX, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0)
		end_lost(link, n < 0);
	else
		handle_bytes(link, (struct slice){bytes, (size_t)n});
}

static void read_slowly(void *context)
{
	struct link *link = context;

	timer_set(loop_timers(), &link->next_read, SLOW_STEP_MS);
	receive(link, (size_t)(link->bytes_per_second * SLOW_STEP_MS / 1000) + 1);
}

void link_read(struct link *link, uint64_t bytes_per_second)
{
	link->bytes_per_second = bytes_per_second;
	if (link->over || link->vanished)
		return;
	timer_stop(loop_timers(), &link->next_read);
	if (bytes_per_second != 0 && bytes_per_second != ALL)
		timer_set(loop_timers(), &link->next_read, SLOW_STEP_MS);
	watch(link);
}

static void on_ready(struct source *source, uint32_t events)
{
	struct link *link = LIST_ENTRY(source, struct link, source);
	int error = 0;
	socklen_t size = sizeof(error);

	if (link->connecting) {
		getsockopt(source->fd, SOL_SOCKET, SO_ERROR, &error, &size);
		if (error != 0) {
			end(link, ENDING_REFUSED, 0, 0);
			return;
		}
		link->connecting = false;
	}
	if (events & EPOLLOUT)
		flush(link);
	if (link->over)
		return;
	if (source->events & EPOLLIN && events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		receive(link, READ_BYTES_MAX);
	else if (events & (EPOLLHUP | EPOLLERR))
		end_lost(link, true);
}

struct link *link_open(const struct endpoint *node, const char *target,
                       unsigned receive_buffer_bytes, const struct link_events *events,
                       void *context)
{
	struct link *link = mem_zero(sizeof(*link));

	link->events = events;
	link->context = context;
	link->bytes_per_second = ALL;
	list_init(&link->dirty);
	list_init(&link->ended);
	timer_init(&link->next_read, read_slowly, link);
	websocket_append_request(&link->out, target);

	link->source = (struct source){.fd = endpoint_connect(node), .ready = on_ready};
	link->connecting = true;
	if (link->source.fd < 0) {
		mark_dirty(link); /* it ends at the end of the turn, when the caller knows it */
		return link;
	}
	if (receive_buffer_bytes > 0)
		setsockopt(link->source.fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer_bytes,
		           sizeof(receive_buffer_bytes));
	watch(link);
	return link;
}

void links_flush(void)
{
	while (!list_empty(&dirty_links)) {
		struct list *link = dirty_links.next;

		list_remove(link);
		flush(LIST_ENTRY(link, struct link, dirty));
	}
	LIST_EACH(&ended_links, link) {
		struct link *over = LIST_ENTRY(link, struct link, ended);

		list_remove(link);
		buffer_fini(&over->in);
		buffer_fini(&over->partial);
		buffer_fini(&over->out);
		free(over);
	}
}
