/* A buffer holds what was appended, however often it had to grow. */
#include "common/buffer.h"

#include "tests/unit/assert_slice.h"

static void zeroed_memory_is_an_empty_buffer(void **state)
{
	(void)state;
	struct buffer buffer = {0};

	assert_int_equal(buffer_slice(&buffer).size, 0);
	buffer_append(&buffer, SLICE(""));
	buffer_append(&buffer, (struct slice){0});
	assert_null(buffer.data); /* nothing was allocated for nothing */
	buffer_fini(&buffer);
}

static void bytes_survive_growing(void **state)
{
	(void)state;
	struct buffer buffer = {0};

	for (unsigned i = 0; i < 10000; i++)
		buffer_append(&buffer, (struct slice){(const char[]){(char)i}, 1});
	assert_int_equal(buffer.size, 10000);
	for (unsigned i = 0; i < 10000; i++)
		assert_int_equal(buffer.data[i], (char)i);
	buffer_fini(&buffer);
}

static void large_append_fits_at_once(void **state)
{
	(void)state;
	static char megabyte[1 << 20];
	struct buffer buffer = {0};

	buffer_append(&buffer, SLICE("x"));
	buffer_append(&buffer, (struct slice){megabyte, sizeof(megabyte)});
	assert_int_equal(buffer.size, sizeof(megabyte) + 1);
	assert_true(buffer.capacity >= buffer.size);
	buffer_fini(&buffer);
}

static void reserved_bytes_count_once_size_is_raised(void **state)
{
	(void)state;
	struct buffer buffer = {0};

	buffer_append(&buffer, SLICE("abc"));
	memcpy(buffer_reserve(&buffer, 3), "def", 3);
	assert_slice(buffer_slice(&buffer), "abc");
	buffer.size += 3;
	assert_slice(buffer_slice(&buffer), "abcdef");
	buffer_fini(&buffer);
}

static void printf_appends_without_its_zero(void **state)
{
	(void)state;
	struct buffer buffer = {0};

	buffer_append(&buffer, SLICE("a="));
	buffer_printf(&buffer, "%d,%s", 17, "text");
	buffer_printf(&buffer, "%s", "");
	buffer_append(&buffer, SLICE("."));
	assert_slice(buffer_slice(&buffer), "a=17,text.");
	buffer_fini(&buffer);
}

static void printf_longer_than_the_capacity(void **state)
{
	(void)state;
	struct buffer buffer = {0};

	buffer_printf(&buffer, "%01000d|", 5);
	assert_int_equal(buffer.size, 1001);
	assert_memory_equal(buffer.data + 998, "05|", 3);
	buffer_fini(&buffer);
}

static void cleared_buffer_keeps_its_memory(void **state)
{
	(void)state;
	struct buffer buffer = {0};

	buffer_append(&buffer, SLICE("abc"));
	char *data = buffer.data;
	buffer_clear(&buffer);
	assert_int_equal(buffer.size, 0);
	buffer_append(&buffer, SLICE("d"));
	assert_ptr_equal(buffer.data, data);
	assert_slice(buffer_slice(&buffer), "d");
	buffer_fini(&buffer);
	assert_null(buffer.data); /* may be used again */
	buffer_fini(&buffer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(zeroed_memory_is_an_empty_buffer),
		cmocka_unit_test(bytes_survive_growing),
		cmocka_unit_test(large_append_fits_at_once),
		cmocka_unit_test(reserved_bytes_count_once_size_is_raised),
		cmocka_unit_test(printf_appends_without_its_zero),
		cmocka_unit_test(printf_longer_than_the_capacity),
		cmocka_unit_test(cleared_buffer_keeps_its_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
