/* Where a Cluster keeps a key: one of 16,384 slots. And where the slots are: each at one master. */
#pragma once

#include "redis/address.h"
#include "redis/reply.h"

#define SLOT_COUNT 16384
#define SLOT_HOST_BYTES_MAX 256 /* of a master's name, its zero included */

/* The slot of all keys and channels with this hash tag: CRC16 (XMODEM) of it, modulo 16,384. */
unsigned slot_of(struct slice tag);

struct slot_range {
	unsigned first;
	unsigned last;
	struct address_host master; /* its name is in `text`, or that of who was asked */
	char text[SLOT_HOST_BYTES_MAX];
};

/*
 * Read an item of the answer to CLUSTER SLOTS, and an error "MOVED SLOT HOST:PORT". A node that
 * does not know its own name leaves it out: it is the one that was `asked`. They return false if it
 * makes no sense.
 */
bool slot_read_range(const redisReply *item, const struct address_host *asked,
                     struct slot_range *range);
bool slot_read_moved(struct slice error, const struct address_host *asked,
                     struct slot_range *range);
