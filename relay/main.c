/*
 * p2p-relay: one node of the relay. Read it from the bottom.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "auth/auth.h"
#include "bus/bus.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/metrics.h"
#include "common/timers.h"
#include "edge/certificate.h"
#include "edge/edge.h"
#include "edge/scoreboard.h"
#include "mesh/hub.h"
#include "ops/admin.h"
#include "ops/healthcheck.h"
#include "ops/loop.h"
#include "ops/options.h"
#include "ops/systemd.h"
#include "ops/workers.h"

/* After a drain: how long to wait for Redis to take what this node still owes it. */
#define FAREWELL_MS_MAX 6000
#define FAREWELL_LOOK_MS 20

/* After --drain-seconds: 5 for clients that do not answer the close, the farewell, and some to spare. */
#define END_SECONDS_MAX 15

/* After a second signal: what the sockets get for their closing handshakes. */
#define HASTE_MS_MAX 500

#define EXIT_USAGE 2

/* What the workers share: memory that was there before they were forked. */
struct shared {
	struct scoreboard *scoreboard;
	struct metrics_page *metrics;
};

struct node {
	struct options options;
	const struct shared *shared; /* NULL: there is no other worker */
	unsigned worker;
	bool rehearsal; /* it will never run */
	struct loop *loop;
	struct bus *bus;
	struct auth *auth;               /* NULL: everybody may come in */
	struct certificate *certificate; /* NULL: clients are spoken to without TLS */
	struct edge *edge;
	struct hub *hub;
	struct admin *admin;
	struct timer farewell;
	uint64_t farewell_ends_ms;
	bool draining;
};

/* ---- Building it */

static struct hub_settings hub_settings(const struct options *options)
{
	return (struct hub_settings){
		.ttl_ms = options->ttl_seconds * 1000,
		.join_ms_max = options->join_seconds_max * 1000,
		.presence_repeat_ms = options->presence_repeat_seconds * 1000,
		.echo_window_ms = options->echo_window_ms,
		.mesh_peers_max = options->mesh_peers_max,
		.agents_max = options->agents_max,
		.message_bytes_max = options->message_bytes_max,
		.outbox_bytes_max = options->outbox_bytes_max,
		.messages_per_second = options->messages_per_second,
		.bytes_per_second = options->bytes_per_second,
		.joins_in_flight_max = options->joins_in_flight_max,
		.joins_waiting_max = options->joins_waiting_max,
		.replies_to_target = options->replies == OPTION_REPLIES_TO,
		.from_announced = options->from == OPTION_FROM_ANNOUNCED,
		.liveness_pongs = options->liveness == OPTION_LIVENESS_PONGS,
		.drop_types = options->drop_types.text,
		.version = RELAY_VERSION,
	};
}

static struct bus_settings bus_settings(const struct options *options)
{
	return (struct bus_settings){
		.redis.url = options->redis_url,
		.redis.password_file = options->redis_password_file,
		.redis.sentinel_user = options->redis_sentinel_user,
		.redis.sentinel_password_file = options->redis_sentinel_password_file,
		.redis.ca_file = options->redis_ca_file,
		.redis.cert_file = options->redis_cert_file,
		.redis.key_file = options->redis_key_file,
		.prefix = options->redis_prefix,
		.ttl_ms = options->ttl_seconds * 1000,
		.queue_bytes_max = options->bus_queue_bytes,
		.probe_ms = options->bus_probe_seconds * 1000,
		.first_use = options->bus_connect == OPTION_BUS_CONNECT_FIRST_USE,
	};
}

static struct auth_settings auth_settings(const struct options *options)
{
	return (struct auth_settings){
		.discovery_urls = options->discovery_url.text,
		.allowed_clients = options->allowed_client.text,
		.allowed_audiences = options->allowed_audience.text,
		.allowed_scopes = options->allowed_scope.text,
		.required_claims = options->required_claim.text,
		.mesh_claim = options->mesh_claim,
		.ca_file = options->auth_ca_file,
	};
}

static struct edge_settings edge_settings(const struct node *node)
{
	const struct options *options = &node->options;

