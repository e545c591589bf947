/*
 * A TCP proxy that breaks on command: many forwardings, each a listening address and a target, and
 * for each direction of each what happens to the bytes. README.md has the commands.
 *
 * "up" is from who connects to the target, "down" the way back. A broken direction also hides that
 * an end is gone, as a broken network does: the other end's socket stays open. When the direction
 * works again, such a connection is reset, as by the first packet to a host that knows it no more.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/list.h"
#include "common/memory.h"
#include "console.h"
#include "dice.h"
#include "endpoint.h"
#include "loop.h"

#define FORWARDINGS_MAX 256
#define NAME_BYTES_MAX 63
#define READ_BYTES_MAX 65536
#define QUEUE_BYTES_MAX 65536           /* per direction of a connection; then it is not read */
#define DELAYED_QUEUE_BYTES_MAX 4194304 /* the same, where bytes wait for their time */
#define THROTTLE_STEP_MS 50
#define NEVER UINT64_MAX

enum { UP, DOWN, DIRECTIONS }; /* also the side that a direction reads from: client, target */

/* What becomes of the bytes of one direction. All zero passes them on. */
struct mode {
	bool drop; /* read, and thrown away */
	bool stop; /* not read */
	uint64_t delay_ms;
	uint64_t bytes_per_second; /* 0 = no limit */
	uint64_t corrupt_per_million;
	uint64_t flip_at; /* a bit of the byte at that place, counted from the command; NEVER */
};

enum accepting { OPEN, REFUSE, HOLD };

struct forwarding {
	char name[NAME_BYTES_MAX + 1];
	struct source listener;
	struct endpoint address, target;
	enum accepting accepting;
	struct mode modes[DIRECTIONS];
	struct list connections;
	uint64_t total_connections, bytes[DIRECTIONS];
};

struct chunk {
	struct list link;
	uint64_t due_ms;
	size_t size, sent;
	char bytes[];
};

/* One direction of a connection. */
struct pipe {
	struct connection *connection;
	struct list chunks;
	size_t queued_bytes;
	bool read_ended, write_ended;
	bool blocked; /* until the socket takes more */
	uint64_t not_before_ms;
	uint64_t flip_in_bytes;
	struct timer timer;
};

struct side {
	struct source source;
	struct connection *connection;
	bool connecting;
	bool gone; /* its end or failure is hidden from the other */
};

struct connection {
	struct list link; /* in its forwarding, or in `ended` */
	struct forwarding *forwarding;
	struct side sides[DIRECTIONS];
	struct pipe pipes[DIRECTIONS];
	bool held; /* accepted, and never connected to the target */
	bool ended;
};

static struct forwarding *forwardings[FORWARDINGS_MAX];
static size_t forwarding_count;
static struct list ended;
static struct dice dice = {1};

static void flow(struct pipe *pipe);

static bool is_broken(const struct mode *mode)
{
	return mode->drop || mode->stop;
}

static void end_connection(struct connection *connection, bool reset)
{
	if (connection->ended)
		return;
	connection->ended = true;
	for (int i = 0; i < DIRECTIONS; i++) {
		source_close(&connection->sides[i].source, reset);
		timer_stop(loop_timers(), &connection->pipes[i].timer);
	}
	list_remove(&connection->link);
	list_append(&ended, &connection->link);
}

static void discard(struct pipe *pipe)
{
	LIST_EACH(&pipe->chunks, link) {
		list_remove(link);
		free(LIST_ENTRY(link, struct chunk, link));
	}
	pipe->queued_bytes = 0;
	pipe->blocked = false;
}

static void free_ended(void)
{
	LIST_EACH(&ended, link) {
		struct connection *connection = LIST_ENTRY(link, struct connection, link);

		discard(&connection->pipes[UP]);
		discard(&connection->pipes[DOWN]);
		list_remove(link);
		free(connection);
	}
}

/* The side ended or failed in a way that the other is to hear of, if the way to it works. */
static void lose_side(struct connection *connection, int side)
{
	if (!is_broken(&connection->forwarding->modes[side])) {
		end_connection(connection, true);
		return;
	}
	connection->sides[side].gone = true;
	source_forget(&connection->sides[side].source);
	discard(&connection->pipes[!side]);
}

static size_t queue_bytes_max(const struct mode *mode)
{
	return mode->delay_ms > 0 ? DELAYED_QUEUE_BYTES_MAX : QUEUE_BYTES_MAX;
}

static void watch_side(struct connection *connection, int side)
{
	const struct pipe *out = &connection->pipes[!side], *in = &connection->pipes[side];
	const struct mode *mode = &connection->forwarding->modes[side];
	uint32_t events = 0;

	if (connection->ended || connection->sides[side].gone ||
	    connection->sides[side].source.fd < 0)
		return;
	if (connection->sides[side].connecting || out->blocked)
		events |= EPOLLOUT;
	if (!in->read_ended && !mode->stop && in->queued_bytes < queue_bytes_max(mode))
		events |= EPOLLIN;
	source_watch(&connection->sides[side].source, events);
}

