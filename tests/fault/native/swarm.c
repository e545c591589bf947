/*
 * Thousands of peers of a relay in one process, driven by commands. README.md has them.
 *
 *     swarm JOURNAL SEED
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "common/buffer.h"
#include "common/clock.h"
#include "console.h"
#include "loop.h"
#include "peer.h"
#include "traffic.h"

#define MS_MAX 86400000
#define FILL_BYTES_MAX 65536

static int find_node(const char *name)
{
	for (size_t i = 0; i < node_count; i++)
		if (strcmp(nodes[i].name, name) == 0)
			return (int)i;
	return -1;
}

static struct group *find_group(const char *name)
{
	for (size_t i = 0; i < group_count; i++)
		if (strcmp(groups[i].name, name) == 0)
			return &groups[i];
	return NULL;
}

/* The name of a group, or "*" for all peers. */
static bool find_range(const char *name, struct range *range)
{
	const struct group *group = find_group(name);

	if (strcmp(name, "*") == 0)
		*range = (struct range){0, peer_count};
	else if (group != NULL)
		*range = (struct range){group->first, group->count};
	else
		return false;
	return range->count > 0;
}

static bool each_peer(const char *name, void (*act)(struct peer *peer))
{
	struct range range;

	if (!find_range(name, &range))
		return false;
	for (uint32_t i = 0; i < range.count; i++)
		act(peers[range.first + i]);
	console_ok("%u peers", range.count);
	return true;
}

/* Who is there */

static bool command_node(char **words, size_t count)
{
	int index = find_node(words[0]);
	struct endpoint endpoint;

	(void)count;
	if (!endpoint_parse(words[1], &endpoint) || strlen(words[0]) > NAME_BYTES_MAX ||
	    (index < 0 && node_count == NODES_MAX))
		return false;
	if (index < 0)
		index = (int)node_count++;
	strcpy(nodes[index].name, words[0]);
	nodes[index].endpoint = endpoint;
	nodes[index].in_rotation = true;
	console_ok("%d", index);
	return true;
}

static bool command_trouble(char **words, size_t count)
{
	int index = find_node(words[0]);
	bool on = strcmp(words[1], "on") == 0;

	(void)count;
	if (index < 0 || !(on || strcmp(words[1], "off") == 0))
		return false;
	nodes[index].in_trouble = on;
	return each_peer("*", peer_away);
}

static bool command_rotation(char **words, size_t count)
{
	int index = find_node(words[0]);
	bool in = strcmp(words[1], "in") == 0;

	(void)count;
	if (index < 0 || !(in || strcmp(words[1], "out") == 0))
		return false;
	nodes[index].in_rotation = in;
	console_ok("%s", words[0]);
	return true;
}

static bool command_peers(char **words, size_t count)
{
	int node = find_node(words[2]), mesh;
	uint64_t wanted;

	(void)count;
	if (find_group(words[0]) != NULL || group_count == GROUPS_MAX ||
	    strlen(words[0]) > NAME_BYTES_MAX ||
	    !word_number(words[1], PEERS_MAX - peer_count, &wanted) ||
	    (node < 0 && strcmp(words[2], "any") != 0))
		return false;
	mesh = mesh_add(words[3]);
	if (mesh < 0)
		return false;
	struct group *group = &groups[group_count++];
	*group = (struct group){.first = peer_count,
	                        .mesh = (uint32_t)mesh,
	                        .node = node < 0 ? ANY_NODE : node,
	                        .read_bytes_per_second = UINT64_MAX};
	strcpy(group->name, words[0]);
	for (uint64_t i = 0; i < wanted; i++)
		peer_add(group);
	console_ok("%u", group->first);
	return true;
}

/* How they behave */

static bool command_home(char **words, size_t count)
{
	struct group *group = find_group(words[0]);
	int node = find_node(words[1]);

	(void)count;
	if (group == NULL || (node < 0 && strcmp(words[1], "any") != 0))
		return false;
	group->node = node < 0 ? ANY_NODE : node;
	console_ok("%s", words[1]);
	return true;
}

