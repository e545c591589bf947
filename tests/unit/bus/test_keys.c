/* How keys and channels are named. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "bus/keys.h"

static void check_name(struct blob *name, const char *wanted)
{
	assert_int_equal(name->size, strlen(wanted));
	assert_memory_equal(name->bytes, wanted, name->size);
	blob_unref(name);
}

static void names_share_the_tag_of_the_mesh(void **state)
{
	(void)state;
	check_name(keys_index(SLICE("relay:"), SLICE("m")), "relay:{m}:peers");
	check_name(keys_broadcast(SLICE("relay:"), SLICE("m")), "relay:{m}:broadcast");
	check_name(keys_peer(SLICE("x"), SLICE("m"), SLICE("a:{b}")), "x{m}:peer:a:{b}");
	check_name(keys_node(SLICE(""), SLICE("~"), 0x1f), "{~}:node:000000000000001f");
	check_name(keys_demotion(SLICE("p:")), "p:{~}:demotion");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_share_the_tag_of_the_mesh),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
