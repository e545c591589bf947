/* What was counted is rendered in Prometheus's text format, as a scraper reads it. */
#include "common/metrics.h"

#include <stdio.h>

#include "tests/unit/assert_slice.h"

static int tear_down(void **state)
{
	(void)state;
	metrics_reset();
	return 0;
}

static void assert_rendered(const char *wanted)
{
	struct buffer out = {0};

	metrics_render(&out);
	assert_slice(((struct slice){out.data == NULL ? "" : out.data, out.size}), wanted);
	buffer_fini(&out);
}

static void nothing_made_nothing_rendered(void **state)
{
	(void)state;
	assert_rendered("");
}

static void counter_starts_at_zero_and_is_there(void **state)
{
	(void)state;
	struct metric *metric = metric_counter("opened_total", "Opened.", NULL, NULL);

	assert_rendered(
		"# HELP opened_total Opened.\n# TYPE opened_total counter\nopened_total 0\n");
	metric_add(metric, 3);
	metric_add(metric, UINT64_MAX - 3);
	assert_rendered("# HELP opened_total Opened.\n# TYPE opened_total counter\n"
	                "opened_total 18446744073709551615\n");
}

static void gauge_goes_up_and_down(void **state)
{
	(void)state;
	struct metric *metric = metric_gauge("open", "Open.", NULL, NULL);

	metric_add(metric, 3);
	metric_subtract(metric, 2);
	assert_rendered("# HELP open Open.\n# TYPE open gauge\nopen 1\n");
	metric_subtract(metric, 2); /* not 2^64 - 1 */
	assert_rendered("# HELP open Open.\n# TYPE open gauge\nopen -1\n");
	metric_set(metric, 7);
	assert_rendered("# HELP open Open.\n# TYPE open gauge\nopen 7\n");
}

static void one_name_is_one_family(void **state)
{
	(void)state;
	struct metric *in = metric_counter("messages_total", "Messages.", "direction", "in");
	struct metric *other = metric_counter("other_total", "Other.", NULL, NULL);
	struct metric *out = metric_counter("messages_total", "Messages.", "direction", "out");

	metric_add(in, 1);
	metric_add(other, 2);
	metric_add(out, 3);
	/* Samples of a name must stand together, also if others were made in between. */
	assert_rendered("# HELP messages_total Messages.\n# TYPE messages_total counter\n"
	                "messages_total{direction=\"in\"} 1\nmessages_total{direction=\"out\"} 3\n"
	                "# HELP other_total Other.\n# TYPE other_total counter\nother_total 2\n");
}

static void same_name_and_label_is_the_same_metric(void **state)
{
	(void)state;
	char value[] = "in";
	struct metric *metric = metric_counter("messages_total", "Messages.", "direction", value);

	value[0] = 'x'; /* it was copied */
	assert_ptr_equal(metric_counter("messages_total", "Messages.", "direction", "in"), metric);
	assert_ptr_not_equal(metric_counter("messages_total", "Messages.", "direction", "xn"),
	                     metric);
}

static void labels_and_help_are_escaped(void **state)
{
	(void)state;
	metric_counter("a_total", "Back\\slash, \"quotes\",\nnew line.", "label", "b\\c\"d\ne");
	assert_rendered(
		"# HELP a_total Back\\\\slash, \"quotes\",\\nnew line.\n# TYPE a_total counter\n"
		"a_total{label=\"b\\\\c\\\"d\\ne\"} 0\n");
}

static void histogram_sums_up_its_buckets(void **state)
{
	(void)state;
	const double bounds[] = {0.0005, 0.001, 0.25, 10, 2500000};
	struct histogram *histogram = metric_histogram("latency_seconds", "In to out.", bounds, 5);

	histogram_observe(histogram, 0.0005); /* the bound is part of its bucket */
	histogram_observe(histogram, 0.125);
	histogram_observe(histogram, 0.25);
	histogram_observe(histogram, 2500001);
	assert_rendered("# HELP latency_seconds In to out.\n# TYPE latency_seconds histogram\n"
	                "latency_seconds_bucket{le=\"0.0005\"} 1\n"
	                "latency_seconds_bucket{le=\"0.001\"} 1\n"
	                "latency_seconds_bucket{le=\"0.25\"} 3\n"
	                "latency_seconds_bucket{le=\"10\"} 3\n"
	                "latency_seconds_bucket{le=\"2500000\"} 3\n"
	                "latency_seconds_bucket{le=\"+Inf\"} 4\n"
	                "latency_seconds_sum 2500001.3755\n"
	                "latency_seconds_count 4\n");
}

static void histogram_is_found_again(void **state)
{
	(void)state;
	const double bounds[] = {1};
	struct histogram *histogram = metric_histogram("h", "H.", bounds, 1);

	assert_ptr_equal(metric_histogram("h", "H.", bounds, 1), histogram);
	assert_rendered(
		"# HELP h H.\n# TYPE h histogram\nh_bucket{le=\"1\"} 0\nh_bucket{le=\"+Inf\"} 0\n"
		"h_sum 0\nh_count 0\n");
}

