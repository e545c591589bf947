/*
 * Options: every type, where values come from, what is refused and in which words, and that the
 * printed forms hold every row.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ops/options.h"
#include "ops/options_table.h"

#define ARGUMENTS_MAX 16

/* The environment of the case: name, value, ..., NULL */
static const char *const *variables;

static char *variable(const char *name)
{
	for (size_t i = 0; variables != NULL && variables[i] != NULL; i += 2)
		if (strcmp(variables[i], name) == 0)
			return (char *)(uintptr_t)variables[i + 1];
	return NULL;
}

static struct options options;
static char *printed;  /* on `out` */
static char *sentence; /* on `err` */

/* Parses a command line written as one string, words separated by single spaces. */
static enum options_outcome parse(const char *line)
{
	static char words[2 * OPTION_WORDS_BYTES_MAX];
	char *argv[ARGUMENTS_MAX] = {(char[]){"p2p-relay"}};
	int argc = 1;
	size_t size;

	snprintf(words, sizeof(words), "%s", line);
	for (char *word = strtok(words, " "); word != NULL; word = strtok(NULL, " "))
		argv[argc++] = word;

	free(printed);
	free(sentence);
	FILE *out = open_memstream(&printed, &size);
	FILE *err = open_memstream(&sentence, &size);
	enum options_outcome outcome =
		options_parse(&options, &(struct options_input){.argc = argc,
	                                                        .argv = argv,
	                                                        .variable = variable,
	                                                        .version = "1.2.3",
	                                                        .out = out,
	                                                        .err = err});
	fclose(out);
	fclose(err);
	return outcome;
}

static void assert_runs(const char *line)
{
	enum options_outcome outcome = parse(line);

	if (outcome != OPTIONS_RUN)
		fail_msg("%s: %s", line, sentence);
	assert_string_equal(sentence, "");
	assert_string_equal(printed, "");
}

static void assert_refused(const char *line, const char *expected)
{
	assert_int_equal(parse(line), OPTIONS_EXIT_USAGE);
	assert_string_equal(sentence, expected);
	assert_string_equal(printed, "");
}

static int reset(void **state)
{
	(void)state;
	variables = NULL;
	return 0;
}

static int release(void **state)
{
	(void)state;
	free(printed);
	free(sentence);
	printed = sentence = NULL;
	return 0;
}

static void everything_has_a_default(void **state)
{
	(void)state;
	assert_runs("");
	assert_string_equal(options.listen.host, "127.0.0.1");
	assert_int_equal(options.listen.port, 8080);
	assert_int_equal(options.admin_listen.port, 0);
	assert_string_equal(options.redis_url, "redis://127.0.0.1:6379");
	assert_null(options.redis_password_file);
	assert_string_equal(options.redis_prefix, "relay:");
	assert_int_equal(options.ttl_seconds, 30);
	assert_int_equal(options.message_bytes_max, 1048576);
	assert_int_equal(options.log_level, LOG_LEVEL_INFO);
	assert_int_equal(options.log_format, LOG_FORMAT_LOGFMT);
	assert_int_equal(options.replies, OPTION_REPLIES_ALL);
	assert_non_null(strstr(options.drop_types.text, "relay-log relay-connected "));
	assert_false(options_are_open(&options));
}

static void numbers(void **state)
{
	static const char expected[] =
		"p2p-relay: --ttl-seconds must be a whole number from 1 to 3600.\n";

	(void)state;
	assert_runs("--ttl-seconds 3600");
	assert_int_equal(options.ttl_seconds, 3600);
	assert_runs("--ttl-seconds=1");
	assert_int_equal(options.ttl_seconds, 1);
	assert_refused("--ttl-seconds 3601", expected);
	assert_refused("--ttl-seconds 0", expected);
	assert_refused("--ttl-seconds -1", expected);
	assert_refused("--ttl-seconds 1.5", expected);
	assert_refused("--ttl-seconds 30s", expected);
	assert_refused("--ttl-seconds=", expected);
	assert_refused("--ttl-seconds 18446744073709551617", expected); /* 2^64 + 1 */
}

