#include "bench/report.h"

#include <stdarg.h>
#include <stdio.h>

#include "bench/speech.h"

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

static void print_for_people(const struct report *report, const struct crowd *crowd)
{
	const struct processes *processes = &crowd->bench->processes;
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
	if (report->latencies.count > 0)
		print_latencies("latency", &report->latencies);
	if (report->late.count > 0)
		print_latencies("sent after the due time", &report->late);
	if (crowd->gaps + crowd->duplicates + crowd->errors > 0)
		printf("  WRONG: %lu gaps, %lu duplicates, %lu errors\n", crowd->gaps,
		       crowd->duplicates, crowd->errors);
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
		printf("%s\"%s\":%.2f", i == 0 ? "" : ",", bench->processes.list[i].name,
		       used(stretch, i));
	printf("},\"generator_cpu_seconds\":%.2f,\"per_cpu_second\":%.1f,\"per_second\":%.1f",
	       stretch->own_cpu_seconds, per(stretch->count, cpu),
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
