/*
 * The happy path of a listing: ZRANGE of the mesh's index; the ids are handed over.
 *
 * Failures: no session, or no answer in time: NULL is handed over when the time is up. An answer
 * that comes later finds nobody. Redis refuses: NULL at once.
 */
#include "bus/listings.h"

#include <stdlib.h>

#include "bus/keys.h"
#include "bus/link.h"
#include "bus/topic.h"
#include "common/memory.h"
#include "common/timers.h"
#include "mesh/mesh.h"
#include "redis/reply.h"
#include "redis/session.h"

#define LISTINGS_MAX 1024 /* under way; further ones are answered NULL */

struct listings {
	struct link *link;
	struct list all;
	size_t count;
};

struct listing {
	struct list link;
	struct listings *listings;
	struct blob *index;
	struct timer timeout;
	bus_list_done *done; /* NULL: told already */
	void *context;
	bool asked; /* the answer will come */
};

/* ---- Is a peer online? */

struct check {
	struct topic *topic; /* counted */
	struct blob *peer;
};

static void on_exists(void *context, enum answer answer, const redisReply *reply)
{
	struct check *check = context;
	struct mesh *owner = topic_owner(check->topic);

	if (answer == ANSWER_OK && owner != NULL && reply_number(reply, 1) == 0)
		mesh_peer_missing(owner, blob_slice(check->peer));
	topic_unref(check->topic);
	blob_unref(check->peer);
	free(check);
}

void listings_check(struct topic *topic, struct slice peer)
{
	struct link *link = topic_link(topic);
	struct check *check;
	struct blob *key;

	if (!session_is_ready(link->session))
		return;
	check = mem_alloc(sizeof(*check));
	*check = (struct check){topic_ref(topic), blob_copy(peer)};
	key = keys_peer(slice_of(link->shared->settings->prefix), topic_mesh(topic), peer);
	const struct slice words[] = {SLICE("EXISTS"), blob_slice(key)};
	session_ask(link->session, words, 2, on_exists, check);
	blob_unref(key);
}

/* ---- Who is in a mesh? */

static void forget_if_done(struct listing *listing)
{
	if (listing->done != NULL || listing->asked)
		return;
	list_remove(&listing->link);
	listing->listings->count--;
	timer_stop(listing->listings->link->shared->timers, &listing->timeout);
	blob_unref(listing->index);
	free(listing);
}

static void tell(struct listing *listing, const struct slice *ids, size_t count)
{
	bus_list_done *done = listing->done;

	listing->done = NULL;
	if (done != NULL)
		done(listing->context, ids, count);
}

static void on_timeout(void *context)
{
	struct listing *listing = context;

	tell(listing, NULL, 0);
	forget_if_done(listing);
}

static void on_index(void *context, enum answer answer, const redisReply *reply)
{
	struct listing *listing = context;

	listing->asked = false;
	if (answer == ANSWER_OK) {
		size_t count = reply_count(reply);
		struct slice *ids =
			mem_alloc((count + 1) * sizeof(*ids)); /* not NULL, also if empty */
		for (size_t i = 0; i < count; i++)
			ids[i] = reply_text(reply_item(reply, i));
		tell(listing, ids, count);
		free(ids);
	} else if (answer == ANSWER_ERROR) {
		tell(listing, NULL, 0);
	}
	forget_if_done(listing); /* if the session ended under it, the next may come in time */
}

static void ask(struct listing *listing)
{
	const struct slice words[] = {SLICE("ZRANGE"), blob_slice(listing->index), SLICE("0"),
	                              SLICE("-1")};

	listing->asked = true;
	session_ask(listing->listings->link->session, words, 4, on_index, listing);
}

void listings_list(struct listings *listings, struct slice mesh, uint64_t timeout_ms,
                   bus_list_done *done, void *context)
{
	struct listing *listing = mem_zero(sizeof(*listing));
	bool full = listings->count >= LISTINGS_MAX;

	listing->listings = listings;
	listing->index = keys_index(slice_of(listings->link->shared->settings->prefix), mesh);
	listing->done = done;
	listing->context = context;
	list_init(&listing->link);
	list_append(&listings->all, &listing->link);
	listings->count++;
	timer_init(&listing->timeout, on_timeout, listing);
	timer_set(listings->link->shared->timers, &listing->timeout, full ? 0 : timeout_ms);
	if (!full && session_is_ready(listings->link->session))
		ask(listing);
}

void listings_ask(struct listings *listings)
{
	LIST_EACH(&listings->all, link) {
		struct listing *listing = LIST_ENTRY(link, struct listing, link);
		if (!listing->asked && listing->done != NULL)
			ask(listing);
	}
}

struct listings *listings_create(struct link *link)
{
	struct listings *listings = mem_zero(sizeof(*listings));

	listings->link = link;
	list_init(&listings->all);
	return listings;
}

void listings_destroy(struct listings *listings)
{
	if (listings == NULL)
		return;
	LIST_EACH(&listings->all, link)
		on_timeout(LIST_ENTRY(link, struct listing, link));
	free(listings);
}
