#include "lives.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "common/memory.h"
#include "loop.h"

static void add_time(struct times *times, uint64_t time_us)
{
	times->list = mem_resize(times->list, (times->count + 1) * sizeof(times->list[0]));
	times->list[times->count++] = time_us;
}

static void begin_stay(struct stays *stays, uint64_t time_us)
{
	stays->list = mem_resize(stays->list, (stays->count + 1) * sizeof(stays->list[0]));
	stays->list[stays->count++] = (struct stay){.from_us = time_us, .to_us = NEVER_US};
}

static struct stay *open_stay(struct stays *stays)
{
	struct stay *last = stays->count > 0 ? &stays->list[stays->count - 1] : NULL;

	return last != NULL && last->to_us == NEVER_US ? last : NULL;
}

static void end_stay(struct stays *stays, uint64_t time_us, enum cause cause)
{
	struct stay *stay = open_stay(stays);

	if (stay == NULL)
		return;
	stay->to_us = time_us;
	stay->cause = cause;
}

static struct visit_life *visit_of(struct life *life, uint16_t number)
{
	if (number > life->visit_count) {
		life->visits = mem_resize(life->visits, (number + 1u) * sizeof(life->visits[0]));
		for (size_t i = life->visit_count + (life->visit_count > 0); i <= number; i++)
			life->visits[i] = (struct visit_life){
				NEVER_US, NEVER_US, NEVER_US, NEVER_US, 0, 0, false};
		life->visit_count = number;
	}
	return &life->visits[number];
}

/* Is the peer in by another of its connections? */
static bool is_in(const struct life *life, uint64_t time_us)
{
	for (size_t i = 1; i <= life->visit_count; i++)
		if (life->visits[i].joined_us <= time_us && life->visits[i].ended_us > time_us)
			return true;
	return false;
}

static void on_ended(struct life *life, struct visit_life *visit, const struct record *record)
{
	visit->ended_us = record->time_us;
	visit->ending = (enum ending)record->code;
	visit->code = record->number;
	if (visit->joined_us == NEVER_US)
		return;
	if (visit->ending != ENDING_OWN)
		add_time(&life->told, record->time_us);
	if (!is_in(life, record->time_us))
		end_stay(&life->stays, record->time_us,
		         visit->ending == ENDING_OWN ? CAUSE_LEFT : CAUSE_LOST);
}

static void read_life(struct life *life, const struct record *record)
{
	struct visit_life *visit = record->visit > 0 ? visit_of(life, record->visit) : NULL;

	switch (record->kind) {
	case RECORD_PEER:
		life->mesh = record->other;
		life->group = record->number;
		return;
	case RECORD_OPENED:
		visit->opened_us = record->time_us;
		return;
	case RECORD_UPGRADED:
		visit->upgraded_us = record->time_us;
		return;
	case RECORD_JOINED:
		visit->joined_us = record->time_us;
		visit->left = false;
		if (open_stay(&life->stays) == NULL)
			begin_stay(&life->stays, record->time_us);
		return;
	case RECORD_LEFT:
		visit->left = true;
		end_stay(&life->stays, record->time_us, CAUSE_LEFT);
		return;
	case RECORD_VANISHED:
		end_stay(&life->stays, record->time_us, CAUSE_VANISHED);
		return;
	case RECORD_ENDED:
		on_ended(life, visit, record);
		return;
	case RECORD_AWAY:
		begin_stay(&life->away, record->time_us);
		return;
	case RECORD_BACK:
		end_stay(&life->away, record->time_us, CAUSE_LOST);
		return;
	case RECORD_GOT_RESYNC:
		add_time(&life->told, record->time_us);
		return;
	}
}

static bool is_send(const struct record *record)
{
	return record->kind == RECORD_SENT_DIRECT || record->kind == RECORD_SENT_BROADCAST;
}

