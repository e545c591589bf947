/*
 * Every receiver must get every message of every sender, once, in order and to the byte.
 *
 * Closed loop (a window): as fast as it goes, for the cost of a delivery. Open loop (a rate): for
 * the latency, which counts from the time at which a message was due.
 */
#include <stdio.h>
#include <stdlib.h>

#include "bench/pattern.h"
#include "bench/scenario.h"
#include "common/memory.h"

#define PROBE_NS 200000000
#define NS 1000000000
#define UNDER_WAY_MAX 65536 /* messages of a sender that not all receivers have; a power of two */
#define NOT_READY UINT32_MAX

struct fanout {
	const struct bench *bench;
	struct sender *senders;
	struct receiver *receivers;
	struct samples samples;
	uint64_t begin_ns;
	uint64_t period_ns;          /* of an open loop, from one message to the next */
	uint64_t measure_ns, end_ns; /* what is delivered between counts */
	uint64_t deliveries;         /* all so far */
};

struct sender {
	struct client *client;
	struct pattern probe, pattern;
	size_t ready;                    /* receivers that got the probe */
	uint32_t sent, completed;        /* by all receivers */
	uint32_t missing[UNDER_WAY_MAX]; /* by number: receivers that do not have it yet */
};

struct receiver {
	struct fanout *fanout;
	uint32_t *
		next; /* by sender: the number that must come next, NOT_READY before the first probe */
};

static uint64_t due_ns(const struct fanout *fanout, size_t sender, uint32_t sequence)
{
	uint64_t message = (uint64_t)sequence * fanout->bench->senders + sender;

	return fanout->begin_ns + message * fanout->period_ns;
}

static void count(struct receiver *receiver, size_t number, uint32_t sequence)
{
	struct fanout *fanout = receiver->fanout;
	struct sender *sender = &fanout->senders[number];

	if (sequence != receiver->next[number])
		die("receiver %zu got message %u of sender %zu instead of %u",
		    (size_t)(receiver - fanout->receivers), sequence, number,
		    receiver->next[number]);
	receiver->next[number]++;
	sender->missing[sequence % UNDER_WAY_MAX]--;
	while (sender->completed < sender->sent &&
	       sender->missing[sender->completed % UNDER_WAY_MAX] == 0)
		sender->completed++;
	fanout->deliveries++;
	if (fanout->bench->rate > 0) {
		uint64_t due = due_ns(fanout, number, sequence);

		if (due >= fanout->measure_ns && due < fanout->end_ns)
			samples_add(&fanout->samples, net_now() - due);
	}
}

static void on_message(struct client *client, void *context, struct slice message)
{
	struct receiver *receiver = context;
	struct fanout *fanout = receiver->fanout;
	uint32_t sequence;

	(void)client;
	for (size_t i = 0; i < fanout->bench->senders; i++) {
		if (pattern_read(&fanout->senders[i].pattern, message, &sequence)) {
			count(receiver, i, sequence);
			return;
		}
		if (pattern_read(&fanout->senders[i].probe, message, &sequence)) {
			fanout->senders[i].ready += receiver->next[i] == NOT_READY;
			if (receiver->next[i] == NOT_READY)
				receiver->next[i] = 0;
			return;
		}
	}
	peer_check(message);
}

/* Senders hear each other; what they hear is not counted. */
static void on_sender_message(struct client *client, void *context, struct slice message)
{
	(void)client;
	(void)context;
	peer_check(message);
}

static void open_all(struct fanout *fanout, struct net *net)
{
	const struct bench *bench = fanout->bench;
	char id[32];

	for (size_t i = 0; i < bench->receivers; i++) {
		struct receiver *receiver = &fanout->receivers[i];

		receiver->fanout = fanout;
		receiver->next = mem_alloc(bench->senders * sizeof(uint32_t));
		for (size_t j = 0; j < bench->senders; j++)
			receiver->next[j] = NOT_READY;
		snprintf(id, sizeof(id), "receiver-%05zu", i);
		peer_join(net_connect(net, &bench->nodes[1], on_message, receiver), id);
		net_turn(net, 0);
	}
	for (size_t i = 0; i < bench->senders; i++) {
		struct sender *sender = &fanout->senders[i];

		snprintf(id, sizeof(id), "sender-%02zu", i);
		pattern_init(&sender->probe, "bench-ready", id, NULL, 0);
		pattern_init(&sender->pattern, "broadcast", id, NULL, bench->bytes);
		sender->client = net_connect(net, &bench->nodes[0], on_sender_message, NULL);
		peer_join(sender->client, id);
	}
}