static bool command_tabs(char **words, size_t count)
{
	struct group *group = find_group(words[0]);
	int node = find_node(words[1]);

	(void)count;
	if (group == NULL || (node < 0 && strcmp(words[1], "any") != 0))
		return false;
	group->two_tabs = true;
	group->tab_node = node < 0 ? ANY_NODE : node;
	console_ok("%s", words[1]);
	return true;
}

static bool command_again(char **words, size_t count)
{
	struct group *group = find_group(words[0]);

	if (group == NULL)
		return false;
	group->comes_back = strcmp(words[1], "never") != 0;
	if (group->comes_back &&
	    (count < 3 || !word_number(words[1], MS_MAX, &group->back_least_ms) ||
	     !word_number(words[2], MS_MAX, &group->back_most_ms) ||
	     group->back_least_ms > group->back_most_ms))
		return false;
	group->any_node = count == 4 && strcmp(words[3], "any") == 0;
	console_ok("%s", words[0]);
	return true;
}

static bool command_drained(char **words, size_t count)
{
	struct group *group = find_group(words[0]);
	bool moves = strcmp(words[1], "moves") == 0;

	(void)count;
	if (group == NULL || !(moves || strcmp(words[1], "stays") == 0))
		return false;
	group->moves = moves;
	console_ok("%s", words[0]);
	return true;
}

static char *read_file(const char *path)
{
	struct buffer bytes = {0};
	FILE *file = fopen(path, "re");
	size_t size;

	if (file == NULL)
		return NULL;
	do {
		size = fread(buffer_reserve(&bytes, 65536), 1, 65536, file);
		bytes.size += size;
	} while (size > 0);
	fclose(file);
	buffer_append(&bytes, (struct slice){"", 1});
	return bytes.data;
}

static bool command_tokens(char **words, size_t count)
{
	struct group *group = find_group(words[0]);

	(void)count;
	if (group == NULL || (group->tokens = read_file(words[1])) == NULL)
		return false;
	for (const char *at = group->tokens; (at = strchr(at, '\n')) != NULL; at++)
		group->token_count++;
	console_ok("%zu", group->token_count);
	return group->token_count > 0;
}

static bool command_beat(char **words, size_t count)
{
	struct group *group = find_group(words[0]);

	if (group == NULL || !word_number(words[1], MS_MAX, &group->beat_ms))
		return false;
	group->beats_presence = count == 3 && strcmp(words[2], "presence") == 0;
	return each_peer(words[0], peer_beat);
}

static bool command_read(char **words, size_t count)
{
	struct group *group = find_group(words[0]);
	uint64_t bytes_per_second = UINT64_MAX;

	(void)count;
	if (group == NULL ||
	    (strcmp(words[1], "all") != 0 && !word_number(words[1], UINT32_MAX, &bytes_per_second)))
		return false;
	group->read_bytes_per_second = bytes_per_second;
	for (uint32_t i = 0; i < group->count; i++)
		for (int j = 0; j < VISITS_MAX; j++)
			if (peers[group->first + i]->visits[j] != NULL)
				link_read(peers[group->first + i]->visits[j]->link,
				          bytes_per_second);
	console_ok("%s", words[1]);
	return true;
}

static bool command_receive_buffer(char **words, size_t count)
{
	struct group *group = find_group(words[0]);
	uint64_t bytes;

	(void)count;
	if (group == NULL || !word_number(words[1], 1 << 30, &bytes))
		return false;
	group->receive_buffer_bytes = (unsigned)bytes;
	console_ok("%s", words[1]);
	return true;
}

/* What they do */

static bool command_connect(char **words, size_t count)
{
	struct range range;
	uint64_t per_second = 0;

	if (!find_range(words[0], &range) ||
	    (count > 1 && !word_number(words[1], 1000000, &per_second)))
		return false;
	for (uint32_t i = 0; i < range.count; i++)
		peer_want(peers[range.first + i], per_second > 0 ? i * 1000 / per_second : 0);
	console_ok("%u peers", range.count);
	return true;
}

