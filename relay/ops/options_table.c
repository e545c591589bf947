#include "ops/options_table.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/ip.h"
#include "common/origin.h"
#include "common/text.h"

#define ANY .optional = false
#define OPTIONAL .optional = true
#define RANGE(least, most) .min = (least), .max = (most)
#define CHOICES(words) .choices = (words)
#define SAME NULL

#define OPTION_KIND_CHOICE(type) OPTION_KIND_CHOICE

const struct option_row option_rows[] = {
#define GROUP(title, text) {.kind = OPTION_KIND_GROUP, .name = (title), .help = (text)},
#define OPTION(member, type, allowed, standard, under_agentcore, text) \
	{.name = #member,                                              \
	 .kind = OPTION_KIND_##type,                                   \
	 .offset = offsetof(struct options, member),                   \
	 allowed,                                                      \
	 .preset = (standard),                                         \
	 .agentcore = (under_agentcore),                               \
	 .help = (text)},
#include "ops/options.def"
#undef OPTION
#undef GROUP
};

const size_t option_row_count = sizeof(option_rows) / sizeof(option_rows[0]);

_Static_assert(sizeof(option_rows) / sizeof(option_rows[0]) <= OPTION_ROWS_MAX,
               "raise OPTION_ROWS_MAX");
_Static_assert(sizeof(enum log_level) == sizeof(unsigned), "set_choice() writes enums as unsigned");

void option_flag(const struct option_row *row, char flag[static OPTION_NAME_SIZE])
{
	size_t size = (size_t)snprintf(flag, OPTION_NAME_SIZE, "--%s", row->name);

	for (size_t i = 0; i < size; i++)
		if (flag[i] == '_')
			flag[i] = '-';
}

void option_variable(const struct option_row *row, char variable[static OPTION_NAME_SIZE])
{
	size_t size = (size_t)snprintf(variable, OPTION_NAME_SIZE, "RELAY_%s", row->name);

	for (size_t i = 0; i < size; i++)
		variable[i] = (char)toupper((unsigned char)variable[i]);
}

const char *option_placeholder(const struct option_row *row)
{
	switch (row->kind) {
	case OPTION_KIND_GROUP:
		break;
	case OPTION_KIND_NUMBER:
		return "N";
	case OPTION_KIND_SIZE:
		return "BYTES";
	case OPTION_KIND_CHOICE:
		return row->choices;
	case OPTION_KIND_ADDRESS:
		return "HOST:PORT";
	case OPTION_KIND_URL:
		return "URL";
	case OPTION_KIND_PREFIX:
	case OPTION_KIND_TEXT:
		return "TEXT";
	case OPTION_KIND_PATH:
		return "PATH";
	case OPTION_KIND_WORDS:
		return "WORDS";
	case OPTION_KIND_PAIRS:
		return "NAME=VALUE";
	case OPTION_KIND_ORIGINS:
		return "ORIGIN";
	case OPTION_KIND_NETWORKS:
		return "NETWORK";
	}
	return "";
}

void option_size_text(uint64_t size, char text[static OPTION_NAME_SIZE])
{
	static const char *const units[] = {"", "KiB", "MiB", "GiB"};
	size_t unit = 0;

	while (unit < 3 && size > 0 && size % 1024 == 0) {
		size /= 1024;
		unit++;
	}
	snprintf(text, OPTION_NAME_SIZE, "%" PRIu64 "%s", size, units[unit]);
}

/* "all|to" becomes "all or to". */
static void describe_choices(const char *choices, char *text, size_t size)
{
	size_t written = 0;

	text[0] = '\0';
	while (*choices != '\0' && written < size) {
		size_t word = strcspn(choices, "|");
		const char *joint = choices[word] == '\0'             ? ""
		                    : strchr(choices + word + 1, '|') ? ", "
		                                                      : " or ";

		written += (size_t)snprintf(text + written, size - written, "%.*s%s", (int)word,
		                            choices, joint);
		choices += word + (choices[word] == '|');
	}
}

