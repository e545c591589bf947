#include "wire/scan.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "common/utf8.h"
#include "wire/escape.h"

static bool fail(struct scan *scan, enum scan_fault fault)
{
	if (scan->fault == SCAN_OK)
		scan->fault = fault;
	return false;
}

static inline bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static inline bool is_space(char c)
{
	return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static inline const char *skip_space(const char *at, const char *end)
{
	/* Nearly always there is none: one comparison, not four. */
	if (at < end && *at > ' ')
		return at;
	while (at < end && is_space(*at))
		at++;
	return at;
}

static inline bool is_plain(char c)
{
	return (signed char)c >= 0x20 && c != '"' && c != '\\';
}

/*
 * stops() looks at the next STRIDE bytes for those that need attention inside a string: quotes,
 * backslashes, control characters, and bytes of 0x80 and more. Returns 0 if there are none, else a
 * word whose lowest set bit tells the first by first_stop().
 */
#ifdef __SSE2__
#define STRIDE 16

static inline unsigned stops(const char *at)
{
	__m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)at);
	__m128i quotes = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"'));
	__m128i backslashes = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'));
	/* Signed: 0x80 and more are negative, and so are found with the controls. */
	__m128i controls = _mm_cmplt_epi8(bytes, _mm_set1_epi8(0x20));

	return (unsigned)_mm_movemask_epi8(
		_mm_or_si128(_mm_or_si128(quotes, backslashes), controls));
}

static inline size_t first_stop(unsigned found)
{
	return (size_t)__builtin_ctz(found);
}
#else
#define STRIDE 8
#define EACH_BYTE(byte) (0x0101010101010101U * (byte))

/* Sets the high bit of bytes below the bound; it is wrong at most above the lowest right one. */
static inline uint64_t less(uint64_t word, uint64_t bound)
{
	return (word - EACH_BYTE(bound)) & ~word;
}

static inline uint64_t stops(const char *at)
{
	uint64_t word;

	memcpy(&word, at, sizeof(word));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	word = __builtin_bswap64(word);
#endif
	uint64_t quotes = less(word ^ EACH_BYTE((uint64_t)'"'), 1);
	uint64_t backslashes = less(word ^ EACH_BYTE((uint64_t)'\\'), 1);
	return (quotes | backslashes | less(word, 0x20) | word) & EACH_BYTE(0x80U);
}

static inline size_t first_stop(uint64_t found)
{
	return (size_t)__builtin_ctzll(found) / 8;
}
#endif

static inline const char *plain_end(const char *at, const char *end)
{
	for (; end - at >= STRIDE; at += STRIDE) {
		if (stops(at) != 0)
			return at + first_stop(stops(at));
	}
	while (at < end && is_plain(*at))
		at++;
	return at;
}

/*
 * The functions below return what follows the thing that begins at `at`, or NULL if no such thing
 * begins there.
 */

static inline const char *string_end(const char *at, const char *end, bool *escaped)
{
	uint32_t code;

	if (at == end || *at != '"')
		return NULL;
	at = plain_end(at + 1, end);
	while (at < end && *at != '"') {
		if (*at == '\\') {
			*escaped = true;
			/* They come in runs: many writers of JSON escape whatever is not ASCII. */
			do {
				at = escape_end(at, end);
				if (at == NULL)
					return NULL;
			} while (at < end && *at == '\\');
		} else {
			/* A control character, or anything but ASCII, which seldom comes alone. */
			do {
				size_t size = utf8_decode(at, end, &code);
				if (size < 2)
					return NULL;
				at += size;
			} while (at < end && (signed char)*at < 0);
		}
		at = plain_end(at, end);
	}
	return at < end ? at + 1 : NULL;
}

static const char *digits_end(const char *at, const char *end)
{
	if (at == end || !is_digit(*at))
		return NULL;
	while (at < end && is_digit(*at))
		at++;
	return at;
}

static const char *number_end(const char *at, const char *end)
{
	if (at < end && *at == '-')
		at++;
	if (at < end && *at == '0')
		at++;
	else if ((at = digits_end(at, end)) == NULL)
		return NULL;
	if (at < end && *at == '.') {
		at = digits_end(at + 1, end);
		if (at == NULL)
			return NULL;
	}
	if (at < end && (*at == 'e' || *at == 'E')) {
		at++;
		if (at < end && (*at == '+' || *at == '-'))
			at++;
		at = digits_end(at, end);
	}
	return at;
}

static const char *word_end(const char *at, const char *end, struct slice word)
{
	return slice_starts((struct slice){at, (size_t)(end - at)}, word) ? at + word.size : NULL;
}

