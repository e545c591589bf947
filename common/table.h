/*
 * A hash table whose entries are embedded in what it holds.
 *
 * Keys are bytes that the holder keeps alive and unchanged while the entry is in the table. The
 * table grows with what is put in; who puts strangers' things in bounds their number.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/text.h"

struct table_entry {
	struct table_entry *next;
	uint64_t hash;
	struct slice key; /* borrowed from the holder */
};

struct table {
	struct table_entry **buckets;
	size_t bucket_count; /* 0 or a power of two */
	size_t size;         /* entries */
	uint64_t seed[2];
};

#define TABLE_HOLDER(entry, type, member) \
	((type *)(void *)((char *)(entry) - offsetof(type, member)))

void table_init(struct table *table);

/* Frees the buckets. The entries belong to their holders, and none may be left. */
void table_fini(struct table *table);

/* Puts the entry in under the key. No other entry may have it. */
void table_insert(struct table *table, struct table_entry *entry, struct slice key);

/* Takes out an entry that is in the table. */
void table_remove(struct table *table, struct table_entry *entry);

/* Returns the entry with that key, or NULL. */
struct table_entry *table_find(const struct table *table, struct slice key);

/*
 * Walks the table: `cursor` starts at 0, NULL ends it. Between two steps nothing may be inserted;
 * the entry returned last may be removed.
 */
struct table_cursor {
	size_t bucket;
	struct table_entry *next;
};
struct table_entry *table_next(const struct table *table, struct table_cursor *cursor);
