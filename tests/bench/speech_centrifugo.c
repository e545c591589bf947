/*
 * Centrifugo's JSON protocol (https://centrifugal.dev/docs/transports/client_protocol): commands and
 * replies, a line each where several share a frame. Every publish is answered.
 *
 * Who wants to know who is there subscribes in the namespace "presence", which the server's
 * configuration must have, with presence and join_leave; all others in none.
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

static const char *namespace(const struct peer *peer)
{
	return peer->names != NULL ? "presence:" : "";
}

static void subscribe(struct peer *peer)
{
	buffer_printf(&peer->crowd->scratch,
	              "{\"id\":2,\"subscribe\":{\"channel\":\"%s%s\",\"join_leave\":%s}}",
	              namespace(peer),
	              peer->kind == PEER_PARTNER ? peer->name : peer->crowd->everybody,
	              peer->names != NULL ? "true" : "false");
	send_scratch(peer);
}

static void ask_who_is_there(struct peer *peer)
{
	buffer_printf(&peer->crowd->scratch, "{\"id\":4,\"presence\":{\"channel\":\"%s%s\"}}",
	              namespace(peer), peer->crowd->everybody);
	send_scratch(peer);
}

/* Takes the next client id from the line, "..." where it says "client":"...". */
static bool next_client(struct slice *line, struct slice *client)
{
	static const char label[] = "\"client\":\"";
	const char *found = memmem(line->data, line->size, label, sizeof(label) - 1);

	if (found == NULL)
		return false;
	client->data = found + sizeof(label) - 1;
	*line = (struct slice){client->data, line->size - (size_t)(client->data - line->data)};
	const char *quote = memchr(line->data, '"', line->size);
	client->size = quote == NULL ? line->size : (size_t)(quote - line->data);
	return true;
}

/* The line is a roster, or tells of one who joined. */
static void name_all(struct peer *peer, struct slice line)
{
	struct slice client;

	while (next_client(&line, &client)) {
		const struct peer *other = crowd_find_alias(peer->crowd, client);

		if (other != NULL)
			peer->names(peer, other->number);
	}
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

static void on_connected(struct peer *peer, struct slice line)
{
	struct slice client;

	if (next_client(&line, &client))
		peer_set_alias(peer, client);
	if (peer->kind == PEER_SPEAKER)
		peer_is_ready(peer);
	else
		subscribe(peer);
}

/* {"id":2,"subscribe":{}} */
static void hear_reply(struct peer *peer, struct slice line)
{
	char command = line.data[6];

	if (slice_starts((struct slice){line.data + 7, line.size - 7}, SLICE(",\"error\""))) {
		crowd_fault(peer->crowd, &peer->crowd->errors, "it said %.*s", SLICE_ARGS(line));
	} else if (command == '1') {
		on_connected(peer, line);
	} else if (command == '2') {
		if (peer->names != NULL)
			ask_who_is_there(peer);
		else
			peer_is_ready(peer);
	} else if (command == '4') {
		name_all(peer, line);
		peer_is_ready(peer);
	}
}

/* {"push":{"channel":"b1f2","pub":{"data":MESSAGE,"info":{...}}}} */
static void hear_push(struct peer *peer, struct slice line)
{
	static const char before[] = "\"pub\":{\"data\":";
	const char *begin = memmem(line.data, line.size, before, sizeof(before) - 1);

	if (begin == NULL && peer->names != NULL)
		name_all(peer, line);
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
	.presence = true,
	.target = target,
	.greet = greet,
	.hear = hear,
	.say = say,
};
