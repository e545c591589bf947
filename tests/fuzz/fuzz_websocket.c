/*
 * Anything may come over an open WebSocket. What reaches the mesh is what a plain reading of RFC
 * 6455 makes of the bytes, no message more; after a breach of the protocol nothing more does; and
 * all that is sent back is well-formed.
 *
 * The input is a list of steps of two clients, with the real edge and the real mesh behind it and
 * a bus that gives back what it gets.
 */
#include <string.h>

#include "common/utf8.h"

#include "tests/fuzz/mirror.h"
#include "tests/fuzz/node.h"
#include "tests/fuzz/opinion.h"
#include "tests/fuzz/words.h"

#define MESSAGE_BYTES_MAX 4096
#define CLIENTS 2
#define PAUSES_MAX 50 /* that count: an input shall not take long */

enum step {
	STEP_SAY,   /* one of the messages below, in a good frame */
	STEP_TEXT,  /* a byte for the size, that many bytes: in a good text frame */
	STEP_FRAME, /* first byte, how the length is told, size, bytes: in a frame like that */
	STEP_RAW,   /* size, bytes: as they are */
	STEP_LONG,  /* first byte, size / 64: in a frame like that */
	STEP_PIECE, /* what is before arrives before what is behind */
	STEP_TIME,  /* so many seconds pass */
	STEP_OTHER, /* the other client goes on */
	STEP_END,   /* the client sends no more, but reads */
	STEP_CUT,   /* the client is gone, and comes back as another */
	STEPS
};

static const struct slice sayings[] = {
	SLICE("{\"type\":\"presence\",\"from\":\"a\",\"data\":{\"agents\":[\"x\",\"y\"]}}"),
	SLICE("{\"type\":\"presence\",\"from\":\"b\",\"data\":{\"agents\":[\"x\"]}}"),
	SLICE("{\"type\":\"presence\",\"from\":\"a\",\"data\":{\"agents\":[\"z\"]}}"),
	SLICE("{\"type\":\"presence\",\"data\":{\"status\":\"offline\"}}"),
	SLICE("{\"type\":\"heartbeat\"}"),
	SLICE("{\"type\":\"heartbeat\",\"data\":{\"agents\":[\"w\"]}}"),
	SLICE("{\"type\":\"direct\",\"to\":\"a\",\"id\":1,\"data\":{}}"),
	SLICE("{\"type\":\"direct\",\"to\":\"x\",\"turnId\":\"t\"}"),
	SLICE("{\"type\":\"direct\",\"targetInstanceId\":\"b\",\"to\":null}"),
	SLICE("{\"type\":\"broadcast\",\"data\":\"hello\"}"),
	SLICE("{\"type\":\"ack\",\"to\":\"a\",\"turnId\":\"t\"}"),
	SLICE("{\"type\":\"capabilities\",\"data\":{\"accept\":[\"events\",\"roster\"]}}"),
	SLICE("{\"type\":\"relay.x\"}"),
	SLICE("{\"type\":\"relay-log\"}"),
	SLICE("{\"type\":\"broadcast\",\"from\":\"b\"}"),
	SLICE("{}"),
};
#define SAYINGS (sizeof(sayings) / sizeof(sayings[0]))

static const struct slice words[] = {
	SLICE("\0\0"),   /* a is there */
	SLICE("\0\1"),   /* b is there */
	SLICE("\0\6"),   /* a direct */
	SLICE("\0\x09"), /* a broadcast */
	SLICE("\0\x0b"), /* accepts */
	SLICE("\5"),
	SLICE("\6\1"),
	SLICE("\6\x1f"),
	SLICE("\7"),
	SLICE("\2\x01\0\2ab"), /* fragments */
	SLICE("\2\x00\0\2cd"),
	SLICE("\2\x80\0\1e"),
	SLICE("\2\x02\0\1e"),
	SLICE("\2\x82\0\0"),
	SLICE("\2\x88\0\2\x03\xe8"),
	SLICE("\2\x88\0\0"),
	SLICE("\2\x88\0\1\x03"),
	SLICE("\2\x89\0\4ping"),
	SLICE("\2\x8a\0\4pong"),
	SLICE("\2\x09\0\0"),
	SLICE("\2\x83\0\0"),
	SLICE("\2\x8b\0\0"),
	SLICE("\2\xc1\0\0"),
	SLICE("\2\x81\1\1a"),   /* unmasked */
	SLICE("\2\x81\2\1a"),   /* a length of 16 bits where 7 do */
	SLICE("\2\x81\4\1a"),   /* of 64 */
	SLICE("\2\x81\x10\1a"), /* says more than comes */
	SLICE("\2\x81\x24\1a"), /* says very much more */
	SLICE("\4\x81\x40"),
	SLICE("\4\x81\x41"),
	SLICE("\4\x01\x3f"),
	SLICE("\4\x00\x3f"),
	SLICE("\4\x89\2"),
	SLICE("\1\2{}"),
	SLICE("\1\x12{\"type\":\"x\",\"a\":0}"),
	SLICE("\xf0\x9f\x98\x80"),
	SLICE("\xed\xa0\x80"),
	SLICE("\"from\":\"a\","),
	SLICE("\"type\":\"direct\","),
	SLICE("\\u0000"),
};
static const size_t word_count = sizeof(words) / sizeof(words[0]);

