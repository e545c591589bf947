#include "mesh/block.h"

#include "wire/frame.h"
#include "wire/notice.h"

#define PARTS_MAX 3

/* The presence as announced; where it has no timestamp, the time when it was is inserted. */
static size_t presence_parts(const struct peer *peer, struct buffer *stamp,
                             struct slice parts[PARTS_MAX])
{
	struct slice message = blob_slice(peer->presence);

	if (peer->parsed.timestamp.data != NULL) {
		parts[0] = message;
		return 1;
	}
	size_t body =
		(size_t)((const char *)memchr(message.data, '{', message.size) - message.data) + 1;
	buffer_clear(stamp);
	notice_insert_timestamp(stamp, peer->seen_ms);
	parts[0] = (struct slice){message.data, body};
	parts[1] = buffer_slice(stamp);
	parts[2] = (struct slice){message.data + body, message.size - body};
	return 3;
}

struct blob *block_of_presences(const struct roster *roster)
{
	struct table_cursor cursor = {0};
	struct buffer block = {0};
	struct buffer stamp = {0};
	struct slice parts[PARTS_MAX];
	struct peer *peer;

	while ((peer = roster_next(roster, &cursor)) != NULL) {
		peer->frame_begin = (uint32_t)block.size;
		frame_append_text(&block, parts, presence_parts(peer, &stamp, parts));
		peer->frame_end = (uint32_t)block.size;
	}
	struct blob *blob = blob_copy(buffer_slice(&block));
	buffer_fini(&block);
	buffer_fini(&stamp);
	return blob;
}

struct blob *block_of_roster(const struct roster *roster, struct slice own, uint64_t time_ms)
{
	struct table_cursor cursor = {0};
	struct buffer message = {0};
	struct buffer stamp = {0};
	struct slice parts[PARTS_MAX];
	const char *comma = "";
	struct peer *peer;

	notice_roster_open(&message);
	while ((peer = roster_next(roster, &cursor)) != NULL) {
		if (slice_equal(peer_id(peer), own))
			continue;
		buffer_append(&message, slice_of(comma));
		size_t count = presence_parts(peer, &stamp, parts);
		for (size_t i = 0; i < count; i++)
			buffer_append(&message, parts[i]);
		comma = ",";
	}
	notice_roster_close(&message, time_ms);

	struct slice whole = buffer_slice(&message);
	struct blob *frames = frame_text(&whole, 1);
	buffer_fini(&message);
	buffer_fini(&stamp);
	return frames;
}
