/*
 * The relay's edge inside the fuzzer, with real sockets to it.
 *
 * The loop is turned until nothing happens any more, so that an input always does the same; the
 * clocks, the relay's and libwebsockets', stand still until the input lets time pass. The node
 * serves one input after the other: node_rest() proves that none left anything behind.
 */
#pragma once

#include <assert.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/buffer.h"
#include "common/log.h"
#include "edge/internal.h"

/* Longer than all that the edge waits for, libwebsockets included. */
#define NODE_REST_MS 60000

static struct {
	struct event_base *base;
	struct timers *timers;
	struct edge *edge;
	uint64_t now_ms;
	struct sockaddr_un address;
	socklen_t address_size;
} node = {.now_ms = 1000000, .address_size = sizeof(node.address)};

static uint64_t node_now(void)
{
	return node.now_ms;
}

/* In the place of libwebsockets' own, by the linker. */
lws_usec_t __wrap_lws_now_usecs(void);
lws_usec_t __wrap_lws_now_usecs(void)
{
	return (lws_usec_t)node.now_ms * 1000;
}

/*
 * The edge's port is a Unix socket: thousands of connections a second would leave the machine's TCP
 * without ports, and its firewall without memory.
 */
int __real_socket(int family, int type, int protocol);
int __wrap_socket(int family, int type, int protocol);
int __wrap_socket(int family, int type, int protocol)
{
	return __real_socket(family == AF_INET ? AF_UNIX : family, type, protocol);
}

int __real_bind(int fd, const struct sockaddr *address, socklen_t size);
int __wrap_bind(int fd, const struct sockaddr *address, socklen_t size);
int __wrap_bind(int fd, const struct sockaddr *address, socklen_t size)
{
	static const struct sockaddr any = {.sa_family = AF_UNIX};

	if (address->sa_family != AF_INET)
		return __real_bind(fd, address, size);
	int result = __real_bind(fd, &any, sizeof(any.sa_family));
	getsockname(fd, (struct sockaddr *)&node.address, &node.address_size);
	return result;
}

/* What else there is to do in a turn; returns true if it did something. */
static bool node_work(void);

static void node_turn(void)
{
	uint64_t wait_ms;
	bool more;

	do {
		timers_run(node.timers, &wait_ms);
		event_base_get_max_events(node.base, EVENT_BASE_COUNT_ACTIVE, 1);
		event_base_loop(node.base, EVLOOP_NONBLOCK);
		more = node_work();
	} while (more || event_base_get_max_events(node.base, EVENT_BASE_COUNT_ACTIVE, 1) > 0);
}

static void node_pass(uint64_t ms)
{
	uint64_t end = node.now_ms + ms;
	uint64_t wait_ms;

	node_turn();
	while (timers_run(node.timers, &wait_ms) && node.now_ms + wait_ms <= end) {
		node.now_ms += wait_ms;
		node_turn();
	}
	node.now_ms = end;
	lws_cancel_service(node.edge->lws); /* looks at its timers after an event of its own */
	node_turn();
}

static bool node_is_at_rest(void)
{
	const struct edge *edge = node.edge;

	return edge_socket_count(edge) == 0 && edge->invocation_count == 0 &&
	       edge->gathered_bytes == 0 && list_empty(&edge->dirty) &&
	       edge->counters.visitors->value == 0;
}

static void node_rest(void)
{
	node_turn();
	if (!node_is_at_rest())
		node_pass(NODE_REST_MS);
	assert(node_is_at_rest());
}

static void node_create(const struct edge_settings *settings)
{
	const char *error = NULL;

	signal(SIGPIPE, SIG_IGN);
	log_setup(getenv("FUZZ_LOG") != NULL ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR,
	          LOG_FORMAT_LOGFMT);
	node.base = event_base_new();
	node.timers = timers_create(node_now, NULL, NULL);
	node.edge = edge_create(settings, node.base, node.timers, &error);
	assert(node.edge != NULL);
}

/* ---- Clients */

struct client {
	int fd;     /* -1: none */
	bool ended; /* by the node */
	struct buffer sent;
	struct buffer received;
};

