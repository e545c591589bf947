/*
 * bench_raw [--port N] [--drop-every N] [--repeat-every N]: the least that a relay over WebSocket can
 * do, to know what it costs. Prints "listening on PORT".
 *
 * One thread, epoll, no names, no JSON. What comes on "/" goes to all others there; what comes on
 * "/7" goes to "/6" and the other way round. All frames of one turn of the loop leave in one write
 * per peer. Only bench speaks to it: every handshake has the same key, and so the same answer.
 *
 * With --drop-every and --repeat-every it does wrong, so that bench can be seen to notice.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/buffer.h"
#include "common/memory.h"

#define READ_BYTES (256 * 1024)
#define EVENTS 512
#define PEERS_MAX 65536
#define FRAME_BYTES_MAX (2u << 20)
#define UNSENT_BYTES_MAX (64u << 20) /* of a peer; who is further behind is let go */
#define NOBODY SIZE_MAX

struct peer {
	int fd;
	bool upgraded;
	bool spoke;        /* in this turn, to all */
	bool left;         /* is let go at the end of the turn */
	size_t number;     /* NOBODY: it is one of those on "/" */
	size_t place;      /* among those */
	struct buffer in;  /* the begin of a frame whose end is still to come */
	struct buffer out; /* what the socket did not take */
	size_t sent;       /* bytes of `out` that have left */
};

struct peers {
	struct peer *list[PEERS_MAX];
	size_t count;
};

/* Consecutive frames by one peer, in `spoken`. */
struct part {
	const struct peer *speaker;
	size_t begin, end;
};

static struct peer *numbered[PEERS_MAX];
static struct peers all;  /* on "/" */
static struct peers told; /* numbered ones that have something to send in this turn */
static struct peers leaving;
static struct buffer spoken; /* to all, in this turn */
static struct part parts[EVENTS];
static size_t part_count;
static int epoll;
static size_t frames, drop_every, repeat_every;

static void add(struct peers *peers, struct peer *peer)
{
	peers->list[peers->count++] = peer;
}

static void leave(struct peer *peer)
{
	if (!peer->left)
		add(&leaving, peer);
	peer->left = true;
}

/* Returns how many of the bytes the socket took. */
static size_t write_some(struct peer *peer, struct slice bytes)
{
	ssize_t n = send(peer->fd, bytes.data, bytes.size, MSG_NOSIGNAL);

	if (n < 0 && errno != EAGAIN)
		leave(peer);
	return n < 0 ? 0 : (size_t)n;
}

/* What the socket does not take waits until it says that it takes more. */
static void flush(struct peer *peer)
{
	if (peer->sent < peer->out.size)
		peer->sent += write_some(peer, (struct slice){peer->out.data + peer->sent,
		                                              peer->out.size - peer->sent});
	if (peer->sent == peer->out.size) {
		buffer_clear(&peer->out);
		peer->sent = 0;
	} else if (peer->out.size > UNSENT_BYTES_MAX) {
		leave(peer);
	}
}

/* Who did not speak gets all as it is; who did gets a copy without its own. */
static void tell_all(struct peer *peer)
{
	if (!peer->spoke && peer->out.size == 0) {
		size_t sent = write_some(peer, buffer_slice(&spoken));

		buffer_append(&peer->out, (struct slice){spoken.data + sent, spoken.size - sent});
	} else {
		for (size_t i = 0; i < part_count; i++)
			if (parts[i].speaker != peer)
				buffer_append(&peer->out,
				              (struct slice){spoken.data + parts[i].begin,
				                             parts[i].end - parts[i].begin});
		flush(peer);
	}
	peer->spoke = false;
}

