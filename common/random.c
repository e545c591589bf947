#include "common/random.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

/*
 * No user-space generator, and no cache of bytes either: a process that is cloned from a snapshot
 * (AgentCore, CRIU) would go on with the same numbers as its twin.
 */
uint64_t random_u64(void)
{
	uint64_t number;
	ssize_t got;

	do {
		got = getrandom(&number, sizeof(number), 0);
	} while (got < 0 && errno == EINTR);
	if (got != sizeof(number)) {
		perror("getrandom");
		abort();
	}
	return number;
}

uint64_t random_below(uint64_t bound)
{
	return bound > 0 ? random_u64() % bound : 0;
}