void option_allowed(const struct option_row *row, char text[static OPTION_DESCRIPTION_SIZE])
{
	const char *none = row->optional ? ", or none" : "";
	char least[OPTION_NAME_SIZE], most[OPTION_NAME_SIZE];

	switch (row->kind) {
	case OPTION_KIND_GROUP:
		text[0] = '\0';
		return;
	case OPTION_KIND_NUMBER:
		snprintf(text, OPTION_DESCRIPTION_SIZE,
		         "a whole number from %" PRIu64 " to %" PRIu64, row->min, row->max);
		return;
	case OPTION_KIND_SIZE:
		option_size_text(row->min, least);
		option_size_text(row->max, most);
		snprintf(text, OPTION_DESCRIPTION_SIZE,
		         "a size from %s to %s, such as 1048576, 1024KiB or 1MiB", least, most);
		return;
	case OPTION_KIND_CHOICE:
		describe_choices(row->choices, text, OPTION_DESCRIPTION_SIZE);
		return;
	case OPTION_KIND_ADDRESS:
		snprintf(
			text, OPTION_DESCRIPTION_SIZE,
			"a numeric address or localhost, and a port, such as 127.0.0.1:8080 or [::1]:8080%s",
			none);
		return;
	case OPTION_KIND_URL:
		snprintf(
			text, OPTION_DESCRIPTION_SIZE,
			"a URL that begins with redis://, redis+sentinel:// or redis+cluster://, with "
			"rediss for TLS, or with unix:");
		return;
	case OPTION_KIND_PREFIX:
		snprintf(text, OPTION_DESCRIPTION_SIZE,
		         "1 to 64 ASCII characters without space, { and }");
		return;
	case OPTION_KIND_TEXT:
		snprintf(text, OPTION_DESCRIPTION_SIZE, "a word%s", none);
		return;
	case OPTION_KIND_PATH:
		snprintf(text, OPTION_DESCRIPTION_SIZE, "the path of a file%s", none);
		return;
	case OPTION_KIND_WORDS:
		snprintf(text, OPTION_DESCRIPTION_SIZE,
		         "words separated by spaces or commas, altogether less than %d bytes%s",
		         OPTION_WORDS_BYTES_MAX, none);
		return;
	case OPTION_KIND_PAIRS:
		snprintf(text, OPTION_DESCRIPTION_SIZE,
		         "NAME=VALUE, altogether less than %d bytes%s", OPTION_WORDS_BYTES_MAX,
		         none);
		return;
	case OPTION_KIND_ORIGINS:
		snprintf(text, OPTION_DESCRIPTION_SIZE,
		         "origins such as https://app.example.org or https://*.example.org, "
		         "without a path, or same, or *, altogether less than %d bytes",
		         OPTION_WORDS_BYTES_MAX);
		return;
	case OPTION_KIND_NETWORKS:
		snprintf(text, OPTION_DESCRIPTION_SIZE,
		         "at most %d addresses or networks, such as 10.0.0.0/8 or fd00::/8%s",
		         NETWORKS_MAX, none);
		return;
	}
}

static bool set_number(const struct option_row *row, void *member, const char *text)
{
	uint64_t *number = member;

	return slice_number(slice_of(text), number) && *number >= row->min && *number <= row->max;
}

static bool set_size(const struct option_row *row, void *member, const char *text)
{
	static const char *const units[] = {"", "KiB", "MiB", "GiB"};
	size_t digits = strspn(text, "0123456789");
	uint64_t *size = member;

	if (!slice_number((struct slice){text, digits}, size))
		return false;
	for (unsigned unit = 0; unit < 4; unit++) {
		if (strcmp(text + digits, units[unit]) != 0)
			continue;
		if (*size > row->max >> (10 * unit))
			return false;
		*size <<= 10 * unit;
		return *size >= row->min;
	}
	return false;
}

static bool set_choice(const struct option_row *row, void *member, const char *text)
{
	unsigned *choice = member;
	const char *word = row->choices;

	for (*choice = 0;; ++*choice) {
		size_t size = strcspn(word, "|");

		if (slice_is((struct slice){word, size}, text))
			return true;
		if (word[size] == '\0')
			return false;
		word += size + 1;
	}
}

/* Takes 127.0.0.1:8080, localhost:8080 and [::1]:8080 apart. */
static bool set_address(const struct option_row *row, void *member, const char *text)
{
	struct option_address *address = member;
	const char *colon = strrchr(text, ':');
	bool bracketed = text[0] == '[';
	struct in6_addr ignored;
	uint64_t port;

	if (row->optional && strcmp(text, "none") == 0) {
		*address = (struct option_address){.port = 0};
		return true;
	}
	if (colon == NULL || !slice_number(slice_of(colon + 1), &port) || port > UINT16_MAX)
		return false;
	if (port == 0 && row->optional) /* would read as "none" */
		return false;

	struct slice host = {text, (size_t)(colon - text)};
	if (slice_is(host, "localhost"))
		host = SLICE("127.0.0.1");
	if (bracketed) {
		if (host.size < 2 || host.data[host.size - 1] != ']')
			return false;
		host = (struct slice){host.data + 1, host.size - 2};
	}
	if (host.size >= sizeof(address->host))
		return false;

	memset(address->host, 0, sizeof(address->host));
	memcpy(address->host, host.data, host.size);
	address->port = (uint16_t)port;
	return inet_pton(bracketed ? AF_INET6 : AF_INET, address->host, &ignored) == 1;
}

