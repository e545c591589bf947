#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/memory.h"
#include "verdict.h"

#define ABSENCES_MAX 64 /* of one peer that are judged */

static struct {
	uint64_t online, offline, false_offline, late_offline, double_online, double_offline;
	uint64_t missing_offline, missing_online;
	struct sample after[CAUSE_COUNT], after_away;
	uint64_t *matrix; /* by group of the observer and of the other: online again, offline */
} found;

/* What an observer believes on one of its connections. */
struct view {
	uint32_t connection; /* counts them, and what follows a leave as a new one */
	uint32_t version;    /* heard last */
	bool online, was_offline;
};

struct observer {
	uint32_t peer;
	struct view *views;          /* by other peer and lane */
	uint64_t *heard;             /* by other peer: a bit per absence of which it was told */
	uint32_t connections[LANES]; /* the number now */
	uint32_t connection_count;
};

/* Was the other cut off in a way that the relay may take for the end? Returns since when, or NEVER_US. */
static uint64_t away_since(const struct rules *rules, const struct life *other, uint64_t time_us)
{
	for (size_t i = 0; i < other->away.count; i++) {
		const struct stay *away = &other->away.list[i];
		uint64_t until_us =
			away->to_us == NEVER_US ? NEVER_US : away->to_us + rules->away_us;

		if (away->from_us <= time_us && time_us <= until_us)
			return away->from_us;
	}
	return NEVER_US;
}

/* It may have been announced and never known of it. */
static bool has_tried(const struct life *life, uint64_t time_us)
{
	for (size_t i = 1; i <= life->visit_count; i++)
		if (life->visits[i].upgraded_us <= time_us)
			return true;
	return false;
}

/* Finds the absence that the offline is about: the newest that began by then. */
static void judge_offline(const struct story *story, const struct rules *rules,
                          struct observer *observer, uint32_t peer, uint64_t time_us)
{
	const struct life *other = &story->lives[peer];
	const struct stay *stay = NULL;
	size_t absence = 0;

	for (size_t i = 0; i < other->stays.count && other->stays.list[i].to_us <= time_us; i++) {
		stay = &other->stays.list[i];
		absence = i;
	}
	const struct stay *now = life_at(other, time_us);
	if (now != NULL && away_since(rules, other, time_us) != NEVER_US) {
		sample_add(&found.after_away, time_us - away_since(rules, other, time_us));
	} else if (now != NULL && now->from_us + rules->slack_us <= time_us &&
	           away_since(rules, &story->lives[observer->peer], time_us) == NEVER_US) {
		found.false_offline++;
		example(story, "false offline", peer, observer->peer, 0, time_us);
	} else if (stay != NULL) {
		found.late_offline += now != NULL;
		sample_add(&found.after[stay->cause], time_us - stay->to_us);
		if (absence < ABSENCES_MAX)
			observer->heard[peer] |= (uint64_t)1 << absence;
	} else if (now == NULL && !has_tried(other, time_us)) {
		found.false_offline++;
		example(story, "offline of nobody", peer, observer->peer, 0, time_us);
	}
}

static void judge_change(const struct story *story, const struct rules *rules,
                         struct observer *observer, const struct record *record)
{
	bool online = record->kind == RECORD_GOT_ONLINE;
	struct view *view = &observer->views[LANES * record->other + record->visit % LANES];
	uint32_t connection = observer->connections[record->visit % LANES];
	const struct life *life = &story->lives[observer->peer],
			  *other = &story->lives[record->other];

	if (view->connection != connection)
		*view = (struct view){.connection = connection};
	bool was_online = view->online;
	if (view->online == online && (!online || view->version == record->number)) {
		*(online ? &found.double_online : &found.double_offline) += 1;
		example(story, online ? "double online" : "double offline", record->other,
		        observer->peer, 0, record->time_us);
	}
	view->online = online;
	view->version = record->number;
	found.online += online;
	found.offline += !online;
	if (!online)
		judge_offline(story, rules, observer, record->other, record->time_us);
	if (!online || (view->was_offline && !was_online))
		found.matrix[2 * (life->group * story->group_count + other->group) + !online]++;
	view->was_offline |= !online;
}

/* Was the observer there, on one connection, from before the time until so long after it? */
static bool observed(const struct life *observer, uint64_t from_us, uint64_t to_us)
{
	for (size_t i = 1; i <= observer->visit_count; i++) {
		const struct visit_life *visit = &observer->visits[i];
		const struct stay *stay = life_at(observer, from_us);

		if (visit->joined_us < from_us && visit->ended_us > to_us && stay != NULL &&
		    stay->to_us > to_us)
			return true;
	}
	return false;
}

bool was_away(const struct life *life, const struct rules *rules, uint64_t from_us, uint64_t to_us)
{
	for (size_t i = 0; i < life->away.count; i++) {
		const struct stay *away = &life->away.list[i];

		if (away->from_us <= to_us &&
		    (away->to_us == NEVER_US || away->to_us + rules->away_us >= from_us))
			return true;
	}
	return false;
}

