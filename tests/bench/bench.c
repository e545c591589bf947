/*
 * A load generator for nodes that share a Redis. scripts/bench starts all of it.
 */
#include <arpa/inet.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "bench/scenario.h"
#include "bench/speech.h"

static const struct {
	const char *name;
	void (*run)(const struct bench *bench);
} scenarios[] = {
	{"fanout", scenario_fanout}, {"direct", scenario_direct},   {"join", scenario_join},
	{"leave", scenario_leave},   {"connect", scenario_connect}, {"meshes", scenario_meshes},
};

static const struct speech *const speeches[] = {
	&speech_relay, &speech_nats, &speech_nchan, &speech_centrifugo, &speech_raw,
};

static const char usage[] =
	"Usage: bench fanout|direct|join|leave|connect|meshes --nodes HOST:PORT,... [--name value]...\n"
	"  --server NAME         what it is: relay (default), nats, nchan, centrifugo or raw\n"
	"  --process NAME:PID    whose CPU time counts; repeatable\n"
	"  --json yes            print one line of JSON\n"
	"  --marks yes           print begin and end, when what is measured does\n"
	"  --senders N           direct: pairs; fanout: peers on node 1 (default 1)\n"
	"  --receivers N         fanout: peers on node 2; join, leave: on all (default 1000)\n"
	"  --sockets N           connect, meshes: on all nodes (default 10000)\n"
	"  --mesh-peers N        peers in each mesh, of our relay: meshes (default 10); join, leave (default all)\n"
	"  --heartbeats N        meshes: heartbeats a second, of all peers together; so also:\n"
	"  --broadcasts N        ... in their mesh\n"
	"  --directs N           ... to a partner in it\n"
	"  --burst N             so many of these at the same moment (default 1)\n"
	"  --bytes N             per message (default 200)\n"
	"  --rate N              messages a second, of all senders together; direct: questions\n"
	"  --window N            fanout without a rate: messages under way, of each sender (default 32)\n"
	"  --in-flight N         direct without a rate: messages under way, of each pair (default 1)\n"
	"  --opening N           peers that are let in at the same time (default 64)\n"
	"  --seconds N           measured (default 10)\n"
	"  --warm-up-seconds N   before that (default 2)";

static const struct {
	const char *name;
	size_t offset; /* in struct bench */
	uint64_t least, most;
} numbers[] = {
	{"--senders", offsetof(struct bench, senders), 1, 5000},
	{"--receivers", offsetof(struct bench, receivers), 1, 50000},
	{"--bytes", offsetof(struct bench, bytes), 1, 1 << 20},
	{"--rate", offsetof(struct bench, rate), 1, 1000000},
	{"--window", offsetof(struct bench, window), 1, 10000},
	{"--in-flight", offsetof(struct bench, in_flight), 1, 10000},
	{"--sockets", offsetof(struct bench, sockets), 1, 50000},
	{"--mesh-peers", offsetof(struct bench, mesh_peers), 1, 5000},
	{"--heartbeats", offsetof(struct bench, heartbeats), 0, 1000000},
	{"--broadcasts", offsetof(struct bench, broadcasts), 0, 1000000},
	{"--directs", offsetof(struct bench, directs), 0, 1000000},
	{"--burst", offsetof(struct bench, burst), 1, 100000},
	{"--opening", offsetof(struct bench, opening), 1, 1000},
	{"--seconds", offsetof(struct bench, seconds), 1, 3600},
	{"--warm-up-seconds", offsetof(struct bench, warm_up_seconds), 0, 3600},
};

static uint64_t number(struct slice text, uint64_t least, uint64_t most)
{
	uint64_t value;

	if (!slice_number(text, &value) || value < least || value > most)
		die("%.*s is not a number from %lu to %lu", SLICE_ARGS(text), least, most);
	return value;
}

/* "127.0.0.1:8081" */
static struct sockaddr_in node(const char *text, size_t size)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	const char *colon = memchr(text, ':', size);
	char host[INET_ADDRSTRLEN];

	if (colon == NULL)
		die("%.*s is not HOST:PORT", (int)size, text);
	snprintf(host, sizeof(host), "%.*s", (int)(colon - text), text);
	if (inet_pton(AF_INET, host, &address.sin_addr) != 1)
		die("%s is not an IPv4 address", host);
	address.sin_port = htons((uint16_t)number(
		(struct slice){colon + 1, size - (size_t)(colon + 1 - text)}, 1, UINT16_MAX));
	return address;
}

/* "127.0.0.1:8081,127.0.0.1:8082" */
static void read_nodes(struct bench *bench, const char *text)
{
	for (bench->node_count = 0;; text++) {
		size_t size = strcspn(text, ",");

		if (bench->node_count == NODES_MAX)
			die("there may be %d nodes", NODES_MAX);
		bench->nodes[bench->node_count++] = node(text, size);
		text += size;
		if (*text == '\0')
			return;
	}
}

static const struct speech *find_speech(const char *name)
{
	for (size_t i = 0; i < sizeof(speeches) / sizeof(speeches[0]); i++)
		if (strcmp(name, speeches[i]->name) == 0)
			return speeches[i];
	die("there is no server %s\n%s", name, usage);
}

/* "node1:1234" */
static void read_process(struct processes *processes, char *text)
{
	char *colon = strchr(text, ':');

	if (colon == NULL || processes->count == PROCESSES_MAX)
		die("--process must be NAME:PID, at most %d times", PROCESSES_MAX);
	*colon = '\0';
	processes->list[processes->count++] =
		(struct process){text, (int)number(slice_of(colon + 1), 1, 1u << 22)};
}

static void read_option(struct bench *bench, const char *name, char *value)
{
	if (strcmp(name, "--nodes") == 0) {
		read_nodes(bench, value);
		return;
	}
	if (strcmp(name, "--server") == 0) {
		bench->speech = find_speech(value);
		return;
	}
	if (strcmp(name, "--json") == 0) {
		bench->json = strcmp(value, "yes") == 0;
		return;
	}
	if (strcmp(name, "--marks") == 0) {
		bench->marks = strcmp(value, "yes") == 0;
		return;
	}
	if (strcmp(name, "--process") == 0) {
		read_process(&bench->processes, value);
		return;
	}
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		if (strcmp(name, numbers[i].name) != 0)
			continue;
		*(uint64_t *)(void *)((char *)bench + numbers[i].offset) =
			number(slice_of(value), numbers[i].least, numbers[i].most);
		return;
	}
	die("there is no option %s\n%s", name, usage);
}

/* One socket is one file. */
static void allow_many_files(void)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

int main(int argc, char **argv)
{
	struct bench bench = {.speech = &speech_relay,
	                      .senders = 1,
	                      .receivers = 1000,
	                      .bytes = 200,
	                      .window = 32,
	                      .in_flight = 1,
	                      .sockets = 10000,
	                      .burst = 1,
	                      .opening = 64,
	                      .seconds = 10,
	                      .warm_up_seconds = 2};

	if (argc < 2 || argc % 2 != 0)
		die("a scenario, then names and values\n%s", usage);
	bench.scenario = argv[1];
	for (int i = 2; i < argc; i += 2)
		read_option(&bench, argv[i], argv[i + 1]);
	if (bench.node_count == 0)
		die("--nodes is missing\n%s", usage);
	allow_many_files();
	prctl(PR_SET_TIMERSLACK, 1); /* the kernel's 50 us would count as latency */

	for (size_t i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++) {
		if (strcmp(argv[1], scenarios[i].name) == 0) {
			scenarios[i].run(&bench);
			return 0;
		}
	}
	die("there is no scenario %s\n%s", argv[1], usage);
}
