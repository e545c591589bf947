#include "common/hash.h"

#include <endian.h>
#include <string.h>

static inline uint64_t rotate(uint64_t x, int bits)
{
	return x << bits | x >> (64 - bits);
}

static inline void round_once(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = rotate(v[1], 13) ^ v[0];
	v[0] = rotate(v[0], 32);
	v[2] += v[3];
	v[3] = rotate(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotate(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotate(v[1], 17) ^ v[2];
	v[2] = rotate(v[2], 32);
}

/* As one load: the compiler does not see through the loop below. */
static inline uint64_t word_at(const char *bytes)
{
	uint64_t word;

	memcpy(&word, bytes, sizeof(word));
	return le64toh(word);
}

static inline uint64_t little_endian(const char *bytes, size_t size)
{
	uint64_t word = 0;

	for (size_t i = 0; i < size; i++)
		word |= (uint64_t)(unsigned char)bytes[i] << (8 * i);
	return word;
}

uint64_t hash_bytes(struct slice bytes, uint64_t key0, uint64_t key1)
{
	uint64_t v[4] = {
		key0 ^ 0x736f6d6570736575,
		key1 ^ 0x646f72616e646f6d,
		key0 ^ 0x6c7967656e657261,
		key1 ^ 0x7465646279746573,
	};
	size_t whole = bytes.size & ~(size_t)7;

	for (size_t i = 0; i < whole; i += 8) {
		uint64_t word = word_at(bytes.data + i);
		v[3] ^= word;
		round_once(v);
		v[0] ^= word;
	}
	uint64_t last = (uint64_t)bytes.size << 56;
	if (bytes.size > whole)
		last |= little_endian(bytes.data + whole, bytes.size - whole);
	v[3] ^= last;
	round_once(v);
	v[0] ^= last;
	v[2] ^= 0xff;
	for (int i = 0; i < 3; i++)
		round_once(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}
