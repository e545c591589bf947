/* The hash is SipHash-1-3 as others compute it. */
#include "common/hash.h"

#include "tests/unit/assert_slice.h"

/* Key 00 01 .. 0f, text 00 01 ..: the known answers by length. */
static void known_answers_of_the_reference(void **state)
{
	(void)state;
	const uint64_t answers[] = {
		0xabac0158050fc4dc, 0xc9f49bf37d57ca93, 0x82cb9b024dc7d44d, 0x8bf80ab8e7ddf7fb,
		0xcf75576088d38328, 0xdef9d52f49533b67, 0xc50d2b50c59f22a7, 0xd3927d989bb11140,
		0x369095118d299a8e, 0x25a48eb36c063de4, 0x79de85ee92ff097f, 0x70c118c1f94dc352,
	};
	char text[sizeof(answers) / sizeof(*answers)];

	for (size_t i = 0; i < sizeof(text); i++) {
		text[i] = (char)i;
		uint64_t hash =
			hash_bytes((struct slice){text, i}, 0x0706050403020100, 0x0f0e0d0c0b0a0908);
		assert_true(hash == answers[i]);
	}
}

/* PYTHONHASHSEED=0 python3 -c 'print(hex(hash(b"siphash") % 2**64))', since 3.11 */
static void known_answers_of_python(void **state)
{
	(void)state;
	assert_true(hash_bytes(SLICE("a"), 0, 0) == 0x407448d2b89b1813);
	assert_true(hash_bytes(SLICE("siphash"), 0, 0) == 0x8264ceeccb16bcbe);
	assert_true(hash_bytes(SLICE("12345678"), 0, 0) == 0x3489982430560a87);
	assert_true(hash_bytes(SLICE("\0"), 0, 0) == 0x68a914128e01e473);
}

static void bytes_above_127_are_not_negative(void **state)
{
	(void)state;
	assert_true(hash_bytes(SLICE("\xff"), 0, 0) != hash_bytes(SLICE("\xff\xff"), 0, 0));
	/* PYTHONHASHSEED=0: hash(b"\xff\xfe\xfd\xfc\xfb\xfa\xf9\xf8\xf7") */
	assert_true(hash_bytes(SLICE("\xff\xfe\xfd\xfc\xfb\xfa\xf9\xf8\xf7"), 0, 0) ==
	            0x042c57b0ed26b687);
}

static void key_changes_the_hash(void **state)
{
	(void)state;
	uint64_t hash = hash_bytes(SLICE("a"), 1, 2);

	assert_true(hash != hash_bytes(SLICE("a"), 2, 1));
	assert_true(hash != hash_bytes(SLICE("a"), 1, 3));
	assert_true(hash != hash_bytes(SLICE("a"), 0, 2));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_answers_of_the_reference),
		cmocka_unit_test(known_answers_of_python),
		cmocka_unit_test(bytes_above_127_are_not_negative),
		cmocka_unit_test(key_changes_the_hash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
