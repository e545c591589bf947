#include "wire/parcel.h"

#include <assert.h>

#define FIXED_BYTES 40   /* up to and with the time */
#define VERSION_AT 8     /* in every version */
#define HEAD_BYTES_AT 10 /* in this version */
#define TEXT_BYTES_MAX 255
#define DIGEST_BYTES 8

_Static_assert(FIXED_BYTES + 2 * (1 + TEXT_BYTES_MAX) + 2 + DIGEST_BYTES <= PARCEL_HEAD_BYTES_MAX,
               "the longest head must fit");

static char *put_number(char *out, uint64_t number, size_t size)
{
	for (size_t i = size; i > 0; i--)
		*out++ = (char)(number >> 8 * (i - 1) & 0xff);
	return out;
}

static char *put_text(char *out, struct slice text)
{
	assert(text.size <= TEXT_BYTES_MAX);
	*out++ = (char)text.size;
	if (text.size > 0)
		memcpy(out, text.data, text.size);
	return out + text.size;
}

size_t parcel_head(const struct parcel *parcel, char head[PARCEL_HEAD_BYTES_MAX])
{
	char *out = head;

	out = put_number(out, parcel->position, 8);
	out = put_number(out, PARCEL_VERSION, 1);
	out = put_number(out, parcel->kind, 1);
	out += 2; /* the size of the head, once it is known */
	out = put_number(out, parcel->flags, 4);
	out = put_number(out, parcel->node, 8);
	out = put_number(out, parcel->connection, 4);
	out = put_number(out, parcel->number, 4);
	out = put_number(out, parcel->time_ms, 8);
	out = put_text(out, parcel->from);
	out = put_text(out, parcel->target);
	if (parcel->has_digest) {
		out = put_number(out, PARCEL_TAG_DIGEST, 1);
		out = put_number(out, DIGEST_BYTES, 1);
		out = put_number(out, parcel->digest, DIGEST_BYTES);
	}

	size_t size = (size_t)(out - head);
	put_number(head + HEAD_BYTES_AT, size, 2);
	return size;
}

/* Takes bytes off the front. Returns false if there are fewer. */
static bool take(struct slice *bytes, size_t size, struct slice *taken)
{
	if (bytes->size < size)
		return false;
	*taken = (struct slice){bytes->data, size};
	bytes->data += size;
	bytes->size -= size;
	return true;
}

static bool take_number(struct slice *bytes, size_t size, uint64_t *number)
{
	struct slice digits;

	*number = 0;
	if (!take(bytes, size, &digits))
		return false;
	for (size_t i = 0; i < size; i++)
		*number = *number << 8 | (unsigned char)digits.data[i];
	return true;
}

/* Takes off a text that has its size, of `size_bytes`, in front. */
static bool take_text(struct slice *bytes, size_t size_bytes, struct slice *text)
{
	uint64_t size;

	return take_number(bytes, size_bytes, &size) && take(bytes, (size_t)size, text);
}

static uint64_t number_at(const char *at, size_t size)
{
	struct slice bytes = {at, size};
	uint64_t number;

	take_number(&bytes, size, &number);
	return number;
}

static void read_fixed(const char *at, struct parcel *parcel)
{
	parcel->position = number_at(at, 8);
	parcel->kind = (enum parcel_kind)number_at(at + 9, 1);
	parcel->flags = (uint32_t)number_at(at + 12, 4);
	parcel->node = number_at(at + 16, 8);
	parcel->connection = (uint32_t)number_at(at + 24, 4);
	parcel->number = (uint32_t)number_at(at + 28, 4);
	parcel->time_ms = number_at(at + 32, 8);
}

/* The rest of the head: tagged values. Returns false if they do not end where it does. */
static bool read_tags(struct slice tags, struct parcel *parcel)
{
	struct slice value;
	uint64_t tag;

	while (tags.size > 0) {
		if (!take_number(&tags, 1, &tag) || !take_text(&tags, 1, &value))
			return false;
		if (tag == PARCEL_TAG_DIGEST) {
			if (value.size != DIGEST_BYTES)
				return false;
			parcel->has_digest = true;
			parcel->digest = number_at(value.data, DIGEST_BYTES);
		}
	}
	return true;
}

static bool is_ours(enum parcel_kind kind)
{
	switch (kind) {
	case PARCEL_MESSAGE:
	case PARCEL_PRESENCE:
	case PARCEL_OFFLINE:
	case PARCEL_PROBE:
	case PARCEL_BUNDLE:
		return true;
	case PARCEL_RECEIPT:
	case PARCEL_NACK:
	case PARCEL_TRACE:
		break;
	}
	return false;
}

enum parcel_fault parcel_read(struct slice bytes, struct parcel *parcel)
{
	struct slice head;

	*parcel = (struct parcel){0};
	/* The version first: what comes behind it may be laid out in another way. */
	if (bytes.size <= VERSION_AT)
		return PARCEL_MALFORMED;
	if (bytes.data[VERSION_AT] != PARCEL_VERSION)
		return PARCEL_UNKNOWN_VERSION;
	if (bytes.size < FIXED_BYTES)
		return PARCEL_MALFORMED;

	size_t head_bytes = (size_t)number_at(bytes.data + HEAD_BYTES_AT, 2);
	if (head_bytes < FIXED_BYTES || !take(&bytes, head_bytes, &head))
		return PARCEL_MALFORMED;
	read_fixed(head.data, parcel);
	head.data += FIXED_BYTES;
	head.size -= FIXED_BYTES;
	if (!take_text(&head, 1, &parcel->from) || !take_text(&head, 1, &parcel->target) ||
	    !read_tags(head, parcel))
		return PARCEL_MALFORMED;
	parcel->body = bytes;
	return is_ours(parcel->kind) ? PARCEL_OK : PARCEL_UNKNOWN_KIND;
}

bool parcel_next_presence(struct slice *body, struct slice *id, struct slice *message)
{
	return take_text(body, 2, id) && take_text(body, 4, message);
}

bool parcel_next(struct slice *body, struct slice *parcel)
{
	return take_text(body, PARCEL_LENGTH_BYTES, parcel);
}

void parcel_append_length(struct buffer *out, size_t parcel_bytes)
{
	assert(parcel_bytes <= UINT32_MAX);
	put_number(buffer_reserve(out, PARCEL_LENGTH_BYTES), parcel_bytes, PARCEL_LENGTH_BYTES);
	out->size += PARCEL_LENGTH_BYTES;
}

bool parcel_next_offline(struct slice *body, struct slice *id)
{
	while (body->size > 0) {
		const char *end = memchr(body->data, '\n', body->size);
		size_t size = end == NULL ? body->size : (size_t)(end - body->data);
		take(body, size, id);
		if (end != NULL)
			take(body, 1, &(struct slice){0});
		if (id->size > 0)
			return true;
	}
	return false;
}
