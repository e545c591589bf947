/*
 * The happy path: SCRIPT LOAD at the start of a session, then EVALSHA.
 *
 * Failures: Redis has forgotten the scripts (SCRIPT FLUSH): loaded and called once more. A shard is
 * about to give the keys away (ASK, TRYAGAIN): called again a moment later, for a while. Any other
 * error is the caller's. No answer: the caller hears NULL.
 */
#include "bus/scripts.h"

#include <stdlib.h>

#include "bus/link.h"
#include "common/clock.h"
#include "common/list.h"
#include "common/memory.h"
#include "common/timers.h"
#include "embedded_lua.h"
#include "redis/command.h"
#include "redis/reply.h"
#include "redis/session.h"

#define DIGEST_BYTES 40

/* A Redis that hangs for seconds must not cost more. */
#define UNDER_WAY_BYTES_MAX (32 * 1024 * 1024)

/* A slot's keys are on their way to another shard for that long at most, or it is not our day. */
#define LATER_MS 100
#define LATER_CALLS_MAX 50

struct scripts {
	struct link *link;
	struct buffer text[SCRIPT_COUNT];
	char digest[SCRIPT_COUNT][DIGEST_BYTES];
	int loading; /* answers to come before all are loaded */
	size_t under_way_bytes;
	struct list later;      /* calls that wait to be made again */
	struct buffer *command; /* the call that is begun */
};

struct call {
	struct scripts *scripts;
	script_done *done;
	void *context;
	uint64_t begun_us;
	enum script script;
	bool repeated;
	unsigned later_calls;
	struct list later;
	struct timer timer;
	size_t size;
	char command[]; /* kept for the case that the script must be loaded again */
};

/* ---- Loading */

static void send_load(struct scripts *scripts, enum script script, line_done *done, void *context)
{
	const struct slice words[] = {SLICE("SCRIPT"), SLICE("LOAD"),
	                              buffer_slice(&scripts->text[script])};

	session_ask(scripts->link->session, words, 3, done, context);
}

static void on_loaded(void *context, enum answer answer, const redisReply *reply)
{
	struct scripts *scripts = context;
	struct session *session = scripts->link->session;
	struct slice digest = reply_text(reply);

	if (answer == ANSWER_LOST)
		return;
	if (answer == ANSWER_ERROR || digest.size != DIGEST_BYTES) {
		session_fail(session,
		             digest.data != NULL ? digest.data : "SCRIPT LOAD answered no digest");
		return;
	}
	memcpy(scripts->digest[SCRIPT_COUNT - scripts->loading], digest.data, DIGEST_BYTES);
	if (--scripts->loading == 0)
		link_begin(scripts->link);
}

void scripts_load(struct scripts *scripts)
{
	scripts->loading = SCRIPT_COUNT;
	for (int script = 0; script < SCRIPT_COUNT; script++)
		send_load(scripts, (enum script)script, on_loaded, scripts);
}

/* ---- Calling */

static void on_answer(void *context, enum answer answer, const redisReply *reply);

static void send_call(struct call *call)
{
	struct slice command = {call->command, call->size};

	session_command(call->scripts->link->session, command, on_answer, call);
}

static void finish(struct call *call, const redisReply *reply)
{
	call->scripts->under_way_bytes -= call->size;
	call->done(call->context, reply);
	free(call);
}

static void on_loaded_again(void *context, enum answer answer, const redisReply *reply)
{
	(void)context;
	(void)answer;
	(void)reply;
}

static void load_and_repeat(struct call *call)
{
	call->repeated = true;
	send_load(call->scripts, call->script, on_loaded_again, NULL);
	send_call(call);
}

static void on_later(void *context)
{
	struct call *call = context;

	list_remove(&call->later);
	if (session_is_ready(call->scripts->link->session))
		send_call(call);
	else
		finish(call, NULL);
}

static void repeat_later(struct call *call)
{
	call->later_calls++;
	list_append(&call->scripts->later, &call->later);
	timer_init(&call->timer, on_later, call);
	timer_set(call->scripts->link->shared->timers, &call->timer, LATER_MS);
}

void scripts_lost(struct scripts *scripts)
{
	LIST_EACH(&scripts->later, link) {
		struct call *call = LIST_ENTRY(link, struct call, later);
		timer_stop(scripts->link->shared->timers, &call->timer);
		list_remove(link);
		finish(call, NULL);
	}
}

static void count(const struct call *call)
{
	struct meters *meters = &call->scripts->link->shared->meters;

	metric_add(meters->script_calls[call->script], 1);
	metric_add(meters->script_us[call->script], clock_mono_us() - call->begun_us);
}

static void on_answer(void *context, enum answer answer, const redisReply *reply)
{
	struct call *call = context;
	struct slice error = answer == ANSWER_ERROR ? reply_text(reply) : SLICE("");

	if (slice_starts(error, SLICE("NOSCRIPT ")) && !call->repeated) {
		load_and_repeat(call);
	} else if ((slice_starts(error, SLICE("ASK ")) ||
	            slice_starts(error, SLICE("TRYAGAIN "))) &&
	           call->later_calls < LATER_CALLS_MAX) {
		repeat_later(call);
	} else {
		if (answer != ANSWER_LOST)
			count(call);
		finish(call, answer == ANSWER_LOST ? NULL : reply);
	}
}

struct buffer *scripts_begin(struct scripts *scripts, enum script script, size_t keys,
                             size_t arguments)
{
	struct buffer *command = session_begin(scripts->link->session, 3 + keys + arguments);

	scripts->command = command;
	command_add(command, SLICE("EVALSHA"));
	command_add(command, (struct slice){scripts->digest[script], DIGEST_BYTES});
	command_add_number(command, keys);
	return command;
}

void scripts_send(struct scripts *scripts, enum script script, script_done *done, void *context)
{
	struct slice command = command_end(scripts->command);
	struct call *call = mem_alloc(sizeof(*call) + command.size + 1);

	*call = (struct call){
		.scripts = scripts,
		.done = done,
		.context = context,
		.begun_us = clock_mono_us(),
		.script = script,
		.size = command.size,
	};
	list_init(&call->later);
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
 * The first line says what Redis is to know of the script, so what all have in common goes between
 * it and the rest.
 */
static void compose(struct buffer *text, const char *script, size_t size, bool sharded)
{
	const char *end = memchr(script, '\n', size);
	size_t first = end == NULL ? size : (size_t)(end - script) + 1;

	buffer_append(text, (struct slice){script, first});
	buffer_append(text, sharded ? SLICE("local PUBLISH = 'SPUBLISH'\n")
	                            : SLICE("local PUBLISH = 'PUBLISH'\n"));
	buffer_append(text, (struct slice){embedded_lib_lua, embedded_lib_lua_size});
	buffer_append(text, (struct slice){script + first, size - first});
}

struct scripts *scripts_create(struct link *link)
{
	struct scripts *scripts = mem_zero(sizeof(*scripts));
	bool sharded = link->shared->cluster != NULL;

	scripts->link = link;
	list_init(&scripts->later);
	compose(&scripts->text[SCRIPT_ANNOUNCE], embedded_announce_lua, embedded_announce_lua_size,
	        sharded);
	compose(&scripts->text[SCRIPT_REFRESH], embedded_refresh_lua, embedded_refresh_lua_size,
	        sharded);
	compose(&scripts->text[SCRIPT_LEAVE], embedded_leave_lua, embedded_leave_lua_size, sharded);
	compose(&scripts->text[SCRIPT_REAP], embedded_reap_lua, embedded_reap_lua_size, sharded);
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
