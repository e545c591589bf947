/*
 * What the files of this folder share: the edge, and one of its sockets.
 *
 * Who may write a member is said beside it; all may read.
 */
#pragma once

#include <event2/event.h>
#include <libwebsockets.h>

#include "common/buffer.h"
#include "common/ip.h"
#include "common/list.h"
#include "common/log.h"
#include "edge/counters.h"
#include "edge/edge.h"
#include "edge/outbox.h"
#include "edge/scoreboard.h"
#include "edge/wheel.h"
#include "mesh/connection.h"
#include "mesh/hub.h"

/* One write at most. frame_text() makes frames that fit several times. */
#define WRITE_BYTES_MAX 65536

enum socket_state {
	SOCKET_OPEN,
	SOCKET_CLOSING, /* somebody wants it closed; the flush will see to it */
	SOCKET_LEAVING, /* the mesh has let go; the close frame waits for its turn */
	SOCKET_LEFT,    /* the close frame is lws's business now, or the socket is dead */
};

struct guest;
struct pacer;
struct message; /* one that comes in pieces; receive.c */

/* 128 bytes. What is not needed while a socket idles hangs off it. */
struct socket {
	struct edge *edge;
	struct lws *wsi;
	struct connection *connection; /* socket.c; NULL before hub_connect() and from LEAVING on */
	struct outbox *outbox;         /* NULL = empty */
	struct message *message;       /* receive.c; NULL = none */
	struct guest *guest;           /* socket.c; NULL = there is nothing to watch */
	struct pacer *pacer;           /* socket.c; NULL = as many frames as it takes */
	struct list member;            /* of edge->sockets, or of edge->drain.told */
	struct list work;              /* of edge->dirty, while the flush has something to do */
	struct list slot;              /* deadlines.c */
	const char *close_reason;      /* socket.c, with close_code */
	uint32_t number;               /* the connection's, for logs */
	uint32_t act_at_s;   /* deadlines.c: the next ping; from LEAVING on: when it is cut */
	uint32_t pinged_s;   /* deadlines.c: first ping since it was last heard; 0 = none */
	uint32_t controls_s; /* socket.c: the second in which these came: */
	uint16_t controls;   /* pings and pongs */
	uint16_t close_code;
	uint8_t state; /* socket.c */
	bool reading;  /* socket.c */
};

/* drain.c */
struct drain {
	bool begun;
	bool begun_again;
	bool hasty;
	size_t total; /* sockets at the begin */
	size_t told_count;
	uint64_t begun_ms;
	uint64_t window_ms;
	struct list told;
	struct timer timer;
	void (*done)(void *context);
	void *context;
};

struct listener;
struct tally;

struct edge {
	struct edge_settings settings;
	struct event_base *base;
	struct timers *timers;
	struct hub *hub;
	struct lws_context *lws;
	struct lws_vhost *vhost;
	struct listener *listener;
	struct networks trusted_proxies;
	struct tally *addresses; /* visitor.c: their WebSockets */
	struct list sockets;     /* socket.c, drain.c */
	struct list dirty;       /* flush.c */
	struct event *flush;     /* flush.c */
	bool flush_due;          /* flush.c */
	char *scratch;           /* WRITE_BYTES_MAX, for whoever needs it until it returns */
	size_t gathered_bytes;   /* receive.c: held by all messages that come in pieces */
	struct list invocations; /* invocations.c */
	struct tally *subjects;  /* guest.c */
	size_t invocation_count;
	struct wheel wheel; /* deadlines.c */
	struct blob *ping;  /* deadlines.c: the frame */
	struct drain drain;
	struct scoreboard *scoreboard; /* readiness.c */
	struct score *score;           /* readiness.c: our own; socket.c: its activity */
	struct timer show;             /* readiness.c */
	struct edge_counters counters;
};

static inline struct edge *edge_of(struct lws *wsi)
{
	return lws_context_user(lws_get_context(wsi));
}
