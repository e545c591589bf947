/*
 * Mutations that know a little JSON: they put in, take away and double whole tokens where one may
 * stand. With mutations of bytes alone hardly anything that is tried is JSON.
 */
#pragma once

#include "common/text.h"

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t size_max);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t size_max, unsigned seed);

/* Good behind every opening brace that is not followed by a closing one. */
static const char *const members[] = {
	"\"type\":\"x\",",
	"\"t\\u0079pe\":\"y\",",
	"\"from\":\"a\",",
	"\"fr\\u006fm\":\"\\u00fc\",",
	"\"to\":\"\\ud83d\\ude00\",",
	"\"to\":null,",
	"\"instanceId\":\"c\xc3\xbc\",",
	"\"instance\\u0049d\":\"d\\n\",",
	"\"targetInstanceId\":\"e\",",
	"\"target\\u0049nstanceId\":null,",
	"\"data\":{},",
	"\"d\\u0061ta\":[],",
	"\"data\":{\"agents\":[\"a\"]},",
	"\"agents\":[\"a\",\"\\u0062\"],",
	"\"\\u0061gents\":[],",
	"\"status\":\"offline\",",
	"\"id\":1,",
	"\"turnId\":\"t\",",
	"\"timestamp\":1e999,",
	"\"\\ud83d\":\"\\ude00\",",
};

static const char *const pieces[] = {
	"{",
	"}",
	"[",
	"]",
	",",
	":",
	"\"",
	" ",
	"{}",
	"[]",
	"\"\"",
	"null,",
	"true,",
	"false,",
	"0",
	"-1.5e+7",
	"1e999,",
	"[1,[]],",
	"{\"a\":",
	"\\",
	"\\\"",
	"\\\\",
	"\\n",
	"\\u0000",
	"\\u0041",
	"\\ud83d",
	"\\ude00",
	"\\ud83d\\ude00",
	"\\u",
	"\xc3\xbc",
	"\xc2\x85",
	"\xf0\x9f\x98\x80",
	"\xed\xa0\x80",
	"\xff",
	"0123456789abcdef",
};

#define ONE_OF(table, seed) \
	slice_of((table)[tokens_random((seed), sizeof(table) / sizeof(*(table)))])

static inline unsigned tokens_random(unsigned *seed, size_t bound)
{
	*seed = *seed * 1103515245 + 12345;
	return (*seed >> 8) % (unsigned)bound;
}

/* A place at random, behind one of the marks or at the end. */
static inline size_t tokens_place(const uint8_t *data, size_t size, const char *marks,
                                  unsigned *seed)
{
	size_t at = tokens_random(seed, size + 1);

	while (at < size && (at == 0 || data[at - 1] == 0 || strchr(marks, data[at - 1]) == NULL))
		at++;
	return at;
}

/* Begins anew, with some members and nothing wrong; mutations that follow see to that. */
static inline size_t tokens_message(uint8_t *data, unsigned seed)
{
	size_t size = 0;
	unsigned count = 1 + tokens_random(&seed, 5);

	data[size++] = '{';
	for (unsigned i = 0; i < count; i++) {
		struct slice member = i == 0 ? slice_of(members[0]) : ONE_OF(members, &seed);
		memcpy(data + size, member.data, member.size);
		size += member.size;
	}
	data[size - 1] = '}'; /* the last comma */
	return size;
}

#define MESSAGE_BYTES_MAX 256

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t size_max, unsigned seed)
{
	static const char anywhere[] = "{}[],:\" ";
	unsigned kind = tokens_random(&seed, 8);
	size_t at = tokens_place(data, size, kind < 4 ? anywhere : "{", &seed);
	size_t until = tokens_place(data, size, anywhere, &seed);
	struct slice token = kind < 4 ? ONE_OF(pieces, &seed) : ONE_OF(members, &seed);
	char again[64];

	if (kind == 0)
		return LLVMFuzzerMutate(data, size, size_max);
	if (kind == 7 && size_max >= MESSAGE_BYTES_MAX)
		return tokens_message(data, seed);
	if (kind == 1 && until > at) { /* take away */
		memmove(data + at, data + until, size - until);
		return size - (until - at);
	}
	if (kind == 2 && until > at && until - at <= sizeof(again)) {
		memcpy(again, data + at, until - at);
		token = (struct slice){again, until - at};
		at = tokens_place(data, size, anywhere, &seed);
	}
	if (size + token.size > size_max)
		return LLVMFuzzerMutate(data, size, size_max);
	memmove(data + at + token.size, data + at, size - at);
	memcpy(data + at, token.data, token.size);
	return size + token.size;
}
