/* What one node packs another unpacks, also one of another age; anything else does no harm. */
#include "wire/parcel.h"

#include <stdlib.h>

#include "tests/unit/assert_slice.h"

static const struct parcel example = {
	.position = 0x0102030405060708,
	.kind = PARCEL_MESSAGE,
	.flags = 0x090a0b0c,
	.node = 0x0d0e0f1011121314,
	.connection = 0x15161718,
	.number = 0x191a1b1c,
	.time_ms = 0x1d1e1f2021222324,
	.from = SLICE("peer"),
	.target = SLICE("to"),
	.has_digest = true,
	.digest = 0x25262728292a2b2c,
};

/* The example's parcel, with nothing behind it, to change and read. Freed by the next call. */
static struct slice packed(const struct parcel *parcel, struct slice body)
{
	static char *bytes;
	char head[PARCEL_HEAD_BYTES_MAX];
	size_t size = parcel_head(parcel, head);

	free(bytes);
	bytes = malloc(size + body.size);
	memcpy(bytes, head, size);
	if (body.size > 0)
		memcpy(bytes + size, body.data, body.size);
	return (struct slice){bytes, size + body.size};
}

static enum parcel_fault read_changed(size_t at, char byte)
{
	struct slice bytes = packed(&example, SLICE("body"));
	struct parcel parcel;

	((char *)(uintptr_t)bytes.data)[at] = byte;
	return parcel_read(bytes, &parcel);
}

static void head_is_as_documented(void **state)
{
	(void)state;
	const char wanted[] =
		"\x01\x02\x03\x04\x05\x06\x07\x08" /* position */
		"\x01\x01"                         /* version, kind */
		"\x00\x3a"                         /* 58 bytes: 40, 1 + 4, 1 + 2, 2 + 8 */
		"\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c"
		"\x1d\x1e\x1f\x20\x21\x22\x23\x24"
		"\x04peer\x02to"
		"\x02\x08\x25\x26\x27\x28\x29\x2a\x2b\x2c";
	char head[PARCEL_HEAD_BYTES_MAX];

	assert_int_equal(parcel_head(&example, head), sizeof(wanted) - 1);
	assert_memory_equal(head, wanted, sizeof(wanted) - 1);
}

static void what_is_packed_is_unpacked(void **state)
{
	(void)state;
	struct parcel parcel;

	assert_int_equal(parcel_read(packed(&example, SLICE("{\"type\":\"x\"}")), &parcel),
	                 PARCEL_OK);
	assert_true(parcel.position == example.position);
	assert_int_equal(parcel.kind, PARCEL_MESSAGE);
	assert_int_equal(parcel.flags, example.flags);
	assert_true(parcel.node == example.node);
	assert_int_equal(parcel.connection, example.connection);
	assert_int_equal(parcel.number, example.number);
	assert_true(parcel.time_ms == example.time_ms);
	assert_slice(parcel.from, "peer");
	assert_slice(parcel.target, "to");
	assert_true(parcel.has_digest);
	assert_true(parcel.digest == example.digest);
	assert_slice(parcel.body, "{\"type\":\"x\"}");
}

static void everything_may_be_empty(void **state)
{
	(void)state;
	const struct parcel least = {.kind = PARCEL_PROBE};
	struct parcel parcel;

	assert_int_equal(parcel_read(packed(&least, SLICE("")), &parcel), PARCEL_OK);
	assert_int_equal(parcel.kind, PARCEL_PROBE);
	assert_int_equal(parcel.from.size, 0);
	assert_int_equal(parcel.target.size, 0);
	assert_false(parcel.has_digest);
	assert_int_equal(parcel.body.size, 0);
}

static void longest_head_fits(void **state)
{
	(void)state;
	char name[255];
	struct parcel longest = example;
	struct parcel parcel;

	memset(name, 'n', sizeof(name));
	longest.from = (struct slice){name, sizeof(name)};
	longest.target = longest.from;
	assert_int_equal(parcel_read(packed(&longest, SLICE("body")), &parcel), PARCEL_OK);
	assert_int_equal(parcel.from.size, 255);
	assert_int_equal(parcel.target.size, 255);
	assert_slice(parcel.body, "body");
}

