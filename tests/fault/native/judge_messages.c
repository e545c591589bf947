#include <stdlib.h>
#include <string.h>

#include "common/memory.h"
#include "verdict.h"

static struct {
	uint64_t sent_direct, sent_broadcast, expected, delivered, duplicated, reordered, forged;
	uint64_t lost, lost_told_sender, lost_told_receiver, lost_in_flight, lost_silent;
	uint64_t lost_between_stayers, unanswered_at_break, unanswered_silent, old;
	uint64_t quiet_us, quiet_from_us;
	struct sample direct, broadcast, errors[FAULT_ERROR_COUNT];
} found;

/* The newest message of a sender that came on a connection. */
struct newest {
	uint16_t visit, sender_visit;
	uint32_t number;
};

struct receiver {
	uint32_t peer;
	uint16_t *came_on;     /* by send and lane: on which connection it came, 0 = not */
	struct newest *newest; /* by sender and lane */
};

static bool is_judged(const struct rules *rules, const struct send *send)
{
	return send->time_us >= rules->from_us && send->time_us <= rules->until_us;
}

static void judge_delivery(const struct story *story, const struct rules *rules,
                           struct receiver *receiver, const struct record *record)
{
	const struct life *sender = &story->lives[record->other];
	size_t index = sender->first_send + record->number - 1;
	const struct send *send = &story->sends[index];
	uint32_t to = record->kind == RECORD_GOT_DIRECT ? receiver->peer : BROADCAST;

	if (record->number == 0 || record->number > sender->send_count || send->to != to ||
	    sender->mesh != story->lives[receiver->peer].mesh) {
		found.forged++;
		example(story, "forged", record->other, receiver->peer, record->number,
		        record->time_us);
		return;
	}
	if (!is_judged(rules, send))
		return;
	found.delivered++;
	uint16_t *came_on = &receiver->came_on[LANES * index + record->visit % LANES];
	if (*came_on == record->visit) {
		found.duplicated++;
		example(story, "duplicated", record->other, receiver->peer, record->number,
		        record->time_us);
	}
	*came_on = record->visit;

	struct newest *newest = &receiver->newest[LANES * record->other + record->visit % LANES];
	if (newest->visit == record->visit && newest->sender_visit == send->visit &&
	    record->number < newest->number) {
		found.reordered++;
		example(story, "reordered", record->other, receiver->peer, record->number,
		        record->time_us);
	}
	*newest = (struct newest){record->visit, send->visit, record->number};

	uint64_t age_us = record->time_us - send->time_us;
	sample_add(send->to == BROADCAST ? &found.broadcast : &found.direct, age_us);
	found.old += age_us > rules->old_us;
}

/* One stay to the end, on one connection. */
static bool is_stayer(const struct life *life)
{
	return life->stays.count == 1 && life->visit_count == 1 &&
	       life->stays.list[0].to_us == NEVER_US;
}

/* The relay could not know yet, or no longer reach, a receiver that went by its own will. */
static bool went_itself(const struct rules *rules, const struct life *receiver, uint64_t time_us)
{
	for (size_t i = 0; i < receiver->stays.count; i++) {
		const struct stay *stay = &receiver->stays.list[i];
		uint64_t until_us = stay->cause == CAUSE_VANISHED ? rules->ttl_us + rules->due_us
		                                                  : rules->in_flight_us;

		if (stay->to_us == NEVER_US || stay->cause == CAUSE_LOST)
			continue;
		if (time_us + rules->in_flight_us >= stay->to_us &&
		    time_us <= stay->to_us + until_us)
			return true;
	}
	return false;
}

/* It was about to join: its node took messages for it, and had yet to let it in. */
static bool was_joining(const struct life *receiver, uint64_t time_us)
{
	for (size_t i = 1; i <= receiver->visit_count; i++) {
		const struct visit_life *visit = &receiver->visits[i];

		if (visit->opened_us <= time_us && time_us <= visit->ended_us &&
		    (time_us <= visit->joined_us || visit->joined_us == NEVER_US))
			return true;
	}
	return false;
}

