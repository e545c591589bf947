/* Where Redis is, in which form, and who we are there. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ADDRESS_HOSTS_MAX 16

enum address_form {
	ADDRESS_SINGLE,   /* one Redis */
	ADDRESS_SENTINEL, /* the hosts are sentinels, who know the Redis */
	ADDRESS_CLUSTER,  /* the hosts are some nodes of the Cluster, who know all others */
};

struct address_host {
	char *name; /* a name or an IP address */
	uint16_t port;
};

struct address {
	enum address_form form;
	bool tls;
	struct address_host hosts[ADDRESS_HOSTS_MAX];
	size_t host_count; /* 0: a unix socket */
	char *path;        /* of the unix socket */
	char *master;      /* as the sentinels know it */
	char *user;        /* of Redis, not of the sentinels; NULL: Redis's default user */
	char *password;    /* likewise; NULL: none */
	uint32_t database;
};

/*
 * Reads
 *
 *	redis://[user[:password]@]host[:port][/database]
 *	redis+sentinel://[user[:password]@]host[:port][,host[:port]...]/MASTER[/database]
 *	redis+cluster://[user[:password]@]host[:port][,host[:port]...]
 *	unix:[//[user[:password]@]]/path
 *
 * with `rediss` instead of `redis` for TLS. User and password may have %XX in them. Returns false
 * and a sentence that does not quote the URL, which may hold a password.
 */
bool address_parse(const char *url, struct address *address, const char **error);

void address_fini(struct address *address);

/*
 * Takes the password from the file, of which the end of the last line does not count. What was
 * known stays if that fails.
 */
void address_read_password(struct address *address, const char *file);

/* Writes hosts and ports, or the path, and nothing that is secret: for logs. */
void address_describe(const struct address *address, char *text, size_t size);
