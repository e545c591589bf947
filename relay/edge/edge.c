#include "edge/edge.h"

#include <stdlib.h>
#include <sys/resource.h>

#include "common/clock.h"
#include "common/memory.h"
#include "edge/bearer.h"
#include "edge/certificate.h"
#include "edge/deadlines.h"
#include "edge/drain.h"
#include "edge/flush.h"
#include "edge/guest.h"
#include "edge/http.h"
#include "edge/internal.h"
#include "edge/invocations.h"
#include "edge/listener.h"
#include "edge/readiness.h"
#include "edge/receive.h"
#include "edge/request.h"
#include "edge/socket.h"
#include "edge/tally.h"
#include "edge/upgrade.h"

/* For what is no client: Redis, admin listener, lws's own, ... */
#define DESCRIPTORS_RESERVED 1088

#define READ_BYTES_MAX 65536

/*
 * Of a request, its line included; longer ones are hung up on. What is not filled costs nothing, so
 * that every socket may have as much.
 */
#define HEADER_BYTES_MAX 32768

#define KEEP_ALIVE_SECONDS 30

static struct socket *socket_of(struct lws *wsi)
{
	return lws_wsi_user(wsi);
}

static void on_established(struct lws *wsi)
{
	struct guest *guest = lws_get_opaque_user_data(wsi);

	lws_set_opaque_user_data(wsi, NULL);
	socket_open(edge_of(wsi), wsi, guest);
}

static int on_socket_event(struct lws *wsi, enum lws_callback_reasons reason, struct slice bytes)
{
	struct socket *socket = socket_of(wsi);

	if (socket == NULL) /* CLOSED may come without ESTABLISHED */
		return 0;
	switch (reason) {
	case LWS_CALLBACK_RECEIVE:
		receive_piece(socket, bytes);
		return 0;
	case LWS_CALLBACK_USER: /* by deps/libwebsockets.patch: a ping or a pong */
		return socket_on_control(socket) ? 0 : -1;
	case LWS_CALLBACK_RECEIVE_PONG:
		socket_on_pong(socket);
		return 0;
	case LWS_CALLBACK_SERVER_WRITEABLE:
		return socket_on_writable(socket);
	case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
		return socket_on_peer_close(socket, bytes);
	case LWS_CALLBACK_WS_SERVER_DROP_PROTOCOL:
		socket_on_closing(socket);
		return 0;
	default:
		socket_on_end(socket);
		return 0;
	}
}

static void on_wsi_gone(struct lws *wsi)
{
	struct edge *edge = edge_of(wsi);

	if (socket_of(wsi) != NULL)
		socket_on_end(socket_of(wsi));
	guest_leave(lws_get_opaque_user_data(wsi)); /* admitted, but gone before the 101 */
	lws_set_opaque_user_data(wsi, NULL);
	invocations_on_end(edge, wsi);
	if (edge->settings.certificate != NULL)
		certificate_forget_errors();
	if (edge->listener != NULL)
		listener_on_end(edge->listener);
}

static int on_lws(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                  size_t size)
{
	switch (reason) {
	case LWS_CALLBACK_OPENSSL_LOAD_EXTRA_SERVER_VERIFY_CERTS:
		certificate_apply(edge_of(wsi)->settings.certificate, user);
		return 0;
	case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE:
		return upgrade_decide(edge_of(wsi), wsi, in);
	case LWS_CALLBACK_HTTP:
		return http_on_request(edge_of(wsi), wsi);
	case LWS_CALLBACK_HTTP_BODY_COMPLETION:
		return invocations_on_body(edge_of(wsi), wsi);
	case LWS_CALLBACK_HTTP_WRITEABLE:
		return invocations_on_writable(edge_of(wsi), wsi);
	case LWS_CALLBACK_RAW_ADOPT: /* CONNECT makes lws think of something else than HTTP */
	case LWS_CALLBACK_RAW_RX:
		return -1;
	case LWS_CALLBACK_ESTABLISHED:
		on_established(wsi);
		return 0;
	case LWS_CALLBACK_RECEIVE:
	case LWS_CALLBACK_USER:
	case LWS_CALLBACK_RECEIVE_PONG:
	case LWS_CALLBACK_SERVER_WRITEABLE:
	case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
	case LWS_CALLBACK_WS_SERVER_DROP_PROTOCOL:
	case LWS_CALLBACK_CLOSED:
		return on_socket_event(wsi, reason, (struct slice){in, size});
	case LWS_CALLBACK_WSI_DESTROY:
		on_wsi_gone(wsi);
		return 0;
	default:
		return 0;
	}
}

/* Only what may concern the operator, and not more than strangers can be allowed to cause. */
static void on_lws_log(int level, const char *line)
{
	static uint64_t quiet_until_ms;
	uint64_t now_ms = clock_mono_ms();
	size_t size = strcspn(line, "\n");

	if (level != LLL_ERR || now_ms < quiet_until_ms)
		return;
	quiet_until_ms = now_ms + 1000;
	log_warn("libwebsockets", LOG_SLICE("message", ((struct slice){line, size})));
}

/* lws must not see an allocation fail any more than we do: it does not look at all of them. */
static void *allocate(void *memory, size_t size, const char *reason)
{
	(void)reason;
	if (size > 0)
		return mem_resize(memory, size);
	free(memory);
	return NULL;
}

