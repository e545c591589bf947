/* A message's frames are what RFC 6455 allows, and joined again they are the message. */
#include "wire/frame.h"

#include "tests/unit/assert_slice.h"

static char pattern[100000];

static int set_up(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(pattern); i++)
		pattern[i] = (char)('a' + i % 23);
	return 0;
}

static struct blob *framed(size_t size)
{
	const struct slice message = {pattern, size};

	return frame_text(&message, 1);
}

/* Takes the frames apart by the RFC. Returns the joined payload's size; tells how many frames there were. */
static size_t defragment(struct slice frames, char *out, size_t *count)
{
	size_t at = 0;
	size_t size = 0;
	bool final = false;

	for (*count = 0; !final; ++*count) {
		assert_true(at + 2 <= frames.size);
		unsigned first = (unsigned char)frames.data[at];
		size_t payload = (unsigned char)frames.data[at + 1];
		final = (first & 0x80) != 0;
		assert_int_equal(first & 0x7f,
		                 *count == 0 ? 1 : 0); /* text, then continuations; no RSV bits */
		at += 2;
		if (payload == 126) {
			payload = (size_t)(unsigned char)frames.data[at] << 8 |
			          (unsigned char)frames.data[at + 1];
			assert_true(payload > 125); /* the shortest form */
			at += 2;
		}
		assert_true(payload <= FRAME_PAYLOAD_BYTES_MAX);
		assert_true(at + payload <= frames.size);
		memcpy(out + size, frames.data + at, payload);
		size += payload;
		at += payload;
	}
	assert_int_equal(at, frames.size);
	return size;
}

static void assert_joins(size_t size, size_t frame_count)
{
	static char joined[sizeof(pattern)];
	struct blob *blob = framed(size);
	size_t count;

	assert_int_equal(defragment(blob_slice(blob), joined, &count), size);
	assert_int_equal(count, frame_count);
	assert_memory_equal(joined, pattern, size);
	blob_unref(blob);
}

static void short_message_has_two_bytes_in_front(void **state)
{
	(void)state;
	struct blob *blob = framed(3);

	assert_slice(blob_slice(blob), "\x81\x03"
	                               "abc");
	blob_unref(blob);
}

static void longer_message_has_four(void **state)
{
	(void)state;
	struct blob *blob = framed(125);

	assert_int_equal(blob->size, 2 + 125);
	blob_unref(blob);
	blob = framed(126);
	assert_int_equal(blob->size, 4 + 126);
	assert_memory_equal(blob->bytes, "\x81\x7e\x00\x7e", 4);
	blob_unref(blob);
	blob = framed(16384);
	assert_int_equal(blob->size, 4 + 16384);
	assert_memory_equal(blob->bytes, "\x81\x7e\x40\x00", 4);
	blob_unref(blob);
}

static void long_message_leaves_in_fragments(void **state)
{
	(void)state;
	struct blob *blob = framed(2 * 16384 + 5);

	assert_memory_equal(blob->bytes, "\x01\x7e\x40\x00", 4);
	assert_memory_equal(blob->bytes + 4 + 16384, "\x00\x7e\x40\x00", 4);
	assert_memory_equal(blob->bytes + 2 * (4 + 16384), "\x80\x05", 2);
	assert_int_equal(blob->size, 2 * (4 + 16384) + 2 + 5);
	blob_unref(blob);
}

static void every_size_near_a_bound_joins_again(void **state)
{
	(void)state;
	assert_joins(0, 1);
	for (size_t size = 120; size < 130; size++)
		assert_joins(size, 1);
	for (size_t n = 1; n <= 6; n++) {
		assert_joins(n * 16384 - 1, n);
		assert_joins(n * 16384, n); /* no empty fragment behind */
		assert_joins(n * 16384 + 1, n + 1);
		assert_joins(n * 16384 + 126, n + 1);
	}
}

