#include "mesh/limits.h"

#include "mesh/hub.h"

/* Refusals before the connection is closed: as many as it may send messages in this time. */
#define FLOOD_SECONDS 10

#define FAULTS_PER_SECOND 2
#define FAULTS_BURST 20

/* Bytes alone may be limited: then this many refusals a second are borne with. */
#define REFUSALS_PER_SECOND_MIN 100

void limits_init(struct limits *limits, const struct hub_settings *settings, uint64_t now_ms)
{
	uint64_t rate = settings->messages_per_second;
	uint64_t bytes = settings->bytes_per_second;
	uint64_t refusals = rate > 0 ? rate : REFUSALS_PER_SECOND_MIN;

	bucket_init(&limits->messages, rate, rate, now_ms);
	bucket_init(&limits->bytes, bytes, bytes, now_ms);
	bucket_init(&limits->refusals, refusals, refusals * FLOOD_SECONDS, now_ms);
	bucket_init(&limits->faults, FAULTS_PER_SECOND, FAULTS_BURST, now_ms);
}

enum limits_verdict limits_take(struct limits *limits, uint64_t bytes, uint64_t now_ms)
{
	if (bucket_take(&limits->messages, 1, now_ms) && bucket_take(&limits->bytes, bytes, now_ms))
		return LIMITS_PASS;
	return bucket_take(&limits->refusals, 1, now_ms) ? LIMITS_REFUSE : LIMITS_FLOOD;
}

bool limits_take_fault(struct limits *limits, uint64_t now_ms)
{
	return bucket_take(&limits->faults, 1, now_ms);
}
