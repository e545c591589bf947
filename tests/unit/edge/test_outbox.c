/* One slow reader costs a bounded amount of memory, and what it gets is whole and in order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "edge/outbox.h"
#include "wire/frame.h"

#define NO_BOUND SIZE_MAX

static char scratch[256];

/* A frame of `size` bytes, two of which are its head. */
static struct blob *frame_of(char fill, size_t size)
{
	char text[128];

	assert_in_range(size, 2, 127);
	memset(text, fill, sizeof(text));
	struct slice part = {text, size - 2};
	return frame_text(&part, 1);
}

static bool push(struct outbox **outbox, struct blob *frames, bool exempt, size_t bytes_max)
{
	return outbox_push(outbox, frames, 0, frames->size, exempt, bytes_max);
}

static void empty_one_takes_no_memory(void **state)
{
	struct outbox *outbox = NULL;
	struct blob *frames = frame_of('a', 10);

	(void)state;
	assert_int_equal(outbox_bytes(outbox), 0);
	assert_int_equal(outbox_peek(outbox, scratch, sizeof(scratch)).size, 0);
	assert_int_equal(outbox_consume(&outbox, 0), 0);
	outbox_clear(&outbox);
	assert_null(outbox);

	assert_true(push(&outbox, frames, false, NO_BOUND));
	assert_non_null(outbox);
	assert_int_equal(outbox_consume(&outbox, 10), 1);
	assert_null(outbox);

	assert_true(outbox_push(&outbox, frames, 4, 4, false, 0)); /* nothing fits everywhere */
	assert_null(outbox);
	assert_int_equal(frames->references, 1);
	blob_unref(frames);
}

static void full_one_refuses_and_keeps_no_trace(void **state)
{
	struct outbox *outbox = NULL;
	struct blob *first = frame_of('a', 8);
	struct blob *second = frame_of('b', 3);

	(void)state;
	assert_true(push(&outbox, first, false, 10));
	assert_false(push(&outbox, second, false, 10)); /* 8 + 3 > 10 */
	assert_int_equal(outbox_bytes(outbox), 8);
	assert_int_equal(second->references, 1);
	assert_true(push(&outbox, second, false, 11));
	assert_int_equal(outbox_bytes(outbox), 11);

	outbox_consume(&outbox, 8);
	assert_true(push(&outbox, second, false, 10)); /* room again */
	assert_false(push(&outbox, first, false, 5));  /* longer than the bound itself */
	outbox_clear(&outbox);
	assert_int_equal(first->references, 1);
	assert_int_equal(second->references, 1);
	blob_unref(first);
	blob_unref(second);
}

static void exempt_bytes_do_not_count_against_the_bound(void **state)
{
	struct outbox *outbox = NULL;
	struct blob *roster = frame_of('r', 100);
	struct blob *message = frame_of('m', 10);

	(void)state;
	assert_true(push(&outbox, roster, true, 10));
	assert_true(push(&outbox, message, false, 10));
	assert_true(push(&outbox, roster, true, 10));
	assert_false(push(&outbox, message, false, 10));
	assert_int_equal(outbox_bytes(outbox), 210);

	outbox_consume(&outbox, 105); /* the roster, and half of the message */
	assert_int_equal(outbox_bytes(outbox), 105);
	assert_false(push(&outbox, message, false, 14));
	assert_true(push(&outbox, message, false, 15));
	outbox_clear(&outbox);
	blob_unref(roster);
	blob_unref(message);
}

static void small_pieces_are_joined_whole(void **state)
{
	struct outbox *outbox = NULL;
	struct blob *a = frame_of('a', 30);
	struct blob *b = frame_of('b', 30);
	struct blob *c = frame_of('c', 30);

	(void)state;
	push(&outbox, a, false, NO_BOUND);
	push(&outbox, b, false, NO_BOUND);
	push(&outbox, c, false, NO_BOUND);

	struct slice run = outbox_peek(outbox, scratch, 89); /* one byte too few for the third */
	assert_ptr_equal(run.data, scratch);
	assert_int_equal(run.size, 60);
	assert_memory_equal(run.data, a->bytes, 30);
	assert_memory_equal(run.data + 30, b->bytes, 30);
	assert_int_equal(outbox_peek(outbox, scratch, 90).size, 90);

	assert_int_equal(outbox_consume(&outbox, 60), 2);
	run = outbox_peek(outbox, scratch, 90);
	assert_ptr_equal(run.data, c->bytes); /* a single one is not copied */
	assert_int_equal(run.size, 30);
	outbox_clear(&outbox);
	blob_unref(a);
	blob_unref(b);
	blob_unref(c);
}

