/*
 * One GET over HTTPS, on the event loop.
 *
 * The server must prove that it is the one that the URL names (see net/tls.h), answer 200 itself,
 * not with a redirect, and do so within bounds. Nothing of what it says needs to be believed.
 */
#pragma once

#include <stdbool.h>

#include "common/text.h"

#define FETCH_URL_BYTES_MAX 2048
#define FETCH_BODY_BYTES_MAX (256 * 1024)
#define FETCH_MS_MAX 5000 /* all of it, from the look-up to the last byte */

struct event_base;
struct fetch;
struct timers;
struct tls;

/* What fetches need; all is borrowed, for as long as there are any. */
struct fetch_means {
	struct event_base *base;
	struct timers *timers;
	struct tls *tls;
};

enum fetch_result {
	FETCH_OK,
	FETCH_UNREACHABLE, /* no such name, no connection, no answer in time, or cut off */
	FETCH_UNTRUSTED,   /* no TLS, or with somebody else */
	FETCH_REFUSED,     /* another status than 200 */
	FETCH_UNUSABLE,    /* no HTTP, or too much of it */
};

struct fetch_answer {
	enum fetch_result result;
	const char *reason;   /* if it is not FETCH_OK: short, without names and addresses */
	struct slice body;    /* if it is */
	bool is_from_private; /* the server's address is private, see net/endpoint.h */
};

/* The answer is borrowed for the call. */
typedef void fetch_done(void *context, const struct fetch_answer *answer);

/*
 * Is it a URL that can be fetched: https, a host, no user, nothing that HTTP would trip over? If
 * not, there is a sentence that does not quote it.
 */
bool fetch_url_is_good(const char *url, const char **error);

/*
 * `url` is a good one, and copied. `only_public`: an address that is private is not connected to.
 * `done` is called once, later. Returns owned, until then.
 */
struct fetch *fetch_start(const struct fetch_means *means, const char *url, bool only_public,
                          fetch_done *done, void *context);

/* `done` is not called any more. The loop must turn once more to free everything. Accepts NULL. */
void fetch_cancel(struct fetch *fetch);