static void sizes(void **state)
{
	static const char expected[] =
		"p2p-relay: --message-bytes-max must be a size from 1KiB to 16MiB, such as "
		"1048576, 1024KiB or 1MiB.\n";

	(void)state;
	assert_runs("--message-bytes-max 2000");
	assert_int_equal(options.message_bytes_max, 2000);
	assert_runs("--message-bytes-max 3KiB");
	assert_int_equal(options.message_bytes_max, 3072);
	assert_runs("--bus-queue-bytes 1GiB");
	assert_int_equal(options.bus_queue_bytes, 1073741824);
	assert_refused("--message-bytes-max 17MiB", expected);
	assert_refused("--message-bytes-max 1023", expected);
	assert_refused("--message-bytes-max 1MB", expected);
	assert_refused("--message-bytes-max KiB", expected);
	assert_refused("--message-bytes-max 18014398509481985KiB", expected); /* 2^64 + 2^10 */
}

/* Ties the order of each enum to the order of the choices. */
static void choices(void **state)
{
	(void)state;
	assert_runs("--replies to --from announced --liveness pongs --bus-connect first-use");
	assert_int_equal(options.replies, OPTION_REPLIES_TO);
	assert_int_equal(options.from, OPTION_FROM_ANNOUNCED);
	assert_int_equal(options.liveness, OPTION_LIVENESS_PONGS);
	assert_int_equal(options.bus_connect, OPTION_BUS_CONNECT_FIRST_USE);
	assert_runs("--from any --liveness messages --bus-connect start");
	assert_int_equal(options.from, OPTION_FROM_ANY);
	assert_int_equal(options.liveness, OPTION_LIVENESS_MESSAGES);
	assert_int_equal(options.bus_connect, OPTION_BUS_CONNECT_START);
	assert_runs("--mesh-by any --auth none --profile default");
	assert_int_equal(options.mesh_by, OPTION_MESH_BY_ANY);
	assert_int_equal(options.auth, OPTION_AUTH_NONE);
	assert_int_equal(options.profile, OPTION_PROFILE_DEFAULT);
	assert_runs("--mesh-by query");
	assert_int_equal(options.mesh_by, OPTION_MESH_BY_QUERY);
	assert_runs("--mesh-by header");
	assert_int_equal(options.mesh_by, OPTION_MESH_BY_HEADER);
	assert_runs("--mesh-by none");
	assert_int_equal(options.mesh_by, OPTION_MESH_BY_NONE);
	assert_runs("--log-level debug --log-format json");
	assert_int_equal(options.log_level, LOG_LEVEL_DEBUG);
	assert_int_equal(options.log_format, LOG_FORMAT_JSON);
	assert_runs("--log-level warn");
	assert_int_equal(options.log_level, LOG_LEVEL_WARN);
	assert_runs("--log-level error");
	assert_int_equal(options.log_level, LOG_LEVEL_ERROR);

	assert_refused("--mesh-by head",
	               "p2p-relay: --mesh-by must be any, query, header or none.\n");
	assert_refused("--replies ALL", "p2p-relay: --replies must be all or to.\n");
	assert_refused("--auth JWT", "p2p-relay: --auth must be none or jwt.\n");
}

