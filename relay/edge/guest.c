/*
 * The happy path: a page that may, a place on the node, a token, a mesh, a place among the sockets
 * of its address and of its subject.
 *
 * A token that is good only because clocks may differ is good for a minute; else the socket ends with
 * it. The end is looked at on the wall clock each time, since that is what the token means, and it
 * may be set while the socket is open.
 */
#include "edge/guest.h"

#include <stdlib.h>

#include "auth/auth.h"
#include "auth/claims.h"
#include "auth/token.h"
#include "common/clock.h"
#include "common/memory.h"
#include "edge/answer.h"
#include "edge/bearer.h"
#include "edge/http.h"
#include "edge/readiness.h"
#include "edge/tally.h"
#include "edge/visitor.h"

#define NOTICE_MS 60000 /* before the end */
#define RENEWAL_MS 1000 /* a fresh token is looked at no more often: it may cost a signature */
#define NEVER UINT32_MAX

_Static_assert(AUTH_TOKEN_BYTES_MAX == TOKEN_BYTES_MAX, "what clients may say is what is checked");

#define CHALLENGE "WWW-Authenticate: Bearer realm=\"p2p-relay\""

struct guest {
	struct edge *edge;
	struct rejection rejection; /* status 0: it was admitted */
	struct blob *owner;         /* NULL: the relay asks for no tokens */
	struct tally_mark *of_owner;
	struct tally_mark *of_address;
	uint64_t expires_ms;
	uint64_t renewed_ms; /* when a fresh token was looked at, on the timers' clock */
	uint32_t due_s;
	bool told; /* that the token ends soon */
	size_t mesh_size;
	char mesh[NAME_MESH_BYTES_MAX];
};

static const struct rejection draining = {503, "the node is draining", NULL, RETRY_AT_ONCE,
                                          CLOSE_RESTARTING};
static const struct rejection full = {503, "the node is full", NULL, RETRY_LATER, CLOSE_TRY_AGAIN};
static const struct rejection subject_crowded = {429, "too many connections of this subject", NULL,
                                                 RETRY_LATER, CLOSE_TRY_AGAIN};
static const struct rejection address_crowded = {429, "too many connections from this address",
                                                 NULL, RETRY_LATER, CLOSE_TRY_AGAIN};
static const struct rejection stranger = {403, "not from a page of this origin", NULL, NULL,
                                          CLOSE_FORBIDDEN};
static const struct rejection bad_mesh = {400, REQUEST_MESH_RULE, NULL, NULL, CLOSE_POLICY};

/* ---- Whom it is from */

/* RFC 6750 section 3.1 has all that a client is told. */
static struct rejection refused(enum refusal refusal)
{
	if (refusal == REFUSAL_NO_KEYS)
		return (struct rejection){503, "the issuer's keys can't be had now",
		                          refusal_text(refusal), RETRY_AT_ONCE, CLOSE_TRY_AGAIN};
	if (refusal_is_insufficient(refusal))
		return (struct rejection){403, "insufficient_scope", refusal_text(refusal),
		                          CHALLENGE ", error=\"insufficient_scope\"\r\n",
		                          CLOSE_FORBIDDEN};
	return (struct rejection){401, "invalid_token", refusal_text(refusal),
	                          CHALLENGE ", error=\"invalid_token\"\r\n", CLOSE_UNAUTHORIZED};
}

static bool identify(struct edge *edge, struct lws *wsi, struct identity *identity,
                     struct rejection *rejection)
{
	static const struct rejection none = {401, "a bearer token is needed", NULL,
	                                      CHALLENGE "\r\n", CLOSE_UNAUTHORIZED};
	static const struct rejection unclear = {
		400, "invalid_request", "two tokens, or one that is no base64url",
		CHALLENGE ", error=\"invalid_request\"\r\n", CLOSE_UNAUTHORIZED};
	char bytes[AUTH_TOKEN_BYTES_MAX + 1];
	struct slice token;
	enum refusal refusal;