static void every_cut_of_the_head_is_malformed(void **state)
{
	(void)state;
	struct parcel parcel;
	char head[PARCEL_HEAD_BYTES_MAX];
	size_t size = parcel_head(&example, head);

	for (size_t cut = 0; cut < size; cut++) {
		char *exact = malloc(cut > 0 ? cut : 1);
		memcpy(exact, head, cut);
		assert_int_equal(parcel_read((struct slice){exact, cut}, &parcel),
		                 PARCEL_MALFORMED);
		free(exact);
	}
	assert_int_equal(parcel_read((struct slice){0}, &parcel), PARCEL_MALFORMED);
}

static void sizes_that_contradict_are_malformed(void **state)
{
	(void)state;
	assert_int_equal(read_changed(10, 0x7f), PARCEL_MALFORMED); /* more head than there is */
	assert_int_equal(read_changed(11, 39), PARCEL_MALFORMED);   /* less than its fixed part */
	assert_int_equal(read_changed(11, 40), PARCEL_MALFORMED);   /* no room for from */
	assert_int_equal(read_changed(11, 47), PARCEL_MALFORMED);   /* target is cut */
	assert_int_equal(read_changed(11, 49), PARCEL_MALFORMED);   /* a tag without size */
	assert_int_equal(read_changed(11, 57), PARCEL_MALFORMED);   /* the digest is cut */
	assert_int_equal(read_changed(11, 48), PARCEL_OK); /* no tags: what is there is body */
	assert_int_equal(read_changed(40, (char)200),
	                 PARCEL_MALFORMED);                       /* from runs past the head */
	assert_int_equal(read_changed(45, 13), PARCEL_MALFORMED); /* target too */
	assert_int_equal(read_changed(49, 9), PARCEL_MALFORMED);  /* a tag into the body */
	assert_int_equal(read_changed(49, 7), PARCEL_MALFORMED);  /* a digest of seven bytes */
}

static void unknown_tags_are_passed_over(void **state)
{
	(void)state;
	const struct parcel plain = {.kind = PARCEL_MESSAGE, .from = SLICE("p")};
	struct slice tags =
		SLICE("\xc8\x03xyz\x01\x00\x02\x08\x00\x00\x00\x00\x00\x00\x00\x07\xff\x01z");
	struct parcel parcel;
	char bytes[PARCEL_HEAD_BYTES_MAX];
	size_t size = parcel_head(&plain, bytes);

	memcpy(bytes + size, tags.data, tags.size);
	memcpy(bytes + size + tags.size, "body", 4);
	bytes[11] = (char)(size + tags.size);
	assert_int_equal(parcel_read((struct slice){bytes, size + tags.size + 4}, &parcel),
	                 PARCEL_OK);
	assert_true(parcel.has_digest);
	assert_int_equal(parcel.digest, 7);
	assert_slice(parcel.body, "body");
}

static void other_versions_are_not_for_us(void **state)
{
	(void)state;
	struct parcel parcel;

	assert_int_equal(read_changed(8, 2), PARCEL_UNKNOWN_VERSION);
	assert_int_equal(read_changed(8, 0), PARCEL_UNKNOWN_VERSION);
	assert_int_equal(read_changed(8, (char)255), PARCEL_UNKNOWN_VERSION);
	/* Nothing behind the version is known. */
	assert_int_equal(parcel_read(SLICE("\0\0\0\0\0\0\0\0\2"), &parcel), PARCEL_UNKNOWN_VERSION);
}

static void other_kinds_are_not_for_us(void **state)
{
	(void)state;
	assert_int_equal(read_changed(9, 0), PARCEL_UNKNOWN_KIND);
	assert_int_equal(read_changed(9, PARCEL_PROBE), PARCEL_OK);
	assert_int_equal(read_changed(9, PARCEL_RECEIPT), PARCEL_UNKNOWN_KIND); /* reserved */
	assert_int_equal(read_changed(9, PARCEL_TRACE), PARCEL_UNKNOWN_KIND);
	assert_int_equal(read_changed(9, (char)200), PARCEL_UNKNOWN_KIND);
}

