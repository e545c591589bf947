#include "redis/command.h"

#include <inttypes.h>
#include <stdio.h>

#define NUMBER_BYTES_MAX 24 /* "*" or "$", 20 digits, "\r\n", 0 */

static void append_number(struct buffer *out, const char *format, uint64_t number)
{
	int size =
		snprintf(buffer_reserve(out, NUMBER_BYTES_MAX), NUMBER_BYTES_MAX, format, number);

	out->size += (size_t)size;
}

void command_begin(struct buffer *out, size_t arguments)
{
	append_number(out, "*%" PRIu64 "\r\n", arguments);
}

void command_add_size(struct buffer *out, size_t size)
{
	append_number(out, "$%" PRIu64 "\r\n", size);
}

void command_add(struct buffer *out, struct slice argument)
{
	command_add_size(out, argument.size);
	buffer_append(out, argument);
	buffer_append(out, SLICE("\r\n"));
}

void command_add_number(struct buffer *out, uint64_t number)
{
	char digits[NUMBER_BYTES_MAX];
	int size = snprintf(digits, sizeof(digits), "%" PRIu64, number);

	command_add(out, (struct slice){digits, (size_t)size});
}

struct slice command_end(struct buffer *out)
{
	*buffer_reserve(out, 1) = '\0';
	return buffer_slice(out);
}
