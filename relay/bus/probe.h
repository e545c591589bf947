/*
 * Is the link alive, and are we?
 *
 * A subscriber can be connected and deaf, and a connection to a host that is gone can look well for
 * a quarter of an hour. So a connection that was silent for a while is proven: what the one
 * publishes on the node's own channel must arrive at the other. If what somebody else publishes there
 * arrives, too, this process has been cloned: it takes another number.
 */
#pragma once

#include <stdbool.h>

struct link;
struct probe;

/* Returns owned. */
struct probe *probe_create(struct link *link);
/* Accepts NULL. */
void probe_destroy(struct probe *probe);

/* Between them the session is ready. */
void probe_start(struct probe *probe);
void probe_stop(struct probe *probe);

/*
 * The link is up. Looks for a twin only now: if Redis lets nobody publish, the session ends by it, and
 * the peers' leases are to be renewed before.
 */
void probe_up(struct probe *probe);

/*
 * Sees to it that the node's own channel is one of this link: on a Cluster its slot may be elsewhere
 * now.
 */
void probe_place(struct probe *probe);

/*
 * Call before anything is read. Returns false, and fails the session, if this process stood still
 * for long: others may have told its peers offline meanwhile, and what waits to be read is from
 * before.
 */
bool probe_is_awake(struct probe *probe);

/* A message came in on any channel. */
void probe_heard(struct probe *probe);
