#include "common/arena.h"

#include <stdalign.h>
#include <stdlib.h>

#include "common/memory.h"

#define CHUNK_BYTES_MIN 1024
#define KEPT_BYTES_MAX 65536

/* Each is twice as large as the one before, so that those who need much soon take it from one. */
struct arena_chunk {
	struct arena_chunk *previous;
	size_t size;
	alignas(max_align_t) char bytes[];
};

static size_t larger(size_t a, size_t b)
{
	return a > b ? a : b;
}

static void add_chunk(struct arena *arena, size_t bytes)
{
	size_t doubled = arena->chunk != NULL ? arena->chunk->size * 2 : CHUNK_BYTES_MIN;
	size_t size = larger(bytes, doubled);
	struct arena_chunk *chunk = mem_alloc(sizeof(*chunk) + size);

	chunk->previous = arena->chunk;
	chunk->size = size;
	arena->chunk = chunk;
	arena->used = 0;
}

void *arena_take(struct arena *arena, size_t bytes)
{
	const size_t unit = alignof(max_align_t);
	size_t whole = (bytes + unit - 1) / unit * unit;

	if (arena->chunk == NULL || arena->chunk->size - arena->used < whole)
		add_chunk(arena, whole);
	arena->used += whole;
	return arena->chunk->bytes + arena->used - whole;
}

static void free_from(struct arena_chunk *chunk)
{
	while (chunk != NULL) {
		struct arena_chunk *previous = chunk->previous;
		free(chunk);
		chunk = previous;
	}
}

void arena_reset(struct arena *arena)
{
	if (arena->chunk == NULL)
		return;
	if (arena->chunk->size > KEPT_BYTES_MAX) {
		arena_fini(arena);
		return;
	}
	free_from(arena->chunk->previous);
	arena->chunk->previous = NULL;
	arena->used = 0;
}

void arena_fini(struct arena *arena)
{
	free_from(arena->chunk);
	*arena = (struct arena){0};
}
