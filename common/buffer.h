/*
 * A byte buffer that grows while something is written into it.
 *
 * Zeroed memory is an empty buffer. Whoever appends what a stranger sent checks the bound first:
 * the buffer itself has none.
 */
#pragma once

#include <stddef.h>

#include "common/text.h"

struct buffer {
	char *data;
	size_t size;
	size_t capacity;
};

/* Frees the bytes; the buffer is empty and may be used again. */
void buffer_fini(struct buffer *buffer);

/* Returns where `more` further bytes may be written; they count once buffer->size is raised. */
char *buffer_reserve(struct buffer *buffer, size_t more);

void buffer_append(struct buffer *buffer, struct slice bytes);

void buffer_printf(struct buffer *buffer, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static inline void buffer_clear(struct buffer *buffer)
{
	buffer->size = 0;
}

static inline struct slice buffer_slice(const struct buffer *buffer)
{
	return (struct slice){buffer->data, buffer->size};
}
