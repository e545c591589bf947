/* Each thing that the relay says is one JSON object, byte for byte as docs/protocol.md has it. */
#include "wire/notice.h"

#include "wire/envelope.h"

#include "tests/unit/assert_slice.h"

#define TIME_MS 1760000000123

static struct buffer out;

static int set_up(void **state)
{
	(void)state;
	buffer_clear(&out);
	return 0;
}

static int clean_up(void **state)
{
	(void)state;
	buffer_fini(&out);
	return 0;
}

/* Compares, and proves that it is JSON. */
static void assert_said(const char *wanted)
{
	static struct envelope envelope;

	assert_slice(buffer_slice(&out), wanted);
	assert_int_equal(envelope_read(buffer_slice(&out), &envelope), ENVELOPE_OK);
}

static void error_with_everything(void **state)
{
	(void)state;
	const struct notice_error error = {
		.code = "bus_unavailable",
		.message = "The bus is down.",
		.peer = SLICE("p\"1"),
		.type = SLICE("direct"),
		.target = SLICE("p2"),
		.raw_id = SLICE("{\"any\": [1]}"),
		.delivered = "unknown",
	};

	notice_error(&out, &error, TIME_MS);
	assert_said(
		"{\"type\":\"error\",\"from\":\"relay\",\"to\":\"p\\\"1\",\"data\":{\"code\":\"bus_unavailable\","
		"\"message\":\"The bus is down.\",\"type\":\"direct\",\"to\":\"p2\",\"id\":{\"any\": [1]},"
		"\"delivered\":\"unknown\"},\"timestamp\":1760000000.123}");
}

static void error_with_the_least(void **state)
{
	(void)state;
	const struct notice_error error = {.code = "invalid_message", .message = "No."};

	notice_error(&out, &error, TIME_MS);
	assert_said(
		"{\"type\":\"error\",\"from\":\"relay\",\"data\":{\"code\":\"invalid_message\",\"message\":\"No.\"},"
		"\"timestamp\":1760000000.123}");
}

static void error_does_not_echo_a_megabyte(void **state)
{
	(void)state;
	char id[NOTICE_RAW_ID_BYTES_MAX + 1];
	struct notice_error error = {
		.code = "c", .message = "m", .raw_id = {id, NOTICE_RAW_ID_BYTES_MAX}};

	memset(id, '1', sizeof(id));
	notice_error(&out, &error, TIME_MS);
	assert_true(out.size > NOTICE_RAW_ID_BYTES_MAX);
	buffer_clear(&out);
	error.raw_id.size++;
	notice_error(&out, &error, TIME_MS);
	assert_said(
		"{\"type\":\"error\",\"from\":\"relay\",\"data\":{\"code\":\"c\",\"message\":\"m\"},"
		"\"timestamp\":1760000000.123}");
}

static void offline_comes_from_the_peer(void **state)
{
	(void)state;
	notice_offline(&out, SLICE("p\xc3\xbc\\"), TIME_MS);
	assert_said(
		"{\"type\":\"presence\",\"from\":\"p\xc3\xbc\\\\\",\"data\":{\"status\":\"offline\"},"
		"\"timestamp\":1760000000.123}");
}

static void resync_and_drain(void **state)
{
	(void)state;
	notice_resync(&out, TIME_MS);
	assert_said("{\"type\":\"resync\",\"from\":\"relay\",\"timestamp\":1760000000.123}");
	buffer_clear(&out);
	notice_drain(&out, 1500, TIME_MS);
	assert_said(
		"{\"type\":\"drain\",\"from\":\"relay\",\"data\":{\"reconnect_ms\":1500},\"timestamp\":1760000000.123}");
}

static void milliseconds_keep_their_zeros(void **state)
{
	(void)state;
	notice_resync(&out, 1760000000007);
	assert_said("{\"type\":\"resync\",\"from\":\"relay\",\"timestamp\":1760000000.007}");
	buffer_clear(&out);
	notice_resync(&out, 0);
	assert_said("{\"type\":\"resync\",\"from\":\"relay\",\"timestamp\":0.000}");
}