static void reset_forgets_all(void **state)
{
	(void)state;
	const double bounds[] = {1};

	metric_add(metric_counter("a_total", "A.", "b", "c"), 5);
	metric_histogram("h", "H.", bounds, 1);
	metrics_reset();
	assert_rendered("");
	metric_gauge("a_total", "Another kind now.", NULL, NULL);
	assert_rendered("# HELP a_total Another kind now.\n# TYPE a_total gauge\na_total 0\n");
}

/* What a process counts; to be called in each, as it is how the numbers find their places. */
struct counted {
	struct metric *closes;
	struct metric *open;
	struct metric *state;
	struct metric *high_water;
	struct histogram *latency;
};

static struct counted count_in(struct metrics_page *pages, size_t own)
{
	static const double bounds[] = {1};

	metrics_reset();
	metrics_share(pages, 3, own);
	struct counted counted = {
		.closes = metric_counter("closes_total", "C.", NULL, NULL),
		.open = metric_gauge("open", "O.", NULL, NULL),
		.state = metric_gauge_least("state", "S.", NULL, NULL),
		.high_water = metric_gauge_most("high_water", "W.", NULL, NULL),
		.latency = metric_histogram("latency", "L.", bounds, 1),
	};
	metrics_enter();
	return counted;
}

static void assert_shown(const char *closes, const char *gauges, const char *latency)
{
	char wanted[1024];

	snprintf(wanted, sizeof(wanted),
	         "# HELP closes_total C.\n# TYPE closes_total counter\n%s\n%s\n"
	         "# HELP latency L.\n# TYPE latency histogram\n%s\n",
	         closes, gauges, latency);
	assert_rendered(wanted);
}

static void processes_are_shown_together(void **state)
{
	(void)state;
	static struct metrics_page pages[3]; /* of the third nobody is there yet */
	struct counted one = count_in(pages, 0);

	metric_add(one.closes, 2);
	metric_set(one.open, 5);
	metric_set(one.state, 1);
	metric_set(one.high_water, 70);
	histogram_observe(one.latency, 0.5);
	struct counted two = count_in(pages, 1);
	metric_add(two.closes, 30);
	metric_set(two.open, 1);
	metric_set(two.state, 3);
	metric_set(two.high_water, 20);
	histogram_observe(two.latency, 2.25);
	assert_shown("closes_total 32",
	             "# HELP open O.\n# TYPE open gauge\nopen 6\n"
	             "# HELP state S.\n# TYPE state gauge\nstate 1\n"
	             "# HELP high_water W.\n# TYPE high_water gauge\nhigh_water 70",
	             "latency_bucket{le=\"1\"} 1\nlatency_bucket{le=\"+Inf\"} 2\n"
	             "latency_sum 2.75\nlatency_count 2");
}

static void counters_outlive_a_process_and_gauges_do_not(void **state)
{
	(void)state;
	static struct metrics_page pages[3];
	struct counted one = count_in(pages, 0);

	metric_add(one.closes, 2);
	metric_set(one.open, 5);
	metric_set(one.high_water, 70);
	struct counted two = count_in(pages, 1);
	metric_set(two.state, 3);
	metrics_leave(&pages[0]);
	static const char gauges[] = "# HELP open O.\n# TYPE open gauge\nopen 0\n"
				     "# HELP state S.\n# TYPE state gauge\nstate 3\n"
				     "# HELP high_water W.\n# TYPE high_water gauge\nhigh_water 0";
	static const char latency[] = "latency_bucket{le=\"1\"} 0\nlatency_bucket{le=\"+Inf\"} 0\n"
				      "latency_sum 0\nlatency_count 0";
	assert_shown("closes_total 2", gauges, latency);

	one = count_in(pages, 0); /* in its place */
	metric_add(one.closes, 1);
	metric_set(one.state, 3);
	assert_shown("closes_total 3", gauges, latency);
}

#define METRICS_TEST(name) cmocka_unit_test_teardown(name, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		METRICS_TEST(nothing_made_nothing_rendered),
		METRICS_TEST(counter_starts_at_zero_and_is_there),
		METRICS_TEST(gauge_goes_up_and_down),
		METRICS_TEST(one_name_is_one_family),
		METRICS_TEST(same_name_and_label_is_the_same_metric),
		METRICS_TEST(labels_and_help_are_escaped),
		METRICS_TEST(histogram_sums_up_its_buckets),
		METRICS_TEST(histogram_is_found_again),
		METRICS_TEST(reset_forgets_all),
		METRICS_TEST(processes_are_shown_together),
		METRICS_TEST(counters_outlive_a_process_and_gauges_do_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
