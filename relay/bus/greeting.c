/*
 * The happy path, all in one write: AUTH if there is a password, SELECT if the URL names a
 * database, CLIENT SETNAME; on the connection for commands also INFO and ROLE. The last answer ends
 * it.
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
static bool is_fine(struct link *link, enum answer answer, const redisReply *reply)
{
	if (answer == ANSWER_ERROR)
		session_fail(link->session, reply->str);
	return answer == ANSWER_OK;
}

static void on_fine(void *context, enum answer answer, const redisReply *reply)
{
	is_fine(context, answer, reply);
}

static void on_last(void *context, enum answer answer, const redisReply *reply)
{
	struct link *link = context;

	if (is_fine(link, answer, reply))
		session_greeted(link->session);
}

static void on_role(void *context, enum answer answer, const redisReply *reply)
{
	struct link *link = context;

	if (!is_fine(link, answer, reply))
		return;
	if (slice_is(reply_text(reply_item(reply, 0)), "master"))
		session_greeted(link->session);
	else
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

static const char *examine(const struct link *link, struct slice info)
{
	bool is_cluster = slice_is(info_value(info, "redis_mode:"), "cluster") ||
	                  slice_is(info_value(info, "server_mode:"), "cluster"); /* Valkey 8 */

	if (info.data == NULL || major_of(info_value(info, "redis_version:")) < REDIS_MAJOR_MIN)
		return "Redis 7.0 or later is needed, or Valkey 7.2";
	if (slice_is(info_value(info, "loading:"), "1"))
		return "Redis is loading its data";
	if (is_cluster && link->shared->cluster == NULL)
		return "this Redis is a Cluster: its URL begins with redis+cluster://";
	if (!is_cluster && link->shared->cluster != NULL)
		return "this Redis is no Cluster: its URL begins with redis://";
	return NULL;
}

static void on_info(void *context, enum answer answer, const redisReply *reply)
{
	struct link *link = context;
	uint64_t age_seconds;

	if (!is_fine(link, answer, reply))
		return;
	struct slice info = reply_text(reply);
	const char *wrong = examine(link, info);
	if (wrong != NULL) {
		session_fail(link->session, wrong);
		return;
	}
	if (!slice_number(info_value(info, "uptime_in_seconds:"), &age_seconds))
		age_seconds = 0;
	session_learn_redis(link->session, info_value(info, "run_id:"), age_seconds * 1000);
}

/* Sends a command of up to three words, those absent left out. */
static void send(struct link *link, struct line *line, line_done *done, const struct slice words[3])
{
	size_t count = 0;

	for (size_t i = 0; i < 3; i++)
		count += words[i].data != NULL ? 1 : 0;
	struct buffer *command = link_command(link, count);
	for (size_t i = 0; i < 3; i++)
		if (words[i].data != NULL)
			command_add(command, words[i]);
	line_send(line, command_end(command), done, link);
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

void greeting_send(struct link *link, struct line *line, bool commands)
{
	char name[64];
	char database[16];
	int name_size = snprintf(name, sizeof(name), "p2p-relay:%s", link->shared->node_text);
	int database_size =
		snprintf(database, sizeof(database), "%u", link->shared->address.database);

	greeting_authenticate(line, &link->shared->address,
	                      link->shared->settings->redis_password_file, on_fine, link);
	if (link->shared->address.database != 0)
		send(link, line, on_fine,
		     (const struct slice[3]){
			     SLICE("SELECT"), {database, (size_t)database_size}, {0}});
	send(link, line, commands ? on_fine : on_last,
	     (const struct slice[3]){SLICE("CLIENT"), SLICE("SETNAME"), {name, (size_t)name_size}});
	if (!commands)
		return;
	send(link, line, on_info,
	     (const struct slice[3]){SLICE("INFO"), SLICE("server"), SLICE("persistence")});
	send(link, line, on_role, (const struct slice[3]){SLICE("ROLE"), {0}, {0}});
}