static void addresses(void **state)
{
	static const char *const wrong[] = {
		"8080",
		":8080",
		"127.0.0.1",
		"127.0.0.1:",
		"127.0.0.1:65536",
		"example.org:80",
		"::1:80",
		"[::1]",
		"[::1:80",
		"[]:80",
		"[127.0.0.1]:80",
		"1.2.3:80",
		"[0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0001]:80"};

	(void)state;
	assert_runs("--listen 127.1.2.3:65535");
	assert_string_equal(options.listen.host, "127.1.2.3");
	assert_int_equal(options.listen.port, 65535);
	assert_runs("--listen [::1]:1 --admin-listen localhost:9090");
	assert_string_equal(options.listen.host, "::1");
	assert_int_equal(options.listen.port, 1);
	assert_string_equal(options.admin_listen.host, "127.0.0.1");
	assert_int_equal(options.admin_listen.port, 9090);
	assert_runs("--listen 127.0.0.1:0"); /* any free port */
	assert_int_equal(options.listen.port, 0);
	assert_runs("--admin-listen none");
	assert_int_equal(options.admin_listen.port, 0);

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		char line[128];

		snprintf(line, sizeof(line), "--listen %s", wrong[i]);
		assert_refused(
			line,
			"p2p-relay: --listen must be a numeric address or localhost, and a port, such as "
			"127.0.0.1:8080 or [::1]:8080.\n");
	}
	assert_refused(
		"--admin-listen x",
		"p2p-relay: --admin-listen must be a numeric address or localhost, and a port, "
		"such as 127.0.0.1:8080 or [::1]:8080, or none.\n");
}

static void texts(void **state)
{
	(void)state;
	assert_runs("--redis-url redis://user:pw@redis.example:6380/2 --redis-prefix a:b");
	assert_string_equal(options.redis_url, "redis://user:pw@redis.example:6380/2");
	assert_string_equal(options.redis_prefix, "a:b");
	assert_runs("--redis-url unix:/run/redis.sock --redis-password-file /run/secrets/redis");
	assert_string_equal(options.redis_url, "unix:/run/redis.sock");
	assert_string_equal(options.redis_password_file, "/run/secrets/redis");
	assert_runs("--redis-password-file none");
	assert_null(options.redis_password_file);

	assert_refused(
		"--redis-prefix {a}",
		"p2p-relay: --redis-prefix must be 1 to 64 ASCII characters without space, { "
		"and }.\n");
	assert_refused(
		"--redis-prefix=",
		"p2p-relay: --redis-prefix must be 1 to 64 ASCII characters without space, { "
		"and }.\n");
	assert_refused("--redis-password-file=",
	               "p2p-relay: --redis-password-file must be the path of a file, or none.\n");
	assert_refused(
		"--redis-url redis://",
		"p2p-relay: --redis-url must be a URL that begins with redis://, "
		"redis+sentinel:// or redis+cluster://, with rediss for TLS, or with unix:.\n");
}

static void redis_in_all_its_forms(void **state)
{
	static const char *const urls[] = {"rediss://h", "redis+sentinel://a,b/m",
	                                   "rediss+sentinel://a/m", "redis+cluster://a,b",
	                                   "rediss+cluster://a"};
	char line[64];

	(void)state;
	for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
		snprintf(line, sizeof(line), "--redis-url %s", urls[i]);
		assert_runs(line);
		assert_string_equal(options.redis_url, urls[i]);
	}
	assert_runs("--redis-url redis+sentinel://h/m --redis-sentinel-user relay "
	            "--redis-sentinel-password-file /f");
	assert_string_equal(options.redis_sentinel_user, "relay");
	assert_string_equal(options.redis_sentinel_password_file, "/f");
	assert_runs("--redis-sentinel-user none");
	assert_null(options.redis_sentinel_user);
	assert_refused("--redis-sentinel-user=",
	               "p2p-relay: --redis-sentinel-user must be a word, or none.\n");
}

