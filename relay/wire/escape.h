/* Backslashes in JSON strings (RFC 8259 section 7). */
#pragma once

#include "common/text.h"

/*
 * Returns what follows the escape that begins with the backslash at `at`, or NULL if it is none.
 * Half a surrogate pair is one: the grammar allows it.
 */
const char *escape_end(const char *at, const char *end);

/*
 * Undoes the escapes of a string's inside into `out`. Returns false if the result is longer than
 * `capacity`, or would not be UTF-8: half of a surrogate pair has no character.
 */
bool escape_undo(struct slice inside, char *out, size_t capacity, struct slice *text);
