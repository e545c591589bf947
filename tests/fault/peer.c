#include "fault/peer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/buffer.h"
#include "common/clock.h"
#include "common/memory.h"
#include "fault/loop.h"
#include "fault/speech.h"

#define JOURNAL_RECORDS_MAX 32768 /* in memory */
#define REFUSED_RETRY_MS 1000

struct peer *peers[PEERS_MAX];
uint32_t peer_count;
struct node nodes[NODES_MAX];
struct group groups[GROUPS_MAX];
size_t group_count, node_count;
struct dice dice;

static char meshes[MESHES_MAX][NAME_BYTES_MAX + 1];
static size_t mesh_count;
static struct buffer text; /* what is said is built here */

/* The journal */

static int journal = -1;
static struct record records[JOURNAL_RECORDS_MAX];
static size_t record_count;

void journal_open(const char *path)
{
	journal = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (journal < 0)
		die("%s: %s", path, strerror(errno));
}

void journal_flush(void)
{
	const char *bytes = (const char *)records;
	size_t size = record_count * sizeof(records[0]), done = 0;

	while (done < size) {
		ssize_t n = write(journal, bytes + done, size - done);

		if (n < 0)
			die("the journal: %s", strerror(errno));
		done += (size_t)n;
	}
	record_count = 0;
}

static void note(struct peer *peer, const struct visit *visit, enum record_kind kind,
                 uint32_t other, uint32_t number, uint8_t code)
{
	if (record_count == JOURNAL_RECORDS_MAX)
		journal_flush();
	records[record_count++] = (struct record){
		.time_us = clock_mono_us(),
		.peer = peer->number,
		.other = other,
		.number = number,
		.visit = visit != NULL ? visit->number : 0,
		.kind = (uint8_t)kind,
		.code = code,
	};
	peer->counts[kind]++;
}

void peer_note(struct peer *peer, enum record_kind kind, uint32_t other, uint32_t number)
{
	note(peer, NULL, kind, other, number, 0);
}

/* Connecting */

int mesh_add(const char *name)
{
	for (size_t i = 0; i < mesh_count; i++)
		if (strcmp(meshes[i], name) == 0)
			return (int)i;
	if (mesh_count == MESHES_MAX || strlen(name) > NAME_BYTES_MAX)
		return -1;
	strcpy(meshes[mesh_count], name);
	return (int)mesh_count++;
}

/* A node in rotation by chance, another one than `except` if there is. -1 if there is none. */
static int some_node(int except)
{
	int fitting[NODES_MAX], count = 0;

	for (int i = 0; i < (int)node_count; i++)
		if (nodes[i].in_rotation && i != except)
			fitting[count++] = i;
	if (count > 0)
		return fitting[dice_below(&dice, (uint64_t)count)];
	return except >= 0 && nodes[except].in_rotation ? except : -1;
}

static const struct link_events visit_events;
static void say_hello(void *context);

static void open_visit(struct peer *peer, int node)
{
	struct group *group = peer->group;
	struct visit *visit, **slot = &peer->visits[peer->visits[0] != NULL];

	if (*slot != NULL)
		return; /* it is on the move already */
	visit = *slot = mem_zero(sizeof(*visit));
	visit->peer = peer;
	visit->node = node;
	visit->number = ++peer->visit_count;
	visit->sees = mem_zero(PEERS_MAX / 8);
	timer_init(&visit->again, say_hello, visit);
	note(peer, visit, RECORD_OPENED, (uint32_t)node, 0, 0);
	visit->link = link_open(&nodes[node].endpoint, meshes[group->mesh],
	                        group->receive_buffer_bytes, &visit_events, visit);
	link_read(visit->link, group->read_bytes_per_second);
}

static void come_back(struct peer *peer, uint64_t not_before_ms)
{
	const struct group *group = peer->group;
	uint64_t spread = group->back_most_ms - group->back_least_ms + 1;

	timer_set(loop_timers(), &peer->connect,
	          1 + not_before_ms + group->back_least_ms + dice_below(&dice, spread));
}

