/*
 * A value comes from the first of these that has one: flag, variable (an empty one has none), PORT
 * (for the port of --listen), profile, default.
 *
 * Errors name the option, as it was given, and what is allowed, and never repeat what was given:
 * it may be a URL with a password in it, even in the wrong place.
 */
#include "ops/options.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "common/ip.h"
#include "common/text.h"
#include "ops/options_man.h"
#include "ops/options_print.h"
#include "ops/options_table.h"

/* What wire/ puts around the largest message: frame headers, and what the relay inserts. */
#define FRAMING_BYTES_MAX 16384

enum source { SOURCE_DEFAULT, SOURCE_VARIABLE, SOURCE_FLAG };

struct parse {
	const struct options_input *input;
	struct options *options;
	bool is_healthcheck;
	enum source sources[OPTION_ROWS_MAX]; /* by row */
};

static const struct option_row *find_row(struct slice flag)
{
	char name[OPTION_NAME_SIZE];

	for (size_t i = 0; i < option_row_count; i++) {
		if (option_rows[i].kind == OPTION_KIND_GROUP)
			continue;
		option_flag(&option_rows[i], name);
		if (slice_is(flag, name))
			return &option_rows[i];
	}
	return NULL;
}

static enum source *source_of(struct parse *parse, const struct option_row *row)
{
	return &parse->sources[row - option_rows];
}

static const struct option_row *row_at(size_t offset)
{
	for (size_t i = 0; i < option_row_count; i++)
		if (option_rows[i].kind != OPTION_KIND_GROUP && option_rows[i].offset == offset)
			return &option_rows[i];
	return NULL;
}

/* The option's name, as the operator gave it. */
static void name_as_given(struct parse *parse, const struct option_row *row,
                          char name[static OPTION_NAME_SIZE])
{
	if (*source_of(parse, row) == SOURCE_VARIABLE)
		option_variable(row, name);
	else
		option_flag(row, name);
}

#define ROW(member) row_at(offsetof(struct options, member))

__attribute__((format(printf, 2, 3))) static enum options_outcome usage(const struct parse *parse,
                                                                        const char *format, ...)
{
	va_list arguments;

	fputs("p2p-relay: ", parse->input->err);
	va_start(arguments, format);
	vfprintf(parse->input->err, format, arguments);
	va_end(arguments);
	fputc('\n', parse->input->err);
	return OPTIONS_EXIT_USAGE;
}

