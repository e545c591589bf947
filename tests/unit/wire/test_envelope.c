/* A message that is accepted says the same to every parser; any other is refused for the right reason. */
#include "wire/envelope.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/assert_slice.h"

static struct envelope envelope;

/* Reads a copy that has nothing behind it: ASan sees a step too far. */
static enum envelope_fault read_exact(struct slice message)
{
	static char *copy;

	free(copy);
	copy = malloc(message.size > 0 ? message.size : 1);
	memcpy(copy, message.data, message.size);
	return envelope_read((struct slice){copy, message.size}, &envelope);
}

#define READ(literal) read_exact(SLICE(literal))
#define assert_read(literal) assert_int_equal(READ(literal), ENVELOPE_OK)
#define assert_fault(literal, fault) assert_int_equal(READ(literal), fault)

static void members_that_route_are_found(void **state)
{
	(void)state;
	assert_read(
		"{\"type\":\"direct\",\"from\":\"agent\",\"to\":\"other\",\"instanceId\":\"p1\","
		"\"targetInstanceId\":\"p2\",\"turnId\":\"t\",\"id\":7,\"data\":{\"a\":[1, 2]},"
		"\"timestamp\":1760000000.123}");
	assert_slice(envelope.type, "direct");
	assert_slice(envelope.from, "agent");
	assert_slice(envelope.to, "other");
	assert_slice(envelope.instance_id, "p1");
	assert_slice(envelope.target_instance_id, "p2");
	assert_slice(envelope.turn_id, "\"t\"");
	assert_slice(envelope.id, "7");
	assert_slice(envelope.data, "{\"a\":[1, 2]}");
	assert_slice(envelope.timestamp, "1760000000.123");
}

static void members_that_are_missing_are_absent(void **state)
{
	(void)state;
	memset(&envelope, 0xff, sizeof(envelope)); /* what was read before leaves no trace */
	assert_read("{\"type\":\"x\"}");
	assert_null(envelope.from.data);
	assert_null(envelope.to.data);
	assert_null(envelope.instance_id.data);
	assert_null(envelope.target_instance_id.data);
	assert_null(envelope.data.data);
	assert_null(envelope.id.data);
	assert_null(envelope.turn_id.data);
	assert_null(envelope.timestamp.data);
}

static void order_and_space_do_not_matter(void **state)
{
	(void)state;
	assert_read(" \t\r\n{ \"data\" : [ ] , \"from\"\n:\t\"a\" ,\r\"type\":\"x\" } \n");
	assert_slice(envelope.type, "x");
	assert_slice(envelope.from, "a");
	assert_slice(envelope.data, "[ ]");
	assert_int_equal(envelope.body, 5); /* behind the brace */
}

static void names_inside_data_do_not_route(void **state)
{
	(void)state;
	assert_read(
		"{\"data\":{\"type\":1,\"from\":\"evil\",\"to\":[\"from\"]},\"type\":\"x\",\"more\":[{\"from\":1}]}");
	assert_null(envelope.from.data);
	assert_null(envelope.to.data);
}

static void names_differ_by_case_and_length(void **state)
{
	(void)state;
	assert_read(
		"{\"Type\":1,\"From\":2,\"fro\":3,\"fromm\":4,\"type\":\"x\",\"instanceid\":5,\"TO\":6,\"\":7}");
	assert_null(envelope.from.data);
	assert_null(envelope.to.data);
	assert_null(envelope.instance_id.data);
}

static void escaped_names_and_values_are_unescaped(void **state)
{
	(void)state;
	assert_read(
		"{\"t\\u0079pe\":\"\\u0064ir\\/ect\",\"fr\\u006Fm\":\"a\\u00fc\\ud83d\\ude00\",\"\\u0074o\":\"\\\"\\\\\","
		"\"instance\\u0049d\":\"i\",\"targetInstance\\u0049\\u0064\":\"\\u65e5\",\"dat\\u0061\":\"\\n\"}");
	assert_slice(envelope.type, "dir/ect");
	assert_slice(envelope.from, "a\xc3\xbc\xf0\x9f\x98\x80");
	assert_slice(envelope.to, "\"\\");
	assert_slice(envelope.instance_id, "i");
	assert_slice(envelope.target_instance_id, "\xe6\x97\xa5");
	assert_slice(envelope.data, "\"\\n\""); /* raw */
}