/*
 * No more than may be needed: lws takes 16 bytes at once for each that the process may have, and
 * containers may have a million or more.
 */
static void set_descriptor_limit(struct edge_settings *settings)
{
	rlim_t wanted = settings->connections_max + 2 * DESCRIPTORS_RESERVED;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	if (wanted > limit.rlim_max)
		wanted = limit.rlim_max;
	if (limit.rlim_cur != wanted) {
		limit.rlim_cur = wanted;
		if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
			getrlimit(RLIMIT_NOFILE, &limit);
	}

	size_t room = limit.rlim_cur > 2 * DESCRIPTORS_RESERVED
	                      ? limit.rlim_cur - DESCRIPTORS_RESERVED
	                      : limit.rlim_cur / 2;
	if (settings->connections_max > room) {
		log_warn("few_descriptors", LOG_NUMBER("limit", limit.rlim_cur),
		         LOG_NUMBER("connections_max", room));
		settings->connections_max = room;
	}
}

static bool create_lws(struct edge *edge)
{
	/* The second name is for browsers with a token: see bearer.h. The first is never sent. */
	static const struct lws_protocols protocols[] = {
		{.name = "",
	         .callback = on_lws,
	         .rx_buffer_size = READ_BYTES_MAX,
	         .tx_packet_size = 1 << 20},
		{.name = BEARER_PROTOCOL,
	         .callback = on_lws,
	         .rx_buffer_size = READ_BYTES_MAX,
	         .tx_packet_size = 1 << 20},
		LWS_PROTOCOL_LIST_TERM,
	};
	static const lws_retry_bo_t
		no_keepalive; /* lws's own costs 190 us per pong with 9,000 sockets */
	void *loops[] = {edge->base};
	struct lws_context_creation_info info = {
		.options = LWS_SERVER_OPTION_LIBEVENT | LWS_SERVER_OPTION_EXPLICIT_VHOSTS,
		.foreign_loops = loops,
		.user = edge,
		.port = CONTEXT_PORT_NO_LISTEN_SERVER,
		.protocols = protocols,
		.retry_and_idle_policy = &no_keepalive,
		.pt_serv_buf_size = 2 * READ_BYTES_MAX,
		.max_http_header_data = HEADER_BYTES_MAX,
		.timeout_secs = edge->settings.handshake_seconds_max,
		.timeout_secs_ah_idle = edge->settings.handshake_seconds_max,
		.keepalive_timeout = KEEP_ALIVE_SECONDS,
		.vhost_name = "edge",
	};

	if (edge->settings.certificate != NULL)
		info.options |= LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT |
		                LWS_SERVER_OPTION_CREATE_VHOST_SSL_CTX;
	lws_set_log_level(LLL_ERR, on_lws_log);
	lws_set_allocator(allocate);
	edge->lws = lws_create_context(&info);
	if (edge->lws == NULL)
		return false;
	edge->vhost = lws_create_vhost(edge->lws, &info);
	return edge->vhost != NULL;
}

struct edge *edge_create(const struct edge_settings *settings, struct event_base *base,
                         struct timers *timers, const char **error)
{
	struct edge *edge = mem_zero(sizeof(*edge));

	edge->settings = *settings;
	if (settings->allowed_origins == NULL)
		edge->settings.allowed_origins = "same";
	edge->base = base;
	edge->timers = timers;
	edge->scratch = mem_alloc(WRITE_BYTES_MAX);
	list_init(&edge->sockets);
	list_init(&edge->invocations);
	edge->subjects = tally_create();
	edge_counters_init(&edge->counters);
	readiness_init(edge);
	deadlines_init(edge);
	drain_init(edge);

	edge->addresses = tally_create();
	if (settings->trusted_proxies != NULL &&
	    !networks_parse(slice_of(settings->trusted_proxies), &edge->trusted_proxies)) {
		*error = "the trusted proxies are no networks";
		goto fail;
	}
	set_descriptor_limit(&edge->settings);
	edge->listener = listener_create(edge, error);
	if (edge->listener == NULL)
		goto fail;
	if (!flush_init(edge) || !create_lws(edge)) {
		*error = "libwebsockets could not be set up";
		goto fail;
	}
	return edge;

fail:
	edge_destroy(edge);
	return NULL;
}

bool edge_start(struct edge *edge, struct hub *hub)
{
	edge->hub = hub;
	listener_start(edge->listener);
	readiness_show(edge);
	return scoreboard_start(edge->scoreboard);
}

unsigned edge_port_number(const struct edge *edge)
{
	return listener_port(edge->listener);
}

size_t edge_socket_count(const struct edge *edge)
{
	return edge->score->activity.open;
}

void edge_destroy(struct edge *edge)
{
	if (edge == NULL)
		return;
	drain_fini(edge);
	listener_destroy(edge->listener);
	edge->listener = NULL;
	if (edge->lws != NULL)
		lws_context_destroy(edge->lws); /* ends all sockets */
	invocations_fini(edge);
	tally_destroy(edge->subjects);
	flush_fini(edge);
	deadlines_fini(edge);
	tally_destroy(edge->addresses);
	readiness_fini(edge);
	free(edge->scratch);
	free(edge);
}
