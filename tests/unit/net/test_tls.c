/*
 * TLS with whom? Real handshakes, over a socketpair, with a server whose certificate is good, for
 * somebody else, out of its time, or from nobody known.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "common/log.h"
#include "net/tls.h"

#define DAY_SECONDS 86400
#define ROUNDS_MAX 20

/* ---- Who makes certificates */

struct identity {
	X509 *cert;
	EVP_PKEY *key;
	char cert_file[64];
	char key_file[64];
};

static char folder[] = "/tmp/test_tls-XXXXXX";
static struct identity ca;
static struct identity stranger_ca;
static struct identity redis;
static struct identity own;

static void add_extension(X509 *cert, int kind, const char *value)
{
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, kind, value);

	assert_non_null(extension);
	assert_int_equal(X509_add_ext(cert, extension, -1), 1);
	X509_EXTENSION_free(extension);
}

static void save(struct identity *identity, const char *name)
{
	snprintf(identity->cert_file, sizeof(identity->cert_file), "%s/%s.pem", folder, name);
	snprintf(identity->key_file, sizeof(identity->key_file), "%s/%s.key", folder, name);
	FILE *cert = fopen(identity->cert_file, "w");
	FILE *key = fopen(identity->key_file, "w");
	assert_true(cert != NULL && key != NULL);
	assert_int_equal(PEM_write_X509(cert, identity->cert), 1);
	assert_int_equal(PEM_write_PrivateKey(key, identity->key, NULL, NULL, 0, NULL, NULL), 1);
	fclose(cert);
	fclose(key);
}

/* `issuer` NULL: a CA. `names`: as in "DNS:redis.test,IP:127.0.0.1". */
static struct identity make(const char *name, const struct identity *issuer, const char *names,
                            long from_seconds, long until_seconds)
{
	static long serial;
	struct identity identity = {.cert = X509_new(), .key = EVP_EC_gen("P-256")};

	X509_set_version(identity.cert, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(identity.cert), ++serial);
	X509_gmtime_adj(X509_getm_notBefore(identity.cert), from_seconds);
	X509_gmtime_adj(X509_getm_notAfter(identity.cert), until_seconds);
	X509_set_pubkey(identity.cert, identity.key);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(identity.cert), "CN", MBSTRING_ASC,
	                           (const unsigned char *)name, -1, -1, 0);
	X509_set_issuer_name(identity.cert,
	                     X509_get_subject_name(issuer == NULL ? identity.cert : issuer->cert));
	add_extension(identity.cert, NID_basic_constraints,
	              issuer == NULL ? "critical,CA:TRUE" : "critical,CA:FALSE");
	if (names != NULL)
		add_extension(identity.cert, NID_subject_alt_name, names);
	assert_true(X509_sign(identity.cert, issuer == NULL ? identity.key : issuer->key,
	                      EVP_sha256()) > 0);
	save(&identity, name);
	return identity;
}

static void forget(struct identity *identity)
{
	X509_free(identity->cert);
	EVP_PKEY_free(identity->key);
	unlink(identity->cert_file);
	unlink(identity->key_file);
}

static int set_up(void **state)
{
	(void)state;
	log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_LOGFMT);
	assert_non_null(mkdtemp(folder));
	ca = make("ca", NULL, NULL, -DAY_SECONDS, DAY_SECONDS);
	stranger_ca = make("stranger", NULL, NULL, -DAY_SECONDS, DAY_SECONDS);
	redis = make("redis", &ca, "DNS:redis.test,DNS:*.nodes.test,IP:127.0.0.1,IP:::1",
	             -DAY_SECONDS, DAY_SECONDS);
	own = make("own", &ca, "DNS:relay.test", -DAY_SECONDS, DAY_SECONDS);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	forget(&ca);
	forget(&stranger_ca);
	forget(&redis);
	forget(&own);
	return rmdir(folder);
}

/* ---- Who answers */

