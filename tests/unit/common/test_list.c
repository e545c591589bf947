/* A list keeps the order in which it was filled, and a link may leave it at any time. */
#include "common/list.h"

#include "tests/unit/assert_slice.h"

struct letter {
	char name;
	struct list link;
};

static struct slice names(struct list *list)
{
	static char text[16];
	size_t size = 0;

	LIST_EACH(list, link)
		text[size++] = LIST_ENTRY(link, struct letter, link)->name;
	return (struct slice){text, size};
}

static void fill(struct list *list, struct letter *letters, const char *text)
{
	list_init(list);
	for (size_t i = 0; text[i] != '\0'; i++) {
		letters[i].name = text[i];
		list_append(list, &letters[i].link);
	}
}

static void keeps_the_order(void **state)
{
	(void)state;
	struct list list;
	struct letter letters[4];

	list_init(&list);
	assert_true(list_empty(&list));
	assert_slice(names(&list), "");
	fill(&list, letters, "abcd");
	assert_false(list_empty(&list));
	assert_slice(names(&list), "abcd");
	list_remove(&letters[1].link);
	assert_slice(names(&list), "acd");
	list_remove(&letters[0].link);
	list_remove(&letters[3].link);
	assert_slice(names(&list), "c");
}

static void removing_twice_does_no_harm(void **state)
{
	(void)state;
	struct list list;
	struct letter letters[3];

	fill(&list, letters, "abc");
	list_remove(&letters[1].link);
	list_remove(&letters[1].link);
	assert_slice(names(&list), "ac");
}

static void walk_may_remove_where_it_is(void **state)
{
	(void)state;
	struct list list;
	struct letter letters[5];

	fill(&list, letters, "abcde");
	LIST_EACH(&list, link) {
		if (LIST_ENTRY(link, struct letter, link)->name != 'c')
			list_remove(link);
	}
	assert_slice(names(&list), "c");
}

static void moved_links_follow_those_there(void **state)
{
	(void)state;
	struct list from;
	struct list to;
	struct letter first[2];
	struct letter second[3];

	fill(&to, first, "ab");
	fill(&from, second, "cde");
	list_move(&from, &to);
	assert_true(list_empty(&from));
	assert_slice(names(&to), "abcde");
	list_move(&from, &to); /* of nothing: nothing */
	assert_slice(names(&to), "abcde");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_the_order),
		cmocka_unit_test(removing_twice_does_no_harm),
		cmocka_unit_test(walk_may_remove_where_it_is),
		cmocka_unit_test(moved_links_follow_those_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
