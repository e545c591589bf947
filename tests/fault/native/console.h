/*
 * Lines on stdin are commands, and each is answered by one line on stdout: "ok ..." or "error ...".
 * The end of stdin ends the program.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WORDS_MAX 16

struct command {
	const char *name;
	const char *arguments; /* for whoever gets them wrong; "[" begins the optional ones */
	bool (*run)(char **words,
	            size_t count); /* without the name; answers, and returns false on wrong words */
};

/* The table is borrowed for ever, its last row has no name. */
void console_open(const struct command *commands);

/* Answers. Each command answers exactly once; what it refuses by returning false is answered for it. */
void console_ok(const char *format, ...) __attribute__((format(printf, 1, 2)));
void console_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Reads a word as a number of at most `most`. Returns false if it is none. */
bool word_number(const char *word, uint64_t most, uint64_t *number);