	return (struct edge_settings){
		.listen_host = options->listen.host,
		.listen_port = options->listen.port,
		.scoreboard = node->shared != NULL ? node->shared->scoreboard : NULL,
		.worker = node->worker,
		.bind_only = node->rehearsal,
		.connections_max = options->connections_max,
		.message_bytes_max = options->message_bytes_max,
		.outbox_bytes_max = options->outbox_bytes_max,
		.frames_per_second = options->frames_per_second,
		.handshake_seconds_max = (unsigned)options->handshake_seconds_max,
		.ping_seconds = (unsigned)options->ping_seconds,
		.pong_seconds_max = (unsigned)options->pong_seconds_max,
		.fragment_seconds_max = (unsigned)options->message_seconds_max,
		.mesh_by_query = options->mesh_by == OPTION_MESH_BY_ANY ||
	                         options->mesh_by == OPTION_MESH_BY_QUERY,
		.mesh_by_header = options->mesh_by == OPTION_MESH_BY_ANY ||
	                          options->mesh_by == OPTION_MESH_BY_HEADER,
		.auth = node->auth,
		.token_by_query = options->token_query == OPTION_TOKEN_QUERY_ALLOW,
		.refuse_by_close = options->refuse_by == OPTION_REFUSE_BY_CLOSE,
		.connections_per_subject_max = options->connections_per_subject_max,
		.allowed_origins = options->allowed_origin.text,
		.trusted_proxies = options->trusted_proxy.text,
		.connections_per_address_max = options->connections_per_address_max,
		.certificate = node->certificate,
		.metrics_on_main = options->admin_listen.port == 0,
		.version = RELAY_VERSION,
	};
}

static bool is_ready(void *context, const char **reason)
{
	const struct node *node = context;

	return edge_is_ready(node->edge, reason);
}

static bool is_live(void *context)
{
	const struct node *node = context;

	return edge_is_live(node->edge);
}

static struct admin_settings admin_settings(struct node *node)
{
	return (struct admin_settings){
		.host = node->options.admin_listen.host,
		.port = node->options.admin_listen.port,
		.share_port = node->shared != NULL,
		.is_ready = is_ready,
		.is_live = is_live,
		.context = node,
	};
}

/* So that it shows how many there are, and how often one had to be replaced. */
static void count_process(void)
{
	metric_set(metric_gauge("p2p_relay_workers", "Processes that serve the port.", NULL, NULL),
	           1);
	metric_add(metric_counter("p2p_relay_worker_starts_total",
	                          "Workers started: more than there are, if some have died.", NULL,
	                          NULL),
	           1);
}

/* Says on stderr what keeps the node from being built, and returns the exit status. */
static int complain(int status, const char *about, const char *error)
{
	fprintf(stderr, "p2p-relay: %s%s\n", about, error);
	return status;
}

/* Complains of the first that is not. */
static bool files_are_readable(const struct options *options)
{
	const struct {
		const char *file;
		const char *complaint;
	} files[] = {
#define FILE_OF(name, flag) {options->name, flag " must be a readable file: "}
		FILE_OF(redis_password_file, "--redis-password-file"),
		FILE_OF(redis_sentinel_password_file, "--redis-sentinel-password-file"),
		FILE_OF(redis_ca_file, "--redis-ca-file"),
		FILE_OF(redis_cert_file, "--redis-cert-file"),
		FILE_OF(redis_key_file, "--redis-key-file"),
		FILE_OF(auth_ca_file, "--auth-ca-file"),
		FILE_OF(tls_cert_file, "--tls-cert-file"),
		FILE_OF(tls_key_file, "--tls-key-file"),
#undef FILE_OF
	};

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (files[i].file != NULL && access(files[i].file, R_OK) != 0) {
			complain(EXIT_USAGE, files[i].complaint, files[i].file);
			return false;
		}
	return true;
}

