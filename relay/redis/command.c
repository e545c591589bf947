#include "redis/command.h"

#define DIGITS_MAX 20 /* of a u64 */

/* Returns where the digits begin; they end where `end` is. printf() would take longer than all the rest. */
static char *write_digits(char *end, uint64_t number)
{
	do
		*--end = (char)('0' + number % 10);
	while ((number /= 10) > 0);
	return end;
}

static void append_head(struct buffer *out, char kind, uint64_t number)
{
	char head[1 + DIGITS_MAX + 2];
	char *end = head + sizeof(head) - 2;
	char *begin = write_digits(end, number);

	*--begin = kind;
	memcpy(end, "\r\n", 2);
	buffer_append(out, (struct slice){begin, (size_t)(end + 2 - begin)});
}

void command_begin(struct buffer *out, size_t arguments)
{
	append_head(out, '*', arguments);
}

void command_add_size(struct buffer *out, size_t size)
{
	append_head(out, '$', size);
}

void command_add(struct buffer *out, struct slice argument)
{
	command_add_size(out, argument.size);
	buffer_append(out, argument);
	buffer_append(out, SLICE("\r\n"));
}

void command_add_number(struct buffer *out, uint64_t number)
{
	char digits[DIGITS_MAX];
	char *end = digits + sizeof(digits);
	char *begin = write_digits(end, number);

	command_add(out, (struct slice){begin, (size_t)(end - begin)});
}

struct slice command_end(struct buffer *out)
{
	*buffer_reserve(out, 1) = '\0';
	return buffer_slice(out);
}
