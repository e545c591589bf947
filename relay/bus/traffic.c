#include "bus/traffic.h"

#include <assert.h>
#include <stdlib.h>

#include "bus/link.h"
#include "bus/topic.h"
#include "common/memory.h"
#include "mesh/mesh.h"

/* Of the bound. */
#define HIGH(bytes_max) ((bytes_max) / 2)
#define LOW(bytes_max) ((bytes_max) / 4)

struct traffic {
	struct link *link;
	size_t bytes;
	size_t count;
	bool pressed; /* the meshes know */
};

static size_t bytes_max(const struct traffic *traffic)
{
	return traffic->link->shared->settings->queue_bytes_max;
}

static void hold_back(struct topic *topic)
{
	if (topic_owner(topic) != NULL)
		mesh_pressed(topic_owner(topic), true);
}

static void let_go(struct topic *topic)
{
	if (topic_owner(topic) != NULL)
		mesh_pressed(topic_owner(topic), false);
}

static void add(struct traffic *traffic, size_t bytes)
{
	traffic->bytes += bytes;
	traffic->count++;
	metric_add(traffic->link->shared->meters.queue_bytes, bytes);
}

static void subtract(struct traffic *traffic, size_t bytes)
{
	assert(traffic->count > 0 && traffic->bytes >= bytes);
	traffic->bytes -= bytes;
	traffic->count--;
	metric_subtract(traffic->link->shared->meters.queue_bytes, bytes);
}

bool traffic_take(struct traffic *traffic, size_t bytes)
{
	if (traffic->bytes + bytes > bytes_max(traffic))
		return false;
	add(traffic, bytes);
	return true;
}

void traffic_done(struct traffic *traffic, size_t bytes)
{
	subtract(traffic, bytes);
	traffic_relax(traffic);
}

void traffic_move(struct traffic *from, struct traffic *to, size_t bytes)
{
	subtract(from, bytes);
	add(to, bytes);
}

void traffic_turn(struct traffic *traffic)
{
	if (!traffic->pressed && traffic->link->up && traffic->bytes > HIGH(bytes_max(traffic))) {
		traffic->pressed = true;
		topics_each(traffic->link, hold_back);
	}
}

void traffic_relax(struct traffic *traffic)
{
	if (traffic->pressed && (!traffic->link->up || traffic->bytes <= LOW(bytes_max(traffic)))) {
		traffic->pressed = false;
		topics_each(traffic->link, let_go);
	}
}

bool traffic_none(const struct traffic *traffic)
{
	return traffic->count == 0;
}

struct traffic *traffic_create(struct link *link)
{
	struct traffic *traffic = mem_zero(sizeof(*traffic));

	traffic->link = link;
	return traffic;
}

void traffic_destroy(struct traffic *traffic)
{
	if (traffic == NULL)
		return;
	assert(traffic->count == 0);
	free(traffic);
}