static void all_ids_may_be_long_and_escaped(void **state)
{
	(void)state;
	struct buffer message = {0};
	const char *const names[] = {"from", "to", "instanceId", "targetInstanceId"};
	char id[NAME_ID_BYTES_MAX + 1];

	buffer_append(&message, SLICE("{\"type\":\"\\u0041"));
	for (int i = 1; i < NAME_TYPE_BYTES_MAX; i++)
		buffer_append(&message, SLICE("t"));
	for (int n = 0; n < 4; n++) {
		buffer_printf(&message, "\",\"%s\":\"\\u006%d", names[n], n + 1);
		for (int i = 1; i < NAME_ID_BYTES_MAX; i++)
			buffer_append(&message, SLICE("x"));
	}
	buffer_append(&message, SLICE("\"}"));
	assert_int_equal(read_exact(buffer_slice(&message)), ENVELOPE_OK);
	memset(id, 'x', sizeof(id));
	id[NAME_ID_BYTES_MAX] = '\0';
	id[0] = 'a';
	assert_slice(envelope.from, id);
	id[0] = 'b';
	assert_slice(envelope.to, id);
	id[0] = 'c';
	assert_slice(envelope.instance_id, id);
	id[0] = 'd';
	assert_slice(envelope.target_instance_id, id);
	assert_int_equal(envelope.type.size, NAME_TYPE_BYTES_MAX);
	buffer_fini(&message);
}

static void routing_member_twice_is_refused(void **state)
{
	(void)state;
	assert_fault("{\"type\":\"a\",\"type\":\"a\"}", ENVELOPE_TWICE);
	assert_fault("{\"type\":\"a\",\"from\":\"b\",\"data\":1,\"from\":\"c\"}", ENVELOPE_TWICE);
	assert_fault("{\"type\":\"a\",\"to\":null,\"to\":\"b\"}", ENVELOPE_TWICE);
	assert_fault("{\"type\":\"a\",\"instanceId\":\"b\",\"instanceId\":\"b\"}", ENVELOPE_TWICE);
	assert_fault("{\"type\":\"a\",\"targetInstanceId\":\"b\",\"targetInstanceId\":null}",
	             ENVELOPE_TWICE);
}

static void routing_member_twice_is_refused_however_it_is_spelt(void **state)
{
	(void)state;
	assert_fault("{\"type\":\"a\",\"from\":\"b\",\"fr\\u006fm\":\"c\"}", ENVELOPE_TWICE);
	assert_fault("{\"type\":\"a\",\"fr\\u006Fm\":\"b\",\"from\":\"c\"}", ENVELOPE_TWICE);
	assert_fault("{\"type\":\"a\",\"\\u0066\\u0072\\u006f\\u006d\":\"b\",\"from\":\"c\"}",
	             ENVELOPE_TWICE);
	assert_fault("{\"type\":\"a\",\"to\":\"b\",\"\\u0074\\u006f\":\"c\"}", ENVELOPE_TWICE);
	assert_fault("{\"\\u0074ype\":\"a\",\"type\":\"b\"}", ENVELOPE_TWICE);
	assert_fault(
		"{\"type\":\"a\",\"targetInstanceId\":\"b\","
		"\"\\u0074\\u0061\\u0072\\u0067\\u0065\\u0074\\u0049\\u006e\\u0073\\u0074\\u0061\\u006e\\u0063\\u0065\\u0049\\u0064\":"
		"\"c\"}",
		ENVELOPE_TWICE);
}

