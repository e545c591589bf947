/*
 * Redis may answer anything, at any time, and in any pieces; so may whoever publishes on our
 * channels. The node never falls, and is well again as soon as Redis is.
 *
 * The real bus and the real mesh, with a Redis that is honest unless the input says otherwise, in
 * each of its forms: alone, with sentinels, as a Cluster. No time passes but what the input lets
 * pass.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <event2/event.h>
#include <openssl/evp.h>

#include "bus/bus.h"
#include "common/buffer.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/metrics.h"
#include "common/timers.h"
#include "mesh/connection.h"
#include "mesh/hub.h"
#include "wire/parcel.h"

#include "tests/fuzz/words.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define LINES_MAX 16
#define WORDS_MAX 512
#define CLIENTS 3
#define STEPS_MAX 60    /* that count: an input shall not take long */
#define SECONDS_MAX 120 /* that pass, likewise */
#define HEALING_SECONDS 40

enum step {
	STEP_ANSWER,  /* so many commands, rightly */
	STEP_INSTEAD, /* size, bytes: in place of the next answer */
	STEP_ERROR,   /* one of the errors below, likewise */
	STEP_SAY,     /* line, size, bytes: unasked */
	STEP_MESSAGE, /* channel, kind, size, bytes: a parcel on it */
	STEP_TIME,    /* so many seconds pass */
	STEP_CUT,     /* line */
	STEP_CLIENT,  /* which, message: a client says it */
	STEP_LEAVE,   /* which: a client is gone */
	STEPS
};

static const struct slice errors[] = {
	SLICE("-ERR unknown command\r\n"),
	SLICE("-NOSCRIPT No matching script.\r\n"),
	SLICE("-OOM command not allowed when used memory > 'maxmemory'.\r\n"),
	SLICE("-READONLY You can't write against a read only replica.\r\n"),
	SLICE("-LOADING Redis is loading the dataset in memory\r\n"),
	SLICE("-NOPERM this user has no permissions\r\n"),
	SLICE("-NOAUTH Authentication required.\r\n"),
	SLICE("-MOVED 12182 127.0.0.1:7001\r\n"),
	SLICE("-MOVED 99999 \r\n"),
	SLICE("-ASK 12182 127.0.0.1:7001\r\n"),
	SLICE("-CLUSTERDOWN The cluster is down\r\n"),
	SLICE("-BUSY Redis is busy running a script.\r\n"),
	SLICE("-\r\n"),
};
#define ERRORS (sizeof(errors) / sizeof(errors[0]))

static const struct slice sayings[] = {
	SLICE("{\"type\":\"presence\",\"from\":\"a\",\"data\":{\"agents\":[\"x\"]}}"),
	SLICE("{\"type\":\"presence\",\"from\":\"c\",\"data\":{}}"),
	SLICE("{\"type\":\"presence\",\"data\":{\"agents\":[\"y\"]}}"),
	SLICE("{\"type\":\"heartbeat\"}"),
	SLICE("{\"type\":\"direct\",\"to\":\"b\"}"),
	SLICE("{\"type\":\"direct\",\"to\":\"a\",\"id\":1}"),
	SLICE("{\"type\":\"direct\",\"to\":\"x\"}"),
	SLICE("{\"type\":\"broadcast\",\"data\":1}"),
	SLICE("{\"type\":\"presence\",\"data\":{\"status\":\"offline\"}}"),
};
#define SAYINGS (sizeof(sayings) / sizeof(sayings[0]))

#define OTHERS_PRESENCE "{\"type\":\"presence\",\"from\":\"b\",\"data\":{\"agents\":[\"x\"]}}"
#define DEFAULT_MESH "relay:{default}:"

