/*
 * The happy path: tls_create() makes a context out of the files; each tls_session() looks whether
 * they are still the same, and makes a session that knows whom to expect.
 *
 * Failures: a file is missing, broken, or one half of a pair that is just being replaced; the
 * server's certificate is not good; it does not like ours; what answers speaks no TLS. OpenSSL leaves the
 * reasons of the last three in the session and in a queue of the thread, which is emptied here so
 * that nobody is blamed for what another one left there.
 */
#include "net/tls.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "common/log.h"
#include "common/memory.h"
#include "common/stamp.h"

enum file { CA, CERT, KEY, FILES };

struct tls {
	SSL_CTX *context;
	char *option;       /* how the names of the options for the files begin */
	char *names[FILES]; /* NULL: none */
	struct stamp seen[FILES];
};

/* ---- The context: what all sessions have in common */

static const char *sentence(const char *format, ...) __attribute__((format(printf, 1, 2)));

static const char *sentence(const char *format, ...)
{
	static char text[256];
	va_list values;

	va_start(values, format);
	vsnprintf(text, sizeof(text), format, values);
	va_end(values);
	return text;
}

static const char *use_ca(SSL_CTX *context, const struct tls *tls)
{
	if (tls->names[CA] == NULL)
		return SSL_CTX_set_default_verify_paths(context) == 1
		               ? NULL
		               : "this system's CA certificates can't be read";
	return SSL_CTX_load_verify_file(context, tls->names[CA]) == 1
	               ? NULL
	               : sentence("%s-ca-file holds no certificates, or can't be read",
	                          tls->option);
}

static const char *use_own(SSL_CTX *context, const struct tls *tls)
{
	const char *cert = tls->names[CERT];
	const char *key = tls->names[KEY];

	if (cert == NULL && key == NULL)
		return NULL;
	if (cert == NULL || key == NULL)
		return sentence("%s-cert-file and %s-key-file need each other", tls->option,
		                tls->option);
	if (SSL_CTX_use_certificate_chain_file(context, cert) != 1)
		return sentence("%s-cert-file holds no certificate, or can't be read", tls->option);
	if (SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1)
		return sentence("%s-key-file holds no key without a password, or not that of "
		                "%s-cert-file, or can't be read",
		                tls->option, tls->option);
	return NULL;
}

/* A key that wants a password must not stop the process to ask for it on a terminal. */
static int no_password(char *buffer, int size, int writing, void *context)
{
	(void)buffer, (void)size, (void)writing, (void)context;
	return 0;
}

/* Returns owned; NULL and a sentence if a file is not good. */
static SSL_CTX *make_context(const struct tls *tls, const char **error)
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
	/*
	 * A server that dies says no goodbye: that is an end like any other. RESP and JSON show where
	 * they were cut.
	 */
	SSL_CTX_set_options(context, SSL_OP_IGNORE_UNEXPECTED_EOF);

	*error = use_ca(context, tls);
	if (*error == NULL)
		*error = use_own(context, tls);
	ERR_clear_error();
	if (*error == NULL)
		return context;
	SSL_CTX_free(context);
	return NULL;
}

/* ---- The files: the same as last time? */

/* True if one of them is another than the last time. */
static bool look_at_files(struct tls *tls)
{
	bool changed = false;

	for (size_t i = 0; i < FILES; i++)
		if (tls->names[i] != NULL && stamp_renew(&tls->seen[i], tls->names[i]))
			changed = true;
	return changed;
}

/* A session keeps the context that it was made of. */
static void renew(struct tls *tls)
{
	const char *error;
	SSL_CTX *context = make_context(tls, &error);

	if (context == NULL) {
		log_warn("tls_files", LOG_TEXT("error", error),
		         LOG_TEXT("meaning", "what was read before stays in use"));
		return;
	}
	SSL_CTX_free(tls->context);
	tls->context = context;
	log_info("tls_files", LOG_TEXT("options", tls->option),
	         LOG_TEXT("meaning", "changed, and read again"));
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
	/*
	 * OpenSSL has a random generator in this process's memory. Where that was cloned with it, from a
	 * snapshot of the machine, the twin would make the same keys: so the kernel's is mixed in.
	 */
	SSL *session = RAND_poll() == 1 ? SSL_new(tls->context) : NULL;
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
		return "its certificate is not for this name";
	case X509_V_ERR_IP_ADDRESS_MISMATCH:
		return "its certificate is not for this address";
	case X509_V_ERR_CERT_HAS_EXPIRED:
		return "its certificate has expired";
	case X509_V_ERR_CERT_NOT_YET_VALID:
		return "its certificate is not valid yet";
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
	case X509_V_ERR_CERT_SIGNATURE_FAILURE:
		return "its certificate is not from a CA that is known here";
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
		return "it does not speak TLS 1.2 or later";
	case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
		return "it wants a certificate of ours";
	case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
	case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
	case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
		return "it does not accept our certificate";
	default:
		return ERR_reason_error_string(error);
	}
}

const char *tls_reason_of(const struct ssl_st *session, unsigned long error)
{
	long verdict = SSL_get_verify_result(session);

	return verdict != X509_V_OK ? certificate_reason(verdict) : protocol_reason(error);
}

const char *tls_reason(const struct ssl_st *session)
{
	unsigned long error = ERR_peek_error();

	ERR_clear_error();
	return tls_reason_of(session, error);
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

static char *copy(const char *text)
{
	return text != NULL ? mem_copy(text, strlen(text) + 1) : NULL;
}

struct tls *tls_create(const struct tls_settings *settings, const char **error)
{
	struct tls *tls = mem_zero(sizeof(*tls));

	tls->option = copy(settings->option);
	tls->names[CA] = copy(settings->ca_file);
	tls->names[CERT] = copy(settings->cert_file);
	tls->names[KEY] = copy(settings->key_file);
	look_at_files(tls);
	tls->context = make_context(tls, error);
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
	free(tls->option);
	SSL_CTX_free(tls->context);
	free(tls);
}
