/* What a run is measured by: CPU time of processes, and latencies. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define PROCESSES_MAX 32

struct process {
	const char *name;
	int pid;
};

struct processes {
	struct process list[PROCESSES_MAX];
	size_t count;
};

/* CPU time used so far, user and system, in seconds, of each process. */
struct cpu {
	double seconds[PROCESSES_MAX];
};

struct cpu cpu_read(const struct processes *processes);

/* The sum over all processes of the time between. */
double cpu_sum(const struct processes *processes, const struct cpu *begin, const struct cpu *end);

/* CPU time that the generator itself has used, in seconds. */
double cpu_own(void);

/* Memory of each process, what they share divided among them, and of the kernel's for sockets. */
struct memory {
	double process_bytes[PROCESSES_MAX];
	double kernel_bytes;
};

struct memory memory_read(const struct processes *processes);

/* A stretch of time, what was done in it, and what CPU it took. */
struct stretch {
	uint64_t count;
	double seconds;
	double own_cpu_seconds;
	struct cpu begin, end;
};

/* `count` is what was done before. */
void stretch_begin(struct stretch *stretch, const struct processes *processes, uint64_t count);
void stretch_end(struct stretch *stretch, const struct processes *processes, uint64_t count);

/* Zeroed memory is an empty set of latencies. */
struct samples {
	uint64_t *ns;
	size_t count, capacity;
};

void samples_add(struct samples *samples, uint64_t ns);
void samples_fini(struct samples *samples);

/* Must come before samples_share(), and after the last was added. */
void samples_sort(struct samples *samples);

/* The latency that the share, 0 to 1, of all does not exceed, in ms; 0 of an empty set. */
double samples_share(const struct samples *samples, double share);