static void files_for_tls(void **state)
{
	(void)state;
	assert_runs("--redis-url rediss://h --redis-ca-file /ca --redis-cert-file /cert "
	            "--redis-key-file /key");
	assert_string_equal(options.redis_ca_file, "/ca");
	assert_string_equal(options.redis_cert_file, "/cert");
	assert_string_equal(options.redis_key_file, "/key");
	assert_refused(
		"--redis-url redis://h --redis-ca-file /ca",
		"p2p-relay: --redis-ca-file is for TLS: --redis-url must begin with rediss.\n");
	assert_refused(
		"--redis-key-file /key",
		"p2p-relay: --redis-key-file is for TLS: --redis-url must begin with rediss.\n");
	assert_refused("--redis-url rediss+cluster://h --redis-cert-file /cert",
	               "p2p-relay: --redis-cert-file and --redis-key-file need each other.\n");
	assert_refused("--tls-key-file /key",
	               "p2p-relay: --tls-cert-file and --tls-key-file need each other.\n");
	assert_runs("--tls-key-file /key --tls-cert-file /cert");
}

static void word_lists(void **state)
{
	char line[OPTION_WORDS_BYTES_MAX + 64];

	(void)state;
	assert_runs("--drop-types a,b --drop-types=c,,d,");
	assert_string_equal(options.drop_types.text, "a b c d");
	assert_runs("--drop-types none");
	assert_string_equal(options.drop_types.text, "");
	variables = (const char *const[]){"RELAY_DROP_TYPES", " x  y ", NULL};
	assert_runs("");
	assert_string_equal(options.drop_types.text, "x y");

	int begin = snprintf(line, sizeof(line), "--drop-types ");
	memset(line + begin, 'a', OPTION_WORDS_BYTES_MAX);
	line[begin + OPTION_WORDS_BYTES_MAX] = '\0';
	assert_refused(
		line,
		"p2p-relay: --drop-types must be words separated by spaces or commas, altogether less than "
		"1024 bytes, or none.\n");
}

static void pairs(void **state)
{
	(void)state;
	assert_runs(
		"--auth jwt --discovery-url https://a --required-claim a=b,c --required-claim=d==");
	assert_string_equal(options.required_claim.text, "a=b,c\nd==");
	variables = (const char *const[]){"RELAY_REQUIRED_CLAIM", "a=b c\nd=e", NULL};
	assert_runs("--auth jwt --discovery-url https://a");
	assert_string_equal(options.required_claim.text, "a=b c\nd=e");
	variables = NULL;
	assert_refused("--required-claim a",
	               "p2p-relay: --required-claim must be NAME=VALUE, altogether "
	               "less than 1024 bytes, or none.\n");
	assert_refused("--required-claim =b",
	               "p2p-relay: --required-claim must be NAME=VALUE, altogether "
	               "less than 1024 bytes, or none.\n");
}

static void tokens_need_rules_and_rules_need_tokens(void **state)
{
	(void)state;
	assert_runs("--auth jwt --discovery-url https://a --allowed-client c");
	assert_runs("--auth jwt --discovery-url https://a --listen 0.0.0.0:1 --allowed-scope s");
	assert_refused("--auth jwt --allowed-client c",
	               "p2p-relay: --auth jwt needs --discovery-url.\n");
	assert_refused("--auth jwt --discovery-url https://a",
	               "p2p-relay: --auth jwt needs at least one of --allowed-client, "
	               "--allowed-audience, --allowed-scope and --required-claim.\n");
	assert_refused("--allowed-audience a",
	               "p2p-relay: --allowed-audience is for --auth jwt.\n");
	assert_refused("--discovery-url https://a",
	               "p2p-relay: --discovery-url is for --auth jwt.\n");
	assert_refused("--mesh-claim m", "p2p-relay: --mesh-claim is for --auth jwt.\n");
	variables = (const char *const[]){"RELAY_ALLOWED_CLIENT", "c", NULL};
	assert_refused("--profile agentcore",
	               "p2p-relay: RELAY_ALLOWED_CLIENT is for --auth jwt.\n");
}