/* ---- What comes back, and what got through */

struct visitor {
	struct client client;
	struct connection *connection; /* NULL: the mesh knows it no more */
	size_t head_size;              /* of the answer to the upgrade */
	struct buffer heard;           /* by the mesh: each message with its size in front */
};

static struct visitor visitors[CLIENTS];
static struct hub *hub;

static void append_message(struct buffer *all, struct slice message)
{
	buffer_append(all, (struct slice){(const char *)&message.size, sizeof(message.size)});
	buffer_append(all, message);
}

/* In the place of the mesh's, by the linker. */
void __real_connection_receive(struct connection *connection, struct slice message);
void __wrap_connection_receive(struct connection *connection, struct slice message);
void __wrap_connection_receive(struct connection *connection, struct slice message)
{
	for (int i = 0; i < CLIENTS; i++)
		if (visitors[i].connection == connection)
			append_message(&visitors[i].heard, message);
	__real_connection_receive(connection, message);
}

struct connection *__real_hub_connect(struct hub *hub, struct slice mesh, struct slice owner,
                                      struct socket *socket);
struct connection *__wrap_hub_connect(struct hub *hub, struct slice mesh, struct slice owner,
                                      struct socket *socket);
static struct connection *latest;
struct connection *__wrap_hub_connect(struct hub *the_hub, struct slice mesh, struct slice owner,
                                      struct socket *socket)
{
	latest = __real_hub_connect(the_hub, mesh, owner, socket);
	return latest;
}

void __real_connection_destroy(struct connection *connection);
void __wrap_connection_destroy(struct connection *connection);
void __wrap_connection_destroy(struct connection *connection)
{
	for (int i = 0; i < CLIENTS; i++)
		if (visitors[i].connection == connection)
			visitors[i].connection = NULL;
	__real_connection_destroy(connection);
}

static bool node_work(void)
{
	return mirror_work();
}

/* Whatever a client said, what the relay sends is a JSON object with a type. */
static void check_text(struct slice message)
{
	yyjson_doc *doc = opinion_read(message);
	size_t found;

	assert(doc != NULL);
	assert(yyjson_is_str(opinion_member(yyjson_doc_get_root(doc), "type", &found)));
	assert(found == 1);
	yyjson_doc_free(doc);
}

/* ---- What a plain reading of RFC 6455 makes of it */

enum reading {
	READING_OPEN,    /* all is well so far */
	READING_CLOSED,  /* the client has said goodbye */
	READING_BREACH,  /* of the protocol, */
	READING_REFUSED, /* or of what the relay allows */
};

struct frame {
	unsigned first;
	bool masked;
	uint64_t size;
	struct slice payload;
};

/* Takes the next frame off; false if it has not come whole. Then what came of its head counts. */
static bool take_frame(struct slice *bytes, struct frame *frame)
{
	const unsigned char *at = (const unsigned char *)bytes->data;
	size_t extra;
	size_t head;

	*frame = (struct frame){0};
	if (bytes->size < 1)
		return false;
	frame->first = at[0];
	frame->masked = true;
	if (bytes->size < 2)
		return false;
	frame->masked = at[1] >= 128;
	frame->size = at[1] & 127;
	extra = frame->size == 126 ? 2 : frame->size == 127 ? 8 : 0;
	head = 2 + extra + (frame->masked ? 4 : 0);
	if (bytes->size < head)
		return false;
	if (extra > 0)
		frame->size = 0;
	for (size_t i = 0; i < extra; i++)
		frame->size = frame->size << 8 | at[2 + i];
	if (frame->size > bytes->size - head)
		return false;
	frame->payload = (struct slice){bytes->data + head, (size_t)frame->size};
	bytes->data += head + frame->size;
	bytes->size -= head + (size_t)frame->size;
	return true;
}