static void on_due(void *context)
{
	flow(context);
}

/* Sends what may be sent of the oldest chunk. Returns false if no more goes now. */
static bool send_some(struct pipe *pipe, int from, struct chunk *chunk)
{
	struct connection *connection = pipe->connection;
	const struct mode *mode = &connection->forwarding->modes[from];
	uint64_t now = clock_mono_ms();
	uint64_t due = chunk->due_ms > pipe->not_before_ms ? chunk->due_ms : pipe->not_before_ms;
	size_t size = chunk->size - chunk->sent;

	if (due > now) {
		timer_set(loop_timers(), &pipe->timer, due - now);
		return false;
	}
	if (mode->bytes_per_second > 0) {
		size_t step = (size_t)(mode->bytes_per_second * THROTTLE_STEP_MS / 1000) + 1;
		size = size < step ? size : step;
	}
	ssize_t n = send(connection->sides[!from].source.fd, chunk->bytes + chunk->sent, size,
	                 MSG_NOSIGNAL);
	if (n < 0) {
		pipe->blocked = errno == EAGAIN;
		if (!pipe->blocked)
			lose_side(connection, !from);
		return false;
	}
	if (mode->bytes_per_second > 0)
		pipe->not_before_ms = now + (uint64_t)n * 1000 / mode->bytes_per_second;
	chunk->sent += (size_t)n;
	pipe->queued_bytes -= (size_t)n;
	connection->forwarding->bytes[from] += (uint64_t)n;
	return true;
}

/* Moves what may move, and passes on the end when all has left. */
static void flow(struct pipe *pipe)
{
	struct connection *connection = pipe->connection;
	int from = pipe == &connection->pipes[UP] ? UP : DOWN;
	struct side *to = &connection->sides[!from];

	if (connection->ended || to->connecting)
		return;
	pipe->blocked = false;
	while (!list_empty(&pipe->chunks) && !is_broken(&connection->forwarding->modes[from])) {
		struct chunk *chunk = LIST_ENTRY(pipe->chunks.next, struct chunk, link);

		if (!send_some(pipe, from, chunk))
			break;
		if (chunk->sent == chunk->size) {
			list_remove(&chunk->link);
			free(chunk);
		}
	}
	if (connection->ended)
		return;
	if (list_empty(&pipe->chunks) && pipe->read_ended && !pipe->write_ended && !to->gone &&
	    !is_broken(&connection->forwarding->modes[from])) {
		shutdown(to->source.fd, SHUT_WR);
		pipe->write_ended = true;
	}
	if (connection->pipes[UP].write_ended && connection->pipes[DOWN].write_ended) {
		end_connection(connection, false);
		return;
	}
	watch_side(connection, UP);
	watch_side(connection, DOWN);
}

static void damage(struct pipe *pipe, const struct mode *mode, struct chunk *chunk)
{
	if (pipe->flip_in_bytes < chunk->size)
		chunk->bytes[pipe->flip_in_bytes] ^= 1;
	if (pipe->flip_in_bytes != NEVER)
		pipe->flip_in_bytes = pipe->flip_in_bytes < chunk->size
		                              ? NEVER
		                              : pipe->flip_in_bytes - chunk->size;
	for (size_t i = 0; mode->corrupt_per_million > 0 && i < chunk->size; i++)
		if (dice_below(&dice, 1000000) < mode->corrupt_per_million)
			chunk->bytes[i] ^= (char)(1 << dice_below(&dice, 8));
}

static void take(struct connection *connection, int side, const char *bytes, size_t size)
{
	struct pipe *pipe = &connection->pipes[side];
	const struct mode *mode = &connection->forwarding->modes[side];

	if (mode->drop || connection->held || connection->sides[!side].gone)
		return;
	struct chunk *chunk = mem_alloc(sizeof(*chunk) + size);
	chunk->due_ms = mode->delay_ms > 0 ? clock_mono_ms() + mode->delay_ms : 0;
	chunk->size = size;
	chunk->sent = 0;
	memcpy(chunk->bytes, bytes, size);
	damage(pipe, mode, chunk);
	list_append(&pipe->chunks, &chunk->link);
	pipe->queued_bytes += size;
	flow(pipe);
}

static void read_side(struct connection *connection, int side)
{
	static char bytes[READ_BYTES_MAX];
	struct pipe *pipe = &connection->pipes[side];
	ssize_t n = recv(connection->sides[side].source.fd, bytes, sizeof(bytes), 0);

	if (n > 0) {
		take(connection, side, bytes, (size_t)n);
		return;
	}
	if (n < 0 && errno == EAGAIN)
		return;
	if (connection->held) {
		end_connection(connection, false);
	} else if (n < 0 || is_broken(&connection->forwarding->modes[side])) {
		lose_side(connection, side);
	} else {
		pipe->read_ended = true;
		flow(pipe);
	}
}

