#include "common/log.h"

#include <errno.h>
#include <inttypes.h>
#include <time.h>
#include <unistd.h>

#include "common/buffer.h"
#include "common/clock.h"
#include "common/quote.h"
#include "common/utf8.h"

#define VALUE_BYTES_MAX 256

static enum log_level level_min = LOG_LEVEL_INFO;
static enum log_format line_format = LOG_FORMAT_LOGFMT;
static struct log_field process; /* key NULL: none */

void log_setup(enum log_level level, enum log_format format)
{
	level_min = level;
	line_format = format;
}

bool log_is_on(enum log_level level)
{
	return level >= level_min;
}

void log_as(const char *key, uint64_t number)
{
	process = LOG_NUMBER(key, number);
}

static const char *level_name(enum log_level level)
{
	switch (level) {
	case LOG_LEVEL_DEBUG:
		return "debug";
	case LOG_LEVEL_INFO:
		return "info";
	case LOG_LEVEL_WARN:
		return "warn";
	case LOG_LEVEL_ERROR:
		break;
	}
	return "error";
}

/* At most 256 bytes, and no half character at the end. */
static struct slice cut(struct slice text)
{
	uint32_t code;

	if (text.size <= VALUE_BYTES_MAX)
		return text;
	/* A character that lies across the bound begins at most three bytes before it. */
	for (size_t size = VALUE_BYTES_MAX - 3; size < VALUE_BYTES_MAX; size++) {
		size_t character = utf8_decode(text.data + size, text.data + text.size, &code);
		if (size + character > VALUE_BYTES_MAX)
			return (struct slice){text.data, size};
	}
	return (struct slice){text.data, VALUE_BYTES_MAX};
}

/* May it stand in a logfmt line without quotes? */
static bool is_bare(struct slice text)
{
	for (size_t i = 0; i < text.size; i++) {
		char c = text.data[i];
		if (c <= ' ' || c > '~' || c == '"' || c == '\\' || c == '=')
			return false;
	}
	return text.size > 0;
}

/* Key and separator; keys are the program's own words. */
static void append_key(struct buffer *line, const char *key)
{
	if (line_format == LOG_FORMAT_JSON)
		buffer_printf(line, ",\"%s\":", key);
	else
		buffer_printf(line, " %s=", key);
}

static void append_text(struct buffer *line, const char *key, struct slice text)
{
	append_key(line, key);
	text = cut(text);
	if (line_format == LOG_FORMAT_LOGFMT && is_bare(text))
		buffer_append(line, text);
	else
		quote_append(line, text);
}

static void append_field(struct buffer *line, const struct log_field *field)
{
	if (field->text.data != NULL) {
		append_text(line, field->key, field->text);
		return;
	}
	append_key(line, field->key);
	buffer_printf(line, "%" PRIu64, field->number);
}

static void append_time(struct buffer *line, uint64_t wall_ms)
{
	time_t seconds = (time_t)(wall_ms / 1000);
	struct tm day;
	char text[32];

	gmtime_r(&seconds, &day);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &day);
	buffer_printf(line,
	              line_format == LOG_FORMAT_JSON ? "{\"time\":\"%s.%03uZ\"" : "time=%s.%03uZ",
	              text, (unsigned)(wall_ms % 1000));
}

/* One write for the line, so that the lines of several processes do not mix. */
static void write_all(struct slice line)
{
	while (line.size > 0) {
		ssize_t written = write(STDERR_FILENO, line.data, line.size);
		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			return; /* nobody is left to be told */
		line.data += written;
		line.size -= (size_t)written;
	}
}

void log_write(enum log_level level, const char *event, const struct log_field *fields,
               size_t count)
{
	static struct buffer line; /* kept: no allocation per line */

	if (!log_is_on(level))
		return;
	buffer_clear(&line);
	append_time(&line, clock_wall_ms());
	append_text(&line, "level", slice_of(level_name(level)));
	append_text(&line, "event", slice_of(event));
	if (process.key != NULL)
		append_field(&line, &process);
	for (size_t i = 0; i < count; i++)
		append_field(&line, &fields[i]);
	buffer_append(&line, line_format == LOG_FORMAT_JSON ? SLICE("}\n") : SLICE("\n"));
	write_all(buffer_slice(&line));
}