static void long_pieces_are_cut_between_frames(void **state)
{
	struct outbox *outbox = NULL;
	struct blob *frame = frame_of('f', 40);
	struct blob *block = blob_create(4 * 40);
	struct blob *small = frame_of('s', 10);

	(void)state;
	for (size_t i = 0; i < 4; i++)
		memcpy(block->bytes + i * 40, frame->bytes, 40);
	push(&outbox, block, true, NO_BOUND);
	push(&outbox, small, false, NO_BOUND);

	struct slice run = outbox_peek(outbox, scratch, 100);
	assert_ptr_equal(run.data, block->bytes); /* where it lies */
	assert_int_equal(run.size, 80);           /* two frames; two and a half would fit */
	assert_int_equal(outbox_consume(&outbox, run.size), 0);

	run = outbox_peek(outbox, scratch, 100);
	assert_int_equal(run.size, 90); /* the other two, and the small one */
	outbox_clear(&outbox);

	/* The other way round: a small one, then as many frames of the block as fit. */
	push(&outbox, small, false, NO_BOUND);
	push(&outbox, block, true, NO_BOUND);
	run = outbox_peek(outbox, scratch, 100);
	assert_int_equal(run.size, 90);
	assert_int_equal(outbox_consume(&outbox, run.size), 1);
	assert_int_equal(outbox_bytes(outbox), 80);
	outbox_clear(&outbox);
	blob_unref(frame);
	blob_unref(block);
	blob_unref(small);
}

static void frame_longer_than_the_scratch_goes_alone(void **state)
{
	struct outbox *outbox = NULL;
	struct blob *long_one = frame_of('l', 100);
	struct blob *small = frame_of('s', 10);

	(void)state;
	push(&outbox, small, false, NO_BOUND);
	push(&outbox, long_one, false, NO_BOUND);
	push(&outbox, small, false, NO_BOUND);

	assert_int_equal(outbox_peek(outbox, scratch, 50).size, 10);
	outbox_consume(&outbox, 10);
	struct slice run = outbox_peek(outbox, scratch, 50);
	assert_ptr_equal(run.data, long_one->bytes);
	assert_int_equal(run.size, 100);
	outbox_consume(&outbox, 100);
	assert_int_equal(outbox_peek(outbox, scratch, 50).size, 10);
	outbox_clear(&outbox);
	blob_unref(long_one);
	blob_unref(small);
}

static void part_of_a_blob_can_be_queued(void **state)
{
	struct outbox *outbox = NULL;
	struct blob *frame = frame_of('f', 20);
	struct blob *block = blob_create(60);

	(void)state;
	for (size_t i = 0; i < 3; i++)
		memcpy(block->bytes + i * 20, frame->bytes, 20);
	assert_true(outbox_push(&outbox, block, 20, 40, false, 20));
	struct slice run = outbox_peek(outbox, scratch, sizeof(scratch));
	assert_ptr_equal(run.data, block->bytes + 20);
	assert_int_equal(run.size, 20);
	outbox_clear(&outbox);
	blob_unref(frame);
	blob_unref(block);
}

/* Against the simplest model there is: all bytes in a row. */
static void order_holds_whatever_happens(void **state)
{
	static char in[1 << 20];
	static char out[1 << 20];
	struct outbox *outbox = NULL;
	size_t in_size = 0;
	size_t out_size = 0;

	(void)state;
	srand(1);
	while (in_size < sizeof(in) - 128) {
		if (rand() % 5 < 3) {
			struct blob *frame = frame_of((char)rand(), 2 + (size_t)rand() % 125);
			assert_true(push(&outbox, frame, rand() % 4 == 0, NO_BOUND));
			memcpy(in + in_size, frame->bytes, frame->size);
			in_size += frame->size;
			blob_unref(frame);
		} else {
			struct slice run = outbox_peek(outbox, scratch, 130 + (size_t)rand() % 126);
			memcpy(out + out_size, run.data, run.size);
			out_size += run.size;
			outbox_consume(&outbox, run.size);
		}
		assert_int_equal(outbox_bytes(outbox), in_size - out_size);
	}
	while (outbox != NULL) {
		struct slice run = outbox_peek(outbox, scratch, sizeof(scratch));
		memcpy(out + out_size, run.data, run.size);
		out_size += run.size;
		outbox_consume(&outbox, run.size);
	}
	assert_int_equal(in_size, out_size);
	assert_memory_equal(in, out, in_size);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(empty_one_takes_no_memory),
		cmocka_unit_test(full_one_refuses_and_keeps_no_trace),
		cmocka_unit_test(exempt_bytes_do_not_count_against_the_bound),
		cmocka_unit_test(small_pieces_are_joined_whole),
		cmocka_unit_test(long_pieces_are_cut_between_frames),
		cmocka_unit_test(frame_longer_than_the_scratch_goes_alone),
		cmocka_unit_test(part_of_a_blob_can_be_queued),
		cmocka_unit_test(order_holds_whatever_happens),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