static inline const char *scalar_end(const char *at, const char *end, bool *escaped)
{
	if (at == end)
		return NULL;
	switch (*at) {
	case '"':
		return string_end(at, end, escaped);
	case 't':
		return word_end(at, end, SLICE("true"));
	case 'f':
		return word_end(at, end, SLICE("false"));
	case 'n':
		return word_end(at, end, SLICE("null"));
	default:
		return number_end(at, end);
	}
}

/* A member's name with its colon and the space around: a value follows. */
static const char *name_end(const char *at, const char *end)
{
	bool escaped;

	at = string_end(at, end, &escaped);
	if (at == NULL)
		return NULL;
	at = skip_space(at, end);
	return at < end && *at == ':' ? skip_space(at + 1, end) : NULL;
}

static inline bool is_opening(char c)
{
	return c == '{' || c == '[';
}

/* Which containers are open: a bit for each, the innermost one lowest, set if it is an object. */
typedef uint64_t kinds;
_Static_assert(SCAN_DEPTH_MAX <= 64, "there must be a bit for each");

static inline bool in_object(kinds open)
{
	return (open & 1) != 0;
}

static inline char closing_of(kinds open)
{
	return in_object(open) ? '}' : ']';
}

/* Objects and arrays, with all that is in them. */
static const char *container_end(struct scan *scan, const char *at)
{
	const char *end = scan->end;
	kinds open = 0;
	unsigned depth = 0;
	bool escaped;

	for (;;) {
		if (at < end && is_opening(*at)) {
			if (scan->depth + depth == SCAN_DEPTH_MAX) {
				fail(scan, SCAN_TOO_DEEP);
				return NULL;
			}
			depth++;
			open = open << 1 | (*at == '{');
			at = skip_space(at + 1, end);
			if (at == end)
				return NULL;
			if (*at != closing_of(open)) {
				if (in_object(open) && (at = name_end(at, end)) == NULL)
					return NULL;
				continue;
			}
		} else {
			at = scalar_end(at, end, &escaped);
			if (at == NULL)
				return NULL;
			at = skip_space(at, end);
		}

		/* A value ended, or an empty container is about to. */
		while (at < end && *at == closing_of(open)) {
			at++;
			open >>= 1;
			if (--depth == 0)
				return at;
			at = skip_space(at, end);
		}
		if (at == end || *at != ',')
			return NULL;
		at = skip_space(at + 1, end);
		if (in_object(open) && (at = name_end(at, end)) == NULL)
			return NULL;
	}
}

void scan_begin(struct scan *scan, struct slice text)
{
	if (text.data == NULL)
		text = SLICE("");
	*scan = (struct scan){.at = text.data, .end = text.data + text.size};
}

bool scan_enter(struct scan *scan, char bracket)
{
	const char *at = skip_space(scan->at, scan->end);

	if (at == scan->end || *at != bracket)
		return false;
	scan->at = at + 1;
	scan->depth++;
	scan->closing = bracket == '{' ? '}' : ']';
	scan->first = true;
	return true;
}

/* Steps over the comma to what comes next. Returns false at the end of the container. */
static inline bool step(struct scan *scan)
{
	const char *at = skip_space(scan->at, scan->end);

	if (at == scan->end)
		return fail(scan, SCAN_BROKEN);
	if (*at == scan->closing) {
		scan->at = at + 1;
		scan->depth--;
		return false;
	}
	if (!scan->first) {
		if (*at != ',')
			return fail(scan, SCAN_BROKEN);
		at = skip_space(at + 1, scan->end);
	}
	scan->first = false;
	scan->at = at;
	return true;
}

bool scan_member(struct scan *scan, struct scan_value *name, struct scan_value *value)
{
	if (!step(scan))
		return false;

	name->escaped = false;
	const char *at = string_end(scan->at, scan->end, &name->escaped);
	if (at == NULL)
		return fail(scan, SCAN_BROKEN);
	name->raw = (struct slice){scan->at, (size_t)(at - scan->at)};

	at = skip_space(at, scan->end);
	if (at == scan->end || *at != ':')
		return fail(scan, SCAN_BROKEN);
	scan->at = at + 1;
	return scan_value(scan, value);
}

bool scan_item(struct scan *scan, struct scan_value *value)
{
	return step(scan) && scan_value(scan, value);
}

bool scan_value(struct scan *scan, struct scan_value *value)
{
	const char *at = skip_space(scan->at, scan->end);
	const char *after;

	value->escaped = false;
	if (at < scan->end && is_opening(*at))
		after = container_end(scan, at);
	else
		after = scalar_end(at, scan->end, &value->escaped);
	if (after == NULL)
		return fail(scan, SCAN_BROKEN);
	value->raw = (struct slice){at, (size_t)(after - at)};
	scan->at = after;
	return true;
}

bool scan_finished(struct scan *scan)
{
	return scan->fault == SCAN_OK && skip_space(scan->at, scan->end) == scan->end;
}
