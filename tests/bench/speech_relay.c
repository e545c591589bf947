/* Our own. It says by itself who speaks to whom, so messages go in and come out as they are. */
#include <stdlib.h>

#include "bench/speech.h"

static void target(const struct peer *peer, struct buffer *target)
{
	buffer_append(target, SLICE("/ws"));
	if (peer->mesh > 0)
		buffer_printf(target, "?mesh=%sm%zu", peer->crowd->everybody, peer->mesh);
}

static void say(struct peer *peer, struct slice message)
{
	client_send(peer->client, WEBSOCKET_TEXT, message);
}

/* Joins without repeats of presences, and with the roster in one message. */
static void greet(struct peer *peer)
{
	struct buffer *text = &peer->crowd->scratch;

	say(peer,
	    SLICE("{\"type\":\"capabilities\",\"data\":{\"accept\":[\"events\",\"roster\"]}}"));
	buffer_clear(text);
	buffer_printf(
		text,
		"{\"type\":\"presence\",\"from\":\"%s\",\"data\":{\"agents\":[]},\"timestamp\":1760000000123}",
		peer->name);
	say(peer, buffer_slice(text));
}

/* Those whose presence is in the message, be it one's own or a roster. */
static void name_all(struct peer *peer, struct slice message)
{
	static const char label[] = "\"from\":\"";
	const char *end = message.data + message.size, *at = message.data;
	struct slice everybody = slice_of(peer->crowd->everybody);

	while ((at = memmem(at, (size_t)(end - at), label, sizeof(label) - 1)) != NULL) {
		at += sizeof(label) - 1;
		if (slice_starts((struct slice){at, (size_t)(end - at)}, everybody))
			peer->names(peer, strtoul(at + everybody.size + 1, NULL, 10));
	}
}

static void hear(struct peer *peer, struct slice message)
{
	if (slice_starts(message, SLICE("{\"type\":\"error\"")) && peer->crowd->settled)
		crowd_fault(peer->crowd, &peer->crowd->errors, "the relay said %.*s",
		            SLICE_ARGS(message));
	if (!peer->ready && slice_starts(message, SLICE("{\"type\":\"roster\"")))
		peer_is_ready(peer);
	if (peer->names != NULL)
		name_all(peer, message);
	peer->message(peer, message);
}

const struct speech speech_relay = {
	.name = "relay",
	.ours = true,
	.presence = true,
	.speakers_hear = true,
	.target = target,
	.greet = greet,
	.hear = hear,
	.say = say,
};
