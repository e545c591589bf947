#include "common/bucket.h"

void bucket_init(struct bucket *bucket, uint64_t per_second, uint64_t burst, uint64_t now_ms)
{
	*bucket = (struct bucket){
		.per_second = per_second,
		.burst = burst,
		.level_milli = burst * 1000,
		.filled_ms = now_ms,
	};
}

static void fill(struct bucket *bucket, uint64_t now_ms)
{
	if (now_ms <= bucket->filled_ms)
		return;

	uint64_t full = bucket->burst * 1000;
	uint64_t missing = full - bucket->level_milli;
	uint64_t elapsed = now_ms - bucket->filled_ms;
	/* Tokens a second are thousandths a millisecond; compare by division, so nothing overflows. */
	if (elapsed > missing / bucket->per_second)
		bucket->level_milli = full;
	else
		bucket->level_milli += elapsed * bucket->per_second;
	bucket->filled_ms = now_ms;
}

bool bucket_take(struct bucket *bucket, uint64_t count, uint64_t now_ms)
{
	if (bucket->per_second == 0)
		return true;
	fill(bucket, now_ms);
	if (bucket->level_milli / 1000 < count)
		return false;
	bucket->level_milli -= count * 1000;
	return true;
}

uint64_t bucket_take_some(struct bucket *bucket, uint64_t most, uint64_t now_ms)
{
	if (bucket->per_second == 0)
		return most;
	fill(bucket, now_ms);

	uint64_t whole = bucket->level_milli / 1000;
	uint64_t taken = whole < most ? whole : most;
	bucket->level_milli -= taken * 1000;
	return taken;
}
