#include "mesh/roster.h"

#include <assert.h>
#include <stdlib.h>

#include "common/list.h"
#include "common/memory.h"
#include "wire/name.h"

struct roster {
	struct table peers;
	struct table agents;     /* name -> struct agent */
	struct table tombstones; /* ids that went offline while a snapshot is being read */
	uint64_t agent_ms;
	uint64_t version;
	uint64_t load; /* number of the latest; 0 = none yet */
	bool loading;
};

/* A name, and who announces it. Lives as long as somebody does. */
struct agent {
	struct table_entry entry;
	struct list claims;
	char name[];
};

/* One peer's announcement of one name. */
struct claim {
	struct list of_agent;
	struct list of_peer;
	struct agent *agent;
	struct peer *peer;
	uint64_t until_ms; /* UINT64_MAX while the latest announcement has it */
};

struct tombstone {
	struct table_entry entry;
	char id[];
};

static struct peer *peer_of(struct table_entry *entry)
{
	return entry == NULL ? NULL : TABLE_HOLDER(entry, struct peer, entry);
}

struct roster *roster_create(uint64_t agent_ms)
{
	struct roster *roster = mem_zero(sizeof(*roster));

	table_init(&roster->peers);
	table_init(&roster->agents);
	table_init(&roster->tombstones);
	roster->agent_ms = agent_ms;
	return roster;
}

static void claim_destroy(struct roster *roster, struct claim *claim)
{
	struct agent *agent = claim->agent;

	list_remove(&claim->of_agent);
	list_remove(&claim->of_peer);
	free(claim);
	if (list_empty(&agent->claims)) {
		table_remove(&roster->agents, &agent->entry);
		free(agent);
	}
}

static void peer_destroy(struct roster *roster, struct peer *peer)
{
	LIST_EACH(&peer->agents, link)
		claim_destroy(roster, LIST_ENTRY(link, struct claim, of_peer));
	table_remove(&roster->peers, &peer->entry);
	blob_unref(peer->presence);
	free(peer);
}

static void bury_all(struct roster *roster)
{
	struct table_cursor cursor = {0};
	struct table_entry *entry;

	while ((entry = table_next(&roster->tombstones, &cursor)) != NULL) {
		table_remove(&roster->tombstones, entry);
		free(TABLE_HOLDER(entry, struct tombstone, entry));
	}
}

void roster_clear(struct roster *roster)
{
	struct table_cursor cursor = {0};
	struct peer *peer;

	while ((peer = roster_next(roster, &cursor)) != NULL)
		peer_destroy(roster, peer);
	bury_all(roster);
	roster->loading = false;
	roster->version++;
}

void roster_destroy(struct roster *roster)
{
	if (roster == NULL)
		return;
	roster_clear(roster);
	table_fini(&roster->peers);
	table_fini(&roster->agents);
	table_fini(&roster->tombstones);
	free(roster);
}

size_t roster_size(const struct roster *roster)
{
	return roster->peers.size;
}

uint64_t roster_version(const struct roster *roster)
{
	return roster->version;
}

struct peer *roster_find(const struct roster *roster, struct slice id)
{
	return peer_of(table_find(&roster->peers, id));
}

struct peer *roster_next(const struct roster *roster, struct table_cursor *cursor)
{
	return peer_of(table_next(&roster->peers, cursor));
}

static struct claim *claim_of(const struct peer *peer, struct slice name)
{
	LIST_EACH(&peer->agents, link) {
		struct claim *claim = LIST_ENTRY(link, struct claim, of_peer);
		if (slice_equal(claim->agent->entry.key, name))
			return claim;
	}
	return NULL;
}

static struct agent *agent_named(struct roster *roster, struct slice name)
{
	struct table_entry *entry = table_find(&roster->agents, name);

	if (entry != NULL)
		return TABLE_HOLDER(entry, struct agent, entry);

	struct agent *agent = mem_zero(sizeof(*agent) + name.size);
	memcpy(agent->name, name.data, name.size);
	list_init(&agent->claims);
	table_insert(&roster->agents, &agent->entry, (struct slice){agent->name, name.size});
	return agent;
}

static void claim_name(struct roster *roster, struct peer *peer, struct slice name)
{
	struct claim *claim = claim_of(peer, name);

	if (claim == NULL) {
		claim = mem_zero(sizeof(*claim));
		claim->agent = agent_named(roster, name);
		claim->peer = peer;
		list_append(&claim->agent->claims, &claim->of_agent);
		list_append(&peer->agents, &claim->of_peer);
	}
	claim->until_ms = UINT64_MAX;
}

