/*
 * The edge with a mesh that does what its clients tell it, for the tests beside it.
 *
 * Stands in for relay/mesh at link time. A message is a command; what is none comes back as it is.
 *
 *	all TEXT           to every connection
 *	blast N SIZE       N messages of SIZE bytes back
 *	exempt N SIZE      the same, not counted against the outbox
 *	close CODE         closes the connection; "close now CODE" sends a message first
 *	pause MS           does not read for so long; being called meanwhile would abort the program
 *	backlog            how many bytes wait in the outbox
 *	mesh               the mesh's name
 *	state              counters of the program
 */
#include <assert.h>
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include <event2/event.h>

#include "common/clock.h"
#include "common/list.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/metrics.h"
#include "common/utf8.h"
#include "edge/certificate.h"
#include "edge/edge.h"
#include "mesh/connection.h"
#include "mesh/hub.h"
#include "wire/frame.h"

struct hub {
	struct timers *timers;
	struct list connections;
	uint32_t numbers;
	uint32_t pongs;
	bool calling; /* the mesh runs: the edge must not call it */
	const char *unready;
};

struct connection {
	struct hub *hub;
	struct socket *socket;
	struct list link;
	struct timer resume;
	uint32_t number;
	bool paused;
	char mesh[65];
};

struct listing {
	struct timer timer;
	bus_list_done *done;
	void *context;
	bool lost;
};

static struct hub the_hub;
static bool fan_out; /* --fan-out: a message goes to all others; for measuring */
static bool echo;    /* --echo: a message is none of these, and comes back if it is UTF-8 */

static unsigned number_of(const char *text)
{
	return (unsigned)strtoul(text, NULL, 10);
}

static void say(struct connection *connection, struct slice text)
{
	struct blob *frames = frame_text(&text, 1);

	edge_port()->send(connection->socket, frames, 0, frames->size, false);
	blob_unref(frames);
}

static void say_number(struct connection *connection, uint64_t number)
{
	char text[32];
	int size = snprintf(text, sizeof(text), "%llu", (unsigned long long)number);

	say(connection, (struct slice){text, (size_t)size});
}

static void blast(struct connection *connection, const char *arguments, bool exempt)
{
	char *rest;
	unsigned long count = strtoul(arguments, &rest, 10);
	unsigned long size = strtoul(rest, NULL, 10);
	char *text = mem_alloc(size);
	memset(text, 'x', size);
	for (unsigned long i = 0; i < count; i++) {
		/* Numbered, so that the client sees the order. */
		struct blob *frames;
		char number[16];
		int digits = snprintf(number, sizeof(number), "%lu ", i);
		memcpy(text, number, (size_t)digits < size ? (size_t)digits : size);
		struct slice part = {text, size};
		frames = frame_text(&part, 1);
		edge_port()->send(connection->socket, frames, 0, frames->size, exempt);
		blob_unref(frames);
	}
	free(text);
}

static void on_resume(void *context)
{
	struct connection *connection = context;

	connection->paused = false;
	edge_port()->read(connection->socket, true);
}

/* `but` is left out. */
static void say_all(struct hub *hub, struct slice text, const struct connection *but)
{
	struct blob *frames = frame_text(&text, 1);

	LIST_EACH(&hub->connections, link) {
		struct connection *connection = LIST_ENTRY(link, struct connection, link);
		if (connection != but)
			edge_port()->send(connection->socket, frames, 0, frames->size, false);
	}
	blob_unref(frames);
}

static void say_state(struct connection *connection)
{
	char text[128];
	size_t count = 0;

	LIST_EACH(&connection->hub->connections, link)
		count++;
	int size = snprintf(text, sizeof(text), "{\"connections\":%zu,\"pongs\":%u}", count,
	                    connection->hub->pongs);
	say(connection, (struct slice){text, (size_t)size});
}

/* That a message is UTF-8 is for the mesh to see to. */
static void give_back(struct connection *connection, struct slice message)
{
	if (utf8_valid(message))
		say(connection, message);
	else
		edge_port()->close(connection->socket, CLOSE_NOT_UTF8, "not UTF-8");
}

