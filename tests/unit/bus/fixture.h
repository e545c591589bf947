/*
 * What the tests of the bus need: a redis-server of their own on a unix socket in a temporary
 * folder, an event loop, and a mesh that only remembers what it was told.
 *
 * The fakes of mesh_...() and lease_...() take the place of mesh/'s when the test is
 * linked.
 */
#pragma once

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/event.h>

#include "bus/bus.h"
#include "common/buffer.h"
#include "common/clock.h"
#include "common/metrics.h"
#include "common/timers.h"
#include "mesh/lease.h"
#include "mesh/mesh.h"
#include "wire/parcel.h"

#define PATIENCE_MS 8000

/* ---- redis-server */

struct server {
	char folder[32];
	char socket[64];
	char url[80];
	pid_t pid;
};

static inline int server_cli(const struct server *server, const char *command, char *out,
                             size_t size)
{
	char line[512];
	size_t got = 0;

	snprintf(line, sizeof(line), "redis-cli -s %s %s 2>&1", server->socket, command);
	FILE *pipe = popen(line, "r");
	if (pipe == NULL)
		abort();
	if (out != NULL) {
		got = fread(out, 1, size - 1, pipe);
		out[got] = '\0';
		while (got > 0 && out[got - 1] == '\n')
			out[--got] = '\0';
	} else {
		char rest[256];
		while (fread(rest, 1, sizeof(rest), pipe) > 0)
			;
	}
	return pclose(pipe);
}

static inline void server_start(struct server *server)
{
	char answer[64] = "";

	server->pid = fork();
	if (server->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execlp("redis-server", "redis-server", "--port", "0", "--unixsocket",
		       server->socket, "--save", "", "--appendonly", "no", "--dir", server->folder,
		       "--logfile", "redis.log", (char *)NULL);
		_exit(127);
	}
	for (int i = 0; i < 200 && strcmp(answer, "PONG") != 0; i++) {
		usleep(20000);
		server_cli(server, "PING", answer, sizeof(answer));
	}
	assert_string_equal(answer, "PONG");
}

static inline void server_create(struct server *server)
{
	snprintf(server->folder, sizeof(server->folder), "/tmp/relay-bus-XXXXXX");
	assert_non_null(mkdtemp(server->folder));
	snprintf(server->socket, sizeof(server->socket), "%s/redis", server->folder);
	snprintf(server->url, sizeof(server->url), "unix:%s", server->socket);
	server_start(server);
}

static inline void server_kill(struct server *server)
{
	kill(server->pid, SIGKILL);
	waitpid(server->pid, NULL, 0);
}

static inline void server_destroy(struct server *server)
{
	char file[96];

	server_kill(server);
	unlink(server->socket);
	snprintf(file, sizeof(file), "%s/redis.log", server->folder);
	unlink(file);
	assert_int_equal(rmdir(server->folder), 0);
}

/* What redis-cli prints. */
static inline const char *ask(const struct server *server, const char *command)
{
	static char answer[4096];

	server_cli(server, command, answer, sizeof(answer));
	return answer;
}

/* ---- The mesh, which only remembers */

#define IDS_MAX 32
#define ID_BYTES 160

struct known {
	char id[ID_BYTES];
	char presence[256];
	bool online;
	unsigned offlines; /* times it was told offline */
	unsigned onlines;
};

struct mesh {
	struct bus *bus;
	struct topic *topic;
	struct known known[IDS_MAX];
	size_t count;
	unsigned begins;
	unsigned ends;
	unsigned losses; /* ends after a loss */
	unsigned loaded; /* peers in loads */
	unsigned messages;
	char last[1024]; /* bodies received, with "|" behind each */
	unsigned unpublished[3];
	bool publishes_again; /* what failed with UNPUBLISHED_UNKNOWN, at once */
	char last_target[ID_BYTES];
	char last_parcel[256];
	uint32_t last_connection;
	char missing[ID_BYTES];
	bool closes_when_loaded;
	bool only_counts;
	unsigned reliefs;
};

