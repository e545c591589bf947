#include "auth/members.h"

#include "wire/scan.h"

static bool has(const struct members *members, struct slice name)
{
	for (size_t i = 0; i < members->count; i++)
		if (slice_equal(members->list[i].name, name))
			return true;
	return false;
}

bool members_read(struct slice object, struct members *members)
{
	struct scan_value name;
	struct scan_value value;
	struct slice text;
	struct scan scan;
	size_t unescaped_bytes = 0;

	members->count = 0;
	scan_begin(&scan, object);
	if (!scan_enter(&scan, '{'))
		return false;
	while (scan_member(&scan, &name, &value)) {
		size_t room = sizeof(members->unescaped) - unescaped_bytes;
		if (members->count == MEMBERS_MAX ||
		    !scan_text(&name, members->unescaped + unescaped_bytes,
		               name.escaped ? room : name.raw.size, &text) ||
		    has(members, text))
			return false;
		if (name.escaped)
			unescaped_bytes += text.size;
		members->list[members->count++] = (struct member){text, value.raw};
	}
	return scan_finished(&scan);
}

struct slice members_find(const struct members *members, struct slice name)
{
	for (size_t i = 0; i < members->count; i++)
		if (slice_equal(members->list[i].name, name))
			return members->list[i].value;
	return (struct slice){0};
}
