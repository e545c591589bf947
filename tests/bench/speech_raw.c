/* raw.c: what comes on "/" goes to all others there, what comes on "/7" to "/6", and to nobody else. */
#include "bench/speech.h"

static void target(const struct peer *peer, struct buffer *target)
{
	if (peer->kind == PEER_PARTNER || peer->kind == PEER_VISITOR)
		buffer_printf(target, "/%zu", peer->number);
	else
		buffer_append(target, SLICE("/"));
}

static void hear(struct peer *peer, struct slice message)
{
	peer->message(peer, message);
}

static void say(struct peer *peer, struct slice message)
{
	client_send(peer->client, WEBSOCKET_TEXT, message);
}

const struct speech speech_raw = {
	.name = "raw",
	.speakers_hear = true,
	.target = target,
	.hear = hear,
	.say = say,
};