static void append_unmasked(struct buffer *out, const uint8_t *mask, struct slice payload)
{
	char *to = buffer_reserve(out, payload.size);
	uint64_t twice, eight;
	size_t i = 0;

	memcpy(&twice, mask, 4);
	memcpy((char *)&twice + 4, mask, 4);
	for (; i + 8 <= payload.size; i += 8) {
		memcpy(&eight, payload.data + i, 8);
		eight ^= twice;
		memcpy(to + i, &eight, 8);
	}
	for (; i < payload.size; i++)
		to[i] = (char)((uint8_t)payload.data[i] ^ mask[i % 4]);
	out->size += payload.size;
}

/* A frame as it came, but for the mask. */
static void append_frame(struct buffer *out, struct slice head, struct slice payload)
{
	const uint8_t *mask = (const uint8_t *)head.data + head.size - 4;

	buffer_append(out, (struct slice){head.data, head.size - 4});
	out->data[out->size - head.size + 5] &= 0x7f;
	append_unmasked(out, mask, payload);
}

static void relay_frame(struct peer *peer, struct slice head, struct slice payload)
{
	if (peer->number == NOBODY) {
		struct part *part = &parts[part_count - (part_count > 0)];

		if (part_count == 0 || part->speaker != peer) {
			part = &parts[part_count++];
			*part = (struct part){peer, spoken.size, 0};
		}
		append_frame(&spoken, head, payload);
		part->end = spoken.size;
		peer->spoke = true;
		return;
	}
	struct peer *partner = numbered[peer->number ^ 1];
	if (partner == NULL)
		return;
	if (partner->out.size == 0)
		add(&told, partner);
	append_frame(&partner->out, head, payload);
}

/* Returns the bytes of the frame that `bytes` begin with, 0 while its end is missing. */
static size_t handle_frame(struct peer *peer, struct slice bytes)
{
	const uint8_t *head = (const uint8_t *)bytes.data;
	size_t extended, size;

	if (bytes.size < 2)
		return 0;
	size = head[1] & 0x7f;
	extended = size < 126 ? 0 : size == 126 ? 2 : 8;
	if (bytes.size < 2 + extended + 4)
		return 0;
	for (size_t i = 0; i < extended; i++)
		size = (i == 0 ? 0 : size << 8) | head[2 + i];
	if (!(head[1] & 0x80) || size > FRAME_BYTES_MAX) {
		leave(peer);
		return 0;
	}
	struct slice whole_head = {bytes.data, 2 + extended + 4};
	if (bytes.size - whole_head.size < size)
		return 0;
	if ((head[0] & 0x0f) <= 2) { /* else one that controls: bench closes without asking */
		frames++;
		struct slice payload = {bytes.data + whole_head.size, size};
		if (drop_every == 0 || frames % drop_every != 0)
			relay_frame(peer, whole_head, payload);
		if (repeat_every > 0 && frames % repeat_every == 0)
			relay_frame(peer, whole_head, payload);
	}
	return whole_head.size + size;
}

/* Returns the bytes of the request, 0 while its end is missing. */
static size_t handle_request(struct peer *peer, struct slice bytes)
{
	static const char answer[] =
		"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
		"Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
	const char *end = memmem(bytes.data, bytes.size, "\r\n\r\n", 4);

	if (end == NULL)
		return 0;
	if (bytes.data[sizeof("GET /") - 1] != ' ') {
		peer->number = strtoul(bytes.data + sizeof("GET /") - 1, NULL, 10);
		if (peer->number >= PEERS_MAX) {
			leave(peer);
			return 0;
		}
		numbered[peer->number] = peer;
	} else {
		peer->place = all.count;
		add(&all, peer);
	}
	peer->upgraded = true;
	write_some(peer, (struct slice){answer, sizeof(answer) - 1});
	return (size_t)(end - bytes.data) + 4;
}

/* Handles all that is complete. Returns how many bytes that was. */
static size_t handle_bytes(struct peer *peer, struct slice bytes)
{
	size_t done = 0, size;

	do {
		struct slice rest = {bytes.data + done, bytes.size - done};

		size = peer->upgraded ? handle_frame(peer, rest) : handle_request(peer, rest);
		done += size;
	} while (size > 0);
	return done;
}

