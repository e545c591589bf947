/*
 * The happy path: line_open() connects, opened() follows, line_send() as often as wanted,
 * line_close().
 *
 * Failures: the connect fails, Redis closes, the socket breaks, the certificate is not good, or
 * Redis says something that is no RESP. All of them end in lose(): the line is closed first, then
 * its owner hears of it, then those whose commands have no answer.
 *
 * The event for writing is only there while connecting and while the socket is full; else writes
 * come from an event that is activated by hand, once per turn: no epoll_ctl() per command.
 */
#include "redis/line.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <event2/event.h>
#include <hiredis/hiredis.h>
#include <hiredis/hiredis_ssl.h>

#include "common/arena.h"
#include "common/clock.h"
#include "common/memory.h"
#include "net/tls.h"

#define KEEPALIVE_SECONDS 5       /* idle before the kernel asks, and all its questions together */
#define TCP_USER_TIMEOUT_MS 10000 /* sent and not acknowledged */

/* Of one answer. hiredis makes room for as many as are announced, before any of them is there. */
#define ELEMENTS_MAX (1 << 20)

/* Of one string in an answer: far above the largest message. */
#define STRING_BYTES_MAX ((size_t)64 << 20)

/* A command without an answer. */
struct wait {
	line_done *done;
	void *context;
};

struct line {
	redisContext *redis; /* NULL: closed */
	struct event_base *base;
	const struct line_handler *handler;
	void *context;
	struct event *read;
	struct event *write; /* only while connecting, and while the socket is full */
	struct event *flush; /* activated, never added */
	struct wait *waits;  /* a ring */
	size_t wait_first;
	size_t wait_count;
	size_t wait_capacity;  /* a power of two; who sends has a bound of its own */
	struct tls *tls;       /* NULL: plain */
	const char *host;      /* who the other side must be */
	struct ssl_st *secure; /* the context's */
	struct arena answers;  /* the one that is read, or looked at */
	uint64_t heard_ms;
	bool looking; /* at an answer */
	bool connected;
	bool unsent; /* the socket was full, or TLS has to hear something first */
};

struct line *line_create(struct event_base *base, const struct line_handler *handler, void *context)
{
	struct line *line = mem_zero(sizeof(*line));

	line->base = base;
	line->handler = handler;
	line->context = context;
	return line;
}

void line_destroy(struct line *line)
{
	if (line == NULL)
		return;
	line_close(line);
	arena_fini(&line->answers);
	free(line->waits);
	free(line);
}

bool line_is_open(const struct line *line)
{
	return line->redis != NULL;
}

uint64_t line_heard_ms(const struct line *line)
{
	return line->heard_ms;
}

/* ---- Who waits for an answer */

static struct wait *wait_at(const struct line *line, size_t place)
{
	return &line->waits[(line->wait_first + place) & (line->wait_capacity - 1)];
}

static void wait_add(struct line *line, line_done *done, void *context)
{
	if (line->wait_count == line->wait_capacity) {
		size_t capacity = line->wait_capacity > 0 ? line->wait_capacity * 2 : 16;
		struct wait *waits = mem_alloc(capacity * sizeof(*waits));
		for (size_t i = 0; i < line->wait_count; i++)
			waits[i] = *wait_at(line, i);
		free(line->waits);
		line->waits = waits;
		line->wait_first = 0;
		line->wait_capacity = capacity;
	}
	*wait_at(line, line->wait_count++) = (struct wait){done, context};
}

static struct wait wait_take(struct line *line)
{
	struct wait wait = *wait_at(line, 0);

	line->wait_first++;
	line->wait_count--;
	return wait;
}

/* ---- Ending */

static void free_event(struct event **event)
{
	if (*event != NULL)
		event_free(*event);
	*event = NULL;
}

static void disconnect(struct line *line)
{
	free_event(&line->read);
	free_event(&line->write);
	free_event(&line->flush);
	redisFree(line->redis);
	if (!line->looking)
		arena_reset(&line->answers);
	line->redis = NULL;
	line->secure = NULL;
	line->connected = line->unsent = false;
}