	if (edge->settings.auth == NULL)
		return true;
	switch (bearer_find(wsi, edge->settings.token_by_query, bytes, &token)) {
	case BEARER_NONE:
		*rejection = none;
		return false;
	case BEARER_UNCLEAR:
		*rejection = unclear;
		return false;
	case BEARER_FOUND:
		break;
	}
	refusal = auth_check(edge->settings.auth, token, identity);
	if (refusal == REFUSAL_NONE)
		return true;
	*rejection = refused(refusal);
	return false;
}

/* ---- Where it goes */

static bool is_among(struct slice meshes, struct slice wish)
{
	struct slice mesh;

	while (slice_next_word(&meshes, &mesh))
		if (slice_equal(mesh, wish))
			return true;
	return false;
}

/* Where a claim decides, a wish counts only among its meshes. */
static bool choose_mesh(struct lws *wsi, const struct identity *identity,
                        char name[NAME_MESH_BYTES_MAX], struct slice *mesh)
{
	struct slice meshes, wish;

	if (!request_mesh(wsi, name, &wish))
		return false;
	*mesh = wish.data != NULL ? wish : SLICE("default");
	if (identity->meshes == NULL)
		return true;
	meshes = blob_slice(identity->meshes);
	if (wish.data != NULL && is_among(meshes, wish))
		return true;
	if (!slice_next_word(&meshes, &wish))
		return false;
	memcpy(name, wish.data, wish.size);
	*mesh = (struct slice){name, wish.size};
	return true;
}

/* What costs nothing to find out. */
static bool has_room(struct edge *edge, struct lws *wsi, struct rejection *rejection)
{
	if (!visitor_page_is_allowed(wsi))
		*rejection = stranger;
	else if (edge->drain.begun)
		*rejection = draining;
	else if (readiness_is_full(edge))
		*rejection = full;
	else
		return true;
	return false;
}

/* With true the identity is the caller's. */
static bool look(struct edge *edge, struct lws *wsi, struct identity *identity,
                 char name[NAME_MESH_BYTES_MAX], struct slice *mesh, struct rejection *rejection)
{
	*identity = (struct identity){0};
	if (!identify(edge, wsi, identity, rejection))
		return false;
	if (choose_mesh(wsi, identity, name, mesh))
		return true;
	identity_fini(identity);
	*rejection = bad_mesh;
	return false;
}

bool guest_may_look(struct edge *edge, struct lws *wsi, char name[NAME_MESH_BYTES_MAX],
                    struct slice *mesh, struct rejection *rejection)
{
	struct identity identity;

	if (!look(edge, wsi, &identity, name, mesh, rejection))
		return false;
	identity_fini(&identity);
	return true;
}

/* ---- Coming and leaving */

static void set_expiry(struct guest *guest, uint64_t expires_ms)
{
	uint64_t now_ms = clock_wall_ms();

	guest->expires_ms = now_ms < expires_ms ? expires_ms : expires_ms + CLAIMS_SKEW_MS;
	guest->told = false;
	guest->due_s = 0;
}

static struct guest *welcome(struct edge *edge, struct identity *identity, struct slice mesh)
{
	struct guest *guest = mem_zero(sizeof(*guest));

	guest->edge = edge;
	guest->mesh_size = mesh.size;
	memcpy(guest->mesh, mesh.data, mesh.size);
	guest->due_s = NEVER;
	if (identity->owner != NULL) {
		guest->owner = blob_ref(identity->owner);
		set_expiry(guest, identity->expires_ms);
	}
	return guest;
}

static bool count(struct guest *guest, struct lws *wsi, struct rejection *rejection)
{
	struct edge *edge = guest->edge;
	size_t subject_max = edge->settings.connections_per_subject_max;

	if (!visitor_count(wsi, &guest->of_address)) {
		*rejection = address_crowded;
		return false;
	}
	if (guest->owner == NULL || subject_max == 0)
		return true;
	guest->of_owner = tally_take(edge->subjects, blob_slice(guest->owner), subject_max);
	if (guest->of_owner == NULL)
		*rejection = subject_crowded;
	return guest->of_owner != NULL;
}

