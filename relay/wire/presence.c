#include "wire/presence.h"

#include <assert.h>

#include "wire/envelope.h"
#include "wire/json.h"
#include "wire/name.h"
#include "wire/scan.h"

/* Walks all of the object. Returns false if it is not one whole, valid JSON object. */
static bool is_object(struct slice text)
{
	struct scan_value name;
	struct scan_value value;
	struct scan scan;

	scan_begin(&scan, text);
	if (!scan_enter(&scan, '{'))
		return false;
	while (scan_member(&scan, &name, &value))
		;
	return scan_finished(&scan);
}

static bool is_array(struct slice raw)
{
	return raw.size > 0 && raw.data[0] == '[';
}

bool presence_read(struct slice message, struct presence *presence)
{
	char status[sizeof("offline")];
	struct slice text;

	*presence = (struct presence){0};
	if (!is_object(message))
		return false;
	presence->data = json_member(message, "data");
	presence->timestamp = json_member(message, "timestamp");
	presence->agents = json_member(presence->data, "agents");
	if (!is_array(presence->agents))
		presence->agents = (struct slice){0};
	presence->offline =
		json_string(json_member(presence->data, "status"), status, sizeof(status), &text) &&
		slice_is(text, "offline");
	return true;
}

bool presence_is_of(struct slice id, struct slice message)
{
	struct envelope envelope;
	struct presence presence;

	return name_is_id(id) && message.size <= PRESENCE_BYTES_MAX &&
	       envelope_read(message, &envelope) == ENVELOPE_OK &&
	       slice_is(envelope.type, "presence") && envelope.from.data != NULL &&
	       slice_equal(envelope.from, id) && presence_read(message, &presence) &&
	       !presence.offline;
}

bool presence_next_agent(struct slice *agents, char *scratch, struct slice *name)
{
	struct slice item;

	while (json_next_item(agents, &item)) {
		if (json_string(item, scratch, NAME_ID_BYTES_MAX, name) && name_is_id(*name))
			return true;
	}
	return false;
}

static bool is_empty(struct slice object)
{
	struct scan_value name;
	struct scan_value value;
	struct scan scan;

	scan_begin(&scan, object);
	return scan_enter(&scan, '{') && !scan_member(&scan, &name, &value);
}

/*
 * Appends the object up to where the value of a member belongs; if there is no such member, one is
 * begun behind the others, so that of several the new one counts. Returns what follows the value.
 */
static struct slice append_until(struct buffer *out, struct slice object, const char *name)
{
	struct slice old = json_member(object, name);
	bool is_new = old.data == NULL;

	if (is_new)
		old.data = memrchr(object.data, '}', object.size);
	assert(old.data != NULL);

	const char *rest = old.data + old.size;
	buffer_append(out, (struct slice){object.data, (size_t)(old.data - object.data)});
	if (is_new)
		buffer_printf(out, "%s\"%s\":", is_empty(object) ? "" : ",", name);
	return (struct slice){rest, (size_t)(object.data + object.size - rest)};
}

void presence_with_agents(struct slice message, struct slice agents, struct buffer *out)
{
	struct slice data = json_member(message, "data");

	if (data.data == NULL || data.data[0] != '{')
		data = SLICE("{}");

	struct slice message_rest = append_until(out, message, "data");
	struct slice data_rest = append_until(out, data, "agents");
	buffer_append(out, agents);
	buffer_append(out, data_rest);
	buffer_append(out, message_rest);
}
