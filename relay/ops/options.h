/*
 * What the operator decided: command line, environment, defaults.
 *
 * The options themselves are rows of options.def. They are read once, at the start; afterwards
 * struct options is a plain value that nobody changes.
 *
 *	struct options options;
 *	switch (options_parse(&options, &(struct options_input){.argc = argc, .argv = argv,
 *		.variable = getenv, .version = RELAY_VERSION, .out = stdout, .err = stderr})) ...
 *	timeout = options.ttl_seconds * 1000;
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "common/log.h"

#define OPTION_WORDS_BYTES_MAX 1024

/* In the order of the choices in options.def. */
enum option_auth { OPTION_AUTH_NONE, OPTION_AUTH_JWT };
enum option_bus_connect { OPTION_BUS_CONNECT_START, OPTION_BUS_CONNECT_FIRST_USE };
enum option_core_dumps { OPTION_CORE_DUMPS_OFF, OPTION_CORE_DUMPS_ON };
enum option_from { OPTION_FROM_ANY, OPTION_FROM_ANNOUNCED };
enum option_liveness { OPTION_LIVENESS_MESSAGES, OPTION_LIVENESS_PONGS };
enum option_mesh_by {
	OPTION_MESH_BY_ANY,
	OPTION_MESH_BY_QUERY,
	OPTION_MESH_BY_HEADER,
	OPTION_MESH_BY_NONE
};
enum option_profile { OPTION_PROFILE_DEFAULT, OPTION_PROFILE_AGENTCORE };
enum option_refuse_by { OPTION_REFUSE_BY_STATUS, OPTION_REFUSE_BY_CLOSE };
enum option_replies { OPTION_REPLIES_ALL, OPTION_REPLIES_TO };

enum option_token_query { OPTION_TOKEN_QUERY_ALLOW, OPTION_TOKEN_QUERY_REFUSE };

/* A numeric address, IPv6 without brackets. An address that is not wanted has port 0. */
struct option_address {
	char host[46]; /* INET6_ADDRSTRLEN */
	uint16_t port;
};

/* Words with one space between, or pairs NAME=VALUE with a newline between. */
struct option_words {
	char text[OPTION_WORDS_BYTES_MAX];
};

#define OPTION_TYPE_NUMBER uint64_t
#define OPTION_TYPE_SIZE uint64_t
#define OPTION_TYPE_CHOICE(type) type
#define OPTION_TYPE_ADDRESS struct option_address
#define OPTION_TYPE_URL const char *
#define OPTION_TYPE_PREFIX const char *
#define OPTION_TYPE_TEXT const char * /* NULL: none */
#define OPTION_TYPE_PATH const char * /* NULL: none */
#define OPTION_TYPE_WORDS struct option_words
#define OPTION_TYPE_PAIRS struct option_words
#define OPTION_TYPE_ORIGINS struct option_words
#define OPTION_TYPE_NETWORKS struct option_words

/* Strings are borrowed from the command line and the environment. */
struct options {
#define GROUP(...)
#define OPTION(name, type, ...) OPTION_TYPE_##type name;
#include "ops/options.def"
#undef OPTION
#undef GROUP
};

enum options_outcome {
	OPTIONS_RUN,
	OPTIONS_HEALTHCHECK, /* asked whether the relay with these options is alive */
	OPTIONS_EXIT_OK,     /* asked for --help or the like, which is printed: exit 0 */
	OPTIONS_EXIT_USAGE,  /* a sentence is on `err`: exit 2 */
};

struct options_input {
	int argc;
	char **argv;
	char *(*variable)(const char *name); /* getenv() */
	const char *version;
	FILE *out;
	FILE *err;
};

enum options_outcome options_parse(struct options *options, const struct options_input *input)
	__attribute__((warn_unused_result));

/* Can strangers on other machines connect without proving who they are? Worth one warning. */
bool options_are_open(const struct options *options);
