/* cmocka, and an assertion for what nearly every test compares. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/text.h"

/* The slice is there, and has exactly the bytes of the text. */
#define assert_slice(slice, text) assert_slice_at((slice), slice_of(text), __FILE__, __LINE__)

static inline void assert_slice_at(struct slice got, struct slice wanted, const char *file,
                                   int line)
{
	if (got.data != NULL && slice_equal(got, wanted))
		return;
	print_error("got    %.*s\nwanted %.*s\n", SLICE_ARGS(got), SLICE_ARGS(wanted));
	_fail(file, line);
}
