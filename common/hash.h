/*
 * SipHash-1-3 (Aumasson and Bernstein, 2012; the variant that Rust's and Ruby's tables use).
 *
 * Keyed, so that nobody outside can choose strings that fall into one bucket.
 */
#pragma once

#include <stdint.h>

#include "common/text.h"

uint64_t hash_bytes(struct slice bytes, uint64_t key0, uint64_t key1);
