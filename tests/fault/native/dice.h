/* Chance that comes again: the same seed, the same run. (splitmix64, Steele, Lea and Flood, 2014) */
#pragma once

#include <stdint.h>

struct dice {
	uint64_t state; /* the seed, at first */
};

static inline uint64_t dice_throw(struct dice *dice)
{
	uint64_t z = dice->state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

/* 0 <= result < bound, which is not 0. */
static inline uint64_t dice_below(struct dice *dice, uint64_t bound)
{
	return dice_throw(dice) % bound;
}
