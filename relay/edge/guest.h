/*
 * Who came to the door: from the upgrade request on, and while the socket is open, for as long as
 * there is something to watch or to give back.
 */
#pragma once

#include "edge/internal.h"
#include "wire/name.h"

struct guest;
struct identity;

/* Why somebody may not come in: in HTTP's terms, and in those of a WebSocket. Literals. */
struct rejection {
	unsigned status;
	const char *why;     /* for the client */
	const char *detail;  /* for the log; NULL: no more than that */
	const char *headers; /* NULL: none */
	enum close_code code;
};

/*
 * May it come in? The node must have room, and it needs a good token where the relay asks for one,
 * and a mesh that it may be in. Returns owned; NULL and the reason if not.
 */
struct guest *guest_admit(struct edge *edge, struct lws *wsi, struct rejection *rejection);

/* One that is let in only to be told why not: see guest_rejection(). */
struct guest *guest_turn_away(const struct rejection *rejection);

/*
 * The same questions about who may look at a mesh, for plain HTTP. `mesh` lies in `name` or is a
 * literal. Returns false and the reason if not.
 */
bool guest_may_look(struct edge *edge, struct lws *wsi, char name[NAME_MESH_BYTES_MAX],
                    struct slice *mesh, struct rejection *rejection);

/* NULL if it was admitted. */
const struct rejection *guest_rejection(const struct guest *guest);
struct slice guest_mesh(const struct guest *guest);
struct slice guest_owner(const struct guest *guest); /* empty without tokens */

/* Is it of no further use once the socket is open? */
bool guest_is_idle(const struct guest *guest);

/* Gives back what it holds. Accepts NULL. */
void guest_leave(struct guest *guest);

/* ---- While the socket is open; all accept NULL: then nothing ever ends */

/* When guest_look() should come next, on the wheel's clock. */
uint32_t guest_due_s(const struct guest *guest);

enum guest_state {
	GUEST_WELCOME,
	GUEST_EXPIRING, /* said once per token, a minute before its end */
	GUEST_EXPIRED,
};
enum guest_state guest_look(struct guest *guest, uint32_t now_s);

/* When its token ends, unix time. */
uint64_t guest_expires_ms(const struct guest *guest);

/* A fresh token: see authorize() in ports.h. */
enum authorized guest_renew(struct guest *guest, struct slice token, uint64_t *expires_ms);
