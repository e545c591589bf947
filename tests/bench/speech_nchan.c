/*
 * nginx with Nchan: a channel is a URL. It wants the locations /sub/CHANNEL, /pub/CHANNEL, and
 * /ps/CHANNEL/OTHER, which subscribes to the one and publishes to the other.
 *
 * A publisher is answered with an account of the channel, which no pattern takes for a message.
 */
#include "bench/speech.h"

static void target(const struct peer *peer, struct buffer *target)
{
	switch (peer->kind) {
	case PEER_LISTENER:
		buffer_printf(target, "/sub/%s", peer->crowd->everybody);
		return;
	case PEER_SPEAKER:
		buffer_printf(target, "/pub/%s", peer->crowd->everybody);
		return;
	case PEER_VISITOR:
		buffer_printf(target, "/sub/%s", peer->name);
		return;
	case PEER_PARTNER:
		buffer_printf(target, "/ps/%s/%s", peer->name, peer->partner);
		return;
	}
}

static void hear(struct peer *peer, struct slice message)
{
	peer->message(peer, message);
}

static void say(struct peer *peer, struct slice message)
{
	client_send(peer->client, WEBSOCKET_TEXT, message);
}

const struct speech speech_nchan = {
	.name = "nchan",
	.target = target,
	.hear = hear,
	.say = say,
};
