#include "bench/report.h"

#include <stdarg.h>
#include <stdio.h>

#include "bench/speech.h"

/* Whoever reads them has counters of its own to look at. */
static void mark(const struct bench *bench, const char *word)
{
	if (!bench->marks)
		return;
	printf("%s\n", word);
	fflush(stdout);
}

void report_begin(struct report *report, const struct bench *bench, uint64_t count)
{
	mark(bench, "begin");
	stretch_begin(&report->stretch, &bench->processes, count);
}

void report_end(struct report *report, const struct bench *bench, uint64_t count)
{
	stretch_end(&report->stretch, &bench->processes, count);
	mark(bench, "end");
}

void report_title(const struct bench *bench, const char *format, ...)
{
	va_list arguments;

	if (bench->json)
		return;
	printf("%s, %s: ", bench->scenario, bench->speech->name);
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	printf("\n");
}

static double used(const struct stretch *stretch, size_t process)
{
	return stretch->end.seconds[process] - stretch->begin.seconds[process];
}

/* 0 of nothing: JSON has no infinity. */
static double per(uint64_t count, double seconds)
{
	return seconds > 0 ? (double)count / seconds : 0;
}

static double grown(const struct report *report, size_t process)
{
	return (report->after.process_bytes[process] - report->before.process_bytes[process]) /
	       (double)report->stretch.count;
}

/* Both ends of a connection are on this machine, and the kernel spends the same on each. */
static double kernel_grown(const struct report *report)
{
	return (report->after.kernel_bytes - report->before.kernel_bytes) / 2 /
	       (double)report->stretch.count;
}

static double all_grown(const struct report *report, const struct processes *processes)
{
	double sum = 0;

	for (size_t i = 0; i < processes->count; i++)
		sum += grown(report, i);
	return sum;
}

static void print_latencies(const char *what, const struct samples *samples)
{
	static const double shares[] = {0.5, 0.9, 0.99, 0.999, 1};
	static const char *const names[] = {"p50", "p90", "p99", "p99.9", "max"};

	printf("  %s: ", what);
	for (size_t i = 0; i < 5; i++)
		printf("%s%s %.2f", i == 0 ? "" : ", ", names[i],
		       samples_share(samples, shares[i]));
	printf(" ms\n");
}

static void print_idle(const struct report *report, const struct processes *processes)
{
	const struct stretch *stretch = &report->stretch;

	printf("  %.0f bytes of memory per socket", all_grown(report, processes));
	for (size_t i = 0; i < processes->count; i++)
		printf("%s%s %.0f", i == 0 ? " (" : ", ", processes->list[i].name,
		       grown(report, i));
	printf("%s, and %.0f of the kernel's\n", processes->count > 0 ? ")" : "",
	       kernel_grown(report));
	printf("  %lu sockets took %.2f CPU-s in %.2f s\n", stretch->count,
	       cpu_sum(processes, &stretch->begin, &stretch->end), stretch->seconds);
}

static void print_work(const struct report *report, const struct processes *processes)
{
	const struct stretch *stretch = &report->stretch;
	double cpu = cpu_sum(processes, &stretch->begin, &stretch->end);

	printf("  %lu %s in %.2f s = %.0f/s\n", stretch->count, report->unit, stretch->seconds,
	       per(stretch->count, stretch->seconds));
	printf("  %.2f CPU-s", cpu);
	for (size_t i = 0; i < processes->count; i++)
		printf("%s%s %.2f", i == 0 ? " (" : ", ", processes->list[i].name,
		       used(stretch, i));
	printf("%s = %.0f %s per CPU-s; the generator took %.2f\n", processes->count > 0 ? ")" : "",
	       per(stretch->count, cpu), report->unit, stretch->own_cpu_seconds);
}

static void print_for_people(const struct report *report, const struct crowd *crowd)
{
	(report->idle ? print_idle : print_work)(report, &crowd->bench->processes);
	if (report->latencies.count > 0)
		print_latencies("latency", &report->latencies);
	if (report->late.count > 0)
		print_latencies("sent after the due time", &report->late);
	if (crowd->gaps + crowd->duplicates + crowd->errors > 0)
		printf("  WRONG: %lu gaps, %lu duplicates, %lu errors\n", crowd->gaps,
		       crowd->duplicates, crowd->errors);
}

static void print_memory(const struct report *report, const struct processes *processes)
{
	printf(",\"bytes_per_socket\":%.0f,\"kernel_bytes_per_socket\":%.0f,\"process_bytes_per_socket\":{",
	       all_grown(report, processes), kernel_grown(report));
	for (size_t i = 0; i < processes->count; i++)
		printf("%s\"%s\":%.0f", i == 0 ? "" : ",", processes->list[i].name,
		       grown(report, i));
	printf("}");
}

static void print_json(const struct report *report, const struct crowd *crowd)
{
	const struct bench *bench = crowd->bench;
	const struct stretch *stretch = &report->stretch;
	double cpu = cpu_sum(&bench->processes, &stretch->begin, &stretch->end);

	printf("{\"scenario\":\"%s\",\"server\":\"%s\",\"%s\":%lu,\"seconds\":%.3f,\"cpu_seconds\":{",
	       bench->scenario, bench->speech->name, report->unit, stretch->count,
	       stretch->seconds);
	for (size_t i = 0; i < bench->processes.count; i++)
		printf("%s\"%s\":%.6f", i == 0 ? "" : ",", bench->processes.list[i].name,
		       used(stretch, i));
	printf("},\"generator_cpu_seconds\":%.2f", stretch->own_cpu_seconds);
	if (report->idle)
		print_memory(report, &bench->processes);
	else
		printf(",\"per_cpu_second\":%.1f,\"per_second\":%.1f", per(stretch->count, cpu),
		       per(stretch->count, stretch->seconds));
	if (report->latencies.count > 0)
		printf(",\"p50_ms\":%.3f,\"p90_ms\":%.3f,\"p99_ms\":%.3f,\"max_ms\":%.3f",
		       samples_share(&report->latencies, 0.5),
		       samples_share(&report->latencies, 0.9),
		       samples_share(&report->latencies, 0.99),
		       samples_share(&report->latencies, 1));
	if (report->late.count > 0)
		printf(",\"late_p99_ms\":%.3f", samples_share(&report->late, 0.99));
	printf(",\"gaps\":%lu,\"duplicates\":%lu,\"errors\":%lu}\n", crowd->gaps, crowd->duplicates,
	       crowd->errors);
}

void report_print(struct report *report, const struct crowd *crowd)
{
	samples_sort(&report->latencies);
	samples_sort(&report->late);
	if (crowd->bench->json)
		print_json(report, crowd);
	else
		print_for_people(report, crowd);
}

void report_fini(struct report *report)
{
	samples_fini(&report->latencies);
	samples_fini(&report->late);
}
