/* Whatever way a file is replaced, it is seen once. */
#include "tests/unit/assert_slice.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/stamp.h"

static char folder[] = "/tmp/test_stamp-XXXXXX";
static char file[64];
static char other[64];
static char link_name[64];

static void write_to(const char *name, const char *text)
{
	FILE *out = fopen(name, "w");

	assert_non_null(out);
	fputs(text, out);
	fclose(out);
}

static int set_up(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(file, sizeof(file), "%s/file", folder);
	snprintf(other, sizeof(other), "%s/other", folder);
	snprintf(link_name, sizeof(link_name), "%s/link", folder);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	unlink(file);
	unlink(other);
	unlink(link_name);
	return rmdir(folder);
}

static void changes_are_seen_once(void **state)
{
	struct stamp stamp = {0};

	(void)state;
	assert_false(stamp_renew(&stamp, file)); /* not there, as before */
	write_to(file, "a");
	assert_true(stamp_renew(&stamp, file));
	assert_false(stamp_renew(&stamp, file));
	write_to(file, "ab");
	assert_true(stamp_renew(&stamp, file));
	assert_false(stamp_renew(&stamp, file));
	write_to(other, "ab");
	assert_int_equal(rename(other, file), 0);
	assert_true(stamp_renew(&stamp, file));
	assert_int_equal(unlink(file), 0);
	assert_true(stamp_renew(&stamp, file));
	assert_false(stamp_renew(&stamp, file));
}

/* As Kubernetes replaces the files of a mounted secret. */
static void a_link_is_what_it_leads_to(void **state)
{
	struct stamp stamp = {0};

	(void)state;
	write_to(file, "a");
	write_to(other, "a");
	assert_int_equal(symlink(file, link_name), 0);
	assert_true(stamp_renew(&stamp, link_name));
	assert_int_equal(unlink(link_name), 0);
	assert_int_equal(symlink(other, link_name), 0);
	assert_true(stamp_renew(&stamp, link_name));
	assert_false(stamp_renew(&stamp, link_name));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(changes_are_seen_once),
		cmocka_unit_test(a_link_is_what_it_leads_to),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
