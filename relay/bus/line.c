/*
 * The happy path: line_open() connects, opened() follows, line_send() as often as wanted,
 * line_close().
 *
 * Failures: the connect fails, Redis closes, the socket breaks, or Redis says something that is no
 * RESP. hiredis then frees its context by itself, after it called all callbacks with NULL. It tells
 * us first through the `cleanup` hook, so that nothing is sent into a context that is about to go.
 *
 * hiredis's own libevent adapter makes four epoll_ctl() calls per write. This one keeps its events,
 * and writes from one that is only ever activated by hand: none.
 */
#include "bus/line.h"

#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "common/clock.h"
#include "common/memory.h"

#define KEEPALIVE_SECONDS 5       /* idle before the kernel asks, and all its questions together */
#define TCP_USER_TIMEOUT_MS 10000 /* sent and not acknowledged */

struct line {
	redisAsyncContext *redis; /* NULL: closed */
	struct event_base *base;
	const struct line_handler *handler;
	void *context;
	struct event *read;
	struct event *write; /* only while connecting, and while the socket is full */
	struct event *flush; /* activated, never added */
	uint64_t heard_ms;
	bool flushing;
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
	free(line);
}

static void free_event(struct event **event)
{
	if (*event != NULL)
		event_free(*event);
	*event = NULL;
}

static void free_events(struct line *line)
{
	free_event(&line->read);
	free_event(&line->write);
	free_event(&line->flush);
}

/* ---- What hiredis asks of the event loop. */

static void add_read(void *context)
{
	struct line *line = context;

	event_add(line->read, NULL);
}

static void remove_read(void *context)
{
	struct line *line = context;

	event_del(line->read);
}

static void add_write(void *context)
{
	struct line *line = context;
	bool connected = (line->redis->c.flags & REDIS_CONNECTED) != 0;

	if (!connected || line->flushing)
		event_add(line->write, NULL);
	else if (event_pending(line->write, EV_WRITE, NULL) == 0)
		event_active(line->flush, EV_WRITE, 0);
}

static void remove_write(void *context)
{
	struct line *line = context;

	event_del(line->write);
}

/* Called once, before the callbacks if hiredis itself gives the connection up. */
static void cleanup(void *context)
{
	struct line *line = context;
	const char *reason;

	if (line->redis == NULL)
		return; /* line_close() was first */
	reason = line->redis->errstr != NULL && line->redis->errstr[0] != '\0' ? line->redis->errstr
	                                                                       : "closed";
	line->redis = NULL;
	free_events(line);
	line->handler->lost(line->context, reason);
}

static void on_connect(const redisAsyncContext *redis, int status)
{
	struct line *line = redis->data;

	if (status == REDIS_OK && line->redis == redis) {
		line->heard_ms = clock_mono_ms();
		line->handler->opened(line->context);
	}
}

static void on_readable(evutil_socket_t fd, short what, void *context)
{
	struct line *line = context;

	(void)fd;
	(void)what;
	if (!line->handler->may_read(line->context))
		return;
	line->heard_ms = clock_mono_ms();
	redisAsyncHandleRead(line->redis);
}

/* Also tells hiredis that the connect is done. */
static void on_writable(evutil_socket_t fd, short what, void *context)
{
	struct line *line = context;

	(void)fd;
	(void)what;
	line->flushing = true;
	redisAsyncHandleWrite(line->redis);
	line->flushing = false;
}

/* ---- Opening and closing */

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

static void attach(struct line *line, redisAsyncContext *redis)
{
	line->redis = redis;
	line->flushing = false;
	line->heard_ms = clock_mono_ms();
	line->read = event_new(line->base, redis->c.fd, EV_READ | EV_PERSIST, on_readable, line);
	line->write = event_new(line->base, redis->c.fd, EV_WRITE | EV_PERSIST, on_writable, line);
	line->flush = event_new(line->base, -1, 0, on_writable, line);
	if (line->read == NULL || line->write == NULL || line->flush == NULL)
		abort();

	redis->data = line;
	redis->ev.data = line;
	redis->ev.addRead = add_read;
	redis->ev.delRead = remove_read;
	redis->ev.addWrite = add_write;
	redis->ev.delWrite = remove_write;
	redis->ev.cleanup = cleanup;
	redisAsyncSetConnectCallback(redis, on_connect);
}

/*
 * A Redis, or a way to it, that is gone without a word is noticed even if the probe were not there.
 */
static void set_socket_options(redisAsyncContext *redis)
{
	int flags = fcntl(redis->c.fd, F_GETFD);

	fcntl(redis->c.fd, F_SETFD, flags | FD_CLOEXEC);
	if (redis->c.connection_type == REDIS_CONN_TCP) {
		redisEnableKeepAliveWithInterval(&redis->c, KEEPALIVE_SECONDS);
		redisSetTcpUserTimeout(&redis->c, TCP_USER_TIMEOUT_MS);
	}
}

bool line_open(struct line *line, const struct endpoint *endpoint, char reason[LINE_REASON_BYTES])
{
	redisOptions options = {0};

	assert(line->redis == NULL);
	set_allocators();
	if (endpoint->port == 0)
		REDIS_OPTIONS_SET_UNIX(&options, endpoint->name);
	else
		REDIS_OPTIONS_SET_TCP(&options, endpoint->name, endpoint->port);

	redisAsyncContext *redis = redisAsyncConnectWithOptions(&options);
	if (redis->err != 0) {
		snprintf(reason, LINE_REASON_BYTES, "%s", redis->errstr);
		redisAsyncFree(redis);
		return false;
	}
	set_socket_options(redis);
	attach(line, redis);
	return true;
}

void line_close(struct line *line)
{
	redisAsyncContext *redis = line->redis;

	if (redis == NULL)
		return;
	line->redis = NULL;
	free_events(line);
	redisAsyncFree(redis);
}

uint64_t line_heard_ms(const struct line *line)
{
	return line->heard_ms;
}

void line_send(struct line *line, struct slice command, redisCallbackFn *callback, void *context)
{
	assert(line->redis != NULL);
	int status = redisAsyncFormattedCommand(line->redis, callback, context, command.data,
	                                        command.size);
	assert(status == REDIS_OK);
	(void)status;
}
