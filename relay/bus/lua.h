/* The Lua scripts that Redis runs for the bus: see lua/. */
#pragma once

#include <stdbool.h>

#include "redis/scripts.h"

enum {
	SCRIPT_ANNOUNCE,
	SCRIPT_REFRESH,
	SCRIPT_LEAVE,
	SCRIPT_REAP,
};
#define SCRIPT_COUNT 4

/* `sharded`: what they publish is for sharded channels. */
void lua_init(struct script scripts[SCRIPT_COUNT], bool sharded);
void lua_fini(struct script scripts[SCRIPT_COUNT]);