static void other_members_twice_let_the_last_count(void **state)
{
	(void)state;
	assert_read(
		"{\"data\":1,\"type\":\"x\",\"id\":1,\"d\\u0061ta\":2,\"turnId\":1,\"id\":2,\"turnId\":2,"
		"\"timestamp\":1,\"timestamp\":2,\"x\":1,\"x\":2}");
	assert_slice(envelope.data, "2");
	assert_slice(envelope.id, "2");
	assert_slice(envelope.turn_id, "2");
	assert_slice(envelope.timestamp, "2");
}

static void null_target_is_no_target(void **state)
{
	(void)state;
	assert_read("{\"type\":\"x\",\"to\":null,\"targetInstanceId\": null }");
	assert_null(envelope.to.data);
	assert_null(envelope.target_instance_id.data);
	assert_fault("{\"type\":\"x\",\"from\":null}", ENVELOPE_BAD_ID);
	assert_fault("{\"type\":\"x\",\"instanceId\":null}", ENVELOPE_BAD_ID);
	assert_fault("{\"type\":null}", ENVELOPE_BAD_TYPE);
	assert_read("{\"type\":\"x\",\"data\":null}");
	assert_slice(envelope.data, "null"); /* there, and null */
}

static void type_is_required(void **state)
{
	(void)state;
	assert_fault("{}", ENVELOPE_BAD_TYPE);
	assert_fault("{\"data\":{\"type\":\"x\"}}", ENVELOPE_BAD_TYPE);
	assert_fault("{\"type\":1}", ENVELOPE_BAD_TYPE);
	assert_fault("{\"type\":[\"x\"]}", ENVELOPE_BAD_TYPE);
	assert_fault("{\"type\":\"\"}", ENVELOPE_BAD_TYPE);
	assert_fault("{\"type\":\"a\\u0000\"}", ENVELOPE_BAD_TYPE);
	assert_fault("{\"type\":\"a\\nb\"}", ENVELOPE_BAD_TYPE);
	assert_fault("{\"type\":\"\x7f\"}", ENVELOPE_BAD_TYPE);
	assert_fault("{\"type\":\"\\u0085\"}", ENVELOPE_BAD_TYPE);
	assert_fault("{\"type\":\"\\ud800\"}", ENVELOPE_BAD_TYPE);
}

static void ids_are_ids(void **state)
{
	(void)state;
	assert_fault("{\"type\":\"x\",\"from\":\"\"}", ENVELOPE_BAD_ID);
	assert_fault("{\"type\":\"x\",\"from\":1}", ENVELOPE_BAD_ID);
	assert_fault("{\"type\":\"x\",\"from\":{}}", ENVELOPE_BAD_ID);
	assert_fault("{\"type\":\"x\",\"to\":false}", ENVELOPE_BAD_ID);
	assert_fault("{\"type\":\"x\",\"to\":\"nul\\u0000\"}", ENVELOPE_BAD_ID);
	assert_fault("{\"type\":\"x\",\"to\":\"a\\r\\nb\"}", ENVELOPE_BAD_ID);
	assert_fault("{\"type\":\"x\",\"instanceId\":\"\xc2\x85\"}", ENVELOPE_BAD_ID); /* C1 */
	assert_fault("{\"type\":\"x\",\"targetInstanceId\":\"\\u007f\"}", ENVELOPE_BAD_ID);
	assert_read("{\"type\":\"x\",\"from\":\" {}*%\xc2\xa0\"}"); /* odd, but printable */
}

static void lone_surrogates_are_no_part_of_an_id(void **state)
{
	(void)state;
	assert_fault("{\"type\":\"x\",\"from\":\"\\ud83d\"}", ENVELOPE_BAD_ID);
	assert_fault("{\"type\":\"x\",\"from\":\"\\ude00\"}", ENVELOPE_BAD_ID);
	assert_fault("{\"type\":\"x\",\"from\":\"\\ud83d\\ud83d\"}", ENVELOPE_BAD_ID);
	assert_fault("{\"type\":\"x\",\"from\":\"\\ud83dx\\ude00\"}", ENVELOPE_BAD_ID);
	assert_fault("{\"type\":\"x\",\"from\":\"\\ude00\\ud83d\"}", ENVELOPE_BAD_ID);
	assert_fault("{\"type\":\"x\",\"from\":\"\\ud83d\\u0041\"}", ENVELOPE_BAD_ID);
	/* Elsewhere the grammar allows them, and they travel as they are. */
	assert_read(
		"{\"type\":\"x\",\"data\":\"\\ud83d\",\"\\ude00\":1,\"id\":\"\\udfff\\ud800\"}");
}

