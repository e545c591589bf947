/* Over any time t, at most burst + t * per_second tokens are given; and that many are. */
#include "common/bucket.h"

#include "tests/unit/assert_slice.h"

static void starts_full(void **state)
{
	(void)state;
	struct bucket bucket;

	bucket_init(&bucket, /*per_second=*/10, /*burst=*/3, /*now_ms=*/5000);
	assert_true(bucket_take(&bucket, 3, 5000));
	assert_false(bucket_take(&bucket, 1, 5000));
}

static void refusal_takes_nothing(void **state)
{
	(void)state;
	struct bucket bucket;

	bucket_init(&bucket, 10, 3, 5000);
	assert_false(bucket_take(&bucket, 4, 5000)); /* more than it ever holds */
	assert_true(bucket_take(&bucket, 3, 5000));
}

static void fills_by_the_millisecond(void **state)
{
	(void)state;
	struct bucket bucket;

	bucket_init(&bucket, 10, 3, 5000);
	assert_true(bucket_take(&bucket, 3, 5000));
	assert_false(bucket_take(&bucket, 1, 5099));
	assert_true(bucket_take(&bucket, 1, 5100)); /* asking did not set it back */
	assert_false(bucket_take(&bucket, 1, 5199));
	assert_true(bucket_take(&bucket, 1, 5200));
}

static void never_above_the_burst(void **state)
{
	(void)state;
	struct bucket bucket;

	bucket_init(&bucket, 10, 3, 5000);
	assert_false(bucket_take(&bucket, 4, 500000000));
	assert_true(bucket_take(&bucket, 3, 500000000));
	assert_false(bucket_take(&bucket, 1, 500000000));
}

static void no_rate_is_no_limit(void **state)
{
	(void)state;
	struct bucket bucket;

	bucket_init(&bucket, 0, 0, 5000);
	for (int i = 0; i < 1000; i++)
		assert_true(bucket_take(&bucket, 1000000, 5000));
}

static void clock_that_stands_or_goes_back_gives_nothing(void **state)
{
	(void)state;
	struct bucket bucket;

	bucket_init(&bucket, 1000, 5, 5000);
	assert_true(bucket_take(&bucket, 5, 5000));
	assert_false(bucket_take(&bucket, 1, 4000));
	assert_false(bucket_take(&bucket, 1, 5000));
	assert_true(bucket_take(&bucket, 1, 5001));
}

static void century_does_not_overflow(void **state)
{
	(void)state;
	struct bucket bucket;

	bucket_init(&bucket, UINT64_C(1) << 40, UINT64_C(1) << 40, 0);
	assert_true(bucket_take(&bucket, UINT64_C(1) << 40, 0));
	assert_true(bucket_take(&bucket, UINT64_C(1) << 40, UINT64_C(3155760000000)));
}

static void long_run_gives_the_rate(void **state)
{
	(void)state;
	struct bucket bucket;
	uint64_t taken = 0;

	bucket_init(&bucket, 7, 20, 0);
	for (uint64_t now_ms = 0; now_ms <= 100000; now_ms++)
		taken += bucket_take(&bucket, 1, now_ms);
	assert_int_equal(taken, 20 + 7 * 100);
}

static void some_are_better_than_none(void **state)
{
	(void)state;
	struct bucket bucket;

	bucket_init(&bucket, 10, 3, 5000);
	assert_int_equal(bucket_take_some(&bucket, 2, 5000), 2);
	assert_int_equal(bucket_take_some(&bucket, 2, 5000), 1);
	assert_int_equal(bucket_take_some(&bucket, 2, 5099), 0);
	assert_int_equal(bucket_take_some(&bucket, 0, 5100), 0);
	assert_int_equal(bucket_take_some(&bucket, 2, 5100), 1); /* no part of one was lost */
	assert_int_equal(bucket_take_some(&bucket, 100, 100000), 3);
	bucket_init(&bucket, 0, 0, 5000);
	assert_int_equal(bucket_take_some(&bucket, 100, 5000), 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(starts_full),
		cmocka_unit_test(refusal_takes_nothing),
		cmocka_unit_test(fills_by_the_millisecond),
		cmocka_unit_test(never_above_the_burst),
		cmocka_unit_test(no_rate_is_no_limit),
		cmocka_unit_test(clock_that_stands_or_goes_back_gives_nothing),
		cmocka_unit_test(century_does_not_overflow),
		cmocka_unit_test(long_run_gives_the_rate),
		cmocka_unit_test(some_are_better_than_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
