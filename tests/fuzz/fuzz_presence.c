/*
 * What is read out of a presence, from a client or from Redis, is what another parser reads, and
 * giving it other agents changes nothing else. Bytes that are no JSON at all do no harm.
 */
#include "wire/presence.h"

#include "wire/envelope.h"
#include "wire/json.h"

#include "tests/fuzz/opinion.h"
#include "tests/fuzz/tokens.h"

static const char *const names[] = {"data", "agents", "status", "timestamp", "type", "accept", ""};
#define NAMES (sizeof(names) / sizeof(*names))

static void check_items(struct slice array, yyjson_val *theirs)
{
	struct slice item;
	size_t i;
	size_t count;
	yyjson_val *value;

	yyjson_arr_foreach(theirs, i, count, value)
	{
		assert(json_next_item(&array, &item));
		assert(opinion_same(item, value));
	}
	assert(!json_next_item(&array, &item));
}

static void check_value(struct slice raw, yyjson_val *theirs)
{
	size_t found;
	struct slice text;
	char scratch[NAME_ID_BYTES_MAX];

	for (size_t i = 0; i < NAMES; i++)
		assert(opinion_same(json_member(raw, names[i]),
		                    opinion_member(theirs, names[i], &found)));
	if (yyjson_is_arr(theirs))
		check_items(raw, theirs);
	if (json_string(raw, scratch, sizeof(scratch), &text))
		assert(slice_equal(opinion_text(theirs), text));
	else
		assert(!yyjson_is_str(theirs) || yyjson_get_len(theirs) > sizeof(scratch) ||
		       memmem(raw.data, raw.size, "\\u", 2) != NULL); /* half a surrogate pair */
}

static void check_agents(struct slice agents, yyjson_val *theirs)
{
	struct slice name;
	char scratch[NAME_ID_BYTES_MAX];
	size_t at = 0;

	while (presence_next_agent(&agents, scratch, &name)) {
		assert(name_is_id(name));
		for (;; at++) {
			assert(at < yyjson_arr_size(theirs));
			yyjson_val *item = yyjson_arr_get(theirs, at);
			if (yyjson_is_str(item) && slice_equal(opinion_text(item), name))
				break;
		}
		at++;
	}
}

/*
 * All members of the object are as before, but for the last of that name, which is given back: it
 * may have another value, or be new.
 */
static yyjson_val *check_others(yyjson_val *before, yyjson_val *after, const char *name)
{
	size_t found;
	yyjson_val *old = opinion_member(before, name, &found);
	yyjson_val *given = opinion_member(after, name, &found);
	size_t i;
	size_t count;
	yyjson_val *key;
	yyjson_val *value;
	yyjson_obj_iter iter = yyjson_obj_iter_with(after);

	assert(given != NULL);
	assert(yyjson_obj_size(after) == yyjson_obj_size(before) + (old == NULL));
	yyjson_obj_foreach(before, i, count, key, value)
	{
		yyjson_val *new_key = yyjson_obj_iter_next(&iter);
		assert(slice_equal(opinion_text(new_key), opinion_text(key)));
		if (value == old)
			assert(yyjson_obj_iter_get_val(new_key) == given);
		else
			assert(opinion_same_values(yyjson_obj_iter_get_val(new_key), value));
	}
	return given;
}

static void check_given(struct slice message, yyjson_val *root)
{
	const struct slice agents = SLICE("[\"n\\u00e4w\", {}]");
	struct buffer out = {0};
	struct presence presence;
	size_t found;

	presence_with_agents(message, agents, &out);
	assert(presence_read(buffer_slice(&out), &presence));
	assert(slice_equal(presence.agents, agents));

	yyjson_doc *doc = opinion_read(buffer_slice(&out));
	yyjson_val *data = check_others(root, yyjson_doc_get_root(doc), "data");
	yyjson_val *old = opinion_member(root, "data", &found);
	if (yyjson_is_obj(old))
		assert(opinion_same(agents, check_others(old, data, "agents")));
	else
		assert(yyjson_obj_size(data) == 1 &&
		       opinion_same(agents, yyjson_obj_get(data, "agents")));
	yyjson_doc_free(doc);
	buffer_fini(&out);
}

/* Answers mean nothing here, but must come, from inside the text. */
static void check_unread(struct slice bytes)
{
	struct slice item;
	struct slice text;
	char scratch[16];
	const char *end = bytes.data + bytes.size;

	for (size_t i = 0; i < NAMES; i++) {
		struct slice raw = json_member(bytes, names[i]);
		assert(raw.data == NULL || (raw.data >= bytes.data && raw.data + raw.size <= end));
	}
	if (json_string(bytes, scratch, sizeof(scratch), &text))
		assert(text.size <= sizeof(scratch));
	for (struct slice rest = bytes; json_next_item(&rest, &item);)
		assert(item.size > 0 && item.data + item.size <= rest.data &&
		       rest.data + rest.size == end);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice message = {(const char *)data, size};
	struct presence presence;
	size_t found;

	check_unread(message);
	yyjson_doc *doc = opinion_read(message);
	yyjson_val *root = yyjson_doc_get_root(doc);
	bool theirs = yyjson_is_obj(root) && opinion_depth(root) <= ENVELOPE_DEPTH_MAX;
	assert(presence_read(message, &presence) == theirs);
	if (theirs) {
		yyjson_val *their_data = opinion_member(root, "data", &found);
		yyjson_val *their_agents = opinion_member(their_data, "agents", &found);
		assert(opinion_same(presence.data, their_data));
		assert(opinion_same(presence.agents,
		                    yyjson_is_arr(their_agents) ? their_agents : NULL));
		assert(opinion_same(presence.timestamp, opinion_member(root, "timestamp", &found)));
		assert(presence.offline ==
		       yyjson_equals_str(opinion_member(their_data, "status", &found), "offline"));
		check_value(message, root);
		if (presence.data.data != NULL)
			check_value(presence.data, their_data);
		if (presence.agents.data != NULL)
			check_agents(presence.agents, their_agents);
		check_given(message, root);
	}
	yyjson_doc_free(doc);
	return 0;
}
