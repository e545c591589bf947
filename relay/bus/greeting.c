/*
 * The happy path, all in one write: AUTH if there is a password, SELECT if the URL names a
 * database, CLIENT SETNAME; on the connection for commands also INFO, ROLE, and a question about a
 * key, which a Redis that is loading its data refuses. The last answer ends it.
 *
 * Failures: wrong password, no permission, a Redis that is loading, a replica, too old. All of them
 * fail the session, which tries again: who is a replica now may be the master soon.
 */
#include "bus/greeting.h"

#include "bus/command.h"
#include "bus/line.h"
#include "bus/link.h"
#include "bus/reply.h"
#include "bus/session.h"

#define REDIS_MAJOR_MIN 7

/* True if the answer is good; else the session has failed. */
static bool is_fine(struct link *link, const redisReply *reply)
{
	switch (session_judge(link->session, reply)) {
	case ANSWER_OK:
		return true;
	case ANSWER_ERROR:
		session_fail(link->session, reply->str);
		return false;
	case ANSWER_LOST:
		break;
	}
	return false;
}

static void on_fine(redisAsyncContext *redis, void *reply, void *context)
{
	(void)redis;
	is_fine(context, reply);
}

static void on_last(redisAsyncContext *redis, void *reply, void *context)
{
	struct link *link = context;

	(void)redis;
	if (is_fine(link, reply))
		session_greeted(link->session);
}

static void on_role(redisAsyncContext *redis, void *reply, void *context)
{
	struct link *link = context;

	(void)redis;
	if (!is_fine(link, reply))
		return;
	if (!slice_is(reply_text(reply_item(reply, 0)), "master"))
		session_fail(link->session, "this Redis is a replica, not the master");
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

static void on_info(redisAsyncContext *redis, void *reply, void *context)
{
	struct link *link = context;
	uint64_t age_seconds;

	(void)redis;
	if (!is_fine(link, reply))
		return;
	struct slice info = reply_text(reply);
	if (info.data == NULL || major_of(info_value(info, "redis_version:")) < REDIS_MAJOR_MIN) {
		session_fail(link->session, "Redis 7.0 or later is needed, or Valkey 7.2");
		return;
	}
	if (!slice_number(info_value(info, "uptime_in_seconds:"), &age_seconds))
		age_seconds = 0;
	session_learn_redis(link->session, info_value(info, "run_id:"), age_seconds * 1000);
}

/* Sends a command of up to three words, those absent left out. */
static void send(struct link *link, struct line *line, redisCallbackFn *callback,
                 const struct slice words[3])
{
	size_t count = 0;

	for (size_t i = 0; i < 3; i++)
		count += words[i].data != NULL ? 1 : 0;
	struct buffer *command = link_command(link, count);
	for (size_t i = 0; i < 3; i++)
		if (words[i].data != NULL)
			command_add(command, words[i]);
	line_send(line, command_end(command), callback, link);
}

static void send_password(struct link *link, struct line *line)
{
	struct address *address = &link->address;
	struct slice user = {0};
	struct slice password = SLICE(""); /* good for a user who needs none */

	if (link->settings->redis_password_file != NULL)
		address_read_password(address, link->settings->redis_password_file);
	if (address->user == NULL && address->password == NULL)
		return;
	if (address->user != NULL)
		user = slice_of(address->user);
	if (address->password != NULL)
		password = slice_of(address->password);
	send(link, line, on_fine, (const struct slice[3]){SLICE("AUTH"), user, password});
	explicit_bzero(link->command.data, link->command.size);
}

void greeting_send(struct link *link, struct line *line, bool commands)
{
	char name[64];
	char database[16];
	int name_size = snprintf(name, sizeof(name), "p2p-relay:%s", link->node_text);
	int database_size = snprintf(database, sizeof(database), "%u", link->address.database);

	send_password(link, line);
	if (link->address.database != 0)
		send(link, line, on_fine,
		     (const struct slice[3]){
			     SLICE("SELECT"), {database, (size_t)database_size}, {0}});
	send(link, line, commands ? on_fine : on_last,
	     (const struct slice[3]){SLICE("CLIENT"), SLICE("SETNAME"), {name, (size_t)name_size}});
	if (!commands)
		return;
	struct blob *any_key = keys_node(slice_of(link->settings->prefix), link->node);
	send(link, line, on_info, (const struct slice[3]){SLICE("INFO"), SLICE("server"), {0}});
	send(link, line, on_role, (const struct slice[3]){SLICE("ROLE"), {0}, {0}});
	send(link, line, on_last,
	     (const struct slice[3]){SLICE("EXISTS"), blob_slice(any_key), {0}});
	blob_unref(any_key);
}
