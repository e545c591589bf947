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

struct admin_settings {
	const char *host; /* a numeric address */
	uint16_t port;
	bool share_port; /* SO_REUSEPORT: several processes on it, each of which answers for all */
	/* May newcomers be sent here? If not, says why in *reason (a literal). */
	bool (*is_ready)(void *context, const char **reason);
	bool (*is_live)(void *context);
	void *context;
};

/*
 * Returns owned, listening; or NULL, and in *error why (good until the next call). Copies the
 * settings.
 */
struct admin *admin_create(struct event_base *base, const struct admin_settings *settings,
                           const char **error);

/* Closes the port and what is connected to it. Accepts NULL. */
void admin_destroy(struct admin *admin);
