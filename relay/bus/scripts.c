/*
 * The happy path: SCRIPT LOAD at the start of a session, then EVALSHA.
 *
 * Failures: Redis has forgotten the scripts (SCRIPT FLUSH): loaded and called once more. Any other
 * error is the caller's. No answer: the caller hears NULL.
 */
#include "bus/scripts.h"

#include <stdlib.h>

#include "bus/command.h"
#include "bus/link.h"
#include "bus/recovery.h"
#include "bus/reply.h"
#include "bus/session.h"
#include "common/clock.h"
#include "common/memory.h"
#include "embedded_lua.h"

#define DIGEST_BYTES 40

/* A Redis that hangs for seconds must not cost more. */
#define UNDER_WAY_BYTES_MAX (32 * 1024 * 1024)

struct scripts {
	struct link *link;
	struct buffer text[SCRIPT_COUNT];
	char digest[SCRIPT_COUNT][DIGEST_BYTES];
	int loading; /* answers to come before all are loaded */
	size_t under_way_bytes;
};

struct call {
	struct scripts *scripts;
	script_done *done;
	void *context;
	uint64_t begun_us;
	enum script script;
	bool repeated;
	size_t size;
	char command[]; /* kept for the case that the script must be loaded again */
};

/* ---- Loading */

static void send_load(struct scripts *scripts, enum script script, redisCallbackFn *callback,
                      void *context)
{
	const struct slice words[] = {SLICE("SCRIPT"), SLICE("LOAD"),
	                              buffer_slice(&scripts->text[script])};

	session_ask(scripts->link->session, words, 3, callback, context);
}

static void on_loaded(redisAsyncContext *redis, void *reply, void *context)
{
	struct scripts *scripts = context;
	struct session *session = scripts->link->session;
	struct slice digest = reply_text(reply);
	enum answer answer = session_judge(session, reply);

	(void)redis;
	if (answer == ANSWER_LOST)
		return;
	if (answer == ANSWER_ERROR || digest.size != DIGEST_BYTES) {
		session_fail(session,
		             digest.data != NULL ? digest.data : "SCRIPT LOAD answered no digest");
		return;
	}
	memcpy(scripts->digest[SCRIPT_COUNT - scripts->loading], digest.data, DIGEST_BYTES);
	if (--scripts->loading == 0)
		recovery_scripts_loaded(scripts->link->recovery);
}

void scripts_load(struct scripts *scripts)
{
	scripts->loading = SCRIPT_COUNT;
	for (int script = 0; script < SCRIPT_COUNT; script++)
		send_load(scripts, (enum script)script, on_loaded, scripts);
}

/* ---- Calling */

static void on_answer(redisAsyncContext *redis, void *reply, void *context);

static void send_call(struct call *call)
{
	struct slice command = {call->command, call->size};

	session_command(call->scripts->link->session, command, on_answer, call);
}

static void on_loaded_again(redisAsyncContext *redis, void *reply, void *context)
{
	struct link *link = context;

	(void)redis;
	session_judge(link->session, reply);
}

static void repeat(struct call *call)
{
	call->repeated = true;
	send_load(call->scripts, call->script, on_loaded_again, call->scripts->link);
	send_call(call);
}

static void count(const struct call *call)
{
	struct meters *meters = &call->scripts->link->meters;

	metric_add(meters->script_calls[call->script], 1);
	metric_add(meters->script_us[call->script], clock_mono_us() - call->begun_us);
}

static void on_answer(redisAsyncContext *redis, void *reply, void *context)
{
	struct call *call = context;
	enum answer answer = session_judge(call->scripts->link->session, reply);

	(void)redis;
	if (answer == ANSWER_ERROR && !call->repeated &&
	    slice_starts(reply_text(reply), SLICE("NOSCRIPT "))) {
		repeat(call);
		return;
	}
	if (answer != ANSWER_LOST)
		count(call);
	call->scripts->under_way_bytes -= call->size;
	call->done(call->context, answer == ANSWER_LOST ? NULL : reply);
	free(call);
}

struct buffer *scripts_begin(struct scripts *scripts, enum script script, size_t keys,
                             size_t arguments)
{
	struct buffer *command = link_command(scripts->link, 3 + keys + arguments);

	command_add(command, SLICE("EVALSHA"));
	command_add(command, (struct slice){scripts->digest[script], DIGEST_BYTES});
	command_add_number(command, keys);
	return command;
}

void scripts_send(struct scripts *scripts, enum script script, script_done *done, void *context)
{
	struct slice command = command_end(&scripts->link->command);
	struct call *call = mem_alloc(sizeof(*call) + command.size + 1);

	*call = (struct call){
		.scripts = scripts,
		.done = done,
		.context = context,
		.begun_us = clock_mono_us(),
		.script = script,
		.size = command.size,
	};
	memcpy(call->command, command.data, command.size + 1);
	scripts->under_way_bytes += call->size;
	send_call(call);
}

bool scripts_are_busy(const struct scripts *scripts)
{
	return scripts->under_way_bytes > UNDER_WAY_BYTES_MAX;
}

/* ---- Life */

/*
 * The first line says what Redis is to know of the script, so lib.lua goes between it and the rest.
 */
static void compose(struct buffer *text, const char *script, size_t size)
{
	const char *end = memchr(script, '\n', size);
	size_t first = end == NULL ? size : (size_t)(end - script) + 1;

	buffer_append(text, (struct slice){script, first});
	buffer_append(text, (struct slice){embedded_lib_lua, embedded_lib_lua_size});
	buffer_append(text, (struct slice){script + first, size - first});
}

struct scripts *scripts_create(struct link *link)
{
	struct scripts *scripts = mem_zero(sizeof(*scripts));

	scripts->link = link;
	compose(&scripts->text[SCRIPT_ANNOUNCE], embedded_announce_lua, embedded_announce_lua_size);
	compose(&scripts->text[SCRIPT_REFRESH], embedded_refresh_lua, embedded_refresh_lua_size);
	compose(&scripts->text[SCRIPT_LEAVE], embedded_leave_lua, embedded_leave_lua_size);
	compose(&scripts->text[SCRIPT_REAP], embedded_reap_lua, embedded_reap_lua_size);
	return scripts;
}

void scripts_destroy(struct scripts *scripts)
{
	if (scripts == NULL)
		return;
	for (int script = 0; script < SCRIPT_COUNT; script++)
		buffer_fini(&scripts->text[script]);
	free(scripts);
}