/* Takes over the names of the announcement; those it lacks stay for a while (tabs of one peer take turns announcing). */
static void renew_claims(struct roster *roster, struct peer *peer, uint64_t now_ms)
{
	struct slice agents = peer->parsed.agents;
	struct slice name;
	char scratch[NAME_ID_BYTES_MAX];

	LIST_EACH(&peer->agents, link) {
		struct claim *claim = LIST_ENTRY(link, struct claim, of_peer);
		if (claim->until_ms == UINT64_MAX)
			claim->until_ms = now_ms + roster->agent_ms;
		else if (claim->until_ms <= now_ms)
			claim_destroy(roster, claim);
	}
	while (presence_next_agent(&agents, scratch, &name))
		claim_name(roster, peer, name);
}

static struct peer *peer_create(struct roster *roster, struct slice id)
{
	struct peer *peer = mem_zero(sizeof(*peer) + id.size);
	char *copy = (char *)(peer + 1);

	memcpy(copy, id.data, id.size);
	list_init(&peer->agents);
	table_insert(&roster->peers, &peer->entry, (struct slice){copy, id.size});
	return peer;
}

static bool put(struct roster *roster, struct slice id, struct slice message, uint64_t seen_ms,
                uint64_t now_ms)
{
	struct presence parsed;

	if (!presence_read(message, &parsed))
		return false;

	struct peer *peer = roster_find(roster, id);
	bool news = peer == NULL || !slice_equal(peer->parsed.data, parsed.data);
	if (peer == NULL)
		peer = peer_create(roster, id);
	peer->suspect = 0;
	peer->seen_ms = seen_ms;
	if (!news)
		return false;

	blob_unref(peer->presence);
	peer->presence = blob_copy(message);
	presence_read(blob_slice(peer->presence), &peer->parsed);
	renew_claims(roster, peer, now_ms);
	roster->version++;
	return true;
}

bool roster_put(struct roster *roster, struct slice id, struct slice message, uint64_t seen_ms,
                uint64_t now_ms)
{
	bool news = put(roster, id, message, seen_ms, now_ms);
	struct peer *peer = roster_find(roster, id);

	if (peer != NULL)
		peer->touched = roster->load;
	return news;
}

/* The snapshot may still have it: whoever reads that then must know better. */
static void remember_gone(struct roster *roster, struct slice id)
{
	if (table_find(&roster->tombstones, id) != NULL)
		return;

	struct tombstone *tombstone = mem_zero(sizeof(*tombstone) + id.size);
	memcpy(tombstone->id, id.data, id.size);
	table_insert(&roster->tombstones, &tombstone->entry,
	             (struct slice){tombstone->id, id.size});
}

bool roster_remove(struct roster *roster, struct slice id)
{
	struct peer *peer = roster_find(roster, id);

	if (roster->loading)
		remember_gone(roster, id);
	if (peer == NULL)
		return false;
	peer_destroy(roster, peer);
	roster->version++;
	return true;
}

bool roster_peer_has_agent(const struct peer *peer, struct slice agent, uint64_t now_ms)
{
	struct claim *claim = claim_of(peer, agent);

	return claim != NULL && claim->until_ms > now_ms;
}

size_t roster_with_agent(const struct roster *roster, struct slice agent, uint64_t now_ms,
                         struct peer **peers, size_t peers_max)
{
	struct table_entry *entry = table_find(&roster->agents, agent);
	size_t count = 0;

	if (entry == NULL)
		return 0;

	const struct list *claims = &TABLE_HOLDER(entry, struct agent, entry)->claims;
	LIST_EACH(claims, link) {
		struct claim *claim = LIST_ENTRY(link, struct claim, of_agent);
		if (count < peers_max && claim->until_ms > now_ms)
			peers[count++] = claim->peer;
	}
	return count;
}

void roster_load_begin(struct roster *roster)
{
	bury_all(roster);
	roster->load++;
	roster->loading = true;
}

bool roster_load_put(struct roster *roster, struct slice id, struct slice message, uint64_t seen_ms,
                     uint64_t now_ms)
{
	struct peer *peer = roster_find(roster, id);
	bool news = false;

	assert(roster->loading);
	if (table_find(&roster->tombstones, id) != NULL)
		return false;
	if (message.data != NULL && (peer == NULL || peer->touched != roster->load))
		news = put(roster, id, message, seen_ms, now_ms);

	peer = roster_find(roster, id);
	if (peer != NULL) {
		peer->listed = roster->load;
		peer->suspect = 0;
	}
	return news;
}

size_t roster_load_end(struct roster *roster)
{
	struct table_cursor cursor = {0};
	struct peer *peer;
	size_t suspects = 0;

	while ((peer = roster_next(roster, &cursor)) != NULL) {
		if (peer->touched == roster->load || peer->listed == roster->load)
			continue;
		peer->suspect = roster->load;
		suspects++;
	}
	bury_all(roster);
	roster->loading = false;
	return suspects;
}
