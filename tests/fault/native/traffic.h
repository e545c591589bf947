/* Messages between peers at a steady rate, who to whom by the dice. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STREAMS_MAX 64
#define STREAM_PER_SECOND_MAX 1000000

/* Peers `first` .. `first + count - 1`. */
struct range {
	uint32_t first, count;
};

/*
 * So many messages a second from now on, by peers of `from` that are in: directs to any peer of `to`
 * in the same mesh, in or not, or broadcasts if `to` is empty. What was said of this pair before ends;
 * 0 a second is nothing. Returns false if there are too many streams.
 */
bool traffic_set(struct range from, struct range to, uint64_t per_second, size_t fill_bytes);

/* Nobody says anything more. */
void traffic_end(void);