static const struct slice words[] = {
	SLICE("\0\xff"),
	SLICE("\0\0"),
	SLICE("\0\x04"),
	SLICE("\5\x01"),
	SLICE("\5\x1e"),
	SLICE("\6\0"),
	SLICE("\6\1"),
	SLICE("\7\0\0"),
	SLICE("\7\1\1"),
	SLICE("\7\0\4"),
	SLICE("\7\0\7"),
	SLICE("\x08\0"),
	SLICE("\2\1"),
	SLICE("\2\7"),
	SLICE("\1\5$-1\r\n"),
	SLICE("\1\5*-1\r\n"),
	SLICE("\1\4*0\r\n"),
	SLICE("\1\4:-1\r\n"),
	SLICE("\1\5+OK\r\n"),
	SLICE("\1\x0b*1\r\n$1\r\nb\r\n"),
	SLICE("\1\7_\r\n#t\r\n"),
	SLICE("\1\6$9999\r"),
	SLICE("\1\x0e*2147483647\r\n*"),
	SLICE("\4\0\1\0"),
	SLICE("\4\1\1\2{}"),
	SLICE("\4\0\2\1b"),
	SLICE("\4\0\3\1b"),
	SLICE("*3\r\n$7\r\nmessage\r\n"),
	SLICE("*4\r\n$8\r\npmessage\r\n"),
	SLICE("*3\r\n$8\r\nsmessage\r\n"),
	SLICE("*3\r\n$9\r\nsubscribe\r\n"),
	SLICE("*3\r\n$12\r\nsunsubscribe\r\n"),
	SLICE(">3\r\n"),
	SLICE("$25\r\n" DEFAULT_MESH "broadcast\r\n"),
	SLICE("$22\r\n" DEFAULT_MESH "peer:a\r\n"),
	SLICE(":1\r\n"),
	SLICE("$0\r\n\r\n"),
	SLICE("*1\r\n"),
	SLICE("%1\r\n"),
	SLICE("~1\r\n"),
	SLICE(",1.5\r\n"),
	SLICE("(1\r\n"),
	SLICE("\r\n"),
	SLICE("\0\0\1b\0\0\0\2{}"),
};
static const size_t word_count = sizeof(words) / sizeof(words[0]);

/* ---- Time, chance and the network, in the place of the real ones by the linker */

static uint64_t now_ms = 1000000;

uint64_t __wrap_clock_mono_ms(void);
uint64_t __wrap_clock_mono_us(void);
uint64_t __wrap_clock_boot_ms(void);
uint64_t __wrap_clock_wall_ms(void);

uint64_t __wrap_clock_mono_ms(void)
{
	return now_ms;
}

uint64_t __wrap_clock_mono_us(void)
{
	return now_ms * 1000;
}

uint64_t __wrap_clock_boot_ms(void)
{
	return now_ms;
}

uint64_t __wrap_clock_wall_ms(void)
{
	return 1760000000000 + now_ms;
}

static uint64_t dice;

uint64_t __wrap_random_u64(void);
uint64_t __wrap_random_u64(void)
{
	dice = dice * 6364136223846793005 + 1442695040888963407;
	return dice;
}

uint64_t __wrap_random_below(uint64_t bound);
uint64_t __wrap_random_below(uint64_t bound)
{
	return bound > 0 ? (__wrap_random_u64() >> 32) % bound : 0;
}

static struct event_base *base;
static struct timers *timers;
static int listening = -1;
static struct sockaddr_un redis_address;
static socklen_t redis_address_size = sizeof(redis_address);
static unsigned redis_callers; /* not yet accepted, or failed */

int __real_socket(int family, int type, int protocol);
int __wrap_socket(int family, int type, int protocol);
int __wrap_socket(int family, int type, int protocol)
{
	return __real_socket(family == AF_INET ? AF_UNIX : family, type,
	                     family == AF_INET ? 0 : protocol);
}

int __real_connect(int fd, const struct sockaddr *address, socklen_t size);
int __wrap_connect(int fd, const struct sockaddr *address, socklen_t size);
int __wrap_connect(int fd, const struct sockaddr *address, socklen_t size)
{
	(void)address;
	(void)size;
	redis_callers++;
	return __real_connect(fd, (struct sockaddr *)&redis_address, redis_address_size);
}

/* Those for TCP, which this is not. */
int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t size);
int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t size)
{
	(void)fd;
	(void)level;
	(void)name;
	(void)value;
	(void)size;
	return 0;
}

/* ---- Redis */

struct wire {
	int fd; /* -1: closed */
	bool subscriber;
	struct buffer commands; /* not answered yet */
};

static struct {
	struct wire wires[LINES_MAX];
	bool cluster;
	unsigned due;         /* commands that may be answered */
	struct slice instead; /* of the next right answer; absent: none */
} redis;

static void put_bulk(struct buffer *out, struct slice text)
{
	buffer_printf(out, "$%zu\r\n", text.size);
	buffer_append(out, text);
	buffer_append(out, SLICE("\r\n"));
}

