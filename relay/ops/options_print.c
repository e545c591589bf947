#include "ops/options_print.h"

#include <inttypes.h>
#include <string.h>

#include "ops/options_table.h"

#define HELP_WIDTH 80
#define HELP_INDENT 32

/* Prints words up to HELP_WIDTH, begun in a column, and with that much before each further line. */
static void print_wrapped(FILE *out, const char *text, size_t indent)
{
	size_t column = indent;
	const char *space = "";

	while (*text != '\0') {
		size_t word = strcspn(text, " ");

		if (column > indent && column + 1 + word > HELP_WIDTH) {
			fprintf(out, "\n%*s", (int)indent, "");
			column = indent;
			space = "";
		}
		fprintf(out, "%s%.*s", space, (int)word, text);
		column += strlen(space) + word;
		space = " ";
		text += word + (text[word] == ' ');
	}
	fputc('\n', out);
}

static void print_help_row(FILE *out, const struct option_row *row)
{
	char flag[OPTION_NAME_SIZE], help[1024];

	option_flag(row, flag);
	int width = fprintf(out, "  %s %s", flag, option_placeholder(row));
	if (width < HELP_INDENT - 1)
		fprintf(out, "%*s", HELP_INDENT - width, "");
	else
		fprintf(out, "\n%*s", HELP_INDENT, "");

	snprintf(help, sizeof(help), "%s [%s]", row->help, row->preset);
	print_wrapped(out, help, HELP_INDENT);
}

void options_print_help(FILE *out, const char *version)
{
	fprintf(out,
	        "p2p-relay %s: WebSocket peers on many nodes find each other through Redis.\n"
	        "\n"
	        "Usage: p2p-relay [--name value]...\n"
	        "\n"
	        "Every option is also an environment variable: --ttl-seconds is\n"
	        "RELAY_TTL_SECONDS. Flags win. Defaults are in brackets.\n",
	        version);
	for (size_t i = 0; i < option_row_count; i++) {
		if (option_rows[i].kind == OPTION_KIND_GROUP)
			fprintf(out, "\n%s\n", option_rows[i].name);
		else
			print_help_row(out, &option_rows[i]);
	}
	fputs("\nOther\n"
	      "  --help                        This text.\n"
	      "  --version                     The version.\n"
	      "  --options markdown|json|man   All options as a page, as data, or as a manual.\n"
	      "  --healthcheck                 Asks the relay that runs here, with the same\n"
	      "                                variables, whether it is alive: exit 0 or 1.\n",
	      out);
}

static const char page_begin[] =
	"# Configuration\n"
	"\n"
	"<!-- Written by `p2p-relay --options markdown > docs/configuration.md` from relay/ops/options.def. -->\n"
	"\n"
	"Everything has a default: `p2p-relay` alone serves `ws://127.0.0.1:8080` and finds Redis on\n"
	"`127.0.0.1:6379`. `p2p-relay --help` prints what is below.\n"
	"\n"
	"## Where a value comes from\n"
	"\n"
	"The first of these that has one:\n"
	"\n"
	"1. the flag: `--ttl-seconds 60` or `--ttl-seconds=60`; given twice, the last one counts (lists grow);\n"
	"2. the variable: `RELAY_TTL_SECONDS=60`; an empty one counts as not set;\n"
	"3. `PORT`, for the port of `--listen` only. It leaves the host alone, so that a variable meant for\n"
	"   another program never opens the relay to the network;\n"
	"4. the profile;\n"
	"5. the default.\n"
	"\n"
	"A value that is not allowed, or an option that does not exist, ends the relay with status 2 and one\n"
	"sentence that says what is allowed. Values are never repeated in it: they may be secrets.\n"
	"\n"
	"Sizes may be written as `1048576`, `1024KiB` or `1MiB`, lists with spaces or commas between the words.\n"
	"`none` switches off what may be absent. Limits (`-max`) are inclusive.\n"
	"\n"
	"## Secrets\n"
	"\n"
	"Whoever may list the processes of a machine sees their command lines, so a password does not belong\n"
	"in `--redis-url`. Use `RELAY_REDIS_URL`, or leave the password out of the URL and name a file by\n"
	"`--redis-password-file` (a mounted Kubernetes or Docker secret). The relay writes neither into logs,\n"
	"errors or answers.\n"
	"\n"
	"## Health\n"
	"\n"
	"`p2p-relay --healthcheck` asks the relay on this machine whether its loop turns, as `GET /livez` does, and\n"
	"exits with 0 or 1. It is what the image's `HEALTHCHECK` runs. It finds the relay by the same options, but\n"
	"sees only variables, not the flags of another process: in containers set `RELAY_LISTEN` and\n"
	"`RELAY_ADMIN_LISTEN` as variables.\n";

static const char page_profile[] =
	"\n"
	"## Profiles\n"
	"\n"
	"`--profile agentcore` fits a node that Amazon Bedrock AgentCore runs in a microVM of its own, behind\n"
	"AWS's gateway. It changes these defaults, and nothing that is given explicitly:\n"
	"\n"
	"| flag | default | agentcore |\n"
	"|---|---|---|\n";

static const char page_end[] =
	"\n"
	"There `--auth none` needs no saying, although the node listens on all addresses: AWS's gateway has\n"
	"checked the caller, and nobody else reaches the microVM. Anywhere else a relay that other machines\n"
	"reach starts only when `--auth none` is given explicitly, and then warns once.\n";

