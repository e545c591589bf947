#include "wire/envelope.h"

#include "common/utf8.h"
#include "wire/scan.h"

_Static_assert(ENVELOPE_DEPTH_MAX == SCAN_DEPTH_MAX, "the scanner is what bounds the depth");

enum member {
	MEMBER_TYPE,
	MEMBER_FROM,
	MEMBER_TO,
	MEMBER_INSTANCE_ID,
	MEMBER_TARGET_INSTANCE_ID,
	MEMBER_DATA,
	MEMBER_ID,
	MEMBER_TURN_ID,
	MEMBER_TIMESTAMP,
	MEMBER_OTHER,
};

#define NAME_BYTES_MAX 16 /* of the names below */

/* Compares with constant sizes: each is an integer comparison to the compiler. */
#define IS(name, literal) (memcmp((name).data, (literal), sizeof(literal) - 1) == 0)

static enum member member_of(struct slice name)
{
	switch (name.size) {
	case 2:
		return IS(name, "to") ? MEMBER_TO : IS(name, "id") ? MEMBER_ID : MEMBER_OTHER;
	case 4:
		if (IS(name, "type"))
			return MEMBER_TYPE;
		if (IS(name, "from"))
			return MEMBER_FROM;
		return IS(name, "data") ? MEMBER_DATA : MEMBER_OTHER;
	case 6:
		return IS(name, "turnId") ? MEMBER_TURN_ID : MEMBER_OTHER;
	case 9:
		return IS(name, "timestamp") ? MEMBER_TIMESTAMP : MEMBER_OTHER;
	case 10:
		return IS(name, "instanceId") ? MEMBER_INSTANCE_ID : MEMBER_OTHER;
	case 16:
		return IS(name, "targetInstanceId") ? MEMBER_TARGET_INSTANCE_ID : MEMBER_OTHER;
	default:
		return MEMBER_OTHER;
	}
}

static enum member member_named(const struct scan_value *name)
{
	char unescaped[NAME_BYTES_MAX];
	struct slice text;

	/* What does not fit, or has a lone surrogate, is none of the names. */
	return scan_text(name, unescaped, sizeof(unescaped), &text) ? member_of(text)
	                                                            : MEMBER_OTHER;
}

struct reader {
	struct envelope *envelope;
	size_t unescaped_bytes; /* used of envelope->unescaped */
	unsigned seen;          /* bit 1 << member: the routing members that were there */
};

/* Each member comes once, and `unescaped` has room for all of them at their longest. */
static bool read_text(struct reader *reader, const struct scan_value *value, size_t bytes_max,
                      struct slice *text)
{
	char *out = reader->envelope->unescaped + reader->unescaped_bytes;

	if (!scan_text(value, out, bytes_max, text))
		return false;
	if (value->escaped)
		reader->unescaped_bytes += text->size;
	return true;
}

static enum envelope_fault read_type(struct reader *reader, const struct scan_value *value)
{
	struct slice *type = &reader->envelope->type;

	if (read_text(reader, value, NAME_TYPE_BYTES_MAX, type) && name_is_type(*type))
		return ENVELOPE_OK;
	*type = (struct slice){0};
	return ENVELOPE_BAD_TYPE;
}

static enum envelope_fault read_id(struct reader *reader, const struct scan_value *value,
                                   struct slice *id)
{
	if (read_text(reader, value, NAME_ID_BYTES_MAX, id) && name_is_id(*id))
		return ENVELOPE_OK;
	*id = (struct slice){0};
	return ENVELOPE_BAD_ID;
}

static enum envelope_fault read_target(struct reader *reader, const struct scan_value *value,
                                       struct slice *id)
{
	return slice_equal(value->raw, SLICE("null")) ? ENVELOPE_OK : read_id(reader, value, id);
}

