/* What Redis answered. The functions that read it accept NULL, which is no answer at all. */
#pragma once

#include "common/text.h"

/* Opaque: hiredis's own header is for reply.c and line.c. */
typedef struct redisReply redisReply;

struct arena;
struct redisReader;

/*
 * The reader's replies shall be made in the arena, which is borrowed, and end with what is in it: a
 * message is a reply of four parts, and would be eight allocations.
 */
void reply_make_in(struct redisReader *reader, struct arena *arena);

/* Redis refused; reply_text() says why. */
bool reply_is_error(const redisReply *reply);

/* A string, neither status nor error. */
bool reply_is_string(const redisReply *reply);

/* The text of a string, status or error reply, with a zero behind it; absent if it is none. */
struct slice reply_text(const redisReply *reply);

/*
 * A number, also one that is told as text ("1760000000123", "1.5e12"); `otherwise` if it is none or
 * negative.
 */
uint64_t reply_number(const redisReply *reply, uint64_t otherwise);

/* Returns false if it is no integer; text is none. */
bool reply_integer(const redisReply *reply, int64_t *number);

/* The size of an array, 0 if it is none. */
size_t reply_count(const redisReply *reply);

/* An item of an array; NULL if there is none. */
const redisReply *reply_item(const redisReply *reply, size_t place);

/* The time in ms that TIME told; 0 if it told none. */
uint64_t reply_time_ms(const redisReply *reply);
