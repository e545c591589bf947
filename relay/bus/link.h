/*
 * A link: all that is between this node and one Redis.
 *
 * This is the board that its parts are plugged into. A part is opaque to the others; they find each
 * other here, and what they share. There is one link now; a Cluster would have one per shard.
 *
 *	session         two connections, over all outages
 *	probe           are they alive, and did we stand still ourselves?
 *	scripts         the Lua scripts
 *	subscriptions   channels
 *	publications    the queue of what is published
 *	announces       topics with announces that leave at the end of the turn
 *	leaves          "gone from here", owed until answered
 *	listings        questions about any mesh
 *	recovery        from connected to up
 */
#pragma once

#include "bus/address.h"
#include "bus/bus.h"
#include "bus/keys.h"
#include "bus/meters.h"
#include "common/buffer.h"
#include "common/list.h"
#include "wire/parcel.h"

struct link {
	const struct bus_settings *settings;
	struct address address;
	struct event_base *base;
	struct timers *timers;
	struct hub *hub;
	struct meters meters;
	uint64_t node; /* 0 until link_start() */
	char node_text[KEYS_NODE_BYTES + 1];
	enum bus_state told; /* the state that the hub knows */
	char reason[128];    /* why it is down, as last logged */

	struct session *session;
	struct probe *probe;
	struct scripts *scripts;
	struct subscriptions *subscriptions;
	struct publications *publications;
	struct leaves *leaves;
	struct listings *listings;
	struct recovery *recovery;
	struct list topics;        /* see topic.c */
	struct list announces_due; /* see announces.c */

	struct buffer command; /* the one being put together */
	struct event *turn;
};

/* Returns owned; NULL and a sentence if the settings are wrong. Borrows everything. */
struct link *link_create(const struct bus_settings *settings, struct event_base *base,
                         struct timers *timers, const char **error);
void link_destroy(struct link *link);

/* Connects, if it has not begun to. */
void link_start(struct link *link);

enum bus_state link_state(const struct link *link);

/* Tells the hub the state if it is another than it knows. `reason`: why it is down; else NULL. */
void link_tell(struct link *link, const char *reason);

/*
 * At the end of this turn of the loop announces leave, and the hub is told if the queue is too
 * long.
 */
void link_wake(struct link *link);

/* Starts a command in link->command. */
struct buffer *link_command(struct link *link, size_t arguments);

/* Now, as the timers see it. */
uint64_t link_now_ms(const struct link *link);

/*
 * How long sweeps are held off after a connect: others must be able to announce their peers first.
 */
uint64_t link_hold_off_ms(const struct link *link);

/* The head of a parcel that this node makes, of a kind that has only a body. */
struct slice link_head(const struct link *link, enum parcel_kind kind,
                       char head[PARCEL_HEAD_BYTES_MAX]);
