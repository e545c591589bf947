/*
 * What the port proves itself with where it speaks TLS: a certificate with its chain, and its key.
 * And what is spoken (RFC 9325): TLS 1.2 and later with forward secrecy and AEAD, without
 * renegotiation, compression and resumption.
 */
#pragma once

struct certificate;
struct ssl_ctx_st;
struct timers;

/*
 * Reads both files, which are in PEM form; the key must not want a password. Returns owned; NULL
 * and a literal in *error if they do not make a pair. Borrows the names and the timers.
 *
 * Looks once a minute whether the files are others. New handshakes are then made with what is new;
 * sockets that are open do not notice. While the files are broken, what was read before stays in
 * use, and the log says so.
 */
struct certificate *certificate_create(const char *cert_file, const char *key_file,
                                       struct timers *timers, const char **error);

/* Reads the files again now, also if they look the same. */
void certificate_reload(struct certificate *certificate);

/* Makes the context a server's that has the certificate. It must not outlive it. */
void certificate_apply(struct certificate *certificate, struct ssl_ctx_st *context);

/* What lws may leave in OpenSSL's queue of errors, hiredis would take for an error of Redis. */
void certificate_forget_errors(void);

/* Accepts NULL. */
void certificate_destroy(struct certificate *certificate);