static bool command_change(char **words, size_t count)
{
	(void)count;
	return each_peer(words[0], peer_change);
}

static bool command_move(char **words, size_t count)
{
	(void)count;
	return each_peer(words[0], peer_move);
}

static bool command_leave(char **words, size_t count)
{
	(void)count;
	return each_peer(words[0], peer_leave);
}

static bool command_close(char **words, size_t count)
{
	(void)count;
	return each_peer(words[0], peer_close);
}

static bool command_reset(char **words, size_t count)
{
	(void)count;
	return each_peer(words[0], peer_reset);
}

static bool command_vanish(char **words, size_t count)
{
	(void)count;
	return each_peer(words[0], peer_vanish);
}

static bool mark_away(const char *name, bool away)
{
	bool all = strcmp(name, "*") == 0;

	for (size_t i = 0; i < group_count; i++)
		if (all || strcmp(groups[i].name, name) == 0)
			groups[i].away = away;
	return each_peer(name, peer_away);
}

static bool command_away(char **words, size_t count)
{
	(void)count;
	return mark_away(words[0], true);
}

static bool command_back(char **words, size_t count)
{
	(void)count;
	return mark_away(words[0], false);
}

static bool command_direct(char **words, size_t count)
{
	struct range from, to;
	uint64_t per_second, fill_bytes = 0;

	if (!find_range(words[0], &from) || !find_range(words[1], &to) ||
	    !word_number(words[2], STREAM_PER_SECOND_MAX, &per_second) ||
	    (count > 3 && !word_number(words[3], FILL_BYTES_MAX, &fill_bytes)) ||
	    !traffic_set(from, to, per_second, (size_t)fill_bytes))
		return false;
	console_ok("%lu", per_second);
	return true;
}

static bool command_broadcast(char **words, size_t count)
{
	struct range from;
	uint64_t per_second, fill_bytes = 0;

	if (!find_range(words[0], &from) ||
	    !word_number(words[1], STREAM_PER_SECOND_MAX, &per_second) ||
	    (count > 2 && !word_number(words[2], FILL_BYTES_MAX, &fill_bytes)) ||
	    !traffic_set(from, (struct range){0, 0}, per_second, (size_t)fill_bytes))
		return false;
	console_ok("%lu", per_second);
	return true;
}

static bool command_hush(char **words, size_t count)
{
	(void)words, (void)count;
	traffic_end();
	console_ok("silence");
	return true;
}

/* What became of it */

static const char *const kind_names[] = {
#define X(name) #name,
	RECORD_KINDS(X)
#undef X
};

static bool command_count(char **words, size_t count)
{
	uint32_t open = 0, in = 0, seen_least = UINT32_MAX, seen_most = 0;
	uint64_t sums[RECORD_KIND_COUNT] = {0};
	char text[2048];
	size_t size = 0;
	struct range range;

	(void)count;
	if (!find_range(words[0], &range))
		return false;
	for (uint32_t i = range.first; i < range.first + range.count; i++) {
		const struct visit *voice = peer_voice(peers[i]);

		for (int kind = 0; kind < RECORD_KIND_COUNT; kind++)
			sums[kind] += peers[i]->counts[kind];
		for (int j = 0; j < VISITS_MAX; j++)
			open += peers[i]->visits[j] != NULL && peers[i]->visits[j]->upgraded;
		if (voice == NULL)
			continue;
		in++;
		seen_least = voice->seen < seen_least ? voice->seen : seen_least;
		seen_most = voice->seen > seen_most ? voice->seen : seen_most;
	}
	for (int kind = 0; kind < RECORD_KIND_COUNT; kind++)
		size += (size_t)snprintf(text + size, sizeof(text) - size, " %s=%lu",
		                         kind_names[kind], sums[kind]);
	console_ok("open=%u in=%u sees_least=%u sees_most=%u%s", open, in, in > 0 ? seen_least : 0,
	           seen_most, text);
	return true;
}