static void obey(struct connection *connection, struct slice message)
{
	char text[64] = "";

	memcpy(text, message.data, message.size < sizeof(text) ? message.size : sizeof(text) - 1);
	if (strncmp(text, "all ", 4) == 0) {
		say_all(connection->hub, (struct slice){message.data + 4, message.size - 4}, NULL);
	} else if (strncmp(text, "blast ", 6) == 0) {
		blast(connection, text + 6, false);
	} else if (strncmp(text, "exempt ", 7) == 0) {
		blast(connection, text + 7, true);
	} else if (strncmp(text, "close now ", 10) == 0) {
		say(connection, SLICE("last words"));
		edge_port()->close(connection->socket, (enum close_code)number_of(text + 10),
		                   "as told");
		say(connection, SLICE("never sent"));
	} else if (strncmp(text, "close ", 6) == 0) {
		edge_port()->close(connection->socket, (enum close_code)number_of(text + 6),
		                   "as told");
	} else if (strncmp(text, "pause ", 6) == 0) {
		connection->paused = true;
		edge_port()->read(connection->socket, false);
		timer_set(connection->hub->timers, &connection->resume, number_of(text + 6));
	} else if (strcmp(text, "backlog") == 0) {
		say_number(connection, edge_port()->backlog(connection->socket));
	} else if (strcmp(text, "mesh") == 0) {
		say(connection, slice_of(connection->mesh));
	} else if (strcmp(text, "state") == 0) {
		say_state(connection);
	} else if (strcmp(text, "unready") == 0) {
		connection->hub->unready = "as told";
	} else {
		say(connection, message);
	}
}

/* What the edge calls. */

struct connection *hub_connect(struct hub *hub, struct slice mesh, struct slice owner,
                               struct socket *socket)
{
	struct connection *connection = mem_zero(sizeof(*connection));

	(void)owner;
	assert(!hub->calling);
	connection->hub = hub;
	connection->socket = socket;
	connection->number = ++hub->numbers;
	memcpy(connection->mesh, mesh.data, mesh.size);
	timer_init(&connection->resume, on_resume, connection);
	list_append(&hub->connections, &connection->link);
	return connection;
}

void connection_receive(struct connection *connection, struct slice message)
{
	assert(!connection->hub->calling && !connection->paused && message.data != NULL);
	connection->hub->calling = true;
	if (fan_out)
		say_all(connection->hub, message, connection);
	else if (echo)
		give_back(connection, message);
	else
		obey(connection, message);
	connection->hub->calling = false;
}

void connection_pong(struct connection *connection)
{
	assert(!connection->hub->calling);
	connection->hub->pongs++;
}

void connection_auth_expiring(struct connection *connection, uint64_t expires_ms)
{
	(void)connection;
	(void)expires_ms;
	abort(); /* this edge asks for no tokens */
}

void connection_drain(struct connection *connection, uint64_t reconnect_ms)
{
	char text[64];
	int size = snprintf(text, sizeof(text), "drain %llu", (unsigned long long)reconnect_ms);

	assert(!connection->hub->calling);
	say(connection, (struct slice){text, (size_t)size});
}

void connection_destroy(struct connection *connection)
{
	assert(!connection->hub->calling);
	/* The edge ignores whatever a mesh does with a socket that it has let go. */
	edge_port()->close(connection->socket, CLOSE_POLICY, "too late");
	edge_port()->read(connection->socket, false);
	say(connection, SLICE("too late"));
	timer_stop(connection->hub->timers, &connection->resume);
	list_remove(&connection->link);
	free(connection);
}

uint32_t connection_number(const struct connection *connection)
{
	return connection->number;
}

bool hub_is_ready(const struct hub *hub, const char **reason)
{
	*reason = hub->unready;
	return hub->unready == NULL;
}

static void on_listing(void *context)
{
	static const struct slice ids[] = {{"ann", 3}, {"b\"ob", 4}};
	struct listing *listing = context;

	listing->done(listing->context, listing->lost ? NULL : ids, listing->lost ? 0 : 2);
	free(listing);
}

void hub_list(struct hub *hub, struct slice mesh, uint64_t timeout_ms, bus_list_done *done,
              void *context)
{
	struct listing *listing = mem_zero(sizeof(*listing));

	assert(timeout_ms == 1000);
	listing->done = done;
	listing->context = context;
	listing->lost = slice_is(mesh, "lost");
	timer_init(&listing->timer, on_listing, listing);
	timer_set(hub->timers, &listing->timer, slice_is(mesh, "slow") ? 300 : 10);
}

/* The program: its loop turns the timers, SIGTERM drains, SIGINT does not. */

static struct event_base *base;
static struct event *clock_event;
static struct edge *edge;
static unsigned drain_seconds;
static const char *cert_file;
static const char *key_file;

static void turn_timers(evutil_socket_t fd, short what, void *context)
{
	uint64_t wait_ms;

	(void)fd;
	(void)what;
	(void)context;
	if (timers_run(the_hub.timers, &wait_ms)) {
		struct timeval wait = {(time_t)(wait_ms / 1000),
		                       (suseconds_t)(wait_ms % 1000) * 1000};
		event_add(clock_event, &wait);
	} else {
		event_del(clock_event);
	}
}

static void on_wake(void *context)
{
	(void)context;
	event_active(clock_event, EV_TIMEOUT, 1);
}

static void on_drained(void *context)
{
	(void)context;
	event_base_loopexit(base, NULL);
}

static void on_term(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	(void)context;
	edge_drain(edge, drain_seconds, on_drained, NULL);
}

static void on_int(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	on_drained(context);
}

