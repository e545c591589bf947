/* What is said first on a connection: who we are, and is this a Redis that can be used? */
#pragma once

#include <stdbool.h>

#include "bus/line.h"

struct address;
struct link;

/*
 * Ends in session_greeted() or session_fail(). `commands`: the connection for commands, on which
 * Redis is examined.
 */
void greeting_send(struct link *link, struct line *line, bool commands);

/*
 * AUTH, if there is a user or a password. With `password_file` the password is read from it anew;
 * NULL: the address has it. Without a need for it `done` is not called.
 */
void greeting_authenticate(struct line *line, struct address *access, const char *password_file,
                           line_done *done, void *context);
