#include "common/text.h"

#include <strings.h>

bool slice_equal_any_case(struct slice a, struct slice b)
{
	return a.size == b.size && strncasecmp(a.data, b.data, a.size) == 0;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

struct slice slice_trim(struct slice slice)
{
	while (slice.size > 0 && is_blank(slice.data[0])) {
		slice.data++;
		slice.size--;
	}
	while (slice.size > 0 && is_blank(slice.data[slice.size - 1]))
		slice.size--;
	return slice;
}

bool slice_next_word(struct slice *list, struct slice *word)
{
	while (list->size > 0 && list->data[0] == ' ') {
		list->data++;
		list->size--;
	}
	if (list->size == 0)
		return false;

	const char *end = memchr(list->data, ' ', list->size);
	word->data = list->data;
	word->size = end == NULL ? list->size : (size_t)(end - list->data);
	list->data += word->size;
	list->size -= word->size;
	return true;
}

bool slice_number(struct slice slice, uint64_t *number)
{
	uint64_t value = 0;

	if (slice.size == 0)
		return false;
	for (size_t i = 0; i < slice.size; i++) {
		if (slice.data[i] < '0' || slice.data[i] > '9')
			return false;
		if (__builtin_mul_overflow(value, (uint64_t)10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(slice.data[i] - '0'), &value))
			return false;
	}
	*number = value;
	return true;
}
