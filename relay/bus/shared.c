#include "bus/shared.h"

#include "common/clock.h"
#include "common/timers.h"

uint64_t shared_now_ms(const struct shared *shared)
{
	return timers_now(shared->timers);
}

uint64_t shared_hold_off_ms(const struct shared *shared)
{
	return 2 * shared->settings->ttl_ms / 3;
}

struct slice shared_head(const struct shared *shared, enum parcel_kind kind,
                         char head[PARCEL_HEAD_BYTES_MAX])
{
	const struct parcel parcel = {
		.kind = kind, .node = shared->node, .time_ms = clock_wall_ms()};

	return (struct slice){head, parcel_head(&parcel, head)};
}
