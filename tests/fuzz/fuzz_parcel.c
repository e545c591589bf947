/*
 * Whatever comes from the bus is read or refused without harm; what was read points into it, and
 * packed again it is the same.
 */
#include "wire/parcel.h"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_inside(struct slice part, struct slice whole)
{
	assert(part.data >= whole.data && part.data + part.size <= whole.data + whole.size);
}

static void check_records(struct slice body)
{
	struct slice id;
	struct slice message;
	const char *at = body.data;

	for (struct slice rest = body; parcel_next_presence(&rest, &id, &message);) {
		assert(id.data == at + 2);
		assert(message.data == at + 2 + id.size + 4);
		at = message.data + message.size;
		check_inside(message, body);
	}
	for (struct slice rest = body; parcel_next(&rest, &message);)
		check_inside(message, body);
	for (struct slice rest = body; parcel_next_offline(&rest, &id);) {
		check_inside(id, body);
		assert(id.size > 0 && memchr(id.data, '\n', id.size) == NULL);
	}
}

static void check_packed(const struct parcel *parcel)
{
	char head[PARCEL_HEAD_BYTES_MAX];
	struct parcel again;
	size_t size = parcel_head(parcel, head);

	assert(size <= sizeof(head));
	assert(parcel_read((struct slice){head, size}, &again) == PARCEL_OK);
	assert(again.position == parcel->position);
	assert(again.kind == parcel->kind);
	assert(again.flags == parcel->flags);
	assert(again.node == parcel->node);
	assert(again.connection == parcel->connection);
	assert(again.number == parcel->number);
	assert(again.time_ms == parcel->time_ms);
	assert(slice_equal(again.from, parcel->from));
	assert(slice_equal(again.target, parcel->target));
	assert(again.has_digest == parcel->has_digest);
	assert(again.digest == parcel->digest);
	assert(again.body.size == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice bytes = {(const char *)data, size};
	struct parcel parcel;

	check_records(bytes);
	switch (parcel_read(bytes, &parcel)) {
	case PARCEL_OK:
		check_inside(parcel.from, bytes);
		check_inside(parcel.target, bytes);
		check_inside(parcel.body, bytes);
		assert(parcel.body.data + parcel.body.size == bytes.data + bytes.size);
		check_records(parcel.body);
		check_packed(&parcel);
		break;
	case PARCEL_UNKNOWN_VERSION:
		assert(size >= 9 && data[8] != PARCEL_VERSION);
		break;
	case PARCEL_UNKNOWN_KIND:
		assert(size >= 42 && (data[9] < PARCEL_MESSAGE || data[9] > PARCEL_PROBE));
		break;
	case PARCEL_MALFORMED:
		break;
	}
	return 0;
}