struct lease {
	struct mesh *mesh;
	struct inbox *inbox;
	char id[ID_BYTES];
	char presence[256];
	char owner[64];
	unsigned subscribed;
	unsigned answers[ANNOUNCE_LOST + 1];
	unsigned lost;
	unsigned messages;
	char last[256];
	uint64_t heard_ms;
	bool joined; /* lease_restate() has something to say */
	bool loud;
	bool announces_when_subscribed;
};

void mesh_relieved(struct mesh *mesh)
{
	mesh->reliefs++;
}

static inline struct known *mesh_known(struct mesh *mesh, struct slice id)
{
	for (size_t i = 0; i < mesh->count; i++)
		if (slice_is(id, mesh->known[i].id))
			return &mesh->known[i];
	assert_true(mesh->count < IDS_MAX && id.size < ID_BYTES);
	struct known *known = &mesh->known[mesh->count++];
	snprintf(known->id, ID_BYTES, "%.*s", SLICE_ARGS(id));
	return known;
}

static inline struct known *known(struct mesh *mesh, const char *id)
{
	return mesh_known(mesh, slice_of(id));
}

static inline void append(char *all, size_t size, struct slice body)
{
	size_t length = strlen(all);

	snprintf(all + length, size - length, "%.*s|", SLICE_ARGS(body));
}

void mesh_receive(struct mesh *mesh, struct slice parcel)
{
	struct parcel opened;
	struct slice id;
	struct slice message;

	assert_int_equal(parcel_read(parcel, &opened), PARCEL_OK);
	if (mesh->only_counts)
		return;
	if (opened.kind == PARCEL_MESSAGE) {
		mesh->messages++;
		append(mesh->last, sizeof(mesh->last), opened.body);
	}
	while (opened.kind == PARCEL_BUNDLE && parcel_next(&opened.body, &parcel))
		mesh_receive(mesh, parcel);
	if (opened.kind == PARCEL_PRESENCE) {
		while (parcel_next_presence(&opened.body, &id, &message)) {
			struct known *peer = mesh_known(mesh, id);
			peer->online = true;
			peer->onlines++;
			snprintf(peer->presence, sizeof(peer->presence), "%.*s",
			         SLICE_ARGS(message));
		}
	}
	if (opened.kind == PARCEL_OFFLINE) {
		while (parcel_next_offline(&opened.body, &id)) {
			mesh_known(mesh, id)->online = false;
			mesh_known(mesh, id)->offlines++;
		}
	}
}

void mesh_load_begin(struct mesh *mesh)
{
	mesh->begins++;
	mesh->loaded = 0;
}

void mesh_load_peer(struct mesh *mesh, struct slice id, struct slice presence, uint64_t seen_ms)
{
	mesh->loaded++;
	if (presence.data == NULL || mesh->only_counts)
		return;
	assert_true(seen_ms > 1700000000000);

	struct known *peer = mesh_known(mesh, id);
	peer->online = true;
	snprintf(peer->presence, sizeof(peer->presence), "%.*s", SLICE_ARGS(presence));
}

void mesh_load_end(struct mesh *mesh, bool after_loss)
{
	mesh->ends++;
	mesh->losses += after_loss;
	if (mesh->closes_when_loaded) {
		bus_port()->topic_close(mesh->topic);
		mesh->topic = NULL;
	}
}

bool mesh_knows(const struct mesh *mesh, struct slice id)
{
	for (size_t i = 0; i < mesh->count; i++)
		if (slice_is(id, mesh->known[i].id))
			return mesh->known[i].online;
	return false;
}

void mesh_peer_missing(struct mesh *mesh, struct slice id)
{
	snprintf(mesh->missing, ID_BYTES, "%.*s", SLICE_ARGS(id));
}

void mesh_unpublished(struct mesh *mesh, struct slice target, struct slice parcel,
                      enum unpublished why)
{
	struct parcel opened;

	assert_int_equal(parcel_read(parcel, &opened), PARCEL_OK);
	mesh->unpublished[why]++;
	mesh->last_connection = opened.connection;
	snprintf(mesh->last_target, ID_BYTES, "%.*s", target.data == NULL ? 1 : (int)target.size,
	         target.data == NULL ? "*" : target.data);
	snprintf(mesh->last_parcel, sizeof(mesh->last_parcel), "%.*s", SLICE_ARGS(opened.body));
	if (mesh->publishes_again && why == UNPUBLISHED_UNKNOWN)
		bus_port()->publish(mesh->topic, target, &parcel, 1);
}

