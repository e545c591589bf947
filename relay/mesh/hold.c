#include "mesh/hold.h"

#include <stdlib.h>

#include "common/memory.h"

struct held {
	struct list link;
	struct blob *frames;
};

void hold_init(struct hold *hold)
{
	list_init(&hold->frames);
	hold->bytes = 0;
}

bool hold_add(struct hold *hold, struct blob *frames, size_t bytes_max)
{
	if (hold->bytes > 0 && hold->bytes + frames->size > bytes_max)
		return false;

	struct held *held = mem_alloc(sizeof(*held));
	held->frames = blob_ref(frames);
	list_init(&held->link);
	list_append(&hold->frames, &held->link);
	hold->bytes += frames->size;
	return true;
}

struct blob *hold_take(struct hold *hold)
{
	if (list_empty(&hold->frames))
		return NULL;

	struct held *held = LIST_ENTRY(hold->frames.next, struct held, link);
	struct blob *frames = held->frames;
	list_remove(&held->link);
	free(held);
	hold->bytes -= frames->size;
	return frames;
}

void hold_clear(struct hold *hold)
{
	struct blob *frames;

	while ((frames = hold_take(hold)) != NULL)
		blob_unref(frames);
}
