/*
 * The happy path: SCRIPT LOAD at the start of a session, then EVALSHA.
 *
 * Failures: Redis has forgotten the scripts (SCRIPT FLUSH): loaded and called once more. A shard is
 * about to give the keys away (ASK, TRYAGAIN): called again a moment later, for a while. Any other
 * error is the caller's. No answer: the caller hears NULL.
 */
#include "redis/scripts.h"

#include <stdlib.h>

#include "common/clock.h"
#include "common/list.h"
#include "common/memory.h"
#include "common/metrics.h"
#include "common/timers.h"
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
	struct session *session;
	struct timers *timers;
	const struct script *all;
	size_t count;
	void (*loaded)(void *context);
	void *context;
	size_t loading; /* answers to come before all are loaded */
	size_t under_way_bytes;
	struct list later;      /* calls that wait to be made again */
	struct buffer *command; /* the call that is begun */
	char digests[][DIGEST_BYTES];
};

struct call {
	struct scripts *scripts;
	script_done *done;
	void *context;
	uint64_t begun_us;
	size_t script;
	bool repeated;
	unsigned later_calls;
	struct list later;
	struct timer timer;
	size_t size;
	char command[]; /* kept for the case that the script must be loaded again */
};

/* ---- Loading */

static void send_load(struct scripts *scripts, size_t script, line_done *done, void *context)
{
	const struct slice words[] = {SLICE("SCRIPT"), SLICE("LOAD"),
	                              blob_slice(scripts->all[script].text)};

	session_ask(scripts->session, words, 3, done, context);
}

static void on_loaded(void *context, enum answer answer, const redisReply *reply)
{
	struct scripts *scripts = context;
	struct session *session = scripts->session;
	struct slice digest = reply_text(reply);

	if (answer == ANSWER_LOST)
		return;
	if (answer == ANSWER_ERROR || digest.size != DIGEST_BYTES) {
		session_fail(session,
		             digest.data != NULL ? digest.data : "SCRIPT LOAD answered no digest");
		return;
	}
	memcpy(scripts->digests[scripts->count - scripts->loading], digest.data, DIGEST_BYTES);
	if (--scripts->loading == 0)
		scripts->loaded(scripts->context);
}

void scripts_load(struct scripts *scripts)
{
	scripts->loading = scripts->count;
	for (size_t i = 0; i < scripts->count; i++)
		send_load(scripts, i, on_loaded, scripts);
}

/* ---- Calling */

static void on_answer(void *context, enum answer answer, const redisReply *reply);

static void send_call(struct call *call)
{
	struct slice command = {call->command, call->size};

	session_command(call->scripts->session, command, on_answer, call);
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
	if (session_is_ready(call->scripts->session))
		send_call(call);
	else
		finish(call, NULL);
}

static void repeat_later(struct call *call)
{
	call->later_calls++;
	list_append(&call->scripts->later, &call->later);
	timer_init(&call->timer, on_later, call);
	timer_set(call->scripts->timers, &call->timer, LATER_MS);
}

void scripts_lost(struct scripts *scripts)
{
	LIST_EACH(&scripts->later, link) {
		struct call *call = LIST_ENTRY(link, struct call, later);
		timer_stop(scripts->timers, &call->timer);
		list_remove(link);
		finish(call, NULL);
	}
}

static void count(const struct call *call)
{
	const struct script *script = &call->scripts->all[call->script];

	metric_add(script->calls, 1);
	metric_add(script->us, clock_mono_us() - call->begun_us);
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

struct buffer *scripts_begin(struct scripts *scripts, size_t script, size_t keys, size_t arguments)
{
	struct buffer *command = session_begin(scripts->session, 3 + keys + arguments);

	scripts->command = command;
	command_add(command, SLICE("EVALSHA"));
	command_add(command, (struct slice){scripts->digests[script], DIGEST_BYTES});
	command_add_number(command, keys);
	return command;
}

void scripts_send(struct scripts *scripts, size_t script, script_done *done, void *context)
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

struct scripts *scripts_create(struct session *session, struct timers *timers,
                               const struct script *all, size_t count,
                               void (*loaded)(void *context), void *context)
{
	struct scripts *scripts = mem_zero(sizeof(*scripts) + count * DIGEST_BYTES);

	scripts->session = session;
	scripts->timers = timers;
	scripts->all = all;
	scripts->count = count;
	scripts->loaded = loaded;
	scripts->context = context;
	list_init(&scripts->later);
	return scripts;
}

void scripts_destroy(struct scripts *scripts)
{
	free(scripts);
}
