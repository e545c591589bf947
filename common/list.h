/*
 * A circular doubly linked list, its links embedded in what it holds.
 *
 * A link that is in no list points to itself, so that list_remove() may be called at any time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct list {
	struct list *next;
	struct list *previous;
};

/* The object of a type whose member is the link. */
#define LIST_ENTRY(link, type, member) ((type *)(void *)((char *)(link) - offsetof(type, member)))

/* The body may remove `link` itself, but no other. */
#define LIST_EACH(head, link)                                                             \
	for (struct list *link = (head)->next, *link##_next = link->next; link != (head); \
	     link = link##_next, link##_next = link->next)

static inline void list_init(struct list *list)
{
	list->next = list;
	list->previous = list;
}

static inline bool list_empty(const struct list *list)
{
	return list->next == list;
}

static inline void list_append(struct list *list, struct list *link)
{
	link->next = list;
	link->previous = list->previous;
	list->previous->next = link;
	list->previous = link;
}

static inline void list_remove(struct list *link)
{
	link->previous->next = link->next;
	link->next->previous = link->previous;
	list_init(link);
}

/* Moves all links of one list to the end of another, in order. */
static inline void list_move(struct list *from, struct list *to)
{
	while (!list_empty(from)) {
		struct list *link = from->next;
		list_remove(link);
		list_append(to, link);
	}
}
