/* What is said first on a connection: who we are, and is this a Redis that can be used? */
#pragma once

#include <stdbool.h>

struct line;
struct link;

/*
 * Ends in session_greeted() or session_fail(). `commands`: the connection for commands, on which
 * Redis is examined.
 */
void greeting_send(struct link *link, struct line *line, bool commands);
