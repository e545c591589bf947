#include "edge/scoreboard.h"

size_t scoreboard_size(unsigned count)
{
	return sizeof(struct scoreboard) + count * sizeof(struct score);
}

void scoreboard_show(struct score *score, uint64_t now_ms, const char *unready)
{
	score->unready = unready;
	score->shown_ms = now_ms;
	score->serves = true; /* last: what is read of it must be there */
}

bool scoreboard_start(struct scoreboard *board)
{
	return atomic_fetch_add(&board->starts, 1) + 1 == board->count;
}

void scoreboard_end(struct score *score, uint64_t now_ms, uint64_t wall_s)
{
	score->serves = false;
	while (score->activity.open > 0)
		activity_closed(&score->activity, now_ms, wall_s);
}

size_t scoreboard_sockets(const struct scoreboard *board)
{
	size_t sockets = 0;

	for (unsigned i = 0; i < board->count; i++)
		sockets += board->scores[i].activity.open;
	return sockets;
}

bool scoreboard_is_busy(const struct scoreboard *board, uint64_t now_ms, uint64_t *changed_s)
{
	bool any_busy = false;

	*changed_s = 0;
	for (unsigned i = 0; i < board->count; i++) {
		uint64_t s;
		bool busy = activity_is_busy(&board->scores[i].activity, now_ms, &s);

		if (busy ? !any_busy || s < *changed_s : !any_busy && s > *changed_s)
			*changed_s = s;
		any_busy = any_busy || busy;
	}
	return any_busy;
}

static bool responds(const struct score *score, uint64_t now_ms)
{
	/* One that has shown itself since `now` was read is ahead of it. */
	uint64_t shown_ms = score->shown_ms;

	return !score->serves || now_ms < shown_ms + SCOREBOARD_SILENT_MS_MAX;
}

bool scoreboard_is_live(const struct scoreboard *board, uint64_t now_ms)
{
	for (unsigned i = 0; i < board->count; i++)
		if (!responds(&board->scores[i], now_ms))
			return false;
	return true;
}

bool scoreboard_others_are_ready(const struct scoreboard *board, const struct score *own,
                                 uint64_t now_ms, const char **reason)
{
	for (unsigned i = 0; i < board->count; i++) {
		const struct score *score = &board->scores[i];

		if (score == own || !score->serves)
			continue;
		*reason = responds(score, now_ms) ? score->unready : "a worker does not respond";
		if (*reason != NULL)
			return false;
	}
	return true;
}
