#include "wire/notice.h"

#include <inttypes.h>

#include "wire/json.h"

/* The timestamp and the closing brace: the end of every notice. */
static void append_end(struct buffer *out, uint64_t time_ms)
{
	buffer_printf(out, ",\"timestamp\":%" PRIu64 ".%03" PRIu64 "}", time_ms / 1000,
	              time_ms % 1000);
}

/* ,"name":"text" */
static void append_text(struct buffer *out, const char *name, struct slice text)
{
	buffer_printf(out, ",\"%s\":", name);
	json_append_string(out, text);
}

void notice_error(struct buffer *out, const struct notice_error *error, uint64_t time_ms)
{
	buffer_append(out, SLICE("{\"type\":\"error\",\"from\":\"relay\""));
	if (error->peer.data != NULL)
		append_text(out, "to", error->peer);
	buffer_append(out, SLICE(",\"data\":{\"code\":"));
	json_append_string(out, slice_of(error->code));
	append_text(out, "message", slice_of(error->message));
	if (error->type.data != NULL)
		append_text(out, "type", error->type);
	if (error->target.data != NULL)
		append_text(out, "to", error->target);
	if (error->raw_id.data != NULL && error->raw_id.size <= NOTICE_RAW_ID_BYTES_MAX) {
		buffer_append(out, SLICE(",\"id\":"));
		buffer_append(out, error->raw_id);
	}
	if (error->delivered != NULL)
		append_text(out, "delivered", slice_of(error->delivered));
	buffer_append(out, SLICE("}"));
	append_end(out, time_ms);
}

void notice_offline(struct buffer *out, struct slice id, uint64_t time_ms)
{
	buffer_append(out, SLICE("{\"type\":\"presence\",\"from\":"));
	json_append_string(out, id);
	buffer_append(out, SLICE(",\"data\":{\"status\":\"offline\"}"));
	append_end(out, time_ms);
}

void notice_resync(struct buffer *out, uint64_t time_ms)
{
	buffer_append(out, SLICE("{\"type\":\"resync\",\"from\":\"relay\""));
	append_end(out, time_ms);
}

void notice_drain(struct buffer *out, uint64_t reconnect_ms, uint64_t time_ms)
{
	buffer_printf(out,
	              "{\"type\":\"drain\",\"from\":\"relay\",\"data\":{\"reconnect_ms\":%" PRIu64
	              "}",
	              reconnect_ms);
	append_end(out, time_ms);
}

void notice_auth_response(struct buffer *out, uint64_t expires_ms, uint64_t time_ms)
{
	buffer_printf(out,
	              "{\"type\":\"auth_response\",\"from\":\"relay\",\"data\":{\"status\":\"ok\","
	              "\"expires_at\":%" PRIu64 "}",
	              expires_ms / 1000);
	append_end(out, time_ms);
}

void notice_auth_expiring(struct buffer *out, uint64_t expires_ms, uint64_t time_ms)
{
	buffer_printf(
		out,
		"{\"type\":\"auth_expiring\",\"from\":\"relay\",\"data\":{\"expires_at\":%" PRIu64
		"}",
		expires_ms / 1000);
	append_end(out, time_ms);
}

static void append_limit(struct buffer *out, const char *name, uint64_t limit)
{
	if (limit > 0)
		buffer_printf(out, ",\"%s\":%" PRIu64, name, limit);
	else
		buffer_printf(out, ",\"%s\":null", name);
}

static void append_types(struct buffer *out, const char *const *types)
{
	buffer_append(out, SLICE(",\"types\":["));
	for (size_t i = 0; types[i] != NULL; i++) {
		if (i > 0)
			buffer_append(out, SLICE(","));
		json_append_string(out, slice_of(types[i]));
	}
	buffer_append(out, SLICE("]"));
}

void notice_capabilities(struct buffer *out, const struct notice_capabilities *capabilities,
                         uint64_t time_ms)
{
	buffer_append(
		out,
		SLICE("{\"type\":\"capabilities_response\",\"from\":\"relay\","
	              "\"data\":{\"agentCards\":[],\"activeAgents\":[],\"relay\":{\"version\":"));
	json_append_string(out, slice_of(capabilities->version));
	/* As text: a JSON number of 64 bits loses its last digits in JavaScript. */
	buffer_printf(out, ",\"node\":\"%016" PRIx64 "\"", capabilities->node);
	append_text(out, "mesh", capabilities->mesh);
	buffer_printf(out, ",\"heartbeat_seconds\":%" PRIu64 ",\"ttl_seconds\":%" PRIu64,
	              capabilities->heartbeat_seconds, capabilities->ttl_seconds);
	buffer_printf(out, ",\"limits\":{\"message_bytes_max\":%" PRIu64,
	              capabilities->message_bytes_max);
	append_limit(out, "presence_bytes_max", capabilities->presence_bytes_max);
	append_limit(out, "agents_max", capabilities->agents_max);
	append_limit(out, "messages_per_second", capabilities->messages_per_second);
	append_limit(out, "bytes_per_second", capabilities->bytes_per_second);
	buffer_append(out, SLICE("}"));
	append_types(out, capabilities->types);
	buffer_append(out, SLICE("}}"));
	append_end(out, time_ms);
}

void notice_roster_open(struct buffer *out)
{
	buffer_append(out, SLICE("{\"type\":\"roster\",\"from\":\"relay\",\"data\":{\"peers\":["));
}

void notice_roster_close(struct buffer *out, uint64_t time_ms)
{
	buffer_append(out, SLICE("]}"));
	append_end(out, time_ms);
}

static void append_inserted(struct buffer *out, struct slice name, struct slice id)
{
	if (id.data == NULL)
		return;
	buffer_append(out, name);
	json_append_string(out, id);
	buffer_append(out, SLICE(","));
}

void notice_insert(struct buffer *out, struct slice from, struct slice instance_id)
{
	append_inserted(out, SLICE("\"from\":"), from);
	append_inserted(out, SLICE("\"instanceId\":"), instance_id);
}

void notice_insert_timestamp(struct buffer *out, uint64_t time_ms)
{
	buffer_printf(out, "\"timestamp\":%" PRIu64 ".%03" PRIu64 ",", time_ms / 1000,
	              time_ms % 1000);
}
