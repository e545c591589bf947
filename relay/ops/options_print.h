/* The option table for people (--help, docs/configuration.md) and for machines (JSON). */
#pragma once

#include <stdio.h>

void options_print_help(FILE *out, const char *version);

/* The whole page docs/configuration.md. */
void options_print_markdown(FILE *out);

/* An array with one object per option. */
void options_print_json(FILE *out);
