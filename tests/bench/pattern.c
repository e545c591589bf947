#include "bench/pattern.h"

#include <stdio.h>

#define DIGITS 10

void pattern_init(struct pattern *pattern, const char *type, const char *from, const char *to,
                  size_t bytes)
{
	static const char middle[] = "\",\"padding\":\"";
	struct buffer *text = &pattern->text;

	*pattern = (struct pattern){.digits_at = 0};
	buffer_printf(text, "{\"type\":\"%s\",", type);
	pattern->type_size = text->size;
	buffer_printf(text, "\"from\":\"%s\",", from);
	if (to != NULL)
		buffer_printf(text, "\"to\":\"%s\",", to);
	buffer_printf(text, "\"data\":{\"sequence\":\"");
	pattern->digits_at = text->size;
	buffer_printf(text, "%0*u%s", DIGITS, 0u, middle);
	while (text->size + sizeof(PATTERN_END) - 1 < bytes)
		buffer_append(text, SLICE("x"));
	buffer_append(text, SLICE(PATTERN_END));
}

void pattern_fini(struct pattern *pattern)
{
	buffer_fini(&pattern->text);
}

struct slice pattern_write(struct pattern *pattern, uint32_t sequence)
{
	for (size_t i = DIGITS; i > 0; i--) {
		pattern->text.data[pattern->digits_at + i - 1] = (char)('0' + sequence % 10);
		sequence /= 10;
	}
	return buffer_slice(&pattern->text);
}

bool pattern_has_type(const struct pattern *pattern, struct slice message)
{
	return slice_starts(message, (struct slice){pattern->text.data, pattern->type_size});
}

bool pattern_read(const struct pattern *pattern, struct slice message, uint32_t *sequence)
{
	const char *text = pattern->text.data;
	size_t before = pattern->digits_at;
	size_t after = before + DIGITS;
	uint64_t number;

	if (message.size != pattern->text.size || memcmp(message.data, text, before) != 0 ||
	    memcmp(message.data + after, text + after, message.size - after) != 0)
		return false;
	if (!slice_number((struct slice){message.data + before, DIGITS}, &number) ||
	    number > UINT32_MAX)
		return false;
	*sequence = (uint32_t)number;
	return true;
}