/* To where the group is at home, or when it comes back, by its policy, to any node. */
static void on_connect(void *context)
{
	struct peer *peer = context;
	const struct group *group = peer->group;
	int node = group->node;

	if (!peer->wanted || peer->visits[0] != NULL)
		return;
	if (node == ANY_NODE || (group->any_node && peer->visit_count > 0))
		node = some_node(-1);
	if (node >= 0)
		open_visit(peer, node);
	else
		come_back(peer, 0);
}

static void on_move(void *context)
{
	struct peer *peer = context;
	const struct visit *visit = peer->visits[0];
	int node = visit != NULL ? some_node(visit->node) : -1;

	if (peer->wanted && node >= 0)
		open_visit(peer, node);
}

void peer_want(struct peer *peer, uint64_t delay_ms)
{
	struct visit *visit = peer->visits[0];

	peer->wanted = true;
	if (visit == NULL)
		timer_set(loop_timers(), &peer->connect, delay_ms);
	else if (visit->upgraded && !visit->joined)
		say_hello(visit); /* it had left */
}

static void say(struct visit *visit, struct slice words)
{
	link_send(visit->link, words);
}

/* The second answer to capabilities comes after the roster: the relay reads it when we have joined. */
static void say_hello(void *context)
{
	struct visit *visit = context;

	visit->answers = 0;
	visit->refused = false;
	say(visit, speech_capabilities(&text, true));
	say(visit, speech_presence(&text, visit->peer->number, true));
	say(visit, speech_capabilities(&text, true));
}

static void on_upgraded(void *context)
{
	struct visit *visit = context;

	note(visit->peer, visit, RECORD_UPGRADED, 0, 0, 0);
	visit->upgraded = true;
	say_hello(visit);
}

/* Hearing */

static void on_joined(struct visit *visit)
{
	struct peer *peer = visit->peer;

	if (++visit->answers < 2 || visit->joined)
		return;
	if (visit->refused) {
		timer_set(loop_timers(), &visit->again, REFUSED_RETRY_MS);
		return;
	}
	visit->joined = true;
	note(peer, visit, RECORD_JOINED, 0, 0, 0);
	if (peer->visits[0] !=
	    visit) /* it has moved, and leaves the old place when it has heard all there */
		say(visit, speech_fence(&text, peer->number));
	peer_beat(peer);
}

static void see(struct visit *visit, uint32_t other, bool online)
{
	uint8_t bit = (uint8_t)(1 << (other & 7)), *byte = &visit->sees[other >> 3];

	if (other >= PEERS_MAX || online == !!(*byte & bit))
		return;
	*byte ^= bit;
	visit->seen += online ? 1 : -1u;
}

static void on_drain(struct visit *visit, uint64_t reconnect_ms)
{
	if (visit->peer->group->moves)
		timer_set(loop_timers(), &visit->peer->move, reconnect_ms);
}

static void on_message(void *context, struct slice message)
{
	struct visit *visit = context;
	struct heard heard = speech_hear(message);

	if (heard.kind == RECORD_JOINED) {
		on_joined(visit);
		return;
	}
	if (heard.fence) {
		link_close(visit->link);
		return;
	}
	note(visit->peer, visit, heard.kind, heard.other, heard.number, heard.code);
	visit->refused |= heard.about_presence;
	if (heard.kind == RECORD_GOT_ONLINE || heard.kind == RECORD_GOT_OFFLINE)
		see(visit, heard.other, heard.kind == RECORD_GOT_ONLINE);
	if (heard.kind == RECORD_GOT_DRAIN)
		on_drain(visit, heard.number);
}

static void on_ended(void *context, enum ending ending, unsigned number, unsigned retry_seconds)
{
	struct visit *visit = context;
	struct peer *peer = visit->peer;

	note(peer, visit, RECORD_ENDED, retry_seconds, number, (uint8_t)ending);
	if (peer->visits[0] == visit)
		peer->visits[0] = peer->visits[1];
	peer->visits[1] = NULL;
	timer_stop(loop_timers(), &visit->again);
	free(visit->sees);
	free(visit);
	if (peer->visits[0] == NULL && peer->wanted && peer->group->comes_back)
		come_back(peer, retry_seconds * 1000);
}