size_t mesh_peer_count(const struct mesh *mesh)
{
	return mesh->count;
}

static inline void announce_as(struct lease *lease, bool loud)
{
	const struct announcement announcement = {
		.message = slice_of(lease->presence),
		.owner = slice_of(lease->owner),
		.heard_ms = clock_mono_ms(),
		.loud = loud,
		.fresh = loud,
	};

	bus_port()->announce(lease->inbox, &announcement);
}

void lease_subscribed(struct lease *lease)
{
	lease->subscribed++;
	if (lease->announces_when_subscribed && !lease->joined)
		announce_as(lease, true);
}

void lease_receive(struct lease *lease, struct slice parcel)
{
	struct parcel opened;

	assert_int_equal(parcel_read(parcel, &opened), PARCEL_OK);
	if (opened.kind == PARCEL_BUNDLE) {
		while (parcel_next(&opened.body, &parcel))
			lease_receive(lease, parcel);
		return;
	}
	lease->messages++;
	append(lease->last, sizeof(lease->last), opened.body);
}

void lease_answered(struct lease *lease, enum announce_answer answer)
{
	lease->answers[answer]++;
	if (answer == ANNOUNCE_ONLINE || answer == ANNOUNCE_KEPT)
		lease->joined = true;
}

void lease_lost(struct lease *lease)
{
	lease->lost++;
}

bool lease_restate(struct lease *lease, struct announcement *announcement)
{
	*announcement = (struct announcement){
		.message = slice_of(lease->presence),
		.owner = slice_of(lease->owner),
		.heard_ms = lease->heard_ms != 0 ? lease->heard_ms : clock_mono_ms(),
		.loud = lease->loud,
		.fresh = lease->loud,
	};
	return lease->joined;
}

/* ---- The loop */

/* What the bus's timers take for the time: the test may put it forward. */
static uint64_t clock_ahead_ms;

static inline uint64_t clock_ms(void)
{
	return clock_mono_ms() + clock_ahead_ms;
}

struct world {
	struct server server;
	struct event_base *base;
	struct event *alarm;
	struct timers *timers;
	struct bus_settings settings;
};

static inline void arm(void *context)
{
	struct world *world = context;
	uint64_t wait_ms;

	if (timers_run(world->timers, &wait_ms)) {
		struct timeval wait = {(time_t)(wait_ms / 1000),
		                       (suseconds_t)(wait_ms % 1000) * 1000};
		event_add(world->alarm, &wait);
	}
}

/* Not timers_run() itself: timers fire from the loop only. */
static inline void wake(void *context)
{
	struct world *world = context;
	struct timeval now = {0, 0};

	event_add(world->alarm, &now);
}

static inline void on_alarm(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	arm(context);
}

static inline struct world *world_create(void)
{
	struct world *world = calloc(1, sizeof(*world));

	clock_ahead_ms = 0;
	signal(SIGPIPE, SIG_IGN);
	server_create(&world->server);
	world->base = event_base_new();
	world->alarm = event_new(world->base, -1, 0, on_alarm, world);
	world->timers = timers_create(clock_ms, wake, world);
	world->settings = (struct bus_settings){
		.redis.url = world->server.url,
		.prefix = "relay:",
		.ttl_ms = 3000,
		.probe_ms = 300,
		.queue_bytes_max = 1 << 20,
	};
	return world;
}

static inline void world_destroy(struct world *world)
{
	event_base_loop(world->base, EVLOOP_NONBLOCK);
	event_free(world->alarm);
	timers_destroy(world->timers);
	event_base_free(world->base);
	server_destroy(&world->server);
	metrics_reset();
	free(world);
}

/* A world of its own for each test. */
static inline int world_set_up(void **state)
{
	*state = world_create();
	return 0;
}

static inline int world_tear_down(void **state)
{
	world_destroy(*state);
	return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_set_up, world_tear_down)

