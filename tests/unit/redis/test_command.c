/* Commands as Redis reads them, whatever is in their arguments. */
#include "redis/command.h"

#include "tests/unit/assert_slice.h"

static void arguments_may_be_any_bytes(void **state)
{
	struct buffer out = {0};

	(void)state;
	command_begin(&out, 3);
	command_add(&out, SLICE("SET"));
	command_add(&out, SLICE(""));
	command_add(&out, SLICE("a\r\n$1"));
	assert_slice(command_end(&out), "*3\r\n$3\r\nSET\r\n$0\r\n\r\n$5\r\na\r\n$1\r\n");
	buffer_fini(&out);
}

static void numbers_are_written_out(void **state)
{
	static const struct {
		uint64_t number;
		const char *wanted;
	} cases[] = {
		{0, "$1\r\n0\r\n"},
		{9, "$1\r\n9\r\n"},
		{10, "$2\r\n10\r\n"},
		{1764000000123, "$13\r\n1764000000123\r\n"},
		{UINT64_MAX, "$20\r\n18446744073709551615\r\n"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buffer out = {0};
		command_add_number(&out, cases[i].number);
		assert_slice(command_end(&out), cases[i].wanted);
		buffer_fini(&out);
	}
	struct buffer out = {0};
	command_add_size(&out, UINT32_MAX);
	assert_slice(command_end(&out), "$4294967295\r\n");
	buffer_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(arguments_may_be_any_bytes),
		cmocka_unit_test(numbers_are_written_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