static void wire_send(struct wire *wire, struct slice bytes)
{
	/* What does not fit is lost: then it is a Redis that loses something. */
	if (wire->fd >= 0 && bytes.size > 0)
		(void)!send(wire->fd, bytes.data, bytes.size, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void wire_cut(struct wire *wire)
{
	if (wire->fd >= 0)
		close(wire->fd);
	wire->fd = -1;
	wire->subscriber = false;
	buffer_fini(&wire->commands);
}

static void tell(struct slice kind, struct slice channel, struct slice parcel)
{
	struct buffer out = {0};

	buffer_append(&out, SLICE("*3\r\n"));
	put_bulk(&out, kind);
	put_bulk(&out, channel);
	put_bulk(&out, parcel);
	for (int i = 0; i < LINES_MAX; i++)
		if (redis.wires[i].subscriber)
			wire_send(&redis.wires[i], buffer_slice(&out));
	buffer_fini(&out);
}

static void answer_digest(struct buffer *out, struct slice script)
{
	unsigned char digest[EVP_MAX_MD_SIZE];

	EVP_Digest(script.data, script.size, digest, NULL, EVP_sha1(), NULL);
	buffer_append(out, SLICE("$40\r\n"));
	for (int i = 0; i < 20; i++)
		buffer_printf(out, "%02x", digest[i]);
	buffer_append(out, SLICE("\r\n"));
}

/* Of a script only what it announces matters to the node: KEYS index, channel, peers. */
static void answer_script(struct buffer *out, const struct slice *command, size_t count)
{
	struct buffer event = {0};
	uint64_t keys = 0;

	slice_number(command[2], &keys);
	size_t peers = keys < 2 ? 0 : (size_t)keys - 2;
	size_t first = 3 + (size_t)keys;
	if (count < first + 3 || count != first + 3 + 4 * peers) {
		buffer_append(out, SLICE("*0\r\n"));
		return;
	}
	buffer_append(&event, command[first + 2]);
	buffer_printf(out, "*%zu\r\n", peers);
	for (size_t i = 0; i < peers; i++) {
		struct slice id = command[first + 3 + 4 * i];
		struct slice message = command[first + 5 + 4 * i];
		char sizes[6] = {
			0, (char)id.size, 0, 0, (char)(message.size >> 8), (char)message.size};
		buffer_append(&event, (struct slice){sizes, 2});
		buffer_append(&event, id);
		buffer_append(&event, (struct slice){sizes + 2, 4});
		buffer_append(&event, message);
		buffer_append(out, SLICE(":1\r\n"));
	}
	if (command[first + 2].size > 0)
		tell(SLICE("message"), command[4], buffer_slice(&event));
	buffer_fini(&event);
}

static void answer_range(struct buffer *out, const struct slice *command, size_t count)
{
	bool scores = count > 4 && slice_is(command[4], "WITHSCORES");

	buffer_append(out, scores ? SLICE("*2\r\n") : SLICE("*1\r\n"));
	put_bulk(out, SLICE("b"));
	if (scores)
		put_bulk(out, SLICE("1760000030000"));
}

static void answer_subscribe(struct wire *wire, struct buffer *out, struct slice verb,
                             struct slice channel)
{
	wire->subscriber = true;
	buffer_append(out, SLICE("*3\r\n"));
	size_t at = out->size;
	put_bulk(out, verb);
	for (; at < out->size; at++)
		if (out->data[at] >= 'A' && out->data[at] <= 'Z')
			out->data[at] = (char)(out->data[at] + 'a' - 'A');
	put_bulk(out, channel);
	buffer_append(out, SLICE(":1\r\n"));
}

static void answer_info(struct buffer *out)
{
	struct buffer info = {0};

	buffer_printf(&info,
	              "redis_version:7.0.15\r\nredis_mode:%s\r\nuptime_in_seconds:1000\r\n"
	              "run_id:0123456789abcdef0123456789abcdef01234567\r\n",
	              redis.cluster ? "cluster" : "standalone");
	put_bulk(out, buffer_slice(&info));
	buffer_fini(&info);
}

static const struct {
	const char *command;
	struct slice answer;
} fixed[] = {
	{"ROLE", SLICE("*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n")},
	{"EXISTS", SLICE(":1\r\n")},
	{"PING", SLICE("+PONG\r\n")},
	{"HMGET", SLICE("*2\r\n$54\r\n" OTHERS_PRESENCE "\r\n$13\r\n1760000000000\r\n")},
	{"TIME", SLICE("*2\r\n$10\r\n1760000000\r\n$1\r\n0\r\n")},
	{"PUBSUB", SLICE("*2\r\n$1\r\nc\r\n:2\r\n")},
	{"CLUSTER",
         SLICE("*1\r\n*3\r\n:0\r\n:16383\r\n*3\r\n$9\r\n127.0.0.1\r\n:7000\r\n$2\r\nid\r\n")},
	{"SENTINEL", SLICE("*2\r\n$9\r\n127.0.0.1\r\n$4\r\n7000\r\n")},
};

static void answer(struct wire *wire, const struct slice *command, size_t count, struct buffer *out)
{
	if (slice_is(command[0], "SCRIPT") && count == 3) {
		answer_digest(out, command[2]);
	} else if (slice_is(command[0], "EVALSHA") && count > 4) {
		answer_script(out, command, count);
	} else if (slice_is(command[0], "INFO")) {
		answer_info(out);
	} else if (slice_is(command[0], "ZRANGE")) {
		answer_range(out, command, count);
	} else if (memmem(command[0].data, command[0].size, "SUBSCRIBE", 9) != NULL && count == 2) {
		answer_subscribe(wire, out, command[0], command[1]);
	} else if (memmem(command[0].data, command[0].size, "PUBLISH", 7) != NULL && count == 3) {
		tell(command[0].size == 7 ? SLICE("message") : SLICE("smessage"), command[1],
		     command[2]);
		buffer_append(out, SLICE(":1\r\n"));
	} else {
		for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
			if (slice_is(command[0], fixed[i].command))
				buffer_append(out, fixed[i].answer);
		if (out->size == 0)
			buffer_append(out, SLICE("+OK\r\n"));
	}
}

/* Takes a length off: `mark`, digits, end of line. The node itself speaks well. */
static size_t take_length(struct slice *bytes, char mark)
{
	const char *end = memmem(bytes->data, bytes->size, "\r\n", 2);
	uint64_t length = 0;

	if (end == NULL)
		return SIZE_MAX;
	assert(*bytes->data == mark);
	bool good = slice_number((struct slice){bytes->data + 1, (size_t)(end - bytes->data) - 1},
	                         &length);
	assert(good);
	bytes->size -= (size_t)(end - bytes->data) + 2;
	bytes->data = end + 2;
	return (size_t)length;
}

/* Takes the first command off. Returns how many words it has, 0 if it is not there as a whole. */
static size_t take_command(struct slice *bytes, struct slice command[WORDS_MAX])
{
	size_t count = take_length(bytes, '*');

	if (count == SIZE_MAX)
		return 0;
	assert(count > 0 && count <= WORDS_MAX);
	for (size_t i = 0; i < count; i++) {
		size_t size = take_length(bytes, '$');
		if (size == SIZE_MAX || bytes->size < size + 2)
			return 0;
		command[i] = (struct slice){bytes->data, size};
		bytes->data += size + 2;
		bytes->size -= size + 2;
	}
	return count;
}

/* Returns true if it answered something. */
static bool wire_work(struct wire *wire)
{
	static struct slice command[WORDS_MAX];
	struct slice bytes = buffer_slice(&wire->commands);
	size_t count;
	bool worked = false;

	while (redis.due > 0 && bytes.size > 0) {
		struct slice rest = bytes;
		struct buffer out = {0};
		if ((count = take_command(&rest, command)) == 0)
			break;
		redis.due--;
		worked = true;
		if (redis.instead.data != NULL)
			buffer_append(&out, redis.instead);
		else
			answer(wire, command, count, &out);
		redis.instead = (struct slice){0};
		wire_send(wire, buffer_slice(&out));
		buffer_fini(&out);
		bytes = rest;
	}
	if (worked) {
		struct buffer left = {0};
		buffer_append(&left, bytes);
		buffer_fini(&wire->commands);
		wire->commands = left;
	}
	return worked;
}

static void wire_read(struct wire *wire)
{
	static char bytes[65536];
	ssize_t size;

	while (wire->fd >= 0 && (size = recv(wire->fd, bytes, sizeof(bytes), MSG_DONTWAIT)) != -1) {
		if (size == 0)
			wire_cut(wire);
		else
			buffer_append(&wire->commands, (struct slice){bytes, (size_t)size});
	}
	if (wire->fd >= 0 && errno != EAGAIN)
		wire_cut(wire);
}

static bool redis_work(void)
{
	bool worked = false;
	int fd;

	for (; redis_callers > 0; redis_callers--) {
		if ((fd = accept(listening, NULL, NULL)) < 0)
			continue;
		int free = 0;
		while (free < LINES_MAX - 1 && redis.wires[free].fd >= 0)
			free++;
		wire_cut(&redis.wires[free]);
		redis.wires[free].fd = fd;
		worked = true;
	}
	for (int i = 0; i < LINES_MAX; i++) {
		wire_read(&redis.wires[i]);
		worked = wire_work(&redis.wires[i]) || worked;
	}
	return worked;
}

/* ---- The node */

struct socket {
	struct connection *connection;
	bool closed;
	bool reading;
};

static struct {
	struct bus *bus;
	struct hub *hub;
	struct socket sockets[CLIENTS];
} node;

static bool edge_send(struct socket *socket, struct blob *frames, uint32_t begin, uint32_t end,
                      bool exempt)
{
	(void)exempt;
	assert(begin <= end && end <= frames->size);
	return !socket->closed;
}

static size_t edge_backlog(const struct socket *socket)
{
	(void)socket;
	return 0;
}

static void edge_close(struct socket *socket, enum close_code code, const char *reason)
{
	(void)code;
	assert(strlen(reason) <= 123);
	socket->closed = true;
}

static void edge_read(struct socket *socket, bool on)
{
	socket->reading = on;
}

static enum authorized edge_authorize(struct socket *socket, struct slice token,
                                      uint64_t *expires_ms)
{
	(void)socket;
	*expires_ms = 0;
	return token.size % 2 == 0 ? AUTHORIZED : AUTHORIZED_NOT;
}

static void turn(void)
{
	uint64_t wait_ms;
	bool more;

	do {
		timers_run(timers, &wait_ms);
		event_base_get_max_events(base, EVENT_BASE_COUNT_ACTIVE, 1);
		event_base_loop(base, EVLOOP_NONBLOCK);
		more = redis_work();
	} while (more || event_base_get_max_events(base, EVENT_BASE_COUNT_ACTIVE, 1) > 0);
}

static void pass(uint64_t ms)
{
	uint64_t end = now_ms + ms;
	uint64_t wait_ms;

	turn();
	while (timers_run(timers, &wait_ms) && now_ms + wait_ms <= end) {
		now_ms += wait_ms;
		turn();
	}
	now_ms = end;
	turn();
}

static void leave(struct socket *socket)
{
	connection_destroy(socket->connection);
	*socket = (struct socket){0};
}

static void say(struct socket *socket, struct slice message)
{
	if (socket->closed)
		leave(socket);
	if (socket->connection == NULL) {
		socket->reading = true;
		socket->connection = hub_connect(node.hub, SLICE("default"), SLICE(""), socket);
	}
	if (socket->reading)
		connection_receive(socket->connection, message);
}

static void node_create(unsigned form)
{
	static const char *const urls[] = {"unix:/redis", "redis://127.0.0.1:7000",
	                                   "redis+sentinel://127.0.0.1:26379/m",
	                                   "redis+cluster://127.0.0.1:7000"};
	static const struct edge_port edge = {edge_send, edge_backlog, edge_close, edge_read,
	                                      edge_authorize};
	static const struct hub_settings for_hub = {
		.ttl_ms = 30000,
		.join_ms_max = 30000,
		.presence_repeat_ms = 15000,
		.echo_window_ms = 5000,
		.mesh_peers_max = 8,
		.agents_max = 4,
		.message_bytes_max = 1 << 20,
		.outbox_bytes_max = 1 << 22,
		.joins_in_flight_max = 8,
		.joins_waiting_max = 8,
		.drop_types = "relay-log",
		.version = "test",
	};
	const struct bus_settings for_bus = {
		.redis.url = urls[form % 4],
		.prefix = "relay:",
		.ttl_ms = 30000,
		.probe_ms = 1000,
		.queue_bytes_max = 65536,
	};
	const char *error = NULL;

	redis.cluster = form % 4 == 3;
	node.bus = bus_create(&for_bus, base, timers, &error);
	assert(node.bus != NULL);
	node.hub = hub_create(&for_hub, timers, &edge, bus_port(), node.bus);
	bus_start(node.bus);
}

/* Whatever was said so far: with a Redis that is itself again, all is well soon. */
static void check_healing(void)
{
	for (int i = 0; i < LINES_MAX; i++)
		wire_cut(&redis.wires[i]);
	redis.due = UINT32_MAX;
	redis.instead = (struct slice){0};
	for (int i = 0; i < HEALING_SECONDS && bus_port()->state(node.bus) != BUS_UP; i++)
		pass(1000);
	assert(bus_port()->state(node.bus) == BUS_UP);
}

static void node_destroy(void)
{
	for (int i = 0; i < CLIENTS; i++)
		leave(&node.sockets[i]);
	hub_destroy(node.hub);
	bus_destroy(node.bus);
	turn();
	for (int i = 0; i < LINES_MAX; i++)
		wire_cut(&redis.wires[i]);
	redis.due = 0;
	turn();
	metrics_reset();
}

/* ---- The input */

static unsigned seconds_left;

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

static void publish(unsigned channel, unsigned kind, struct slice body)
{
	static const struct slice channels[] = {SLICE(DEFAULT_MESH "broadcast"),
	                                        SLICE(DEFAULT_MESH "peer:a"),
	                                        SLICE(DEFAULT_MESH "peer:nobody")};
	const struct parcel parcel = {
		.kind = (enum parcel_kind)(kind % 8),
		.node = kind >> 4,
		.connection = 1,
		.time_ms = 1760000000000,
		.from = SLICE("b"),
		.target = channel % 3 == 1 ? SLICE("a") : (struct slice){0},
	};
	char head[PARCEL_HEAD_BYTES_MAX];
	struct buffer bytes = {0};

	/* Kinds from 8 on: the body is all of it. */
	if ((kind & 8) == 0)
		buffer_append(&bytes, (struct slice){head, parcel_head(&parcel, head)});
	buffer_append(&bytes, body);
	tell((kind & 128) == 0 ? SLICE("message") : SLICE("smessage"), channels[channel % 3],
	     buffer_slice(&bytes));
	buffer_fini(&bytes);
}

static void let_pass(unsigned seconds)
{
	if (seconds > seconds_left)
		seconds = seconds_left;
	seconds_left -= seconds;
	pass(seconds * (uint64_t)1000);
}

static void obey(struct slice *input)
{
	unsigned which;
	unsigned kind;

	switch ((enum step)(take_byte(input) % STEPS)) {
	case STEP_ANSWER:
		redis.due += take_byte(input) + 1;
		break;
	case STEP_INSTEAD:
		redis.instead = take_bytes(input);
		redis.due++;
		break;
	case STEP_ERROR:
		redis.instead = errors[take_byte(input) % ERRORS];
		redis.due++;
		break;
	case STEP_SAY:
		which = take_byte(input) % LINES_MAX;
		wire_send(&redis.wires[which], take_bytes(input));
		break;
	case STEP_MESSAGE:
		which = take_byte(input);
		kind = take_byte(input);
		publish(which, kind, take_bytes(input));
		break;
	case STEP_TIME:
		let_pass(take_byte(input) % 64);
		break;
	case STEP_CUT:
		wire_cut(&redis.wires[take_byte(input) % LINES_MAX]);
		break;
	case STEP_CLIENT:
		which = take_byte(input) % CLIENTS;
		say(&node.sockets[which], sayings[take_byte(input) % SAYINGS]);
		break;
	case STEP_LEAVE:
		leave(&node.sockets[take_byte(input) % CLIENTS]);
		break;
	case STEPS:
		break;
	}
	turn();
}

static void set_up(void)
{
	static const struct sockaddr any = {.sa_family = AF_UNIX};

	signal(SIGPIPE, SIG_IGN);
	log_setup(getenv("FUZZ_LOG") != NULL ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR,
	          LOG_FORMAT_LOGFMT);
	base = event_base_new();
	timers = timers_create(clock_mono_ms, NULL, NULL);
	listening = __real_socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bind(listening, &any, sizeof(any.sa_family));
	listen(listening, LINES_MAX);
	getsockname(listening, (struct sockaddr *)&redis_address, &redis_address_size);
	for (int i = 0; i < LINES_MAX; i++)
		redis.wires[i].fd = -1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice input = {(const char *)data, size};

	if (base == NULL)
		set_up();
	dice = size;
	seconds_left = SECONDS_MAX;
	node_create(take_byte(&input));
	turn();
	for (int i = 0; i < STEPS_MAX && input.size > 0; i++)
		obey(&input);
	check_healing();
	node_destroy();
	return 0;
}
