/*
 * Anything may come before a WebSocket is open, in any pieces and at any time: what is answered is
 * always HTTP, and a WebSocket opens only for who has asked for one by RFC 6455.
 *
 * The input is what two clients send; some bytes that mean nothing to HTTP are marks.
 */
#include <strings.h>

#include <openssl/evp.h>

#include "auth/auth.h"
#include "wire/frame.h"
#include "wire/name.h"

#include "tests/fuzz/node.h"
#include "tests/fuzz/words.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum mark {
	MARK_PIECE = 0xf5, /* what is before arrives before what is behind */
	MARK_TIME,         /* 4 s pass */
	MARK_OTHER,        /* the other client goes on */
	MARK_END,          /* the client sends no more, but reads */
	MARK_CUT,          /* the client is gone, and comes back as another */
	MARK_TOKENS,       /* from now on the node wants tokens */
};
#define TIME_MS 4000
#define MARKS_MAX 50 /* that count: an input shall not take long */

static const struct slice words[] = {
	SLICE("GET "),
	SLICE("HEAD "),
	SLICE("POST "),
	SLICE("OPTIONS "),
	SLICE("CONNECT "),
	SLICE("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
	SLICE("/"),
	SLICE("/ws"),
	SLICE("/ping"),
	SLICE("/livez"),
	SLICE("/readyz"),
	SLICE("/metrics"),
	SLICE("/invocations"),
	SLICE("?mesh=a"),
	SLICE("&mesh=b"),
	SLICE("%2e%2e/"),
	SLICE("http://h"),
	SLICE(" HTTP/1.1\r\n"),
	SLICE(" HTTP/1.0\r\n"),
	SLICE(" HTTP/2\r\n"),
	SLICE("\r\n"),
	SLICE("\r\n\r\n"),
	SLICE("Host: h\r\n"),
	SLICE("Upgrade: websocket\r\n"),
	SLICE("Upgrade: h2c\r\n"),
	SLICE("HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n"),
	SLICE("Connection: Upgrade\r\n"),
	SLICE("Connection: keep-alive, Upgrade\r\n"),
	SLICE("Connection: close\r\n"),
	SLICE("Sec-WebSocket-Version: 13\r\n"),
	SLICE("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"),
	SLICE("Sec-WebSocket-Protocol: base64UrlBearerAuthorization, "),
	SLICE("Sec-WebSocket-Extensions: permessage-deflate\r\n"),
	SLICE("X-Amzn-Bedrock-AgentCore-Runtime-Custom-Mesh: m\r\n"),
	SLICE("X-Forwarded-For: 1.2.3.4\r\n"),
	SLICE("X-Forwarded-For: 1.2.3.4, [::]:80,::\r\n"),
	SLICE("Content-Length: 1\r\n"),
	SLICE("Transfer-Encoding: chunked\r\n"),
	SLICE("Expect: 100-continue\r\n"),
	SLICE("Origin: http://o\r\n"),
	SLICE("Origin: http://h:80\r\n"),
	SLICE("Authorization: Bearer a.b.c\r\n"),
	SLICE("Authorization: bearer m\r\n"),
	SLICE("Sec-WebSocket-Protocol: base64UrlBearerAuthorization.YQ, "),
	SLICE("&token=s"),
	SLICE("Cookie: a=b; c=d\r\n"),
	SLICE("\x81\x85\1\2\3\4ig`kn"),
	SLICE("\x88\x80\1\2\3\4"),
	SLICE("\xf5"),
	SLICE("\xf6"),
	SLICE("\xf7"),
	SLICE("\xf8"),
	SLICE("\xf9"),
	SLICE("\xfa"),
};
static const size_t word_count = sizeof(words) / sizeof(words[0]);

/* ---- A mesh that gives back what it gets */

struct hub {
	bool ready;
};
static struct hub the_hub;

struct connection {
	struct socket *socket;
};

struct listing {
	struct timer timer;
	bus_list_done *done;
	void *context;
};

struct connection *hub_connect(struct hub *hub, struct slice mesh, struct slice owner,
                               struct socket *socket)
{
	struct connection *connection = malloc(sizeof(*connection));

	(void)hub;
	assert(name_is_mesh(mesh) && (owner.size == 0) == (node.edge->settings.auth == NULL));
	connection->socket = socket;
	return connection;
}

void connection_receive(struct connection *connection, struct slice message)
{
	struct blob *frames = frame_text(&message, 1);

	edge_port()->send(connection->socket, frames, 0, frames->size, false);
	blob_unref(frames);
}

void connection_pong(struct connection *connection)
{
	(void)connection;
}

void connection_auth_expiring(struct connection *connection, uint64_t expires_ms)
{
	(void)connection;
	(void)expires_ms;
}

void connection_drain(struct connection *connection, uint64_t reconnect_ms)
{
	(void)connection;
	(void)reconnect_ms;
}

void connection_destroy(struct connection *connection)
{
	free(connection);
}

uint32_t connection_number(const struct connection *connection)
{
	(void)connection;
	return 1;
}

bool hub_is_ready(const struct hub *hub, const char **reason)
{
	*reason = "never";
	return hub->ready;
}

static void on_listing(void *context)
{
	static const struct slice ids[] = {SLICE("ann"), SLICE("b\"ob")};
	struct listing *listing = context;

	listing->done(listing->context, ids, 2);
	free(listing);
}

void hub_list(struct hub *hub, struct slice mesh, uint64_t timeout_ms, bus_list_done *done,
              void *context)
{
	struct listing *listing = malloc(sizeof(*listing));

	(void)hub;
	assert(name_is_mesh(mesh));
	*listing = (struct listing){.done = done, .context = context};
	timer_init(&listing->timer, on_listing, listing);
	timer_set(node.timers, &listing->timer, mesh.size == 1 ? timeout_ms : 0);
}

/* ---- Tokens: the first letter says what it is good for */

enum refusal __wrap_auth_check(struct auth *auth, struct slice token, struct identity *identity);
bool __wrap_auth_is_ready(const struct auth *auth, const char **reason);

enum refusal __wrap_auth_check(struct auth *auth, struct slice token, struct identity *identity)
{
	(void)auth;
	assert(token.data != NULL && token.size <= AUTH_TOKEN_BYTES_MAX + 1);
	switch (token.size > 0 ? token.data[0] : 0) {
	case 'm':
		identity->meshes = blob_copy(SLICE("m a"));
		break;
	case 'a':
		break;
	case 's':
		return REFUSAL_NO_SCOPE;
	case 'k':
		return REFUSAL_NO_KEYS;
	default:
		return REFUSAL_WRONG_SIGNATURE;
	}
	identity->owner = blob_copy(SLICE("issuer subject"));
	identity->expires_ms = token.size;
	return REFUSAL_NONE;
}

bool __wrap_auth_is_ready(const struct auth *auth, const char **reason)
{
	(void)auth;
	(void)reason;
	return true;
}

static bool node_work(void)
{
	return false;
}

/* ---- What is answered */

/* The value of a header of an answer, absent if it is not there. */
static struct slice header_of(struct slice head, const char *name)
{
	size_t name_size = strlen(name);

	for (const char *at = head.data; at < head.data + head.size;) {
		const char *end = memmem(at, (size_t)(head.data + head.size - at), "\r\n", 2);
		if (end == NULL)
			break;
		if ((size_t)(end - at) > name_size && strncasecmp(at, name, name_size) == 0 &&
		    at[name_size] == ':') {
			at += name_size + 1;
			while (at < end && *at == ' ')
				at++;
			return (struct slice){at, (size_t)(end - at)};
		}
		at = end + 2;
	}
	return (struct slice){0};
}

/* Lines of printable text, each with its colon: nobody can put a line of his own in. */
static void check_head(struct slice head)
{
	for (size_t i = 0; i < head.size; i++) {
		unsigned char byte = (unsigned char)head.data[i];
		if (byte == '\r' || byte == '\n')
			assert(byte == '\n' ? i > 0 && head.data[i - 1] == '\r'
			                    : i + 1 < head.size && head.data[i + 1] == '\n');
		else
			assert(byte >= ' ' && byte < 0x7f);
	}
}

static bool accepts(struct slice accept, const char *key)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned char text[64];
	char joined[24 + 36];

	memcpy(joined, key, 24);
	memcpy(joined + 24, "258EAFA5-E914-47DA-95CA-C5AB0DC85B11", 36);
	EVP_Digest(joined, sizeof(joined), digest, NULL, EVP_sha1(), NULL);
	int size = EVP_EncodeBlock(text, digest, 20);
	return slice_equal(accept, (struct slice){(const char *)text, (size_t)size});
}

