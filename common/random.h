/* Randomness from the kernel: for names that must differ everywhere, and for jitter. */
#pragma once

#include <stdint.h>

uint64_t random_u64(void);

/* 0 <= result < bound; 0 if bound is 0. */
uint64_t random_below(uint64_t bound);