struct talk {
	SSL_CTX *context;
	SSL *server;
	SSL *client;
	int sockets[2];
	bool over; /* the client has failed or succeeded */
	char server_name[64];
};

static struct talk listen_as(const struct identity *identity)
{
	struct talk talk = {.context = SSL_CTX_new(TLS_server_method())};

	assert_int_equal(SSL_CTX_use_certificate(talk.context, identity->cert), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(talk.context, identity->key), 1);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, talk.sockets), 0);
	return talk;
}

static void ask_for_certificate(struct talk *talk)
{
	SSL_CTX_set_verify(talk->context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	assert_int_equal(SSL_CTX_load_verify_file(talk->context, ca.cert_file), 1);
}

static bool goes_on(const SSL *session, int result)
{
	int error = SSL_get_error(session, result);

	return result > 0 || error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
}

/*
 * Both sides in turn, until the client has read the server's greeting, or failed. What the server
 * leaves in the queue of errors is not the client's.
 */
static bool shake_hands(struct talk *talk, struct tls *tls, const char *host)
{
	char greeting[8];

	talk->client = tls_session(tls, host);
	assert_non_null(talk->client);
	SSL_set_fd(talk->client, talk->sockets[0]);
	SSL_set_connect_state(talk->client);
	talk->server = SSL_new(talk->context);
	SSL_set_fd(talk->server, talk->sockets[1]);
	SSL_set_accept_state(talk->server);
	for (int i = 0; i < ROUNDS_MAX; i++) {
		int result = SSL_read(talk->client, greeting, sizeof(greeting));
		if (result > 0)
			return true;
		if (!goes_on(talk->client, result))
			return false;
		assert_true(tls_waits_to_read(talk->client));
		SSL_write(talk->server, "hello", 5);
		const char *name = SSL_get_servername(talk->server, TLSEXT_NAMETYPE_host_name);
		snprintf(talk->server_name, sizeof(talk->server_name), "%s",
		         name != NULL ? name : "");
		ERR_clear_error();
	}
	fail_msg("no end of the handshake");
	return false;
}

static void hang_up(struct talk *talk)
{
	tls_forget(talk->client);
	SSL_free(talk->server);
	SSL_CTX_free(talk->context);
	close(talk->sockets[0]);
	close(talk->sockets[1]);
}

/* `reason` NULL: it is trusted. */
static void check(struct tls *tls, const struct identity *identity, const char *host,
                  const char *reason)
{
	struct talk talk = listen_as(identity);

	if (shake_hands(&talk, tls, host) != (reason == NULL))
		fail_msg("%s: %s", host, tls_reason(talk.client));
	const char *told = tls_reason(talk.client);
	if (reason == NULL)
		assert_null(told);
	else
		assert_string_equal(told, reason);
	hang_up(&talk);
}

static struct tls *create(const char *ca_file, const char *cert, const char *key)
{
	const struct tls_settings settings = {"--test", ca_file, cert, key};
	const char *error = NULL;
	struct tls *tls = tls_create(&settings, &error);

	if (tls == NULL)
		fail_msg("%s", error);
	return tls;
}

/* ---- The tests */

static void only_who_was_meant_is_trusted(void **state)
{
	static const char other_name[] = "its certificate is not for this name";
	static const char other_address[] = "its certificate is not for this address";
	struct tls *tls = create(ca.cert_file, NULL, NULL);

	(void)state;
	check(tls, &redis, "redis.test", NULL);
	check(tls, &redis, "REDIS.test", NULL);
	check(tls, &redis, "one.nodes.test", NULL);
	check(tls, &redis, "127.0.0.1", NULL);
	check(tls, &redis, "::1", NULL);
	check(tls, &redis, "redis", other_name); /* its common name: does not count */
	check(tls, &redis, "redis.test.evil", other_name);
	check(tls, &redis, "a.b.nodes.test", other_name);
	check(tls, &redis, "127.0.0.2", other_address);
	check(tls, &redis, "::2", other_address);
	tls_destroy(tls);
}

static void a_certificate_has_its_time(void **state)
{
	struct tls *tls = create(ca.cert_file, NULL, NULL);
	struct identity old = make("old", &ca, "DNS:redis.test", -2 * DAY_SECONDS, -DAY_SECONDS);
	struct identity early = make("early", &ca, "DNS:redis.test", DAY_SECONDS, 2 * DAY_SECONDS);

	(void)state;
	check(tls, &old, "redis.test", "its certificate has expired");
	check(tls, &early, "redis.test", "its certificate is not valid yet");
	forget(&old);
	forget(&early);
	tls_destroy(tls);
}

static void only_a_ca_that_is_known_counts(void **state)
{
	static const char unknown[] = "its certificate is not from a CA that is known here";
	struct tls *tls = create(ca.cert_file, NULL, NULL);
	struct tls *systems = create(NULL, NULL, NULL);
	struct identity strange =
		make("strange", &stranger_ca, "DNS:redis.test", -DAY_SECONDS, DAY_SECONDS);
	struct identity alone = make("alone", NULL, "DNS:redis.test", -DAY_SECONDS, DAY_SECONDS);

	(void)state;
	check(tls, &strange, "redis.test", unknown);
	check(tls, &alone, "redis.test", unknown);
	check(systems, &redis, "redis.test", unknown);
	forget(&strange);
	forget(&alone);
	tls_destroy(systems);
	tls_destroy(tls);
}

/* Virtual hosts, as managed Redis has them. An address is not a name. */
static void the_name_is_told(void **state)
{
	struct tls *tls = create(ca.cert_file, NULL, NULL);
	struct talk talk = listen_as(&redis);

	(void)state;
	assert_true(shake_hands(&talk, tls, "redis.test"));
	assert_string_equal(talk.server_name, "redis.test");
	assert_int_equal(SSL_version(talk.client), TLS1_3_VERSION);
	hang_up(&talk);
	talk = listen_as(&redis);
	assert_true(shake_hands(&talk, tls, "127.0.0.1"));
	assert_string_equal(talk.server_name, "");
	hang_up(&talk);
	tls_destroy(tls);
}

static void nobody_in_particular_is_nobody(void **state)
{
	struct tls *tls = create(ca.cert_file, NULL, NULL);
	char long_name[300] = {0};

	(void)state;
	memset(long_name, 'a', sizeof(long_name) - 1);
	assert_null(tls_session(tls, ""));
	assert_null(tls_session(tls, long_name));
	tls_destroy(tls);
}

static void an_own_certificate_is_shown(void **state)
{
	struct tls *without = create(ca.cert_file, NULL, NULL);
	struct tls *with = create(ca.cert_file, own.cert_file, own.key_file);
	struct identity strange = make("strange", &stranger_ca, NULL, -DAY_SECONDS, DAY_SECONDS);
	struct tls *strangers = create(ca.cert_file, strange.cert_file, strange.key_file);

	(void)state;
	struct talk talk = listen_as(&redis);
	ask_for_certificate(&talk);
	assert_true(shake_hands(&talk, with, "redis.test"));
	hang_up(&talk);

	talk = listen_as(&redis);
	ask_for_certificate(&talk);
	assert_false(shake_hands(&talk, without, "redis.test"));
	assert_string_equal(tls_reason(talk.client), "it wants a certificate of ours");
	hang_up(&talk);

	talk = listen_as(&redis);
	ask_for_certificate(&talk);
	assert_false(shake_hands(&talk, strangers, "redis.test"));
	assert_string_equal(tls_reason(talk.client), "it does not accept our certificate");
	hang_up(&talk);

	forget(&strange);
	tls_destroy(strangers);
	tls_destroy(with);
	tls_destroy(without);
}

static void old_versions_are_refused(void **state)
{
	struct tls *tls = create(ca.cert_file, NULL, NULL);
	struct talk talk = listen_as(&redis);

	(void)state;
	SSL_CTX_set_security_level(talk.context, 0);
	SSL_CTX_set_max_proto_version(talk.context, TLS1_1_VERSION);
	assert_false(shake_hands(&talk, tls, "redis.test"));
	assert_string_equal(tls_reason(talk.client), "it does not speak TLS 1.2 or later");
	hang_up(&talk);

	talk = listen_as(&redis);
	SSL_CTX_set_max_proto_version(talk.context, TLS1_2_VERSION);
	assert_true(shake_hands(&talk, tls, "redis.test"));
	hang_up(&talk);
	tls_destroy(tls);
}

/* The port of a Redis without TLS. */
static void what_is_no_tls_is_called_so(void **state)
{
	struct tls *tls = create(ca.cert_file, NULL, NULL);
	struct talk talk = listen_as(&redis);

	(void)state;
	assert_int_equal(write(talk.sockets[1], "-ERR unknown command\r\n", 22), 22);
	assert_false(shake_hands(&talk, tls, "redis.test"));
	assert_string_equal(tls_reason(talk.client), "what answers there does not speak TLS");
	hang_up(&talk);
	tls_destroy(tls);
}

/* Poll would not tell of what OpenSSL has read already. */
static void bytes_in_the_session_are_told(void **state)
{
	struct tls *tls = create(ca.cert_file, NULL, NULL);
	struct talk talk = listen_as(&redis);
	char bytes[100] = {0};

	(void)state;
	assert_true(shake_hands(&talk, tls, "redis.test"));
	while (SSL_read(talk.client, bytes, sizeof(bytes)) > 0)
		;
	assert_false(tls_has_more(talk.client));
	assert_int_equal(SSL_write(talk.server, bytes, sizeof(bytes)), sizeof(bytes));
	assert_int_equal(SSL_read(talk.client, bytes, 1), 1);
	assert_true(tls_has_more(talk.client));
	assert_int_equal(SSL_read(talk.client, bytes, 99), 99);
	assert_false(tls_has_more(talk.client));
	hang_up(&talk);
	tls_destroy(tls);
}

/* But half a record is in the session, too, and nothing can be done with it: who read on would spin. */
static void half_a_record_is_nothing(void **state)
{
	struct tls *tls = create(ca.cert_file, NULL, NULL);
	struct talk talk = listen_as(&redis);
	char bytes[100] = {0};
	char record[300];
	int detour[2];

	(void)state;
	assert_true(shake_hands(&talk, tls, "redis.test"));
	while (SSL_read(talk.client, bytes, sizeof(bytes)) > 0)
		;
	assert_int_equal(pipe(detour), 0);
	SSL_set_wfd(talk.server, detour[1]);
	assert_int_equal(SSL_write(talk.server, bytes, sizeof(bytes)), sizeof(bytes));
	ssize_t size = read(detour[0], record, sizeof(record));
	assert_true(size > 100);
	assert_int_equal(write(talk.sockets[1], record, 50), 50);
	assert_int_equal(SSL_read(talk.client, bytes, sizeof(bytes)), -1);
	assert_true(tls_waits_to_read(talk.client));
	assert_false(tls_has_more(talk.client));
	assert_int_equal(write(talk.sockets[1], record + 50, (size_t)size - 50), size - 50);
	assert_int_equal(SSL_read(talk.client, bytes, sizeof(bytes)), sizeof(bytes));
	close(detour[0]);
	close(detour[1]);
	hang_up(&talk);
	tls_destroy(tls);
}

/* A server that is killed says no goodbye. */
static void an_end_without_goodbye_is_an_end(void **state)
{
	struct tls *tls = create(ca.cert_file, NULL, NULL);
	struct talk talk = listen_as(&redis);
	char bytes[100];
	int result;

	(void)state;
	assert_true(shake_hands(&talk, tls, "redis.test"));
	shutdown(talk.sockets[1], SHUT_RDWR);
	while ((result = SSL_read(talk.client, bytes, sizeof(bytes))) > 0)
		;
	assert_int_equal(SSL_get_error(talk.client, result), SSL_ERROR_ZERO_RETURN);
	assert_null(tls_reason(talk.client));
	hang_up(&talk);
	tls_destroy(tls);
}

static void write_file(const char *path, const char *bytes)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(bytes, file);
	fclose(file);
}

