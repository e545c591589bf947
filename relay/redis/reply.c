#include "redis/reply.h"

#include <stdlib.h>

#include <hiredis/hiredis.h>

#define EXACT_MAX 9007199254740992.0 /* 2^53: whole numbers beyond have gaps */

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
