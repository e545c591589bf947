/*
 * The rows of options.def as data, for what reads and prints them. Of no interest outside
 * relay/ops/options*.
 */
#pragma once

#include <stddef.h>

#include "ops/options.h"

enum option_kind {
	OPTION_KIND_GROUP, /* no option: the heading of those that follow */
	OPTION_KIND_NUMBER,
	OPTION_KIND_SIZE,
	OPTION_KIND_CHOICE,
	OPTION_KIND_ADDRESS,
	OPTION_KIND_URL,
	OPTION_KIND_PREFIX,
	OPTION_KIND_TEXT,
	OPTION_KIND_PATH,
	OPTION_KIND_WORDS,
	OPTION_KIND_PAIRS,
	OPTION_KIND_ORIGINS,
	OPTION_KIND_NETWORKS,
};

struct option_row {
	const char *name; /* as in C: ttl_seconds; of a group its title */
	enum option_kind kind;
	size_t offset;       /* in struct options */
	uint64_t min, max;   /* numbers and sizes */
	const char *choices; /* separated by | */
	bool optional;       /* "none" is allowed */
	const char *preset;
	const char *agentcore; /* NULL: the preset */
	const char *help;
};

#define OPTION_ROWS_MAX 96

extern const struct option_row option_rows[];
extern const size_t option_row_count;

/* Enough for any name, flag and variable of the table, and for any description. */
#define OPTION_NAME_SIZE 64
#define OPTION_DESCRIPTION_SIZE 256

/* "--ttl-seconds" and "RELAY_TTL_SECONDS" */
void option_flag(const struct option_row *row, char flag[static OPTION_NAME_SIZE]);
void option_variable(const struct option_row *row, char variable[static OPTION_NAME_SIZE]);

/* What stands for the value in the help: N, BYTES, HOST:PORT, all|to */
const char *option_placeholder(const struct option_row *row);

/* For a sentence that begins "--ttl-seconds must be": "a whole number from 1 to 3600" */
void option_allowed(const struct option_row *row, char text[static OPTION_DESCRIPTION_SIZE]);

/* "1MiB" if it is that exactly, else the number */
void option_size_text(uint64_t size, char text[static OPTION_NAME_SIZE]);

/*
 * Reads a value into the row's member. A list grows by it, all else is replaced. Returns false,
 * the member then being undefined, if the value is not allowed.
 */
bool option_set(const struct option_row *row, struct options *options, const char *text)
	__attribute__((warn_unused_result));
