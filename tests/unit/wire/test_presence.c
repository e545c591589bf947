/* A presence is understood as its sender's JSON.stringify() meant it, and can be given other agents. */
#include "wire/presence.h"

#include <stdio.h>

#include "wire/envelope.h"

#include "tests/unit/assert_slice.h"

static struct presence presence;

#define READ(literal) presence_read(SLICE(literal), &presence)

static void presence_of_the_real_page(void **state)
{
	(void)state;
	assert_true(READ(
		"{\"type\":\"presence\",\"from\":\"p\",\"data\":{\"hostname\":\"tab\",\"agents\":[\"a\",\"b\"]},"
		"\"timestamp\":1760000000123}"));
	assert_slice(presence.data, "{\"hostname\":\"tab\",\"agents\":[\"a\",\"b\"]}");
	assert_slice(presence.agents, "[\"a\",\"b\"]");
	assert_slice(presence.timestamp, "1760000000123");
	assert_false(presence.offline);
}

static void everything_may_be_missing(void **state)
{
	(void)state;
	assert_true(READ("{\"type\":\"presence\",\"from\":\"p\"}"));
	assert_null(presence.data.data);
	assert_null(presence.agents.data);
	assert_null(presence.timestamp.data);
	assert_false(presence.offline);
	assert_true(READ("{}"));
}

static void data_may_be_anything(void **state)
{
	(void)state;
	assert_true(READ("{\"data\":[{\"agents\":[\"a\"]}]}"));
	assert_slice(presence.data, "[{\"agents\":[\"a\"]}]");
	assert_null(presence.agents.data);
	assert_true(READ("{\"data\":\"offline\"}"));
	assert_false(presence.offline);
	assert_true(READ("{\"data\":null}"));
	assert_slice(presence.data, "null");
	assert_true(READ("{\"data\":{\"agents\":{\"a\":1},\"status\":1}}"));
	assert_null(presence.agents.data); /* no array */
	assert_false(presence.offline);
}

static void offline_is_a_leave(void **state)
{
	(void)state;
	assert_true(READ("{\"data\":{\"status\":\"offline\"}}"));
	assert_true(presence.offline);
	assert_true(READ("{\"data\":{\"st\\u0061tus\":\"\\u006fffline\"}}"));
	assert_true(presence.offline);
	assert_true(READ("{\"data\":{\"status\":\"offline\",\"status\":\"online\"}}"));
	assert_false(presence.offline);
	assert_true(READ("{\"data\":{\"status\":\"offline \"}}"));
	assert_false(presence.offline);
	assert_true(READ("{\"data\":{\"status\":\"offlin\"}}"));
	assert_false(presence.offline);
}

/* Presences also come from Redis, where anybody may have written. */
static void what_is_not_one_json_object_is_refused(void **state)
{
	(void)state;
	assert_false(presence_read((struct slice){0}, &presence));
	assert_false(READ(""));
	assert_false(READ("[]"));
	assert_false(READ("{\"data\":{\"agents\":[\"a\"]}"));
	assert_false(READ("{\"data\":{\"agents\":[\"a\"}}"));
	assert_false(READ("{\"data\":{}} {}"));
	assert_false(READ("{\"data\":\"\xff\"}"));
	assert_false(READ("{\"data\":1,}"));
	assert_null(presence.data.data); /* nothing of it is left */
}

#define IS(id, message) presence_is_of(SLICE(id), SLICE(message))

