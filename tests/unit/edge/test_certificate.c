/*
 * What a client is shown in a handshake, before and after the files were replaced, and what is
 * spoken at all. Real handshakes, in memory.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include "common/log.h"
#include "common/timers.h"
#include "edge/certificate.h"

#define MINUTE_MS 60000
#define ROUNDS_MAX 20

static char folder[] = "/tmp/test_certificate-XXXXXX";
static char cert_file[64];
static char key_file[64];
static uint64_t now_ms = 1000;
static struct timers *timers;
static SSL_CTX *server;
static struct certificate *certificate;

static uint64_t now(void)
{
	return now_ms;
}

static void pass(uint64_t ms)
{
	uint64_t wait_ms;

	now_ms += ms;
	timers_run(timers, &wait_ms);
}

/* ---- Files */

static void write_cert(const char *name, EVP_PKEY *key)
{
	static long serial;
	X509 *cert = X509_new();
	FILE *out = fopen(cert_file, "w");

	X509_set_version(cert, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), ++serial);
	X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
	X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
	X509_set_pubkey(cert, key);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC,
	                           (const unsigned char *)name, -1, -1, 0);
	X509_set_issuer_name(cert, X509_get_subject_name(cert));
	assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
	assert_int_equal(PEM_write_X509(out, cert), 1);
	fclose(out);
	X509_free(cert);
}

/* `password` NULL: none. */
static void write_key(EVP_PKEY *key, const char *password)
{
	FILE *out = fopen(key_file, "w");

	assert_int_equal(PEM_write_PrivateKey(out, key, password != NULL ? EVP_aes_128_cbc() : NULL,
	                                      (const unsigned char *)password,
	                                      password != NULL ? (int)strlen(password) : 0, NULL,
	                                      NULL),
	                 1);
	fclose(out);
}

static void write_pair(const char *name, EVP_PKEY *key)
{
	write_cert(name, key);
	write_key(key, NULL);
	EVP_PKEY_free(key);
}

static void write_junk(const char *file)
{
	FILE *out = fopen(file, "w");

	fputs("-----BEGIN CERTIFICATE-----\nnone\n", out);
	fclose(out);
}

static EVP_PKEY *new_ec(void)
{
	return EVP_EC_gen("P-256");
}

/* Always the same: it takes long to find one. */
static EVP_PKEY *rsa(void)
{
	static EVP_PKEY *key;

	if (key == NULL)
		key = EVP_RSA_gen(2048);
	EVP_PKEY_up_ref(key);
	return key;
}

/* ---- Handshakes */

static SSL_CTX *new_client(void)
{
	SSL_CTX *client = SSL_CTX_new(TLS_client_method());

	SSL_CTX_set_security_level(client, 0); /* it may ask for what is weak */
	SSL_CTX_set_verify(client, SSL_VERIFY_NONE, NULL);
	return client;
}

/* Returns the client's side, owned, after a handshake that went well; else NULL. Takes the client. */
static SSL *shake_hands(SSL_CTX *client, SSL_SESSION *session)
{
	SSL *here = SSL_new(client), *there = SSL_new(server);
	BIO *here_bio, *there_bio;
	int done = 0;

	SSL_CTX_free(client);
	assert_int_equal(BIO_new_bio_pair(&here_bio, 0, &there_bio, 0), 1);
	SSL_set_bio(here, here_bio, here_bio);
	SSL_set_bio(there, there_bio, there_bio);
	if (session != NULL)
		SSL_set_session(here, session);
	SSL_set_connect_state(here);
	SSL_set_accept_state(there);
	for (int i = 0; i < ROUNDS_MAX && !done; i++) {
		SSL_do_handshake(here);
		SSL_do_handshake(there);
		done = SSL_is_init_finished(here) && SSL_is_init_finished(there);
	}
	SSL_read(here, (char[1]){0}, 1); /* tickets */
	ERR_clear_error();
	SSL_free(there);
	if (done)
		return here;
	SSL_free(here);
	return NULL;
}

