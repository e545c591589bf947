#include "common/table.h"

#include <assert.h>
#include <stdlib.h>

#include "common/hash.h"
#include "common/memory.h"
#include "common/random.h"

#define FIRST_BUCKETS 16

void table_init(struct table *table)
{
	*table = (struct table){.seed = {random_u64(), random_u64()}};
}

void table_fini(struct table *table)
{
	assert(table->size == 0);
	free(table->buckets);
	table->buckets = NULL;
	table->bucket_count = 0;
}

static struct table_entry **bucket_of(const struct table *table, uint64_t hash)
{
	return &table->buckets[hash & (table->bucket_count - 1)];
}

static void grow(struct table *table)
{
	struct table_entry **old = table->buckets;
	size_t old_count = table->bucket_count;

	table->bucket_count = old_count > 0 ? old_count * 2 : FIRST_BUCKETS;
	table->buckets = mem_zero(table->bucket_count * sizeof(*table->buckets));
	for (size_t i = 0; i < old_count; i++) {
		while (old[i] != NULL) {
			struct table_entry *entry = old[i];
			old[i] = entry->next;
			struct table_entry **bucket = bucket_of(table, entry->hash);
			entry->next = *bucket;
			*bucket = entry;
		}
	}
	free(old);
}

void table_insert(struct table *table, struct table_entry *entry, struct slice key)
{
	assert(table_find(table, key) == NULL);
	if (table->size == table->bucket_count)
		grow(table);

	entry->key = key;
	entry->hash = hash_bytes(key, table->seed[0], table->seed[1]);
	struct table_entry **bucket = bucket_of(table, entry->hash);
	entry->next = *bucket;
	*bucket = entry;
	table->size++;
}

void table_remove(struct table *table, struct table_entry *entry)
{
	struct table_entry **link = bucket_of(table, entry->hash);

	while (*link != entry) {
		assert(*link != NULL);
		link = &(*link)->next;
	}
	*link = entry->next;
	entry->next = NULL;
	table->size--;
}

struct table_entry *table_find(const struct table *table, struct slice key)
{
	if (table->size == 0)
		return NULL;

	uint64_t hash = hash_bytes(key, table->seed[0], table->seed[1]);
	struct table_entry *entry = *bucket_of(table, hash);
	while (entry != NULL && !(entry->hash == hash && slice_equal(entry->key, key)))
		entry = entry->next;
	return entry;
}

struct table_entry *table_next(const struct table *table, struct table_cursor *cursor)
{
	while (cursor->next == NULL && cursor->bucket < table->bucket_count)
		cursor->next = table->buckets[cursor->bucket++];

	struct table_entry *entry = cursor->next;
	if (entry != NULL)
		cursor->next = entry->next;
	return entry;
}
