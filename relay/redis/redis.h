/*
 * A Redis as a service needs it, in any of its forms: where it is, who we are there, and what all
 * that talks to it shares.
 *
 * What is in this folder would serve another program as well: it knows Redis and nothing of what we
 * keep there.
 */
#pragma once

#include "redis/address.h"

#define REDIS_CLIENT_NAME_BYTES 64

struct event_base;
struct metric;
struct timers;
struct tls;

struct redis_settings {
	const char *url;                    /* see address.h */
	const char *password_file;          /* read at each connect; NULL: the URL has it */
	const char *ca_file;                /* see net/tls.h, and NULL */
	const char *cert_file;              /* likewise */
	const char *key_file;               /* likewise */
	const char *sentinel_user;          /* NULL: their default user */
	const char *sentinel_password_file; /* NULL: they ask for none */
};

struct redis {
	struct event_base *base;
	struct timers *timers;
	struct address address;
	const char *password_file;
	struct address sentinel_access; /* user and password, for the sentinels */
	const char *sentinel_password_file;
	struct tls *tls; /* NULL: none */

	/* The owner's to set, before anything connects: */
	char client_name[REDIS_CLIENT_NAME_BYTES]; /* what Redis lists our connections as */
	uint64_t backoff_ms_max;                   /* the longest wait for a retry */
	struct metric *errors;                     /* commands answered with an error */
};

/*
 * Returns false and a sentence if the settings are wrong; redis_fini() is due also then. Borrows
 * `base`, `timers` and the names of the password files for its life; but not the URL, which may hold
 * a password.
 */
bool redis_init(struct redis *redis, const struct redis_settings *settings, struct event_base *base,
                struct timers *timers, const char **error);

/* All that talks to it must be gone. */
void redis_fini(struct redis *redis);

bool redis_is_cluster(const struct redis *redis);