/* A message with an id of that many bytes. */
static enum envelope_fault read_sized(const char *name, const char *unit, size_t units)
{
	struct buffer message = {0};

	buffer_printf(&message, "{\"type\":\"x\",\"other\":1,\"%s\":\"", name);
	for (size_t i = 0; i < units; i++)
		buffer_append(&message, slice_of(unit));
	buffer_append(&message, SLICE("\"}"));
	enum envelope_fault fault = read_exact(buffer_slice(&message));
	buffer_fini(&message);
	return fault;
}

static void lengths_count_after_unescaping(void **state)
{
	(void)state;
	assert_int_equal(read_sized("from", "a", 128), ENVELOPE_OK);
	assert_int_equal(read_sized("from", "a", 129), ENVELOPE_BAD_ID);
	assert_int_equal(read_sized("to", "\\u0041", 128),
	                 ENVELOPE_OK); /* 768 bytes as they stand */
	assert_int_equal(envelope.to.size, 128);
	assert_int_equal(read_sized("to", "\\u0041", 129), ENVELOPE_BAD_ID);
	assert_int_equal(read_sized("to", "\\u00fc", 64), ENVELOPE_OK); /* two bytes each */
	assert_int_equal(read_sized("to", "\\u00fc", 65), ENVELOPE_BAD_ID);
	assert_int_equal(read_sized("instanceId", "\\ud83d\\ude00", 32), ENVELOPE_OK);
	assert_int_equal(read_sized("instanceId", "\\ud83d\\ude00", 33), ENVELOPE_BAD_ID);
	assert_int_equal(read_sized("targetInstanceId", "\xe6\x97\xa5", 42), ENVELOPE_OK);
	assert_int_equal(read_sized("targetInstanceId", "\xe6\x97\xa5", 43), ENVELOPE_BAD_ID);
}

static void type_has_64_bytes_at_most(void **state)
{
	(void)state;
	char message[128] = "{\"type\":\"";
	size_t start = strlen(message);

	memset(message + start, 't', 65);
	memcpy(message + start + 64, "\"}", 2);
	assert_int_equal(read_exact((struct slice){message, start + 66}), ENVELOPE_OK);
	memcpy(message + start + 64, "t\"}", 3);
	assert_int_equal(read_exact((struct slice){message, start + 67}), ENVELOPE_BAD_TYPE);
}

static void what_is_no_object_is_named_so(void **state)
{
	(void)state;
	assert_fault("[]", ENVELOPE_NOT_OBJECT);
	assert_fault("[{\"type\":\"x\"}]", ENVELOPE_NOT_OBJECT);
	assert_fault(" \"text\" ", ENVELOPE_NOT_OBJECT);
	assert_fault("17", ENVELOPE_NOT_OBJECT);
	assert_fault("-0.5e+3", ENVELOPE_NOT_OBJECT);
	assert_fault("null", ENVELOPE_NOT_OBJECT);
	assert_fault("true", ENVELOPE_NOT_OBJECT);
	assert_fault("false\n", ENVELOPE_NOT_OBJECT);
}