static void tell_lost(struct line *line)
{
	while (line->wait_count > 0) {
		struct wait wait = wait_take(line);
		wait.done(wait.context, ANSWER_LOST, NULL);
	}
}

void line_close(struct line *line)
{
	if (line->redis == NULL)
		return;
	disconnect(line);
	tell_lost(line);
}

static void lose(struct line *line, const char *reason)
{
	char copy[LINE_REASON_BYTES];

	snprintf(copy, sizeof(copy), "%s", reason);
	disconnect(line);
	line->handler->lost(line->context, copy);
	tell_lost(line);
}

static const char *reason_of(const struct line *line)
{
	const char *of_tls = line->secure != NULL ? tls_reason(line->secure) : NULL;

	if (of_tls != NULL)
		return of_tls;
	return line->redis->errstr[0] != '\0' ? line->redis->errstr : "closed";
}

/* ---- Reading and writing */

static void take(struct line *line, redisReply *reply)
{
	line->looking = true;
	if (line->wait_count > 0) {
		struct wait wait = wait_take(line);
		wait.done(wait.context, line->handler->judge(line->context, reply), reply);
	} else {
		line->handler->heard(line->context, reply);
	}
	line->looking = false;
	arena_reset(&line->answers);
}

static void flush(struct line *line)
{
	int done = 0;

	if (redisBufferWrite(line->redis, &done) != REDIS_OK) {
		lose(line, reason_of(line));
		return;
	}
	line->unsent = !done;
	if (done || (line->secure != NULL && tls_waits_to_read(line->secure)))
		event_del(line->write);
	else
		event_add(line->write, NULL);
}

static bool has_more(const struct line *line)
{
	return line->redis != NULL && line->secure != NULL && tls_has_more(line->secure);
}

/* What is left over is the begin of one string, which hiredis keeps until it is whole. */
static bool is_too_long(redisContext *redis)
{
	if (redis->reader->len - redis->reader->pos <= STRING_BYTES_MAX)
		return false;
	snprintf(redis->errstr, sizeof(redis->errstr), "an answer of more than %zu bytes",
	         STRING_BYTES_MAX);
	return true;
}

/* Returns false if the line is lost. */
static bool read_some(struct line *line)
{
	void *reply = NULL;

	if (redisBufferRead(line->redis) != REDIS_OK)
		return false;
	do {
		if (redisGetReplyFromReader(line->redis, &reply) != REDIS_OK)
			return false;
		if (reply != NULL)
			take(line, reply);
	} while (reply != NULL && line->redis != NULL);
	return line->redis == NULL || !is_too_long(line->redis);
}

static void on_readable(evutil_socket_t fd, short what, void *context)
{
	struct line *line = context;

	(void)fd;
	(void)what;
	if (!line->handler->may_read(line->context))
		return;
	line->heard_ms = clock_mono_ms();
	do {
		if (!read_some(line)) {
			lose(line, reason_of(line));
			return;
		}
	} while (has_more(line));
	if (line->redis != NULL && line->secure != NULL && line->unsent)
		flush(line);
}

static void on_flush(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	flush(context);
}

/* Begins the handshake, which goes on beneath the first reads and writes. */
static bool secure(struct line *line)
{
	if (line->tls == NULL)
		return true;
	struct ssl_st *session = tls_session(line->tls, line->host);
	if (session == NULL) {
		lose(line, "TLS is for a host with a name or an address");
		return false;
	}
	if (redisInitiateSSL(line->redis, session) == REDIS_OK) {
		line->secure = session;
		return true;
	}
	const char *reason = tls_reason(session);
	lose(line, reason != NULL ? reason : reason_of(line));
	tls_forget(session);
	return false;
}