static void only_the_peer_itself_is_present(void **state)
{
	char large[2 * PRESENCE_BYTES_MAX];

	(void)state;
	assert_true(IS("p", "{\"type\":\"presence\",\"from\":\"p\"}"));
	assert_true(
		IS("p", "{\"timestamp\":1,\"type\":\"presence\",\"from\":\"\\u0070\",\"data\":7}"));
	assert_false(IS("q", "{\"type\":\"presence\",\"from\":\"p\"}"));
	assert_false(IS("p", "{\"type\":\"presence\"}"));
	assert_false(IS("", "{\"type\":\"presence\",\"from\":\"\"}"));
	assert_false(IS("p", "{\"type\":\"broadcast\",\"from\":\"p\"}"));
	assert_false(IS(
		"p", "{\"type\":\"presence\",\"from\":\"p\",\"data\":{\"status\":\"offline\"}}"));
	assert_false(IS("p", "{\"type\":\"presence\",\"from\":\"p\",\"data\":\"\xff\"}"));
	assert_false(IS("p", "{"));
	for (int size = PRESENCE_BYTES_MAX; size <= PRESENCE_BYTES_MAX + 1; size++) {
		int written = snprintf(large, sizeof(large),
		                       "{\"type\":\"presence\",\"from\":\"p\",\"data\":\"%0*d\"}",
		                       size - 40, 0);
		assert_int_equal(written, size);
		assert_int_equal(presence_is_of(SLICE("p"), slice_of(large)),
		                 size == PRESENCE_BYTES_MAX);
	}
}

static void agents_that_are_ids_are_names(void **state)
{
	(void)state;
	struct slice agents = SLICE(
		"[\"a\", 1, \"\", null, \"b\\u00fc\", [\"c\"], \"d\\n\", {\"id\":\"e\"}, \"\\ud800\", \"f\"]");
	char scratch[NAME_ID_BYTES_MAX];
	struct slice name;

	assert_true(presence_next_agent(&agents, scratch, &name));
	assert_slice(name, "a");
	assert_true(presence_next_agent(&agents, scratch, &name));
	assert_slice(name, "b\xc3\xbc");
	assert_true(presence_next_agent(&agents, scratch, &name));
	assert_slice(name, "f");
	assert_false(presence_next_agent(&agents, scratch, &name));
}

static void no_agents_no_names(void **state)
{
	(void)state;
	struct slice absent = {0};
	struct slice empty = SLICE("[]");
	char scratch[NAME_ID_BYTES_MAX];
	struct slice name;

	assert_false(presence_next_agent(&absent, scratch, &name));
	assert_false(presence_next_agent(&empty, scratch, &name));
}

static void agent_longer_than_an_id_is_passed_over(void **state)
{
	(void)state;
	struct buffer raw = {0};
	char scratch[NAME_ID_BYTES_MAX];
	struct slice name;

	buffer_append(&raw, SLICE("[\""));
	for (int i = 0; i < 129; i++)
		buffer_append(&raw, SLICE("x"));
	buffer_append(&raw, SLICE("\",\"\\u0061"));
	for (int i = 0; i < 128; i++)
		buffer_append(&raw, SLICE("x"));
	buffer_append(&raw, SLICE("\",\"next\"]"));
	struct slice agents = buffer_slice(&raw);
	assert_true(presence_next_agent(&agents, scratch, &name));
	assert_slice(name, "next");
	buffer_fini(&raw);
}

/* The message with its agents replaced, which must be what a parser then sees. */
static void assert_given(const char *message, const char *wanted)
{
	static struct envelope envelope;
	struct buffer out = {0};

	presence_with_agents(slice_of(message), SLICE("[\"new\"]"), &out);
	assert_slice(buffer_slice(&out), wanted);
	assert_int_equal(envelope_read(buffer_slice(&out), &envelope), ENVELOPE_OK);
	assert_true(presence_read(buffer_slice(&out), &presence));
	assert_slice(presence.agents, "[\"new\"]");
	buffer_fini(&out);
}

static void agents_are_replaced_where_they_stand(void **state)
{
	(void)state;
	assert_given("{\"type\":\"p\",\"data\":{\"a\":1,\"agents\": [\"old\"] ,\"b\":2},\"t\":3}",
	             "{\"type\":\"p\",\"data\":{\"a\":1,\"agents\": [\"new\"] ,\"b\":2},\"t\":3}");
	assert_given("{\"type\":\"p\",\"d\\u0061ta\":{\"\\u0061gents\":null}}",
	             "{\"type\":\"p\",\"d\\u0061ta\":{\"\\u0061gents\":[\"new\"]}}");
}

