#include "wire/escape.h"

/* The value of each hexadecimal digit, marked to be one; 0 for what is none. */
#define DIGIT 0x10

static const uint8_t hex[256] = {
	['0'] = DIGIT | 0x0, ['1'] = DIGIT | 0x1, ['2'] = DIGIT | 0x2, ['3'] = DIGIT | 0x3,
	['4'] = DIGIT | 0x4, ['5'] = DIGIT | 0x5, ['6'] = DIGIT | 0x6, ['7'] = DIGIT | 0x7,
	['8'] = DIGIT | 0x8, ['9'] = DIGIT | 0x9, ['a'] = DIGIT | 0xa, ['b'] = DIGIT | 0xb,
	['c'] = DIGIT | 0xc, ['d'] = DIGIT | 0xd, ['e'] = DIGIT | 0xe, ['f'] = DIGIT | 0xf,
	['A'] = DIGIT | 0xa, ['B'] = DIGIT | 0xb, ['C'] = DIGIT | 0xc, ['D'] = DIGIT | 0xd,
	['E'] = DIGIT | 0xe, ['F'] = DIGIT | 0xf,
};

/* Reads the four digits of \uXXXX. Returns false if there are none. */
static bool hex_read(const char *at, const char *end, uint32_t *unit)
{
	if (end - at < 4)
		return false;

	unsigned a = hex[(uint8_t)at[0]], b = hex[(uint8_t)at[1]];
	unsigned c = hex[(uint8_t)at[2]], d = hex[(uint8_t)at[3]];

	*unit = (a & 0xf) << 12 | (b & 0xf) << 8 | (c & 0xf) << 4 | (d & 0xf);
	return (a & b & c & d & DIGIT) != 0;
}

const char *escape_end(const char *at, const char *end)
{
	uint32_t unit;

	if (end - at < 2)
		return NULL;
	switch (at[1]) {
	case '"':
	case '\\':
	case '/':
	case 'b':
	case 'f':
	case 'n':
	case 'r':
	case 't':
		return at + 2;
	case 'u':
		return hex_read(at + 2, end, &unit) ? at + 6 : NULL;
	default:
		return NULL;
	}
}

static char *utf8_encode(uint32_t code, char *out)
{
	if (code < 0x80) {
		*out++ = (char)code;
		return out;
	}
	if (code < 0x800) {
		*out++ = (char)(0xc0 | code >> 6);
	} else {
		if (code < 0x10000) {
			*out++ = (char)(0xe0 | code >> 12);
		} else {
			*out++ = (char)(0xf0 | code >> 18);
			*out++ = (char)(0x80 | (code >> 12 & 0x3f));
		}
		*out++ = (char)(0x80 | (code >> 6 & 0x3f));
	}
	*out++ = (char)(0x80 | (code & 0x3f));
	return out;
}

static inline bool is_high_surrogate(uint32_t unit)
{
	return (unit & 0xfffffc00) == 0xd800;
}

static inline bool is_low_surrogate(uint32_t unit)
{
	return (unit & 0xfffffc00) == 0xdc00;
}

/*
 * Decodes the \uXXXX at `at`, or a pair of them. Returns what follows, NULL if it is cut short or a
 * lone surrogate.
 */
static const char *unit_decode(const char *at, const char *end, uint32_t *code)
{
	uint32_t low;

	if (!hex_read(at + 2, end, code) || is_low_surrogate(*code))
		return NULL;
	at += 6;
	if (!is_high_surrogate(*code))
		return at;
	if (end - at < 2 || at[0] != '\\' || at[1] != 'u' || !hex_read(at + 2, end, &low) ||
	    !is_low_surrogate(low))
		return NULL;
	*code = 0x10000 + ((*code & 0x3ff) << 10 | (low & 0x3ff));
	return at + 6;
}

/* Decodes the escape at `at`. Returns what follows, or NULL. */
static const char *escape_decode(const char *at, const char *end, uint32_t *code)
{
	static const char letters[] = "\"\\/bfnrt";
	static const char meanings[] = "\"\\/\b\f\n\r\t";

	if (end - at < 2)
		return NULL;
	if (at[1] == 'u')
		return unit_decode(at, end, code);
	const char *letter = memchr(letters, at[1], sizeof(letters) - 1);
	if (letter == NULL)
		return NULL;
	*code = (uint32_t)meanings[letter - letters];
	return at + 2;
}

bool escape_undo(struct slice inside, char *out, size_t capacity, struct slice *text)
{
	const char *at = inside.data;
	const char *end = at + inside.size;
	size_t size = 0;
	char encoded[4];
	uint32_t code;

	while (at < end) {
		if (*at != '\\') {
			if (size == capacity)
				return false;
			out[size++] = *at++;
			continue;
		}
		at = escape_decode(at, end, &code);
		if (at == NULL)
			return false;
		size_t more = (size_t)(utf8_encode(code, encoded) - encoded);
		if (more > capacity - size)
			return false;
		memcpy(out + size, encoded, more);
		size += more;
	}
	*text = (struct slice){out, size};
	return true;
}
