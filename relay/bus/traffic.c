#include "bus/traffic.h"

#include <assert.h>
#include <stdlib.h>

#include "bus/link.h"
#include "bus/topic.h"
#include "common/memory.h"
#include "mesh/mesh.h"

/* So much may be under way at first, and after each pause: a hundredth of a second on most networks. */
#define WINDOW_BYTES_FIRST ((size_t)128 * 1024)

/* At most that part of the bound: the rest is for an outage, and for who could not be stopped in time. */
#define WINDOW_BYTES_MAX(bytes_max) ((bytes_max) / 2)

#define DELAY_MS_MAX 1000 /* of an answer; then less may be under way */

struct traffic {
	struct link *link;
	size_t bytes;
	size_t window; /* bytes that may be under way; grows while it is used up and Redis keeps up */
	uint64_t shrunk_ms;
	bool pressed;
};

static size_t bytes_max(const struct traffic *traffic)
{
	return traffic->link->shared->settings->queue_bytes_max;
}

static size_t smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

static size_t window_max(const struct traffic *traffic)
{
	return WINDOW_BYTES_MAX(bytes_max(traffic));
}

static size_t window_first(const struct traffic *traffic)
{
	return smaller(WINDOW_BYTES_FIRST, window_max(traffic));
}

static void let_go(struct topic *topic)
{
	if (topic_owner(topic) != NULL)
		mesh_relieved(topic_owner(topic));
}

static void add(struct traffic *traffic, size_t bytes)
{
	traffic->bytes += bytes;
	metric_add(traffic->link->shared->meters.queue_bytes, bytes);
}

static void subtract(struct traffic *traffic, size_t bytes)
{
	assert(traffic->bytes >= bytes);
	traffic->bytes -= bytes;
	metric_subtract(traffic->link->shared->meters.queue_bytes, bytes);
}

bool traffic_take(struct traffic *traffic, size_t bytes)
{
	if (traffic->bytes + bytes > bytes_max(traffic))
		return false;
	add(traffic, bytes);
	if (traffic->link->up && traffic->bytes > traffic->window)
		traffic->pressed = true;
	return true;
}

static void relieve(struct traffic *traffic)
{
	if (!traffic->pressed)
		return;
	traffic->pressed = false;
	topics_each(traffic->link, let_go);
}

void traffic_done(struct traffic *traffic, size_t bytes)
{
	subtract(traffic, bytes);
	if (traffic->bytes == 0)
		traffic->window = window_first(traffic);
	if (traffic->bytes <= traffic->window / 2)
		relieve(traffic);
}

static void shrink(struct traffic *traffic)
{
	uint64_t now = link_now_ms(traffic->link);

	if (now - traffic->shrunk_ms < DELAY_MS_MAX)
		return; /* what is under way was sent before */
	traffic->shrunk_ms = now;
	traffic->window = traffic->window / 2 > window_first(traffic) ? traffic->window / 2
	                                                              : window_first(traffic);
}

void traffic_answered(struct traffic *traffic, size_t bytes, uint64_t delay_ms)
{
	if (delay_ms > DELAY_MS_MAX)
		shrink(traffic);
	else if (delay_ms < DELAY_MS_MAX / 2 && traffic->bytes > traffic->window / 2)
		traffic->window = smaller(traffic->window + bytes, window_max(traffic));
}

void traffic_move(struct traffic *from, struct traffic *to, size_t bytes)
{
	subtract(from, bytes);
	add(to, bytes);
}

bool traffic_is_pressed(const struct traffic *traffic)
{
	return traffic->pressed;
}

void traffic_relax(struct traffic *traffic)
{
	relieve(traffic);
}

bool traffic_none(const struct traffic *traffic)
{
	return traffic->bytes == 0;
}

struct traffic *traffic_create(struct link *link)
{
	struct traffic *traffic = mem_zero(sizeof(*traffic));

	traffic->link = link;
	traffic->window = window_first(traffic);
	return traffic;
}

void traffic_destroy(struct traffic *traffic)
{
	if (traffic == NULL)
		return;
	assert(traffic->bytes == 0);
	free(traffic);
}