static void parts_are_joined_wherever_they_meet(void **state)
{
	(void)state;
	static char joined[sizeof(pattern)];
	size_t count;

	for (size_t cut = 16380; cut < 16390; cut++) {
		const struct slice parts[] = {
			{pattern, 1},
			{0},
			{pattern + 1, cut - 1},
			SLICE(""),
			{pattern + cut, 40000 - cut},
			{0},
		};
		struct blob *blob = frame_text(parts, sizeof(parts) / sizeof(*parts));
		assert_int_equal(defragment(blob_slice(blob), joined, &count), 40000);
		assert_memory_equal(joined, pattern, 40000);
		blob_unref(blob);
	}
}

static void nothing_is_an_empty_message(void **state)
{
	(void)state;
	struct blob *blob = frame_text(NULL, 0);

	assert_int_equal(blob->size, 2);
	assert_memory_equal(blob->bytes, "\x81\x00", 2);
	blob_unref(blob);
}

static void appended_is_the_same_as_made(void **state)
{
	(void)state;
	const size_t sizes[] = {0, 5, 126, 40000};
	struct buffer out = {0};
	size_t at = 0;

	for (size_t i = 0; i < 4; i++) {
		const struct slice message = {pattern, sizes[i]};
		struct blob *blob = framed(sizes[i]);
		frame_append_text(&out, &message, 1);
		assert_int_equal(out.size - at, blob->size);
		assert_memory_equal(out.data + at, blob->bytes, blob->size);
		at = out.size;
		blob_unref(blob);
	}
	buffer_fini(&out);
}

static void run_is_of_whole_frames(void **state)
{
	(void)state;
	struct buffer out = {0};
	const struct slice messages[] = {{pattern, 10}, {pattern, 200}, {pattern, 20000}};

	for (size_t i = 0; i < 3; i++)
		frame_append_text(&out, &messages[i], 1);
	struct slice frames = buffer_slice(&out);
	size_t first = 2 + 10;
	size_t second = first + 4 + 200;
	size_t third = second + 4 + 16384; /* the first fragment of the third message */
	size_t all = third + 4 + (20000 - 16384);

	assert_int_equal(frames.size, all);
	assert_int_equal(frame_run(frames, first), first);
	assert_int_equal(frame_run(frames, second - 1), first);
	assert_int_equal(frame_run(frames, second), second);
	assert_int_equal(frame_run(frames, third - 1), second);
	assert_int_equal(frame_run(frames, all - 1), third);
	assert_int_equal(frame_run(frames, all), all);
	assert_int_equal(frame_run(frames, SIZE_MAX), all);
	buffer_fini(&out);
}

static void run_has_at_least_one_frame(void **state)
{
	(void)state;
	struct blob *blob = framed(100);

	assert_int_equal(frame_run(blob_slice(blob), 0), 102);
	assert_int_equal(frame_run(blob_slice(blob), 50), 102);
	assert_int_equal(frame_run((struct slice){0}, 50), 0);
	blob_unref(blob);
}

static void first_frames_are_counted(void **state)
{
	(void)state;
	struct buffer out = {0};
	const struct slice messages[] = {{pattern, 10}, {pattern, 0}, {pattern, 20000}};
	size_t found;

	for (size_t i = 0; i < 3; i++)
		frame_append_text(&out, &messages[i], 1);
	struct slice frames = buffer_slice(&out);
	assert_int_equal(frame_first(frames, 0, &found), 0);
	assert_int_equal(found, 0);
	assert_int_equal(frame_first(frames, 1, &found), 12);
	assert_int_equal(found, 1);
	assert_int_equal(frame_first(frames, 3, &found), 12 + 2 + 4 + 16384);
	assert_int_equal(found, 3);
	assert_int_equal(frame_first(frames, 100, &found), frames.size);
	assert_int_equal(found, 4);
	buffer_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(short_message_has_two_bytes_in_front),
		cmocka_unit_test(longer_message_has_four),
		cmocka_unit_test(long_message_leaves_in_fragments),
		cmocka_unit_test(every_size_near_a_bound_joins_again),
		cmocka_unit_test(parts_are_joined_wherever_they_meet),
		cmocka_unit_test(nothing_is_an_empty_message),
		cmocka_unit_test(appended_is_the_same_as_made),
		cmocka_unit_test(run_is_of_whole_frames),
		cmocka_unit_test(run_has_at_least_one_frame),
		cmocka_unit_test(first_frames_are_counted),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
