#include "common/metrics.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

#include "common/list.h"
#include "common/memory.h"

#define BOUNDS_MAX 16

enum kind { KIND_COUNTER, KIND_GAUGE, KIND_GAUGE_LEAST, KIND_GAUGE_MOST, KIND_HISTOGRAM };

struct histogram {
	size_t bound_count;
	double bounds[BOUNDS_MAX];
	struct metric *counts; /* per bucket, not summed up; the last one has no bound */
	struct metric *sum;    /* the bits of a double */
};

/* All metrics of one name. */
struct family {
	struct list link;
	const char *name;
	const char *help;
	const char *label; /* or NULL */
	enum kind kind;
	struct list samples;         /* of counters and gauges */
	struct histogram *histogram; /* of histograms, else NULL */
};

struct sample {
	struct list link;
	struct metric *metric;
	char *label_value; /* or NULL */
};

static struct list families = {&families, &families};

/* The numbers themselves: our own page, and those of the others that we show. */
static struct metrics_page alone;
static struct metrics_page *shown = &alone;
static size_t page_count = 1;
static size_t own_page;
static size_t number_count;

/* The next `count` numbers of our page. */
static struct metric *take_numbers(size_t count)
{
	struct metric *first = shown[own_page].numbers + number_count;

	assert(!shown[own_page].in_use);
	assert(number_count + count <= METRICS_NUMBERS_MAX);
	number_count += count;
	return first;
}

