/* What may name a peer, a type or a mesh: nothing that ends a line, a key or a C string. */
#include "wire/name.h"

#include "tests/unit/assert_slice.h"

static void ids_have_1_to_128_bytes(void **state)
{
	(void)state;
	char text[NAME_ID_BYTES_MAX + 1];

	memset(text, 'a', sizeof(text));
	assert_false(name_is_id((struct slice){0}));
	assert_false(name_is_id(SLICE("")));
	for (size_t size = 1; size <= NAME_ID_BYTES_MAX; size++)
		assert_true(name_is_id((struct slice){text, size}));
	assert_false(name_is_id((struct slice){text, NAME_ID_BYTES_MAX + 1}));
}

static void types_have_1_to_64_bytes(void **state)
{
	(void)state;
	char text[NAME_TYPE_BYTES_MAX + 1];

	memset(text, 'a', sizeof(text));
	assert_false(name_is_type(SLICE("")));
	assert_true(name_is_type((struct slice){text, NAME_TYPE_BYTES_MAX}));
	assert_false(name_is_type((struct slice){text, NAME_TYPE_BYTES_MAX + 1}));
	assert_false(name_is_type(SLICE("a\nb")));
}

static void ids_are_any_printable_utf8(void **state)
{
	(void)state;
	assert_true(name_is_id(SLICE("3f2a9c1e-7d34-4b7e-9d0c-5a1f0e6b2c11")));
	assert_true(name_is_id(SLICE(" ")));
	assert_true(name_is_id(SLICE("~ {}*%\\\"'<>")));
	assert_true(name_is_id(SLICE("\xc3\xbc")));
	assert_true(name_is_id(SLICE("eight by\xf0\x9f\x98\x80tes and more")));
	assert_true(name_is_id(SLICE("\xc2\xa0"))); /* the first behind C1 */
	assert_true(name_is_id(SLICE("relay")));
}

/* Names are checked eight bytes at a time: no place of a word is overlooked. */
static void no_control_character_at_any_place(void **state)
{
	(void)state;
	char text[40];

	for (size_t size = 1; size <= sizeof(text); size++) {
		for (size_t at = 0; at < size; at++) {
			memset(text, 'a', size);
			for (int c = 0; c < 256; c++) {
				text[at] = (char)c;
				bool printable = c >= 0x20 &&
				                 c < 0x7f; /* 0x80 and more: not UTF-8 when alone */
				assert_int_equal(name_is_id((struct slice){text, size}), printable);
			}
		}
	}
}

static void no_c1_control_character(void **state)
{
	(void)state;
	for (int c = 0x80; c < 0xa0; c++) {
		char text[] = {'a', (char)0xc2, (char)c, 'b'};
		assert_false(name_is_id((struct slice){text, sizeof(text)}));
	}
}

static void meshes_are_words(void **state)
{
	(void)state;
	char text[NAME_MESH_BYTES_MAX + 1];

	memset(text, 'a', sizeof(text));
	assert_false(name_is_mesh((struct slice){0}));
	assert_false(name_is_mesh(SLICE("")));
	assert_true(name_is_mesh((struct slice){text, NAME_MESH_BYTES_MAX}));
	assert_false(name_is_mesh((struct slice){text, NAME_MESH_BYTES_MAX + 1}));
	assert_true(name_is_mesh(SLICE("azAZ09_.-")));
	for (int c = 0; c < 256; c++) {
		char one = (char)c;
		bool allowed =
			c != 0 &&
			strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-",
		               c) != NULL;
		assert_int_equal(name_is_mesh((struct slice){&one, 1}), allowed);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ids_have_1_to_128_bytes),
		cmocka_unit_test(types_have_1_to_64_bytes),
		cmocka_unit_test(ids_are_any_printable_utf8),
		cmocka_unit_test(no_control_character_at_any_place),
		cmocka_unit_test(no_c1_control_character),
		cmocka_unit_test(meshes_are_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