struct guest *guest_admit(struct edge *edge, struct lws *wsi, struct rejection *rejection)
{
	char name[NAME_MESH_BYTES_MAX];
	struct identity identity;
	struct slice mesh;

	if (!has_room(edge, wsi, rejection) || !look(edge, wsi, &identity, name, &mesh, rejection))
		return NULL;

	struct guest *guest = welcome(edge, &identity, mesh);
	identity_fini(&identity);
	if (count(guest, wsi, rejection))
		return guest;
	guest_leave(guest);
	return NULL;
}

struct guest *guest_turn_away(const struct rejection *rejection)
{
	struct guest *guest = mem_zero(sizeof(*guest));

	guest->rejection = *rejection;
	return guest;
}

void guest_leave(struct guest *guest)
{
	if (guest == NULL)
		return;
	tally_give_back(guest->of_owner);
	tally_give_back(guest->of_address);
	blob_unref(guest->owner);
	free(guest);
}

const struct rejection *guest_rejection(const struct guest *guest)
{
	return guest->rejection.status != 0 ? &guest->rejection : NULL;
}

struct slice guest_mesh(const struct guest *guest)
{
	return (struct slice){guest->mesh, guest->mesh_size};
}

struct slice guest_owner(const struct guest *guest)
{
	return guest->owner != NULL ? blob_slice(guest->owner) : SLICE("");
}

bool guest_is_idle(const struct guest *guest)
{
	return guest->owner == NULL && guest->of_address == NULL;
}

/* ---- While the socket is open */

uint32_t guest_due_s(const struct guest *guest)
{
	return guest != NULL ? guest->due_s : NEVER;
}

uint64_t guest_expires_ms(const struct guest *guest)
{
	return guest->expires_ms;
}

enum guest_state guest_look(struct guest *guest, uint32_t now_s)
{
	uint64_t now_ms = clock_wall_ms();
	uint64_t left_ms, wait_ms;

	if (guest == NULL || guest->owner == NULL)
		return GUEST_WELCOME;
	if (now_ms >= guest->expires_ms)
		return GUEST_EXPIRED;
	left_ms = guest->expires_ms - now_ms;
	wait_ms = left_ms > NOTICE_MS ? left_ms - NOTICE_MS : left_ms;
	/* Seldom: whoever set the clock, pings bring us here twice a minute. */
	guest->due_s = now_s + (wait_ms < UINT32_MAX / 2 ? (uint32_t)(wait_ms + 999) / 1000
	                                                 : UINT32_MAX / 2 / 1000);
	if (left_ms > NOTICE_MS || guest->told)
		return GUEST_WELCOME;
	guest->told = true;
	return GUEST_EXPIRING;
}

static enum authorized compare(struct guest *guest, const struct identity *identity,
                               uint64_t *expires_ms)
{
	if (!slice_equal(blob_slice(identity->owner), blob_slice(guest->owner)))
		return AUTHORIZED_OTHER;
	if (identity->meshes != NULL && !is_among(blob_slice(identity->meshes), guest_mesh(guest)))
		return AUTHORIZED_NOT;
	set_expiry(guest, identity->expires_ms);
	*expires_ms = guest->expires_ms;
	return AUTHORIZED;
}

enum authorized guest_renew(struct guest *guest, struct slice token, uint64_t *expires_ms)
{
	struct identity identity = {0};
	enum authorized result;
	enum refusal refusal;

	if (guest == NULL || guest->owner == NULL)
		return AUTHORIZED_WITHOUT_ANY;
	uint64_t now_ms = timers_now(guest->edge->timers);
	if (guest->renewed_ms != 0 && now_ms - guest->renewed_ms < RENEWAL_MS)
		return AUTHORIZED_TOO_OFTEN;
	guest->renewed_ms = now_ms;
	refusal = auth_check(guest->edge->settings.auth, token, &identity);
	if (refusal != REFUSAL_NONE)
		return refusal == REFUSAL_NO_KEYS ? AUTHORIZED_LATER : AUTHORIZED_NOT;
	result = compare(guest, &identity, expires_ms);
	identity_fini(&identity);
	return result;
}
