/*
 * Judges the journal of a run of the swarm, and prints a JSON object of what it found. README.md says
 * what the words mean.
 *
 *     judge JOURNAL [--NAME MS]...
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/memory.h"
#include "console.h"
#include "loop.h"
#include "verdict.h"

static struct {
	const char *fault;
	char text[160];
} examples[EXAMPLES_MAX];
static size_t example_count;

#define EXAMPLES_PER_FAULT_MAX 5

void example(const struct story *story, const char *fault, uint32_t sender, uint32_t receiver,
             uint32_t number, uint64_t time_us)
{
	size_t same = 0;

	for (size_t i = 0; i < example_count; i++)
		same += examples[i].fault == fault;
	if (same == EXAMPLES_PER_FAULT_MAX || example_count == EXAMPLES_MAX)
		return;
	examples[example_count].fault = fault;
	snprintf(examples[example_count].text, sizeof(examples[0].text),
	         "%s: p%u to p%u, number %u, at %.3f s", fault, sender, receiver, number,
	         (double)(time_us - story->begin_us) / 1e6);
	example_count++;
}

void examples_print(void)
{
	printf("\"examples\":[");
	for (size_t i = 0; i < example_count; i++)
		printf("%s\"%s\"", i > 0 ? "," : "", examples[i].text);
	printf("]");
}

void figure_print(const char *name, uint64_t value)
{
	printf("\"%s\":%lu,", name, value);
}

void sample_add(struct sample *sample, uint64_t value_us)
{
	if (sample->count == sample->capacity) {
		sample->capacity = sample->capacity > 0 ? 2 * sample->capacity : 64;
		sample->values_us = mem_resize(sample->values_us,
		                               sample->capacity * sizeof(sample->values_us[0]));
	}
	sample->values_us[sample->count++] =
		value_us < UINT32_MAX ? (uint32_t)value_us : UINT32_MAX;
}

static int compare(const void *a, const void *b)
{
	uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;

	return (left > right) - (left < right);
}

static double quantile_ms(const struct sample *sample, size_t per_mille)
{
	if (sample->count == 0)
		return 0;
	return sample->values_us[(sample->count - 1) * per_mille / 1000] / 1e3;
}

void sample_print(const char *name, struct sample *sample)
{
	if (sample->count > 0)
		qsort(sample->values_us, sample->count, sizeof(sample->values_us[0]), compare);
	printf("\"%s\":{\"count\":%zu,\"p50_ms\":%.1f,\"p99_ms\":%.1f,\"max_ms\":%.1f},", name,
	       sample->count, quantile_ms(sample, 500), quantile_ms(sample, 990),
	       quantile_ms(sample, 1000));
	free(sample->values_us);
}

/* How connections began and ended. */
static void judge_connections(const struct story *story)
{
	static const char *const endings[] = {
#define X(name) "ended_" #name,
		ENDINGS(X)
#undef X
	};
	struct sample upgrade = {.count = 0}, join = {.count = 0};
	uint64_t ended[ENDING_COUNT] = {0}, retry_after = 0, strange = 0, resync = 0,
		 last_join_us = 0;
	uint64_t codes[5000] = {0};

	for (uint32_t i = 0; i < story->life_count; i++) {
		for (size_t j = 1; j <= story->lives[i].visit_count; j++) {
			const struct visit_life *visit = &story->lives[i].visits[j];

			if (visit->upgraded_us != NEVER_US)
				sample_add(&upgrade, visit->upgraded_us - visit->opened_us);
			if (visit->joined_us == NEVER_US)
				continue;
			sample_add(&join, visit->joined_us - visit->opened_us);
			last_join_us =
				visit->joined_us > last_join_us ? visit->joined_us : last_join_us;
		}
	}
	for (size_t i = 0; i < story->record_count; i++) {
		const struct record *record = &story->records[i];

		strange += record->kind == RECORD_GOT_STRANGE;
		resync += record->kind == RECORD_GOT_RESYNC;
		if (record->kind != RECORD_ENDED)
			continue;
		ended[record->code % ENDING_COUNT]++;
		retry_after += record->code == ENDING_STATUS && record->other > 0;
		codes[record->number % 5000] += record->code != ENDING_OWN;
	}
	sample_print("upgrade", &upgrade);
	sample_print("join", &join);
	figure_print("last_join_us", last_join_us);
	figure_print("strange", strange);
	figure_print("resync", resync);
	figure_print("retry_after", retry_after);
	for (int i = 0; i < ENDING_COUNT; i++)
		figure_print(endings[i], ended[i]);
	printf("\"codes\":{");
	const char *separator = "";
	for (size_t i = 1; i < 5000; i++) {
		if (codes[i] > 0)
			printf("%s\"%zu\":%lu", separator, i, codes[i]);
		separator = codes[i] > 0 ? "," : separator;
	}
	printf("},");
}

static const struct {
	const char *name;
	size_t offset; /* in struct rules */
} options[] = {
	{"--ttl", offsetof(struct rules, ttl_us)},
	{"--due", offsetof(struct rules, due_us)},
	{"--away", offsetof(struct rules, away_us)},
	{"--in-flight", offsetof(struct rules, in_flight_us)},
	{"--told", offsetof(struct rules, told_us)},
	{"--slack", offsetof(struct rules, slack_us)},
	{"--old", offsetof(struct rules, old_us)},
	{"--from", offsetof(struct rules, from_us)},
	{"--until", offsetof(struct rules, until_us)},
};

static void read_option(struct rules *rules, const char *name, const char *value)
{
	uint64_t ms;

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		if (strcmp(options[i].name, name) != 0)
			continue;
		if (!word_number(value, UINT64_MAX / 1000, &ms))
			die("%s is no number of milliseconds", value);
		*(uint64_t *)(void *)((char *)rules + options[i].offset) = ms * 1000;
		return;
	}
	die("there is no option %s", name);
}

int main(int argc, char **argv)
{
	struct rules rules = {.ttl_us = 30000000,
	                      .due_us = 4000000,
	                      .in_flight_us = 1000000,
	                      .told_us = 40000000,
	                      .slack_us = 3000000,
	                      .old_us = 5000000,
	                      .until_us = UINT64_MAX};
	struct story story;

	if (argc < 2 || argc % 2 != 0)
		die("Usage: judge JOURNAL [--NAME MS]...");
	for (int i = 2; i < argc; i += 2)
		read_option(&rules, argv[i], argv[i + 1]);
	if (rules.away_us == 0)
		rules.away_us = rules.ttl_us + rules.due_us;
	story_read(&story, argv[1]);
	putchar('{');
	figure_print("records", story.record_count);
	figure_print("begin_us", story.begin_us);
	figure_print("end_us", story.end_us);
	judge_messages(&story, &rules);
	judge_views(&story, &rules);
	judge_connections(&story);
	examples_print();
	puts("}");
	return 0;
}