static void read_options(int argc, char **argv, struct edge_settings *settings)
{
	static const struct option options[] = {
		{"host", required_argument, NULL, 'h'},
		{"port", required_argument, NULL, 'p'},
		{"connections-max", required_argument, NULL, 'c'},
		{"message-bytes-max", required_argument, NULL, 'm'},
		{"outbox-bytes-max", required_argument, NULL, 'o'},
		{"frames-per-second", required_argument, NULL, 'r'},
		{"handshake-seconds", required_argument, NULL, 's'},
		{"ping-seconds", required_argument, NULL, 'i'},
		{"pong-seconds-max", required_argument, NULL, 'g'},
		{"fragment-seconds-max", required_argument, NULL, 'f'},
		{"drain-seconds", required_argument, NULL, 'd'},
		{"allowed-origins", required_argument, NULL, 'O'},
		{"trusted-proxies", required_argument, NULL, 'T'},
		{"connections-per-address-max", required_argument, NULL, 'A'},
		{"tls-cert-file", required_argument, NULL, 'C'},
		{"tls-key-file", required_argument, NULL, 'K'},
		{"metrics", no_argument, NULL, 'M'},
		{"fan-out", no_argument, NULL, 'F'},
		{"echo", no_argument, NULL, 'E'},
		{0},
	};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		unsigned number = optarg != NULL ? number_of(optarg) : 0;
		switch (option) {
		case 'h':
			settings->listen_host = optarg;
			break;
		case 'p':
			settings->listen_port = number;
			break;
		case 'c':
			settings->connections_max = number;
			break;
		case 'm':
			settings->message_bytes_max = number;
			break;
		case 'o':
			settings->outbox_bytes_max = number;
			break;
		case 'r':
			settings->frames_per_second = number;
			break;
		case 's':
			settings->handshake_seconds_max = number;
			break;
		case 'i':
			settings->ping_seconds = number;
			break;
		case 'g':
			settings->pong_seconds_max = number;
			break;
		case 'f':
			settings->fragment_seconds_max = number;
			break;
		case 'd':
			drain_seconds = number;
			break;
		case 'O':
			settings->allowed_origins = optarg;
			break;
		case 'T':
			settings->trusted_proxies = optarg;
			break;
		case 'A':
			settings->connections_per_address_max = number;
			break;
		case 'C':
			cert_file = optarg;
			break;
		case 'K':
			key_file = optarg;
			break;
		case 'M':
			settings->metrics_on_main = true;
			break;
		case 'F':
			fan_out = true;
			break;
		case 'E':
			echo = true;
			break;
		default:
			exit(2);
		}
	}
}

int main(int argc, char **argv)
{
	struct edge_settings settings = {
		.listen_host = "127.0.0.1",
		.connections_max = 20000,
		.message_bytes_max = 1 << 20,
		.outbox_bytes_max = 4 << 20,
		.handshake_seconds_max = 10,
		.ping_seconds = 25,
		.pong_seconds_max = 60,
		.fragment_seconds_max = 30,
		.mesh_by_query = true,
		.mesh_by_header = true,
		.version = "0.0.0-test",
	};
	const char *error = NULL;

	read_options(argc, argv, &settings);
	log_setup(fan_out ? LOG_LEVEL_WARN : LOG_LEVEL_DEBUG, LOG_FORMAT_LOGFMT);
	base = event_base_new();
	clock_event = evtimer_new(base, turn_timers, NULL);
	the_hub.timers = timers_create(clock_mono_ms, on_wake, NULL);
	list_init(&the_hub.connections);
	if (cert_file != NULL)
		settings.certificate =
			certificate_create(cert_file, key_file, the_hub.timers, &error);
	edge = edge_create(&settings, base, the_hub.timers, &error);
	if (edge == NULL) {
		fprintf(stderr, "%s\n", error);
		event_free(clock_event);
		timers_destroy(the_hub.timers);
		event_base_free(base);
		metrics_reset();
		return 1;
	}
	edge_start(edge, &the_hub);
	struct event *term = evsignal_new(base, SIGTERM, on_term, NULL);
	event_add(term, NULL);
	struct event *interrupt = evsignal_new(base, SIGINT, on_int, NULL);
	event_add(interrupt, NULL);
	printf("%u\n", edge_port_number(edge));
	fflush(stdout);

	event_base_dispatch(base);

	edge_destroy(edge);
	certificate_destroy(settings.certificate);
	assert(list_empty(&the_hub.connections));
	uint64_t wait_ms;
	while (timers_run(the_hub.timers,
	                  &wait_ms)) /* lists that are under way answer a dead edge's invocations */
		;
	event_free(term);
	event_free(interrupt);
	event_free(clock_event);
	timers_destroy(the_hub.timers);
	event_base_free(base);
	metrics_reset();
	libevent_global_shutdown();
	return 0;
}
