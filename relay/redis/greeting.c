/*
 * The happy path, all in one write: AUTH if there is a password, SELECT if the URL names a
 * database, CLIENT SETNAME; on the connection for commands also INFO and ROLE. The last answer ends
 * it.
 *
 * Failures: wrong password, no permission, a Redis that is loading, a replica, too old. All of them
 * are told as failed(), and are worth another try: who is a replica now may be the master soon.
 */
#include "redis/greeting.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/buffer.h"
#include "common/memory.h"
#include "redis/command.h"
#include "redis/redis.h"
#include "redis/reply.h"

#define REDIS_MAJOR_MIN 7

struct greeting {
	struct redis *redis;
	const struct greeting_handler *handler;
	void *context;
};

static void fail(const struct greeting *greeting, const char *reason)
{
	greeting->handler->failed(greeting->context, reason);
}

static void succeed(const struct greeting *greeting)
{
	greeting->handler->greeted(greeting->context);
}

/* True if the answer is good; else it has failed. */
static bool is_fine(const struct greeting *greeting, enum answer answer, const redisReply *reply)
{
	if (answer == ANSWER_ERROR)
		fail(greeting, reply_text(reply).data);
	return answer == ANSWER_OK;
}

static void on_fine(void *context, enum answer answer, const redisReply *reply)
{
	is_fine(context, answer, reply);
}

static void on_last(void *context, enum answer answer, const redisReply *reply)
{
	struct greeting *greeting = context;

	if (is_fine(greeting, answer, reply))
		succeed(greeting);
}

static void on_role(void *context, enum answer answer, const redisReply *reply)
{
	struct greeting *greeting = context;

	if (!is_fine(greeting, answer, reply))
		return;
	if (slice_is(reply_text(reply_item(reply, 0)), "master"))
		succeed(greeting);
	else
		fail(greeting, "this Redis is a replica, not the master");
}

/* The value of a line `name:value` in the answer to INFO; empty if there is none. */
static struct slice info_value(struct slice info, const char *name)
{
	struct slice wanted = slice_of(name);

	while (info.size > 0) {
		const char *end = memchr(info.data, '\n', info.size);
		size_t size = end == NULL ? info.size : (size_t)(end - info.data);
		struct slice line = {info.data, size};
		if (line.size > 0 && line.data[line.size - 1] == '\r')
			line.size--;
		if (slice_starts(line, wanted))
			return (struct slice){line.data + wanted.size, line.size - wanted.size};
		info.data += end == NULL ? size : size + 1;
		info.size -= end == NULL ? size : size + 1;
	}
	return SLICE("");
}

static uint64_t major_of(struct slice version)
{
	const char *dot = memchr(version.data, '.', version.size);
	uint64_t major;

	if (dot != NULL)
		version.size = (size_t)(dot - version.data);
	return slice_number(version, &major) ? major : 0;
}

static const char *examine(const struct redis *redis, struct slice info)
{
	bool is_cluster = slice_is(info_value(info, "redis_mode:"), "cluster") ||
	                  slice_is(info_value(info, "server_mode:"), "cluster"); /* Valkey 8 */

	if (info.data == NULL || major_of(info_value(info, "redis_version:")) < REDIS_MAJOR_MIN)
		return "Redis 7.0 or later is needed, or Valkey 7.2";
	if (slice_is(info_value(info, "loading:"), "1"))
		return "Redis is loading its data";
	if (is_cluster && !redis_is_cluster(redis))
		return "this Redis is a Cluster: its URL begins with redis+cluster://";
	if (!is_cluster && redis_is_cluster(redis))
		return "this Redis is no Cluster: its URL begins with redis://";
	return NULL;
}

static void on_info(void *context, enum answer answer, const redisReply *reply)
{
	struct greeting *greeting = context;
	uint64_t age_seconds;

	if (!is_fine(greeting, answer, reply))
		return;
	struct slice info = reply_text(reply);
	const char *wrong = examine(greeting->redis, info);
	if (wrong != NULL) {
		fail(greeting, wrong);
		return;
	}
	if (!slice_number(info_value(info, "uptime_in_seconds:"), &age_seconds))
		age_seconds = 0;
	greeting->handler->learned(greeting->context, info_value(info, "run_id:"),
	                           age_seconds * 1000);
}

/* Sends a command of up to three words, those absent left out. */
static void send(struct greeting *greeting, struct line *line, line_done *done,
                 const struct slice words[3])
{
	struct buffer command = {0};
	size_t count = 0;

	for (size_t i = 0; i < 3; i++)
		count += words[i].data != NULL ? 1 : 0;
	command_begin(&command, count);
	for (size_t i = 0; i < 3; i++)
		if (words[i].data != NULL)
			command_add(&command, words[i]);
	line_send(line, command_end(&command), done, greeting);
	buffer_fini(&command);
}

void greeting_authenticate(struct line *line, struct address *access, const char *password_file,
                           line_done *done, void *context)
{
	struct buffer command = {0};

	if (password_file != NULL)
		address_read_password(access, password_file);
	if (access->user == NULL && access->password == NULL)
		return;
	command_begin(&command, access->user != NULL ? 3 : 2);
	command_add(&command, SLICE("AUTH"));
	if (access->user != NULL)
		command_add(&command, slice_of(access->user));
	/* An empty one is good for a user who needs none. */
	command_add(&command, access->password != NULL ? slice_of(access->password) : SLICE(""));
	line_send(line, command_end(&command), done, context);
	explicit_bzero(command.data, command.size);
	buffer_fini(&command);
}

void greeting_send(struct greeting *greeting, struct line *line, bool commands)
{
	struct redis *redis = greeting->redis;
	char database[16];
	int size = snprintf(database, sizeof(database), "%u", redis->address.database);

	greeting_authenticate(line, &redis->address, redis->password_file, on_fine, greeting);
	if (redis->address.database != 0)
		send(greeting, line, on_fine,
		     (const struct slice[3]){SLICE("SELECT"), {database, (size_t)size}, {0}});
	send(greeting, line, commands ? on_fine : on_last,
	     (const struct slice[3]){SLICE("CLIENT"), SLICE("SETNAME"),
	                             slice_of(redis->client_name)});
	if (!commands)
		return;
	send(greeting, line, on_info,
	     (const struct slice[3]){SLICE("INFO"), SLICE("server"), SLICE("persistence")});
	send(greeting, line, on_role, (const struct slice[3]){SLICE("ROLE"), {0}, {0}});
}

/* ---- Life */

struct greeting *greeting_create(struct redis *redis, const struct greeting_handler *handler,
                                 void *context)
{
	struct greeting *greeting = mem_alloc(sizeof(*greeting));

	*greeting = (struct greeting){redis, handler, context};
	return greeting;
}

void greeting_destroy(struct greeting *greeting)
{
	free(greeting);
}