/* Until every receiver has heard of every sender. */
static void wait_until_ready(struct fanout *fanout, struct net *net)
{
	uint64_t probe_ns = net_now(), give_up_ns = net_now() + 60ull * NS;

	for (size_t i = 0; i < fanout->bench->senders; i++) {
		struct sender *sender = &fanout->senders[i];

		while (sender->ready < fanout->bench->receivers) {
			if (net_now() >= give_up_ns)
				die("%zu of %lu receivers joined in 60 s", sender->ready,
				    fanout->bench->receivers);
			if (net_now() >= probe_ns) {
				client_send(sender->client, pattern_write(&sender->probe, 0));
				probe_ns = net_now() + PROBE_NS;
			}
			net_turn(net, probe_ns);
		}
	}
}

static void send_one(struct fanout *fanout, struct sender *sender)
{
	if (sender->sent - sender->completed == UNDER_WAY_MAX)
		die("the relay is %d messages behind", UNDER_WAY_MAX);
	sender->missing[sender->sent % UNDER_WAY_MAX] = (uint32_t)fanout->bench->receivers;
	client_send(sender->client, pattern_write(&sender->pattern, sender->sent++));
}

/* Returns when the next message is due. */
static uint64_t send_what_is_due(struct fanout *fanout, uint64_t now)
{
	const struct bench *bench = fanout->bench;
	uint64_t next_ns = now + PROBE_NS;

	for (size_t i = 0; i < bench->senders; i++) {
		struct sender *sender = &fanout->senders[i];

		if (bench->rate == 0) {
			while (sender->sent - sender->completed < bench->window)
				send_one(fanout, sender);
			continue;
		}
		while (due_ns(fanout, i, sender->sent) <= now)
			send_one(fanout, sender);
		if (due_ns(fanout, i, sender->sent) < next_ns)
			next_ns = due_ns(fanout, i, sender->sent);
	}
	return next_ns;
}

static void run_until(struct fanout *fanout, struct net *net, uint64_t until_ns)
{
	for (uint64_t now = net_now(); now < until_ns; now = net_now()) {
		uint64_t next_ns = send_what_is_due(fanout, now);

		net_turn(net, next_ns < until_ns ? next_ns : until_ns);
	}
}

static void wait_until_complete(struct fanout *fanout, struct net *net)
{
	uint64_t give_up_ns = net_now() + 30ull * NS;

	for (size_t i = 0; i < fanout->bench->senders; i++) {
		struct sender *sender = &fanout->senders[i];

		while (sender->completed < sender->sent) {
			if (net_now() >= give_up_ns)
				die("message %u of sender %zu did not reach all receivers",
				    sender->completed, i);
			net_turn(net, give_up_ns);
		}
	}
}

static void run(struct fanout *fanout, struct net *net)
{
	const struct bench *bench = fanout->bench;

	fanout->begin_ns = net_now();
	fanout->measure_ns = fanout->begin_ns + bench->warm_up_seconds * NS;
	fanout->end_ns = fanout->measure_ns + bench->seconds * NS;
	run_until(fanout, net, fanout->measure_ns);

	struct cpu begin = cpu_read(&bench->processes);
	uint64_t deliveries = fanout->deliveries, begin_ns = net_now();
	run_until(fanout, net, fanout->end_ns);
	struct cpu end = cpu_read(&bench->processes);
	deliveries = fanout->deliveries - deliveries;
	double seconds = (double)(net_now() - begin_ns) / 1e9;
	wait_until_complete(fanout, net);

	printf("fan-out, %lu on node 1 to %lu on node 2, %lu bytes, ", bench->senders,
	       bench->receivers, bench->bytes);
	if (bench->rate > 0)
		printf("%lu messages/s\n  ", bench->rate);
	else
		printf("window %lu\n  ", bench->window);
	printf("%lu deliveries in %.2f s = %.0f/s, ", deliveries, seconds,
	       (double)deliveries / seconds);
	double used = cpu_print(&bench->processes, &begin, &end);
	printf("\n  %.0f deliveries per CPU-s\n", (double)deliveries / used);
	if (bench->rate > 0) {
		printf("  ");
		samples_print(&fanout->samples);
		printf("\n");
	}
}

void scenario_fanout(const struct bench *bench)
{
	struct fanout fanout = {
		.bench = bench,
		.period_ns = bench->rate > 0 ? NS / bench->rate : 0,
		.senders = mem_zero(bench->senders * sizeof(struct sender)),
		.receivers = mem_zero(bench->receivers * sizeof(struct receiver)),
	};
	struct net *net = net_create();

	open_all(&fanout, net);
	wait_until_ready(&fanout, net);
	run(&fanout, net);

	for (size_t i = 0; i < bench->senders; i++) {
		pattern_fini(&fanout.senders[i].probe);
		pattern_fini(&fanout.senders[i].pattern);
	}
	for (size_t i = 0; i < bench->receivers; i++)
		free(fanout.receivers[i].next);
	samples_fini(&fanout.samples);
	free(fanout.senders);
	free(fanout.receivers);
	net_destroy(net);
}