static void what_is_no_json_is_refused(void **state)
{
	(void)state;
	const struct slice broken[] = {
		SLICE(""),
		SLICE(" "),
		SLICE("{"),
		SLICE("}"),
		SLICE("["),
		SLICE("\""),
		SLICE("\0"),
		SLICE("{\"type\""),
		SLICE("{\"type\":"),
		SLICE("{\"type\":\"x\""),
		SLICE("{\"type\":\"x\","),
		SLICE("{\"type\":\"x\",}"),
		SLICE("{,\"type\":\"x\"}"),
		SLICE("{\"type\":\"x\",,\"a\":1}"),
		SLICE("{\"type\":\"x\" \"a\":1}"),
		SLICE("{\"type\" \"x\"}"),
		SLICE("{\"type\"::\"x\"}"),
		SLICE("{\"type\":}"),
		SLICE("{type:\"x\"}"),
		SLICE("{'type':'x'}"),
		SLICE("{\"type\":\"x\"]"),
		SLICE("{\"type\":\"x\"}}"),
		SLICE("{\"type\":\"x\"} x"),
		SLICE("{\"type\":\"x\"}{\"type\":\"x\"}"),
		SLICE("{\"type\":\"x\"}\0"),
		SLICE("{\"type\":\"x\"}//"),
		SLICE("{\"type\":\"x\",/**/\"a\":1}"),
		SLICE("{\"type\":\"x\",1:2}"),
		SLICE("{\"type\":\"x\",\"a\":[1,]}"),
		SLICE("{\"type\":\"x\",\"a\":[,1]}"),
		SLICE("{\"type\":\"x\",\"a\":[1 2]}"),
		SLICE("{\"type\":\"x\",\"a\":[1}"),
		SLICE("{\"type\":\"x\",\"a\":{\"b\":1]}"),
		SLICE("{\"type\":\"x\",\"a\":{\"b\"}}"),
		SLICE("{\"type\":\"x\",\"a\":{\"b\":1,}}"),
		SLICE("{\"type\":\"x\",\"a\":{1:2}}"),
		SLICE("{\"type\":\"x\",\"a\":[[]}"),
		SLICE("{\"type\":\"x\",\"a\":nul}"),
		SLICE("{\"type\":\"x\",\"a\":nulll}"),
		SLICE("{\"type\":\"x\",\"a\":True}"),
		SLICE("{\"type\":\"x\",\"a\":NaN}"),
		SLICE("{\"type\":\"x\",\"a\":-Infinity}"),
		SLICE("{\"type\":\"x\",\"a\":undefined}"),
		SLICE("{\"type\":\"x\",\"a\":\"\\\"}"),
		SLICE("{\"type\":\"x\",\"a\":\"\\x41\"}"),
		SLICE("{\"type\":\"x\",\"a\":\"\\'\"}"),
		SLICE("{\"type\":\"x\",\"a\":\"\\u00g0\"}"),
		SLICE("{\"type\":\"x\",\"a\":\"\\u004\"}"),
		SLICE("{\"type\":\"x\",\"a\":\"\\u 041\"}"),
		SLICE("{\"type\":\"x\",\"a\":\"\\U0041\"}"),
		SLICE("{\"type\":\"x\",\"a\":\"\t\"}"),
		SLICE("{\"type\":\"x\",\"a\":\"line\nend\"}"),
		SLICE("{\"type\":\"x\",\"a\":\"\0\"}"),
		SLICE("{\"type\":\"x\",\"a\":\"0123456789abcde\x1f\"}"), /* deep in a long string */
		SLICE("\xef\xbb\xbf{\"type\":\"x\"}"),                   /* a byte order mark */
		SLICE("{\"type\":\"x\"\xc2\xa0}"), /* a space, but none of JSON's */
		SLICE("{\"type\":\"x\"\v}"),
		SLICE("{\"type\":\"x\",\xc3\xbc:1}"),
	};

	for (size_t i = 0; i < sizeof(broken) / sizeof(*broken); i++) {
		if (read_exact(broken[i]) != ENVELOPE_NOT_JSON)
			fail_msg("%.*s", SLICE_ARGS(broken[i]));
	}
}

static enum envelope_fault read_number(const char *number)
{
	char message[128];

	snprintf(message, sizeof(message), "{\"type\":\"x\",\"data\":%s}", number);
	enum envelope_fault fault = read_exact(slice_of(message));
	if (fault == ENVELOPE_OK)
		assert_slice(envelope.data, number);
	return fault;
}