static void origins(void **state)
{
	static const char expected[] =
		"p2p-relay: --allowed-origin must be origins such as https://app.example.org or "
		"https://*.example.org, without a path, or same, or *, altogether less than 1024 "
		"bytes.\n";
	static const char *const wrong[] = {
		"https://example.org/",        "example.org", "none", "null", "https://*", ",",
		"https://a.example,b.example",
	};

	(void)state;
	assert_runs("");
	assert_string_equal(options.allowed_origin.text, "same");
	assert_runs("--allowed-origin https://a.example,same --allowed-origin *");
	assert_string_equal(options.allowed_origin.text, "https://a.example same *");
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		char line[128];

		snprintf(line, sizeof(line), "--allowed-origin %s", wrong[i]);
		assert_refused(line, expected);
	}
}

static void networks(void **state)
{
	static const char expected[] =
		"p2p-relay: --trusted-proxy must be at most 64 addresses or networks, such as "
		"10.0.0.0/8 or fd00::/8, or none.\n";

	(void)state;
	assert_runs("");
	assert_string_equal(options.trusted_proxy.text, "");
	assert_runs("--trusted-proxy 10.0.0.0/8,::1 --trusted-proxy 192.0.2.1");
	assert_string_equal(options.trusted_proxy.text, "10.0.0.0/8 ::1 192.0.2.1");
	assert_runs("--trusted-proxy none");
	assert_string_equal(options.trusted_proxy.text, "");
	assert_refused("--trusted-proxy proxy.example", expected);
	assert_refused("--trusted-proxy 10.0.0.0/33", expected);
}

static void flag_beats_variable_beats_default(void **state)
{
	(void)state;
	variables = (const char *const[]){"RELAY_TTL_SECONDS", "20", "RELAY_DROP_TYPES", "x", NULL};
	assert_runs("");
	assert_int_equal(options.ttl_seconds, 20);
	assert_runs("--ttl-seconds 10 --ttl-seconds 11 --drop-types y");
	assert_int_equal(options.ttl_seconds, 11);
	assert_string_equal(options.drop_types.text, "y");

	variables = (const char *const[]){"RELAY_TTL_SECONDS", "", NULL};
	assert_runs("");
	assert_int_equal(options.ttl_seconds, 30);
}

static void errors_name_what_was_given(void **state)
{
	(void)state;
	variables = (const char *const[]){"RELAY_TTL_SECONDS", "x", NULL};
	assert_refused("", "p2p-relay: RELAY_TTL_SECONDS must be a whole number from 1 to 3600.\n");
	assert_runs("--ttl-seconds 1"); /* a variable that does not count is not looked at */

	variables = (const char *const[]){"RELAY_OUTBOX_BYTES_MAX", "20000", NULL};
	assert_refused(
		"",
		"p2p-relay: RELAY_OUTBOX_BYTES_MAX must be at least 1040KiB, because of --message-bytes-max.\n");
}

static void port_moves_the_default_address_only(void **state)
{
	(void)state;
	variables = (const char *const[]){"PORT", "3000", NULL};
	assert_runs("");
	assert_string_equal(options.listen.host, "127.0.0.1");
	assert_int_equal(options.listen.port, 3000);
	assert_runs("--profile agentcore");
	assert_string_equal(options.listen.host, "0.0.0.0");
	assert_int_equal(options.listen.port, 3000);
	assert_runs("--listen 127.0.0.1:4000");
	assert_int_equal(options.listen.port, 4000);

	variables = (const char *const[]){"PORT", "3000", "RELAY_LISTEN", "127.0.0.1:5000", NULL};
	assert_runs("");
	assert_int_equal(options.listen.port, 5000);

	variables = (const char *const[]){"PORT", "tcp://10.0.0.1:80", NULL};
	assert_refused("", "p2p-relay: PORT must be a whole number from 1 to 65535.\n");
	variables = (const char *const[]){"PORT", "", NULL};
	assert_runs("");
	assert_int_equal(options.listen.port, 8080);
}

