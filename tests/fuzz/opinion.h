/*
 * A second opinion on JSON: yyjson's, which shares no code and no author with ours.
 *
 * It refuses two things that we must accept, because the grammar and JSON.parse() do: numbers
 * beyond a double (read raw here) and escapes of half a surrogate pair (made U+FFFD here, first).
 */
#pragma once

#include <assert.h>
#include <stdlib.h>

#include <yyjson.h>

#include "common/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The unit of the \uXXXX at `at`, or 0 if there is none. */
static inline unsigned opinion_unit(const char *at, const char *end)
{
	char digits[5] = {0};
	char *stop;

	if (end - at < 6 || at[0] != '\\' || at[1] != 'u')
		return 0;
	memcpy(digits, at + 2, 4);
	if (strspn(digits, "0123456789abcdefABCDEF") != 4)
		return 0;
	return (unsigned)strtoul(digits, &stop, 16);
}

/* Makes every half pair U+FFFD, in place. */
static inline void opinion_mend(char *at, const char *end)
{
	while (at + 1 < end) {
		if (*at != '\\') {
			at++;
			continue;
		}
		unsigned unit = opinion_unit(at, end);
		unsigned next = unit == 0 ? 0 : opinion_unit(at + 6, end);
		if (unit >= 0xd800 && unit < 0xdc00 && next >= 0xdc00 && next < 0xe000) {
			at += 12;
			continue;
		}
		if (unit >= 0xd800 && unit < 0xe000)
			memcpy(at + 2, "fffd", 4);
		at += 2;
	}
}

/* Returns owned: the document, or NULL if it is no JSON. */
static inline yyjson_doc *opinion_read(struct slice text)
{
	char *copy = malloc(text.size + 1);

	if (text.size > 0)
		memcpy(copy, text.data, text.size);
	opinion_mend(copy, copy + text.size);
	yyjson_doc *doc = yyjson_read(copy, text.size, YYJSON_READ_NUMBER_AS_RAW);
	free(copy);
	return doc;
}

/* Are the bytes UTF-8? Asked as a JSON string of which only they are left. */
static inline bool opinion_is_utf8(struct slice bytes)
{
	char *text = malloc(bytes.size + 2);

	text[0] = '"';
	for (size_t i = 0; i < bytes.size; i++)
		text[i + 1] = (signed char)bytes.data[i] < 0 ? bytes.data[i] : 'a';
	text[bytes.size + 1] = '"';
	yyjson_doc *doc = yyjson_read(text, bytes.size + 2, 0);
	free(text);
	yyjson_doc_free(doc);
	return doc != NULL;
}

static inline size_t opinion_depth(yyjson_val *value)
{
	size_t deepest = 0;
	size_t i;
	size_t count;
	yyjson_val *key;
	yyjson_val *item;

	if (yyjson_is_arr(value)) {
		yyjson_arr_foreach(value, i, count, item)
		{
			size_t depth = opinion_depth(item);
			deepest = depth > deepest ? depth : deepest;
		}
	} else if (yyjson_is_obj(value)) {
		yyjson_obj_foreach(value, i, count, key, item)
		{
			size_t depth = opinion_depth(item);
			deepest = depth > deepest ? depth : deepest;
		}
	} else {
		return 0;
	}
	return deepest + 1;
}

static inline struct slice opinion_text(yyjson_val *string)
{
	return (struct slice){yyjson_get_str(string), yyjson_get_len(string)};
}

/* Returns the last member of that name, NULL if there is none, and how many there are. */
static inline yyjson_val *opinion_member(yyjson_val *object, const char *name, size_t *found)
{
	yyjson_val *last = NULL;
	size_t i;
	size_t count;
	yyjson_val *key;
	yyjson_val *value;

	*found = 0;
	if (!yyjson_is_obj(object))
		return NULL;
	yyjson_obj_foreach(object, i, count, key, value)
	{
		if (slice_is(opinion_text(key), name)) {
			last = value;
			++*found;
		}
	}
	return last;
}

/* Have the two values the same content, in the same order? */
static inline bool opinion_same_values(yyjson_val *a, yyjson_val *b)
{
	size_t size_a;
	size_t size_b;
	char *text_a = yyjson_val_write(a, YYJSON_WRITE_ALLOW_INVALID_UNICODE, &size_a);
	char *text_b = yyjson_val_write(b, YYJSON_WRITE_ALLOW_INVALID_UNICODE, &size_b);

	assert(text_a != NULL && text_b != NULL);
	bool same = size_a == size_b && memcmp(text_a, text_b, size_a) == 0;
	free(text_a);
	free(text_b);
	return same;
}

/* Is the raw text the value? Absent is what is not there. */
static inline bool opinion_same(struct slice raw, yyjson_val *value)
{
	if (raw.data == NULL || value == NULL)
		return raw.data == NULL && value == NULL;

	yyjson_doc *doc = opinion_read(raw);
	assert(doc != NULL);
	bool same = opinion_same_values(yyjson_doc_get_root(doc), value);
	yyjson_doc_free(doc);
	return same;
}
