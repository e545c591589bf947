#include "bench/net.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "common/buffer.h"
#include "common/memory.h"

#define READ_BYTES (256 * 1024)
#define EVENTS 256

struct client {
	struct net *net;
	const struct client_events *events;
	void *context;
	int fd; /* -1: lost */
	bool upgraded;
	bool dirty;            /* in net->dirty */
	struct buffer in;      /* the begin of a frame whose end is still to come */
	struct buffer partial; /* the fragments of a message so far */
	struct buffer out;
	size_t sent; /* bytes of `out` that have left */
};

struct net {
	int epoll;
	struct client **clients;
	struct client **dirty;
	size_t client_count, dirty_count;
	char received[READ_BYTES]; /* shared: most reads end where a frame does */
};

void die(const char *format, ...)
{
	va_list arguments;

	fputs("bench: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	exit(1);
}

uint64_t net_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

struct net *net_create(void)
{
	struct net *net = mem_zero(sizeof(*net));

	net->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (net->epoll < 0)
		die("epoll_create1: %s", strerror(errno));
	return net;
}

void net_destroy(struct net *net)
{
	/* Else the kernel keeps ten thousand ports for a minute, and memory that the next run counts. */
	static const struct linger reset = {.l_onoff = 1, .l_linger = 0};

	if (net == NULL)
		return;
	for (size_t i = 0; i < net->client_count; i++) {
		struct client *client = net->clients[i];

		if (client->fd >= 0) {
			setsockopt(client->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
			close(client->fd);
		}
		buffer_fini(&client->in);
		buffer_fini(&client->partial);
		buffer_fini(&client->out);
		free(client);
	}
	close(net->epoll);
	free(net->clients);
	free(net->dirty);
	free(net);
}

static void lose(struct client *client, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Tells the owner once. What is still to be sent or read is forgotten. */
static void lose(struct client *client, const char *format, ...)
{
	char why[256];
	va_list arguments;

	if (client->fd < 0)
		return;
	va_start(arguments, format);
	vsnprintf(why, sizeof(why), format, arguments);
	va_end(arguments);
	close(client->fd);
	client->fd = -1;
	client->events->lost(client->context, why);
}

static void mark_dirty(struct client *client)
{
	if (!client->dirty)
		client->net->dirty[client->net->dirty_count++] = client;
	client->dirty = true;
}

/* What the socket does not take waits until it says that it takes more. */
static void flush(struct client *client)
{
	if (!client->upgraded) /* RFC 6455 section 4.1: nothing before the answer */
		return;
	while (client->fd >= 0 && client->sent < client->out.size) {
		ssize_t n = send(client->fd, client->out.data + client->sent,
		                 client->out.size - client->sent, MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0)
			lose(client, "send: %s", strerror(errno));
		else
			client->sent += (size_t)n;
	}
	buffer_clear(&client->out);
	client->sent = 0;
}

void client_send(struct client *client, enum websocket_opcode opcode, struct slice message)
{
	if (client->fd < 0)
		return;
	websocket_append_frame(&client->out, opcode, message);
	mark_dirty(client);
}

static int open_socket(const struct sockaddr_in *node, struct slice request)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	if (fd < 0 || connect(fd, (const struct sockaddr *)node, sizeof(*node)) != 0)
		die("port %u: %s", ntohs(node->sin_port), strerror(errno));
	if (send(fd, request.data, request.size, MSG_NOSIGNAL) != (ssize_t)request.size)
		die("send: %s", strerror(errno));
	fcntl(fd, F_SETFL, O_NONBLOCK);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fd;
}

struct client *net_connect(struct net *net, const struct sockaddr_in *node, const char *target,
                           const struct client_events *events, void *context)
{
	struct buffer request = {.size = 0};
	struct client *client = mem_zero(sizeof(*client));

	client->net = net;
	client->events = events;
	client->context = context;
	websocket_append_request(&request, target);
	client->fd = open_socket(node, buffer_slice(&request));
	buffer_fini(&request);

	size_t places = ++net->client_count * sizeof(struct client *);
	net->clients = mem_resize(net->clients, places);
	net->dirty = mem_resize(net->dirty, places);
	net->clients[net->client_count - 1] = client;
	/* Edges, told once: to be told of the same bytes again and again costs as much as to read them. */
	struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
	                            .data.ptr = client};
	if (epoll_ctl(net->epoll, EPOLL_CTL_ADD, client->fd, &event) != 0)
		die("epoll_ctl: %s", strerror(errno));
	return client;
}

static void handle_part(struct client *client, const struct websocket_frame *frame)
{
	if (frame->opcode != WEBSOCKET_CONTINUATION && client->partial.size > 0) {
		lose(client, "a message begins within another");
		return;
	}
	if (frame->last && client->partial.size == 0) {
		client->events->message(client->context, frame->payload);
		return;
	}
	buffer_append(&client->partial, frame->payload);
	if (frame->last) {
		client->events->message(client->context, buffer_slice(&client->partial));
		buffer_clear(&client->partial);
	}
}

static void handle_close(struct client *client, struct slice payload)
{
	if (payload.size < 2)
		lose(client, "the server closed a connection without a code");
	else
		lose(client, "the server closed a connection: %d %.*s",
		     (uint8_t)payload.data[0] << 8 | (uint8_t)payload.data[1],
		     (int)payload.size - 2, payload.data + 2);
}

static void handle_frame(struct client *client, const struct websocket_frame *frame)
{
	if (frame->masked) {
		lose(client, "a masked frame");
		return;
	}
	switch (frame->opcode) {
	case WEBSOCKET_CONTINUATION:
	case WEBSOCKET_TEXT:
	case WEBSOCKET_BINARY:
		handle_part(client, frame);
		return;
	case WEBSOCKET_PING:
		client_send(client, WEBSOCKET_PONG, frame->payload);
		return;
	case WEBSOCKET_PONG:
		return;
	case WEBSOCKET_CLOSE:
		handle_close(client, frame->payload);
		return;
	}
	lose(client, "a frame with opcode %d", (int)frame->opcode);
}

static size_t handle_answer(struct client *client, struct slice bytes)
{
	int status;
	size_t size = websocket_read_answer(bytes, &status);

	if (size > 0 && status != 101) {
		lose(client, "no upgrade: %.*s", (int)strcspn(bytes.data, "\r"), bytes.data);
	} else if (size > 0) {
		client->upgraded = true;
		mark_dirty(client);
		client->events->upgraded(client->context);
	}
	return size;
}

/* Handles all that is complete. Returns how many bytes that was. */
static size_t handle_bytes(struct client *client, struct slice bytes)
{
	size_t done = 0;

	while (client->fd >= 0) {
		struct slice rest = {bytes.data + done, bytes.size - done};
		bool upgraded = client->upgraded;
		struct websocket_frame frame;
		size_t size =
			upgraded ? websocket_read_frame(rest, &frame) : handle_answer(client, rest);

		if (size == 0)
			break;
		if (upgraded)
			handle_frame(client, &frame);
		done += size;
	}
	return done;
}

/* Keeps of the bytes what is not complete. */
static void take(struct client *client, struct slice bytes)
{
	struct buffer *in = &client->in;

	if (in->size == 0) {
		size_t done = handle_bytes(client, bytes);

		buffer_append(in, (struct slice){bytes.data + done, bytes.size - done});
		return;
	}
	buffer_append(in, bytes);
	size_t done = handle_bytes(client, buffer_slice(in));
	memmove(in->data, in->data + done, in->size - done);
	in->size -= done;
}

/* Reads until nothing is left: what is there already is not told again, not even the end. */
static void receive(struct client *client, bool ended)
{
	char *received = client->net->received;
	ssize_t n = READ_BYTES;

	while (client->fd >= 0 && (n == READ_BYTES || ended)) {
		n = recv(client->fd, received, READ_BYTES, 0);
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0)
			lose(client, "recv: %s", strerror(errno));
		else if (n == 0)
			lose(client, "the server dropped a connection");
		else
			take(client, (struct slice){received, (size_t)n});
	}
}

void net_turn(struct net *net, uint64_t until_ns)
{
	struct epoll_event events[EVENTS];

	for (size_t i = 0; i < net->dirty_count; i++) {
		net->dirty[i]->dirty = false;
		flush(net->dirty[i]);
	}
	net->dirty_count = 0;

	uint64_t now = net_now();
	uint64_t wait = until_ns > now ? until_ns - now : 0;
	struct timespec timeout = {(time_t)(wait / 1000000000), (long)(wait % 1000000000)};
	int count = epoll_pwait2(net->epoll, events, EVENTS, &timeout, NULL);
	if (count < 0 && errno != EINTR)
		die("epoll_pwait2: %s", strerror(errno));
	for (int i = 0; i < count; i++) {
		struct client *client = events[i].data.ptr;

		if (events[i].events & EPOLLOUT)
			flush(client);
		if (events[i].events & ~(uint32_t)EPOLLOUT)
			receive(client, events[i].events & ~(uint32_t)(EPOLLIN | EPOLLOUT));
	}
}