/* Of each connection that is in: whom it sees, each as NUMBER:VERSION. "p3.1@node:2 0:5,1:0 p4.1..." */
static bool command_views(char **words, size_t count)
{
	static struct buffer text;
	struct range range;

	(void)count;
	if (!find_range(words[0], &range))
		return false;
	buffer_clear(&text);
	for (uint32_t i = range.first; i < range.first + range.count; i++) {
		for (int j = 0; j < VISITS_MAX; j++) {
			const struct visit *visit = peers[i]->visits[j];

			if (visit == NULL || !visit->joined)
				continue;
			buffer_printf(&text, " p%u.%u@%s:%u=", i, visit->number,
			              nodes[visit->node].name, peers[i]->version);
			for (uint32_t k = 0; k < peer_count; k++)
				if (visit->sees[k] > 0)
					buffer_printf(&text, "%u:%u,", k, visit->sees[k] - 1);
		}
	}
	console_ok("%.*s", (int)text.size, text.size > 0 ? text.data : "");
	return true;
}

static bool command_flush(char **words, size_t count)
{
	(void)words, (void)count;
	journal_flush();
	console_ok("flushed");
	return true;
}

static const struct command commands[] = {
	{"node", "NAME ADDRESS", command_node},
	{"rotation", "NODE in|out", command_rotation},
	{"trouble", "NODE on|off", command_trouble},
	{"peers", "GROUP COUNT NODE|any MESH", command_peers},
	{"home", "GROUP NODE|any", command_home},
	{"tabs", "GROUP NODE|any", command_tabs},
	{"again", "GROUP never|LEAST_MS [MOST_MS [any]]", command_again},
	{"drained", "GROUP moves|stays", command_drained},
	{"beat", "GROUP MS [presence]", command_beat},
	{"read", "GROUP BYTES_PER_SECOND|all", command_read},
	{"receive-buffer", "GROUP BYTES", command_receive_buffer},
	{"tokens", "GROUP FILE", command_tokens},
	{"connect", "GROUP [PER_SECOND]", command_connect},
	{"change", "GROUP", command_change},
	{"move", "GROUP", command_move},
	{"leave", "GROUP", command_leave},
	{"close", "GROUP", command_close},
	{"reset", "GROUP", command_reset},
	{"vanish", "GROUP", command_vanish},
	{"away", "GROUP", command_away},
	{"back", "GROUP", command_back},
	{"direct", "GROUP TO-GROUP PER_SECOND [FILL_BYTES]", command_direct},
	{"broadcast", "GROUP PER_SECOND [FILL_BYTES]", command_broadcast},
	{"hush", "", command_hush},
	{"count", "GROUP", command_count},
	{"views", "GROUP", command_views},
	{"flush", "", command_flush},
	{NULL, NULL, NULL},
};

#define STILL_US 1000000 /* longer, and leases of a TTL of 3 s may end */
#define LOOK_MS 100

static struct timer look;
static uint64_t turned_us;

static void on_look(void *context)
{
	(void)context;
	timer_set(loop_timers(), &look, LOOK_MS);
}

static void on_turn(void)
{
	uint64_t now_us = clock_mono_us();

	links_flush();
	if (now_us - turned_us > STILL_US)
		peers_stood_still(turned_us);
	turned_us = now_us;
}

int main(int argc, char **argv)
{
	if (argc != 3 || !word_number(argv[2], UINT64_MAX, &dice.state))
		die("Usage: swarm JOURNAL SEED");
	signal(SIGPIPE, SIG_IGN);
	loop_init();
	journal_open(argv[1]);
	console_open(commands);
	turned_us = clock_mono_us();
	timer_init(&look, on_look, NULL);
	on_look(NULL);
	loop_run(on_turn);
	journal_flush();
	return 0;
}
