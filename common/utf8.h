/* UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing above U+10FFFF. */
#pragma once

#include "common/text.h"

/*
 * Decodes the character at `at`, which is before `end`. Returns how many bytes it has, or 0 if what
 * is there is not UTF-8.
 */
static inline size_t utf8_decode(const char *at, const char *end, uint32_t *code)
{
	static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
	uint32_t first = (unsigned char)at[0];

	*code = first;
	if (first < 0x80)
		return 1;

	size_t size = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
	if (first < 0xc2 || first > 0xf4 || (size_t)(end - at) < size)
		return 0;
	uint32_t value = first & (0x7fU >> size);
	for (size_t i = 1; i < size; i++) {
		uint32_t next = (unsigned char)at[i];
		if ((next & 0xc0) != 0x80)
			return 0;
		value = value << 6 | (next & 0x3f);
	}
	if (value < smallest[size] || value > 0x10ffff || (value >= 0xd800 && value < 0xe000))
		return 0;
	*code = value;
	return size;
}

/* Is all of it UTF-8? */
bool utf8_valid(struct slice text);