static bool mentions(struct slice text, const char *word)
{
	size_t size = strlen(word);

	for (size_t i = 0; i + size <= text.size; i++)
		if (strncasecmp(text.data + i, word, size) == 0)
			return true;
	return false;
}

/* Whoever gets a 101 has sent what it takes, and the answer is to a key of his. */
static void check_upgrade(struct slice head, struct slice sent)
{
	struct slice accept = header_of(head, "Sec-WebSocket-Accept");
	bool found = false;

	for (size_t i = 0; i + 24 <= sent.size && !found; i++)
		found = sent.data[i + 23] == '=' && accepts(accept, sent.data + i);
	assert(found);
	assert(mentions(sent, "GET ") && mentions(sent, "HTTP/1.1"));
	assert(mentions(sent, "host:") && mentions(sent, "websocket"));
	assert(mentions(sent, "sec-websocket-version:") && mentions(sent, "13"));
	assert(mentions(sent, "connection:") && mentions(sent, "upgrade"));
	assert(slice_is(header_of(head, "Upgrade"), "websocket") ||
	       slice_is(header_of(head, "Upgrade"), "WebSocket"));
	struct slice protocol = header_of(head, "Sec-WebSocket-Protocol");
	assert(protocol.data == NULL || slice_is(protocol, "base64UrlBearerAuthorization"));
	assert(header_of(head, "Sec-WebSocket-Extensions").data == NULL);
}

