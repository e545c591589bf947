/*
 * The process's counters, in the text format of Prometheus (version 0.0.4).
 *
 *	static struct metric *closed;
 *	closed = metric_counter("p2p_relay_closes_total", "Connections closed, by close code.", "code", "1001");
 *	metric_add(closed, 1);
 *
 * A metric is looked up once, at start, and kept as a pointer; counting is an addition. At most one
 * label, whose values are known to the program: never a stranger's string.
 */
#pragma once

#include <stdint.h>

#include "common/buffer.h"

struct metric {
	uint64_t value; /* a gauge that goes down wraps around and back */
};
struct histogram;

/*
 * Return the metric of that name and label value, made if it is new; borrowed, good until
 * metrics_reset(). `name`, `help`, `label` must be literals; `label_value` is copied.
 * `label` NULL: no label.
 */
struct metric *metric_counter(const char *name, const char *help, const char *label,
                              const char *label_value);
struct metric *metric_gauge(const char *name, const char *help, const char *label,
                            const char *label_value);

/* Upper bounds must rise, `bound_count` 1..16; unit as the name says. */
struct histogram *metric_histogram(const char *name, const char *help, const double *bounds,
                                   size_t bound_count);

static inline void metric_add(struct metric *metric, uint64_t count)
{
	metric->value += count;
}

static inline void metric_subtract(struct metric *metric, uint64_t count)
{
	metric->value -= count;
}

static inline void metric_set(struct metric *metric, uint64_t value)
{
	metric->value = value;
}

void histogram_observe(struct histogram *histogram, double value);

/* Appends all metrics: HELP and TYPE once per name, samples in the order of their making. */
void metrics_render(struct buffer *out);

/* Frees all metrics; pointers to them are dead. For the end of the process and for tests. */
void metrics_reset(void);