static void profile_changes_defaults_only(void **state)
{
	(void)state;
	assert_runs("--profile agentcore");
	assert_string_equal(options.listen.host, "0.0.0.0");
	assert_int_equal(options.listen.port, 8080);
	assert_int_equal(options.message_bytes_max, 65536);
	assert_int_equal(options.bus_probe_seconds, 10);
	assert_int_equal(options.bus_connect, OPTION_BUS_CONNECT_FIRST_USE);
	assert_int_equal(options.mesh_by, OPTION_MESH_BY_HEADER);
	assert_int_equal(options.ttl_seconds, 30);

	variables = (const char *const[]){
		"RELAY_PROFILE", "agentcore", "RELAY_BUS_PROBE_SECONDS", "2", "RELAY_BUS_CONNECT",
		"start",         NULL};
	assert_runs("--message-bytes-max 128KiB --listen 127.0.0.1:1");
	assert_string_equal(options.listen.host, "127.0.0.1");
	assert_int_equal(options.message_bytes_max, 131072);
	assert_int_equal(options.bus_probe_seconds, 2);
	assert_int_equal(options.bus_connect, OPTION_BUS_CONNECT_START);
}

static void an_open_relay_must_be_meant(void **state)
{
	static const char expected[] =
		"p2p-relay: --listen lets other machines in, and nothing asks them who they are: if that is meant, say "
		"--auth none (or RELAY_AUTH=none), else listen on 127.0.0.1:80.\n";

	(void)state;
	assert_refused("--listen 0.0.0.0:80", expected);
	assert_refused("--listen 10.0.0.1:80", expected);
	assert_refused("--listen [::]:80", expected);
	assert_runs("--listen 127.9.9.9:80");
	assert_false(options_are_open(&options));
	assert_runs("--listen [::1]:80");
	assert_false(options_are_open(&options));
	assert_runs("--listen 0.0.0.0:80 --auth none");
	assert_true(options_are_open(&options));
	variables = (const char *const[]){"RELAY_AUTH", "none", NULL};
	assert_runs("--listen [::]:80");
	assert_true(options_are_open(&options));
	variables = NULL;
	assert_runs("--profile agentcore");
	assert_true(options_are_open(&options));
}

static void options_fit_together(void **state)
{
	(void)state;
	/* 1 MiB and 16 KiB of framing */
	assert_runs("--outbox-bytes-max 1040KiB");
	assert_refused(
		"--outbox-bytes-max 1064959",
		"p2p-relay: --outbox-bytes-max must be at least 1040KiB, because of --message-bytes-max.\n");
	assert_refused("--message-bytes-max 8MiB",
	               "p2p-relay: --message-bytes-max is too large for the default of "
	               "--outbox-bytes-max, which must then be at least 8208KiB.\n");
	assert_refused(
		"--bus-queue-bytes 1MiB",
		"p2p-relay: --bus-queue-bytes must be at least 1040KiB, because of --message-bytes-max.\n");
	assert_refused(
		"--bytes-per-second 1048575",
		"p2p-relay: --bytes-per-second must be at least 1MiB, because of --message-bytes-max.\n");
	assert_runs("--bytes-per-second 0");
	assert_refused(
		"--pong-seconds-max 25",
		"p2p-relay: --pong-seconds-max must be at least 26, because of --ping-seconds.\n");
	assert_refused("--admin-listen 127.0.0.1:8080",
	               "p2p-relay: --admin-listen must differ from the address of --listen.\n");
	assert_runs("--admin-listen [::1]:8080");
}

