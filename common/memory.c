#include "common/memory.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define KEPT_BYTES_MAX (8 << 20)

/* Larger blocks are mapped apart, and given back at once. */
#define BLOCK_BYTES_MAX (4 << 20)

void mem_setup(void)
{
	mallopt(M_TRIM_THRESHOLD, KEPT_BYTES_MAX);
	mallopt(M_MMAP_THRESHOLD, BLOCK_BYTES_MAX);
}

static void *checked(void *memory, size_t size)
{
	if (memory == NULL && size > 0) {
		fprintf(stderr, "out of memory: %zu bytes\n", size);
		abort();
	}
	return memory;
}

/* malloc(0) may return NULL, which callers must never see. */
static size_t at_least_one(size_t size)
{
	return size > 0 ? size : 1;
}

void *mem_alloc(size_t size)
{
	return checked(malloc(at_least_one(size)), size);
}

void *mem_zero(size_t size)
{
	return checked(calloc(1, at_least_one(size)), size);
}

void *mem_resize(void *old, size_t size)
{
	return checked(realloc(old, at_least_one(size)), size);
}

void *mem_copy(const void *bytes, size_t size)
{
	void *copy = mem_alloc(size);

	if (size > 0)
		memcpy(copy, bytes, size);
	return copy;
}

void *mem_shared(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return checked(memory == MAP_FAILED ? NULL : memory, size);
}
