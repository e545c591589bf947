#include "ops/systemd.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static const char *socket_name(void)
{
	return getenv("NOTIFY_SOCKET");
}

bool systemd_listens(void)
{
	const char *name = socket_name();

	return name != NULL && name[0] != '\0';
}

/* Who does not hear it kills us in time, and says so: nothing is to be done about it here. */
static void say(const char *words)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const char *name = socket_name();

	if (!systemd_listens() || strlen(name) >= sizeof(address.sun_path))
		return;
	memcpy(address.sun_path, name, strlen(name));
	if (name[0] == '@') /* it has no file: a name in the kernel alone */
		address.sun_path[0] = '\0';

	int sender = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (sender < 0)
		return;
	sendto(sender, words, strlen(words), MSG_NOSIGNAL, (struct sockaddr *)&address,
	       (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name)));
	close(sender);
}

void systemd_say_ready(void)
{
	say("READY=1\n");
}

void systemd_say_stopping(unsigned seconds_max)
{
	char words[64];

	snprintf(words, sizeof(words), "STOPPING=1\nEXTEND_TIMEOUT_USEC=%" PRIu64 "\n",
	         (uint64_t)seconds_max * 1000000);
	say(words);
}
