/*
 * The channel on which the node that is the first to hear that its Redis has become a replica tells
 * the others. Such a one may keep its clients and take what they publish, but nobody hears that who
 * has left already: so all leave at once.
 *
 * Not on a Cluster, where a replica says MOVED to all that is published.
 */
#pragma once

struct demotion;
struct link;

/* Returns owned. */
struct demotion *demotion_create(struct link *link);
/* Accepts NULL. */
void demotion_destroy(struct demotion *demotion);

/* Redis has said so. The session must still be ready. */
void demotion_tell(struct demotion *demotion);
