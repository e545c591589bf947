/* How a run ends: its figures, for people or as one line of JSON. */
#pragma once

#include "bench/peer.h"

struct report {
	const char *unit; /* what was counted: "deliveries" */
	struct stretch stretch;
	struct samples latencies;    /* of an open loop, else empty */
	struct samples late;         /* how late the generator itself was */
	bool idle;                   /* nothing was done in the stretch but to be there */
	struct memory before, after; /* the sockets came, if idle */
};

/* What is measured begins and ends; `count` is what was done before. */
void report_begin(struct report *report, const struct bench *bench, uint64_t count);
void report_end(struct report *report, const struct bench *bench, uint64_t count);

/* For people only: what was run. */
void report_title(const struct bench *bench, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Prints all of it. */
void report_print(struct report *report, const struct crowd *crowd);
void report_fini(struct report *report);
