/*
 * Happy path: the pair is read into a context of its own, of which no session is ever made; lws's
 * context asks for it in each handshake. So a new pair takes the old one's place as a whole: read
 * into lws's context, a key of another kind would stand beside the old one, which some clients
 * would still be shown.
 *
 * What may go wrong: a file is missing, broken, or one half of a pair that is just being replaced.
 * Each file is looked at before it is read, so whatever changes meanwhile is read a minute later.
 */
#include "edge/certificate.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>

#include "common/log.h"
#include "common/memory.h"
#include "common/stamp.h"
#include "common/timers.h"

#define LOOK_MS 60000

/* 112 bits and more: of OpenSSL's levels the one that RFC 9325 section 4.5 asks for. */
#define SECURITY_LEVEL 2

/* Of TLS 1.2. Those of 1.3 are all of this kind. */
#define CIPHERS "ECDHE+AESGCM:ECDHE+CHACHA20"

struct certificate {
	SSL_CTX *pair;
	struct timers *timers;
	struct timer look;
	const char *cert_file;
	const char *key_file;
	struct stamp cert_stamp;
	struct stamp key_stamp;
};

/* A key that wants a password must not stop the process to ask for it on a terminal. */
static int no_password(char *buffer, int size, int writing, void *context)
{
	bool *wanted = context;

	(void)buffer, (void)size, (void)writing;
	*wanted = true;
	return 0;
}

static const char *use_files(SSL_CTX *pair, const char *cert_file, const char *key_file)
{
	bool password_wanted = false;

	SSL_CTX_set_security_level(pair, SECURITY_LEVEL);
	SSL_CTX_set_default_passwd_cb(pair, no_password);
	SSL_CTX_set_default_passwd_cb_userdata(pair, &password_wanted);
	if (SSL_CTX_use_certificate_chain_file(pair, cert_file) != 1)
		return "--tls-cert-file holds no certificate, or a weak one, or can't be read";
	if (SSL_CTX_use_PrivateKey_file(pair, key_file, SSL_FILETYPE_PEM) == 1)
		return NULL;
	return password_wanted ? "--tls-key-file must hold a key without a password"
	                       : "--tls-key-file holds no key, or not that of --tls-cert-file, or "
	                         "can't be read";
}

/* Returns owned; NULL and a literal if the files do not make a pair. */
static SSL_CTX *read_pair(const char *cert_file, const char *key_file, const char **error)
{
	SSL_CTX *pair = SSL_CTX_new(TLS_server_method());

	if (pair == NULL)
		abort();
	*error = use_files(pair, cert_file, key_file);
	ERR_clear_error();
	if (*error == NULL)
		return pair;
	SSL_CTX_free(pair);
	return NULL;
}

static bool look_at_files(struct certificate *certificate)
{
	bool cert = stamp_renew(&certificate->cert_stamp, certificate->cert_file);
	bool key = stamp_renew(&certificate->key_stamp, certificate->key_file);

	return cert || key;
}

static void renew(struct certificate *certificate)
{
	const char *error;
	SSL_CTX *pair = read_pair(certificate->cert_file, certificate->key_file, &error);

	if (pair == NULL) {
		log_warn("tls_files", LOG_TEXT("error", error),
		         LOG_TEXT("meaning", "what was read before stays in use"));
		return;
	}
	SSL_CTX_free(certificate->pair);
	certificate->pair = pair;
	log_info("tls_files", LOG_TEXT("meaning", "read again"));
}

static void on_look(void *context)
{
	struct certificate *certificate = context;

	if (look_at_files(certificate))
		renew(certificate);
	timer_set(certificate->timers, &certificate->look, LOOK_MS);
}

void certificate_reload(struct certificate *certificate)
{
	look_at_files(certificate);
	renew(certificate);
}

/* In each handshake. The session gets references of its own. */
static int on_hello(SSL *session, void *context)
{
	const struct certificate *certificate = context;
	STACK_OF(X509) *chain = NULL;

	SSL_CTX_get0_chain_certs(certificate->pair, &chain);
	return SSL_use_cert_and_key(session, SSL_CTX_get0_certificate(certificate->pair),
	                            SSL_CTX_get0_privatekey(certificate->pair), chain, 1);
}

void certificate_apply(struct certificate *certificate, struct ssl_ctx_st *context)
{
	SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
	SSL_CTX_set_security_level(context, SECURITY_LEVEL);
	SSL_CTX_set_cipher_list(context, CIPHERS);
	SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
	/*
	 * Nothing is kept of a session: resumption would save a signature, and cost forward secrecy
	 * or memory. TLS 1.3 sends its tickets nevertheless, good for nothing; without them clients
	 * that wait for more to send (RFC 9293 section 3.7.4) wait 40 ms.
	 */
	SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_cert_cb(context, on_hello, certificate);
}

void certificate_forget_errors(void)
{
	ERR_clear_error();
}

struct certificate *certificate_create(const char *cert_file, const char *key_file,
                                       struct timers *timers, const char **error)
{
	struct certificate *certificate = mem_zero(sizeof(*certificate));

	certificate->timers = timers;
	certificate->cert_file = cert_file;
	certificate->key_file = key_file;
	timer_init(&certificate->look, on_look, certificate);
	look_at_files(certificate);
	certificate->pair = read_pair(cert_file, key_file, error);
	if (certificate->pair == NULL) {
		certificate_destroy(certificate);
		return NULL;
	}
	timer_set(timers, &certificate->look, LOOK_MS);
	return certificate;
}

void certificate_destroy(struct certificate *certificate)
{
	if (certificate == NULL)
		return;
	timer_stop(certificate->timers, &certificate->look);
	SSL_CTX_free(certificate->pair);
	free(certificate);
}
