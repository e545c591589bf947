/*
 * From a host's name to addresses, by libevent's own DNS client: getaddrinfo() would stop the loop.
 * /etc/hosts is honoured; both files are read anew each time, since names and name servers move.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "net/endpoint.h"

struct event_base;
struct lookup;

/* `count` is 0 if there is none; `error` says why then. */
typedef void lookup_done(void *context, const struct endpoint *found, size_t count,
                         const char *error);

/* `done` is called once, later. Returns owned, until then. */
struct lookup *lookup_start(struct event_base *base, const char *host, uint16_t port,
                            lookup_done *done, void *context);

/* `done` is not called any more. The loop must turn once more to free everything. Accepts NULL. */
void lookup_cancel(struct lookup *lookup);
