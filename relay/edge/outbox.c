#include "edge/outbox.h"

#include <assert.h>
#include <stdlib.h>

#include "common/memory.h"
#include "wire/frame.h"

#define FIRST_CAPACITY 4
#define BLOB_BYTES_MAX 0x7fffffffu

/* 16 bytes: small messages make many of them. */
struct piece {
	struct blob *frames; /* owned reference */
	uint32_t begin;      /* moves up while it is written */
	uint32_t end : 31;
	uint32_t exempt : 1;
};

struct outbox {
	uint32_t capacity; /* a power of two */
	uint32_t first;
	uint32_t count;
	size_t bytes_exempt;
	size_t bytes_counted;
	struct piece ring[];
};

static struct piece *piece_at(const struct outbox *outbox, uint32_t place)
{
	return (struct piece *)&outbox->ring[(outbox->first + place) & (outbox->capacity - 1)];
}

static struct slice piece_bytes(const struct piece *piece)
{
	return (struct slice){piece->frames->bytes + piece->begin, piece->end - piece->begin};
}

/* Returns an outbox with room for one piece more, in place of the old one. */
static struct outbox *with_room(struct outbox *old)
{
	if (old != NULL && old->count < old->capacity)
		return old;

	uint32_t capacity = old != NULL ? old->capacity * 2 : FIRST_CAPACITY;
	struct outbox *outbox = mem_alloc(sizeof(*outbox) + capacity * sizeof(struct piece));
	*outbox = (struct outbox){.capacity = capacity};
	if (old == NULL)
		return outbox;

	outbox->bytes_exempt = old->bytes_exempt;
	outbox->bytes_counted = old->bytes_counted;
	outbox->count = old->count;
	for (uint32_t i = 0; i < old->count; i++)
		outbox->ring[i] = *piece_at(old, i);
	free(old);
	return outbox;
}

bool outbox_push(struct outbox **outbox, struct blob *frames, uint32_t begin, uint32_t end,
                 bool exempt, size_t bytes_max)
{
	assert(begin <= end && end <= frames->size && frames->size <= BLOB_BYTES_MAX);

	size_t size = end - begin;
	size_t counted = *outbox != NULL ? (*outbox)->bytes_counted : 0;
	if (!exempt && (size > bytes_max || counted > bytes_max - size))
		return false;
	if (size == 0)
		return true;

	struct outbox *box = with_room(*outbox);
	*piece_at(box, box->count++) = (struct piece){
		.frames = blob_ref(frames),
		.begin = begin,
		.end = end & BLOB_BYTES_MAX,
		.exempt = exempt ? 1 : 0,
	};
	if (exempt)
		box->bytes_exempt += size;
	else
		box->bytes_counted += size;
	*outbox = box;
	return true;
}

size_t outbox_bytes(const struct outbox *outbox)
{
	return outbox != NULL ? outbox->bytes_exempt + outbox->bytes_counted : 0;
}

/*
 * How much of the bytes to write when `room` is left: all, or a run of whole frames; may be more
 * than `room`.
 */
static size_t run_of(struct slice bytes, size_t room)
{
	return bytes.size <= room ? bytes.size : frame_run(bytes, room);
}

struct slice outbox_peek(const struct outbox *outbox, char *scratch, size_t scratch_size)
{
	if (outbox == NULL)
		return SLICE("");

	struct slice bytes = piece_bytes(piece_at(outbox, 0));
	size_t size = run_of(bytes, scratch_size);
	if (size < bytes.size || size >= scratch_size || outbox->count == 1)
		return (struct slice){bytes.data, size};

	memcpy(scratch, bytes.data, size);
	for (uint32_t i = 1; i < outbox->count; i++) {
		bytes = piece_bytes(piece_at(outbox, i));
		size_t run = run_of(bytes, scratch_size - size);
		if (run > scratch_size - size)
			break;
		memcpy(scratch + size, bytes.data, run);
		size += run;
		if (run < bytes.size)
			break;
	}
	return (struct slice){scratch, size};
}

size_t outbox_consume(struct outbox **outbox, size_t size)
{
	struct outbox *box = *outbox;
	size_t finished = 0;

	while (size > 0) {
		assert(box != NULL && box->count > 0);
		struct piece *piece = piece_at(box, 0);
		uint32_t left = piece->end - piece->begin;
		uint32_t taken = size < left ? (uint32_t)size : left;

		size -= taken;
		piece->begin += taken;
		if (piece->exempt)
			box->bytes_exempt -= taken;
		else
			box->bytes_counted -= taken;
		if (taken == left) {
			blob_unref(piece->frames);
			box->first = (box->first + 1) & (box->capacity - 1);
			box->count--;
			finished++;
		}
	}
	if (box != NULL && box->count == 0) {
		free(box);
		*outbox = NULL;
	}
	return finished;
}

void outbox_clear(struct outbox **outbox)
{
	outbox_consume(outbox, outbox_bytes(*outbox));
}