/* libwebsockets, where it refuses by itself, speaks 1.0. */
static bool is_version(const char *answer)
{
	return memcmp(answer, "HTTP/1.1 ", 9) == 0 || memcmp(answer, "HTTP/1.0 ", 9) == 0;
}

/* Returns how many bytes the first answer has. */
static size_t check_answer(struct slice bytes, struct slice sent, unsigned *status)
{
	uint64_t length = 0;
	const char *end = memmem(bytes.data, bytes.size, "\r\n\r\n", 4);

	assert(end != NULL && bytes.size > 13);
	size_t size = (size_t)(end - bytes.data) + 4;
	struct slice head = {bytes.data, size - 2};
	check_head(head);
	assert(is_version(bytes.data) && bytes.data[12] == ' ');
	uint64_t number = 0;
	bool is_number = slice_number((struct slice){bytes.data + 9, 3}, &number);
	assert(is_number);
	*status = (unsigned)number;
	if (*status == 101) {
		check_upgrade(head, sent);
		return size;
	}
	assert(slice_number(header_of(head, "Content-Length"), &length));
	bool without_body =
		mentions(sent, "HEAD ") &&
		(bytes.size == size || (bytes.size - size > 9 && is_version(bytes.data + size)));
	if (without_body)
		return size;
	assert(bytes.size - size >= length);
	return size + length;
}

static void check_answers(struct client *client)
{
	struct slice bytes = buffer_slice(&client->received);
	struct slice sent = buffer_slice(&client->sent);
	unsigned status = 0;

	while (bytes.size > 0) {
		size_t size = check_answer(bytes, sent, &status);
		bytes.data += size;
		bytes.size -= size;
		if (status == 101) {
			struct frame_reader reader = {0};
			frames_check(&reader, bytes, client->ended);
			break;
		}
	}
}

/* ---- The input */

static void finish(struct client *client)
{
	client_receive(client);
	check_answers(client);
	client_cut(client);
	node_turn();
}

static void obey(struct client *clients, unsigned *who, unsigned mark)
{
	struct client *client = &clients[*who];

	switch (mark) {
	case MARK_TIME:
		node_pass(TIME_MS);
		break;
	case MARK_OTHER:
		*who = 1 - *who;
		if (clients[*who].fd < 0)
			client_connect(&clients[*who]);
		break;
	case MARK_END:
		shutdown(client->fd, SHUT_WR);
		break;
	case MARK_CUT:
		finish(client);
		client_connect(client);
		break;
	case MARK_TOKENS:
		node.edge->settings.auth = (struct auth *)&the_hub; /* nobody looks at it */
		break;
	default:
		break;
	}
	node_turn();
	client_receive(&clients[*who]);
}

static void set_up(void)
{
	static const struct edge_settings settings = {
		.listen_host = "127.0.0.1",
		.connections_max = 100,
		.message_bytes_max = 4096,
		.outbox_bytes_max = 65536,
		.handshake_seconds_max = 10,
		.ping_seconds = 25,
		.pong_seconds_max = 60,
		.fragment_seconds_max = 30,
		.mesh_by_query = true,
		.mesh_by_header = true,
		.token_by_query = true,
		.trusted_proxies = "::", /* the peer of a Unix socket */
		.connections_per_address_max = 1,
		.metrics_on_main = true,
		.version = "test",
	};

	node_create(&settings);
	edge_start(node.edge, &the_hub);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct client clients[2] = {{.fd = -1}, {.fd = -1}};
	unsigned who = 0;
	unsigned marks = 0;
	size_t at = 0;

	if (node.base == NULL)
		set_up();
	the_hub.ready = size % 2 == 0;
	node.edge->settings.auth = NULL;
	client_connect(&clients[0]);
	while (at < size) {
		size_t end = at;
		while (end < size && data[end] < MARK_PIECE)
			end++;
		client_send(&clients[who], (struct slice){(const char *)data + at, end - at});
		if (end < size && marks++ < MARKS_MAX)
			obey(clients, &who, data[end]);
		at = end + 1;
	}
	for (int i = 0; i < 2; i++)
		if (clients[i].fd >= 0)
			finish(&clients[i]);
	node_rest();
	return 0;
}