static void unknown_options(void **state)
{
	(void)state;
	assert_refused("--ttl-secnds 3",
	               "p2p-relay: unknown option --ttl-secnds; did you mean --ttl-seconds?\n");
	assert_refused("--ttl_seconds=3",
	               "p2p-relay: unknown option --ttl_seconds; did you mean --ttl-seconds?\n");
	assert_refused("-listen 1", "p2p-relay: unknown option -listen; did you mean --listen?\n");
	assert_refused("--verbose", "p2p-relay: unknown option --verbose; see --help.\n");
	assert_refused("-v", "p2p-relay: unknown option -v; see --help.\n");
	assert_refused("--ttl-seconds 3 start",
	               "p2p-relay: argument 3 is not an option; see --help.\n");
	assert_refused(
		"--listen",
		"p2p-relay: --listen needs a value: a numeric address or localhost, and a port, such as "
		"127.0.0.1:8080 or [::1]:8080.\n");
	assert_refused("--options yaml", "p2p-relay: --options must be markdown, json or man.\n");
	assert_refused("--options", "p2p-relay: --options must be markdown, json or man.\n");
	assert_refused("--a-name-that-is-longer-than-any-option-could-ever-be-in-this-program",
	               "p2p-relay: unknown option; see --help.\n");
}

/* A password may end up in the wrong place; it must not end up in a log too. */
static void values_are_never_repeated(void **state)
{
	static const char *const lines[] = {"--redis-url http://:pa55word@h",
	                                    "--redis-ulr=redis://:pa55word@h",
	                                    "redis://:pa55word@h",
	                                    "--listen redis://:pa55word@h",
	                                    "--ttl-seconds pa55word",
	                                    "--redis-prefix {pa55word}",
	                                    "--options pa55word"};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		assert_int_equal(parse(lines[i]), OPTIONS_EXIT_USAGE);
		assert_null(strstr(sentence, "pa55word"));
	}
	variables = (const char *const[]){"RELAY_REDIS_URL", "redis://:pa55word@h", NULL};
	assert_int_equal(parse("--help"), OPTIONS_EXIT_OK);
	assert_null(strstr(printed, "pa55word"));
}

static size_t longest_line(const char *text)
{
	size_t longest = 0;

	while (*text != '\0') {
		size_t size = strcspn(text, "\n");

		if (size > longest)
			longest = size;
		text += size + (text[size] == '\n');
	}
	return longest;
}

static void help_and_version(void **state)
{
	char flag[OPTION_NAME_SIZE + 4];

	(void)state;
	assert_int_equal(parse("--version"), OPTIONS_EXIT_OK);
	assert_string_equal(printed, "p2p-relay 1.2.3\n");
	assert_int_equal(parse("--listen 127.0.0.1:1 --help"), OPTIONS_EXIT_OK);
	assert_string_equal(sentence, "");
	assert_true(longest_line(printed) <= 80);
	for (size_t i = 0; i < option_row_count; i++) {
		const struct option_row *row = &option_rows[i];

		if (row->kind == OPTION_KIND_GROUP) {
			assert_non_null(strstr(printed, row->name));
			continue;
		}
		snprintf(flag, sizeof(flag), "\n  ");
		option_flag(row, flag + 3);
		assert_non_null(strstr(printed, flag));
	}
}

/* It shares the variables of the relay that it asks, not the flags: what needs those is not refused. */
static void health_is_asked_where_the_relay_listens(void **state)
{
	(void)state;
	variables = (const char *const[]){"RELAY_LISTEN", "0.0.0.0:81", "RELAY_ADMIN_LISTEN",
	                                  "127.0.0.1:82", NULL};
	assert_int_equal(parse("--healthcheck"), OPTIONS_HEALTHCHECK);
	assert_int_equal(options.listen.port, 81);
	assert_int_equal(options.admin_listen.port, 82);
	assert_int_equal(parse("--healthcheck --listen 127.0.0.1:83"), OPTIONS_HEALTHCHECK);
	assert_int_equal(options.listen.port, 83);
	assert_int_equal(parse("--healthcheck=yes"), OPTIONS_EXIT_USAGE);
}

