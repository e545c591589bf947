/*
 * Open loop: message i is due at a fixed time, whatever became of those before, and its latency
 * counts from then. So a stall is paid for by all messages that it delayed, also by those that the
 * generator sent late (no "coordinated omission").
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench/pattern.h"
#include "bench/scenario.h"
#include "common/memory.h"

#define PROBE_NS 100000000
#define NS 1000000000

struct direct {
	const struct bench *bench;
	struct pair *pairs;
	struct samples samples, late;
	uint64_t begin_ns;   /* when message 0 is due */
	uint64_t period_ns;  /* from one to the next */
	uint64_t measure_ns; /* what is due before is warm-up */
	uint64_t answered;
	size_t ready;
};

struct pair {
	struct direct *direct;
	struct client *asker, *answerer;
	struct pattern probe, probe_answer, question, answer;
	uint32_t questions, answers; /* the next ones expected */
	bool ready;
};

static uint64_t due_ns(const struct direct *direct, uint64_t message)
{
	return direct->begin_ns + message * direct->period_ns;
}

static void on_answer(struct client *client, void *context, struct slice message)
{
	struct pair *pair = context;
	struct direct *direct = pair->direct;
	uint32_t sequence;

	(void)client;
	if (pattern_read(&pair->answer, message, &sequence)) {
		if (sequence != pair->answers++)
			die("answer %u came instead of %u", sequence, pair->answers - 1);
		uint64_t due = due_ns(direct, (uint64_t)sequence * direct->bench->senders +
		                                      (uint64_t)(pair - direct->pairs));
		if (due >= direct->measure_ns)
			samples_add(&direct->samples, net_now() - due);
		direct->answered++;
	} else if (pattern_read(&pair->probe_answer, message, &sequence)) {
		direct->ready += !pair->ready;
		pair->ready = true;
	} else if (pair->ready) {
		peer_check(message); /* until then the answerer may not be there yet */
	}
}

static void on_question(struct client *client, void *context, struct slice message)
{
	struct pair *pair = context;
	uint32_t sequence;

	if (pattern_read(&pair->question, message, &sequence)) {
		if (sequence != pair->questions++)
			die("question %u came instead of %u", sequence, pair->questions - 1);
		client_send(client, pattern_write(&pair->answer, sequence));
	} else if (pattern_read(&pair->probe, message, &sequence)) {
		client_send(client, pattern_write(&pair->probe_answer, sequence));
	} else {
		peer_check(message);
	}
}

static void pair_open(struct direct *direct, struct net *net, size_t number)
{
	struct pair *pair = &direct->pairs[number];
	size_t bytes = direct->bench->bytes;
	char asker[32], answerer[32];

	snprintf(asker, sizeof(asker), "asker-%04zu", number);
	snprintf(answerer, sizeof(answerer), "answerer-%04zu", number);
	pair->direct = direct;
	pattern_init(&pair->probe, "direct", asker, answerer, 0);
	pattern_init(&pair->probe_answer, "direct", answerer, asker, 0);
	pattern_init(&pair->question, "direct", asker, answerer, bytes);
	pattern_init(&pair->answer, "direct", answerer, asker, bytes);
	pair->asker = net_connect(net, &direct->bench->nodes[0], on_answer, pair);
	pair->answerer = net_connect(net, &direct->bench->nodes[1], on_question, pair);
	peer_join(pair->asker, asker);
	peer_join(pair->answerer, answerer);
}

static void pair_fini(struct pair *pair)
{
	pattern_fini(&pair->probe);
	pattern_fini(&pair->probe_answer);
	pattern_fini(&pair->question);
	pattern_fini(&pair->answer);
}

/* Until every pair has heard from each other once. */
static void wait_until_ready(struct direct *direct, struct net *net)
{
	uint64_t probe_ns = net_now() + PROBE_NS, give_up_ns = net_now() + 30ull * NS;

	while (direct->ready < direct->bench->senders) {
		if (net_now() >= give_up_ns)
			die("%zu of %lu pairs met in 30 s", direct->ready, direct->bench->senders);
		if (net_now() >= probe_ns) {
			for (size_t i = 0; i < direct->bench->senders; i++)
				if (!direct->pairs[i].ready)
					client_send(direct->pairs[i].asker,
					            pattern_write(&direct->pairs[i].probe, 0));
			probe_ns += PROBE_NS;
		}
		net_turn(net, probe_ns);
	}
	/* Answers to probes that were sent twice are still under way. */
	for (uint64_t until_ns = net_now() + 2ull * PROBE_NS; net_now() < until_ns;)
		net_turn(net, until_ns);
}

static void run(struct direct *direct, struct net *net)
{
	const struct bench *bench = direct->bench;
	uint64_t messages = (bench->warm_up_seconds + bench->seconds) * bench->rate;
	uint64_t sent = 0;

	assert(bench->senders > 0);
	direct->begin_ns = net_now() + 1000000;
	direct->measure_ns = direct->begin_ns + bench->warm_up_seconds * NS;
	while (direct->answered < messages) {
		uint64_t now = net_now();

		for (; sent < messages && due_ns(direct, sent) <= now; sent++) {
			struct pair *pair = &direct->pairs[sent % bench->senders];

			client_send(pair->asker, pattern_write(&pair->question,
			                                       (uint32_t)(sent / bench->senders)));
			samples_add(&direct->late, now - due_ns(direct, sent));
		}
		if (now > due_ns(direct, messages) + 10ull * NS)
			die("%lu of %lu answers did not come", messages - direct->answered,
			    messages);
		net_turn(net, sent < messages ? due_ns(direct, sent) : now + PROBE_NS);
	}
}

void scenario_direct(const struct bench *bench)
{
	struct direct direct = {.bench = bench,
	                        .pairs = mem_zero(bench->senders * sizeof(struct pair))};
	struct net *net = net_create();

	if (bench->rate == 0)
		die("direct needs a --rate");
	direct.period_ns = NS / bench->rate;
	for (size_t i = 0; i < bench->senders; i++)
		pair_open(&direct, net, i);
	wait_until_ready(&direct, net);
	struct cpu begin = cpu_read(&bench->processes);
	run(&direct, net);
	struct cpu end = cpu_read(&bench->processes);

	printf("direct, there and back between two nodes: %lu pairs, %lu/s, %lu bytes, %zu round trips\n  ",
	       bench->senders, bench->rate, bench->bytes, direct.samples.count);
	samples_print(&direct.samples);
	printf("\n  sent after the due time: ");
	samples_print(&direct.late);
	printf("\n  ");
	double seconds = cpu_print(&bench->processes, &begin, &end);
	printf(", %.0f us per round trip\n", seconds * 1e6 / (double)direct.answered);

	for (size_t i = 0; i < bench->senders; i++)
		pair_fini(&direct.pairs[i]);
	samples_fini(&direct.samples);
	samples_fini(&direct.late);
	free(direct.pairs);
	net_destroy(net);
}
