#include "console.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/buffer.h"
#include "loop.h"

static const struct command *commands;
static struct buffer input;

static void answer(const char *verdict, const char *format, va_list arguments)
{
	fputs(verdict, stdout);
	vprintf(format, arguments);
	putchar('\n');
	fflush(stdout);
}

void console_ok(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	answer("ok ", format, arguments);
	va_end(arguments);
}

void console_error(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	answer("error ", format, arguments);
	va_end(arguments);
}

bool word_number(const char *word, uint64_t most, uint64_t *number)
{
	return slice_number(slice_of(word), number) && *number <= most;
}

static size_t required(const char *arguments)
{
	size_t count = 0;

	for (const char *c = arguments; *c != '\0' && *c != '['; c++)
		count += *c != ' ' && (c == arguments || c[-1] == ' ');
	return count;
}

static void run(char *line)
{
	char *words[WORDS_MAX + 1], *rest = line, *word;
	size_t count = 0;

	while (count <= WORDS_MAX && (word = strtok_r(rest, " ", &rest)) != NULL)
		words[count++] = word;
	if (count == 0)
		return;
	for (const struct command *command = commands; command->name != NULL; command++) {
		if (strcmp(command->name, words[0]) != 0)
			continue;
		if (count > WORDS_MAX || count - 1 < required(command->arguments) ||
		    !command->run(words + 1, count - 1))
			console_error("usage: %s %s", command->name, command->arguments);
		return;
	}
	console_error("there is no command %s", words[0]);
}

static void read_lines(struct source *source, uint32_t events)
{
	ssize_t n = read(source->fd, buffer_reserve(&input, 4096), 4096);
	char *end;

	(void)events;
	if (n <= 0) {
		loop_end();
		return;
	}
	input.size += (size_t)n;
	while ((end = memchr(input.data, '\n', input.size)) != NULL) {
		size_t size = (size_t)(end - input.data) + 1;

		*end = '\0';
		run(input.data);
		memmove(input.data, input.data + size, input.size - size);
		input.size -= size;
	}
}

void console_open(const struct command *table)
{
	static struct source source = {.fd = STDIN_FILENO, .ready = read_lines};

	commands = table;
	source_watch(&source, EPOLLIN);
}