static void numbers_follow_the_grammar(void **state)
{
	(void)state;
	const char *const right[] = {"0",      "-0",
	                             "10",     "-7",
	                             "0.5",    "1.50",
	                             "1e5",    "1E+05",
	                             "-0e-0",  "123456789012345678901234567890",
	                             "1e999",  "-1e999",
	                             "1e-999", "0.0000000000000000000001"};
	const char *const wrong[] = {"01",    "-01", "00",   "+1", "-",   "--1",   ".5",
	                             "1.",    "-.5", "1.e5", "1e", "1e+", "1e1.5", "0x1",
	                             "1_000", "1,0", "1 0",  "e5", "0e",  "- 1",   "1f"};

	for (size_t i = 0; i < sizeof(right) / sizeof(*right); i++)
		assert_int_equal(read_number(right[i]), ENVELOPE_OK);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		assert_int_equal(read_number(wrong[i]), ENVELOPE_NOT_JSON);
}

static enum envelope_fault read_nested(size_t arrays, size_t objects)
{
	struct buffer message = {0};

	buffer_append(&message, SLICE("{\"type\":\"x\",\"data\":"));
	for (size_t i = 0; i < arrays; i++)
		buffer_append(&message, SLICE("["));
	for (size_t i = 0; i < objects; i++)
		buffer_append(&message, SLICE("{\"a\":"));
	buffer_append(&message, SLICE("1"));
	for (size_t i = 0; i < objects; i++)
		buffer_append(&message, SLICE("}"));
	for (size_t i = 0; i < arrays; i++)
		buffer_append(&message, SLICE("]"));
	buffer_append(&message, SLICE("}"));
	enum envelope_fault fault = read_exact(buffer_slice(&message));
	buffer_fini(&message);
	return fault;
}

static void depth_is_64_with_the_outer_object(void **state)
{
	(void)state;
	assert_int_equal(read_nested(63, 0), ENVELOPE_OK);
	assert_int_equal(read_nested(64, 0), ENVELOPE_TOO_DEEP);
	assert_int_equal(read_nested(0, 63), ENVELOPE_OK);
	assert_int_equal(read_nested(0, 64), ENVELOPE_TOO_DEEP);
	assert_int_equal(read_nested(30, 33), ENVELOPE_OK);
	assert_int_equal(read_nested(31, 33), ENVELOPE_TOO_DEEP);
	assert_int_equal(read_nested(100000, 100000), ENVELOPE_TOO_DEEP);
}

static void depth_counts_what_is_open_only(void **state)
{
	(void)state;
	struct buffer message = {0};

	buffer_append(&message, SLICE("{\"type\":\"x\",\"data\":["));
	for (int i = 0; i < 1000; i++)
		buffer_append(&message, SLICE("[{}],{\"a\":[]},"));
	buffer_append(&message, SLICE("0]}"));
	assert_int_equal(read_exact(buffer_slice(&message)), ENVELOPE_OK);
	buffer_fini(&message);
}

/* The kinds of brackets are remembered at every depth. */
static void brackets_close_what_they_opened(void **state)
{
	(void)state;
	assert_read("{\"type\":\"x\",\"data\":[{\"a\":[{\"b\":[]}]},[[{}]],{}]}");
	assert_fault("{\"type\":\"x\",\"data\":[{\"a\":[{\"b\":[]}}]]}", ENVELOPE_NOT_JSON);
	assert_fault("{\"type\":\"x\",\"data\":[{\"a\":[{\"b\":[}]]}]}", ENVELOPE_NOT_JSON);
	assert_fault("{\"type\":\"x\",\"data\":[{]}}", ENVELOPE_NOT_JSON);
}