/* The name on the certificate that a client is shown; "" if there is no handshake. */
static const char *shown_to(SSL_CTX *client)
{
	static char name[64];
	SSL *session = shake_hands(client, NULL);

	name[0] = '\0';
	if (session != NULL) {
		X509_NAME *subject = X509_get_subject_name(SSL_get0_peer_certificate(session));
		X509_NAME_get_text_by_NID(subject, NID_commonName, name, sizeof(name));
	}
	SSL_free(session);
	return name;
}

static const char *shown(void)
{
	return shown_to(new_client());
}

static SSL_CTX *client_with_ciphers(const char *ciphers)
{
	SSL_CTX *client = new_client();

	SSL_CTX_set_max_proto_version(client, TLS1_2_VERSION);
	assert_int_equal(SSL_CTX_set_cipher_list(client, ciphers), 1);
	return client;
}

static int set_up(void **state)
{
	const char *error = NULL;

	(void)state;
	log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_LOGFMT);
	write_pair("first", new_ec());
	timers = timers_create(now, NULL, NULL);
	certificate = certificate_create(cert_file, key_file, timers, &error);
	assert_non_null(certificate);
	server = SSL_CTX_new(TLS_server_method());
	certificate_apply(certificate, server);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	SSL_CTX_free(server);
	certificate_destroy(certificate);
	timers_destroy(timers);
	return 0;
}

/* ---- The tests */

static void files_that_changed_are_read_within_a_minute(void **state)
{
	(void)state;
	assert_string_equal(shown(), "first");
	SSL *old = shake_hands(new_client(), NULL);
	write_pair("second", new_ec());
	assert_string_equal(shown(), "first");
	pass(MINUTE_MS);
	assert_string_equal(shown(), "second");
	write_pair("third", new_ec());
	pass(MINUTE_MS);
	assert_string_equal(shown(), "third");
	SSL_free(old);
}

static void broken_files_change_nothing(void **state)
{
	EVP_PKEY *key = new_ec();

	(void)state;
	write_junk(cert_file);
	pass(MINUTE_MS);
	assert_string_equal(shown(), "first");
	write_cert("second", key); /* its key is not there yet */
	pass(MINUTE_MS);
	assert_string_equal(shown(), "first");
	write_key(key, "secret");
	pass(MINUTE_MS);
	assert_string_equal(shown(), "first");
	write_key(key, NULL);
	pass(MINUTE_MS);
	assert_string_equal(shown(), "second");
	unlink(cert_file);
	unlink(key_file);
	pass(MINUTE_MS);
	assert_string_equal(shown(), "second");
	EVP_PKEY_free(key);
}

static void a_reload_does_not_wait(void **state)
{
	(void)state;
	write_pair("second", new_ec());
	certificate_reload(certificate);
	assert_string_equal(shown(), "second");
	write_junk(key_file);
	certificate_reload(certificate);
	assert_string_equal(shown(), "second");
}

/* Both kinds side by side would show the old certificate to who prefers its kind. */
static void a_key_of_another_kind_replaces_the_old_one(void **state)
{
	static const char for_rsa[] = "ECDHE-RSA-AES128-GCM-SHA256";
	static const char for_ec[] = "ECDHE-ECDSA-AES128-GCM-SHA256";

	(void)state;
	assert_string_equal(shown_to(client_with_ciphers(for_ec)), "first");
	assert_string_equal(shown_to(client_with_ciphers(for_rsa)), "");
	write_pair("second", rsa());
	pass(MINUTE_MS);
	assert_string_equal(shown_to(client_with_ciphers(for_rsa)), "second");
	assert_string_equal(shown_to(client_with_ciphers(for_ec)), "");
}

