/* One event is one line that a machine can read back, whoever wrote the values in it. */
#include "common/log.h"

#include <stdio.h>
#include <unistd.h>

#include "tests/unit/assert_slice.h"

/* stderr goes to a file while a test runs, and back for the messages of cmocka. */
static FILE *capture;
static int real_stderr;

static int set_up(void **state)
{
	(void)state;
	log_setup(LOG_LEVEL_INFO, LOG_FORMAT_LOGFMT);
	capture = tmpfile();
	real_stderr = dup(STDERR_FILENO);
	return capture == NULL || dup2(fileno(capture), STDERR_FILENO) < 0 ? -1 : 0;
}

static void restore(void)
{
	dup2(real_stderr, STDERR_FILENO);
}

static int tear_down(void **state)
{
	(void)state;
	restore();
	close(real_stderr);
	return fclose(capture);
}

/* What was written since the test began. */
static struct slice written(void)
{
	static char text[8192];

	restore();
	ssize_t size = pread(fileno(capture), text, sizeof(text), 0);
	assert_true(size >= 0);
	return (struct slice){text, (size_t)size};
}

/* The line without its time, which is checked to be one. */
static struct slice written_after(const char *before, const char *after)
{
	const char pattern[] = "dddd-dd-ddTdd:dd:dd.dddZ";
	struct slice line = written();
	size_t skip = strlen(before) + sizeof(pattern) - 1 + strlen(after);

	assert_true(line.size >= skip);
	assert_memory_equal(line.data, before, strlen(before));
	for (size_t i = 0; i < sizeof(pattern) - 1; i++) {
		char c = line.data[strlen(before) + i];
		assert_true(pattern[i] == 'd' ? c >= '0' && c <= '9' : c == pattern[i]);
	}
	assert_memory_equal(line.data + skip - strlen(after), after, strlen(after));
	return (struct slice){line.data + skip, line.size - skip};
}

static struct slice logfmt_line(void)
{
	return written_after("time=", " ");
}

static struct slice json_line(void)
{
	return written_after("{\"time\":\"", "\",");
}

static void logfmt_has_quotes_where_needed(void **state)
{
	(void)state;
	log_info("connection_closed", LOG_NUMBER("connection", 17), LOG_SLICE("peer", SLICE("a-1")),
	         LOG_TEXT("reason", "going away"));
	assert_slice(
		logfmt_line(),
		"level=info event=connection_closed connection=17 peer=a-1 reason=\"going away\"\n");
}

static void json_is_an_object_per_line(void **state)
{
	(void)state;
	log_setup(LOG_LEVEL_INFO, LOG_FORMAT_JSON);
	log_warn("connection_closed", LOG_NUMBER("connection", 17), LOG_SLICE("peer", SLICE("a-1")),
	         LOG_TEXT("reason", "going away"));
	assert_slice(json_line(),
	             "\"level\":\"warn\",\"event\":\"connection_closed\",\"connection\":17,"
	             "\"peer\":\"a-1\",\"reason\":\"going away\"}\n");
}

static void numbers_are_whole(void **state)
{
	(void)state;
	log_info("x", LOG_NUMBER("zero", 0), LOG_NUMBER("largest", UINT64_MAX));
	assert_slice(logfmt_line(), "level=info event=x zero=0 largest=18446744073709551615\n");
}

static void absent_text_is_empty_text(void **state)
{
	(void)state;
	log_info("x", LOG_SLICE("peer", (struct slice){0}), LOG_TEXT("reason", ""));
	assert_slice(logfmt_line(), "level=info event=x peer=\"\" reason=\"\"\n");
}

/* What a stranger sends cannot begin a line or a field of its own. */
static const struct slice hostile =
	SLICE("a\nlevel=error event=fake \"q\" \\ \x1b[2J \xff \xc2\x9b \xc3\xbc");

static void hostile_value_stays_inside_its_quotes(void **state)
{
	(void)state;
	log_info("x", LOG_SLICE("peer", hostile), LOG_NUMBER("n", 1));
	assert_slice(logfmt_line(),
	             "level=info event=x peer=\"a\\nlevel=error event=fake \\\"q\\\" \\\\ "
	             "\\u001b[2J \\ufffd \\u009b \xc3\xbc\" n=1\n");
}

static void hostile_value_stays_inside_its_quotes_in_json(void **state)
{
	(void)state;
	log_setup(LOG_LEVEL_INFO, LOG_FORMAT_JSON);
	log_info("x", LOG_SLICE("peer", hostile), LOG_NUMBER("n", 1));
	assert_slice(
		json_line(),
		"\"level\":\"info\",\"event\":\"x\",\"peer\":\"a\\nlevel=error event=fake \\\"q\\\" \\\\ "
		"\\u001b[2J \\ufffd \\u009b \xc3\xbc\",\"n\":1}\n");
}

