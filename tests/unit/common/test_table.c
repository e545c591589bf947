/* What was put into a table is found under its key, and nothing else is. */
#include "common/table.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/assert_slice.h"

struct thing {
	int before; /* so that the entry is not at the front */
	struct table_entry entry;
	char name[16];
	bool seen;
};

static struct thing *thing_of(struct table_entry *entry)
{
	return entry == NULL ? NULL : TABLE_HOLDER(entry, struct thing, entry);
}

static struct thing *insert(struct table *table, struct thing *thing, unsigned number)
{
	snprintf(thing->name, sizeof(thing->name), "thing-%u", number);
	table_insert(table, &thing->entry, slice_of(thing->name));
	return thing;
}

static void found_by_the_bytes_of_the_key(void **state)
{
	(void)state;
	struct table table;
	struct thing thing;
	char other_memory[] = "thing-1";

	table_init(&table);
	assert_null(table_find(&table, SLICE("thing-1"))); /* an empty table has no buckets */
	insert(&table, &thing, 1);
	assert_ptr_equal(thing_of(table_find(&table, slice_of(other_memory))), &thing);
	assert_null(table_find(&table, SLICE("thing-2")));
	assert_null(table_find(&table, SLICE("thing-")));
	table_remove(&table, &thing.entry);
	assert_null(table_find(&table, SLICE("thing-1")));
	table_fini(&table);
}

static void empty_key_is_a_key(void **state)
{
	(void)state;
	struct table table;
	struct table_entry entry;

	table_init(&table);
	table_insert(&table, &entry, SLICE(""));
	assert_ptr_equal(table_find(&table, SLICE("")), &entry);
	assert_null(table_find(&table, SLICE("\0")));
	table_remove(&table, &entry);
	table_fini(&table);
}

#define MANY 5000

static void many_are_found_while_others_come_and_go(void **state)
{
	(void)state;
	struct table table;
	struct thing *things = calloc(MANY, sizeof(*things));

	table_init(&table);
	for (unsigned i = 0; i < MANY; i++)
		insert(&table, &things[i], i);
	assert_int_equal(table.size, MANY);
	for (unsigned i = 0; i < MANY; i += 2)
		table_remove(&table, &things[i].entry);
	assert_int_equal(table.size, MANY / 2);
	for (unsigned i = 0; i < MANY; i++) {
		struct thing *found = thing_of(table_find(&table, slice_of(things[i].name)));
		assert_ptr_equal(found, i % 2 == 0 ? NULL : &things[i]);
	}
	for (unsigned i = 1; i < MANY; i += 2)
		table_remove(&table, &things[i].entry);
	table_fini(&table);
	free(things);
}

static void walk_sees_each_once_and_may_remove_it(void **state)
{
	(void)state;
	struct table table;
	struct thing things[100] = {0};
	struct table_cursor cursor = {0};
	struct table_entry *entry;
	size_t steps = 0;

	table_init(&table);
	for (unsigned i = 0; i < 100; i++)
		insert(&table, &things[i], i);
	while ((entry = table_next(&table, &cursor)) != NULL) {
		assert_false(thing_of(entry)->seen);
		thing_of(entry)->seen = true;
		steps++;
		if (steps % 3 == 0)
			table_remove(&table, entry);
	}
	assert_int_equal(steps, 100);
	assert_int_equal(table.size, 100 - 33);

	cursor = (struct table_cursor){0};
	while ((entry = table_next(&table, &cursor)) != NULL)
		table_remove(&table, entry);
	table_fini(&table);
}

static void walk_of_an_empty_table_ends_at_once(void **state)
{
	(void)state;
	struct table table;
	struct table_cursor cursor = {0};

	table_init(&table);
	assert_null(table_next(&table, &cursor));
	table_fini(&table);
}

static void tables_do_not_share_their_seeds(void **state)
{
	(void)state;
	struct table one;
	struct table other;

	table_init(&one);
	table_init(&other);
	assert_memory_not_equal(one.seed, other.seed, sizeof(one.seed));
	table_fini(&one);
	table_fini(&other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(found_by_the_bytes_of_the_key),
		cmocka_unit_test(empty_key_is_a_key),
		cmocka_unit_test(many_are_found_while_others_come_and_go),
		cmocka_unit_test(walk_sees_each_once_and_may_remove_it),
		cmocka_unit_test(walk_of_an_empty_table_ends_at_once),
		cmocka_unit_test(tables_do_not_share_their_seeds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
