/*
 * Redis commands as they are on the wire: "*3\r\n$7\r\nPUBLISH\r\n...". Every argument carries its
 * length, so that it may be any bytes.
 *
 *	command_begin(out, 3);
 *	command_add(out, SLICE("PUBLISH"));
 *	...
 *	line_send(line, command_end(out), ...);
 */
#pragma once

#include "common/buffer.h"
#include "common/text.h"

/* Appends the head of a command of that many arguments, its name included. */
void command_begin(struct buffer *out, size_t arguments);

void command_add(struct buffer *out, struct slice argument);
void command_add_number(struct buffer *out, uint64_t number);

/* Appends the head of an argument, whose bytes and "\r\n" the caller appends. */
void command_add_size(struct buffer *out, size_t size);

/* Returns the command; a zero is behind it, as hiredis wants it. */
struct slice command_end(struct buffer *out);