static void invalid_utf8_wins_wherever_it_is(void **state)
{
	(void)state;
	assert_fault("{\"type\":\"x\",\"data\":\"\xff\"}", ENVELOPE_NOT_UTF8);
	assert_fault("{\"type\":\"x\",\"data\":\"\xc0\xaf\"}", ENVELOPE_NOT_UTF8); /* overlong */
	assert_fault("{\"type\":\"x\",\"data\":\"\xed\xa0\x80\"}",
	             ENVELOPE_NOT_UTF8); /* surrogate */
	assert_fault("{\"type\":\"x\",\"data\":\"\xf4\x90\x80\x80\"}",
	             ENVELOPE_NOT_UTF8); /* above U+10FFFF */
	assert_fault("{\"type\":\"x\",\"data\":\"\xe6\x97\"}", ENVELOPE_NOT_UTF8);
	assert_fault("{\"type\":\"x\xff\"}", ENVELOPE_NOT_UTF8);
	assert_fault("{\"\xff\":1,\"type\":\"x\"}", ENVELOPE_NOT_UTF8);
	assert_fault("\xff", ENVELOPE_NOT_UTF8);
	assert_fault("{}\x80", ENVELOPE_NOT_UTF8);
	/* Behind another fault. */
	assert_fault("not json \xff", ENVELOPE_NOT_UTF8);
	assert_fault("{\"type\":1,\"a\":\"\xff\"}", ENVELOPE_NOT_UTF8);
	assert_fault("{\"type\":\"x\",\"type\":\"x\",\"a\":\"\xff\"}", ENVELOPE_NOT_UTF8);
	assert_fault("{\"type\":\"x\"} \"\xff\"", ENVELOPE_NOT_UTF8);
	assert_fault("[1,\"\xff\"]", ENVELOPE_NOT_UTF8);
}

static void valid_utf8_passes_in_every_string(void **state)
{
	(void)state;
	assert_read(
		"{\"type\":\"gr\xc3\xbc\xc3\x9f\",\"\xe6\x97\xa5\":\"\xf0\x9f\x98\x80\xf0\x9f\x98\x80 and \xef\xbf\xbd\"}");
	assert_slice(envelope.type, "gr\xc3\xbc\xc3\x9f");
}

static void first_fault_on_the_way_is_told(void **state)
{
	(void)state;
	assert_fault("{\"type\":1,\"from\":1}", ENVELOPE_BAD_TYPE);
	assert_fault("{\"from\":1,\"type\":1}", ENVELOPE_BAD_ID);
	assert_fault("{\"from\":1,", ENVELOPE_BAD_ID);
	assert_fault("{\"from\":1", ENVELOPE_BAD_ID);
	assert_fault("{\"from\":", ENVELOPE_NOT_JSON);
	assert_fault("[1,", ENVELOPE_NOT_JSON);
}

/* Strings are read in strides: what must be seen is seen at every place of a stride. */
static void nothing_is_missed_at_any_offset(void **state)
{
	(void)state;
	const struct slice bad[] = {SLICE("\x1f"), SLICE("\xff"), SLICE("\\x"),
	                            SLICE("\"\""), SLICE("\0"),   SLICE("\xc3")};
	char message[128];

	for (size_t length = 0; length <= 40; length++) {
		for (size_t at = 0; at <= length; at++) {
			for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
				size_t size = (size_t)snprintf(
					message, sizeof(message), "{\"type\":\"x\",\"data\":\"%.*s",
					(int)at, "0123456789012345678901234567890123456789");
				memcpy(message + size, bad[i].data, bad[i].size);
				size += bad[i].size;
				memset(message + size, 'y', length - at);
				size += length - at;
				assert_int_not_equal(read_exact((struct slice){message, size}),
				                     ENVELOPE_OK);
				memcpy(message + size, "\"}", 2);
				assert_int_not_equal(read_exact((struct slice){message, size + 2}),
				                     ENVELOPE_OK);
			}
		}
	}
}