static void finish_connecting(struct connection *connection)
{
	int error = 0;
	socklen_t size = sizeof(error);

	getsockopt(connection->sides[DOWN].source.fd, SOL_SOCKET, SO_ERROR, &error, &size);
	if (error != 0) {
		end_connection(connection, true);
		return;
	}
	connection->sides[DOWN].connecting = false;
	flow(&connection->pipes[UP]);
}

static void on_side(struct source *source, uint32_t events)
{
	struct side *side = LIST_ENTRY(source, struct side, source);
	struct connection *connection = side->connection;
	int index = side == &connection->sides[UP] ? UP : DOWN;
	bool failed = events & (EPOLLERR | EPOLLHUP);

	if (side->connecting) {
		finish_connecting(connection);
		return;
	}
	if (events & EPOLLOUT)
		flow(&connection->pipes[!index]);
	if (connection->ended || !source->watched)
		return;
	if (failed && !(source->events & EPOLLIN))
		lose_side(connection, index); /* epoll would say it again and again */
	else if (events & EPOLLIN || failed)
		read_side(connection, index);
}

static void add_side(struct connection *connection, int side, int fd)
{
	connection->sides[side].source = (struct source){.fd = fd, .ready = on_side};
	connection->sides[side].connection = connection;
}

static void accept_one(struct forwarding *forwarding, int fd)
{
	struct connection *connection = mem_zero(sizeof(*connection));

	connection->forwarding = forwarding;
	connection->held = forwarding->accepting == HOLD;
	list_append(&forwarding->connections, &connection->link);
	for (int i = 0; i < DIRECTIONS; i++) {
		struct pipe *pipe = &connection->pipes[i];

		pipe->connection = connection;
		pipe->flip_in_bytes = forwarding->modes[i].flip_at;
		list_init(&pipe->chunks);
		timer_init(&pipe->timer, on_due, pipe);
	}
	forwarding->total_connections++;
	add_side(connection, UP, fd);
	add_side(connection, DOWN, connection->held ? -1 : endpoint_connect(&forwarding->target));
	if (!connection->held && connection->sides[DOWN].source.fd < 0) {
		end_connection(connection, true);
		return;
	}
	connection->sides[DOWN].connecting = !connection->held;
	watch_side(connection, UP);
	watch_side(connection, DOWN);
}

static void on_listener(struct source *source, uint32_t events)
{
	struct forwarding *forwarding = LIST_ENTRY(source, struct forwarding, listener);
	int fd = accept4(source->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)events;
	if (fd >= 0)
		accept_one(forwarding, fd);
	else if (errno != EAGAIN && errno != ECONNABORTED)
		die("accept: %s", strerror(errno));
}

static bool start_listening(struct forwarding *forwarding)
{
	int fd = endpoint_listen(&forwarding->address);

	if (fd < 0)
		return false;
	forwarding->listener = (struct source){.fd = fd, .ready = on_listener};
	source_watch(&forwarding->listener, EPOLLIN);
	return true;
}

static struct forwarding *find(const char *name)
{
	for (size_t i = 0; i < forwarding_count; i++)
		if (strcmp(forwardings[i]->name, name) == 0)
			return forwardings[i];
	return NULL;
}

/* Commands */

static bool command_listen(char **words, size_t count)
{
	struct forwarding *forwarding = mem_zero(sizeof(*forwarding));
	char text[ENDPOINT_TEXT_BYTES];

	(void)count;
	list_init(&forwarding->connections);
	for (int i = 0; i < DIRECTIONS; i++)
		forwarding->modes[i].flip_at = NEVER;
	if (forwarding_count == FORWARDINGS_MAX || find(words[0]) != NULL ||
	    strlen(words[0]) > NAME_BYTES_MAX || !endpoint_parse(words[1], &forwarding->address) ||
	    !endpoint_parse(words[2], &forwarding->target)) {
		free(forwarding);
		return false;
	}
	strcpy(forwarding->name, words[0]);
	if (!start_listening(forwarding)) {
		console_error("%s: %s", words[1], strerror(errno));
		free(forwarding);
		return true;
	}
	forwardings[forwarding_count++] = forwarding;
	endpoint_format(&forwarding->address, text);
	console_ok("%s", text);
	return true;
}

