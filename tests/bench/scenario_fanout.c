/*
 * Every listener must get every message of every sender, once, in order and to the byte. Listeners
 * are the receivers, and with some servers the other senders.
 *
 * Closed loop (a window): as fast as it goes, for the cost of a delivery. Open loop (a rate): for
 * the latency, which counts from the time at which a message was due.
 */
#include <stdlib.h>

#include "bench/pattern.h"
#include "bench/report.h"
#include "bench/speech.h"
#include "common/memory.h"

#define PROBE_NS 200000000
#define READY_SECONDS 60
#define UNDER_WAY_MAX 65536 /* messages of a sender that not all listeners have; a power of two */
#define PROBE UINT32_MAX    /* the number of the messages by which listeners get to know a sender */

struct fanout {
	const struct bench *bench;
	struct crowd crowd;
	struct sender *senders;
	struct listener *listeners; /* the receivers, then the senders */
	size_t audience;            /* listeners that each message has */
	struct report report;
	uint64_t begin_ns;
	uint64_t period_ns;          /* of an open loop, from one message to the next */
	uint64_t measure_ns, end_ns; /* what is delivered between counts */
	uint64_t deliveries;         /* all so far */
};

struct listener {
	struct peer peer; /* first: a peer is a listener */
	struct fanout *fanout;
	uint32_t *
		next; /* by sender: the number that must come next, PROBE before the first of them */
};

struct sender {
	struct listener *listener;
	struct pattern pattern;
	size_t ready;                    /* listeners that got the probe */
	uint32_t sent, completed;        /* by all listeners */
	uint32_t missing[UNDER_WAY_MAX]; /* by number: listeners that do not have it yet */
};

static uint64_t due_ns(const struct fanout *fanout, size_t sender, uint32_t sequence)
{
	uint64_t message = (uint64_t)sequence * fanout->bench->senders + sender;

	return fanout->begin_ns + message * fanout->period_ns;
}

/* Returns false if it must not count. */
static bool check(struct listener *listener, size_t number, uint32_t sequence)
{
	struct crowd *crowd = &listener->fanout->crowd;
	struct sender *sender = &listener->fanout->senders[number];
	uint32_t *next = &listener->next[number];

	if (listener == sender->listener || sequence >= sender->sent) {
		crowd_fault(crowd, &crowd->errors, "%s got message %u of sender %zu",
		            listener->peer.name, sequence, number);
		return false;
	}
	if (sequence < *next) {
		crowd_fault(crowd, &crowd->duplicates, "%s got message %u of sender %zu after %u",
		            listener->peer.name, sequence, number, *next - 1);
		return false;
	}
	for (; *next < sequence; ++*next) {
		crowd_fault(crowd, &crowd->gaps, "%s got message %u of sender %zu instead of %u",
		            listener->peer.name, sequence, number, *next);
		sender->missing[*next % UNDER_WAY_MAX]--;
	}
	return true;
}

static void count(struct listener *listener, size_t number, uint32_t sequence)
{
	struct fanout *fanout = listener->fanout;
	struct sender *sender = &fanout->senders[number];

	if (!check(listener, number, sequence))
		return;
	listener->next[number] = sequence + 1;
	sender->missing[sequence % UNDER_WAY_MAX]--;
	while (sender->completed < sender->sent &&
	       sender->missing[sender->completed % UNDER_WAY_MAX] == 0)
		sender->completed++;
	fanout->deliveries++;
	if (fanout->bench->rate > 0) {
		uint64_t due = due_ns(fanout, number, sequence);

		if (due >= fanout->measure_ns && due < fanout->end_ns)
			samples_add(&fanout->report.latencies, net_now() - due);
	}
}

static void on_message(struct peer *peer, struct slice message)
{
	struct listener *listener = (struct listener *)peer;
	struct fanout *fanout = listener->fanout;
	uint32_t sequence;

	for (size_t i = 0; i < fanout->bench->senders; i++) {
		if (!pattern_read(&fanout->senders[i].pattern, message, &sequence))
			continue;
		if (sequence != PROBE) {
			count(listener, i, sequence);
		} else if (listener->next[i] == PROBE) {
			listener->next[i] = 0;
			fanout->senders[i].ready++;
		}
		return;
	}
	if (pattern_has_type(&fanout->senders[0].pattern, message))
		crowd_fault(&fanout->crowd, &fanout->crowd.errors, "%s got %.*s", peer->name,
		            SLICE_ARGS(message));
}

static void open_listener(struct fanout *fanout, size_t number, size_t node, enum peer_kind kind)
{
	struct listener *listener = &fanout->listeners[number];

	listener->fanout = fanout;
	listener->next = mem_alloc(fanout->bench->senders * sizeof(uint32_t));
	for (size_t i = 0; i < fanout->bench->senders; i++)
		listener->next[i] = PROBE;
	peer_open(&listener->peer, &fanout->crowd, node, kind, number, on_message);
	crowd_wait(&fanout->crowd, fanout->bench->opening);
}

