/*
 * Pairs of peers on different nodes: one asks, the other answers with the same number, and each must
 * hear all of the other, once, in order and to the byte.
 *
 * Closed loop: an answer is followed by the next question; both count. Open loop (a rate): question i
 * is due at a fixed time, whatever became of those before, and the latency, there and back, counts
 * from then. So a stall is paid for by all questions that it delayed, also by those that the
 * generator sent late (no "coordinated omission").
 */
#include <stdlib.h>

#include "bench/pattern.h"
#include "bench/report.h"
#include "bench/speech.h"
#include "common/memory.h"

#define PROBE_NS 100000000
#define READY_SECONDS 30
#define PROBE UINT32_MAX /* the number of the messages by which a pair meets */

struct direct {
	const struct bench *bench;
	struct crowd crowd;
	struct pair *pairs;
	struct report report;
	uint64_t begin_ns;           /* when question 0 is due */
	uint64_t period_ns;          /* from one to the next */
	uint64_t measure_ns, end_ns; /* what is due between counts */
	uint64_t asked, answered;    /* by all pairs */
	uint64_t messages;           /* that arrived, questions and answers */
	bool stopped;                /* closed loop: no answer is followed by a question any more */
	size_t ready;
};

struct partner {
	struct peer peer; /* first: a peer is a partner */
	struct pair *pair;
	struct pattern pattern; /* what it says */
	uint32_t next;          /* the number that it must hear next */
};

struct pair {
	struct direct *direct;
	struct partner asker, answerer;
	uint32_t asked;
	bool ready;
};

static uint64_t due_ns(const struct direct *direct, uint64_t question)
{
	return direct->begin_ns + question * direct->period_ns;
}

static void ask(struct pair *pair)
{
	pair->direct->asked++;
	peer_say(&pair->asker.peer, pattern_write(&pair->asker.pattern, pair->asked++));
}

/* Returns false if the message is not what the peer's partner says. */
static bool read_from(struct partner *speaker, const struct peer *peer, struct slice message,
                      uint32_t *sequence)
{
	if (pattern_read(&speaker->pattern, message, sequence))
		return true;
	if (pattern_has_type(&speaker->pattern, message))
		crowd_fault(peer->crowd, &peer->crowd->errors, "%s got %.*s", peer->name,
		            SLICE_ARGS(message));
	return false;
}

/* Returns false if it must not count. */
static bool check(struct partner *partner, uint32_t sequence)
{
	struct crowd *crowd = &partner->pair->direct->crowd;

	if (sequence < partner->next || sequence >= partner->pair->asked) {
		crowd_fault(crowd, &crowd->duplicates, "%s got message %u instead of %u",
		            partner->peer.name, sequence, partner->next);
		return false;
	}
	for (; partner->next < sequence; partner->next++)
		crowd_fault(crowd, &crowd->gaps, "%s got message %u instead of %u",
		            partner->peer.name, sequence, partner->next);
	partner->next++;
	partner->pair->direct->messages++;
	return true;
}

static void on_answer(struct peer *peer, struct slice message)
{
	struct partner *asker = (struct partner *)peer;
	struct pair *pair = asker->pair;
	struct direct *direct = pair->direct;
	uint32_t sequence;

	if (!read_from(&pair->answerer, peer, message, &sequence))
		return;
	if (sequence == PROBE) {
		direct->ready += !pair->ready;
		pair->ready = true;
		return;
	}
	if (!check(asker, sequence))
		return;
	direct->answered++;
	if (direct->bench->rate == 0) {
		if (!direct->stopped)
			ask(pair);
		return;
	}
	uint64_t due = due_ns(direct, (uint64_t)sequence * direct->bench->senders +
	                                      (uint64_t)(pair - direct->pairs));
	if (due >= direct->measure_ns && due < direct->end_ns)
		samples_add(&direct->report.latencies, net_now() - due);
}

static void on_question(struct peer *peer, struct slice message)
{
	struct partner *answerer = (struct partner *)peer;
	uint32_t sequence;

	if (read_from(&answerer->pair->asker, peer, message, &sequence) &&
	    (sequence == PROBE || check(answerer, sequence)))
		peer_say(peer, pattern_write(&answerer->pattern, sequence));
}

static void prepare(struct pair *pair, struct partner *partner, size_t number)
{
	const struct direct *direct = pair->direct;
	char name[NAME_BYTES], other[NAME_BYTES];

	partner->pair = pair;
	crowd_name(&direct->crowd, number, name);
	crowd_name(&direct->crowd, number ^ 1, other);
	pattern_init(&partner->pattern, "direct", name, other, direct->bench->bytes);
}