static void client_connect(struct client *client)
{
	*client = (struct client){.fd = __real_socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
	assert(client->fd >= 0);
	int result = connect(client->fd, (struct sockaddr *)&node.address, node.address_size);
	assert(result == 0);
	node_turn();
}

static void client_receive(struct client *client)
{
	static char bytes[65536];
	ssize_t size;

	while (!client->ended &&
	       (size = recv(client->fd, bytes, sizeof(bytes), MSG_DONTWAIT)) != -1) {
		client->ended = size == 0;
		buffer_append(&client->received, (struct slice){bytes, (size_t)size});
	}
	client->ended = client->ended || (errno != EAGAIN && errno != EINTR);
}

/* What the node does not read for now, having stopped to, is not sent at all. */
static void client_send(struct client *client, struct slice bytes)
{
	while (bytes.size > 0 && !client->ended) {
		ssize_t size = send(client->fd, bytes.data, bytes.size, MSG_DONTWAIT);
		if (size <= 0)
			break;
		buffer_append(&client->sent, (struct slice){bytes.data, (size_t)size});
		bytes.data += size;
		bytes.size -= (size_t)size;
		node_turn();
		client_receive(client);
	}
}

static void client_cut(struct client *client)
{
	if (client->fd < 0)
		return;
	close(client->fd);
	client->fd = -1;
	buffer_fini(&client->sent);
	buffer_fini(&client->received);
}

/* ---- Frames from the node, by RFC 6455 */

struct frame_reader {
	bool in_message;
	unsigned
		close_code; /* of the close frame, which is the last; 1005 if it has none; 0 = none came */
	void (*on_text)(struct slice message); /* or NULL */
	struct buffer message;
};

static void frame_check_close(struct frame_reader *reader, struct slice payload)
{
	const unsigned char *bytes = (const unsigned char *)payload.data;

	assert(payload.size != 1);
	reader->close_code = payload.size == 0 ? 1005 : (unsigned)(bytes[0] << 8 | bytes[1]);
	assert((reader->close_code >= 1000 && reader->close_code < 1016) ||
	       (reader->close_code >= 3000 && reader->close_code < 5000));
	assert(payload.size == 0 || (reader->close_code != 1005 && reader->close_code != 1006));
}

static void frame_check(struct frame_reader *reader, unsigned first, struct slice payload)
{
	bool fin = (first & 0x80) != 0;

	assert((first & 0x70) == 0 && reader->close_code == 0);
	switch (first & 0x0f) {
	case 0:
	case 1:
		assert(((first & 0x0f) == 0) == reader->in_message);
		reader->in_message = !fin;
		buffer_append(&reader->message, payload);
		if (fin && reader->on_text != NULL)
			reader->on_text(buffer_slice(&reader->message));
		if (fin)
			buffer_clear(&reader->message);
		break;
	case 8:
		assert(fin && payload.size <= 125);
		frame_check_close(reader, payload);
		break;
	case 9:
	case 10:
		assert(fin && payload.size <= 125);
		break;
	default:
		abort();
	}
}

/* All of them, whole and in order; the last may be cut short only if the connection was. */
static void frames_check(struct frame_reader *reader, struct slice bytes, bool cut)
{
	const unsigned char *at = (const unsigned char *)bytes.data;
	size_t left = bytes.size;

	while (left >= 2) {
		size_t head = at[1] < 126 ? 2 : at[1] == 126 ? 4 : 10;
		size_t size = at[1];
		assert(at[1] < 128); /* a server does not mask */
		if (left < head)
			break;
		if (head > 2)
			size = 0;
		for (size_t i = 2; i < head; i++)
			size = size << 8 | at[i];
		assert(head == 2 || (head == 4 ? size > 125 : size > 65535));
		if (left - head < size)
			break;
		frame_check(reader, at[0], (struct slice){(const char *)at + head, size});
		at += head + size;
		left -= head + size;
	}
	assert(left == 0 || cut);
	buffer_fini(&reader->message);
}
