/*
 * The node's face to its clients: one port, on which WebSockets are upgraded and HTTP is answered.
 *
 * Everything happens in the thread of the event base that edge_create() was given.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/timers.h"
#include "mesh/ports.h"

struct auth;
struct certificate;
struct edge;
struct event_base;
struct hub;
struct scoreboard;

struct edge_settings {
	const char *listen_host; /* a numeric address; IPv6 with or without [] */
	unsigned listen_port;    /* 0 = any free one, see edge_port_number() */
	/*
	 * Of the workers that share the port (SO_REUSEPORT), and which of them this is: see
	 * scoreboard.h. Borrowed. NULL: there are no others.
	 */
	struct scoreboard *scoreboard;
	unsigned worker;
	bool bind_only;         /* to find out whether it can be: nobody can connect yet */
	size_t connections_max; /* WebSockets, of all workers together; the next gets 503 */
	/* Of one message from a client. A longer one ends the connection with 1009. */
	size_t message_bytes_max;
	/* Queued for one client; who needs more is closed with 4413. Several times message_bytes_max. */
	size_t outbox_bytes_max;
	uint64_t frames_per_second;     /* to one socket; more wait in its outbox. 0 = no limit */
	unsigned handshake_seconds_max; /* for the whole of a request's head, and for its body */
	unsigned ping_seconds;
	unsigned pong_seconds_max;     /* a ping unanswered for this long ends the connection */
	unsigned fragment_seconds_max; /* for a message that comes in pieces */
	bool mesh_by_query;            /* ?mesh=NAME */
	bool mesh_by_header; /* X-Amzn-Bedrock-AgentCore-Runtime-Custom-Mesh: NAME; beats the query */
	struct auth *auth;   /* borrowed; NULL: everybody may come in */
	bool token_by_query;  /* ?token=TOKEN */
	bool refuse_by_close; /* WebSockets are opened and closed at once, not refused */
	size_t connections_per_subject_max; /* the next gets 429; 0 = no limit */
	/* Patterns, see common/origin.h: of pages that may open a WebSocket. NULL: "same". */
	const char *allowed_origins;
	/* Networks, see common/ip.h: of proxies, whose X-Forwarded-For counts. NULL: none. */
	const char *trusted_proxies;
	size_t connections_per_address_max; /* WebSockets; the next gets 429. 0 = no limit */
	struct certificate *certificate;    /* borrowed; NULL: the port speaks no TLS */
	bool metrics_on_main;               /* GET /metrics for clients on this machine */
	const char *version;
};

/*
 * Returns owned, with the port bound, but nobody served yet; or NULL, with a sentence in *error
 * that is good until the next call. Copies the settings, borrows their strings, the base and the
 * timers for its life. Raises the process's limit of open files.
 */
struct edge *edge_create(const struct edge_settings *settings, struct event_base *base,
                         struct timers *timers, const char **error);

/*
 * Starts to serve. Borrows the hub until edge_destroy(). True if it is the last of the workers that
 * share the port.
 */
bool edge_start(struct edge *edge, struct hub *hub);

/* What the mesh calls. The sockets carry their edge with them. */
const struct edge_port *edge_port(void);

/* The port that is really bound. */
unsigned edge_port_number(const struct edge *edge);

/*
 * May newcomers be sent here, whichever of the workers they get to? If not, says why in *reason (a
 * literal). For /readyz.
 */
bool edge_is_ready(const struct edge *edge, const char **reason);

/* False if one of the workers stands still. For /livez. */
bool edge_is_live(const struct edge *edge);

/* WebSockets open now, in this process. */
size_t edge_socket_count(const struct edge *edge);

/*
 * Moves all clients away: no newcomers, /readyz says 503, each client is told when to go, and who
 * has not gone by then is closed with 1012, spread over `seconds`. HTTP is answered until
 * edge_destroy(). Calls done(context) from the loop once the last socket is gone, a few seconds
 * after `seconds` at the latest. With 0 all go at once; so they do, with 1001,
 * when it is called again: the later `done` counts.
 */
void edge_drain(struct edge *edge, unsigned seconds, void (*done)(void *context), void *context);

/* Cuts all connections. Not to be called from one of the edge's own callbacks. Accepts NULL. */
void edge_destroy(struct edge *edge);
