/*
 * A load generator for two nodes that share a Redis. scripts/bench starts all of it.
 */
#include <arpa/inet.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/prctl.h>

#include "bench/scenario.h"
#include "common/buffer.h"

static const struct {
	const char *name;
	void (*run)(const struct bench *bench);
} scenarios[] = {
	{"direct", scenario_direct},
	{"fanout", scenario_fanout},
};

static const char usage[] =
	"Usage: bench direct|fanout --nodes PORT,PORT [--name value]...\n"
	"  --process NAME:PID    whose CPU time counts; repeatable\n"
	"  --senders N           direct: pairs; fanout: peers on node 1 (default 1)\n"
	"  --receivers N         fanout: peers on node 2 (default 1000)\n"
	"  --bytes N             per message (default 200)\n"
	"  --rate N              messages a second, of all senders together\n"
	"  --window N            without a rate: messages under way, of each sender (default 32)\n"
	"  --seconds N           measured (default 10)\n"
	"  --warm-up-seconds N   before that (default 2)";

static const struct {
	const char *name;
	size_t offset; /* in struct bench */
	uint64_t least, most;
} numbers[] = {
	{"--senders", offsetof(struct bench, senders), 1, 64},
	{"--receivers", offsetof(struct bench, receivers), 1, 50000},
	{"--bytes", offsetof(struct bench, bytes), 1, 1 << 20},
	{"--rate", offsetof(struct bench, rate), 1, 1000000},
	{"--window", offsetof(struct bench, window), 1, 10000},
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

static struct sockaddr_in node(struct slice port)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)number(port, 1, UINT16_MAX)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
}

/* "8081,8082" */
static void read_nodes(struct bench *bench, const char *text)
{
	size_t comma = strcspn(text, ",");

	bench->nodes[0] = node((struct slice){text, comma});
	bench->nodes[1] = node(slice_of(text + comma + (text[comma] == ',')));
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

void peer_join(struct client *client, const char *id)
{
	struct buffer text = {.size = 0};

	client_send(
		client,
		SLICE("{\"type\":\"capabilities\",\"data\":{\"accept\":[\"events\",\"roster\"]}}"));
	buffer_printf(
		&text,
		"{\"type\":\"presence\",\"from\":\"%s\",\"data\":{\"agents\":[]},\"timestamp\":1760000000123}",
		id);
	client_send(client, buffer_slice(&text));
	buffer_fini(&text);
}

void peer_check(struct slice message)
{
	if (slice_starts(message, SLICE("{\"type\":\"error\"")))
		die("the relay said %.*s", SLICE_ARGS(message));
}

int main(int argc, char **argv)
{
	struct bench bench = {.senders = 1,
	                      .receivers = 1000,
	                      .bytes = 200,
	                      .window = 32,
	                      .seconds = 10,
	                      .warm_up_seconds = 2};

	if (argc < 2 || argc % 2 != 0)
		die("a scenario, then names and values\n%s", usage);
	for (int i = 2; i < argc; i += 2)
		read_option(&bench, argv[i], argv[i + 1]);
	if (bench.nodes[0].sin_port == 0)
		die("--nodes is missing\n%s", usage);
	prctl(PR_SET_TIMERSLACK, 1); /* the kernel's 50 us would count as latency */

	for (size_t i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++) {
		if (strcmp(argv[1], scenarios[i].name) == 0) {
			scenarios[i].run(&bench);
			return 0;
		}
	}
	die("there is no scenario %s\n%s", argv[1], usage);
}
