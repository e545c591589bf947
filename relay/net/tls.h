/*
 * TLS to a server: Redis, or an issuer of tokens. Who uses it need not know OpenSSL.
 *
 * The server must prove that it is the one that was meant: by a certificate for its name or
 * address, in its time, from a CA that is known here. Nothing is said to it before that. TLS 1.2 at
 * least.
 */
#pragma once

#include <stdbool.h>

struct ssl_st;
struct tls;

/* The files are in PEM form. */
struct tls_settings {
	const char *option;    /* how the names of the options for them begin: "--redis" */
	const char *ca_file;   /* NULL: the CAs that the system knows */
	const char *cert_file; /* our own, for a server that asks for one; NULL: none */
	const char *key_file;
};

/*
 * Returns owned; NULL and a sentence, good until the next call, if a file is not what it should be.
 * Copies the settings: a file that changed is read again for the next session, and if it is broken
 * then, what was known stays in use and the log says so.
 */
struct tls *tls_create(const struct tls_settings *settings, const char **error);

/* Sessions may outlive it. Accepts NULL. */
void tls_destroy(struct tls *tls);

/*
 * For a connection to `host`, a name or an IP address; NULL if it is neither. Returns owned: for
 * redisInitiateSSL(), which takes it if it returns REDIS_OK; for a bufferevent, which takes it with
 * BEV_OPT_CLOSE_ON_FREE; else for tls_forget().
 */
struct ssl_st *tls_session(struct tls *tls, const char *host);
void tls_forget(struct ssl_st *session);

/*
 * Why it broke, where that is TLS's to tell: then better than the text of who used the session. Else
 * NULL. To be asked right after an error, while the session is there.
 */
const char *tls_reason(const struct ssl_st *session);

/* The same, of an error that was taken off the thread's queue: bufferevent_get_openssl_error(). */
const char *tls_reason_of(const struct ssl_st *session, unsigned long error);

/* What was last tried can go on when bytes come in, not when there is room for more to go out. */
bool tls_waits_to_read(const struct ssl_st *session);

/* The server's bytes are in the session already, and no poll will tell of them: read on. */
bool tls_has_more(const struct ssl_st *session);
