/*
 * A token bucket: so much per second, and a burst on top.
 *
 * Zeroed memory with both numbers set is a full bucket once bucket_init() ran. No timer: the level
 * is worked out when somebody takes.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct bucket {
	uint64_t per_second; /* 0 = no limit */
	uint64_t burst;
	uint64_t level_milli; /* thousandths of a token */
	uint64_t filled_ms;
};

void bucket_init(struct bucket *bucket, uint64_t per_second, uint64_t burst, uint64_t now_ms);

/* Takes `count` tokens if they are there. Returns false, and takes nothing, if they are not. */
bool bucket_take(struct bucket *bucket, uint64_t count, uint64_t now_ms);

/* Takes as many whole tokens as are there, `most` at most. Returns how many. */
uint64_t bucket_take_some(struct bucket *bucket, uint64_t most, uint64_t now_ms);