static void judge_absences(const struct story *story, const struct rules *rules,
                           const struct observer *observer, uint32_t peer)
{
	const struct life *life = &story->lives[observer->peer], *other = &story->lives[peer];

	for (size_t i = 0; i < other->stays.count && i < ABSENCES_MAX; i++) {
		const struct stay *stay = &other->stays.list[i];
		uint64_t due_us = stay->to_us + rules->ttl_us + rules->due_us;
		uint64_t next_us =
			i + 1 < other->stays.count ? other->stays.list[i + 1].from_us : NEVER_US;

		if (stay->to_us == NEVER_US || due_us > story->end_us || due_us > next_us ||
		    !observed(life, stay->to_us, due_us) ||
		    was_away(life, rules, stay->to_us, due_us) ||
		    was_away(other, rules, stay->to_us, due_us))
			continue;
		if (!(observer->heard[peer] & (uint64_t)1 << i)) {
			found.missing_offline++;
			example(story, "missing offline", peer, observer->peer, 0, stay->to_us);
		}
	}
}

/* At the end, who was there for long is seen by who was there for long. */
static void judge_end(const struct story *story, const struct rules *rules,
                      const struct observer *observer, uint32_t peer)
{
	const struct life *life = &story->lives[observer->peer], *other = &story->lives[peer];
	const struct stay *stay = life_at(other, story->end_us);
	uint64_t since_us = story->end_us - rules->slack_us;

	if (stay == NULL || stay->from_us > since_us || life_at(life, story->end_us) == NULL ||
	    was_away(life, rules, since_us, story->end_us) ||
	    was_away(other, rules, since_us, story->end_us))
		return;
	for (size_t i = 1; i <= life->visit_count; i++) {
		const struct view *view = &observer->views[LANES * peer + i % LANES];

		if (life->visits[i].joined_us > since_us || life->visits[i].left ||
		    life->visits[i].ended_us != NEVER_US ||
		    (view->connection == observer->connections[i % LANES] && view->online))
			continue;
		found.missing_online++;
		example(story, "missing online", peer, observer->peer, 0, story->end_us);
	}
}

static void judge_observer(const struct story *story, const struct rules *rules,
                           struct observer *observer)
{
	const struct life *life = &story->lives[observer->peer];

	memset(observer->views, 0, LANES * story->life_count * sizeof(observer->views[0]));
	memset(observer->heard, 0, story->life_count * sizeof(observer->heard[0]));
	for (size_t i = 0; i < life->record_count; i++) {
		const struct record *record =
			&story->records[story->by_peer[life->first_record + i]];

		size_t lane = record->visit % LANES;

		if (record->kind == RECORD_OPENED || record->kind == RECORD_GREETED)
			observer->connections[lane] = ++observer->connection_count;
		if (record->kind == RECORD_LEFT)
			observer->connections[lane] = 0;
		if ((record->kind == RECORD_GOT_ONLINE || record->kind == RECORD_GOT_OFFLINE) &&
		    observer->connections[lane] != 0)
			judge_change(story, rules, observer, record);
	}
	for (uint32_t peer = 0; peer < story->life_count; peer++) {
		if (peer == observer->peer || story->lives[peer].mesh != life->mesh)
			continue;
		judge_absences(story, rules, observer, peer);
		judge_end(story, rules, observer, peer);
	}
}

static void print(const struct story *story)
{
	static const char *const after[] = {"offline_after_left", "offline_after_vanished",
	                                    "offline_after_lost"};

	figure_print("online", found.online);
	figure_print("offline", found.offline);
	figure_print("false_offline", found.false_offline);
	figure_print("late_offline", found.late_offline);
	figure_print("double_online", found.double_online);
	figure_print("double_offline", found.double_offline);
	figure_print("missing_offline", found.missing_offline);
	figure_print("missing_online", found.missing_online);
	for (int i = 0; i < CAUSE_COUNT; i++)
		sample_print(after[i], &found.after[i]);
	sample_print("offline_after_away", &found.after_away);

	const char *separator = "";
	printf("\"changes\":[");
	for (uint32_t i = 0; i < story->group_count * story->group_count; i++) {
		if (found.matrix[2 * i] + found.matrix[2 * i + 1] == 0)
			continue;
		printf("%s{\"observer\":%u,\"other\":%u,\"back\":%lu,\"offline\":%lu}", separator,
		       i / story->group_count, i % story->group_count, found.matrix[2 * i],
		       found.matrix[2 * i + 1]);
		separator = ",";
	}
	printf("],");
}

void judge_views(const struct story *story, const struct rules *rules)
{
	struct observer observer = {
		.views = mem_alloc(LANES * story->life_count * sizeof(observer.views[0]) + 1),
		.heard = mem_alloc(story->life_count * sizeof(observer.heard[0]) + 1),
	};

	found.matrix = mem_zero(2 * story->group_count * story->group_count * sizeof(uint64_t) + 1);
	for (observer.peer = 0; observer.peer < story->life_count; observer.peer++)
		judge_observer(story, rules, &observer);
	free(observer.views);
	free(observer.heard);
	print(story);
	free(found.matrix);
}
