/*
 * A link: all that is between this node and one Redis server. There is one; on a Cluster, one for
 * each shard.
 *
 * This is the board that its parts are plugged into. A part is opaque to the others; they find each
 * other here, and what they share.
 *
 *	session         two connections, over all outages
 *	probe           are they alive, and did we stand still ourselves?
 *	demotion        is it still a master?
 *	scripts         the Lua scripts
 *	subscriptions   channels
 *	traffic         how much is published and not yet answered
 *	listings        questions about any mesh
 *	topics          the meshes that live there; each recovers by itself
 */
#pragma once

#include "bus/shared.h"
#include "wire/parcel.h"

struct link {
	struct list in_shared;
	struct shared *shared;
	struct address_host
		target;      /* a shard of a Cluster; without a name: where the address says */
	enum bus_state told; /* as last logged */
	char reason[128];    /* why it is down, as last logged */

	struct session *session;
	struct probe *probe;
	struct demotion *demotion;
	struct scripts *scripts;
	struct subscriptions *subscriptions;
	struct traffic *traffic;
	struct listings *listings;
	struct list topics;           /* see topic.c */
	struct list announces_due;    /* see announces.c */
	struct list publications_due; /* see publications.c */

	/* Recoveries under way: see recovery.c. */
	size_t recovering;
	unsigned recovery_calls;
	struct list recoveries_waiting;

	/* In this session: */
	bool begun;      /* the scripts are loaded, topics may recover */
	bool subscribed; /* what was held when it began */
	bool up;         /* all topics have recovered */

	struct event *turn;
};

/* Returns owned. `target` is copied; NULL: where the address says. */
struct link *link_create(struct shared *shared, const struct address_host *target);

/* Connects, if it has not begun to. */
void link_start(struct link *link);

/* For good: nothing is sent any more, and all who wait for an answer are told. */
void link_stop(struct link *link);

/* It must be stopped, and without topics. Accepts NULL. */
void link_destroy(struct link *link);

enum bus_state link_state(const struct link *link);

/*
 * The best state of all links: a shard that is gone is no reason to turn away who wants another.
 */
enum bus_state links_state(const struct shared *shared);

/* ---- For its parts */

/* A topic has recovered: is the link up now? */
void link_look(struct link *link);

/*
 * A subscription has ended by itself. On a Cluster its slot may be another shard's by now; any other
 * Redis has no reason to, and both connections are made anew.
 */
void link_dropped(struct link *link);

/* At the end of this turn of the loop leaves what is to be announced and published. */
void link_wake(struct link *link);

uint64_t link_now_ms(const struct link *link);

/*
 * On a Cluster each message begins with some bytes of the run id of the server that it was handed
 * to. A master that stood still while its shard failed over works off, when it wakes, what was on its
 * way to it, and the Cluster passes that on to the master of today, whose subscribers we are: they
 * know by these bytes that it is from yesterday. Elsewhere there are none.
 */
#define LINK_ORIGIN_BYTES 8

size_t link_origin_bytes(const struct link *link);
/* Writes them. */
void link_write_origin(const struct link *link, char *at);
/* Takes them off the front. Returns false if the message is from elsewhere. */
bool link_read_origin(const struct link *link, struct slice *message);

/* What a message that this node makes begins with, of a kind that has only a body. */
#define LINK_HEAD_BYTES_MAX (LINK_ORIGIN_BYTES + PARCEL_HEAD_BYTES_MAX)
struct slice link_head(const struct link *link, enum parcel_kind kind,
                       char head[LINK_HEAD_BYTES_MAX]);