static inline void turn(struct world *world)
{
	struct timeval slice = {0, 10000};

	event_base_loopexit(world->base, &slice);
	event_base_dispatch(world->base);
}

static inline void run_ms(struct world *world, uint64_t ms)
{
	for (uint64_t end = clock_mono_ms() + ms; clock_mono_ms() < end;)
		turn(world);
}

/* Turns the loop until the condition holds; fails if it does not in time. */
#define AWAIT(world, condition)                                     \
	do {                                                        \
		uint64_t await_end = clock_mono_ms() + PATIENCE_MS; \
		while (!(condition) && clock_mono_ms() < await_end) \
			turn(world);                                \
		if (!(condition))                                   \
			fail_msg("in vain: %s", #condition);        \
	} while (0)

/* ---- A node */

struct node {
	struct bus *bus;
	struct mesh mesh;
};

static inline void node_start(struct node *node, struct world *world)
{
	const char *error = NULL;

	*node = (struct node){0};
	node->bus = bus_create(&world->settings, world->base, world->timers, &error);
	if (node->bus == NULL)
		fail_msg("%s", error);
	node->mesh.bus = node->bus;
	bus_start(node->bus);
}

/* Of connections to Redis, by all nodes. */
static inline uint64_t losses(void)
{
	return metric_counter("p2p_relay_bus_reconnects_total", "", NULL, NULL)->value;
}

static inline enum bus_state state_of(const struct node *node)
{
	return bus_port()->state(node->bus);
}

static inline void node_open(struct node *node, struct world *world)
{
	node->mesh.topic = bus_port()->topic_open(node->bus, SLICE("m"), &node->mesh);
	AWAIT(world, state_of(node) == BUS_UP);
	AWAIT(world, node->mesh.ends > 0);
}

static inline void node_stop(struct node *node)
{
	if (node->mesh.topic != NULL)
		bus_port()->topic_close(node->mesh.topic);
	bus_destroy(node->bus);
}

static inline void lease_open(struct lease *lease, struct node *node, const char *id)
{
	*lease = (struct lease){.mesh = &node->mesh};
	snprintf(lease->id, ID_BYTES, "%s", id);
	snprintf(lease->presence, sizeof(lease->presence), "{\"from\":\"%s\"}", id);
	lease->inbox = bus_port()->inbox_open(node->mesh.topic, slice_of(lease->id), lease);
}

/* A peer that is online when this returns. */
static inline void lease_join(struct lease *lease, struct node *node, struct world *world,
                              const char *id)
{
	lease_open(lease, node, id);
	AWAIT(world, lease->subscribed == 1);
	announce_as(lease, true);
	AWAIT(world, lease->joined && known(&node->mesh, id)->online);
}

static inline void lease_close(struct lease *lease, bool leave)
{
	bus_port()->inbox_close(lease->inbox, leave);
}

static inline bool publish(struct node *node, const char *target, const char *text,
                           uint32_t connection)
{
	const struct parcel parcel = {.kind = PARCEL_MESSAGE,
	                              .node = bus_port()->node(node->bus),
	                              .connection = connection};
	char head[PARCEL_HEAD_BYTES_MAX];
	const struct slice parts[] = {{head, parcel_head(&parcel, head)}, slice_of(text)};

	return bus_port()->publish(node->mesh.topic,
	                           target == NULL ? (struct slice){0} : slice_of(target), parts, 2);
}

/* Two nodes with a peer each. */
struct pair_of_nodes {
	struct node a;
	struct node b;
	struct lease alice;
	struct lease bob;
};

static inline void meet(struct pair_of_nodes *two, struct world *world)
{
	node_start(&two->a, world);
	node_start(&two->b, world);
	node_open(&two->a, world);
	node_open(&two->b, world);
	lease_join(&two->alice, &two->a, world, "alice");
	lease_join(&two->bob, &two->b, world, "bob");
	AWAIT(world, known(&two->a.mesh, "bob")->online && known(&two->b.mesh, "alice")->online);
}

static inline void part(struct pair_of_nodes *two)
{
	lease_close(&two->alice, false);
	lease_close(&two->bob, false);
	node_stop(&two->a);
	node_stop(&two->b);
}
