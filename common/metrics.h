/*
 * The process's counters, in the text format of Prometheus (version 0.0.4); or those of several
 * processes together.
 *
 *	static struct metric *closed;
 *	closed = metric_counter("p2p_relay_closes_total", "Connections closed, by close code.", "code", "1001");
 *	metric_add(closed, 1);
 *
 * A metric is looked up once, at start, and kept as a pointer; counting is an addition. At most one
 * label, whose values are known to the program: never a stranger's string.
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#include "common/buffer.h"

/* Of one process. A metric is one number, a histogram up to 18. */
#define METRICS_NUMBERS_MAX 511

/* Written by one process only, so nothing needs a lock; read by others, too. */
struct metric {
	_Atomic uint64_t value; /* a gauge that goes down wraps around and back */
};
struct histogram;

/* All numbers of one process. Zeroed memory is one that has counted nothing yet. */
struct metrics_page {
	atomic_bool in_use; /* metrics_enter() to metrics_leave(): its gauges count */
	struct metric numbers[METRICS_NUMBERS_MAX];
};

/*
 * Return the metric of that name and label value, made if it is new; borrowed, good until
 * metrics_reset(). `name`, `help`, `label` must be literals; `label_value` is copied.
 * `label` NULL: no label.
 */
struct metric *metric_counter(const char *name, const char *help, const char *label,
                              const char *label_value);
struct metric *metric_gauge(const char *name, const char *help, const char *label,
                            const char *label_value);

/* What several processes show of it is not the sum, but the least, or the most. */
struct metric *metric_gauge_least(const char *name, const char *help, const char *label,
                                  const char *label_value);
struct metric *metric_gauge_most(const char *name, const char *help, const char *label,
                                 const char *label_value);

/* Upper bounds must rise, `bound_count` 1..16; unit as the name says. */
struct histogram *metric_histogram(const char *name, const char *help, const double *bounds,
                                   size_t bound_count);

static inline uint64_t metric_value(const struct metric *metric)
{
	return atomic_load_explicit(&metric->value, memory_order_relaxed);
}

static inline void metric_set(struct metric *metric, uint64_t value)
{
	atomic_store_explicit(&metric->value, value, memory_order_relaxed);
}

static inline void metric_add(struct metric *metric, uint64_t count)
{
	metric_set(metric, metric_value(metric) + count);
}

static inline void metric_subtract(struct metric *metric, uint64_t count)
{
	metric_set(metric, metric_value(metric) - count);
}

void histogram_observe(struct histogram *histogram, double value);

/* Appends all metrics: HELP and TYPE once per name, samples in the order of their making. */
void metrics_render(struct buffer *out);

/* Frees all metrics; pointers to them are dead. For the end of the process and for tests. */
void metrics_reset(void);

/*
 * Several processes that show what all of them count: each has a page of its own in memory that all
 * share. To be called before the first metric is made; all must make the same ones in the same order.
 * Borrows the pages until metrics_reset(). Counters go on from where the page has them, so that they
 * never fall when a process takes the place of one that died.
 */
void metrics_share(struct metrics_page *pages, size_t count, size_t own);

/* All metrics are made: from now on the gauges of this process count, too. */
void metrics_enter(void);

/* The process whose page it is has ended, and its gauges with it. */
void metrics_leave(struct metrics_page *page);
