#include "edge/wheel.h"

uint32_t wheel_now_s(const struct wheel *wheel)
{
	return (uint32_t)(timers_now(wheel->timers) / 1000);
}

static void put(struct wheel *wheel, struct list *entry, uint32_t due_s)
{
	uint32_t last =
		wheel->hand_s + WHEEL_SLOTS - 1; /* what is due later is visited on the way */
	uint32_t second = due_s < last ? due_s : last;

	if (second < wheel->hand_s)
		second = wheel->hand_s;
	list_remove(entry);
	list_append(&wheel->slots[second % WHEEL_SLOTS], entry);
}

/* For the first slot that has an entry, or not at all. */
static void set_timer(struct wheel *wheel)
{
	uint64_t now_ms = timers_now(wheel->timers);

	for (uint32_t ahead = 0; ahead < WHEEL_SLOTS; ahead++) {
		uint32_t second = wheel->hand_s + ahead;
		if (list_empty(&wheel->slots[second % WHEEL_SLOTS]))
			continue;
		uint64_t due_ms = second * (uint64_t)1000;
		wheel->due_s = second;
		timer_set(wheel->timers, &wheel->timer, due_ms > now_ms ? due_ms - now_ms : 0);
		return;
	}
	timer_stop(wheel->timers, &wheel->timer);
}

static void on_timer(void *context)
{
	struct wheel *wheel = context;
	uint32_t now_s = wheel_now_s(wheel);
	struct list due;

	wheel->late_s = now_s - wheel->due_s;
	list_init(&due);
	for (uint32_t slot = 0; slot < WHEEL_SLOTS && wheel->hand_s <= now_s; slot++)
		list_move(&wheel->slots[wheel->hand_s++ % WHEEL_SLOTS], &due);
	wheel->hand_s =
		now_s + 1; /* after a long sleep all slots were emptied, and the rest is skipped */

	while (!list_empty(&due)) {
		struct list *entry = due.next;
		list_remove(entry);
		put(wheel, entry, wheel->visit(entry, now_s));
	}
	set_timer(wheel);
}

void wheel_init(struct wheel *wheel, struct timers *timers,
                uint32_t (*visit)(struct list *entry, uint32_t now_s))
{
	for (size_t i = 0; i < WHEEL_SLOTS; i++)
		list_init(&wheel->slots[i]);
	wheel->timers = timers;
	wheel->visit = visit;
	wheel->hand_s = wheel_now_s(wheel) + 1;
	timer_init(&wheel->timer, on_timer, wheel);
}

void wheel_fini(struct wheel *wheel)
{
	timer_stop(wheel->timers, &wheel->timer);
}

void wheel_place(struct wheel *wheel, struct list *entry, uint32_t due_s)
{
	if (!timer_is_set(&wheel->timer))
		wheel->hand_s =
			wheel_now_s(wheel) + 1; /* empty, so nobody has turned it meanwhile */
	put(wheel, entry, due_s);
	set_timer(wheel);
}
