/*
 * Many small meshes whose peers are there, and do what they are told to: nothing, heartbeats, broadcasts
 * in their mesh, messages to their partner. What it costs in memory, and in CPU time meanwhile.
 *
 * Each peer is in and could be spoken to. Ours are in many small meshes: in a large one its roster
 * would be what is measured. What happens is spread evenly over the time, and goes from mesh to mesh.
 */
#include <stdlib.h>

#include "bench/pattern.h"
#include "bench/report.h"
#include "common/memory.h"

#define QUIET_NS ((uint64_t)NS)
#define QUIET_SECONDS_MAX 60
#define RHYTHMS 3
#define MESH_PEERS 10

struct meshes {
	const struct bench *bench;
	struct crowd crowd;
	struct inhabitant *inhabitants;
	uint64_t mesh_peers;
	struct report report;
	uint64_t begin_ns;
	struct rhythm {
		uint64_t per_second; /* 0: never */
		struct slice (*text)(struct inhabitant *inhabitant, uint64_t number);
		uint64_t listeners; /* that each has */
		uint64_t said;
	} rhythms[RHYTHMS];
	uint64_t expected, heard; /* deliveries */
};

struct inhabitant {
	struct peer peer; /* first: a peer is an inhabitant */
	struct meshes *meshes;
	struct pattern broadcast, direct;
};

static struct slice heartbeat(struct inhabitant *inhabitant, uint64_t number)
{
	(void)inhabitant;
	(void)number;
	return SLICE("{\"type\":\"heartbeat\"}");
}

static struct slice broadcast(struct inhabitant *inhabitant, uint64_t number)
{
	return pattern_write(&inhabitant->broadcast, (uint32_t)number);
}

static struct slice direct(struct inhabitant *inhabitant, uint64_t number)
{
	return pattern_write(&inhabitant->direct, (uint32_t)number);
}

static void on_message(struct peer *peer, struct slice message)
{
	struct inhabitant *inhabitant = (struct inhabitant *)peer;

	if (pattern_has_type(&inhabitant->broadcast, message) ||
	    pattern_has_type(&inhabitant->direct, message))
		inhabitant->meshes->heard++;
}

/* Until nobody has heard anything for a while. */
static void wait_until_quiet(struct crowd *crowd)
{
	uint64_t give_up_ns = net_now() + (uint64_t)QUIET_SECONDS_MAX * NS;
	uint64_t heard = crowd->heard, quiet_ns = net_now() + QUIET_NS;

	while (net_now() < quiet_ns) {
		if (net_now() >= give_up_ns)
			die("it did not become quiet in %d s", QUIET_SECONDS_MAX);
		net_turn(crowd->net, quiet_ns);
		if (crowd->heard != heard)
			quiet_ns = net_now() + QUIET_NS;
		heard = crowd->heard;
	}
}

/* The n-th to do something: one of each mesh, then the next of each. */
static struct inhabitant *nth(struct meshes *meshes, uint64_t n)
{
	uint64_t sockets = meshes->bench->sockets, size = meshes->mesh_peers;
	uint64_t whole = sockets / size, turn = n % sockets;

	if (turn < whole * size)
		turn = turn % whole * size + turn / whole;
	return &meshes->inhabitants[turn];
}

/* Returns when the next is due. */
static uint64_t keep(struct meshes *meshes, struct rhythm *rhythm, uint64_t now)
{
	for (;;) {
		uint64_t before = rhythm->said - rhythm->said % meshes->bench->burst;
		uint64_t due_ns = meshes->begin_ns + before * NS / rhythm->per_second;
		struct inhabitant *inhabitant = nth(meshes, rhythm->said);

		if (due_ns > now)
			return due_ns;
		peer_say(&inhabitant->peer, rhythm->text(inhabitant, rhythm->said));
		rhythm->said++;
		meshes->expected += rhythm->listeners;
	}
}

