#include "common/blob.h"

#include <assert.h>
#include <stdlib.h>

#include "common/memory.h"

struct blob *blob_create(size_t size)
{
	assert(size <= UINT32_MAX);

	struct blob *blob = mem_alloc(sizeof(*blob) + size);
	blob->references = 1;
	blob->size = (uint32_t)size;
	return blob;
}

struct blob *blob_copy(struct slice bytes)
{
	struct blob *blob = blob_create(bytes.size);

	if (bytes.size > 0)
		memcpy(blob->bytes, bytes.data, bytes.size);
	return blob;
}

void blob_unref(struct blob *blob)
{
	if (blob == NULL)
		return;
	assert(blob->references > 0);
	if (--blob->references == 0)
		free(blob);
}
