/*
 * Centrifugo's JSON protocol (https://centrifugal.dev/docs/transports/client_protocol): commands and
 * replies, a line each where several share a frame. Every publish is answered.
 */
#include "bench/pattern.h"
#include "bench/speech.h"

static void target(const struct peer *peer, struct buffer *target)
{
	(void)peer;
	buffer_append(target, SLICE("/connection/websocket"));
}

static void send_scratch(struct peer *peer)
{
	client_send(peer->client, WEBSOCKET_TEXT, buffer_slice(&peer->crowd->scratch));
	buffer_clear(&peer->crowd->scratch);
}

static void greet(struct peer *peer)
{
	client_send(peer->client, WEBSOCKET_TEXT, SLICE("{\"id\":1,\"connect\":{}}"));
}

static void subscribe(struct peer *peer)
{
	buffer_printf(&peer->crowd->scratch, "{\"id\":2,\"subscribe\":{\"channel\":\"%s\"}}",
	              peer->kind == PEER_PARTNER ? peer->name : peer->crowd->everybody);
	send_scratch(peer);
}

static void say(struct peer *peer, struct slice message)
{
	struct buffer *out = &peer->crowd->scratch;

	buffer_printf(out, "{\"id\":3,\"publish\":{\"channel\":\"%s\",\"data\":",
	              peer->kind == PEER_PARTNER ? peer->partner : peer->crowd->everybody);
	buffer_append(out, message);
	buffer_append(out, SLICE("}}"));
	send_scratch(peer);
}

static void hear_reply(struct peer *peer, struct slice line)
{
	char command = line.data[6];

	if (slice_starts((struct slice){line.data + 7, line.size - 7}, SLICE(",\"error\"")))
		crowd_fault(peer->crowd, &peer->crowd->errors, "it said %.*s", SLICE_ARGS(line));
	else if (command == '1' && peer->kind != PEER_SPEAKER)
		subscribe(peer);
	else if (command != '3')
		peer_is_ready(peer);
}

/* {"push":{"channel":"b1f2","pub":{"data":MESSAGE,"info":{...}}}} */
static void hear_push(struct peer *peer, struct slice line)
{
	static const char before[] = "\"pub\":{\"data\":";
	const char *begin = memmem(line.data, line.size, before, sizeof(before) - 1);

	if (begin == NULL)
		return;
	begin += sizeof(before) - 1;
	size_t rest = line.size - (size_t)(begin - line.data);
	const char *end = memmem(begin, rest, PATTERN_END, sizeof(PATTERN_END) - 1);
	if (end != NULL)
		peer->message(peer, (struct slice){begin, (size_t)(end - begin) +
		                                                  sizeof(PATTERN_END) - 1});
}

static void hear_line(struct peer *peer, struct slice line)
{
	if (slice_is(line, "{}")) /* a ping, and its answer */
		client_send(peer->client, WEBSOCKET_TEXT, line);
	else if (line.size > 7 && slice_starts(line, SLICE("{\"id\":")))
		hear_reply(peer, line);
	else
		hear_push(peer, line);
}

static void hear(struct peer *peer, struct slice bytes)
{
	while (bytes.size > 0) {
		const char *end = memchr(bytes.data, '\n', bytes.size);
		size_t size = end == NULL ? bytes.size : (size_t)(end - bytes.data);

		hear_line(peer, (struct slice){bytes.data, size});
		size += end != NULL;
		bytes = (struct slice){bytes.data + size, bytes.size - size};
	}
}

const struct speech speech_centrifugo = {
	.name = "centrifugo",
	.target = target,
	.greet = greet,
	.hear = hear,
	.say = say,
};
