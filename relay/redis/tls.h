/*
 * TLS to Redis. Nothing else in this folder knows OpenSSL.
 *
 * Redis must prove that it is the one that was meant: by a certificate for its name or address, in
 * its time, from a CA that is known here. Nothing is said to it before that. TLS 1.2 at least.
 */
#pragma once

#include <stdbool.h>

struct ssl_st;
struct tls;

/*
 * The files are in PEM form. `ca`: NULL means the CAs that the system knows. `cert` and `key` are
 * our own, for a Redis that asks for one; NULL: none. Returns owned; NULL and a sentence if a file
 * is not what it should be. Copies the names: a file that changed is read again for the next
 * session, and if it is broken then, what was known stays in use and the log says so.
 */
struct tls *tls_create(const char *ca, const char *cert, const char *key, const char **error);

/* Sessions may outlive it. Accepts NULL. */
void tls_destroy(struct tls *tls);

/*
 * For redisInitiateSSL() with a connection to `host`, a name or an IP address; NULL if it is neither.
 * Returns owned; redisInitiateSSL() takes it if it returns REDIS_OK, and else it is freed by
 * tls_forget().
 */
struct ssl_st *tls_session(struct tls *tls, const char *host);
void tls_forget(struct ssl_st *session);

/*
 * Why it broke, where that is TLS's to tell: then better than hiredis's own text. Else NULL. To be
 * asked right after an error, while the session is there.
 */
const char *tls_reason(const struct ssl_st *session);

/* What was last tried can go on when bytes come in, not when there is room for more to go out. */
bool tls_waits_to_read(const struct ssl_st *session);

/* Redis's bytes are in the session already, and no poll will tell of them: read on. */
bool tls_has_more(const struct ssl_st *session);
