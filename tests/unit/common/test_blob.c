/* A blob lives as long as its last holder. ASan proves that it then goes, and not before. */
#include "common/blob.h"

#include "tests/unit/assert_slice.h"

static void copy_is_independent_of_its_source(void **state)
{
	(void)state;
	char text[] = "abc";
	struct blob *blob = blob_copy(slice_of(text));

	text[0] = 'x';
	assert_slice(blob_slice(blob), "abc");
	blob_unref(blob);
}

static void last_reference_frees(void **state)
{
	(void)state;
	struct blob *blob = blob_create(3);

	memcpy(blob->bytes, "abc", 3);
	assert_ptr_equal(blob_ref(blob), blob);
	assert_int_equal(blob->references, 2);
	blob_unref(blob);
	assert_slice(blob_slice(blob), "abc"); /* one holder is left */
	blob_unref(blob);
}

static void nothing_is_a_blob_too(void **state)
{
	(void)state;
	struct blob *blob = blob_copy((struct slice){0});

	assert_slice(blob_slice(blob), "");
	blob_unref(blob);
	blob_unref(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(copy_is_independent_of_its_source),
		cmocka_unit_test(last_reference_frees),
		cmocka_unit_test(nothing_is_a_blob_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
