#include "edge/activity.h"

#include <assert.h>

static bool glows(const struct activity *activity, uint64_t now_ms)
{
	return activity->ever &&
	       now_ms < activity->last_closed_ms + ACTIVITY_AFTERGLOW_SECONDS * (uint64_t)1000;
}

void activity_opened(struct activity *activity, uint64_t now_ms, uint64_t wall_s)
{
	if (activity->open == 0 && !glows(activity, now_ms))
		activity->busy_since_s = wall_s;
	activity->ever = true;
	activity->open++;
}

void activity_closed(struct activity *activity, uint64_t now_ms, uint64_t wall_s)
{
	assert(activity->open > 0);
	activity->last_closed_ms = now_ms;
	activity->last_closed_s = wall_s;
	activity->open--;
}

bool activity_is_busy(const struct activity *activity, uint64_t now_ms, uint64_t *changed_s)
{
	bool busy = activity->open > 0 || glows(activity, now_ms);

	if (!activity->ever)
		*changed_s = 0;
	else if (busy)
		*changed_s = activity->busy_since_s;
	else
		*changed_s = activity->last_closed_s + ACTIVITY_AFTERGLOW_SECONDS;
	return busy;
}