static void tables_hold_every_row(void **state)
{
	char flag[OPTION_NAME_SIZE], name[OPTION_NAME_SIZE], expected[2 * OPTION_NAME_SIZE + 64];

	(void)state;
	for (size_t i = 0; i < option_row_count; i++) {
		if (option_rows[i].kind == OPTION_KIND_GROUP)
			continue;
		option_flag(&option_rows[i], flag);
		option_variable(&option_rows[i], name);
		assert_int_equal(parse("--options markdown"), OPTIONS_EXIT_OK);
		snprintf(expected, sizeof(expected), "\n| `%s` | `%s` |", flag, name);
		assert_non_null(strstr(printed, expected));
		assert_int_equal(parse("--options=json"), OPTIONS_EXIT_OK);
		snprintf(expected, sizeof(expected), "\"flag\": \"%s\", \"variable\": \"%s\"", flag,
		         name);
		assert_non_null(strstr(printed, expected));
		assert_int_equal(parse("--options man"), OPTIONS_EXIT_OK);
		snprintf(expected, sizeof(expected), "\n.BR %s .\n", name);
		assert_non_null(strstr(printed, expected));
		/* Set by Kubernetes for a Service called relay. */
		assert_int_not_equal(strncmp(name, "RELAY_PORT", 10), 0);
		assert_int_not_equal(strncmp(name, "RELAY_SERVICE_", 14), 0);
	}
}

/* The page in the repository is the one that this table prints. */
static void page_is_up_to_date(void **state)
{
	char path[4096], page[65536];

	(void)state;
	snprintf(path, sizeof(path), "%s", __FILE__);
	char *end = strstr(path, "tests/unit/ops/");
	assert_non_null(end);
	snprintf(end, sizeof(path) - (size_t)(end - path), "docs/configuration.md");
	page[0] = '\0';
	FILE *file = fopen(path, "r");
	if (file != NULL) {
		page[fread(page, 1, sizeof(page) - 1, file)] = '\0';
		fclose(file);
	}

	assert_int_equal(parse("--options=markdown"), OPTIONS_EXIT_OK);
	if (strcmp(page, printed) != 0)
		fail_msg(
			"docs/configuration.md is out of date: p2p-relay --options=markdown > docs/configuration.md");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(everything_has_a_default, reset, release),
		cmocka_unit_test_setup_teardown(numbers, reset, release),
		cmocka_unit_test_setup_teardown(sizes, reset, release),
		cmocka_unit_test_setup_teardown(choices, reset, release),
		cmocka_unit_test_setup_teardown(addresses, reset, release),
		cmocka_unit_test_setup_teardown(texts, reset, release),
		cmocka_unit_test_setup_teardown(redis_in_all_its_forms, reset, release),
		cmocka_unit_test_setup_teardown(files_for_tls, reset, release),
		cmocka_unit_test_setup_teardown(word_lists, reset, release),
		cmocka_unit_test_setup_teardown(pairs, reset, release),
		cmocka_unit_test_setup_teardown(tokens_need_rules_and_rules_need_tokens, reset,
	                                        release),
		cmocka_unit_test_setup_teardown(origins, reset, release),
		cmocka_unit_test_setup_teardown(networks, reset, release),
		cmocka_unit_test_setup_teardown(flag_beats_variable_beats_default, reset, release),
		cmocka_unit_test_setup_teardown(errors_name_what_was_given, reset, release),
		cmocka_unit_test_setup_teardown(port_moves_the_default_address_only, reset,
	                                        release),
		cmocka_unit_test_setup_teardown(profile_changes_defaults_only, reset, release),
		cmocka_unit_test_setup_teardown(an_open_relay_must_be_meant, reset, release),
		cmocka_unit_test_setup_teardown(options_fit_together, reset, release),
		cmocka_unit_test_setup_teardown(unknown_options, reset, release),
		cmocka_unit_test_setup_teardown(values_are_never_repeated, reset, release),
		cmocka_unit_test_setup_teardown(help_and_version, reset, release),
		cmocka_unit_test_setup_teardown(health_is_asked_where_the_relay_listens, reset,
	                                        release),
		cmocka_unit_test_setup_teardown(tables_hold_every_row, reset, release),
		cmocka_unit_test_setup_teardown(page_is_up_to_date, reset, release),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
