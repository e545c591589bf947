/* What the judge finds: figures, distributions and examples, printed as JSON. */
#pragma once

#include <stdint.h>

#include "lives.h"

struct rules {
	uint64_t ttl_us; /* of the relay */
	uint64_t due_us; /* after the TTL, who went must have been called offline */
	uint64_t
		in_flight_us; /* so close to the end of a stay by own will, a message may be lost */
	uint64_t away_us;     /* so long after it is back, who was away may be called offline */
	uint64_t told_us;     /* so long after sending, a notice counts as telling of the message */
	uint64_t slack_us;    /* so long after it was true, an offline may be heard */
	uint64_t old_us;      /* a delivery later than this is an old one */
	uint64_t from_us, until_us; /* messages sent outside are not judged */
};

/* A distribution; the values are microseconds. */
struct sample {
	uint32_t *values_us;
	size_t count, capacity;
};

void sample_add(struct sample *sample, uint64_t value_us);

/* "name":{"count":..,"p50_ms":..,"p99_ms":..,"max_ms":..}, */
void sample_print(const char *name, struct sample *sample);

/* "name":value, */
void figure_print(const char *name, uint64_t value);

#define EXAMPLES_MAX 40

/* Keeps a sentence about the first few faults of each kind. */
void example(const struct story *story, const char *fault, uint32_t sender, uint32_t receiver,
             uint32_t number, uint64_t time_us);
void examples_print(void);

/* May the relay have called it offline in [from_us, to_us], or does it still? */
bool was_away(const struct life *life, const struct rules *rules, uint64_t from_us, uint64_t to_us);

/* Who got what: lost, twice, out of order, late. Prints its figures. */
void judge_messages(const struct story *story, const struct rules *rules);

/* Who saw whom come and go. Prints its figures. */
void judge_views(const struct story *story, const struct rules *rules);
