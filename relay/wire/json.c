#include "wire/json.h"

#include <assert.h>

#include "common/quote.h"
#include "wire/scan.h"

#define NAME_BYTES_MAX 64 /* of the names that are asked for */

struct slice json_member(struct slice object, const char *name)
{
	char unescaped[NAME_BYTES_MAX];
	struct slice wanted = slice_of(name);
	struct slice found = {0};
	struct scan_value member;
	struct scan_value value;
	struct slice text;
	struct scan scan;

	assert(wanted.size <= sizeof(unescaped));
	scan_begin(&scan, object);
	if (!scan_enter(&scan, '{'))
		return found;
	while (scan_member(&scan, &member, &value)) {
		if (scan_text(&member, unescaped, sizeof(unescaped), &text) &&
		    slice_equal(text, wanted))
			found = value.raw;
	}
	return found;
}

bool json_next_item(struct slice *rest, struct slice *item)
{
	struct scan_value value;
	struct scan scan;

	scan_begin(&scan, *rest);
	if (!scan_enter(&scan, '[')) {
		/* Behind an item. */
		scan.depth = 1;
		scan.closing = ']';
	}
	if (!scan_item(&scan, &value))
		return false;
	*item = value.raw;
	*rest = (struct slice){scan.at, (size_t)(scan.end - scan.at)};
	return true;
}

bool json_string(struct slice raw, char *out, size_t capacity, struct slice *value)
{
	if (raw.size < 2 || raw.data[0] != '"' || raw.data[raw.size - 1] != '"')
		return false;

	struct scan_value string = {raw, memchr(raw.data, '\\', raw.size) != NULL};
	return scan_text(&string, out, capacity, value);
}

void json_append_string(struct buffer *out, struct slice text)
{
	quote_append(out, text);
}
