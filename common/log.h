/*
 * One event per line on stderr, as logfmt or JSON.
 *
 *	log_info("connection_closed", LOG_NUMBER("connection", 17), LOG_SLICE("peer", id), LOG_TEXT("reason", why));
 *	time=2026-01-02T03:04:05.678Z level=info event=connection_closed connection=17 peer=a reason="going away"
 *
 * Values may come from strangers: quotes, control characters and bytes that are not UTF-8 are
 * escaped, and what is longer than 256 bytes is cut. Never hand over a token, a password or a payload.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/text.h"

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };
enum log_format { LOG_FORMAT_LOGFMT, LOG_FORMAT_JSON };

struct log_field {
	const char *key;
	struct slice text; /* data == NULL: the number counts */
	uint64_t number;
};

#define LOG_NUMBER(name, value) ((struct log_field){.key = (name), .number = (uint64_t)(value)})
#define LOG_SLICE(name, value) log_field_text((name), (value))
#define LOG_TEXT(name, value) log_field_text((name), slice_of(value))

static inline struct log_field log_field_text(const char *key, struct slice text)
{
	return (struct log_field){.key = key, .text = text.data == NULL ? SLICE("") : text};
}

/* What is below the level is not written. Default: info, logfmt. */
void log_setup(enum log_level level, enum log_format format);

/* Is what has that level written? For what costs something to find out. */
bool log_is_on(enum log_level level);

/* From now on each line has the number, to tell processes apart. `key` is a literal; NULL: no more. */
void log_as(const char *key, uint64_t number);

void log_write(enum log_level level, const char *event, const struct log_field *fields,
               size_t count);

#define LOG_WRITE(level, event, ...)                                         \
	log_write((level), (event), (const struct log_field[]){__VA_ARGS__}, \
	          sizeof((const struct log_field[]){__VA_ARGS__}) / sizeof(struct log_field))
#define log_debug(event, ...) LOG_WRITE(LOG_LEVEL_DEBUG, event, __VA_ARGS__)
#define log_info(event, ...) LOG_WRITE(LOG_LEVEL_INFO, event, __VA_ARGS__)
#define log_warn(event, ...) LOG_WRITE(LOG_LEVEL_WARN, event, __VA_ARGS__)
#define log_error(event, ...) LOG_WRITE(LOG_LEVEL_ERROR, event, __VA_ARGS__)
