#include "common/buffer.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/memory.h"

#define FIRST_CAPACITY_BYTES 256

void buffer_fini(struct buffer *buffer)
{
	free(buffer->data);
	*buffer = (struct buffer){0};
}

char *buffer_reserve(struct buffer *buffer, size_t more)
{
	size_t wanted = buffer->size + more;

	assert(wanted >= more);
	if (wanted > buffer->capacity) {
		size_t capacity = buffer->capacity > 0 ? buffer->capacity : FIRST_CAPACITY_BYTES;
		while (capacity < wanted)
			capacity *= 2;
		buffer->data = mem_resize(buffer->data, capacity);
		buffer->capacity = capacity;
	}
	return buffer->data + buffer->size;
}

void buffer_append(struct buffer *buffer, struct slice bytes)
{
	if (bytes.size == 0)
		return;
	memcpy(buffer_reserve(buffer, bytes.size), bytes.data, bytes.size);
	buffer->size += bytes.size;
}

void buffer_printf(struct buffer *buffer, const char *format, ...)
{
	va_list arguments;
	va_list again;

	va_start(arguments, format);
	va_copy(again, arguments);
	int length = vsnprintf(NULL, 0, format, arguments);
	va_end(arguments);
	assert(length >= 0);

	vsnprintf(buffer_reserve(buffer, (size_t)length + 1), (size_t)length + 1, format, again);
	va_end(again);
	buffer->size += (size_t)length;
}