/* How many characters must be put in, taken out or changed; good for words below 64 characters. */
static size_t edit_distance(struct slice a, struct slice b)
{
	size_t row[OPTION_NAME_SIZE];

	for (size_t j = 0; j <= b.size; j++)
		row[j] = j;
	for (size_t i = 1; i <= a.size; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= b.size; j++) {
			size_t best = diagonal + (a.data[i - 1] != b.data[j - 1]);

			diagonal = row[j];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[b.size];
}

static enum options_outcome unknown_flag(const struct parse *parse, struct slice flag)
{
	char name[OPTION_NAME_SIZE], nearest[OPTION_NAME_SIZE] = "";
	size_t nearest_distance = 4; /* further than that is not a slip */

	if (flag.size >= OPTION_NAME_SIZE)
		return usage(parse, "unknown option; see --help.");
	for (size_t i = 0; i < option_row_count; i++) {
		if (option_rows[i].kind == OPTION_KIND_GROUP)
			continue;
		option_flag(&option_rows[i], name);
		size_t distance = edit_distance(flag, slice_of(name));
		if (distance < nearest_distance) {
			nearest_distance = distance;
			memcpy(nearest, name, sizeof(nearest));
		}
	}
	if (nearest[0] != '\0')
		return usage(parse, "unknown option %.*s; did you mean %s?", SLICE_ARGS(flag),
		             nearest);
	return usage(parse, "unknown option %.*s; see --help.", SLICE_ARGS(flag));
}

static enum options_outcome set(struct parse *parse, const struct option_row *row, const char *text,
                                enum source source)
{
	char name[OPTION_NAME_SIZE], allowed[OPTION_DESCRIPTION_SIZE];

	*source_of(parse, row) = source;
	if (option_set(row, parse->options, text))
		return OPTIONS_RUN;
	name_as_given(parse, row, name);
	option_allowed(row, allowed);
	return usage(parse, "%s must be %s.", name, allowed);
}

static enum options_outcome print_table(const struct parse *parse, const char *format)
{
	if (format != NULL && strcmp(format, "markdown") == 0)
		options_print_markdown(parse->input->out);
	else if (format != NULL && strcmp(format, "json") == 0)
		options_print_json(parse->input->out);
	else if (format != NULL && strcmp(format, "man") == 0)
		options_print_man(parse->input->out, parse->input->version);
	else
		return usage(parse, "--options must be markdown, json or man.");
	return OPTIONS_EXIT_OK;
}

/* Takes one flag, and its value from `next` if it has none of its own; then sets *took_next. */
static enum options_outcome read_flag(struct parse *parse, const char *argument, const char *next,
                                      bool *took_next)
{
	size_t size = strcspn(argument, "=");
	struct slice flag = {argument, size};
	const char *value = argument[size] == '=' ? argument + size + 1 : next;
	const struct option_row *row = find_row(flag);
	char allowed[OPTION_DESCRIPTION_SIZE];

	if (slice_is(flag, "--help") || slice_is(flag, "-h")) {
		options_print_help(parse->input->out, parse->input->version);
		return OPTIONS_EXIT_OK;
	}
	if (slice_is(flag, "--version")) {
		fprintf(parse->input->out, "p2p-relay %s\n", parse->input->version);
		return OPTIONS_EXIT_OK;
	}
	if (slice_is(flag, "--options"))
		return print_table(parse, value);
	if (strcmp(argument, "--healthcheck") == 0) {
		parse->is_healthcheck = true;
		return OPTIONS_RUN;
	}
	if (row == NULL)
		return unknown_flag(parse, flag);
	if (value == NULL) {
		option_allowed(row, allowed);
		return usage(parse, "%.*s needs a value: %s.", SLICE_ARGS(flag), allowed);
	}

	*took_next = argument[size] != '=';
	return set(parse, row, value, SOURCE_FLAG);
}

static enum options_outcome read_flags(struct parse *parse)
{
	char **argv = parse->input->argv;
	int argc = parse->input->argc;

	for (int i = 1; i < argc; i++) {
		const char *next = i + 1 < argc ? argv[i + 1] : NULL;
		bool took_next = false;

		if (argv[i][0] != '-')
			return usage(parse, "argument %d is not an option; see --help.", i);
		enum options_outcome outcome = read_flag(parse, argv[i], next, &took_next);
		if (outcome != OPTIONS_RUN)
			return outcome;
		i += took_next;
	}
	return OPTIONS_RUN;
}

static enum options_outcome read_variables(struct parse *parse)
{
	for (size_t i = 0; i < option_row_count; i++) {
		const struct option_row *row = &option_rows[i];
		char name[OPTION_NAME_SIZE];

		if (row->kind == OPTION_KIND_GROUP || *source_of(parse, row) == SOURCE_FLAG)
			continue;
		option_variable(row, name);
		const char *value = parse->input->variable(name);
		if (value == NULL || value[0] == '\0')
			continue;
		enum options_outcome outcome = set(parse, row, value, SOURCE_VARIABLE);
		if (outcome != OPTIONS_RUN)
			return outcome;
	}
	return OPTIONS_RUN;
}

static const char *default_of(const struct parse *parse, const struct option_row *row)
{
	bool agentcore = parse->options->profile == OPTION_PROFILE_AGENTCORE;

	return agentcore && row->agentcore != NULL ? row->agentcore : row->preset;
}

/* The profile is known by now: not given, it is the first of its choices, which is zero. */
static enum options_outcome fill_in_defaults(struct parse *parse)
{
	for (size_t i = 0; i < option_row_count; i++) {
		const struct option_row *row = &option_rows[i];

		if (row->kind == OPTION_KIND_GROUP || *source_of(parse, row) != SOURCE_DEFAULT)
			continue;
		enum options_outcome outcome =
			set(parse, row, default_of(parse, row), SOURCE_DEFAULT);
		if (outcome != OPTIONS_RUN)
			return outcome;
	}
	return OPTIONS_RUN;
}

/*
 * Many tools and platforms set PORT. It moves the default address to another port and leaves the
 * host alone: a variable that is set for another program must not open this one to the network.
 */
static enum options_outcome read_port(struct parse *parse)
{
	const char *text = parse->input->variable("PORT");
	uint64_t port;

	if (*source_of(parse, ROW(listen)) != SOURCE_DEFAULT || text == NULL || text[0] == '\0')
		return OPTIONS_RUN;
	if (!slice_number(slice_of(text), &port) || port < 1 || port > UINT16_MAX)
		return usage(parse, "PORT must be a whole number from 1 to 65535.");
	parse->options->listen.port = (uint16_t)port;
	return OPTIONS_RUN;
}

bool options_are_open(const struct options *options)
{
	struct ip ip;

	return options->auth == OPTION_AUTH_NONE &&
	       !(ip_parse(slice_of(options->listen.host), &ip) && ip_is_loopback(&ip));
}

/* A profile that names a way to authenticate has decided it: the operator chose the profile. */
static enum options_outcome check_open(struct parse *parse)
{
	const struct option_row *auth = ROW(auth);
	bool decided =
		*source_of(parse, auth) != SOURCE_DEFAULT ||
		(parse->options->profile == OPTION_PROFILE_AGENTCORE && auth->agentcore != NULL);
	char name[OPTION_NAME_SIZE];

	if (decided || !options_are_open(parse->options))
		return OPTIONS_RUN;
	name_as_given(parse, ROW(listen), name);
	return usage(
		parse,
		"%s lets other machines in, and nothing asks them who they are: if that is meant, say --auth none "
		"(or RELAY_AUTH=none), else listen on 127.0.0.1:%u.",
		name, (unsigned)parse->options->listen.port);
}

static enum options_outcome check_listeners(struct parse *parse)
{
	const struct option_address *admin = &parse->options->admin_listen;
	const struct option_address *listen = &parse->options->listen;
	char name[OPTION_NAME_SIZE];

	if (admin->port != listen->port || strcmp(admin->host, listen->host) != 0)
		return OPTIONS_RUN;
	name_as_given(parse, ROW(admin_listen), name);
	return usage(parse, "%s must differ from the address of --listen.", name);
}

/* Is `larger` at least `smaller` plus `margin`? Else says so, in the terms of whatever was given. */
static enum options_outcome check_order(struct parse *parse, const struct option_row *larger,
                                        const struct option_row *smaller, uint64_t margin)
{
	const char *options = (const char *)parse->options;
	uint64_t least = *(const uint64_t *)(const void *)(options + smaller->offset) + margin;
	char larger_name[OPTION_NAME_SIZE], smaller_name[OPTION_NAME_SIZE],
		least_text[OPTION_NAME_SIZE];

	if (*(const uint64_t *)(const void *)(options + larger->offset) >= least)
		return OPTIONS_RUN;
	name_as_given(parse, larger, larger_name);
	name_as_given(parse, smaller, smaller_name);
	if (larger->kind == OPTION_KIND_SIZE)
		option_size_text(least, least_text);
	else
		snprintf(least_text, sizeof(least_text), "%" PRIu64, least);
	if (*source_of(parse, larger) == SOURCE_DEFAULT)
		return usage(
			parse,
			"%s is too large for the default of %s, which must then be at least %s.",
			smaller_name, larger_name, least_text);
	return usage(parse, "%s must be at least %s, because of %s.", larger_name, least_text,
	             smaller_name);
}

/* Files for TLS without TLS: a letter is missing in the URL, and everything would go in the clear. */
static enum options_outcome check_tls(struct parse *parse)
{
	const struct options *options = parse->options;
	const struct option_row *row = options->redis_ca_file != NULL     ? ROW(redis_ca_file)
	                               : options->redis_cert_file != NULL ? ROW(redis_cert_file)
	                                                                  : ROW(redis_key_file);
	bool has_files = options->redis_ca_file != NULL || options->redis_cert_file != NULL ||
	                 options->redis_key_file != NULL;
	char name[OPTION_NAME_SIZE], other[OPTION_NAME_SIZE];

	if (has_files && strncmp(options->redis_url, "rediss", 6) != 0) {
		name_as_given(parse, row, name);
		name_as_given(parse, ROW(redis_url), other);
		return usage(parse, "%s is for TLS: %s must begin with rediss.", name, other);
	}
	return OPTIONS_RUN;
}

static bool has_words(const struct options *options, const struct option_row *row)
{
	return ((const char *)options)[row->offset] != '\0';
}

/* Rules for tokens that nobody asks for are a mistake that must not pass: the door would be open. */
static enum options_outcome check_tokens(struct parse *parse)
{
	const struct option_row *const rules[] = {ROW(allowed_client), ROW(allowed_audience),
	                                          ROW(allowed_scope), ROW(required_claim)};
	const struct options *options = parse->options;
	const struct option_row *given =
		has_words(options, ROW(discovery_url)) ? ROW(discovery_url) : NULL;
	bool ruled = false;
	char name[OPTION_NAME_SIZE];

	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if (has_words(options, rules[i])) {
			ruled = true;
			given = rules[i];
		}
	if (options->auth == OPTION_AUTH_NONE) {
		if (given == NULL && options->mesh_claim == NULL)
			return OPTIONS_RUN;
		name_as_given(parse, given != NULL ? given : ROW(mesh_claim), name);
		return usage(parse, "%s is for --auth jwt.", name);
	}
	if (!has_words(options, ROW(discovery_url)))
		return usage(parse, "--auth jwt needs --discovery-url.");
	if (!ruled)
		return usage(parse, "--auth jwt needs at least one of --allowed-client, "
		                    "--allowed-audience, --allowed-scope and --required-claim.");
	return OPTIONS_RUN;
}

/* A certificate without its key, or the other way round. */
static enum options_outcome check_pair(struct parse *parse, const struct option_row *cert,
                                       const struct option_row *key)
{
	const char *options = (const char *)parse->options;
	const char *cert_file = *(const char *const *)(const void *)(options + cert->offset);
	const char *key_file = *(const char *const *)(const void *)(options + key->offset);
	char name[OPTION_NAME_SIZE], other[OPTION_NAME_SIZE];

	if ((cert_file == NULL) == (key_file == NULL))
		return OPTIONS_RUN;
	name_as_given(parse, cert, name);
	name_as_given(parse, key, other);
	return usage(parse, "%s and %s need each other.", name, other);
}

static enum options_outcome check_together(struct parse *parse)
{
	enum options_outcome outcome = check_open(parse);

	if (outcome == OPTIONS_RUN)
		outcome = check_listeners(parse);
	if (outcome == OPTIONS_RUN)
		outcome = check_tls(parse);
	if (outcome == OPTIONS_RUN)
		outcome = check_pair(parse, ROW(redis_cert_file), ROW(redis_key_file));
	if (outcome == OPTIONS_RUN)
		outcome = check_pair(parse, ROW(tls_cert_file), ROW(tls_key_file));
	if (outcome == OPTIONS_RUN)
		outcome = check_tokens(parse);
	if (outcome == OPTIONS_RUN)
		outcome = check_order(parse, ROW(outbox_bytes_max), ROW(message_bytes_max),
		                      FRAMING_BYTES_MAX);
	if (outcome == OPTIONS_RUN)
		outcome = check_order(parse, ROW(bus_queue_bytes), ROW(message_bytes_max),
		                      FRAMING_BYTES_MAX);
	if (outcome == OPTIONS_RUN && parse->options->bytes_per_second != 0)
		outcome = check_order(parse, ROW(bytes_per_second), ROW(message_bytes_max), 0);
	if (outcome == OPTIONS_RUN)
		outcome = check_order(parse, ROW(pong_seconds_max), ROW(ping_seconds), 1);
	return outcome;
}

/* The relay that is asked has checked how its options fit together, and may have flags besides. */
static enum options_outcome end_healthcheck(struct parse *parse)
{
	return parse->is_healthcheck ? OPTIONS_HEALTHCHECK : OPTIONS_RUN;
}

enum options_outcome options_parse(struct options *options, const struct options_input *input)
{
	static enum options_outcome (*const steps[])(struct parse *) = {
		read_flags, read_variables,  fill_in_defaults,
		read_port,  end_healthcheck, check_together};
	struct parse parse = {.input = input, .options = options};
	enum options_outcome outcome = OPTIONS_RUN;

	*options = (struct options){.listen.port = 0};
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]) && outcome == OPTIONS_RUN; i++)
		outcome = steps[i](&parse);
	return outcome;
}
