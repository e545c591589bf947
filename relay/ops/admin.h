/*
 * The operator's own port: GET /metrics, /livez and /readyz, on the loop that serves the clients.
 *
 * It answers from memory, at once, and accepts no body: a scrape costs a rendering and no more.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct admin;
struct event_base;

/* May newcomers be sent here? If not, says why in *reason (a literal). */
typedef bool admin_ready(void *context, const char **reason);

/*
 * Returns owned, listening; or NULL, and in *error why (good until the next call). `host` is a
 * numeric address.
 */
struct admin *admin_create(struct event_base *base, const char *host, uint16_t port,
                           admin_ready *ready, void *context, const char **error);

/* Closes the port and what is connected to it. Accepts NULL. */
void admin_destroy(struct admin *admin);