/* The column "allowed". A bar would end the cell. */
static void print_markdown_allowed(FILE *out, const struct option_row *row)
{
	char least[OPTION_NAME_SIZE], most[OPTION_NAME_SIZE];

	switch (row->kind) {
	case OPTION_KIND_NUMBER:
		fprintf(out, "%" PRIu64 " to %" PRIu64, row->min, row->max);
		return;
	case OPTION_KIND_SIZE:
		option_size_text(row->min, least);
		option_size_text(row->max, most);
		fprintf(out, "%s to %s", least, most);
		return;
	case OPTION_KIND_CHOICE:
		for (const char *word = row->choices; *word != '\0'; word += strcspn(word, "|")) {
			word += *word == '|';
			fprintf(out, "%s`%.*s`", word == row->choices ? "" : ", ",
			        (int)strcspn(word, "|"), word);
		}
		return;
	case OPTION_KIND_PREFIX:
		fputs("1 to 64 characters, no space, `{`, `}`", out);
		return;
	default:
		fprintf(out, "%s%s", option_placeholder(row), row->optional ? " or `none`" : "");
	}
}

static void print_markdown_row(FILE *out, const struct option_row *row)
{
	char flag[OPTION_NAME_SIZE], variable[OPTION_NAME_SIZE];

	option_flag(row, flag);
	option_variable(row, variable);
	fprintf(out, "| `%s` | `%s` | `%s` | ", flag, variable, row->preset);
	print_markdown_allowed(out, row);
	fprintf(out, " | %s |\n", row->help);
}

static void print_markdown_profile(FILE *out)
{
	char flag[OPTION_NAME_SIZE];

	fputs(page_profile, out);
	for (size_t i = 0; i < option_row_count; i++) {
		const struct option_row *row = &option_rows[i];

		if (row->agentcore == NULL || strcmp(row->agentcore, row->preset) == 0)
			continue;
		option_flag(row, flag);
		fprintf(out, "| `%s` | `%s` | `%s` |\n", flag, row->preset, row->agentcore);
	}
}

void options_print_markdown(FILE *out)
{
	fputs(page_begin, out);
	for (size_t i = 0; i < option_row_count; i++) {
		const struct option_row *row = &option_rows[i];

		if (row->kind == OPTION_KIND_GROUP)
			fprintf(out,
			        "\n## %s\n\n%s\n\n"
			        "| flag | variable | default | allowed | meaning |\n"
			        "|---|---|---|---|---|\n",
			        row->name, row->help);
		else
			print_markdown_row(out, row);
	}
	print_markdown_profile(out);
	fputs(page_end, out);
}

/* The table is ASCII without control characters. */
static void print_json_text(FILE *out, const char *text)
{
	fputc('"', out);
	for (; *text != '\0'; text++) {
		if (*text == '"' || *text == '\\')
			fputc('\\', out);
		fputc(*text, out);
	}
	fputc('"', out);
}

static void print_json_member(FILE *out, const char *name, const char *text)
{
	fprintf(out, ", \"%s\": ", name);
	print_json_text(out, text);
}

static void print_json_row(FILE *out, const struct option_row *row, const char *group)
{
	static const char *const types[] = {
		[OPTION_KIND_NUMBER] = "number",   [OPTION_KIND_SIZE] = "size",
		[OPTION_KIND_CHOICE] = "choice",   [OPTION_KIND_ADDRESS] = "address",
		[OPTION_KIND_URL] = "url",         [OPTION_KIND_PREFIX] = "prefix",
		[OPTION_KIND_TEXT] = "text",       [OPTION_KIND_PATH] = "path",
		[OPTION_KIND_WORDS] = "words",     [OPTION_KIND_PAIRS] = "pairs",
		[OPTION_KIND_ORIGINS] = "origins", [OPTION_KIND_NETWORKS] = "networks",
	};
	char flag[OPTION_NAME_SIZE], variable[OPTION_NAME_SIZE];

	option_flag(row, flag);
	option_variable(row, variable);
	fprintf(out, "{\"name\": \"%s\"", row->name);
	print_json_member(out, "flag", flag);
	print_json_member(out, "variable", variable);
	print_json_member(out, "group", group);
	print_json_member(out, "type", types[row->kind]);
	print_json_member(out, "default", row->preset);
	if (row->agentcore != NULL)
		print_json_member(out, "agentcore", row->agentcore);
	if (row->kind == OPTION_KIND_NUMBER || row->kind == OPTION_KIND_SIZE)
		fprintf(out, ", \"minimum\": %" PRIu64 ", \"maximum\": %" PRIu64, row->min,
		        row->max);
	if (row->choices != NULL)
		print_json_member(out, "choices", row->choices);
	fprintf(out, ", \"optional\": %s", row->optional ? "true" : "false");
	print_json_member(out, "help", row->help);
	fputc('}', out);
}

void options_print_json(FILE *out)
{
	const char *group = "";
	const char *separator = "";

	fputc('[', out);
	for (size_t i = 0; i < option_row_count; i++) {
		if (option_rows[i].kind == OPTION_KIND_GROUP) {
			group = option_rows[i].name;
			continue;
		}
		fprintf(out, "%s\n", separator);
		print_json_row(out, &option_rows[i], group);
		separator = ",";
	}
	fputs("\n]\n", out);
}