static void files_that_are_not_good_are_refused(void **state)
{
	char junk[64];
	const char *error;

	(void)state;
	snprintf(junk, sizeof(junk), "%s/junk", folder);
	write_file(junk, "not PEM");
	const char *const cases[][4] = {
		{junk, NULL, NULL, "--test-ca-file"},
		{"/nowhere", NULL, NULL, "--test-ca-file"},
		{own.key_file, NULL, NULL, "--test-ca-file"},
		{ca.cert_file, own.cert_file, NULL, "need each other"},
		{ca.cert_file, NULL, own.key_file, "need each other"},
		{ca.cert_file, junk, own.key_file, "--test-cert-file holds"},
		{ca.cert_file, own.cert_file, junk, "--test-key-file holds"},
		{ca.cert_file, own.cert_file, "/nowhere", "--test-key-file holds"},
		{ca.cert_file, own.cert_file, redis.key_file, "--test-key-file holds"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct tls_settings settings = {"--test", cases[i][0], cases[i][1],
		                                      cases[i][2]};
		error = NULL;
		assert_null(tls_create(&settings, &error));
		if (error == NULL || strstr(error, cases[i][3]) == NULL)
			fail_msg("case %zu: %s", i, error);
	}
	assert_int_equal(ERR_peek_error(), 0);
	unlink(junk);
}

/* A CA that is replaced while the relay runs; and one half of a file does no harm. */
static void a_file_that_changed_is_read_again(void **state)
{
	struct identity strange =
		make("strange", &stranger_ca, "DNS:redis.test", -DAY_SECONDS, DAY_SECONDS);
	char file[64];
	char next[64];

	(void)state;
	snprintf(file, sizeof(file), "%s/file", folder);
	snprintf(next, sizeof(next), "%s/next", folder);
	assert_int_equal(link(ca.cert_file, file), 0);
	struct tls *tls = create(file, NULL, NULL);
	check(tls, &redis, "redis.test", NULL);

	write_file(next, "-----BEGIN CERTIFICATE-----\nMIIB");
	assert_int_equal(rename(next, file), 0);
	check(tls, &redis, "redis.test", NULL);
	unlink(file);
	check(tls, &redis, "redis.test", NULL);

	assert_int_equal(link(stranger_ca.cert_file, file), 0);
	check(tls, &strange, "redis.test", NULL);
	check(tls, &redis, "redis.test", "its certificate is not from a CA that is known here");
	tls_destroy(tls);
	unlink(file);
	forget(&strange);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_who_was_meant_is_trusted),
		cmocka_unit_test(a_certificate_has_its_time),
		cmocka_unit_test(only_a_ca_that_is_known_counts),
		cmocka_unit_test(the_name_is_told),
		cmocka_unit_test(nobody_in_particular_is_nobody),
		cmocka_unit_test(an_own_certificate_is_shown),
		cmocka_unit_test(old_versions_are_refused),
		cmocka_unit_test(what_is_no_tls_is_called_so),
		cmocka_unit_test(bytes_in_the_session_are_told),
		cmocka_unit_test(half_a_record_is_nothing),
		cmocka_unit_test(an_end_without_goodbye_is_an_end),
		cmocka_unit_test(files_that_are_not_good_are_refused),
		cmocka_unit_test(a_file_that_changed_is_read_again),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