static void presences_are_taken_off_one_by_one(void **state)
{
	(void)state;
	struct slice body = SLICE(
		"\x00\x02p1\x00\x00\x00\x04{\"a\"\x00\x00\x00\x00\x00\x00\x00\x01p\x00\x00\x00\x00");
	struct slice id;
	struct slice message;

	assert_true(parcel_next_presence(&body, &id, &message));
	assert_slice(id, "p1");
	assert_slice(message, "{\"a\"");
	assert_true(parcel_next_presence(&body, &id, &message));
	assert_slice(id, "");
	assert_slice(message, "");
	assert_true(parcel_next_presence(&body, &id, &message));
	assert_slice(id, "p");
	assert_slice(message, "");
	assert_false(parcel_next_presence(&body, &id, &message));
}

static void presence_that_is_cut_short_is_the_end(void **state)
{
	(void)state;
	struct slice whole = SLICE("\x00\x02p1\x00\x00\x00\x04{\"a\"");
	struct slice id;
	struct slice message;

	for (size_t size = 0; size < whole.size; size++) {
		struct slice body = {whole.data, size};
		assert_false(parcel_next_presence(&body, &id, &message));
	}
	struct slice huge = SLICE("\x00\x01p\xff\xff\xff\xff{}");
	assert_false(parcel_next_presence(&huge, &id, &message));
}

static void parcels_are_taken_off_a_bundle(void **state)
{
	(void)state;
	struct buffer body = {0};
	struct slice parcel;

	parcel_append_length(&body, 3);
	buffer_append(&body, SLICE("one"));
	parcel_append_length(&body, 0);
	parcel_append_length(&body, 300);
	assert_int_equal(body.size, 15);
	assert_memory_equal(body.data, "\0\0\0\3one\0\0\0\0\0\0\x01\x2c", body.size);

	struct slice rest = buffer_slice(&body);
	assert_true(parcel_next(&rest, &parcel));
	assert_slice(parcel, "one");
	assert_true(parcel_next(&rest, &parcel));
	assert_slice(parcel, "");
	assert_false(parcel_next(&rest, &parcel)); /* cut short */
	buffer_fini(&body);
}

static void offline_ids_are_lines(void **state)
{
	(void)state;
	struct slice body = SLICE("p1\np2\n\np3\n");
	struct slice id;

	assert_true(parcel_next_offline(&body, &id));
	assert_slice(id, "p1");
	assert_true(parcel_next_offline(&body, &id));
	assert_slice(id, "p2");
	assert_true(parcel_next_offline(&body, &id)); /* an empty line is no id */
	assert_slice(id, "p3");
	assert_false(parcel_next_offline(&body, &id));
	assert_false(parcel_next_offline(&body, &id));

	body = SLICE("only");
	assert_true(parcel_next_offline(&body, &id));
	assert_slice(id, "only");
	assert_false(parcel_next_offline(&body, &id));
	body = (struct slice){0};
	assert_false(parcel_next_offline(&body, &id));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(head_is_as_documented),
		cmocka_unit_test(what_is_packed_is_unpacked),
		cmocka_unit_test(everything_may_be_empty),
		cmocka_unit_test(longest_head_fits),
		cmocka_unit_test(every_cut_of_the_head_is_malformed),
		cmocka_unit_test(sizes_that_contradict_are_malformed),
		cmocka_unit_test(unknown_tags_are_passed_over),
		cmocka_unit_test(other_versions_are_not_for_us),
		cmocka_unit_test(other_kinds_are_not_for_us),
		cmocka_unit_test(presences_are_taken_off_one_by_one),
		cmocka_unit_test(presence_that_is_cut_short_is_the_end),
		cmocka_unit_test(parcels_are_taken_off_a_bundle),
		cmocka_unit_test(offline_ids_are_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
