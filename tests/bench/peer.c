#include "bench/peer.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "bench/speech.h"

#define READY_SECONDS 60
#define STALL_SECONDS 10

void crowd_init(struct crowd *crowd, const struct bench *bench)
{
	*crowd = (struct crowd){.bench = bench, .net = net_create()};
	table_init(&crowd->aliases);
	/* Letters and digits are good in every server's names. */
	snprintf(crowd->everybody, sizeof(crowd->everybody), "b%x", (unsigned)getpid());
}

void crowd_fini(struct crowd *crowd)
{
	net_destroy(crowd->net);
	table_fini(&crowd->aliases);
	buffer_fini(&crowd->scratch);
}

void crowd_name(const struct crowd *crowd, size_t number, char name[NAME_BYTES])
{
	snprintf(name, NAME_BYTES, "%sp%05zu", crowd->everybody, number);
}

void crowd_fault(struct crowd *crowd, uint64_t *counter, const char *format, ...)
{
	char sentence[512];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(sentence, sizeof(sentence), format, arguments);
	va_end(arguments);
	if (crowd->bench->speech->ours)
		die("%s", sentence);
	if ((*counter)++ == 0)
		fprintf(stderr, "bench: %s: %s\n", crowd->bench->speech->name, sentence);
}

bool crowd_is_broken(const struct crowd *crowd)
{
	return crowd->lost > 0;
}

void crowd_wait(struct crowd *crowd, size_t waiting_max)
{
	uint64_t give_up_ns = net_now() + (uint64_t)READY_SECONDS * NS;

	while (crowd->opened - crowd->ready > waiting_max) {
		if (crowd_is_broken(crowd))
			die("a peer was not let in");
		if (net_now() >= give_up_ns)
			die("%zu of %zu peers were let in within %d s", crowd->ready, crowd->opened,
			    READY_SECONDS);
		net_turn(crowd->net, give_up_ns);
	}
}

void crowd_talk(struct crowd *crowd, const struct talk *talk, uint64_t until_ns)
{
	uint64_t heard = crowd->heard, stall_ns = net_now() + (uint64_t)STALL_SECONDS * NS;

	for (uint64_t now = net_now(); now < until_ns; now = net_now()) {
		uint64_t next_ns = talk->go_on(talk->context, now);

		net_turn(crowd->net, next_ns < until_ns ? next_ns : until_ns);
		if (crowd->heard != heard || talk->is_complete(talk->context)) {
			heard = crowd->heard;
			stall_ns = now + (uint64_t)STALL_SECONDS * NS;
		}
		if (crowd_is_broken(crowd))
			return;
		if (now >= stall_ns) {
			crowd_fault(crowd, &crowd->errors, "nothing came for %d s", STALL_SECONDS);
			return;
		}
	}
}

void crowd_hear_out(struct crowd *crowd, const struct talk *talk)
{
	uint64_t give_up_ns = net_now() + (uint64_t)STALL_SECONDS * NS;

	while (!talk->is_complete(talk->context) && !crowd_is_broken(crowd) &&
	       net_now() < give_up_ns)
		net_turn(crowd->net, give_up_ns);
	if (!talk->is_complete(talk->context))
		crowd_fault(crowd, &crowd->errors, "not all came that was said");
}

void peer_is_ready(struct peer *peer)
{
	peer->crowd->ready += !peer->ready;
	peer->ready = true;
}

void peer_set_alias(struct peer *peer, struct slice alias)
{
	if (peer->alias_entry.key.size > 0 || alias.size == 0 || alias.size > ALIAS_BYTES)
		die("the server calls %s %.*s", peer->name, SLICE_ARGS(alias));
	memcpy(peer->alias, alias.data, alias.size);
	table_insert(&peer->crowd->aliases, &peer->alias_entry,
	             (struct slice){peer->alias, alias.size});
}

struct peer *crowd_find_alias(const struct crowd *crowd, struct slice alias)
{
	struct table_entry *entry = table_find(&crowd->aliases, alias);

	return entry == NULL ? NULL : TABLE_HOLDER(entry, struct peer, alias_entry);
}

static void on_upgraded(void *context)
{
	struct peer *peer = context;
	const struct speech *speech = peer->crowd->bench->speech;

	if (speech->greet == NULL || peer->kind == PEER_VISITOR)
		peer_is_ready(peer);
	else
		speech->greet(peer);
}

static void on_message(void *context, struct slice message)
{
	struct peer *peer = context;

	peer->crowd->heard++;
	if (peer->kind != PEER_VISITOR)
		peer->crowd->bench->speech->hear(peer, message);
}

static void on_lost(void *context, const char *why)
{
	struct peer *peer = context;

	if (peer->leaves)
		return;
	peer->crowd->lost++;
	crowd_fault(peer->crowd, &peer->crowd->errors, "%s lost: %s", peer->name, why);
}

void peer_open(struct peer *peer, struct crowd *crowd, size_t node, enum peer_kind kind,
               size_t number, peer_message *message)
{
	static const struct client_events events = {on_upgraded, on_message, on_lost};
	struct buffer target = {.size = 0};

	peer->crowd = crowd;
	peer->message = message;
	peer->kind = kind;
	peer->number = number;
	crowd_name(crowd, number, peer->name);
	crowd_name(crowd, number ^ 1, peer->partner);
	crowd->bench->speech->target(peer, &target);
	buffer_append(&target, (struct slice){"", 1});
	crowd->opened++;
	peer->client =
		net_connect(crowd->net, &crowd->bench->nodes[node % crowd->bench->node_count],
	                    target.data, &events, peer);
	buffer_fini(&target);
}

void peer_fini(struct peer *peer)
{
	if (peer->alias_entry.key.size > 0)
		table_remove(&peer->crowd->aliases, &peer->alias_entry);
	buffer_fini(&peer->unread);
}

void peer_leave(struct peer *peer)
{
	peer->leaves = true;
	client_send(peer->client, WEBSOCKET_CLOSE, SLICE("\x03\xe8")); /* 1000 */
}

void peer_say(struct peer *peer, struct slice message)
{
	peer->crowd->bench->speech->say(peer, message);
}
