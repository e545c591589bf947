/*
 * How many of something each of many has, and no more than it may: connections of an address, say.
 *
 * Remembers only who has any, so it is as large as the number of marks that are out.
 */
#pragma once

#include <stddef.h>

#include "common/text.h"

struct tally;
struct tally_mark; /* that somebody has one */

/* Returns owned. */
struct tally *tally_create(void);

/* No mark may be out. Accepts NULL. */
void tally_destroy(struct tally *tally);

/*
 * Whoever has the key gets one more: returns a mark, to be given back to the tally, or NULL if he
 * has `max` of them. Copies the key.
 */
struct tally_mark *tally_take(struct tally *tally, struct slice key, size_t max);

/* Accepts NULL. */
void tally_give_back(struct tally_mark *mark);
