/*
 * What we accept another parser accepts too, and reads the same out of it, above all who sent it;
 * also after the relay inserted its members, and after it went through frames.
 */
#include "common/buffer.h"
#include "wire/envelope.h"
#include "wire/frame.h"
#include "wire/json.h"
#include "wire/notice.h"

#include "tests/fuzz/opinion.h"
#include "tests/fuzz/tokens.h"

/* What the other parser found under that name, at most once, is the string that we found. */
static void check_id(yyjson_val *root, const char *name, bool null_is_none, struct slice ours)
{
	size_t found;
	yyjson_val *value = opinion_member(root, name, &found);

	assert(found <= 1);
	if (value == NULL || (null_is_none && yyjson_is_null(value))) {
		assert(ours.data == NULL);
		return;
	}
	assert(yyjson_is_str(value));
	assert(ours.data != NULL && slice_equal(opinion_text(value), ours));
}

static void check_raw(yyjson_val *root, const char *name, struct slice ours)
{
	size_t found;

	assert(opinion_same(ours, opinion_member(root, name, &found)));
}

static void check_members(yyjson_val *root, const struct envelope *envelope)
{
	check_id(root, "type", false, envelope->type);
	check_id(root, "from", false, envelope->from);
	check_id(root, "to", true, envelope->to);
	check_id(root, "instanceId", false, envelope->instance_id);
	check_id(root, "targetInstanceId", true, envelope->target_instance_id);
	check_raw(root, "data", envelope->data);
	check_raw(root, "id", envelope->id);
	check_raw(root, "turnId", envelope->turn_id);
	check_raw(root, "timestamp", envelope->timestamp);
	assert(name_is_type(envelope->type));
	assert(envelope->from.data == NULL || name_is_id(envelope->from));
}

/* Both have the same say in what is JSON, in all cases but where ours stopped early. */
static void check_fault(enum envelope_fault fault, yyjson_val *root)
{
	switch (fault) {
	case ENVELOPE_NOT_UTF8:
	case ENVELOPE_NOT_JSON:
		assert(root == NULL);
		break;
	case ENVELOPE_NOT_OBJECT:
		assert(root != NULL && !yyjson_is_obj(root));
		break;
	case ENVELOPE_OK:
		assert(yyjson_is_obj(root));
		assert(opinion_depth(root) <= ENVELOPE_DEPTH_MAX);
		break;
	case ENVELOPE_TOO_DEEP:
	case ENVELOPE_BAD_TYPE:
	case ENVELOPE_BAD_ID:
	case ENVELOPE_TWICE:
		break;
	}
}

static void check_inserted(struct slice message, const struct envelope *before)
{
	const struct slice from = SLICE("in\"ser\\t\xc3\xbc");
	const struct slice instance_id = SLICE("p 1");
	struct envelope *after = malloc(sizeof(*after));
	struct buffer out = {0};

	buffer_append(&out, (struct slice){message.data, before->body});
	notice_insert(&out, before->from.data == NULL ? from : (struct slice){0},
	              before->instance_id.data == NULL ? instance_id : (struct slice){0});
	buffer_append(&out,
	              (struct slice){message.data + before->body, message.size - before->body});

	struct slice inserted = buffer_slice(&out);
	assert(envelope_read(inserted, after) == ENVELOPE_OK);
	assert(slice_equal(after->from, before->from.data == NULL ? from : before->from));
	assert(slice_equal(after->instance_id,
	                   before->instance_id.data == NULL ? instance_id : before->instance_id));
	assert(slice_equal(after->type, before->type));
	assert(slice_equal(after->to, before->to));
	assert(slice_equal(after->data, before->data));
	yyjson_doc *doc = opinion_read(inserted);
	check_members(yyjson_doc_get_root(doc), after);
	yyjson_doc_free(doc);
	buffer_fini(&out);
	free(after);
}

/* Takes frames apart by RFC 6455. Returns how many bytes the first message of them took. */
static size_t defragment(struct slice frames, struct buffer *message)
{
	size_t at = 0;
	unsigned first;

	do {
		assert(frames.size - at >= 2);
		first = (unsigned char)frames.data[at];
		assert((first & 0x7f) == (at == 0 ? 1 : 0));
		size_t payload = (unsigned char)frames.data[at + 1];
		at += 2;
		assert(payload <= 126);
		if (payload == 126) {
			assert(frames.size - at >= 2);
			payload = (size_t)(unsigned char)frames.data[at] << 8 |
			          (unsigned char)frames.data[at + 1];
			assert(payload > 125 && payload <= FRAME_PAYLOAD_BYTES_MAX);
			at += 2;
		}
		assert(frames.size - at >= payload);
		buffer_append(message, (struct slice){frames.data + at, payload});
		at += payload;
	} while ((first & 0x80) == 0);
	return at;
}

#define PARTS 9 /* so that a message of some KiB already leaves in fragments */

static void check_framed(struct slice message)
{
	struct slice parts[PARTS];
	struct buffer joined = {0};

	for (size_t i = 0; i < PARTS; i++)
		parts[i] = message;
	struct blob *blob = frame_text(parts, PARTS);
	struct slice frames = blob_slice(blob);
	assert(defragment(frames, &joined) == frames.size);
	assert(joined.size == PARTS * message.size);
	for (size_t i = 0; i < PARTS; i++)
		assert(memcmp(joined.data + i * message.size, message.data, message.size) == 0);

	/* Runs of whole frames, of any length, are all of it. */
	size_t bytes_max = 1 + message.size * 2;
	while (frames.size > 0) {
		size_t run = frame_run(frames, bytes_max);
		assert(run > 0 && run <= frames.size);
		frames.data += run;
		frames.size -= run;
	}
	buffer_fini(&joined);
	blob_unref(blob);
}

/* Anything may be put into a JSON string, and text comes out of it unchanged. */
static void check_quoted(struct slice bytes)
{
	struct buffer out = {0};

	json_append_string(&out, bytes);
	yyjson_doc *doc = opinion_read(buffer_slice(&out));
	yyjson_val *string = yyjson_doc_get_root(doc);
	assert(yyjson_is_str(string));
	if (opinion_is_utf8(bytes))
		assert(slice_equal(opinion_text(string), bytes));
	yyjson_doc_free(doc);
	buffer_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice message = {(const char *)data, size};
	struct envelope *envelope = malloc(sizeof(*envelope)); /* ASan watches its ends */
	enum envelope_fault fault = envelope_read(message, envelope);
	yyjson_doc *doc = opinion_read(message);
	yyjson_val *root = yyjson_doc_get_root(doc);

	assert((fault == ENVELOPE_NOT_UTF8) == !opinion_is_utf8(message));
	check_fault(fault, root);
	if (fault == ENVELOPE_OK) {
		check_members(root, envelope);
		check_inserted(message, envelope);
		check_framed(message);
	}
	check_quoted(message);
	yyjson_doc_free(doc);
	free(envelope);
	return 0;
}
