#include "ops/options_man.h"

#include <string.h>

#include "ops/options_table.h"

static const char page_begin[] =
	".nh\n"
	".ad l\n"
	".SH NAME\n"
	"p2p\\-relay \\- WebSocket relay whose nodes meet through Redis\n"
	".SH SYNOPSIS\n"
	".B p2p\\-relay\n"
	".RI [ \\-\\-name\\~value ]...\n"
	".SH DESCRIPTION\n"
	"Peers, browsers and agents, connect by WebSocket to any node and find each other in a mesh: presence,\n"
	"broadcast, direct messages, streams.\n"
	"A node keeps nothing that outlives a connection; nodes with the same Redis and the same prefix are one relay,\n"
	"on one host or on many.\n"
	".PP\n"
	"Everything has a default:\n"
	".B p2p\\-relay\n"
	"alone serves ws://127.0.0.1:8080 and finds Redis on 127.0.0.1:6379.\n"
	"It stays in the foreground, logs to stderr, and writes no files.\n"
	".PP\n"
	"GET\n"
	".B /readyz\n"
	"says whether newcomers may be sent to the node,\n"
	".B /livez\n"
	"whether its loop turns, and\n"
	".B /metrics\n"
	"has its counters for Prometheus.\n"
	".SH OPTIONS\n"
	"The first of these counts that has a value: the flag, its variable, the profile, the default.\n"
	"Sizes may be written as 1048576, 1024KiB or 1MiB, lists with spaces or commas between the words.\n"
	".B none\n"
	"switches off what may be absent.\n"
	"Limits\n"
	".RB ( \\-max )\n"
	"are inclusive.\n";

static const char page_other[] =
	".SS Other\n"
	".TP\n"
	".B \\-\\-help\n"
	"Prints all options.\n"
	".TP\n"
	".B \\-\\-version\n"
	"Prints the version.\n"
	".TP\n"
	".B \\-\\-options markdown|json|man\n"
	"Prints all options: as a page, as data, or this manual.\n"
	".TP\n"
	".B \\-\\-healthcheck\n"
	"Asks the relay that runs here, with the same variables, whether it is alive.\n";

static const char page_end[] =
	".SH ENVIRONMENT\n"
	"Every option has a variable, which is named with it above; one that is empty counts as not set.\n"
	"Besides:\n"
	".TP\n"
	".B PORT\n"
	"The port of\n"
	".BR \\-\\-listen ,\n"
	"where neither flag nor variable names one.\n"
	"It leaves the host alone.\n"
	".TP\n"
	".B NOTIFY_SOCKET\n"
	"Set by\n"
	".BR systemd (1):\n"
	"it is told when clients are served, and when the relay begins to end and how long that may take.\n"
	".SH EXIT STATUS\n"
	".TP\n"
	".B 0\n"
	"It was told to end, and did; or what was asked for is printed; or, with\n"
	".BR \\-\\-healthcheck ,\n"
	"the relay is alive.\n"
	".TP\n"
	".B 1\n"
	"It could not start, a port being taken, for example; or workers died again and again; or the relay is not\n"
	"alive.\n"
	".TP\n"
	".B 2\n"
	"An option is wrong, or names a file that is: it will be at the next start, too.\n"
	"One sentence on stderr says what is allowed.\n"
	".SH SIGNALS\n"
	".TP\n"
	".BR SIGTERM \", \" SIGINT\n"
	"Drain: no newcomers, clients are told to move and are closed over\n"
	".BR \\-\\-drain\\-seconds ,\n"
	"then it ends.\n"
	"The second time: now.\n"
	".TP\n"
	".B SIGHUP\n"
	"The files of\n"
	".B \\-\\-tls\\-cert\\-file\n"
	"and\n"
	".B \\-\\-tls\\-key\\-file\n"
	"are read again; open sockets do not notice.\n"
	"Without them it ends the relay, unless systemd started it.\n"
	".SH FILES\n"
	".TP\n"
	".I /etc/p2p\\-relay/p2p\\-relay.env\n"
	"Variables for the service\n"
	".BR p2p\\-relay.service ,\n"
	"one\n"
	".IR NAME = value\n"
	"a line.\n"
	"The relay itself does not look for it.\n"
	".SH SEE ALSO\n"
	".BR redis\\-server (1),\n"
	".BR systemctl (1),\n"
	".BR systemd.exec (5)\n";

/* Typeset, what people type or copy must stay ASCII, and no line may look like a macro. */
static void print_escaped(FILE *out, const char *text)
{
	if (*text == '.' || *text == '\'')
		fputs("\\&", out);
	for (; *text != '\0'; text++) {
		switch (*text) {
		case '-':
			fputs("\\-", out);
			break;
		case '\\':
			fputs("\\e", out);
			break;
		case '~':
			fputs("\\(ti", out);
			break;
		case '^':
			fputs("\\(ha", out);
			break;
		default:
			fputc(*text, out);
		}
	}
}

static void print_group(FILE *out, const struct option_row *row)
{
	fputs(".SS ", out);
	print_escaped(out, row->name);
	fputc('\n', out);
	print_escaped(out, row->help);
	fputc('\n', out);
}

/* A paragraph of them: where else it may be given, what may be given, and what counts if nothing is. */
static void print_facts(FILE *out, const struct option_row *row)
{
	char variable[OPTION_NAME_SIZE], allowed[OPTION_DESCRIPTION_SIZE];

	option_variable(row, variable);
	option_allowed(row, allowed);
	fputs(".IP\nDefault:\n.BR \"", out);
	print_escaped(out, row->preset);
	fputs("\" .\n", out);
	if (row->agentcore != NULL && strcmp(row->agentcore, row->preset) != 0) {
		fputs("With \\-\\-profile agentcore:\n.BR \"", out);
		print_escaped(out, row->agentcore);
		fputs("\" .\n", out);
	}
	fprintf(out, "Variable:\n.BR %s .\nAllowed: ", variable);
	print_escaped(out, allowed);
	fputs(".\n", out);
}

static void print_row(FILE *out, const struct option_row *row)
{
	char flag[OPTION_NAME_SIZE];

	option_flag(row, flag);
	fputs(".TP\n.BI ", out);
	print_escaped(out, flag);
	fputs(" \" ", out);
	print_escaped(out, option_placeholder(row));
	fputs("\"\n", out);
	print_escaped(out, row->help);
	fputc('\n', out);
	print_facts(out, row);
}

void options_print_man(FILE *out, const char *version)
{
	fputs(".\\\" Written by p2p-relay --options man from relay/ops/options.def.\n", out);
	fprintf(out, ".TH P2P\\-RELAY 1 \"\" \"p2p\\-relay %s\" \"User Commands\"\n", version);
	fputs(page_begin, out);
	for (size_t i = 0; i < option_row_count; i++) {
		if (option_rows[i].kind == OPTION_KIND_GROUP)
			print_group(out, &option_rows[i]);
		else
			print_row(out, &option_rows[i]);
	}
	fputs(page_other, out);
	fputs(page_end, out);
}
