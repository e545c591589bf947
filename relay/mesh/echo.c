/*
 * Digests are spread over sets of a few places each. In a full set a new one takes the place of the
 * one that was delivered longest ago; if that may still be echoed, the table doubles first, up to
 * its bound. So a mesh in which little is said needs little memory, and in a busy one a page may take
 * its time to echo. Sets that are full while most are not have been chosen by somebody: he gets no
 * larger table for that.
 */
#include "mesh/echo.h"

#include <stddef.h>
#include <stdlib.h>

#include "common/hash.h"
#include "common/memory.h"

#define WAYS 8
#define SETS_FIRST 8
#define SETS_MAX 2048 /* full sets begin to be many at a quarter of its places: some 4,000 */

/* Two peers are enough to tell anybody that it was another one. */
struct delivered {
	uint64_t digest;
	uint64_t peer[2];  /* hash of the id; 0 = none */
	uint64_t at_ms[2]; /* when that peer sent it last */
};

struct echo {
	uint64_t window_ms;
	size_t sets; /* a power of two */
	size_t used; /* places */
	struct delivered *places;
};

struct echo *echo_create(uint64_t window_ms)
{
	struct echo *echo = mem_zero(sizeof(*echo));

	echo->window_ms = window_ms;
	echo->sets = SETS_FIRST;
	echo->places = mem_zero(SETS_FIRST * WAYS * sizeof(struct delivered));
	return echo;
}

void echo_destroy(struct echo *echo)
{
	if (echo == NULL)
		return;
	free(echo->places);
	free(echo);
}

/* Fixed keys: all nodes must come to the same number. A collision costs its maker a message. */
uint64_t echo_digest(struct slice type, struct slice data)
{
	return hash_bytes(data, hash_bytes(type, 0, 0), 1);
}

static uint64_t name_of(struct slice peer)
{
	return hash_bytes(peer, 0, 0) | 1;
}

static struct delivered *set_of(const struct echo *echo, uint64_t digest)
{
	return &echo->places[(digest & (echo->sets - 1)) * WAYS];
}

static uint64_t latest_ms(const struct delivered *delivered)
{
	return delivered->at_ms[0] > delivered->at_ms[1] ? delivered->at_ms[0]
	                                                 : delivered->at_ms[1];
}

/* The place that has the digest, else the one that is to have it. */
static struct delivered *place_for(const struct echo *echo, uint64_t digest)
{
	struct delivered *set = set_of(echo, digest);
	struct delivered *oldest = set;

	for (size_t i = 0; i < WAYS; i++) {
		if (set[i].digest == digest)
			return &set[i];
		if (latest_ms(&set[i]) < latest_ms(oldest))
			oldest = &set[i];
	}
	return oldest;
}

static bool is_fresh(const struct echo *echo, uint64_t at_ms, uint64_t now_ms)
{
	return at_ms + echo->window_ms > now_ms;
}

static bool is_used(const struct delivered *place)
{
	return place->peer[0] != 0;
}

static bool is_crowded(const struct echo *echo)
{
	return echo->used >= echo->sets && echo->sets < SETS_MAX;
}

/* Each set becomes two, so all find a place. */
static void grow(struct echo *echo)
{
	struct delivered *old = echo->places;
	size_t count = echo->sets * WAYS;

	echo->sets *= 2;
	echo->places = mem_zero(2 * count * sizeof(*old));
	for (size_t i = 0; i < count; i++)
		if (is_used(&old[i]))
			*place_for(echo, old[i].digest) = old[i];
	free(old);
}

/* One that has the digest, and maybe not yet a peer. */
static struct delivered *take_place(struct echo *echo, uint64_t digest, uint64_t now_ms)
{
	struct delivered *place = place_for(echo, digest);

	if (place->digest == digest && is_used(place))
		return place;
	while (is_used(place) && is_fresh(echo, latest_ms(place), now_ms) && is_crowded(echo)) {
		grow(echo);
		place = place_for(echo, digest);
	}
	if (!is_used(place))
		echo->used++;
	*place = (struct delivered){.digest = digest};
	return place;
}

void echo_remember(struct echo *echo, uint64_t digest, struct slice peer, uint64_t now_ms)
{
	struct delivered *place = take_place(echo, digest, now_ms);
	uint64_t name = name_of(peer);
	size_t which = place->at_ms[0] <= place->at_ms[1] ? 0 : 1; /* the older */

	if (place->peer[0] == name || place->peer[1] == name)
		which = place->peer[0] == name ? 0 : 1;
	place->peer[which] = name;
	place->at_ms[which] = now_ms;
}

bool echo_heard(const struct echo *echo, uint64_t digest, struct slice peer, uint64_t now_ms)
{
	const struct delivered *place = place_for(echo, digest);
	uint64_t name = name_of(peer);

	if (place->digest != digest)
		return false;
	for (size_t i = 0; i < 2; i++)
		if (place->peer[i] != 0 && place->peer[i] != name &&
		    is_fresh(echo, place->at_ms[i], now_ms))
			return true;
	return false;
}
