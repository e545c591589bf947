/* Our own. It says by itself who speaks to whom, so messages go in and come out as they are. */
#include "bench/speech.h"

static void target(const struct peer *peer, struct buffer *target)
{
	(void)peer;
	buffer_append(target, SLICE("/ws"));
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

static void hear(struct peer *peer, struct slice message)
{
	if (slice_starts(message, SLICE("{\"type\":\"error\"")) && peer->crowd->settled)
		crowd_fault(peer->crowd, &peer->crowd->errors, "the relay said %.*s",
		            SLICE_ARGS(message));
	if (!peer->ready && slice_starts(message, SLICE("{\"type\":\"roster\"")))
		peer_is_ready(peer);
	peer->message(peer, message);
}

const struct speech speech_relay = {
	.name = "relay",
	.ours = true,
	.speakers_hear = true,
	.target = target,
	.greet = greet,
	.hear = hear,
	.say = say,
};
