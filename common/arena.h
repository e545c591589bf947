/*
 * Memory for many small things that have one end: taken one by one, given back all at once.
 */
#pragma once

#include <stddef.h>

struct arena_chunk;

/* Zeroed memory is an empty arena. */
struct arena {
	struct arena_chunk *chunk; /* the latest */
	size_t used;               /* of it */
};

/* Uninitialized, aligned for anything, and good until the next arena_reset(). */
void *arena_take(struct arena *arena, size_t bytes);

/* All that was taken is gone. Keeps at most 64 KiB to be taken again. */
void arena_reset(struct arena *arena);

void arena_fini(struct arena *arena);