static void open_all(struct fanout *fanout)
{
	const struct bench *bench = fanout->bench;

	for (size_t i = 0; i < bench->senders; i++) {
		struct sender *sender = &fanout->senders[i];
		char name[NAME_BYTES];

		crowd_name(&fanout->crowd, bench->receivers + i, name);
		pattern_init(&sender->pattern, "broadcast", name, NULL, bench->bytes);
		sender->listener = &fanout->listeners[bench->receivers + i];
	}
	for (size_t i = 0; i < bench->receivers; i++)
		open_listener(fanout, i, 1, PEER_LISTENER);
	for (size_t i = 0; i < bench->senders; i++)
		open_listener(fanout, bench->receivers + i, 0, PEER_SPEAKER);
	crowd_wait(&fanout->crowd, 0);
}

/* Until every listener has heard of every sender: some servers let a peer in before that. */
static void meet(struct fanout *fanout)
{
	uint64_t probe_ns = net_now(), give_up_ns = probe_ns + (uint64_t)READY_SECONDS * NS;

	for (size_t i = 0; i < fanout->bench->senders; i++) {
		struct sender *sender = &fanout->senders[i];

		while (sender->ready < fanout->audience) {
			if (net_now() >= give_up_ns || crowd_is_broken(&fanout->crowd))
				die("sender %zu was heard by %zu of %zu", i, sender->ready,
				    fanout->audience);
			if (net_now() >= probe_ns) {
				peer_say(&sender->listener->peer,
				         pattern_write(&sender->pattern, PROBE));
				probe_ns = net_now() + PROBE_NS;
			}
			net_turn(fanout->crowd.net, probe_ns);
		}
	}
	fanout->crowd.settled = true;
}

static void send_one(struct fanout *fanout, struct sender *sender)
{
	if (sender->sent - sender->completed == UNDER_WAY_MAX)
		die("the server is %d messages behind", UNDER_WAY_MAX);
	sender->missing[sender->sent % UNDER_WAY_MAX] = (uint32_t)fanout->audience;
	peer_say(&sender->listener->peer, pattern_write(&sender->pattern, sender->sent++));
}

/* Returns when the next message is due. */
static uint64_t send_what_is_due(void *context, uint64_t now)
{
	struct fanout *fanout = context;
	const struct bench *bench = fanout->bench;
	uint64_t next_ns = now + PROBE_NS;

	for (size_t i = 0; i < bench->senders; i++) {
		struct sender *sender = &fanout->senders[i];

		if (bench->rate == 0) {
			while (sender->sent - sender->completed < bench->window)
				send_one(fanout, sender);
			continue;
		}
		uint64_t due = due_ns(fanout, i, sender->sent);
		for (; due <= now; due = due_ns(fanout, i, sender->sent)) {
			if (due >= fanout->measure_ns)
				samples_add(&fanout->report.late, now - due);
			send_one(fanout, sender);
		}
		if (due < next_ns)
			next_ns = due;
	}
	return next_ns;
}

static bool is_complete(const void *context)
{
	const struct fanout *fanout = context;

	for (size_t i = 0; i < fanout->bench->senders; i++)
		if (fanout->senders[i].completed < fanout->senders[i].sent)
			return false;
	return true;
}

static void run(struct fanout *fanout)
{
	const struct bench *bench = fanout->bench;
	const struct talk talk = {fanout, send_what_is_due, is_complete};

	fanout->begin_ns = net_now();
	fanout->measure_ns = fanout->begin_ns + bench->warm_up_seconds * NS;
	fanout->end_ns = fanout->measure_ns + bench->seconds * NS;
	crowd_talk(&fanout->crowd, &talk, fanout->measure_ns);
	report_begin(&fanout->report, bench, fanout->deliveries);
	crowd_talk(&fanout->crowd, &talk, fanout->end_ns);
	report_end(&fanout->report, bench, fanout->deliveries);
	crowd_hear_out(&fanout->crowd, &talk);

	if (bench->rate > 0)
		report_title(bench, "%lu to %lu, %lu bytes, %lu messages/s", bench->senders,
		             bench->receivers, bench->bytes, bench->rate);
	else
		report_title(bench, "%lu to %lu, %lu bytes, a window of %lu each", bench->senders,
		             bench->receivers, bench->bytes, bench->window);
	report_print(&fanout->report, &fanout->crowd);
}

void scenario_fanout(const struct bench *bench)
{
	size_t listeners = bench->receivers + bench->senders;
	struct fanout fanout = {
		.bench = bench,
		.audience =
			bench->receivers + (bench->speech->speakers_hear ? bench->senders - 1 : 0),
		.period_ns = bench->rate > 0 ? NS / bench->rate : 0,
		.senders = mem_zero(bench->senders * sizeof(struct sender)),
		.listeners = mem_zero(listeners * sizeof(struct listener)),
		.report = {.unit = "deliveries"},
	};

	crowd_init(&fanout.crowd, bench);
	open_all(&fanout);
	meet(&fanout);
	run(&fanout);

	for (size_t i = 0; i < bench->senders; i++)
		pattern_fini(&fanout.senders[i].pattern);
	for (size_t i = 0; i < listeners; i++) {
		peer_fini(&fanout.listeners[i].peer);
		free(fanout.listeners[i].next);
	}
	report_fini(&fanout.report);
	free(fanout.senders);
	free(fanout.listeners);
	crowd_fini(&fanout.crowd);
}
