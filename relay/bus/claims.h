/* Announcements on their way to Redis, up to 100 of a mesh in one call. */
#pragma once

#include "common/list.h"
#include "mesh/lease.h"
#include "mesh/ports.h"

struct claim {
	struct list link;
	struct inbox *inbox; /* counted */
	struct blob *owner;
	struct blob *message;
	uint64_t heard_ms;
	bool loud;
	bool fresh;
	enum announce_answer answer; /* once it is there */
};

/* Returns owned: a copy of the announcement. */
struct claim *claim_create(struct inbox *inbox, const struct announcement *announcement);
void claim_destroy(struct claim *claim);

/* Called once for each claims_send(). The claims are destroyed after it. */
typedef void claims_done(void *context, struct list *claims);

/*
 * Takes from the front of a list of claims, all of `topic`, as many as go into one call, and sends
 * them. The list must not be empty, the session must be ready.
 */
void claims_send(struct topic *topic, struct list *claims, claims_done *done, void *context);

/* Gives all claims of the list that answer. */
void claims_answer(struct list *claims, enum announce_answer answer, claims_done *done,
                   void *context);
