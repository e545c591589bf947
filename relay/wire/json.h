/*
 * Looking into JSON that is known to be valid.
 *
 * For the few members below the top level that the relay cares about (data.agents, data.status,
 * data.accept). No tree, no allocation: values are slices of the text. Safe on any bytes, but the
 * answers mean something only for text that envelope_read() or presence_read() accepted.
 */
#pragma once

#include "common/buffer.h"
#include "common/text.h"

/*
 * Returns the raw value of a member of the object, absent if there is none or if the text is not an
 * object. Names compare unescaped; of two members of one name the last counts, as in JSON.parse().
 */
struct slice json_member(struct slice object, const char *name);

/*
 * Takes the next item's raw text off an array. Start with *rest = the array's raw text; returns
 * false when there is none left, or if the text is not an array.
 */
bool json_next_item(struct slice *rest, struct slice *item);

/*
 * Unescapes a raw value into `out`, if it is a string, at most `capacity` bytes long, without lone
 * surrogates. The result is the raw text's inside when nothing is escaped, else lies in `out`.
 */
bool json_string(struct slice raw, char *out, size_t capacity, struct slice *value);

/* Appends the text as a JSON string, quotes included. What is not UTF-8 in it becomes U+FFFD. */
void json_append_string(struct buffer *out, struct slice text);
