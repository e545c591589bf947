/* The option table as a manual page, p2p-relay(1), in the macros of man(7). */
#pragma once

#include <stdio.h>

void options_print_man(FILE *out, const char *version);
