/* What a run is measured by: CPU time of processes, and latencies. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define PROCESSES_MAX 8

struct process {
	const char *name;
	int pid;
};

struct processes {
	struct process list[PROCESSES_MAX];
	size_t count;
};

/* CPU time used so far, user and system, in seconds, of each process; the kernel counts in 10 ms. */
struct cpu {
	double seconds[PROCESSES_MAX];
};

struct cpu cpu_read(const struct processes *processes);

/* Prints " = 1.23 CPU-s (node1 0.50, redis 0.73)" of the time between, and returns the sum. */
double cpu_print(const struct processes *processes, const struct cpu *begin, const struct cpu *end);

/* Zeroed memory is an empty set of latencies. */
struct samples {
	uint64_t *ns;
	size_t count, capacity;
};

void samples_add(struct samples *samples, uint64_t ns);
void samples_fini(struct samples *samples);

/* Prints "p50 0.21 ms, p90 ..., max 3.00 ms". */
void samples_print(struct samples *samples);
