#include "mesh/deliver.h"

#include "common/clock.h"
#include "common/log.h"
#include "mesh/counters.h"
#include "wire/frame.h"

/* Nodes of different age on one bus are normal, and each parcel of the other age is the same news. */
static void report_once(struct metric *metric, const char *what)
{
	if (metric->value == 0)
		log_warn("parcel_not_understood", LOG_TEXT("why", what));
	metric_add(metric, 1);
}

bool deliver_open(const struct ports *ports, struct slice bytes, struct parcel *parcel)
{
	switch (parcel_read(bytes, parcel)) {
	case PARCEL_OK:
		return true;
	case PARCEL_MALFORMED:
		report_once(ports->counters->parcels_malformed, "malformed");
		break;
	case PARCEL_UNKNOWN_VERSION:
		report_once(ports->counters->parcels_version, "made by another version");
		break;
	case PARCEL_UNKNOWN_KIND:
		report_once(ports->counters->parcels_kind, "of a kind unknown here");
		break;
	}
	return false;
}

struct blob *deliver_frames(const struct ports *ports, const struct parcel *parcel)
{
	uint64_t now = clock_wall_ms();

	/* Two clocks: a node that is behind would make a delivery come before its message. */
	histogram_observe(ports->counters->latency,
	                  now > parcel->time_ms ? (double)(now - parcel->time_ms) / 1000 : 0);
	return frame_text(&parcel->body, 1);
}
