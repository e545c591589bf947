#include "edge/tally.h"

#include <stdlib.h>

#include "common/memory.h"
#include "common/table.h"

struct tally {
	struct table marks;
};

/* One for all that somebody has. */
struct tally_mark {
	struct table_entry entry;
	struct tally *tally;
	size_t count;
	char key[];
};

struct tally *tally_create(void)
{
	struct tally *tally = mem_alloc(sizeof(*tally));

	table_init(&tally->marks);
	return tally;
}

void tally_destroy(struct tally *tally)
{
	if (tally == NULL)
		return;
	table_fini(&tally->marks);
	free(tally);
}

static struct tally_mark *first_mark(struct tally *tally, struct slice key)
{
	struct tally_mark *mark = mem_alloc(sizeof(*mark) + key.size);

	mark->tally = tally;
	mark->count = 0;
	memcpy(mark->key, key.data, key.size);
	table_insert(&tally->marks, &mark->entry, (struct slice){mark->key, key.size});
	return mark;
}

struct tally_mark *tally_take(struct tally *tally, struct slice key, size_t max)
{
	struct table_entry *entry = table_find(&tally->marks, key);
	struct tally_mark *mark =
		entry != NULL ? TABLE_HOLDER(entry, struct tally_mark, entry) : NULL;

	if (max == 0 || (mark != NULL && mark->count >= max))
		return NULL;
	if (mark == NULL)
		mark = first_mark(tally, key);
	mark->count++;
	return mark;
}

void tally_give_back(struct tally_mark *mark)
{
	if (mark == NULL || --mark->count > 0)
		return;
	table_remove(&mark->tally->marks, &mark->entry);
	free(mark);
}
