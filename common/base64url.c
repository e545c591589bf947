#include "common/base64url.h"

/* The six bits that a character stands for, or -1. */
static inline int bits_of(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '-' ? 62 : c == '_' ? 63 : -1;
}

bool base64url_decode(struct slice text, char *out, size_t capacity, struct slice *bytes)
{
	uint32_t held = 0; /* the bits that are no whole byte yet are its lowest */
	unsigned held_bits = 0;
	size_t size = 0;

	for (size_t i = 0; i < text.size; i++) {
		int bits = bits_of(text.data[i]);
		if (bits < 0)
			return false;
		held = held << 6 | (uint32_t)bits;
		held_bits += 6;
		if (held_bits < 8)
			continue;
		if (size == capacity)
			return false;
		held_bits -= 8;
		out[size++] = (char)(held >> held_bits);
	}
	/* Six bits left: a single character, which is no byte. */
	if (held_bits == 6 || (held & ((1U << held_bits) - 1)) != 0)
		return false;
	*bytes = (struct slice){out, size};
	return true;
}
