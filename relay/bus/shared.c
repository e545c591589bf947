#include "bus/shared.h"

#include "common/timers.h"

uint64_t shared_now_ms(const struct shared *shared)
{
	return timers_now(shared->timers);
}

uint64_t shared_hold_off_ms(const struct shared *shared)
{
	return 2 * shared->settings->ttl_ms / 3;
}
