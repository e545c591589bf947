#include "wire/frame.h"

#include <assert.h>

#define FIN 0x80
#define OPCODE_TEXT 0x01
#define OPCODE_CONTINUATION 0x00

#define SHORT_SIZE_MAX 125 /* longer payloads have their size in two bytes behind a marker */
#define TWO_BYTES_FOLLOW 126

_Static_assert(FRAME_PAYLOAD_BYTES_MAX <= UINT16_MAX,
               "the form with eight bytes of size is never needed");

static size_t head_size(size_t payload)
{
	return payload <= SHORT_SIZE_MAX ? 2 : 4;
}

/* What a message of that size takes on the wire. */
static size_t framed_size(size_t message)
{
	size_t last = message % FRAME_PAYLOAD_BYTES_MAX;
	size_t full = message / FRAME_PAYLOAD_BYTES_MAX;
	size_t size = full * (head_size(FRAME_PAYLOAD_BYTES_MAX) + FRAME_PAYLOAD_BYTES_MAX);

	return last > 0 || full == 0 ? size + head_size(last) + last : size;
}

static char *write_head(char *out, unsigned first_byte, size_t payload)
{
	*out++ = (char)first_byte;
	if (payload <= SHORT_SIZE_MAX) {
		*out++ = (char)payload;
		return out;
	}
	*out++ = TWO_BYTES_FOLLOW;
	*out++ = (char)(payload >> 8);
	*out++ = (char)(payload & 0xff);
	return out;
}

/* Copies the next `size` bytes of the parts. `current` is what is left of the first of them. */
static char *write_payload(char *out, size_t size, const struct slice **parts,
                           struct slice *current)
{
	while (size > 0) {
		if (current->size == 0) {
			*current = *++*parts;
			continue;
		}
		size_t run = current->size < size ? current->size : size;
		memcpy(out, current->data, run);
		current->data += run;
		current->size -= run;
		out += run;
		size -= run;
	}
	return out;
}

static size_t total_size(const struct slice *parts, size_t part_count)
{
	size_t total = 0;

	for (size_t i = 0; i < part_count; i++)
		total += parts[i].size;
	return total;
}

static void write_frames(char *out, const struct slice *parts, size_t part_count, size_t left)
{
	struct slice current = part_count > 0 ? parts[0] : SLICE("");
	unsigned opcode = OPCODE_TEXT;

	do {
		size_t payload = left < FRAME_PAYLOAD_BYTES_MAX ? left : FRAME_PAYLOAD_BYTES_MAX;
		left -= payload;
		out = write_head(out, opcode | (left == 0 ? FIN : 0), payload);
		out = write_payload(out, payload, &parts, &current);
		opcode = OPCODE_CONTINUATION;
	} while (left > 0);
}

struct blob *frame_text(const struct slice *parts, size_t part_count)
{
	size_t message = total_size(parts, part_count);
	struct blob *blob = blob_create(framed_size(message));

	write_frames(blob->bytes, parts, part_count, message);
	return blob;
}

void frame_append_text(struct buffer *out, const struct slice *parts, size_t part_count)
{
	size_t message = total_size(parts, part_count);
	size_t size = framed_size(message);

	write_frames(buffer_reserve(out, size), parts, part_count, message);
	out->size += size;
}

static size_t first_frame(struct slice frames)
{
	if (frames.size < 2)
		return 0;

	const unsigned char *head = (const unsigned char *)frames.data;
	size_t payload = head[1];
	if (payload > SHORT_SIZE_MAX) {
		assert(payload == TWO_BYTES_FOLLOW && frames.size >= 4);
		payload = (size_t)head[2] << 8 | head[3];
	}
	size_t size = head_size(payload) + payload;
	assert(size <= frames.size);
	return size;
}

size_t frame_run(struct slice frames, size_t bytes_max)
{
	size_t run = first_frame(frames);

	if (run == 0)
		return 0;
	for (;;) {
		size_t next = first_frame((struct slice){frames.data + run, frames.size - run});
		if (next == 0 || run + next > bytes_max)
			return run;
		run += next;
	}
}

size_t frame_first(struct slice frames, size_t count, size_t *found)
{
	size_t size = 0;

	for (*found = 0; *found < count && size < frames.size; ++*found)
		size += first_frame((struct slice){frames.data + size, frames.size - size});
	return size;
}
