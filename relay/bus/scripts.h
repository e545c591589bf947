/* The Lua scripts in Redis: loaded once per session, called by their digest. */
#pragma once

#include "bus/meters.h"
#include "common/buffer.h"

struct link;
struct redisReply;
struct scripts;

/* Returns owned. */
struct scripts *scripts_create(struct link *link);
/* Accepts NULL. */
void scripts_destroy(struct scripts *scripts);

/* Loads all of them; link_begin() is called when that is done. */
void scripts_load(struct scripts *scripts);

/*
 * Called once. `reply` is NULL if none came: the script may or may not have run. It may be an
 * error.
 */
typedef void script_done(void *context, const struct redisReply *reply);

/*
 * Begins a call: the caller appends that many keys, then that many arguments, by command_add(), and
 * sends it before it does anything else. The session must be ready.
 */
struct buffer *scripts_begin(struct scripts *scripts, enum script script, size_t keys,
                             size_t arguments);
void scripts_send(struct scripts *scripts, enum script script, script_done *done, void *context);

/* The session is over: calls that were to be repeated are not. */
void scripts_lost(struct scripts *scripts);

/* Is so much under way that nothing should be added that can wait, or be refused? */
bool scripts_are_busy(const struct scripts *scripts);
