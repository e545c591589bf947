#include "redis/reply.h"

#include <stdlib.h>
#include <string.h>

#include <hiredis/hiredis.h>

#include "common/arena.h"

#define EXACT_MAX 9007199254740992.0 /* 2^53: whole numbers beyond have gaps */

/* ---- Making them, as hiredis does by itself, but for the memory that they are in */

static redisReply *create(const redisReadTask *task, int type)
{
	redisReply *reply = arena_take(task->privdata, sizeof(*reply));

	*reply = (redisReply){.type = type};
	if (task->parent != NULL) {
		const redisReply *parent = task->parent->obj;
		parent->element[task->idx] = reply;
	}
	return reply;
}

static void put_text(redisReply *reply, const redisReadTask *task, const char *text, size_t size)
{
	reply->str = arena_take(task->privdata, size + 1);
	reply->len = size;
	memcpy(reply->str, text, size);
	reply->str[size] = '\0';
}

static void *create_string(const redisReadTask *task, char *text, size_t size)
{
	redisReply *reply = create(task, task->type);

	put_text(reply, task, text, size);
	return reply;
}

static void *create_array(const redisReadTask *task, size_t elements)
{
	redisReply *reply = create(task, task->type);

	reply->elements = elements;
	reply->element = arena_take(task->privdata, elements * sizeof(redisReply *));
	return reply;
}

static void *create_integer(const redisReadTask *task, long long number)
{
	redisReply *reply = create(task, REDIS_REPLY_INTEGER);

	reply->integer = number;
	return reply;
}

static void *create_double(const redisReadTask *task, double number, char *text, size_t size)
{
	redisReply *reply = create(task, REDIS_REPLY_DOUBLE);

	reply->dval = number;
	put_text(reply, task, text, size);
	return reply;
}

static void *create_nil(const redisReadTask *task)
{
	return create(task, REDIS_REPLY_NIL);
}

static void *create_bool(const redisReadTask *task, int truth)
{
	redisReply *reply = create(task, REDIS_REPLY_BOOL);

	reply->integer = truth;
	return reply;
}

static void leave_to_arena(void *reply)
{
	(void)reply;
}

void reply_make_in(struct redisReader *reader, struct arena *arena)
{
	static redisReplyObjectFunctions functions = {
		.createString = create_string,
		.createArray = create_array,
		.createInteger = create_integer,
		.createDouble = create_double,
		.createNil = create_nil,
		.createBool = create_bool,
		.freeObject = leave_to_arena,
	};

	reader->fn = &functions;
	reader->privdata = arena;
}

/* ---- Reading them */

bool reply_is_error(const redisReply *reply)
{
	return reply != NULL && reply->type == REDIS_REPLY_ERROR;
}

bool reply_is_string(const redisReply *reply)
{
	return reply != NULL && reply->type == REDIS_REPLY_STRING;
}

struct slice reply_text(const redisReply *reply)
{
	if (reply == NULL ||
	    (reply->type != REDIS_REPLY_STRING && reply->type != REDIS_REPLY_STATUS &&
	     reply->type != REDIS_REPLY_ERROR))
		return (struct slice){0};
	return (struct slice){reply->str, reply->len};
}

uint64_t reply_number(const redisReply *reply, uint64_t otherwise)
{
	struct slice text = reply_text(reply);

	if (reply != NULL && reply->type == REDIS_REPLY_INTEGER)
		return reply->integer >= 0 ? (uint64_t)reply->integer : otherwise;
	if (text.data == NULL || text.size == 0)
		return otherwise;

	/* Scores are doubles. hiredis ends strings with a zero of its own. */
	char *end;
	double number = strtod(text.data, &end);
	if (end != text.data + text.size || !(number >= 0 && number <= EXACT_MAX))
		return otherwise;
	return (uint64_t)number;
}

bool reply_integer(const redisReply *reply, int64_t *number)
{
	if (reply == NULL || reply->type != REDIS_REPLY_INTEGER)
		return false;
	*number = reply->integer;
	return true;
}

size_t reply_count(const redisReply *reply)
{
	return reply != NULL && reply->type == REDIS_REPLY_ARRAY ? reply->elements : 0;
}

const redisReply *reply_item(const redisReply *reply, size_t place)
{
	return place < reply_count(reply) ? reply->element[place] : NULL;
}

uint64_t reply_time_ms(const redisReply *reply)
{
	return reply_number(reply_item(reply, 0), 0) * 1000 +
	       reply_number(reply_item(reply, 1), 0) / 1000;
}