static void capabilities_tell_the_limits(void **state)
{
	(void)state;
	const char *const types[] = {"presence", "direct", NULL};
	const struct notice_capabilities capabilities = {
		.version = "0.1.0",
		.node = 0x00ab,
		.mesh = SLICE("default"),
		.heartbeat_seconds = 10,
		.ttl_seconds = 30,
		.message_bytes_max = 1048576,
		.presence_bytes_max = 8192,
		.agents_max = 64,
		.messages_per_second = 100,
		.bytes_per_second = 0,
		.types = types,
	};

	notice_capabilities(&out, &capabilities, TIME_MS);
	assert_said(
		"{\"type\":\"capabilities_response\",\"from\":\"relay\",\"data\":{\"agentCards\":[],\"activeAgents\":[],"
		"\"relay\":{\"version\":\"0.1.0\",\"node\":\"00000000000000ab\",\"mesh\":\"default\","
		"\"heartbeat_seconds\":10,\"ttl_seconds\":30,\"limits\":{\"message_bytes_max\":1048576,"
		"\"presence_bytes_max\":8192,\"agents_max\":64,\"messages_per_second\":100,\"bytes_per_second\":null},"
		"\"types\":[\"presence\",\"direct\"]}},\"timestamp\":1760000000.123}");
}

static void roster_holds_what_is_put_between(void **state)
{
	(void)state;
	notice_roster_open(&out);
	buffer_append(&out, SLICE("{\"from\":\"a\"},{\"from\":\"b\"}"));
	notice_roster_close(&out, TIME_MS);
	assert_said(
		"{\"type\":\"roster\",\"from\":\"relay\",\"data\":{\"peers\":[{\"from\":\"a\"},{\"from\":\"b\"}]},"
		"\"timestamp\":1760000000.123}");
}

static void inserted_members_make_a_valid_message(void **state)
{
	(void)state;
	struct slice message = SLICE(" { \"type\":\"x\"}");
	static struct envelope envelope;

	assert_int_equal(envelope_read(message, &envelope), ENVELOPE_OK);
	buffer_append(&out, (struct slice){message.data, envelope.body});
	notice_insert(&out, SLICE("agent \"1\""), SLICE("p1"));
	notice_insert_timestamp(&out, TIME_MS);
	buffer_append(&out,
	              (struct slice){message.data + envelope.body, message.size - envelope.body});
	assert_said(
		" {\"from\":\"agent \\\"1\\\"\",\"instanceId\":\"p1\",\"timestamp\":1760000000.123, \"type\":\"x\"}");
	assert_int_equal(envelope_read(buffer_slice(&out), &envelope), ENVELOPE_OK);
	assert_slice(envelope.from, "agent \"1\"");
	assert_slice(envelope.instance_id, "p1");
}

static void only_what_is_given_is_inserted(void **state)
{
	(void)state;
	const struct slice absent = {0};

	notice_insert(&out, absent, absent);
	assert_int_equal(out.size, 0);
	notice_insert(&out, absent, SLICE("p1"));
	assert_slice(buffer_slice(&out), "\"instanceId\":\"p1\",");
	buffer_clear(&out);
	notice_insert(&out, SLICE("p1"), absent);
	assert_slice(buffer_slice(&out), "\"from\":\"p1\",");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(error_with_everything, set_up),
		cmocka_unit_test_setup(error_with_the_least, set_up),
		cmocka_unit_test_setup(error_does_not_echo_a_megabyte, set_up),
		cmocka_unit_test_setup(offline_comes_from_the_peer, set_up),
		cmocka_unit_test_setup(resync_and_drain, set_up),
		cmocka_unit_test_setup(milliseconds_keep_their_zeros, set_up),
		cmocka_unit_test_setup(capabilities_tell_the_limits, set_up),
		cmocka_unit_test_setup(roster_holds_what_is_put_between, set_up),
		cmocka_unit_test_setup(inserted_members_make_a_valid_message, set_up),
		cmocka_unit_test_setup(only_what_is_given_is_inserted, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, clean_up);
}
