/*
 * The seats of a mesh: the connections here that receive what goes to all of it.
 *
 * News of peers cost a write to each seat. Where there are many seats, news are gathered for so long
 * that telling them takes no more than a small part of the thread, whatever storm is on. Whatever
 * else is delivered comes after them, so that nobody hears from a peer before he hears of it.
 */
#pragma once

#include "mesh/ports.h"

struct connection;
struct lease;
struct roster;
struct seats;

/* Borrows both. Returns owned. */
struct seats *seats_create(const struct ports *ports, struct roster *roster);
void seats_destroy(struct seats *seats);

/* Nothing happens by itself any more, until somebody sits down. */
void seats_rest(struct seats *seats);

size_t seats_count(const struct seats *seats);

/*
 * A newcomer is sent the roster. Seats may be renumbered: connection_seated() tells. `repeats`: the
 * connection wants the roster repeated.
 */
void seats_add(struct seats *seats, struct connection *connection, struct lease *lease,
               struct socket *socket, bool repeats);
void seats_remove(struct seats *seats, size_t index);
void seats_set_repeats(struct seats *seats, size_t index, bool repeats);

/* Borrows the frames. `sender`: hears nothing of it; or NULL. */
void seats_deliver(struct seats *seats, struct blob *frames, const struct lease *sender);

/* All are told in the next seconds, not in the same moment, that messages may have been missed. */
void seats_resync(struct seats *seats);

/*
 * Gathers a message, which may be any, behind the news that wait. `lease`: of whom it is or whom it
 * is about, whose own connections are not to hear it; NULL if that peer is not here.
 */
void seats_gather(struct seats *seats, struct lease *lease, struct slice message);

/* Room for so many bytes of messages, if somebody sits here. */
void seats_reserve(struct seats *seats, size_t bytes);

/* What is gathered is told now; or soon, and now only if the last time is a while ago. */
void seats_tell(struct seats *seats);
void seats_tell_in_time(struct seats *seats);