static const struct link_events visit_events = {on_upgraded, on_message, on_ended};

/* Speaking */

struct visit *peer_voice(const struct peer *peer)
{
	for (int i = VISITS_MAX - 1; i >= 0; i--)
		if (peer->visits[i] != NULL && peer->visits[i]->joined)
			return peer->visits[i];
	return NULL;
}

void peer_send(struct peer *peer, const struct peer *to, size_t fill_bytes)
{
	struct visit *visit = peer_voice(peer);
	uint32_t number = peer->sent + 1;
	struct slice words =
		to != NULL ? speech_direct(&text, peer->number, to->number, number, fill_bytes)
			   : speech_broadcast(&text, peer->number, number, fill_bytes);

	if (visit == NULL || !link_send(visit->link, words))
		return;
	peer->sent = number;
	if (to != NULL)
		note(peer, visit, RECORD_SENT_DIRECT, to->number, number, 0);
	else
		note(peer, visit, RECORD_SENT_BROADCAST, 0, number, 0);
}

void peer_beat(struct peer *peer)
{
	uint64_t interval = peer->group->beat_ms;

	timer_stop(loop_timers(), &peer->beat);
	if (interval > 0)
		timer_set(loop_timers(), &peer->beat, 1 + dice_below(&dice, interval));
}

static void on_beat(void *context)
{
	struct peer *peer = context;
	struct visit *visit = peer_voice(peer);

	timer_set(loop_timers(), &peer->beat, peer->group->beat_ms);
	if (visit != NULL)
		say(visit, peer->group->beats_presence ? speech_presence(&text, peer->number, true)
		                                       : SLICE("{\"type\":\"heartbeat\"}"));
}

/* Going */

static void stop_wanting(struct peer *peer, enum record_kind kind)
{
	peer->wanted = false;
	timer_stop(loop_timers(), &peer->connect);
	timer_stop(loop_timers(), &peer->move);
	timer_stop(loop_timers(), &peer->beat);
	if (peer->visits[0] != NULL)
		note(peer, peer->visits[0], kind, 0, 0, 0);
}

void peer_leave(struct peer *peer)
{
	struct visit *visit = peer_voice(peer);

	if (visit == NULL)
		return;
	stop_wanting(peer, RECORD_LEFT);
	say(visit, speech_presence(&text, peer->number, false));
	visit->joined = false;
	visit->seen = 0;
	memset(visit->sees, 0, PEERS_MAX / 8);
}

static void each_link(struct peer *peer, void (*act)(struct link *link))
{
	struct visit *visits[VISITS_MAX];

	memcpy(visits, peer->visits, sizeof(visits)); /* they may end meanwhile */
	for (int i = 0; i < VISITS_MAX; i++)
		if (visits[i] != NULL)
			act(visits[i]->link);
}

void peer_close(struct peer *peer)
{
	stop_wanting(peer, RECORD_LEFT);
	each_link(peer, link_close);
}

void peer_reset(struct peer *peer)
{
	stop_wanting(peer, RECORD_LEFT);
	each_link(peer, link_reset);
}

void peer_vanish(struct peer *peer)
{
	stop_wanting(peer, RECORD_VANISHED);
	each_link(peer, link_vanish);
	for (int i = 0; i < VISITS_MAX; i++)
		if (peer->visits[i] != NULL)
			peer->visits[i]->joined = false;
}

void peer_add(struct group *group)
{
	struct peer *peer = mem_zero(sizeof(*peer));

	peer->number = peer_count;
	peer->group = group;
	timer_init(&peer->connect, on_connect, peer);
	timer_init(&peer->move, on_move, peer);
	timer_init(&peer->beat, on_beat, peer);
	peers[peer_count++] = peer;
	group->count++;
	note(peer, NULL, RECORD_PEER, group->mesh, (uint32_t)(group - groups), 0);
}