/* Keeps of the bytes what is not complete, and no memory if all is. */
static void take(struct peer *peer, struct slice bytes)
{
	struct buffer *in = &peer->in;

	if (in->size > 0) {
		buffer_append(in, bytes);
		bytes = buffer_slice(in);
	}
	size_t done = handle_bytes(peer, bytes);
	struct buffer rest = {.size = 0};
	buffer_append(&rest, (struct slice){bytes.data + done, bytes.size - done});
	buffer_fini(in);
	*in = rest;
}

/* Reads until nothing is left: what is there already is not told again, not even the end. */
static void receive(struct peer *peer, bool ended)
{
	static char received[READ_BYTES];
	ssize_t n = READ_BYTES;

	while (!peer->left && (n == READ_BYTES || ended)) {
		n = recv(peer->fd, received, sizeof(received), 0);
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0)
			leave(peer);
		else
			take(peer, (struct slice){received, (size_t)n});
	}
}

static void free_peer(struct peer *peer)
{
	close(peer->fd);
	if (peer->upgraded && peer->number == NOBODY) {
		all.list[peer->place] = all.list[--all.count];
		all.list[peer->place]->place = peer->place;
	} else if (peer->upgraded && numbered[peer->number] == peer) {
		numbered[peer->number] = NULL;
	}
	buffer_fini(&peer->in);
	buffer_fini(&peer->out);
	free(peer);
}

static void end_turn(void)
{
	for (size_t i = 0; i < told.count; i++)
		flush(told.list[i]);
	for (size_t i = 0; spoken.size > 0 && i < all.count; i++)
		tell_all(all.list[i]);
	for (size_t i = 0; i < leaving.count; i++)
		free_peer(leaving.list[i]);
	told.count = leaving.count = part_count = 0;
	buffer_clear(&spoken);
}

static void accept_peer(int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), on = 1;

	if (fd < 0)
		return;
	struct peer *peer = mem_zero(sizeof(*peer));
	peer->fd = fd;
	peer->number = NOBODY;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));

	struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
	                            .data.ptr = peer};
	epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

static int listen_on(uint16_t port)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
	                              .sin_port = htons(port),
	                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct epoll_event event = {.events = EPOLLIN};
	socklen_t size = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;

	if (listener < 0 || setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
	    bind(listener, (struct sockaddr *)&address, size) != 0 || listen(listener, 4096) != 0) {
		perror("bench_raw");
		exit(1);
	}
	getsockname(listener, (struct sockaddr *)&address, &size);
	epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event); /* the event without a peer */
	printf("listening on %u\n", ntohs(address.sin_port));
	fflush(stdout);
	return listener;
}

static void run(int listener)
{
	struct epoll_event events[EVENTS];

	for (;;) {
		int count = epoll_wait(epoll, events, EVENTS, -1);

		for (int i = 0; i < count; i++) {
			struct peer *peer = events[i].data.ptr;

			if (peer == NULL) {
				accept_peer(listener);
				continue;
			}
			if (events[i].events & EPOLLOUT)
				flush(peer);
			if (events[i].events & ~(uint32_t)EPOLLOUT)
				receive(peer, events[i].events & ~(uint32_t)(EPOLLIN | EPOLLOUT));
		}
		end_turn();
	}
}

int main(int argc, char **argv)
{
	size_t port = 0;
	struct rlimit limit;

	for (int i = 1; i + 1 < argc; i += 2) {
		size_t *option = strcmp(argv[i], "--port") == 0         ? &port
		                 : strcmp(argv[i], "--drop-every") == 0 ? &drop_every
		                                                        : &repeat_every;

		*option = strtoul(argv[i + 1], NULL, 10);
	}
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max < PEERS_MAX ? limit.rlim_max : PEERS_MAX;
	setrlimit(RLIMIT_NOFILE, &limit);
	epoll = epoll_create1(EPOLL_CLOEXEC);
	run(listen_on((uint16_t)port));
}
