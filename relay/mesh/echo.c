#include "mesh/echo.h"

#include <stdlib.h>

#include "common/hash.h"
#include "common/memory.h"

#define REMEMBERED_MAX 256

struct echo {
	uint64_t window_ms;
	size_t next; /* the place of the oldest */
	struct delivered {
		uint64_t digest;
		uint64_t peer; /* hash of the id; 0 = empty place */
		uint64_t at_ms;
	} ring[REMEMBERED_MAX];
};

struct echo *echo_create(uint64_t window_ms)
{
	struct echo *echo = mem_zero(sizeof(*echo));

	echo->window_ms = window_ms;
	return echo;
}

void echo_destroy(struct echo *echo)
{
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

void echo_remember(struct echo *echo, uint64_t digest, struct slice peer, uint64_t now_ms)
{
	echo->ring[echo->next] = (struct delivered){digest, name_of(peer), now_ms};
	echo->next = (echo->next + 1) % REMEMBERED_MAX;
}

bool echo_heard(const struct echo *echo, uint64_t digest, struct slice peer, uint64_t now_ms)
{
	uint64_t name = name_of(peer);

	for (size_t i = 0; i < REMEMBERED_MAX; i++) {
		const struct delivered *delivered = &echo->ring[i];
		if (delivered->digest == digest && delivered->peer != 0 &&
		    delivered->peer != name && delivered->at_ms + echo->window_ms > now_ms)
			return true;
	}
	return false;
}
