/*
 * Walking over JSON text (RFC 8259), validating on the way what is walked over.
 *
 * What envelope.c and json.c are made of. No tree, no allocation, no recursion; safe on any bytes.
 *
 *	struct scan scan;
 *	scan_begin(&scan, text);
 *	if (scan_enter(&scan, '{'))
 *		while (scan_member(&scan, &name, &value))
 *			...
 *	valid = scan_finished(&scan);
 */
#pragma once

#include "common/text.h"
#include "wire/escape.h"

#define SCAN_DEPTH_MAX 64 /* the outermost value is depth 1 */

enum scan_fault {
	SCAN_OK,
	SCAN_BROKEN, /* not JSON, or not UTF-8 */
	SCAN_TOO_DEEP,
};

struct scan {
	const char *at;
	const char *end;
	unsigned depth; /* containers entered and not left */
	char closing;   /* bracket that ends the innermost of them */
	bool first;     /* nothing of it was read yet: no comma is due */
	enum scan_fault fault;
};

/* A value, or the name of a member, as it stands in the text. */
struct scan_value {
	struct slice raw; /* quotes included */
	bool escaped;     /* a string with a backslash in it */
};

void scan_begin(struct scan *scan, struct slice text);

/*
 * Enters the array or object that begins here with `bracket`. Returns false, at no cost, if none
 * does. What is entered must be walked to its end, and only there can anything else be entered.
 */
bool scan_enter(struct scan *scan, char bracket);

/* Takes the next member of the object entered. Returns false at its end, and at a fault. */
bool scan_member(struct scan *scan, struct scan_value *name, struct scan_value *value);

/* Takes the next item of the array entered. Returns false at its end, and at a fault. */
bool scan_item(struct scan *scan, struct scan_value *value);

/* Takes a value. Returns false at a fault. */
bool scan_value(struct scan *scan, struct scan_value *value);

/* Was there no fault, and is nothing left but space? */
bool scan_finished(struct scan *scan);

/*
 * Gives the text of a string: a slice of the value if nothing is escaped, else it is unescaped into
 * `out`. Returns false if it is no string, longer than `capacity`, or has a lone surrogate.
 */
static inline bool scan_text(const struct scan_value *value, char *out, size_t capacity,
                             struct slice *text)
{
	if (value->raw.data[0] != '"')
		return false;
	*text = (struct slice){value->raw.data + 1, value->raw.size - 2};
	return value->escaped ? escape_undo(*text, out, capacity, text) : text->size <= capacity;
}
