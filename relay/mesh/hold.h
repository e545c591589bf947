/* Messages for a connection that is about to join: it gets them after its roster. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "common/blob.h"
#include "common/list.h"

struct hold {
	struct list frames;
	size_t bytes;
};

void hold_init(struct hold *hold);

/*
 * Takes a reference of its own; returns false, and takes nothing, beyond `bytes_max`. The first is
 * taken whatever its size.
 */
bool hold_add(struct hold *hold, struct blob *frames, size_t bytes_max);

/* Lets go of all, the oldest first. `use` may be NULL; the frames are borrowed for the call. */
typedef void hold_use(void *context, struct blob *frames);
void hold_release(struct hold *hold, hold_use *use, void *context);
