/*
 * Happy path: each client is told when to go, the moments spread over the window, a slice of
 * clients per tick; they go by themselves. Whoever is still there some time after its moment is
 * closed with 1012: a client that opens its new connection before it ends the old one, so as to
 * miss nothing, needs that time. So a node with ten thousand clients does not send them all at once
 * to its neighbours.
 *
 * What may go wrong:
 *  - A client ignores it all, the closing handshake included: it is cut by its deadline
 *    (deadlines.c).
 *  - Whoever drains loses patience: begun again, all go at once, with 1001.
 */
#include "edge/drain.h"

#include "edge/deadlines.h"
#include "edge/readiness.h"
#include "edge/socket.h"

#define TICK_MS 50
#define TOLD_PER_TICK 500
#define GRACE_MS_MAX 5000

static uint64_t elapsed_ms(const struct edge *edge)
{
	return timers_now(edge->timers) - edge->drain.begun_ms;
}

/* From the moment to go to the close. */
static uint64_t grace_ms(const struct drain *drain)
{
	uint64_t quarter = drain->window_ms / 4;

	return quarter < GRACE_MS_MAX ? quarter : GRACE_MS_MAX;
}

/* When the n-th of all has to go, counted from the begin. */
static uint64_t moment_ms(const struct drain *drain, size_t n)
{
	return n * (drain->window_ms - grace_ms(drain)) / drain->total;
}

/* How many have had their moment, and the time after it. */
static size_t gone_wanted(const struct drain *drain, uint64_t elapsed)
{
	uint64_t grace = grace_ms(drain);

	if (elapsed >= drain->window_ms)
		return drain->total;
	if (elapsed < grace)
		return 0;
	return (size_t)(drain->total * (elapsed - grace) / (drain->window_ms - grace));
}

static void tell_some(struct edge *edge)
{
	struct drain *drain = &edge->drain;
	uint64_t elapsed = elapsed_ms(edge);

	for (size_t i = 0; (i < TOLD_PER_TICK || drain->hasty) && !list_empty(&edge->sockets);
	     i++) {
		struct socket *socket = LIST_ENTRY(edge->sockets.next, struct socket, member);
		uint64_t moment = moment_ms(drain, drain->told_count++);

		list_remove(&socket->member);
		list_append(&drain->told, &socket->member);
		if (socket->state == SOCKET_OPEN)
			connection_drain(socket->connection,
			                 moment > elapsed ? moment - elapsed : 0);
	}
}

/* Closes the told ones in order; those that went by themselves count as closed. */
static void close_some(struct edge *edge)
{
	struct drain *drain = &edge->drain;
	size_t wanted = gone_wanted(drain, elapsed_ms(edge));
	size_t gone = drain->total - edge_socket_count(edge);

	LIST_EACH(&drain->told, link) {
		struct socket *socket = LIST_ENTRY(link, struct socket, member);
		if (gone >= wanted)
			break;
		gone++;
		if (drain->begun_again)
			socket_close(socket, CLOSE_GOING_AWAY, "the node goes away");
		else
			socket_close(socket, CLOSE_RESTARTING, "the node restarts");
	}
}

static void on_tick(void *context)
{
	struct edge *edge = context;
	struct drain *drain = &edge->drain;

	tell_some(edge);
	close_some(edge);
	if (edge_socket_count(edge) > 0) {
		timer_set(edge->timers, &drain->timer, TICK_MS);
		return;
	}
	log_info("drained", LOG_NUMBER("connections", drain->total),
	         LOG_NUMBER("ms", elapsed_ms(edge)));
	void (*done)(void *) = drain->done;
	drain->done = NULL;
	if (done != NULL)
		done(drain->context);
}

void drain_init(struct edge *edge)
{
	list_init(&edge->drain.told);
	timer_init(&edge->drain.timer, on_tick, edge);
}

void drain_fini(struct edge *edge)
{
	timer_stop(edge->timers, &edge->drain.timer);
}

/* Those that are leaving already get less time, too. */
static void make_haste(struct edge *edge)
{
	edge->drain.hasty = true;
	edge->drain.window_ms = 0;
	LIST_EACH(&edge->drain.told, link) {
		struct socket *socket = LIST_ENTRY(link, struct socket, member);
		if (socket->state == SOCKET_LEAVING || socket->state == SOCKET_LEFT)
			deadlines_leave(socket);
	}
}

void edge_drain(struct edge *edge, unsigned seconds, void (*done)(void *context), void *context)
{
	struct drain *drain = &edge->drain;

	drain->done = done;
	drain->context = context;
	drain->begun_again = drain->begun;
	if (!drain->begun) {
		drain->begun = true;
		drain->begun_ms = timers_now(edge->timers);
		drain->window_ms = seconds * (uint64_t)1000;
		drain->total = edge_socket_count(edge);
	}
	readiness_show(edge);
	if (drain->begun_again || seconds == 0)
		make_haste(edge);
	log_info("draining", LOG_NUMBER("connections", edge_socket_count(edge)),
	         LOG_NUMBER("seconds", drain->window_ms / 1000));
	timer_set(edge->timers, &drain->timer, 0);
}