static void agents_are_given_to_those_who_had_none(void **state)
{
	(void)state;
	assert_given("{\"type\":\"p\",\"data\":{\"a\":1 } }",
	             "{\"type\":\"p\",\"data\":{\"a\":1 ,\"agents\":[\"new\"]} }");
	assert_given("{\"type\":\"p\",\"data\":{ }}",
	             "{\"type\":\"p\",\"data\":{ \"agents\":[\"new\"]}}");
	assert_given("{\"type\":\"p\",\"data\":{\"a\":{\"agents\":[]}}}",
	             "{\"type\":\"p\",\"data\":{\"a\":{\"agents\":[]},\"agents\":[\"new\"]}}");
}

static void data_is_made_where_it_is_missing(void **state)
{
	(void)state;
	assert_given("{\"type\":\"p\"}", "{\"type\":\"p\",\"data\":{\"agents\":[\"new\"]}}");
	assert_given(" {\"type\":\"p\" } \n",
	             " {\"type\":\"p\" ,\"data\":{\"agents\":[\"new\"]}} \n");
}

static void data_that_is_no_object_is_replaced(void **state)
{
	(void)state;
	assert_given("{\"data\":null,\"type\":\"p\"}",
	             "{\"data\":{\"agents\":[\"new\"]},\"type\":\"p\"}");
	assert_given("{\"data\":\"}\",\"type\":\"p\"}",
	             "{\"data\":{\"agents\":[\"new\"]},\"type\":\"p\"}");
	assert_given("{\"data\":[{}],\"type\":\"p\"}",
	             "{\"data\":{\"agents\":[\"new\"]},\"type\":\"p\"}");
}

static void of_two_the_one_that_counts_is_replaced(void **state)
{
	(void)state;
	assert_given(
		"{\"type\":\"p\",\"data\":{\"agents\":[1]},\"data\":{\"agents\":[2],\"agents\":[3]}}",
		"{\"type\":\"p\",\"data\":{\"agents\":[1]},\"data\":{\"agents\":[2],\"agents\":[\"new\"]}}");
	assert_given("{\"type\":\"p\",\"data\":{\"agents\":[1]},\"data\":7}",
	             "{\"type\":\"p\",\"data\":{\"agents\":[1]},\"data\":{\"agents\":[\"new\"]}}");
	assert_given("{\"type\":\"p\",\"data\":{\"agents\":[1],\"\\u0061gents\":[2]}}",
	             "{\"type\":\"p\",\"data\":{\"agents\":[1],\"\\u0061gents\":[\"new\"]}}");
}

static void empty_message_gets_its_first_member(void **state)
{
	(void)state;
	struct buffer out = {0};

	presence_with_agents(SLICE("{}"), SLICE("[]"), &out);
	assert_slice(buffer_slice(&out), "{\"data\":{\"agents\":[]}}");
	buffer_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(presence_of_the_real_page),
		cmocka_unit_test(everything_may_be_missing),
		cmocka_unit_test(data_may_be_anything),
		cmocka_unit_test(offline_is_a_leave),
		cmocka_unit_test(what_is_not_one_json_object_is_refused),
		cmocka_unit_test(only_the_peer_itself_is_present),
		cmocka_unit_test(agents_that_are_ids_are_names),
		cmocka_unit_test(no_agents_no_names),
		cmocka_unit_test(agent_longer_than_an_id_is_passed_over),
		cmocka_unit_test(agents_are_replaced_where_they_stand),
		cmocka_unit_test(agents_are_given_to_those_who_had_none),
		cmocka_unit_test(data_is_made_where_it_is_missing),
		cmocka_unit_test(data_that_is_no_object_is_replaced),
		cmocka_unit_test(of_two_the_one_that_counts_is_replaced),
		cmocka_unit_test(empty_message_gets_its_first_member),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
