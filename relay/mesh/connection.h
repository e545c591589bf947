/*
 * One WebSocket, as the mesh sees it: who it is, and what it may send.
 */
#pragma once

#include "common/text.h"
#include "mesh/errors.h"
#include "mesh/ports.h"

struct connection;

/* What the edge calls. */

/* One whole text message. The bytes are borrowed for the call. */
void connection_receive(struct connection *connection, struct slice message);

/* A pong came in. Counts as a sign of life with --liveness pongs. */
void connection_pong(struct connection *connection);

/* Tells the client to move to another node, `reconnect_ms` from now. */
void connection_drain(struct connection *connection, uint64_t reconnect_ms);

/* Tells the client that its token ends at that unix time, and its connection with it. */
void connection_auth_expiring(struct connection *connection, uint64_t expires_ms);

/* The mesh's name; the mesh is there as long as the connection. */
struct slice connection_mesh_name(const struct connection *connection);

/* The socket is gone, or is about to be: nothing more is sent to it. Accepts NULL. */
void connection_destroy(struct connection *connection);

/* A number that names it in logs; the same as in parcels. */
uint32_t connection_number(const struct connection *connection);

/* What the rest of mesh/ calls. */

struct buffer;
struct envelope;
struct hub;
struct limits;
struct list;
struct sender;
struct table_entry;

struct connection *connection_create(struct hub *hub, struct mesh *mesh, uint32_t number,
                                     struct slice owner, struct socket *socket);
struct table_entry *connection_entry(struct connection *connection);
struct connection *connection_of_entry(struct table_entry *entry);
struct connection *connection_of_lease_link(struct list *link);
struct connection *connection_of_hold_link(struct list *link);

/* The peer is online: the connection gets the roster, and from now on messages. */
void connection_joined(struct connection *connection);

/* A changed presence of the peer could not be announced, perhaps this connection's. */
void connection_change_failed(struct connection *connection);

/* The peer could not be announced: the connection is as before its presence. */
void connection_join_failed(struct connection *connection, enum error_code code,
                            const char *message);

/* The peer that this is; absent until a presence bound it. */
struct slice connection_id(const struct connection *connection);

void connection_seated(struct connection *connection, size_t seat);
bool connection_accepts_roster(const struct connection *connection);
/* `frames` are that many messages. */
void connection_send(struct connection *connection, struct blob *frames, size_t messages);
void connection_close(struct connection *connection, enum close_code code, const char *reason);

/*
 * Tells the client of an error. `envelope` is of the message that is refused, NULL if that could not
 * be read; `delivered` is "no", "unknown" or NULL.
 */
void connection_error(struct connection *connection, enum error_code code, const char *message,
                      const struct envelope *envelope, const char *delivered);
void connection_refuse(struct connection *connection, enum error_code code, const char *message,
                       const struct envelope *envelope);

/* Sends what a notice function wrote, and frees it. */
void connection_notify(struct connection *connection, struct buffer *notice);

bool connection_is_joined(const struct connection *connection);
struct hub *connection_hub(const struct connection *connection);
struct mesh *connection_mesh(const struct connection *connection);
struct lease *connection_lease(const struct connection *connection); /* NULL if not joined */
struct sender *connection_sender(struct connection *connection);
struct limits *connection_limits(struct connection *connection);

/* Shows the socket a fresh token: see ports.h. */
enum authorized connection_authorize(struct connection *connection, struct slice token,
                                     uint64_t *expires_ms);

void connection_accept_events(struct connection *connection);
void connection_accept_roster(struct connection *connection);

/*
 * A presence of the peer `envelope->from`, on a connection that is not joined: joins, or tells why
 * not. The socket is not read until that is decided.
 */
void connection_join(struct connection *connection, const struct envelope *envelope,
                     struct slice message);

/* Is a presence with this data a mere sign of life? Yes if it is what this connection announced
 * last and what the roster has. Only while joined. */
bool connection_agrees(const struct connection *connection, struct slice data);

/* Does what this connection announced last name the agent? Only while joined. */
bool connection_names(const struct connection *connection, struct slice agent);

/* Announces another presence, now or a little later: the latest wins. Only while joined. */
void connection_change(struct connection *connection, struct slice message);

/* The client says that it is offline; the connection stays open, and stays `id`. */
void connection_leave(struct connection *connection, struct slice id);

/* Reads no more of it until mesh_relieved(). */
void connection_hold_back(struct connection *connection);

/* The bus has room again. */
void connection_let_go(struct connection *connection);

/* A message of the connection did not get through. */
void connection_unpublished(struct connection *connection, struct slice target,
                            struct slice message, enum unpublished why);