/* What it was to be told, a resync after the outage, it did not wait for. */
static bool left_untold(const struct rules *rules, const struct life *receiver, uint64_t time_us)
{
	const struct stay *stay = life_at(receiver, time_us);

	return stay != NULL && stay->cause != CAUSE_LOST && stay->to_us <= time_us + rules->told_us;
}

/* The receiver's connection broke a moment before: it knows, and the relay does not yet. */
static bool just_broke(const struct rules *rules, const struct life *receiver, uint64_t time_us)
{
	uint64_t since_us = time_us > rules->in_flight_us ? time_us - rules->in_flight_us : 0;

	return times_within(&receiver->told, since_us, time_us) != NEVER_US;
}

static bool sender_was_told(const struct rules *rules, const struct life *sender,
                            const struct send *send)
{
	const struct visit_life *visit = &sender->visits[send->visit];

	return send->error_after_us != NO_NUMBER ||
	       (visit->ended_us != NEVER_US && visit->ending != ENDING_OWN &&
	        visit->ended_us <= send->time_us + rules->told_us);
}

/*
 * The sender took its connection away so soon after, or so rudely, that the relay need not have got
 * what was on its way, or could not tell it any more.
 */
static bool took_it_along(const struct rules *rules, const struct life *sender,
                          const struct send *send)
{
	const struct visit_life *visit = &sender->visits[send->visit];
	uint64_t soon_us = send->time_us + rules->in_flight_us;

	for (size_t i = 0; i < sender->stays.count; i++) {
		const struct stay *stay = &sender->stays.list[i];

		if (stay->cause == CAUSE_VANISHED && stay->to_us >= send->time_us &&
		    stay->to_us <= soon_us)
			return true;
	}
	return visit->ended_us != NEVER_US && visit->ending == ENDING_OWN &&
	       ((visit->code == 0 && visit->ended_us <= soon_us) ||
	        was_away(sender, rules, send->time_us, visit->ended_us));
}

/* Nor did the sender wait for the error. */
static bool left_unanswered(const struct rules *rules, const struct life *sender,
                            const struct send *send)
{
	const struct visit_life *visit = &sender->visits[send->visit];

	return visit->ended_us != NEVER_US && visit->ending == ENDING_OWN &&
	       visit->ended_us <= send->time_us + rules->told_us;
}

static void judge_loss(const struct story *story, const struct rules *rules, uint32_t sender,
                       uint32_t receiver, const struct send *send, bool present)
{
	const struct life *from = &story->lives[sender], *to = &story->lives[receiver];
	uint32_t number = (uint32_t)((size_t)(send - story->sends) - from->first_send) + 1;
	uint64_t told_us = times_within(&to->told, send->time_us, send->time_us + rules->told_us);
	bool stayers = is_stayer(from) && is_stayer(to);

	if (present)
		found.lost++;
	found.lost_between_stayers += present && stayers;
	if (sender_was_told(rules, from, send)) {
		found.lost_told_sender += present;
	} else if (present && told_us != NEVER_US) {
		found.lost_told_receiver++;
	} else if (went_itself(rules, to, send->time_us) || left_untold(rules, to, send->time_us) ||
	           took_it_along(rules, from, send)) {
		found.lost_in_flight += present;
	} else if (present) {
		found.lost_silent++;
		example(story, send->to == BROADCAST ? "lost broadcast" : "lost direct", sender,
		        receiver, number, send->time_us);
	} else if (just_broke(rules, to, send->time_us) || was_joining(to, send->time_us) ||
	           left_unanswered(rules, from, send) ||
	           was_away(to, rules, send->time_us, send->time_us)) {
		found.unanswered_at_break++;
	} else {
		found.unanswered_silent++;
		example(story, "unanswered", sender, receiver, number, send->time_us);
	}
}

static bool has_come(const struct receiver *receiver, size_t send)
{
	for (size_t lane = 0; lane < LANES; lane++)
		if (receiver->came_on[LANES * send + lane] != 0)
			return true;
	return false;
}

