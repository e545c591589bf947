/*
 * Slices: bytes that belong to somebody else.
 *
 * A slice is a pointer and a length, passed by value. It borrows: it is good for as long as the
 * buffer behind it, and is not terminated by a zero. data == NULL means "absent", which is not
 * the same as empty.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
	const char *data;
	size_t size;
};

/* A slice over a string literal, its terminating zero left out; also good in initialisers. */
#define SLICE(literal) ((struct slice){(literal), sizeof(literal) - 1})

/* For printf: printf("%.*s", SLICE_ARGS(slice)). */
#define SLICE_ARGS(slice) (int)(slice).size, (slice).data

static inline struct slice slice_of(const char *text)
{
	return (struct slice){text, strlen(text)};
}

static inline bool slice_equal(struct slice a, struct slice b)
{
	return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

static inline bool slice_is(struct slice slice, const char *text)
{
	return slice_equal(slice, slice_of(text));
}

/* Letters of ASCII are equal in either case. */
bool slice_equal_any_case(struct slice a, struct slice b);

static inline bool slice_starts(struct slice slice, struct slice start)
{
	return slice.size >= start.size && memcmp(slice.data, start.data, start.size) == 0;
}

/* Without the spaces and tabs around it. */
struct slice slice_trim(struct slice slice);

/*
 * Takes the first word off a list, words being separated by any number of spaces.
 * Returns false when none is left.
 */
bool slice_next_word(struct slice *list, struct slice *word);

/* Reads a decimal number that is all of the slice. Returns false on anything else, overflow included. */
bool slice_number(struct slice slice, uint64_t *number);