static bool same(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static struct family *family_of(enum kind kind, const char *name, const char *help,
                                const char *label)
{
	LIST_EACH(&families, link) {
		struct family *family = LIST_ENTRY(link, struct family, link);
		if (same(family->name, name)) {
			assert(family->kind == kind && same(family->label, label));
			return family;
		}
	}

	struct family *family = mem_alloc(sizeof(*family));
	*family = (struct family){.name = name, .help = help, .label = label, .kind = kind};
	list_init(&family->samples);
	list_append(&families, &family->link);
	return family;
}

static struct metric *metric_of(struct family *family, const char *label_value)
{
	assert((family->label == NULL) == (label_value == NULL));
	LIST_EACH(&family->samples, link) {
		struct sample *sample = LIST_ENTRY(link, struct sample, link);
		if (same(sample->label_value, label_value))
			return sample->metric;
	}

	struct sample *sample = mem_zero(sizeof(*sample));
	sample->metric = take_numbers(1);
	if (family->kind != KIND_COUNTER)
		metric_set(sample->metric, 0); /* of who had the page before */
	if (label_value != NULL)
		sample->label_value = mem_copy(label_value, strlen(label_value) + 1);
	list_append(&family->samples, &sample->link);
	return sample->metric;
}

struct metric *metric_counter(const char *name, const char *help, const char *label,
                              const char *label_value)
{
	return metric_of(family_of(KIND_COUNTER, name, help, label), label_value);
}

struct metric *metric_gauge(const char *name, const char *help, const char *label,
                            const char *label_value)
{
	return metric_of(family_of(KIND_GAUGE, name, help, label), label_value);
}

struct metric *metric_gauge_least(const char *name, const char *help, const char *label,
                                  const char *label_value)
{
	return metric_of(family_of(KIND_GAUGE_LEAST, name, help, label), label_value);
}

struct metric *metric_gauge_most(const char *name, const char *help, const char *label,
                                 const char *label_value)
{
	return metric_of(family_of(KIND_GAUGE_MOST, name, help, label), label_value);
}

struct histogram *metric_histogram(const char *name, const char *help, const double *bounds,
                                   size_t bound_count)
{
	struct family *family = family_of(KIND_HISTOGRAM, name, help, NULL);

	if (family->histogram != NULL)
		return family->histogram;
	assert(bound_count >= 1 && bound_count <= BOUNDS_MAX);
	for (size_t i = 1; i < bound_count; i++)
		assert(bounds[i - 1] < bounds[i]);

	struct histogram *histogram = mem_zero(sizeof(*histogram));
	histogram->bound_count = bound_count;
	memcpy(histogram->bounds, bounds, bound_count * sizeof(*bounds));
	histogram->counts = take_numbers(bound_count + 1);
	histogram->sum = take_numbers(1);
	family->histogram = histogram;
	return histogram;
}

static double double_of(uint64_t bits)
{
	double value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

static uint64_t bits_of(double value)
{
	uint64_t bits;

	memcpy(&bits, &value, sizeof(bits));
	return bits;
}

void histogram_observe(struct histogram *histogram, double value)
{
	size_t bucket = 0;

	while (bucket < histogram->bound_count && value > histogram->bounds[bucket])
		bucket++;
	metric_add(&histogram->counts[bucket], 1);
	metric_set(histogram->sum, bits_of(double_of(metric_value(histogram->sum)) + value));
}

/* The same number in another process's page. */
static uint64_t value_in(size_t page, const struct metric *metric)
{
	return metric_value(&shown[page].numbers[metric - shown[own_page].numbers]);
}

static uint64_t sum_of(const struct metric *metric)
{
	uint64_t sum = 0;

	for (size_t page = 0; page < page_count; page++)
		sum += value_in(page, metric);
	return sum;
}

static double sum_of_doubles(const struct metric *metric)
{
	double sum = 0;

	for (size_t page = 0; page < page_count; page++)
		sum += double_of(value_in(page, metric));
	return sum;
}

static int64_t gauge_of(enum kind kind, const struct metric *metric)
{
	int64_t result = (int64_t)metric_value(metric);

	for (size_t page = 0; page < page_count; page++) {
		if (page == own_page || !shown[page].in_use)
			continue;
		int64_t value = (int64_t)value_in(page, metric);
		if (kind == KIND_GAUGE)
			result += value;
		else if (kind == KIND_GAUGE_LEAST ? value < result : value > result)
			result = value;
	}
	return result;
}

/* Backslashes and ends of lines, and quotes where the text stands in quotes. */
static void append_escaped(struct buffer *out, const char *text, bool in_quotes)
{
	for (; *text != '\0'; text++) {
		if (*text == '\n')
			buffer_append(out, SLICE("\\n"));
		else if (*text == '\\')
			buffer_append(out, SLICE("\\\\"));
		else if (*text == '"' && in_quotes)
			buffer_append(out, SLICE("\\\""));
		else
			buffer_append(out, (struct slice){text, 1});
	}
}

static void append_head(struct buffer *out, const struct family *family)
{
	static const char *const kinds[] = {"counter", "gauge", "gauge", "gauge", "histogram"};

	buffer_printf(out, "# HELP %s ", family->name);
	append_escaped(out, family->help, false);
	buffer_printf(out, "\n# TYPE %s %s\n", family->name, kinds[family->kind]);
}

static void append_sample(struct buffer *out, const struct family *family,
                          const struct sample *sample)
{
	buffer_append(out, slice_of(family->name));
	if (family->label != NULL) {
		buffer_printf(out, "{%s=\"", family->label);
		append_escaped(out, sample->label_value, true);
		buffer_append(out, SLICE("\"}"));
	}
	if (family->kind == KIND_COUNTER)
		buffer_printf(out, " %" PRIu64 "\n", sum_of(sample->metric));
	else
		buffer_printf(out, " %" PRId64 "\n", gauge_of(family->kind, sample->metric));
}

static void append_histogram(struct buffer *out, const char *name,
                             const struct histogram *histogram)
{
	uint64_t count = 0;

	for (size_t i = 0; i < histogram->bound_count; i++) {
		count += sum_of(&histogram->counts[i]);
		buffer_printf(out, "%s_bucket{le=\"%.15g\"} %" PRIu64 "\n", name,
		              histogram->bounds[i], count);
	}
	count += sum_of(&histogram->counts[histogram->bound_count]);
	buffer_printf(out, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n", name, count);
	buffer_printf(out, "%s_sum %.15g\n", name, sum_of_doubles(histogram->sum));
	buffer_printf(out, "%s_count %" PRIu64 "\n", name, count);
}

void metrics_render(struct buffer *out)
{
	LIST_EACH(&families, link) {
		const struct family *family = LIST_ENTRY(link, struct family, link);
		append_head(out, family);
		if (family->kind == KIND_HISTOGRAM)
			append_histogram(out, family->name, family->histogram);
		LIST_EACH(&family->samples, sample_link)
			append_sample(out, family, LIST_ENTRY(sample_link, struct sample, link));
	}
}

static void family_destroy(struct family *family)
{
	LIST_EACH(&family->samples, link) {
		struct sample *sample = LIST_ENTRY(link, struct sample, link);
		free(sample->label_value);
		free(sample);
	}
	free(family->histogram);
	free(family);
}

void metrics_reset(void)
{
	LIST_EACH(&families, link)
		family_destroy(LIST_ENTRY(link, struct family, link));
	list_init(&families);
	memset(&alone, 0, sizeof(alone));
	shown = &alone;
	page_count = 1;
	own_page = 0;
	number_count = 0;
}

void metrics_share(struct metrics_page *pages, size_t count, size_t own)
{
	assert(number_count == 0 && own < count);
	shown = pages;
	page_count = count;
	own_page = own;
}

void metrics_enter(void)
{
	shown[own_page].in_use = true;
}

void metrics_leave(struct metrics_page *page)
{
	page->in_use = false;
}