static void escapes_have_hexadecimal_digits(void **state)
{
	(void)state;
	for (int place = 0; place < 4; place++) {
		for (int byte = 0; byte < 0x80; byte++) {
			char message[] = "{\"type\":\"x\",\"data\":\"\\n\\u0061\\u0061\\t\"}";
			char *digits = strstr(message, "\\u") + 2;
			digits[place] = (char)byte;
			assert_int_equal(read_exact((struct slice){message, sizeof(message) - 1}),
			                 isxdigit(byte) ? ENVELOPE_OK : ENVELOPE_NOT_JSON);
		}
	}
	assert_read("{\"type\":\"x\",\"to\":\"\\u1234\\u5678\\u90ab\\ucdef\\uABCD\\uEF00\"}");
	assert_slice(envelope.to, "\u1234\u5678\u90ab\ucdef\uabcd\uef00");
}

static void every_cut_of_a_message_is_refused(void **state)
{
	(void)state;
	struct slice message = SLICE(
		"{\"type\":\"direct\",\"from\":\"\\u0061\xc3\xbc\",\"data\":[true,false,null,-1.5e+7,{\"a\":\"\\ud83d\"}],\"to\":null}");

	assert_int_equal(read_exact(message), ENVELOPE_OK);
	for (size_t size = 0; size < message.size; size++)
		assert_int_not_equal(read_exact((struct slice){message.data, size}), ENVELOPE_OK);
}

static void million_members_are_read_in_one_pass(void **state)
{
	(void)state;
	struct buffer message = {0};

	buffer_append(&message, SLICE("{"));
	for (int i = 0; i < 1000000; i++)
		buffer_append(&message, SLICE("\"a\":1,"));
	buffer_append(&message, SLICE("\"type\":\"x\"}"));
	assert_int_equal(read_exact(buffer_slice(&message)), ENVELOPE_OK);
	assert_slice(envelope.type, "x");
	buffer_fini(&message);
}

static void every_fault_has_a_sentence(void **state)
{
	(void)state;
	for (int fault = ENVELOPE_OK; fault <= ENVELOPE_TWICE; fault++) {
		const char *text = envelope_fault_text((enum envelope_fault)fault);
		assert_int_equal(text[strlen(text) - 1], '.');
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(members_that_route_are_found),
		cmocka_unit_test(members_that_are_missing_are_absent),
		cmocka_unit_test(order_and_space_do_not_matter),
		cmocka_unit_test(names_inside_data_do_not_route),
		cmocka_unit_test(names_differ_by_case_and_length),
		cmocka_unit_test(escaped_names_and_values_are_unescaped),
		cmocka_unit_test(all_ids_may_be_long_and_escaped),
		cmocka_unit_test(routing_member_twice_is_refused),
		cmocka_unit_test(routing_member_twice_is_refused_however_it_is_spelt),
		cmocka_unit_test(other_members_twice_let_the_last_count),
		cmocka_unit_test(null_target_is_no_target),
		cmocka_unit_test(type_is_required),
		cmocka_unit_test(ids_are_ids),
		cmocka_unit_test(lone_surrogates_are_no_part_of_an_id),
		cmocka_unit_test(lengths_count_after_unescaping),
		cmocka_unit_test(type_has_64_bytes_at_most),
		cmocka_unit_test(what_is_no_object_is_named_so),
		cmocka_unit_test(what_is_no_json_is_refused),
		cmocka_unit_test(numbers_follow_the_grammar),
		cmocka_unit_test(depth_is_64_with_the_outer_object),
		cmocka_unit_test(depth_counts_what_is_open_only),
		cmocka_unit_test(brackets_close_what_they_opened),
		cmocka_unit_test(invalid_utf8_wins_wherever_it_is),
		cmocka_unit_test(valid_utf8_passes_in_every_string),
		cmocka_unit_test(first_fault_on_the_way_is_told),
		cmocka_unit_test(nothing_is_missed_at_any_offset),
		cmocka_unit_test(escapes_have_hexadecimal_digits),
		cmocka_unit_test(every_cut_of_a_message_is_refused),
		cmocka_unit_test(million_members_are_read_in_one_pass),
		cmocka_unit_test(every_fault_has_a_sentence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