/* Returns the exit status: 0 if all was built. */
static int node_build(struct node *node)
{
	const struct options *options = &node->options;
	const struct bus_settings for_bus = bus_settings(options);
	const struct auth_settings for_auth = auth_settings(options);
	const struct hub_settings for_hub = hub_settings(options);
	const char *error = NULL;

	count_process();
	node->loop = loop_create();
	struct event_base *base = loop_base(node->loop);
	struct timers *timers = loop_timers(node->loop);

	if (!files_are_readable(options))
		return EXIT_USAGE;
	node->bus = bus_create(&for_bus, base, timers, &error);
	if (node->bus == NULL)
		return complain(EXIT_USAGE, "", error);
	if (options->auth == OPTION_AUTH_JWT) {
		node->auth = auth_create(&for_auth, base, timers, &error);
		if (node->auth == NULL)
			return complain(EXIT_USAGE, "", error);
	}
	if (options->tls_cert_file != NULL) {
		node->certificate = certificate_create(options->tls_cert_file,
		                                       options->tls_key_file, timers, &error);
		if (node->certificate == NULL)
			return complain(EXIT_USAGE, "", error);
	}
	const struct edge_settings for_edge = edge_settings(node);
	node->edge = edge_create(&for_edge, base, timers, &error);
	if (node->edge == NULL)
		return complain(EXIT_FAILURE, "", error);
	node->hub = hub_create(&for_hub, timers, edge_port(), bus_port(), node->bus);
	if (options->admin_listen.port == 0)
		return EXIT_SUCCESS;
	const struct admin_settings for_admin = admin_settings(node);
	node->admin = admin_create(base, &for_admin, &error);
	return node->admin != NULL ? EXIT_SUCCESS : complain(EXIT_FAILURE, "", error);
}

/* In reverse; every step accepts what was not built. */
static void node_destroy(struct node *node)
{
	admin_destroy(node->admin);
	edge_destroy(node->edge);
	certificate_destroy(node->certificate);
	hub_destroy(node->hub);
	auth_destroy(node->auth);
	bus_destroy(node->bus);
	loop_destroy(node->loop);
	metrics_reset();
}

/* ---- Running and ending it */

static void say_farewell(void *context)
{
	struct node *node = context;
	struct timers *timers = loop_timers(node->loop);

	if ((hub_is_empty(node->hub) && bus_is_settled(node->bus)) ||
	    timers_now(timers) >= node->farewell_ends_ms)
		loop_stop(node->loop);
	else
		timer_set(timers, &node->farewell, FAREWELL_LOOK_MS);
}

/* All sockets are closed. What the bus still owes is that the peers left, 3 s after they did. */
static void on_drained(void *context)
{
	struct node *node = context;

	node->farewell_ends_ms = timers_now(loop_timers(node->loop)) + FAREWELL_MS_MAX;
	say_farewell(node);
}

static void stop(void *context)
{
	struct node *node = context;

	loop_stop(node->loop);
}

/* The second time: the sockets are told that it is over, and that is all. */
static void stop_at_once(struct node *node)
{
	log_warn("stopping_at_once", LOG_NUMBER("connections", edge_socket_count(node->edge)));
	node->farewell.fire = stop;
	timer_set(loop_timers(node->loop), &node->farewell, HASTE_MS_MAX);
	edge_drain(node->edge, 0, stop, node);
}

/* Of those that end it the first asks politely, the second means now. */
static void on_signal(int signal, void *context)
{
	struct node *node = context;

	if (signal == SIGHUP) {
		if (node->certificate != NULL)
			certificate_reload(node->certificate);
		return;
	}
	if (node->draining) {
		stop_at_once(node);
		return;
	}
	log_info("stopping", LOG_NUMBER("signal", signal));
	node->draining = true;
	systemd_say_stopping((unsigned)node->options.drain_seconds + END_SECONDS_MAX);
	hub_drain(node->hub);
	edge_drain(node->edge, (unsigned)node->options.drain_seconds, on_drained, node);
}

/*
 * Without anything to read again SIGHUP ends the process, as when a terminal is closed; but from systemd
 * it is `systemctl reload`, which ends nothing.
 */
static bool takes_sighup(const struct options *options)
{
	return options->tls_cert_file != NULL || systemd_listens();
}

