/*
 * What whoever started the relay is told of it, if that is systemd or talks like it (sd_notify(3)):
 * a datagram to the socket that $NOTIFY_SOCKET names. Without the variable nothing is said.
 *
 * Any of the processes may say it: the unit has NotifyAccess=all.
 */
#pragma once

#include <stdbool.h>

/* Are we a service of it? */
bool systemd_listens(void);

/* Clients are served. */
void systemd_say_ready(void);

/* It is going to end, and shall not be killed within so many seconds, whatever the unit says. */
void systemd_say_stopping(unsigned seconds_max);
