/*
 * A way to Redis that can be spoilt: a unix socket that passes everything on, until it is told to
 * refuse, to keep messages of subscribers back, or to answer in Redis's place.
 */
#pragma once

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "tests/unit/bus/fixture.h"

#define PROXY_PAIRS_MAX 64

struct proxy;

struct pair {
	struct proxy *proxy;
	struct bufferevent *client;
	struct bufferevent *redis;
	bool subscriber;
	bool swallowed;
};

struct proxy {
	struct server *server;
	struct event_base *base;
	struct evconnlistener *listener;
	char socket[64];
	char url[80];
	struct pair pairs[PROXY_PAIRS_MAX];
	size_t pair_count;
	bool refuses;       /* what is open is closed, what is new is refused */
	bool deafens;       /* subscribers hear nothing */
	bool swallows;      /* who calls a script hears nothing from then on */
	const char *answer; /* in place of Redis's answers on the other connections */
};

static inline void pair_close(struct pair *pair)
{
	if (pair->client != NULL)
		bufferevent_free(pair->client);
	if (pair->redis != NULL)
		bufferevent_free(pair->redis);
	pair->client = pair->redis = NULL;
}

static inline void on_client_says(struct bufferevent *client, void *context)
{
	struct pair *pair = context;
	struct evbuffer *in = bufferevent_get_input(client);
	struct evbuffer_ptr at = evbuffer_search(in, "\r\nSUBSCRIBE\r\n", 13, NULL);

	if (at.pos >= 0)
		pair->subscriber = true;
	at = evbuffer_search(in, "\r\nEVALSHA\r\n", 11, NULL);
	if (at.pos >= 0 && pair->proxy->swallows)
		pair->swallowed = true;
	bufferevent_write_buffer(pair->redis, in);
}

static inline void on_redis_says(struct bufferevent *redis, void *context)
{
	struct pair *pair = context;
	struct evbuffer *in = bufferevent_get_input(redis);

	if (pair->swallowed || (pair->proxy->deafens && pair->subscriber)) {
		evbuffer_drain(in, evbuffer_get_length(in));
		return;
	}
	if (pair->proxy->answer != NULL && !pair->subscriber) {
		evbuffer_drain(in, evbuffer_get_length(in));
		bufferevent_write(pair->client, pair->proxy->answer, strlen(pair->proxy->answer));
		return;
	}
	bufferevent_write_buffer(pair->client, in);
}

static inline void on_pair_event(struct bufferevent *either, short what, void *context)
{
	(void)either;
	if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR))
		pair_close(context);
}

static inline void on_accept(struct evconnlistener *listener, evutil_socket_t fd,
                             struct sockaddr *from, int size, void *context)
{
	struct proxy *proxy = context;
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	(void)listener;
	(void)from;
	(void)size;
	if (proxy->refuses) {
		close(fd);
		return;
	}
	assert_true(proxy->pair_count < PROXY_PAIRS_MAX);
	struct pair *pair = &proxy->pairs[proxy->pair_count++];
	pair->proxy = proxy;
	pair->subscriber = false;
	pair->swallowed = false;
	pair->client = bufferevent_socket_new(proxy->base, fd, BEV_OPT_CLOSE_ON_FREE);
	pair->redis = bufferevent_socket_new(proxy->base, -1, BEV_OPT_CLOSE_ON_FREE);
	bufferevent_setcb(pair->client, on_client_says, NULL, on_pair_event, pair);
	bufferevent_setcb(pair->redis, on_redis_says, NULL, on_pair_event, pair);
	bufferevent_enable(pair->client, EV_READ | EV_WRITE);
	bufferevent_enable(pair->redis, EV_READ | EV_WRITE);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", proxy->server->socket);
	bufferevent_socket_connect(pair->redis, (struct sockaddr *)&address, sizeof(address));
}

static inline void proxy_start(struct proxy *proxy, struct world *world)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	*proxy = (struct proxy){.server = &world->server, .base = world->base};
	snprintf(proxy->socket, sizeof(proxy->socket), "%s.proxy", world->server.folder);
	snprintf(proxy->url, sizeof(proxy->url), "unix:%s", proxy->socket);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", proxy->socket);
	proxy->listener =
		evconnlistener_new_bind(world->base, on_accept, proxy, LEV_OPT_CLOSE_ON_FREE, -1,
	                                (struct sockaddr *)&address, sizeof(address));
	assert_non_null(proxy->listener);
	world->settings.redis.url = proxy->url;
}

/* To subscribers, what Redis did not say. */
static inline void proxy_say(struct proxy *proxy, const char *words)
{
	for (size_t i = 0; i < proxy->pair_count; i++)
		if (proxy->pairs[i].subscriber && proxy->pairs[i].client != NULL)
			bufferevent_write(proxy->pairs[i].client, words, strlen(words));
}

static inline void proxy_cut(struct proxy *proxy)
{
	for (size_t i = 0; i < proxy->pair_count; i++)
		pair_close(&proxy->pairs[i]);
	proxy->pair_count = 0;
}

static inline void proxy_stop(struct proxy *proxy)
{
	proxy_cut(proxy);
	evconnlistener_free(proxy->listener);
	unlink(proxy->socket);
}
