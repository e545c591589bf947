/* Lua scripts in Redis: loaded once per session, called by their digest. */
#pragma once

#include "common/blob.h"
#include "common/buffer.h"
#include "redis/reply.h"

struct metric;
struct scripts;
struct session;
struct timers;

struct script {
	struct blob *text;
	struct metric *calls; /* that Redis answered */
	struct metric *us;    /* from calling it to the answer */
};

/* Borrows `all`: `count` scripts, which are called by their place there. Returns owned. */
struct scripts *scripts_create(struct session *session, struct timers *timers,
                               const struct script *all, size_t count,
                               void (*loaded)(void *context), void *context);
/* Accepts NULL. */
void scripts_destroy(struct scripts *scripts);

/* Loads all of them; `loaded` is called when that is done. The session must be ready. */
void scripts_load(struct scripts *scripts);

/*
 * Called once. `reply` is NULL if none came: the script may or may not have run. It may be an
 * error.
 */
typedef void script_done(void *context, const redisReply *reply);

/*
 * Begins a call: the caller appends that many keys, then that many arguments, by command_add(), and
 * sends it before it does anything else. The session must be ready.
 */
struct buffer *scripts_begin(struct scripts *scripts, size_t script, size_t keys, size_t arguments);
void scripts_send(struct scripts *scripts, size_t script, script_done *done, void *context);

/* The session is over: calls that were to be repeated are not. */
void scripts_lost(struct scripts *scripts);

/* Is so much under way that nothing should be added that can wait, or be refused? */
bool scripts_are_busy(const struct scripts *scripts);
