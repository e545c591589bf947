/*
 * A wheel of one-second slots, for many entries that each wait for their next moment.
 *
 * Moving an entry costs two list operations however many there are, and the one timer behind it
 * is set only for the next slot that has an entry: an idle wheel costs nothing.
 */
#pragma once

#include "common/list.h"
#include "common/timers.h"

#define WHEEL_SLOTS 64

struct wheel {
	struct list slots[WHEEL_SLOTS];
	uint32_t hand_s; /* all before it was visited */
	uint32_t due_s;  /* when the timer is to fire */
	uint32_t late_s; /* by which it fired late: the process stood still */
	struct timers *timers;
	struct timer timer;
	uint32_t (*visit)(struct list *entry, uint32_t now_s);
};

/*
 * `visit` is called when an entry may be due, at times before it is, and returns when it is next.
 * It may place and remove its own entry, and no other. Seconds are those of timers_now(), from 1.
 */
void wheel_init(struct wheel *wheel, struct timers *timers,
                uint32_t (*visit)(struct list *entry, uint32_t now_s));

/* Entries that are left stay in their lists. */
void wheel_fini(struct wheel *wheel);

/* Puts the entry in, or moves it. To take it out: list_remove(). */
void wheel_place(struct wheel *wheel, struct list *entry, uint32_t due_s);

uint32_t wheel_now_s(const struct wheel *wheel);
