/*
 * nats-server's text protocol (https://docs.nats.io/reference/reference-protocols/nats-protocol): a
 * stream of lines, of which some announce so many bytes. The frames of WebSocket may cut it anywhere.
 */
#include "bench/speech.h"

static void target(const struct peer *peer, struct buffer *target)
{
	(void)peer;
	buffer_append(target, SLICE("/"));
}

static void send_scratch(struct peer *peer)
{
	client_send(peer->client, WEBSOCKET_BINARY, buffer_slice(&peer->crowd->scratch));
	buffer_clear(&peer->crowd->scratch);
}

/* The answer to PING says that the subscription before it is there. */
static void introduce(struct peer *peer)
{
	struct buffer *out = &peer->crowd->scratch;

	buffer_printf(out, "CONNECT {\"verbose\":false,\"pedantic\":false,\"tls_required\":false,"
	                   "\"lang\":\"c\",\"version\":\"1\",\"protocol\":1,\"echo\":false}\r\n");
	if (peer->kind != PEER_SPEAKER)
		buffer_printf(out, "SUB %s 1\r\n",
		              peer->kind == PEER_PARTNER ? peer->name : peer->crowd->everybody);
	buffer_printf(out, "PING\r\n");
	send_scratch(peer);
}

static void greet(struct peer *peer)
{
	(void)peer; /* the server speaks first */
}

static void say(struct peer *peer, struct slice message)
{
	struct buffer *out = &peer->crowd->scratch;

	buffer_printf(out, "PUB %s %zu\r\n",
	              peer->kind == PEER_PARTNER ? peer->partner : peer->crowd->everybody,
	              message.size);
	buffer_append(out, message);
	buffer_append(out, SLICE("\r\n"));
	send_scratch(peer);
}

/* "MSG b1f2 1 200" */
static bool read_size(struct slice line, size_t *size)
{
	const char *space = memrchr(line.data, ' ', line.size);
	uint64_t number;

	if (space == NULL ||
	    !slice_number((struct slice){space + 1, line.size - (size_t)(space + 1 - line.data)},
	                  &number))
		return false;
	*size = (size_t)number;
	return true;
}

static void hear_line(struct peer *peer, struct slice line)
{
	if (slice_starts(line, SLICE("INFO")) && !peer->ready) {
		introduce(peer);
	} else if (slice_starts(line, SLICE("PING"))) {
		buffer_append(&peer->crowd->scratch, SLICE("PONG\r\n"));
		send_scratch(peer);
	} else if (slice_starts(line, SLICE("PONG"))) {
		peer_is_ready(peer);
	} else if (!slice_starts(line, SLICE("INFO"))) {
		crowd_fault(peer->crowd, &peer->crowd->errors, "it said %.*s", SLICE_ARGS(line));
	}
}

/* Returns how many bytes it took: a line, or one and the message after it; 0 if its end is missing. */
static size_t hear_one(struct peer *peer, struct slice bytes)
{
	const char *end = memmem(bytes.data, bytes.size, "\r\n", 2);
	size_t size;

	if (end == NULL)
		return 0;
	struct slice line = {bytes.data, (size_t)(end - bytes.data)};
	if (!slice_starts(line, SLICE("MSG ")) || !read_size(line, &size)) {
		hear_line(peer, line);
		return line.size + 2;
	}
	if (bytes.size - line.size < size + 4)
		return 0;
	peer->message(peer, (struct slice){end + 2, size});
	return line.size + size + 4;
}

static void hear(struct peer *peer, struct slice bytes)
{
	struct buffer *unread = &peer->unread;
	size_t done = 0, size;

	if (unread->size > 0) {
		buffer_append(unread, bytes);
		bytes = buffer_slice(unread);
	}
	do {
		size = hear_one(peer, (struct slice){bytes.data + done, bytes.size - done});
		done += size;
	} while (size > 0);
	if (unread->size == 0) {
		buffer_append(unread, (struct slice){bytes.data + done, bytes.size - done});
	} else {
		memmove(unread->data, unread->data + done, unread->size - done);
		unread->size -= done;
	}
}

const struct speech speech_nats = {
	.name = "nats",
	.target = target,
	.greet = greet,
	.hear = hear,
	.say = say,
};