static void connected(struct line *line)
{
	int error = 0;
	int on = 1;
	socklen_t size = sizeof(error);

	getsockopt(line->redis->fd, SOL_SOCKET, SO_ERROR, &error, &size);
	if (error != 0) {
		lose(line, strerror(error));
		return;
	}
	event_del(line->write);
	if (line->redis->connection_type == REDIS_CONN_TCP)
		setsockopt(line->redis->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (!secure(line))
		return;
	line->connected = true;
	line->heard_ms = clock_mono_ms();
	event_add(line->read, NULL);
	line->handler->opened(line->context);
}

static void on_writable(evutil_socket_t fd, short what, void *context)
{
	struct line *line = context;

	(void)fd;
	(void)what;
	if (line->connected)
		flush(line);
	else
		connected(line);
}

void line_add(struct line *line, struct slice beginning)
{
	assert(line->redis != NULL);
	redisAppendFormattedCommand(line->redis, beginning.data, beginning.size);
}

void line_send(struct line *line, struct slice command, line_done *done, void *context)
{
	line_add(line, command);
	if (done != NULL)
		wait_add(line, done, context);
	if (line->connected && event_pending(line->write, EV_WRITE, NULL) == 0)
		event_active(line->flush, EV_WRITE, 0);
}

/* ---- Opening */

/* hiredis must not see an allocation fail any more than we do. */
static void *allocate_zeroed(size_t count, size_t size)
{
	assert(size == 0 || count <= SIZE_MAX / size);
	return mem_zero(count * size);
}

static char *copy_text(const char *text)
{
	return mem_copy(text, strlen(text) + 1);
}

static void set_allocators(void)
{
	hiredisAllocFuncs functions = {
		.mallocFn = mem_alloc,
		.callocFn = allocate_zeroed,
		.reallocFn = mem_resize,
		.strdupFn = copy_text,
		.freeFn = free,
	};

	hiredisSetAllocators(&functions);
}

/*
 * A Redis, or a way to it, that is gone without a word is noticed even if nobody probes it.
 */
static void set_socket_options(redisContext *redis)
{
	int flags = fcntl(redis->fd, F_GETFD);

	fcntl(redis->fd, F_SETFD, flags | FD_CLOEXEC);
	if (redis->connection_type == REDIS_CONN_TCP) {
		redisEnableKeepAliveWithInterval(redis, KEEPALIVE_SECONDS);
		redisSetTcpUserTimeout(redis, TCP_USER_TIMEOUT_MS);
	}
}

static struct event *make_event(struct line *line, evutil_socket_t fd, short what,
                                event_callback_fn callback)
{
	struct event *event = event_new(line->base, fd, what, callback, line);

	if (event == NULL)
		abort();
	return event;
}

bool line_open(struct line *line, const struct endpoint *endpoint, struct tls *tls,
               const char *host, char reason[LINE_REASON_BYTES])
{
	redisOptions options = {.options = REDIS_OPT_NONBLOCK};

	assert(line->redis == NULL);
	line->tls = tls;
	line->host = host;
	set_allocators();
	if (endpoint->port == 0)
		REDIS_OPTIONS_SET_UNIX(&options, endpoint->name);
	else
		REDIS_OPTIONS_SET_TCP(&options, endpoint->name, endpoint->port);

	redisContext *redis = redisConnectWithOptions(&options);
	if (redis->err != 0) {
		snprintf(reason, LINE_REASON_BYTES, "%s", redis->errstr);
		redisFree(redis);
		return false;
	}
	set_socket_options(redis);
	redis->reader->maxelements = ELEMENTS_MAX;
	reply_make_in(redis->reader, &line->answers);
	line->redis = redis;
	line->heard_ms = clock_mono_ms();
	line->read = make_event(line, redis->fd, EV_READ | EV_PERSIST, on_readable);
	line->write = make_event(line, redis->fd, EV_WRITE | EV_PERSIST, on_writable);
	line->flush = make_event(line, -1, 0, on_flush);
	event_add(line->write, NULL);
	return true;
}
