/* Where Redis is, and who we are there. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct address {
	char *host; /* a name or an IP address; NULL: a unix socket */
	uint16_t port;
	char *path;     /* of the unix socket */
	char *user;     /* NULL: Redis's default user */
	char *password; /* NULL: none */
	uint32_t database;
};

/*
 * Reads `redis://[user[:password]@]host[:port][/database]` or `unix:[//[user[:password]@]]/path`.
 * User and password may have %XX in them. Returns false and a sentence that does not quote the URL,
 * which may hold a password.
 */
bool address_parse(const char *url, struct address *address, const char **error);

void address_fini(struct address *address);

/*
 * Takes the password from the file, of which the end of the last line does not count. What was
 * known stays if that fails.
 */
void address_read_password(struct address *address, const char *file);

/* Writes host and port, or the path: for logs. */
void address_describe(const struct address *address, char *text, size_t size);
