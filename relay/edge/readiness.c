#include "edge/readiness.h"

#include <stdlib.h>

#include "auth/auth.h"
#include "common/memory.h"

bool readiness_is_full(const struct edge *edge)
{
	return scoreboard_sockets(edge->scoreboard) >= edge->settings.connections_max;
}

/* Why nobody should come to this process; NULL = they may. */
static const char *own_unready(const struct edge *edge)
{
	const char *reason = NULL;

	if (edge->drain.begun)
		return "draining";
	if (readiness_is_full(edge))
		return "full";
	if ((edge->settings.auth == NULL || auth_is_ready(edge->settings.auth, &reason)) &&
	    hub_is_ready(edge->hub, &reason))
		return NULL;
	return reason;
}

bool edge_is_ready(const struct edge *edge, const char **reason)
{
	*reason = own_unready(edge);
	return *reason == NULL && scoreboard_others_are_ready(edge->scoreboard, edge->score,
	                                                      timers_now(edge->timers), reason);
}

bool edge_is_live(const struct edge *edge)
{
	return scoreboard_is_live(edge->scoreboard, timers_now(edge->timers));
}

/* Who is alone shows itself to nobody, and may sleep. */
void readiness_show(struct edge *edge)
{
	if (edge->scoreboard->count == 1)
		return;
	scoreboard_show(edge->score, timers_now(edge->timers), own_unready(edge));
	timer_set(edge->timers, &edge->show, SCOREBOARD_SHOW_MS);
}

static void on_show(void *context)
{
	readiness_show(context);
}

void readiness_init(struct edge *edge)
{
	timer_init(&edge->show, on_show, edge);
	edge->scoreboard = edge->settings.scoreboard;
	if (edge->scoreboard == NULL) {
		edge->scoreboard = mem_zero(scoreboard_size(1));
		edge->scoreboard->count = 1;
	}
	edge->score = &edge->scoreboard->scores[edge->settings.worker];
}

void readiness_fini(struct edge *edge)
{
	timer_stop(edge->timers, &edge->show);
	if (edge->settings.scoreboard == NULL)
		free(edge->scoreboard);
}
