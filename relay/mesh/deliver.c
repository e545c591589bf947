#include "mesh/deliver.h"

#include "common/clock.h"
#include "common/log.h"
#include "mesh/counters.h"
#include "mesh/hub.h"
#include "wire/frame.h"
#include "wire/presence.h"

/* Nodes of different age on one bus are normal, and each parcel of the other age is the same news. */
static void report_once(struct metric *metric, const char *what)
{
	if (metric_value(metric) == 0)
		log_warn("parcel_not_understood", LOG_TEXT("why", what));
	metric_add(metric, 1);
}

static void report_malformed(const struct ports *ports)
{
	report_once(ports->counters->parcels_malformed, "malformed");
}

/*
 * Whoever got a message larger than an outbox would be closed for it. It is from a node with other
 * limits, or from no node. Frames add 4 bytes to each 16 KiB, and a few more.
 */
static bool fits(const struct ports *ports, const struct parcel *parcel)
{
	size_t size = parcel->body.size;

	return parcel->kind != PARCEL_MESSAGE ||
	       size + size / 1024 + 16 <= ports->settings->outbox_bytes_max;
}

bool deliver_open(const struct ports *ports, struct slice bytes, struct parcel *parcel)
{
	switch (parcel_read(bytes, parcel)) {
	case PARCEL_OK:
		if (fits(ports, parcel))
			return true;
		report_once(ports->counters->parcels_size, "larger than any outbox");
		break;
	case PARCEL_MALFORMED:
		report_malformed(ports);
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

bool deliver_is_presence(const struct ports *ports, struct slice id, struct slice message)
{
	bool is = presence_is_of(id, message);

	if (!is)
		report_malformed(ports);
	return is;
}

bool deliver_presence(const struct ports *ports, struct slice *records, struct slice *id,
                      struct slice *message)
{
	while (records->size > 0) {
		if (!parcel_next_presence(records, id, message)) {
			report_malformed(ports);
			return false;
		}
		if (deliver_is_presence(ports, *id, *message))
			return true;
	}
	return false;
}

bool deliver_message(const struct ports *ports, struct slice *parcels, struct parcel *message)
{
	struct slice bytes;

	while (parcels->size > 0) {
		if (!parcel_next(parcels, &bytes)) {
			report_malformed(ports);
			return false;
		}
		if (!deliver_open(ports, bytes, message))
			continue;
		if (message->kind == PARCEL_MESSAGE)
			return true;
		metric_add(ports->counters->parcels_kind, 1);
	}
	return false;
}

void deliver_note_age(const struct ports *ports, const struct parcel *message, uint64_t now)
{
	/* Two clocks: a node that is behind would make a delivery come before its message. */
	histogram_observe(ports->counters->latency,
	                  now > message->time_ms ? (double)(now - message->time_ms) / 1000 : 0);
}

struct blob *deliver_frames(const struct ports *ports, const struct parcel *message)
{
	deliver_note_age(ports, message, clock_wall_ms());
	return frame_text(&message->body, 1);
}