/* Where each peer's records and sends begin, after they were counted. */
static void lay_out(struct story *story)
{
	size_t records = 0, sends = 0;

	for (uint32_t i = 0; i < story->life_count; i++) {
		struct life *life = &story->lives[i];

		life->first_record = records;
		life->first_send = sends;
		records += life->record_count;
		sends += life->send_count;
		life->record_count = 0;
	}
	story->send_count = sends;
	story->by_peer = mem_alloc(records * sizeof(story->by_peer[0]) + 1);
	story->sends = mem_zero(sends * sizeof(story->sends[0]) + 1);
}

static void check(const struct story *story, const struct record *record)
{
	bool names = record->kind >= RECORD_SENT_DIRECT && record->kind <= RECORD_GOT_OFFLINE;

	if (record->kind >= RECORD_KIND_COUNT || record->peer >= story->life_count ||
	    record->time_us < story->begin_us)
		die("record %td is none", record - story->records);
	if (names && record->other >= story->life_count)
		die("record %td names peer %u, who is not in the journal", record - story->records,
		    record->other);
}

static void read_send(struct story *story, struct life *life, const struct record *record)
{
	if (record->number == 0 || record->number > life->send_count)
		die("record %td has the sequence number %u", record - story->records,
		    record->number);
	story->sends[life->first_send + record->number - 1] = (struct send){
		.time_us = record->time_us,
		.to = record->kind == RECORD_SENT_DIRECT ? record->other : BROADCAST,
		.error_after_us = NO_NUMBER,
		.visit = record->visit,
	};
}

static void read_error(struct story *story, const struct life *life, const struct record *record)
{
	if (record->number == 0 || record->number > life->send_count)
		return;
	struct send *send = &story->sends[life->first_send + record->number - 1];
	uint64_t after_us = record->time_us - send->time_us;

	send->error = record->code;
	send->error_after_us = after_us < NO_NUMBER ? (uint32_t)after_us : NO_NUMBER - 1;
}

static void map(struct story *story, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat status;

	if (fd < 0 || fstat(fd, &status) != 0)
		die("%s: %s", path, strerror(errno));
	story->record_count = (size_t)status.st_size / sizeof(struct record);
	if (story->record_count == 0)
		die("%s is empty", path);
	story->records = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (story->records == MAP_FAILED)
		die("%s: %s", path, strerror(errno));
}

static void count(struct story *story)
{
	story->begin_us = story->records[0].time_us;
	story->end_us = story->records[story->record_count - 1].time_us;
	for (size_t i = 0; i < story->record_count; i++) {
		const struct record *record = &story->records[i];

		if (record->kind == RECORD_PEER && record->peer >= story->life_count)
			story->life_count = record->peer + 1;
		if (record->kind == RECORD_PEER && record->number >= story->group_count)
			story->group_count = record->number + 1;
	}
	story->lives = mem_zero(story->life_count * sizeof(story->lives[0]) + 1);
	for (size_t i = 0; i < story->record_count; i++) {
		const struct record *record = &story->records[i];

		check(story, record);
		story->lives[record->peer].record_count++;
		story->lives[record->peer].send_count += is_send(record);
	}
}

void story_read(struct story *story, const char *path)
{
	memset(story, 0, sizeof(*story));
	map(story, path);
	count(story);
	lay_out(story);
	for (size_t i = 0; i < story->record_count; i++) {
		const struct record *record = &story->records[i];
		struct life *life = &story->lives[record->peer];

		story->by_peer[life->first_record + life->record_count++] = (uint32_t)i;
		read_life(life, record);
		if (is_send(record))
			read_send(story, life, record);
		if (record->kind == RECORD_GOT_ERROR)
			read_error(story, life, record);
	}
}

const struct stay *life_at(const struct life *life, uint64_t time_us)
{
	for (size_t i = 0; i < life->stays.count; i++)
		if (life->stays.list[i].from_us <= time_us && time_us < life->stays.list[i].to_us)
			return &life->stays.list[i];
	return NULL;
}

uint64_t times_within(const struct times *times, uint64_t from_us, uint64_t to_us)
{
	for (size_t i = 0; i < times->count; i++)
		if (times->list[i] >= from_us && times->list[i] <= to_us)
			return times->list[i];
	return NEVER_US;
}