static bool is_breach(const struct frame *frame, bool in_message)
{
	unsigned opcode = frame->first & 15;

	if ((frame->first & 0x70) != 0 || !frame->masked || frame->size >> 63 != 0)
		return true;
	if (opcode >= 8)
		return opcode > 10 || frame->first < 128 || frame->size > 125;
	return opcode > 2 || (opcode == 0) != in_message;
}

/* The mask is in front of the payload. */
static void unmask(struct buffer *out, struct slice payload)
{
	const char *mask = payload.data - 4;

	buffer_reserve(out, payload.size + 1);
	for (size_t i = 0; i < payload.size; i++)
		out->data[out->size++] = (char)(payload.data[i] ^ mask[i & 3]);
}

static enum reading read_all(struct slice bytes, struct buffer *messages)
{
	enum reading reading = READING_OPEN;
	bool in_message = false;
	struct buffer message = {0};
	struct frame frame;

	while (reading == READING_OPEN) {
		bool whole = take_frame(&bytes, &frame);
		if (is_breach(&frame, in_message) && (whole || bytes.size >= 2)) {
			reading = READING_BREACH;
		} else if (!whole) {
			break;
		} else if ((frame.first & 15) == 8) {
			reading = READING_CLOSED;
		} else if ((frame.first & 15) < 8) {
			in_message = frame.first < 128;
			unmask(&message, frame.payload);
			if ((frame.first & 15) == 2 || message.size > MESSAGE_BYTES_MAX)
				reading = READING_REFUSED;
			else if (!in_message)
				append_message(messages, buffer_slice(&message));
			if (!in_message)
				buffer_clear(&message);
		}
	}
	buffer_fini(&message);
	return reading;
}

static void check_visitor(struct visitor *visitor)
{
	struct slice sent = buffer_slice(&visitor->client.sent);
	struct slice received = buffer_slice(&visitor->client.received);
	struct slice heard = buffer_slice(&visitor->heard);
	struct frame_reader reader = {.on_text = check_text};
	struct buffer wanted = {0};

	received.data += visitor->head_size;
	received.size -= visitor->head_size;
	frames_check(&reader, received, visitor->client.ended);
	enum reading reading = read_all(sent, &wanted);
	assert(heard.size <= wanted.size);
	assert(heard.size == 0 || memcmp(heard.data, wanted.data, heard.size) == 0);
	if (reading != READING_OPEN) {
		assert(reader.close_code != 0 || visitor->client.ended);
		assert(visitor->connection == NULL);
	}
	if (reading == READING_OPEN && reader.close_code == 0 && !visitor->client.ended)
		assert(heard.size == wanted.size);
	buffer_fini(&wanted);
}

/* ---- The clients */

static void arrive(struct visitor *visitor)
{
	static const struct slice request =
		SLICE("GET /ws HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n"
	              "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
	              "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");

	client_connect(&visitor->client);
	client_send(&visitor->client, request);
	visitor->connection = latest;
	visitor->head_size = visitor->client.received.size;
	buffer_clear(&visitor->client.sent);
	struct slice answer = buffer_slice(&visitor->client.received);
	assert(answer.size > 12 && memcmp(answer.data, "HTTP/1.1 101", 12) == 0);
}

static void leave(struct visitor *visitor)
{
	if (visitor->client.fd < 0)
		return;
	client_receive(&visitor->client);
	check_visitor(visitor);
	client_cut(&visitor->client);
	buffer_fini(&visitor->heard);
	node_turn();
	assert(visitor->connection == NULL);
}

static void put_frame(struct buffer *out, unsigned first, unsigned how, struct slice payload,
                      size_t size)
{
	static const char mask[4] = {0x11, 0x22, 0x33, 0x44};
	uint64_t told = size + (how >> 4 == 1   ? 1
	                        : how >> 4 == 2 ? (uint64_t)1 << 62
	                        : how >> 4 == 3 ? (uint64_t)1 << 63
	                                        : 0);
	unsigned extra = (how & 4) != 0 || told > 65535 ? 8 : (how & 2) != 0 || told > 125 ? 2 : 0;
	bool masked = (how & 1) == 0;
	unsigned char head[10] = {(unsigned char)first};

	head[1] = (unsigned char)((masked ? 128 : 0) | (extra == 8   ? 127
	                                                : extra == 2 ? 126
	                                                             : (unsigned)told));
	for (unsigned i = 0; i < extra; i++)
		head[2 + i] = (unsigned char)(told >> 8 * (extra - 1 - i));
	buffer_append(out, (struct slice){(const char *)head, 2 + extra});
	if (masked)
		buffer_append(out, (struct slice){mask, 4});
	buffer_reserve(out, size + 1);
	for (size_t i = 0; i < size; i++) {
		char byte = payload.size > 0 ? payload.data[i % payload.size] : 0;
		out->data[out->size++] = (char)(masked ? byte ^ mask[i & 3] : byte);
	}
}

