/*
 * The happy path: tls_create() makes a context out of the files; each tls_session() looks whether
 * they are still the same, and makes a session that knows whom to expect.
 *
 * Failures: a file is missing, broken, or one half of a pair that is just being replaced; Redis's
 * certificate is not good; Redis does not like ours; what answers speaks no TLS. OpenSSL leaves the
 * reasons of the last three in the session and in a queue of the thread, which is emptied here so
 * that nobody is blamed for what another one left there.
 */
#include "redis/tls.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "common/log.h"
#include "common/memory.h"

enum file { CA, CERT, KEY, FILES };

struct tls {
	SSL_CTX *context;
	char *names[FILES]; /* NULL: none */
	struct stat seen[FILES];
};

/* ---- The context: what all sessions have in common */

static const char *use_ca(SSL_CTX *context, const char *file)
{
	if (file == NULL)
		return SSL_CTX_set_default_verify_paths(context) == 1
		               ? NULL
		               : "this system's CA certificates can't be read";
	return SSL_CTX_load_verify_file(context, file) == 1
	               ? NULL
	               : "--redis-ca-file holds no certificates, or can't be read";
}

static const char *use_own(SSL_CTX *context, const char *cert, const char *key)
{
	if (cert == NULL && key == NULL)
		return NULL;
	if (cert == NULL || key == NULL)
		return "--redis-cert-file and --redis-key-file need each other";
	if (SSL_CTX_use_certificate_chain_file(context, cert) != 1)
		return "--redis-cert-file holds no certificate, or can't be read";
	if (SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1)
		return "--redis-key-file holds no key without a password, or not that of "
		       "--redis-cert-file, or can't be read";
	return NULL;
}

/* A key that wants a password must not stop the process to ask for it on a terminal. */
static int no_password(char *buffer, int size, int writing, void *context)
{
	(void)buffer, (void)size, (void)writing, (void)context;
	return 0;
}

/* Returns owned; NULL and a sentence if a file is not good. */
static SSL_CTX *make_context(char *const names[FILES], const char **error)
{
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());

	if (context == NULL)
		abort();
	SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
	SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_default_passwd_cb(context, no_password);
	/* hiredis repeats a write with bytes that have moved, and more of them. */
	SSL_CTX_set_mode(context,
	                 SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	/* A Redis that dies says no goodbye: that is an end like any other. RESP shows where it was cut. */
	SSL_CTX_set_options(context, SSL_OP_IGNORE_UNEXPECTED_EOF);

	*error = use_ca(context, names[CA]);
	if (*error == NULL)
		*error = use_own(context, names[CERT], names[KEY]);
	ERR_clear_error();
	if (*error == NULL)
		return context;
	SSL_CTX_free(context);
	return NULL;
}

/* ---- The files: the same as last time? */

static bool is_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* True if one of them is another than the last time. A file that is missing is one without bytes. */
static bool look_at_files(struct tls *tls)
{
	bool changed = false;

	for (size_t i = 0; i < FILES; i++) {
		struct stat now = {0};
		if (tls->names[i] == NULL)
			continue;
		if (stat(tls->names[i], &now) != 0)
			now = (struct stat){0};
		changed = changed || !is_same(&now, &tls->seen[i]);
		tls->seen[i] = now;
	}
	return changed;
}

/* A session keeps the context that it was made of. */
static void renew(struct tls *tls)
{
	const char *error;
	SSL_CTX *context = make_context(tls->names, &error);

	if (context == NULL) {
		log_warn("redis_tls_files", LOG_TEXT("error", error),
		         LOG_TEXT("meaning", "what was read before stays in use"));
		return;
	}
	SSL_CTX_free(tls->context);
	tls->context = context;
	log_info("redis_tls_files", LOG_TEXT("meaning", "changed, and read again"));
}

/* ---- A session */

/* Whom the certificate must be for. An empty name would mean anybody. */
static bool expect(SSL *session, const char *host)
{
	if (host[0] == '\0')
		return false;
	if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(session), host) == 1)
		return true;
	SSL_set_hostflags(session, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	return SSL_set1_host(session, host) == 1 && SSL_set_tlsext_host_name(session, host) == 1;
}

struct ssl_st *tls_session(struct tls *tls, const char *host)
{
	if (look_at_files(tls))
		renew(tls);
	SSL *session = SSL_new(tls->context);
	if (session == NULL)
		abort();
	if (!expect(session, host)) {
		SSL_free(session);
		session = NULL;
	}
	ERR_clear_error();
	return session;
}

void tls_forget(struct ssl_st *session)
{
	SSL_free(session);
}

static const char *certificate_reason(long verdict)
{
	switch (verdict) {
	case X509_V_ERR_HOSTNAME_MISMATCH:
		return "the certificate of Redis is not for this name";
	case X509_V_ERR_IP_ADDRESS_MISMATCH:
		return "the certificate of Redis is not for this address";
	case X509_V_ERR_CERT_HAS_EXPIRED:
		return "the certificate of Redis has expired";
	case X509_V_ERR_CERT_NOT_YET_VALID:
		return "the certificate of Redis is not valid yet";
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
	case X509_V_ERR_CERT_SIGNATURE_FAILURE:
		return "the certificate of Redis is not from a CA that is known here";
	default:
		return X509_verify_cert_error_string(verdict);
	}
}

static const char *protocol_reason(unsigned long error)
{
	if (ERR_GET_LIB(error) != ERR_LIB_SSL)
		return NULL;
	switch (ERR_GET_REASON(error)) {
	case SSL_R_WRONG_VERSION_NUMBER:
	case SSL_R_PACKET_LENGTH_TOO_LONG:
		return "what answers there does not speak TLS";
	case SSL_R_UNSUPPORTED_PROTOCOL:
	case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
		return "Redis does not speak TLS 1.2 or later";
	case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
		return "Redis wants a certificate of ours: --redis-cert-file, --redis-key-file";
	case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
	case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
	case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
		return "Redis does not accept the certificate of --redis-cert-file";
	default:
		return ERR_reason_error_string(error);
	}
}

const char *tls_reason(const struct ssl_st *session)
{
	long verdict = SSL_get_verify_result(session);
	unsigned long error = ERR_peek_error();

	ERR_clear_error();
	return verdict != X509_V_OK ? certificate_reason(verdict) : protocol_reason(error);
}

bool tls_waits_to_read(const struct ssl_st *session)
{
	return SSL_want_read(session);
}

bool tls_has_more(const struct ssl_st *session)
{
	return SSL_pending(session) > 0;
}

/* ---- Life */

struct tls *tls_create(const char *ca, const char *cert, const char *key, const char **error)
{
	const char *const names[FILES] = {[CA] = ca, [CERT] = cert, [KEY] = key};
	struct tls *tls = mem_zero(sizeof(*tls));

	for (size_t i = 0; i < FILES; i++)
		if (names[i] != NULL)
			tls->names[i] = mem_copy(names[i], strlen(names[i]) + 1);
	look_at_files(tls);
	tls->context = make_context(tls->names, error);
	if (tls->context != NULL)
		return tls;
	tls_destroy(tls);
	return NULL;
}

void tls_destroy(struct tls *tls)
{
	if (tls == NULL)
		return;
	for (size_t i = 0; i < FILES; i++)
		free(tls->names[i]);
	SSL_CTX_free(tls->context);
	free(tls);
}