static void listen_to_signals(struct node *node)
{
	static const int alone[] = {SIGTERM, SIGINT, SIGHUP};
	static const int as_worker[] = {WORKERS_STOP, SIGHUP};
	bool is_worker = node->shared != NULL;
	unsigned count = is_worker ? 1 : 2;

	if (takes_sighup(&node->options))
		count++;
	loop_on_signals(node->loop, is_worker ? as_worker : alone, count, on_signal, node);
}

/* Clients are served. Said once: by the last worker that starts. */
static void announce(const struct node *node)
{
	log_info("listening", LOG_TEXT("version", RELAY_VERSION),
	         LOG_TEXT("host", node->options.listen.host),
	         LOG_NUMBER("port", edge_port_number(node->edge)));
	systemd_say_ready();
	if (options_are_open(&node->options))
		log_warn("no_authentication",
		         LOG_TEXT("meaning",
		                  "whoever reaches this port may connect and take any free id"));
}

static void node_run(struct node *node)
{
	timer_init(&node->farewell, say_farewell, node);
	listen_to_signals(node);
	bus_start(node->bus);
	if (edge_start(node->edge, node->hub))
		announce(node);
	loop_run(node->loop);
	log_info("stopped", LOG_NUMBER("connections", edge_socket_count(node->edge)));
}

/* Returns the exit status. */
static int serve(struct node *node)
{
	int status = node_build(node);

	metrics_enter();
	if (status == EXIT_SUCCESS)
		node_run(node);
	node_destroy(node);
	return status;
}

/* ---- Several of it */

static int work(unsigned worker, void *context)
{
	struct node *node = context;

	node->worker = worker;
	metrics_share(node->shared->metrics, node->options.workers, worker);
	return serve(node);
}

static void bury(unsigned worker, void *context)
{
	const struct node *node = context;
	const struct shared *shared = node->shared;

	metrics_leave(&shared->metrics[worker]);
	scoreboard_end(&shared->scoreboard->scores[worker], clock_mono_ms(),
	               clock_wall_ms() / 1000);
}

/*
 * Builds a node that never runs: to hear once, and before there are workers, what is wrong with the
 * options, whether the ports are free of others (who share theirs find out no more), and which one
 * port 0 is.
 */
static int rehearse(struct node *node)
{
	struct node rehearsal = {.options = node->options, .rehearsal = true};
	int status = node_build(&rehearsal);

	if (status == EXIT_SUCCESS)
		node->options.listen.port = (uint16_t)edge_port_number(rehearsal.edge);
	node_destroy(&rehearsal);
	return status;
}

static int serve_by_workers(struct node *node)
{
	unsigned count = (unsigned)node->options.workers;
	int status = rehearse(node);

	if (status != EXIT_SUCCESS)
		return status;
	const struct shared shared = {
		.scoreboard = mem_shared(scoreboard_size(count)),
		.metrics = mem_shared(count * sizeof(*shared.metrics)),
	};
	shared.scoreboard->count = count;
	node->shared = &shared;
	return workers_run(&(struct workers_settings){
		.count = count,
		.reload = takes_sighup(&node->options),
		.work = work,
		.died = bury,
		.context = node,
	});
}

int main(int argc, char **argv)
{
	static struct node node;
	const struct options_input input = {
		.argc = argc,
		.argv = argv,
		.variable = getenv,
		.version = RELAY_VERSION,
		.out = stdout,
		.err = stderr,
	};

	mem_setup();
	switch (options_parse(&node.options, &input)) {
	case OPTIONS_EXIT_OK:
		return EXIT_SUCCESS;
	case OPTIONS_EXIT_USAGE:
		return EXIT_USAGE;
	case OPTIONS_HEALTHCHECK:
		return healthcheck(&node.options, stderr) ? EXIT_SUCCESS : EXIT_FAILURE;
	case OPTIONS_RUN:
		break;
	}
	log_setup(node.options.log_level, node.options.log_format);
	signal(SIGPIPE, SIG_IGN);
	if (node.options.core_dumps == OPTION_CORE_DUMPS_OFF)
		prctl(PR_SET_DUMPABLE, 0);
	return node.options.workers > 1 ? serve_by_workers(&node) : serve(&node);
}