static bool set_url(void *member, const char *text)
{
	static const char *const schemes[] = {"redis://",
	                                      "rediss://",
	                                      "redis+sentinel://",
	                                      "rediss+sentinel://",
	                                      "redis+cluster://",
	                                      "rediss+cluster://",
	                                      "unix:"};

	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		size_t size = strlen(schemes[i]);

		if (strncmp(text, schemes[i], size) == 0 && text[size] != '\0') {
			*(const char **)member = text;
			return true;
		}
	}
	return false;
}

static bool set_prefix(void *member, const char *text)
{
	size_t size = strlen(text);

	for (size_t i = 0; i < size; i++)
		if (text[i] <= ' ' || text[i] > '~' || text[i] == '{' || text[i] == '}')
			return false;
	*(const char **)member = text;
	return size >= 1 && size <= 64;
}

static bool set_text(const struct option_row *row, void *member, const char *text)
{
	*(const char **)member = row->optional && strcmp(text, "none") == 0 ? NULL : text;
	return text[0] != '\0';
}

static bool add_words(const struct option_row *row, void *member, const char *text)
{
	struct option_words *words = member;
	size_t size = strlen(words->text);

	if (row->optional && strcmp(text, "none") == 0)
		return true;
	for (;;) {
		text += strspn(text, " ,");
		size_t word = strcspn(text, " ,");

		if (word == 0)
			return true;
		if (size + 1 + word >= sizeof(words->text))
			return false;
		if (size > 0)
			words->text[size++] = ' ';
		memcpy(words->text + size, text, word);
		size += word;
		words->text[size] = '\0';
		text += word;
	}
}

/* Lines with a name before a =. Empty ones do no harm. */
static bool are_pairs(const char *lines)
{
	while (*lines != '\0') {
		size_t name = strcspn(lines, "=\n");
		size_t line = strcspn(lines, "\n");

		if (line > 0 && (name == 0 || lines[name] != '='))
			return false;
		lines += line + (lines[line] == '\n');
	}
	return true;
}

static bool add_pair(const struct option_row *row, void *member, const char *text)
{
	struct option_words *lines = member;
	size_t size = strlen(lines->text);
	int written;

	if (row->optional && strcmp(text, "none") == 0)
		return true;
	if (text[0] == '\0' || !are_pairs(text))
		return false;
	written = snprintf(lines->text + size, sizeof(lines->text) - size, "%s%s",
	                   size > 0 ? "\n" : "", text);
	return (size_t)written < sizeof(lines->text) - size;
}

static bool add_origins(const struct option_row *row, void *member, const char *text)
{
	struct option_words *words = member;
	struct slice word;

	if (!add_words(row, member, text))
		return false;
	struct slice rest = slice_of(words->text);
	while (slice_next_word(&rest, &word))
		if (!origin_is_pattern(word))
			return false;
	return words->text[0] != '\0';
}

static bool add_networks(const struct option_row *row, void *member, const char *text)
{
	struct option_words *words = member;
	struct networks networks;

	return add_words(row, member, text) && networks_parse(slice_of(words->text), &networks);
}

bool option_set(const struct option_row *row, struct options *options, const char *text)
{
	void *member = (char *)options + row->offset;

	switch (row->kind) {
	case OPTION_KIND_GROUP:
		break;
	case OPTION_KIND_NUMBER:
		return set_number(row, member, text);
	case OPTION_KIND_SIZE:
		return set_size(row, member, text);
	case OPTION_KIND_CHOICE:
		return set_choice(row, member, text);
	case OPTION_KIND_ADDRESS:
		return set_address(row, member, text);
	case OPTION_KIND_URL:
		return set_url(member, text);
	case OPTION_KIND_PREFIX:
		return set_prefix(member, text);
	case OPTION_KIND_TEXT:
	case OPTION_KIND_PATH:
		return set_text(row, member, text);
	case OPTION_KIND_WORDS:
		return add_words(row, member, text);
	case OPTION_KIND_PAIRS:
		return add_pair(row, member, text);
	case OPTION_KIND_ORIGINS:
		return add_origins(row, member, text);
	case OPTION_KIND_NETWORKS:
		return add_networks(row, member, text);
	}
	return false;
}
