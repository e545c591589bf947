/*
 * Happy path: a few accepts per turn of the loop, each handed to lws, which gives it
 * handshake_seconds_max to say what it wants.
 *
 * What may go wrong:
 *  - The address is taken, not ours, or none: a sentence for the operator.
 *  - Too many connections: newcomers wait in the kernel's queue until one ends.
 *  - No descriptors or no memory for one: the same, for a moment; else the loop would spin on a
 *    socket that stays readable.
 *  - The client is gone again, or lws can't take it: nothing to do, lws closes the descriptor.
 */
#include "edge/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/memory.h"

#define BACKLOG 4096
#define ACCEPTS_PER_TURN 64
#define PAUSE_MS 100

/* On top of the WebSockets: HTTP, and those that have not said yet what they want. */
#define OTHERS_MAX 1024

struct listener {
	struct edge *edge;
	int fd;
	unsigned port;
	size_t accepted; /* and not yet ended */
	bool paused;
	struct event *event;
	struct timer resume;
};

static const char *describe(char *text, size_t size, const struct edge *edge, const char *what,
                            int error)
{
	const char *host = edge->settings.listen_host;
	bool brackets = strchr(host, ':') != NULL && host[0] != '[';

	snprintf(text, size, "can't listen on %s%s%s:%u: %s%s%s", brackets ? "[" : "", host,
	         brackets ? "]" : "", edge->settings.listen_port, what, error != 0 ? ": " : "",
	         error != 0 ? strerror(error) : "");
	return text;
}

static bool parse(const struct edge_settings *settings, struct sockaddr_storage *address,
                  socklen_t *size)
{
	char host[INET6_ADDRSTRLEN + 2];
	struct sockaddr_in *v4 = (struct sockaddr_in *)address;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)address;
	size_t length = strlen(settings->listen_host);
	bool brackets = length > 2 && settings->listen_host[0] == '[' &&
	                settings->listen_host[length - 1] == ']';

	memset(address, 0, sizeof(*address));
	if (length >= sizeof(host) || settings->listen_port > UINT16_MAX)
		return false;
	memcpy(host, settings->listen_host + brackets, length + 1 - brackets);
	if (brackets)
		host[length - 2] = '\0';

	if (!brackets && inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons((uint16_t)settings->listen_port);
		*size = sizeof(*v4);
		return true;
	}
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons((uint16_t)settings->listen_port);
	*size = sizeof(*v6);
	return inet_pton(AF_INET6, host, &v6->sin6_addr) == 1;
}

/* Returns NULL, or the name of what failed. */
static const char *bind_to(struct listener *listener, const struct sockaddr_storage *address,
                           socklen_t size)
{
	static const int on = 1;
	static const int off = 0;
	struct sockaddr_storage bound = {0};
	socklen_t bound_size = sizeof(bound);

	listener->fd = socket(address->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (listener->fd < 0)
		return "socket";
	setsockopt(listener->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (listener->edge->settings.scoreboard != NULL &&
	    setsockopt(listener->fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) != 0)
		return "SO_REUSEPORT";
	if (address->ss_family ==
	    AF_INET6) /* [::] is for IPv4 too, whatever the machine's default */
		setsockopt(listener->fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	if (bind(listener->fd, (const struct sockaddr *)address, size) != 0)
		return "bind";
	if (!listener->edge->settings.bind_only && listen(listener->fd, BACKLOG) != 0)
		return "listen";
	if (getsockname(listener->fd, (struct sockaddr *)&bound, &bound_size) != 0)
		return "getsockname";
	/* The port is in the same place in both families. */
	listener->port = ntohs(((struct sockaddr_in *)&bound)->sin_port);
	return NULL;
}

static void pause_accepting(struct listener *listener)
{
	if (listener->paused)
		return;
	listener->paused = true;
	event_del(listener->event);
	metric_add(listener->edge->counters.accept_pauses, 1);
}

static void resume(void *context)
{
	struct listener *listener = context;

	if (!listener->paused)
		return;
	listener->paused = false;
	event_add(listener->event, NULL);
}

static bool accept_one(struct listener *listener)
{
	static const int on = 1;
	struct edge *edge = listener->edge;
	int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0) {
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
			log_warn("accept_failed", LOG_TEXT("reason", strerror(errno)));
			pause_accepting(listener);
			timer_set(edge->timers, &listener->resume, PAUSE_MS);
		}
		return errno == ECONNABORTED || errno == EINTR;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	listener->accepted++; /* first: lws may end it before it returns */
	metric_set(edge->counters.visitors, listener->accepted);
	lws_adopt_socket_vhost(edge->vhost, fd);
	return true;
}

static void on_readable(evutil_socket_t fd, short what, void *context)
{
	struct listener *listener = context;
	size_t accepted_max = listener->edge->settings.connections_max + OTHERS_MAX;

	(void)fd;
	(void)what;
	for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
		if (listener->accepted >= accepted_max) {
			pause_accepting(listener);
			return;
		}
		if (!accept_one(listener))
			return;
	}
}

struct listener *listener_create(struct edge *edge, const char **error)
{
	static char text[256];
	struct listener *listener = mem_zero(sizeof(*listener));
	struct sockaddr_storage address;
	socklen_t size;
	const char *failed;

	listener->edge = edge;
	listener->fd = -1;
	timer_init(&listener->resume, resume, listener);
	if (!parse(&edge->settings, &address, &size)) {
		*error = describe(text, sizeof(text), edge, "not a numeric address and a port", 0);
		goto fail;
	}
	failed = bind_to(listener, &address, size);
	if (failed != NULL) {
		*error = describe(text, sizeof(text), edge, failed, errno);
		goto fail;
	}
	listener->event =
		event_new(edge->base, listener->fd, EV_READ | EV_PERSIST, on_readable, listener);
	if (listener->event == NULL) {
		*error = describe(text, sizeof(text), edge, "no event", 0);
		goto fail;
	}
	return listener;

fail:
	listener_destroy(listener);
	return NULL;
}

void listener_start(struct listener *listener)
{
	event_add(listener->event, NULL);
}

unsigned listener_port(const struct listener *listener)
{
	return listener->port;
}

void listener_on_end(struct listener *listener)
{
	listener->accepted--;
	metric_set(listener->edge->counters.visitors, listener->accepted);
	if (!timer_is_set(&listener->resume))
		resume(listener);
}

void listener_destroy(struct listener *listener)
{
	if (listener == NULL)
		return;
	timer_stop(listener->edge->timers, &listener->resume);
	if (listener->event != NULL)
		event_free(listener->event);
	if (listener->fd >= 0)
		close(listener->fd);
	free(listener);
}
