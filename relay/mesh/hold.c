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

void hold_release(struct hold *hold, hold_use *use, void *context)
{
	LIST_EACH(&hold->frames, link) {
		struct held *held = LIST_ENTRY(link, struct held, link);
		list_remove(link);
		if (use != NULL)
			use(context, held->frames);
		blob_unref(held->frames);
		free(held);
	}
	hold->bytes = 0;
}