static void pair_open(struct direct *direct, size_t i)
{
	struct pair *pair = &direct->pairs[i];

	pair->direct = direct;
	prepare(pair, &pair->asker, 2 * i);
	prepare(pair, &pair->answerer, 2 * i + 1);
	peer_open(&pair->asker.peer, &direct->crowd, 0, PEER_PARTNER, 2 * i, on_answer);
	peer_open(&pair->answerer.peer, &direct->crowd, 1, PEER_PARTNER, 2 * i + 1, on_question);
	crowd_wait(&direct->crowd, direct->bench->opening);
}

static void partner_fini(struct partner *partner)
{
	peer_fini(&partner->peer);
	pattern_fini(&partner->pattern);
}

/* Until every pair has heard from each other once. */
static void meet(struct direct *direct)
{
	struct net *net = direct->crowd.net;
	uint64_t probe_ns = net_now(), give_up_ns = probe_ns + (uint64_t)READY_SECONDS * NS;

	while (direct->ready < direct->bench->senders) {
		if (net_now() >= give_up_ns || crowd_is_broken(&direct->crowd))
			die("%zu of %lu pairs met", direct->ready, direct->bench->senders);
		if (net_now() >= probe_ns) {
			for (size_t i = 0; i < direct->bench->senders; i++) {
				struct partner *asker = &direct->pairs[i].asker;

				if (!direct->pairs[i].ready)
					peer_say(&asker->peer,
					         pattern_write(&asker->pattern, PROBE));
			}
			probe_ns += PROBE_NS;
		}
		net_turn(net, probe_ns);
	}
	/* Answers to probes that were sent twice are still under way. */
	for (uint64_t until_ns = net_now() + 2ull * PROBE_NS; net_now() < until_ns;)
		net_turn(net, until_ns);
	direct->crowd.settled = true;
}

/* Returns when the next question is due. */
static uint64_t ask_what_is_due(void *context, uint64_t now)
{
	struct direct *direct = context;
	const struct bench *bench = direct->bench;

	if (bench->rate == 0)
		return now + PROBE_NS;
	uint64_t due = due_ns(direct, direct->asked);
	for (; due <= now; due = due_ns(direct, direct->asked)) {
		if (due >= direct->measure_ns)
			samples_add(&direct->report.late, now - due);
		ask(&direct->pairs[direct->asked % bench->senders]);
	}
	return due;
}

static bool is_answered(const void *context)
{
	const struct direct *direct = context;

	return direct->answered == direct->asked;
}

static void run(struct direct *direct)
{
	const struct bench *bench = direct->bench;
	const struct talk talk = {direct, ask_what_is_due, is_answered};

	direct->begin_ns = net_now() + NS / 1000;
	direct->measure_ns = direct->begin_ns + bench->warm_up_seconds * NS;
	direct->end_ns = direct->measure_ns + bench->seconds * NS;
	for (size_t i = 0; bench->rate == 0 && i < bench->senders * bench->in_flight; i++)
		ask(&direct->pairs[i % bench->senders]);
	crowd_talk(&direct->crowd, &talk, direct->measure_ns);
	report_begin(&direct->report, bench, direct->messages);
	crowd_talk(&direct->crowd, &talk, direct->end_ns);
	report_end(&direct->report, bench, direct->messages);
	direct->stopped = true;
	crowd_hear_out(&direct->crowd, &talk);

	if (bench->rate > 0)
		report_title(bench, "there and back, %lu pairs, %lu bytes, %lu questions/s",
		             bench->senders, bench->bytes, bench->rate);
	else
		report_title(bench, "%lu pairs, %lu bytes, %lu in flight each", bench->senders,
		             bench->bytes, bench->in_flight);
	report_print(&direct->report, &direct->crowd);
}

void scenario_direct(const struct bench *bench)
{
	struct direct direct = {
		.bench = bench,
		.pairs = mem_zero(bench->senders * sizeof(struct pair)),
		.period_ns = bench->rate > 0 ? NS / bench->rate : 0,
		.report = {.unit = "messages"},
	};

	crowd_init(&direct.crowd, bench);
	for (size_t i = 0; i < bench->senders; i++)
		pair_open(&direct, i);
	crowd_wait(&direct.crowd, 0);
	meet(&direct);
	run(&direct);

	for (size_t i = 0; i < bench->senders; i++) {
		partner_fini(&direct.pairs[i].asker);
		partner_fini(&direct.pairs[i].answerer);
	}
	report_fini(&direct.report);
	free(direct.pairs);
	crowd_fini(&direct.crowd);
}