static void old_versions_are_not_spoken(void **state)
{
	static const int versions[] = {TLS1_VERSION, TLS1_1_VERSION};

	(void)state;
	for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
		SSL_CTX *client = new_client();
		SSL_CTX_set_max_proto_version(client, versions[i]);
		assert_string_equal(shown_to(client), "");
	}
	assert_string_equal(shown_to(client_with_ciphers("ALL")), "first"); /* 1.2 */
	SSL_CTX *client = new_client();
	SSL_CTX_set_min_proto_version(client, TLS1_3_VERSION);
	assert_string_equal(shown_to(client), "first");
}

static void only_good_suites_are_spoken(void **state)
{
	static const struct {
		const char *name;
		bool good;
	} suites[] = {
		{"ECDHE-RSA-AES128-GCM-SHA256", true},
		{"ECDHE-RSA-AES256-GCM-SHA384", true},
		{"ECDHE-RSA-CHACHA20-POLY1305", true},
		{"ECDHE-RSA-AES128-SHA256", false}, /* CBC */
		{"ECDHE-RSA-AES256-SHA", false},
		{"AES128-GCM-SHA256", false}, /* without forward secrecy */
		{"AES256-SHA", false},
		{"DHE-RSA-AES256-GCM-SHA384", false},
		{"AECDH-AES256-SHA", false}, /* without a certificate */
		{"ECDHE-RSA-NULL-SHA", false},
	};

	(void)state;
	write_pair("rsa", rsa());
	certificate_reload(certificate);
	for (size_t i = 0; i < sizeof(suites) / sizeof(suites[0]); i++) {
		bool good = strcmp(shown_to(client_with_ciphers(suites[i].name)), "rsa") == 0;
		if (good != suites[i].good)
			fail_msg("%s", suites[i].name);
	}
}

static void nothing_is_resumed(void **state)
{
	static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

	(void)state;
	for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
		SSL_CTX *client = new_client();
		SSL_CTX_set_max_proto_version(client, versions[i]);
		SSL *first = shake_hands(client, NULL);
		client = new_client();
		SSL_CTX_set_max_proto_version(client, versions[i]);
		SSL *second = shake_hands(client, SSL_get_session(first));
		assert_false(SSL_session_reused(second));
		SSL_free(first);
		SSL_free(second);
	}
}

static void assert_refused(const char *expected)
{
	const char *error = NULL;

	assert_null(certificate_create(cert_file, key_file, timers, &error));
	assert_string_equal(error, expected);
	assert_int_equal(ERR_peek_error(), 0);
}

static void files_that_make_no_pair(void **state)
{
	static const char no_cert[] =
		"--tls-cert-file holds no certificate, or a weak one, or can't be read";
	static const char no_key[] =
		"--tls-key-file holds no key, or not that of --tls-cert-file, or can't be read";
	EVP_PKEY *key = new_ec(), *other = new_ec();

	(void)state;
	write_cert("one", key);
	write_key(other, NULL);
	assert_refused(no_key);
	write_key(key, "secret");
	assert_refused("--tls-key-file must hold a key without a password");
	write_junk(key_file);
	assert_refused(no_key);
	unlink(key_file);
	assert_refused(no_key);
	write_key(key, NULL);
	write_junk(cert_file);
	assert_refused(no_cert);
	unlink(cert_file);
	assert_refused(no_cert);
	write_pair("weak", EVP_RSA_gen(1024));
	assert_refused(no_cert);
	EVP_PKEY_free(key);
	EVP_PKEY_free(other);
}

static int make_folder(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(cert_file, sizeof(cert_file), "%s/cert.pem", folder);
	snprintf(key_file, sizeof(key_file), "%s/key.pem", folder);
	return 0;
}

static int remove_folder(void **state)
{
	(void)state;
	unlink(cert_file);
	unlink(key_file);
	return rmdir(folder);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(files_that_changed_are_read_within_a_minute),
		TEST(broken_files_change_nothing),
		TEST(a_reload_does_not_wait),
		TEST(a_key_of_another_kind_replaces_the_old_one),
		TEST(old_versions_are_not_spoken),
		TEST(only_good_suites_are_spoken),
		TEST(nothing_is_resumed),
		TEST(files_that_make_no_pair),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