/* All that should have come to the receiver: did it? */
static void judge_absences(const struct story *story, const struct rules *rules,
                           const struct receiver *receiver)
{
	const struct life *life = &story->lives[receiver->peer];

	for (uint32_t i = 0; i < story->life_count; i++) {
		const struct life *sender = &story->lives[i];

		if (sender->mesh != life->mesh || i == receiver->peer)
			continue;
		for (size_t j = sender->first_send; j < sender->first_send + sender->send_count;
		     j++) {
			const struct send *send = &story->sends[j];
			bool direct = send->to == receiver->peer;

			if ((!direct && send->to != BROADCAST) || !is_judged(rules, send))
				continue;
			bool present = life_at(life, send->time_us) != NULL;
			if (!direct && !present)
				continue;
			found.expected += present;
			if (!has_come(receiver, j))
				judge_loss(story, rules, i, receiver->peer, send, present);
		}
	}
}

static void judge_receiver(const struct story *story, const struct rules *rules,
                           struct receiver *receiver)
{
	const struct life *life = &story->lives[receiver->peer];

	memset(receiver->came_on, 0, LANES * story->send_count * sizeof(receiver->came_on[0]));
	memset(receiver->newest, 0, LANES * story->life_count * sizeof(receiver->newest[0]));
	for (size_t i = 0; i < life->record_count; i++) {
		const struct record *record =
			&story->records[story->by_peer[life->first_record + i]];

		if (record->kind == RECORD_GOT_DIRECT || record->kind == RECORD_GOT_BROADCAST)
			judge_delivery(story, rules, receiver, record);
	}
	judge_absences(story, rules, receiver);
}

/* The longest time in which nobody got anything. */
static void find_quiet(const struct story *story)
{
	uint64_t last_us = 0;

	for (size_t i = 0; i < story->record_count; i++) {
		const struct record *record = &story->records[i];

		if (record->kind != RECORD_GOT_DIRECT && record->kind != RECORD_GOT_BROADCAST)
			continue;
		if (last_us > 0 && record->time_us - last_us > found.quiet_us) {
			found.quiet_us = record->time_us - last_us;
			found.quiet_from_us = last_us;
		}
		last_us = record->time_us;
	}
}

static void count_sends(const struct story *story, const struct rules *rules)
{
	for (size_t i = 0; i < story->send_count; i++) {
		const struct send *send = &story->sends[i];

		if (!is_judged(rules, send))
			continue;
		found.sent_direct += send->to != BROADCAST;
		found.sent_broadcast += send->to == BROADCAST;
		if (send->error_after_us != NO_NUMBER)
			sample_add(&found.errors[send->error], send->error_after_us);
	}
}

static void print(void)
{
	static const char *const errors[] = {
#define X(name) "error_" #name,
		FAULT_ERRORS(X)
#undef X
	};

	figure_print("sent_direct", found.sent_direct);
	figure_print("sent_broadcast", found.sent_broadcast);
	figure_print("expected", found.expected);
	figure_print("delivered", found.delivered);
	figure_print("forged", found.forged);
	figure_print("duplicated", found.duplicated);
	figure_print("reordered", found.reordered);
	figure_print("lost", found.lost);
	figure_print("lost_told_sender", found.lost_told_sender);
	figure_print("lost_told_receiver", found.lost_told_receiver);
	figure_print("lost_in_flight", found.lost_in_flight);
	figure_print("lost_silent", found.lost_silent);
	figure_print("lost_between_stayers", found.lost_between_stayers);
	figure_print("unanswered_at_break", found.unanswered_at_break);
	figure_print("unanswered_silent", found.unanswered_silent);
	figure_print("old", found.old);
	figure_print("quiet_ms", found.quiet_us / 1000);
	figure_print("quiet_from_us", found.quiet_from_us);
	sample_print("direct", &found.direct);
	sample_print("broadcast", &found.broadcast);
	for (int i = 0; i < FAULT_ERROR_COUNT; i++)
		sample_print(errors[i], &found.errors[i]);
}

void judge_messages(const struct story *story, const struct rules *rules)
{
	struct receiver receiver = {
		.came_on = mem_alloc(LANES * story->send_count * sizeof(receiver.came_on[0]) + 1),
		.newest = mem_alloc(LANES * story->life_count * sizeof(receiver.newest[0]) + 1),
	};

	count_sends(story, rules);
	find_quiet(story);
	for (receiver.peer = 0; receiver.peer < story->life_count; receiver.peer++)
		judge_receiver(story, rules, &receiver);
	free(receiver.came_on);
	free(receiver.newest);
	print();
}