static void equals_sign_alone_needs_quotes(void **state)
{
	(void)state;
	log_info("x", LOG_TEXT("a", "b=c"), LOG_TEXT("d", "\\"), LOG_TEXT("e", "\xc3\xbc"));
	assert_slice(logfmt_line(), "level=info event=x a=\"b=c\" d=\"\\\\\" e=\"\xc3\xbc\"\n");
}

/* Logs the text, and expects what is in the line to be its first `kept` bytes. */
static void assert_kept(const char *text, int kept)
{
	char wanted[400];

	snprintf(wanted, sizeof(wanted), "level=info event=x v=\"%.*s\"\n", kept, text);
	log_info("x", LOG_TEXT("v", text));
	assert_slice(logfmt_line(), wanted);
}

/* A blank, so that there are quotes in any case; then filler up to `size`. */
static char *filler(char *text, size_t size)
{
	memset(text, 'f', size);
	text[0] = ' ';
	text[size] = '\0';
	return text;
}

static void value_of_256_bytes_is_whole(void **state)
{
	(void)state;
	char text[400];

	assert_kept(filler(text, 256), 256);
}

static void longer_value_is_cut(void **state)
{
	(void)state;
	char text[400];

	assert_kept(filler(text, 257), 256);
}

static void no_half_character_of_two_bytes(void **state)
{
	(void)state;
	char text[400];

	assert_kept(strcat(filler(text, 255), "\xc3\xbc and more"), 255);
}

static void no_half_character_of_three_bytes(void **state)
{
	(void)state;
	char text[400];

	assert_kept(strcat(filler(text, 254), "\xe6\x97\xa5 and more"), 254);
}

static void no_half_character_of_four_bytes(void **state)
{
	(void)state;
	char text[400];

	assert_kept(strcat(filler(text, 253), "\xf0\x9f\x98\x80 and more"), 253);
}

static void character_that_ends_at_the_bound_stays(void **state)
{
	(void)state;
	char text[400];

	assert_kept(strcat(filler(text, 252), "\xf0\x9f\x98\x80 and more"), 256);
}

/* 256 bytes that are all no UTF-8: each is escaped, none beyond them. */
static void garbage_is_cut_too(void **state)
{
	(void)state;
	char text[300];

	memset(text, 0x80, sizeof(text));
	log_info("x", LOG_SLICE("v", ((struct slice){text, sizeof(text)})));
	assert_int_equal(logfmt_line().size,
	                 strlen("level=info event=x v=\"\"\n") + 256 * strlen("\\ufffd"));
}

static void what_is_below_the_level_is_not_written(void **state)
{
	(void)state;
	log_debug("no", LOG_NUMBER("n", 1));
	log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_LOGFMT);
	log_warn("no", LOG_NUMBER("n", 1));
	log_error("yes", LOG_NUMBER("n", 1));
	assert_slice(logfmt_line(), "level=error event=yes n=1\n");
}

static void event_needs_no_fields(void **state)
{
	(void)state;
	log_setup(LOG_LEVEL_DEBUG, LOG_FORMAT_LOGFMT);
	log_write(LOG_LEVEL_DEBUG, "x", NULL, 0);
	assert_slice(logfmt_line(), "level=debug event=x\n");
}

static void every_event_has_a_line_of_its_own(void **state)
{
	(void)state;
	size_t lines = 0;

	for (unsigned i = 0; i < 3; i++)
		log_info("x", LOG_NUMBER("n", i));
	struct slice text = written();
	for (size_t i = 0; i < text.size; i++)
		lines += text.data[i] == '\n';
	assert_int_equal(lines, 3);
	assert_int_equal(text.data[text.size - 1], '\n');
}

#define LOG_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static void a_process_of_several_says_which_it_is(void **state)
{
	(void)state;
	log_as("worker", 3);
	log_info("x", LOG_NUMBER("n", 1));
	log_as(NULL, 0);
	assert_slice(logfmt_line(), "level=info event=x worker=3 n=1\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LOG_TEST(logfmt_has_quotes_where_needed),
		LOG_TEST(json_is_an_object_per_line),
		LOG_TEST(numbers_are_whole),
		LOG_TEST(absent_text_is_empty_text),
		LOG_TEST(hostile_value_stays_inside_its_quotes),
		LOG_TEST(hostile_value_stays_inside_its_quotes_in_json),
		LOG_TEST(equals_sign_alone_needs_quotes),
		LOG_TEST(value_of_256_bytes_is_whole),
		LOG_TEST(longer_value_is_cut),
		LOG_TEST(no_half_character_of_two_bytes),
		LOG_TEST(no_half_character_of_three_bytes),
		LOG_TEST(no_half_character_of_four_bytes),
		LOG_TEST(character_that_ends_at_the_bound_stays),
		LOG_TEST(garbage_is_cut_too),
		LOG_TEST(what_is_below_the_level_is_not_written),
		LOG_TEST(event_needs_no_fields),
		LOG_TEST(every_event_has_a_line_of_its_own),
		LOG_TEST(a_process_of_several_says_which_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
