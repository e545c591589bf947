/*
 * Mutations that put in, and exchange, whole words of what is spoken, beside libFuzzer's own, which
 * would have to find each of them byte by byte. The fuzzer that includes this defines `words`.
 */
#pragma once

#include "common/text.h"

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t size_max);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t size_max, unsigned seed);

static const struct slice words[];
static const size_t word_count;

static inline unsigned words_random(unsigned *seed, size_t bound)
{
	*seed = *seed * 1103515245 + 12345;
	return (*seed >> 8) % (unsigned)bound;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t size_max, unsigned seed)
{
	struct slice word = words[words_random(&seed, word_count)];
	size_t at = words_random(&seed, size + 1);
	size_t replaced = 0;

	if (words_random(&seed, 2) == 0)
		return LLVMFuzzerMutate(data, size, size_max);
	if (words_random(&seed, 2) == 0)
		replaced = size - at < word.size ? size - at : word.size;
	if (size - replaced + word.size > size_max)
		return LLVMFuzzerMutate(data, size, size_max);
	memmove(data + at + word.size, data + at + replaced, size - at - replaced);
	memcpy(data + at, word.data, word.size);
	return size - replaced + word.size;
}