/* ---- The input */

static unsigned take_byte(struct slice *input)
{
	if (input->size == 0)
		return 0;
	input->size--;
	return (unsigned char)*input->data++;
}

static struct slice take_bytes(struct slice *input)
{
	size_t size = take_byte(input);

	if (size > input->size)
		size = input->size;
	struct slice bytes = {input->data, size};
	input->data += size;
	input->size -= size;
	return bytes;
}

/* What the steps up to the next pause make the client send. Returns the pause. */
static enum step compose(struct slice *input, struct buffer *out)
{
	while (input->size > 0) {
		enum step step = take_byte(input) % STEPS;
		struct slice bytes;
		unsigned first;
		unsigned how;
		switch (step) {
		case STEP_SAY:
			bytes = sayings[take_byte(input) % SAYINGS];
			put_frame(out, 0x81, 0, bytes, bytes.size);
			break;
		case STEP_TEXT:
			bytes = take_bytes(input);
			put_frame(out, 0x81, 0, bytes, bytes.size);
			break;
		case STEP_FRAME:
			first = take_byte(input);
			how = take_byte(input);
			bytes = take_bytes(input);
			put_frame(out, first, how, bytes, bytes.size);
			break;
		case STEP_RAW:
			buffer_append(out, take_bytes(input));
			break;
		case STEP_LONG:
			first = take_byte(input);
			put_frame(out, first, 0, SLICE("x"), take_byte(input) * (size_t)64);
			break;
		default:
			return step;
		}
	}
	return STEP_PIECE;
}

static void pause_for(enum step step, struct slice *input, unsigned *who)
{
	struct visitor *visitor = &visitors[*who];

	switch (step) {
	case STEP_TIME:
		node_pass(take_byte(input) % 64 * (uint64_t)1000);
		break;
	case STEP_OTHER:
		*who = 1 - *who;
		if (visitors[*who].client.fd < 0)
			arrive(&visitors[*who]);
		break;
	case STEP_END:
		shutdown(visitor->client.fd, SHUT_WR);
		break;
	case STEP_CUT:
		leave(visitor);
		arrive(visitor);
		break;
	default:
		break;
	}
	node_turn();
	for (int i = 0; i < CLIENTS; i++)
		if (visitors[i].client.fd >= 0)
			client_receive(&visitors[i].client);
}

static void set_up(void)
{
	static const struct edge_settings for_edge = {
		.listen_host = "127.0.0.1",
		.connections_max = 100,
		.message_bytes_max = MESSAGE_BYTES_MAX,
		.outbox_bytes_max = 65536,
		.handshake_seconds_max = 10,
		.ping_seconds = 25,
		.pong_seconds_max = 60,
		.fragment_seconds_max = 30,
		.version = "test",
	};
	static const struct hub_settings for_hub = {
		.ttl_ms = 30000,
		.join_ms_max = 30000,
		.presence_repeat_ms = 15000,
		.echo_window_ms = 5000,
		.mesh_peers_max = 8,
		.agents_max = 4,
		.message_bytes_max = MESSAGE_BYTES_MAX,
		.outbox_bytes_max = 65536,
		.messages_per_second = 20,
		.bytes_per_second = 65536,
		.joins_in_flight_max = 8,
		.joins_waiting_max = 8,
		.drop_types = "relay-log",
		.version = "test",
	};

	node_create(&for_edge);
	hub = hub_create(&for_hub, node.timers, edge_port(), &mirror_port, NULL);
	edge_start(node.edge, hub);
	for (int i = 0; i < CLIENTS; i++)
		visitors[i].client.fd = -1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice input = {(const char *)data, size};
	unsigned who = 0;
	unsigned pauses = 0;

	if (node.base == NULL)
		set_up();
	arrive(&visitors[0]);
	while (input.size > 0) {
		struct buffer out = {0};
		enum step step = compose(&input, &out);
		client_send(&visitors[who].client, buffer_slice(&out));
		buffer_fini(&out);
		if (pauses++ < PAUSES_MAX)
			pause_for(step, &input, &who);
	}
	for (int i = 0; i < CLIENTS; i++)
		leave(&visitors[i]);
	node_rest();
	node_pass(NODE_REST_MS); /* a mesh is kept for a while after its last connection */
	assert(hub_is_empty(hub) && mirror.topic.owner == NULL);
	return 0;
}
