#include "bench/measure.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bench/net.h"
#include "common/memory.h"

static double seconds_of(clockid_t clock)
{
	struct timespec used;

	clock_gettime(clock, &used);
	return (double)used.tv_sec + (double)used.tv_nsec / 1e9;
}

/* The kernel's own clock of the process: of all its threads, those that have ended included. */
static double process_cpu(const struct process *process)
{
	clockid_t clock;

	if (clock_getcpuclockid(process->pid, &clock) != 0)
		die("process %d (%s) is gone", process->pid, process->name);
	return seconds_of(clock);
}

struct cpu cpu_read(const struct processes *processes)
{
	struct cpu cpu = {{0}};

	for (size_t i = 0; i < processes->count; i++)
		cpu.seconds[i] = process_cpu(&processes->list[i]);
	return cpu;
}

double cpu_sum(const struct processes *processes, const struct cpu *begin, const struct cpu *end)
{
	double sum = 0;

	for (size_t i = 0; i < processes->count; i++)
		sum += end->seconds[i] - begin->seconds[i];
	return sum;
}

/* The number after the label, in a file of lines. */
static double number_in(const char *path, const char *label)
{
	char line[512];
	FILE *file = fopen(path, "r");

	if (file == NULL)
		die("cannot read %s", path);
	while (fgets(line, sizeof(line), file) != NULL) {
		const char *found = strstr(line, label);

		if (found != NULL) {
			fclose(file);
			return strtod(found + strlen(label), NULL);
		}
	}
	die("%s does not say %s", path, label);
}

/* The kernel keeps what a socket is in slabs, and what waits in it in pages of the TCP's own. */
struct memory memory_read(const struct processes *processes)
{
	struct memory memory = {.kernel_bytes = 0};

	for (size_t i = 0; i < processes->count; i++) {
		char path[64];

		snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", processes->list[i].pid);
		memory.process_bytes[i] = number_in(path, "Pss:") * 1024;
	}
	memory.kernel_bytes =
		number_in("/proc/meminfo", "Slab:") * 1024 +
		number_in("/proc/net/sockstat", " mem ") * (double)sysconf(_SC_PAGESIZE);
	return memory;
}

double cpu_own(void)
{
	return seconds_of(CLOCK_PROCESS_CPUTIME_ID);
}

void stretch_begin(struct stretch *stretch, const struct processes *processes, uint64_t count)
{
	stretch->begin = cpu_read(processes);
	stretch->own_cpu_seconds = -cpu_own();
	stretch->seconds = -(double)net_now() / 1e9;
	stretch->count = count;
}

void stretch_end(struct stretch *stretch, const struct processes *processes, uint64_t count)
{
	stretch->end = cpu_read(processes);
	stretch->own_cpu_seconds += cpu_own();
	stretch->seconds += (double)net_now() / 1e9;
	stretch->count = count - stretch->count;
}

void samples_add(struct samples *samples, uint64_t ns)
{
	if (samples->count == samples->capacity) {
		samples->capacity = samples->capacity == 0 ? 65536 : 2 * samples->capacity;
		samples->ns = mem_resize(samples->ns, samples->capacity * sizeof(uint64_t));
	}
	samples->ns[samples->count++] = ns;
}

void samples_fini(struct samples *samples)
{
	free(samples->ns);
	*samples = (struct samples){.count = 0};
}

static int compare(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	return left < right ? -1 : left > right;
}

void samples_sort(struct samples *samples)
{
	if (samples->count > 0)
		qsort(samples->ns, samples->count, sizeof(uint64_t), compare);
}

double samples_share(const struct samples *samples, double share)
{
	if (samples->count == 0)
		return 0;
	return (double)samples->ns[(size_t)(share * (double)(samples->count - 1))] / 1e6;
}