static uint64_t do_what_is_due(void *context, uint64_t now)
{
	struct meshes *meshes = context;
	uint64_t next_ns = now + QUIET_NS;

	for (size_t i = 0; i < RHYTHMS; i++) {
		struct rhythm *rhythm = &meshes->rhythms[i];

		if (rhythm->per_second == 0)
			continue;
		uint64_t due_ns = keep(meshes, rhythm, now);
		if (due_ns < next_ns)
			next_ns = due_ns;
	}
	return next_ns;
}

static bool is_complete(const void *context)
{
	const struct meshes *meshes = context;

	return meshes->heard >= meshes->expected;
}

static void open_all(struct meshes *meshes)
{
	const struct bench *bench = meshes->bench;

	for (size_t i = 0; i < bench->sockets; i++) {
		struct inhabitant *inhabitant = &meshes->inhabitants[i];
		char name[NAME_BYTES], partner[NAME_BYTES];

		crowd_name(&meshes->crowd, i, name);
		crowd_name(&meshes->crowd, i ^ 1, partner);
		inhabitant->meshes = meshes;
		pattern_init(&inhabitant->broadcast, "broadcast", name, NULL, bench->bytes);
		pattern_init(&inhabitant->direct, "direct", name, partner, bench->bytes);
		inhabitant->peer.mesh = 1 + i / meshes->mesh_peers;
		peer_open(&inhabitant->peer, &meshes->crowd, i, PEER_PARTNER, i, on_message);
		crowd_wait(&meshes->crowd, bench->opening);
	}
	crowd_wait(&meshes->crowd, 0);
	meshes->crowd.settled = true;
}

static void live(struct meshes *meshes)
{
	const struct bench *bench = meshes->bench;
	const struct talk talk = {meshes, do_what_is_due, is_complete};
	uint64_t measure_ns;

	meshes->begin_ns = net_now();
	measure_ns = meshes->begin_ns + bench->warm_up_seconds * NS;
	crowd_talk(&meshes->crowd, &talk, measure_ns);
	report_begin(&meshes->report, bench, 0);
	crowd_talk(&meshes->crowd, &talk, measure_ns + bench->seconds * NS);
	report_end(&meshes->report, bench, meshes->crowd.ready - meshes->crowd.lost);
	crowd_hear_out(&meshes->crowd, &talk);
	if (meshes->heard > meshes->expected)
		crowd_fault(&meshes->crowd, &meshes->crowd.duplicates, "%lu came instead of %lu",
		            meshes->heard, meshes->expected);
}

void scenario_meshes(const struct bench *bench)
{
	uint64_t mesh_peers = bench->mesh_peers > 0 ? bench->mesh_peers : MESH_PEERS;
	struct meshes meshes = {
		.bench = bench,
		.inhabitants = mem_zero(bench->sockets * sizeof(struct inhabitant)),
		.mesh_peers = mesh_peers,
		.report = {.unit = "sockets", .idle = true},
		.rhythms = {{bench->heartbeats, heartbeat, 0, 0},
	                    {bench->broadcasts, broadcast, mesh_peers - 1, 0},
	                    {bench->directs, direct, 1, 0}},
	};

	if (bench->broadcasts + bench->directs > 0 && bench->sockets % mesh_peers != 0)
		die("peers that speak need whole meshes");
	crowd_init(&meshes.crowd, bench);
	meshes.report.before = memory_read(&bench->processes);
	open_all(&meshes);
	wait_until_quiet(&meshes.crowd);
	meshes.report.after = memory_read(&bench->processes);
	live(&meshes);

	report_title(bench, "%lu sockets over all nodes", bench->sockets);
	report_print(&meshes.report, &meshes.crowd);
	for (size_t i = 0; i < bench->sockets; i++) {
		peer_fini(&meshes.inhabitants[i].peer);
		pattern_fini(&meshes.inhabitants[i].broadcast);
		pattern_fini(&meshes.inhabitants[i].direct);
	}
	report_fini(&meshes.report);
	free(meshes.inhabitants);
	crowd_fini(&meshes.crowd);
}
