#include "common/metrics.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

#include "common/list.h"
#include "common/memory.h"

#define BOUNDS_MAX 16

enum kind { KIND_COUNTER, KIND_GAUGE, KIND_HISTOGRAM };

struct histogram {
	size_t bound_count;
	double bounds[BOUNDS_MAX];
	uint64_t counts[BOUNDS_MAX + 1]; /* per bucket, not summed up; the last one has no bound */
	double sum;
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
	struct metric metric;
	char *label_value; /* or NULL */
};

static struct list families = {&families, &families};

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
			return &sample->metric;
	}

	struct sample *sample = mem_zero(sizeof(*sample));
	if (label_value != NULL)
		sample->label_value = mem_copy(label_value, strlen(label_value) + 1);
	list_append(&family->samples, &sample->link);
	return &sample->metric;
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
	family->histogram = histogram;
	return histogram;
}

void histogram_observe(struct histogram *histogram, double value)
{
	size_t bucket = 0;

	while (bucket < histogram->bound_count && value > histogram->bounds[bucket])
		bucket++;
	histogram->counts[bucket]++;
	histogram->sum += value;
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
	static const char *const kinds[] = {"counter", "gauge", "histogram"};

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
	if (family->kind == KIND_GAUGE)
		buffer_printf(out, " %" PRId64 "\n", (int64_t)sample->metric.value);
	else
		buffer_printf(out, " %" PRIu64 "\n", sample->metric.value);
}

static void append_histogram(struct buffer *out, const char *name,
                             const struct histogram *histogram)
{
	uint64_t count = 0;

	for (size_t i = 0; i < histogram->bound_count; i++) {
		count += histogram->counts[i];
		buffer_printf(out, "%s_bucket{le=\"%.15g\"} %" PRIu64 "\n", name,
		              histogram->bounds[i], count);
	}
	count += histogram->counts[histogram->bound_count];
	buffer_printf(out, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n", name, count);
	buffer_printf(out, "%s_sum %.15g\n", name, histogram->sum);
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
}
