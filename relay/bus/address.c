#include "bus/address.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/memory.h"
#include "common/text.h"

#define DEFAULT_PORT 6379
#define PORT_MAX 65535
#define DATABASE_MAX 65535
#define PASSWORD_BYTES_MAX 1024
#define HOST_BYTES_MAX 253 /* of a DNS name */

static char *copy(struct slice text)
{
	char *bytes = mem_alloc(text.size + 1);

	if (text.size > 0)
		memcpy(bytes, text.data, text.size);
	bytes[text.size] = '\0';
	return bytes;
}

static struct slice from(struct slice text, size_t start)
{
	return (struct slice){text.data + start, text.size - start};
}

/*
 * Cuts `text` at the first `separator`; what is behind it is `rest`. Returns false if there is
 * none.
 */
static bool cut(struct slice *text, char separator, struct slice *rest)
{
	const char *at = memchr(text->data, separator, text->size);

	if (at == NULL)
		return false;
	*rest = from(*text, (size_t)(at - text->data) + 1);
	text->size = (size_t)(at - text->data);
	return true;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Returns owned, with %XX made bytes; NULL if it is malformed, or if a byte is zero. */
static char *unescape(struct slice text)
{
	char *bytes = copy(text);
	char *out = bytes;

	for (size_t i = 0; i < text.size; i++) {
		if (text.data[i] != '%') {
			*out++ = text.data[i];
			continue;
		}
		int high = text.size - i < 3 ? -1 : hex_digit(text.data[i + 1]);
		int low = text.size - i < 3 ? -1 : hex_digit(text.data[i + 2]);
		if (high < 0 || low < 0 || high + low == 0) {
			free(bytes);
			return NULL;
		}
		*out++ = (char)(high * 16 + low);
		i += 2;
	}
	*out = '\0';
	return bytes;
}

/* Takes `user:password@` off the front of `text`, if it is there. The password may hold an @. */
static bool read_user(struct slice *text, struct address *address)
{
	const char *at = memrchr(text->data, '@', text->size);
	struct slice password;

	if (at == NULL)
		return true;
	struct slice user = {text->data, (size_t)(at - text->data)};
	*text = from(*text, user.size + 1);
	if (cut(&user, ':', &password) && password.size > 0) {
		address->password = unescape(password);
		if (address->password == NULL)
			return false;
	}
	if (user.size > 0) {
		address->user = unescape(user);
		if (address->user == NULL)
			return false;
	}
	return true;
}

static bool read_number(struct slice text, uint64_t min, uint64_t max, uint64_t *number)
{
	return slice_number(text, number) && *number >= min && *number <= max;
}

static bool is_host(struct slice text)
{
	static const char allowed[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:";

	for (size_t i = 0; i < text.size; i++)
		if (memchr(allowed, text.data[i], sizeof(allowed) - 1) == NULL)
			return false;
	return text.size > 0 && text.size <= HOST_BYTES_MAX;
}

/* `host`, `host:port`, `[v6]`, `[v6]:port`. */
static bool read_host(struct slice text, struct address *address)
{
	struct slice port = {0};
	uint64_t number = DEFAULT_PORT;
	bool has_port;

	if (text.size > 0 && text.data[0] == '[') {
		text = from(text, 1);
		if (!cut(&text, ']', &port) || (port.size > 0 && port.data[0] != ':'))
			return false;
		has_port = port.size > 0;
		if (has_port)
			port = from(port, 1);
	} else {
		has_port = cut(&text, ':', &port);
	}
	if (!is_host(text) || (has_port && !read_number(port, 1, PORT_MAX, &number)))
		return false;
	address->host = copy(text);
	address->port = (uint16_t)number;
	return true;
}

static const char *parse_tcp(struct slice text, struct address *address)
{
	struct slice database = {0};
	uint64_t number = 0;
	const char *at = memrchr(text.data, '@', text.size);
	struct slice host = at == NULL ? text : from(text, (size_t)(at - text.data) + 1);

	if (cut(&host, '/', &database)) {
		text.size = (size_t)(host.data + host.size - text.data);
		if (database.size > 0 && !read_number(database, 0, DATABASE_MAX, &number))
			return "the Redis URL's path must be the number of a database, as in redis://host:6379/0";
	}
	address->database = (uint32_t)number;
	if (!read_user(&text, address))
		return "the Redis URL's user or password has a % that is not followed by two hex digits other than 00";
	if (!read_host(text, address))
		return "the Redis URL must be like redis://[user:password@]host[:port][/database]";
	return NULL;
}

static const char *parse_unix(struct slice text, struct address *address)
{
	if (slice_starts(text, SLICE("//"))) {
		struct slice path = {0};
		text = from(text, 2);
		if (cut(&text, '/', &path)) /* an @ behind it is the path's */
			path = (struct slice){path.data - 1, path.size + 1};
		if (!read_user(&text, address))
			return "the Redis URL's user or password has a % that is not followed by two hex digits other than 00";
		if (text.size > 0)
			return "the Redis URL must be like unix:/path/of/the/socket";
		text = path;
	}
	if (text.size == 0 || text.data[0] != '/')
		return "the Redis URL must be like unix:/path/of/the/socket";
	if (text.size >= sizeof(((struct sockaddr_un *)0)->sun_path))
		return "the path of the Redis socket is too long for a socket's name (107 bytes at most)";
	address->path = copy(text);
	return NULL;
}

bool address_parse(const char *url, struct address *address, const char **error)
{
	struct slice text = slice_of(url);

	*address = (struct address){0};
	if (slice_starts(text, SLICE("redis://")))
		*error = parse_tcp(from(text, strlen("redis://")), address);
	else if (slice_starts(text, SLICE("unix:")))
		*error = parse_unix(from(text, strlen("unix:")), address);
	else if (slice_starts(text, SLICE("rediss://")))
		*error = "rediss:// (TLS to Redis) is not supported yet; use redis:// or unix:";
	else
		*error = "the Redis URL must begin with redis:// or unix:";
	if (*error != NULL)
		address_fini(address);
	return *error == NULL;
}

/* Passwords do not stay behind in freed memory. */
static void wipe(char *text)
{
	if (text != NULL)
		explicit_bzero(text, strlen(text));
	free(text);
}

void address_fini(struct address *address)
{
	free(address->host);
	free(address->path);
	free(address->user);
	wipe(address->password);
	*address = (struct address){0};
}

void address_read_password(struct address *address, const char *file)
{
	char bytes[PASSWORD_BYTES_MAX];
	int descriptor = open(file, O_RDONLY | O_CLOEXEC);
	ssize_t size = descriptor >= 0 ? read(descriptor, bytes, sizeof(bytes)) : -1;

	if (descriptor >= 0)
		close(descriptor);
	if (size < 0)
		return;
	while (size > 0 && (bytes[size - 1] == '\n' || bytes[size - 1] == '\r'))
		size--;
	wipe(address->password);
	address->password = copy((struct slice){bytes, (size_t)size});
	explicit_bzero(bytes, sizeof(bytes));
}

void address_describe(const struct address *address, char *text, size_t size)
{
	if (address->host != NULL)
		snprintf(text, size, "%s:%u", address->host, address->port);
	else
		snprintf(text, size, "%s", address->path);
}