static bool read_mode(char **words, size_t count, struct mode *mode)
{
	static const struct {
		const char *name;
		size_t offset;
	} numbers[] = {
		{"delay", offsetof(struct mode, delay_ms)},
		{"throttle", offsetof(struct mode, bytes_per_second)},
		{"corrupt", offsetof(struct mode, corrupt_per_million)},
		{"flip", offsetof(struct mode, flip_at)},
	};
	uint64_t value;

	if (count == 1 && strcmp(words[0], "pass") == 0)
		*mode = (struct mode){.flip_at = NEVER};
	else if (count == 1 && strcmp(words[0], "drop") == 0)
		mode->drop = true;
	else if (count == 1 && strcmp(words[0], "stop") == 0)
		mode->stop = true;
	if (count == 1)
		return is_broken(mode) || strcmp(words[0], "pass") == 0;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		if (count != 2 || strcmp(words[0], numbers[i].name) != 0 ||
		    !word_number(words[1], UINT32_MAX, &value))
			continue;
		*(uint64_t *)(void *)((char *)mode + numbers[i].offset) = value;
		return true;
	}
	return false;
}

/* The connections learn of a new mode: what waited moves on, and what was hidden shows. */
static void apply_mode(struct forwarding *forwarding, int direction)
{
	const struct mode *mode = &forwarding->modes[direction];

	LIST_EACH(&forwarding->connections, link) {
		struct connection *connection = LIST_ENTRY(link, struct connection, link);
		struct pipe *pipe = &connection->pipes[direction];

		if (mode->flip_at != NEVER)
			pipe->flip_in_bytes = mode->flip_at;
		if (connection->sides[direction].gone && !is_broken(mode)) {
			end_connection(connection, true);
			continue;
		}
		if (mode->drop)
			discard(pipe);
		flow(pipe);
	}
}

static bool command_set(char **words, size_t count)
{
	struct forwarding *forwarding = find(words[0]);
	bool up = strcmp(words[1], "up") == 0, down = strcmp(words[1], "down") == 0;

	if (forwarding == NULL || !(up || down || strcmp(words[1], "both") == 0))
		return false;
	for (int i = 0; i < DIRECTIONS; i++) {
		if ((i == UP && down) || (i == DOWN && up))
			continue;
		if (!read_mode(words + 2, count - 2, &forwarding->modes[i]))
			return false;
		apply_mode(forwarding, i);
	}
	console_ok("%s", words[0]);
	return true;
}

static bool command_accept(char **words, size_t count)
{
	struct forwarding *forwarding = find(words[0]);
	static const char *const names[] = {[OPEN] = "open", [REFUSE] = "refuse", [HOLD] = "hold"};

	(void)count;
	for (size_t i = 0; forwarding != NULL && i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(words[1], names[i]) != 0)
			continue;
		forwarding->accepting = (enum accepting)i;
		if (i == REFUSE)
			source_close(&forwarding->listener, false);
		else if (forwarding->listener.fd < 0 && !start_listening(forwarding))
			console_error("%s: %s", words[0], strerror(errno));
		if (i == REFUSE || forwarding->listener.fd >= 0)
			console_ok("%s", words[0]);
		return true;
	}
	return false;
}

static void cut(struct forwarding *forwarding, bool reset)
{
	LIST_EACH(&forwarding->connections, link)
		end_connection(LIST_ENTRY(link, struct connection, link), reset);
}

static bool command_cut(char **words, size_t count)
{
	struct forwarding *forwarding = find(words[0]);
	bool reset = strcmp(words[1], "reset") == 0;

	(void)count;
	if (forwarding == NULL || !(reset || strcmp(words[1], "end") == 0))
		return false;
	cut(forwarding, reset);
	console_ok("%s", words[0]);
	return true;
}

static bool command_count(char **words, size_t count)
{
	const struct forwarding *forwarding = find(words[0]);
	size_t connections = 0;

	(void)count;
	if (forwarding == NULL)
		return false;
	for (const struct list *link = forwarding->connections.next;
	     link != &forwarding->connections; link = link->next)
		connections++;
	console_ok("connections=%zu total=%lu up=%lu down=%lu", connections,
	           forwarding->total_connections, forwarding->bytes[UP], forwarding->bytes[DOWN]);
	return true;
}

static bool command_seed(char **words, size_t count)
{
	(void)count;
	if (!word_number(words[0], UINT64_MAX, &dice.state))
		return false;
	console_ok("%s", words[0]);
	return true;
}

static const struct command commands[] = {
	{"listen", "NAME ADDRESS TARGET", command_listen},
	{"set", "NAME up|down|both pass|drop|stop|delay|throttle|corrupt|flip [NUMBER]",
         command_set},
	{"accept", "NAME open|refuse|hold", command_accept},
	{"cut", "NAME reset|end", command_cut},
	{"count", "NAME", command_count},
	{"seed", "NUMBER", command_seed},
	{NULL, NULL, NULL},
};

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	list_init(&ended);
	loop_init();
	console_open(commands);
	loop_run(free_ended);
	return 0;
}
