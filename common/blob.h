/*
 * Immutable bytes with many holders.
 *
 * A message for a thousand sockets is one blob and a thousand references. The count is a plain
 * integer: blobs stay in the thread that made them.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/text.h"

struct blob {
	uint32_t references;
	uint32_t size;
	char bytes[];
};

/* Returns owned: a blob of `size` bytes for the caller to fill before anyone else sees it. */
struct blob *blob_create(size_t size);

/* Returns owned: a copy. */
struct blob *blob_copy(struct slice bytes);

static inline struct blob *blob_ref(struct blob *blob)
{
	blob->references++;
	return blob;
}

/* Gives a reference back; the last one frees. Accepts NULL. */
void blob_unref(struct blob *blob);

static inline struct slice blob_slice(const struct blob *blob)
{
	return (struct slice){blob->bytes, blob->size};
}