static enum envelope_fault read_member(struct reader *reader, enum member member,
                                       const struct scan_value *value)
{
	struct envelope *envelope = reader->envelope;

	if (member <= MEMBER_TARGET_INSTANCE_ID) {
		if ((reader->seen & 1U << member) != 0)
			return ENVELOPE_TWICE;
		reader->seen |= 1U << member;
	}
	switch (member) {
	case MEMBER_TYPE:
		return read_type(reader, value);
	case MEMBER_FROM:
		return read_id(reader, value, &envelope->from);
	case MEMBER_TO:
		return read_target(reader, value, &envelope->to);
	case MEMBER_INSTANCE_ID:
		return read_id(reader, value, &envelope->instance_id);
	case MEMBER_TARGET_INSTANCE_ID:
		return read_target(reader, value, &envelope->target_instance_id);
	case MEMBER_DATA:
		envelope->data = value->raw;
		break;
	case MEMBER_ID:
		envelope->id = value->raw;
		break;
	case MEMBER_TURN_ID:
		envelope->turn_id = value->raw;
		break;
	case MEMBER_TIMESTAMP:
		envelope->timestamp = value->raw;
		break;
	case MEMBER_OTHER:
		break;
	}
	return ENVELOPE_OK;
}

/* What is wrong with a text that does not begin with a brace? */
static enum envelope_fault no_object(struct scan *scan)
{
	struct scan_value value;

	if (scan_value(scan, &value) && scan_finished(scan))
		return ENVELOPE_NOT_OBJECT;
	return scan->fault == SCAN_TOO_DEEP ? ENVELOPE_TOO_DEEP : ENVELOPE_NOT_JSON;
}

static enum envelope_fault read_object(struct slice message, struct envelope *envelope)
{
	struct reader reader = {.envelope = envelope};
	enum envelope_fault fault = ENVELOPE_OK;
	struct scan_value name;
	struct scan_value value;
	struct scan scan;

	scan_begin(&scan, message);
	if (!scan_enter(&scan, '{'))
		return no_object(&scan);
	envelope->body = (size_t)(scan.at - message.data);
	while (scan_member(&scan, &name, &value)) {
		enum envelope_fault here = read_member(&reader, member_named(&name), &value);
		if (fault == ENVELOPE_OK)
			fault = here; /* and on: the answer to it may need an id that comes later */
	}
	if (fault != ENVELOPE_OK)
		return fault;
	if (!scan_finished(&scan))
		return scan.fault == SCAN_TOO_DEEP ? ENVELOPE_TOO_DEEP : ENVELOPE_NOT_JSON;
	return envelope->type.data != NULL ? ENVELOPE_OK : ENVELOPE_BAD_TYPE;
}

static void clear(struct envelope *envelope)
{
	const struct slice absent = {0};

	/* By hand: gcc makes a memset() over them "rep stos", a seventh of the time of reading. */
	envelope->type = envelope->from = envelope->to = absent;
	envelope->instance_id = envelope->target_instance_id = absent;
	envelope->data = envelope->id = envelope->turn_id = envelope->timestamp = absent;
}

enum envelope_fault envelope_read(struct slice message, struct envelope *envelope)
{
	clear(envelope);

	enum envelope_fault fault = read_object(message, envelope);
	/* What was accepted was walked over to its end, with the UTF-8 checked on the way. */
	if (fault != ENVELOPE_OK && !utf8_valid(message))
		return ENVELOPE_NOT_UTF8;
	return fault;
}

const char *envelope_fault_text(enum envelope_fault fault)
{
	switch (fault) {
	case ENVELOPE_OK:
		return "The message is fine.";
	case ENVELOPE_NOT_UTF8:
		return "The message is not UTF-8.";
	case ENVELOPE_NOT_JSON:
		return "The message is not JSON.";
	case ENVELOPE_NOT_OBJECT:
		return "The message is not a JSON object.";
	case ENVELOPE_TOO_DEEP:
		return "The message is nested deeper than 64 levels.";
	case ENVELOPE_BAD_TYPE:
		return "The message needs a `type`: a string of 1 to 64 bytes without control characters.";
	case ENVELOPE_BAD_ID:
		return "`from`, `to`, `instanceId` and `targetInstanceId` must be strings of 1 to 128 bytes without "
		       "control characters.";
	case ENVELOPE_TWICE:
		return "The message has one of `type`, `from`, `to`, `instanceId`, `targetInstanceId` twice.";
	}
	return "The message is not understood.";
}
