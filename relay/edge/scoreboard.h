/*
 * What the workers on one port show each other, so that each of them can answer for all.
 *
 * It is in memory that they share since they were forked. Each has a place of its own, which nobody
 * else writes while it lives, so nothing needs a lock. A process without others has one, too, with
 * one place.
 */
#pragma once

#include "edge/activity.h"

/* A worker shows itself this often, and does not respond when it has not for this long. */
#define SCOREBOARD_SHOW_MS 1000
#define SCOREBOARD_SILENT_MS_MAX 5000

/* Of one worker. */
struct score {
	struct activity activity;
	atomic_bool serves;            /* its listening socket is open */
	_Atomic(const char *) unready; /* why newcomers should not come; NULL = they may */
	_Atomic uint64_t shown_ms;     /* monotonic */
};

/* Zeroed memory but for the count. */
struct scoreboard {
	unsigned count;
	atomic_uint starts;
	struct score scores[];
};

/* In bytes. */
size_t scoreboard_size(unsigned count);

/*
 * `unready` is a literal, or NULL: workers have the same literals at the same addresses, being forks
 * of one process.
 */
void scoreboard_show(struct score *score, uint64_t now_ms, const char *unready);

/* A worker serves from now on. True if it is the one with whom all have started. */
bool scoreboard_start(struct scoreboard *board);

/* The worker is dead, and its sockets have ended. `wall_s` as in activity.h. */
void scoreboard_end(struct score *score, uint64_t now_ms, uint64_t wall_s);

/* WebSockets of all workers. */
size_t scoreboard_sockets(const struct scoreboard *board);

/* Is any of them busy? *changed_s as in activity.h; of several that are busy, when the first became it. */
bool scoreboard_is_busy(const struct scoreboard *board, uint64_t now_ms, uint64_t *changed_s);

/* Do all that serve respond? */
bool scoreboard_is_live(const struct scoreboard *board, uint64_t now_ms);

/* Are all that serve ready, besides `own`? If not, says why in *reason (a literal). */
bool scoreboard_others_are_ready(const struct scoreboard *board, const struct score *own,
                                 uint64_t now_ms, const char **reason);
