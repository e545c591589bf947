#include "peer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/buffer.h"
#include "common/clock.h"
#include "common/memory.h"
#include "loop.h"
#include "speech.h"

#define JOURNAL_RECORDS_MAX 32768 /* in memory */
#define REFUSED_RETRY_MS 1000
#define LEFT_MS_MAX 5000 /* to hear all on a connection that another took over from */

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
static uint64_t begun_us; /* the time of the first */

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

static void note_at(uint64_t time_us, struct peer *peer, const struct visit *visit,
                    enum record_kind kind, uint32_t other, uint32_t number, uint8_t code)
{
	if (record_count == JOURNAL_RECORDS_MAX)
		journal_flush();
	if (begun_us == 0)
		begun_us = time_us;
	records[record_count++] = (struct record){
		.time_us = time_us,
		.peer = peer->number,
		.other = other,
		.number = number,
		.visit = visit != NULL ? visit->number : 0,
		.kind = (uint8_t)kind,
		.code = code,
	};
	peer->counts[kind]++;
}

static void note(struct peer *peer, const struct visit *visit, enum record_kind kind,
                 uint32_t other, uint32_t number, uint8_t code)
{
	note_at(clock_mono_us(), peer, visit, kind, other, number, code);
}

void peers_stood_still(uint64_t since_us)
{
	for (uint32_t i = 0; i < peer_count; i++) {
		if (peers[i]->away)
			continue;
		note_at(since_us > begun_us ? since_us : begun_us, peers[i], NULL, RECORD_AWAY, 0,
		        0, 0);
		note(peers[i], NULL, RECORD_BACK, 0, 0, 0);
	}
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
static void on_move(void *context);
static void say_goodbye(struct visit *visit);

/* The next number whose lane is free; 0 if none is. */
static uint16_t free_number(const struct peer *peer)
{
	for (uint16_t number = peer->visit_count + 1; number <= peer->visit_count + LANES; number++)
		if (peer->visits[number % LANES] == NULL)
			return number;
	return 0;
}

/* The lines are given out in turn. */
static const char *token_of(const struct peer *peer, int *size)
{
	const char *line = peer->group->tokens;

	for (size_t skip = peer->number % peer->group->token_count; skip > 0; skip--)
		line = strchr(line, '\n') + 1;
	*size = (int)strcspn(line, "\n");
	return line;
}

static struct link *open_link(struct visit *visit)
{
	const struct group *group = visit->peer->group;
	struct buffer target = {0};
	int size;

	buffer_printf(&target, "/ws?mesh=%s", meshes[group->mesh]);
	if (group->tokens != NULL) {
		const char *token = token_of(visit->peer, &size);
		buffer_printf(&target, "&token=%.*s", size, token);
	}
	buffer_append(&target, (struct slice){"", 1});
	struct link *link = link_open(&nodes[visit->node].endpoint, target.data,
	                              group->receive_buffer_bytes, &visit_events, visit);
	buffer_fini(&target);
	return link;
}

static void open_visit(struct peer *peer, int node, bool is_tab, bool takes_over)
{
	struct group *group = peer->group;
	uint16_t number = free_number(peer);
	struct visit *visit;

	if (number == 0)
		return;
	visit = peer->visits[number % LANES] = mem_zero(sizeof(*visit));
	visit->peer = peer;
	visit->node = node;
	visit->is_tab = is_tab;
	visit->takes_over = takes_over;
	visit->number = peer->visit_count = number;
	visit->sees = mem_zero(PEERS_MAX * sizeof(visit->sees[0]));
	timer_init(&visit->again, say_hello, visit);
	timer_init(&visit->move, on_move, visit);
	note(peer, visit, RECORD_OPENED, (uint32_t)node, 0, 0);
	peer_away(peer);
	visit->link = open_link(visit);
	link_read(visit->link, group->read_bytes_per_second);
}

/* A connection of that kind, which takes over or does not, or NULL. */
static struct visit *find_visit(const struct peer *peer, bool is_tab, bool takes_over)
{
	for (int i = 0; i < VISITS_MAX; i++)
		if (peer->visits[i] != NULL && !peer->visits[i]->closing &&
		    !peer->visits[i]->is_left && peer->visits[i]->is_tab == is_tab &&
		    peer->visits[i]->takes_over == takes_over)
			return peer->visits[i];
	return NULL;
}

static bool is_complete(const struct peer *peer)
{
	return find_visit(peer, false, false) != NULL &&
	       (!peer->group->two_tabs || find_visit(peer, true, false) != NULL);
}

static void come_back(struct peer *peer, uint64_t not_before_ms)
{
	const struct group *group = peer->group;
	uint64_t spread = group->back_most_ms - group->back_least_ms + 1;

	timer_set(loop_timers(), &peer->connect,
	          1 + not_before_ms + group->back_least_ms + dice_below(&dice, spread));
}

/* Whether it gets there; it tries again if not. */
static bool connect_to(struct peer *peer, int node, bool is_tab)
{
	const struct group *group = peer->group;

	if (find_visit(peer, is_tab, false) != NULL)
		return true;
	if (node == ANY_NODE || (group->any_node && peer->visit_count > 0))
		node = some_node(-1);
	if (node >= 0)
		open_visit(peer, node, is_tab, false);
	return node >= 0;
}

/* To where the group is at home, or when it comes back, by its policy, to any node. */
static void on_connect(void *context)
{
	struct peer *peer = context;
	const struct group *group = peer->group;

	if (peer->wanted && (!connect_to(peer, group->node, false) ||
	                     (group->two_tabs && !connect_to(peer, group->tab_node, true))))
		come_back(peer, 0);
}

static void move(struct visit *visit)
{
	int node = some_node(visit->node);

	if (visit->peer->wanted && node >= 0 && !visit->takes_over && !visit->closing &&
	    !visit->is_left && find_visit(visit->peer, visit->is_tab, true) == NULL)
		open_visit(visit->peer, node, visit->is_tab, true);
}

static void on_move(void *context)
{
	struct visit *visit = context;

	if (visit->is_left)
		say_goodbye(visit);
	else
		move(visit);
}

static void each_visit(struct peer *peer, void (*act)(struct visit *visit))
{
	struct visit *visits[VISITS_MAX];

	memcpy(visits, peer->visits, sizeof(visits)); /* they may end meanwhile */
	for (int i = 0; i < VISITS_MAX; i++)
		if (visits[i] != NULL)
			act(visits[i]);
}

void peer_move(struct peer *peer)
{
	each_visit(peer, move);
}

static void join_again(struct visit *visit)
{
	if (visit->upgraded && !visit->joined && !visit->closing)
		say_hello(visit); /* it had left */
}

void peer_want(struct peer *peer, uint64_t delay_ms)
{
	peer->wanted = true;
	each_visit(peer, join_again);
	if (!is_complete(peer))
		timer_set(loop_timers(), &peer->connect, delay_ms);
}

void peer_away(struct peer *peer)
{
	bool away = peer->group->away;

	for (int i = 0; i < VISITS_MAX; i++)
		away |= peer->visits[i] != NULL && nodes[peer->visits[i]->node].in_trouble;
	if (away != peer->away)
		note(peer, NULL, away ? RECORD_AWAY : RECORD_BACK, 0, 0, 0);
	peer->away = away;
}

static void say(struct visit *visit, struct slice words)
{
	link_send(visit->link, words);
}

static void say_presence(struct visit *visit)
{
	visit->version = visit->peer->version;
	say(visit, speech_presence(&text, visit->peer->number, visit->version));
}

/* The second answer to capabilities comes after the roster: the relay reads it when we have joined. */
static void say_hello(void *context)
{
	struct visit *visit = context;

	if (visit->joined) { /* it announced something new, and was refused */
		say_presence(visit);
		return;
	}
	visit->answers = 0;
	visit->refused = false;
	say(visit, speech_capabilities(&text, true));
	say_presence(visit);
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

static void forget_all(struct visit *visit)
{
	visit->seen = 0;
	memset(visit->sees, 0, peer_count * sizeof(visit->sees[0]));
}

static void say_goodbye(struct visit *visit)
{
	visit->closing = true;
	visit->joined = false;
	link_close(visit->link);
}

static void on_joined(struct visit *visit)
{
	struct peer *peer = visit->peer;

	if (++visit->answers == 1) {
		note(peer, visit, RECORD_GREETED, 0, 0, 0);
		forget_all(visit);
	}
	if (visit->answers < 2 || visit->joined || visit->closing)
		return;
	if (visit->refused) {
		timer_set(loop_timers(), &visit->again, REFUSED_RETRY_MS);
		return;
	}
	visit->joined = true;
	note(peer, visit, RECORD_JOINED, 0, 0, 0);
	if (visit->version != peer->version) /* it announced something new on another, meanwhile */
		say_presence(visit);
	struct visit *old = visit->takes_over ? find_visit(peer, visit->is_tab, false) : NULL;
	visit->takes_over = false;
	if (old != NULL) { /* which leaves the old place when it has heard all there */
		old->is_left = true;
		timer_set(loop_timers(), &old->move, LEFT_MS_MAX);
		say(visit, speech_fence(&text, peer->number));
	}
	peer_beat(peer);
}

static void see(struct visit *visit, uint32_t other, uint32_t state)
{
	if (other >= PEERS_MAX)
		return;
	visit->seen += (uint32_t)(state > 0) - (uint32_t)(visit->sees[other] > 0);
	visit->sees[other] = state;
}

static void on_drain(struct visit *visit, uint64_t reconnect_ms)
{
	if (visit->peer->group->moves)
		timer_set(loop_timers(), &visit->move, reconnect_ms);
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
		if (visit->is_left && !visit->closing)
			say_goodbye(visit);
		return;
	}
	note(visit->peer, visit, heard.kind, heard.other, heard.number, heard.code);
	visit->refused |= heard.about_presence;
	if (heard.about_presence && visit->joined)
		timer_set(loop_timers(), &visit->again, REFUSED_RETRY_MS);
	if (heard.kind == RECORD_GOT_ONLINE || heard.kind == RECORD_GOT_OFFLINE)
		see(visit, heard.other, heard.kind == RECORD_GOT_ONLINE ? 1 + heard.number : 0);
	if (heard.kind == RECORD_GOT_DRAIN)
		on_drain(visit, heard.number);
}

static void on_ended(void *context, enum ending ending, unsigned number, unsigned retry_seconds)
{
	struct visit *visit = context;
	struct peer *peer = visit->peer;

	note(peer, visit, RECORD_ENDED, retry_seconds, number, (uint8_t)ending);
	peer->visits[visit->number % LANES] = NULL;
	peer_away(peer);
	timer_stop(loop_timers(), &visit->again);
	timer_stop(loop_timers(), &visit->move);
	free(visit->sees);
	free(visit);
	if (!is_complete(peer) && peer->wanted && peer->group->comes_back)
		come_back(peer, retry_seconds * 1000);
}

static const struct link_events visit_events = {on_upgraded, on_message, on_ended};

/* Speaking */

struct visit *peer_voice(const struct peer *peer)
{
	for (uint32_t i = 0; i < VISITS_MAX; i++) {
		struct visit *visit = peer->visits[(peer->sent + i) % VISITS_MAX];

		if (visit != NULL && visit->joined)
			return visit;
	}
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

static void beat(struct visit *visit)
{
	if (!visit->joined)
		return;
	if (visit->peer->group->beats_presence)
		say_presence(visit);
	else
		say(visit, SLICE("{\"type\":\"heartbeat\"}"));
}

static void on_beat(void *context)
{
	struct peer *peer = context;

	timer_set(loop_timers(), &peer->beat, peer->group->beat_ms);
	each_visit(peer, beat);
}

void peer_change(struct peer *peer)
{
	struct visit *visit = peer_voice(peer);

	if (visit == NULL)
		return;
	note(peer, visit, RECORD_CHANGED, ++peer->version, 0, 0);
	say_presence(visit);
}

/* Going */

static void stop_wanting(struct peer *peer)
{
	peer->wanted = false;
	timer_stop(loop_timers(), &peer->connect);
	timer_stop(loop_timers(), &peer->beat);
}

static void leave(struct visit *visit)
{
	note(visit->peer, visit, RECORD_LEFT, 0, 0, 0);
	timer_stop(loop_timers(), &visit->move);
	if (!visit->joined) {
		say_goodbye(visit);
		return;
	}
	say(visit, speech_offline(&text, visit->peer->number));
	visit->joined = false;
}

void peer_leave(struct peer *peer)
{
	stop_wanting(peer);
	each_visit(peer, leave);
}

static void close_visit(struct visit *visit)
{
	note(visit->peer, visit, RECORD_LEFT, 0, 0, 0);
	if (!visit->closing)
		say_goodbye(visit);
}

void peer_close(struct peer *peer)
{
	stop_wanting(peer);
	each_visit(peer, close_visit);
}

static void reset(struct visit *visit)
{
	note(visit->peer, visit, RECORD_LEFT, 0, 0, 0);
	link_reset(visit->link);
}

void peer_reset(struct peer *peer)
{
	stop_wanting(peer);
	each_visit(peer, reset);
}

static void vanish(struct visit *visit)
{
	note(visit->peer, visit, RECORD_VANISHED, 0, 0, 0);
	link_vanish(visit->link);
	visit->joined = false;
}

void peer_vanish(struct peer *peer)
{
	stop_wanting(peer);
	each_visit(peer, vanish);
}

void peer_add(struct group *group)
{
	struct peer *peer = mem_zero(sizeof(*peer));

	peer->number = peer_count;
	peer->group = group;
	timer_init(&peer->connect, on_connect, peer);
	timer_init(&peer->beat, on_beat, peer);
	peers[peer_count++] = peer;
	group->count++;
	note(peer, NULL, RECORD_PEER, group->mesh, (uint32_t)(group - groups), 0);
}
