#include "redis/address.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/buffer.h"
#include "common/memory.h"
#include "common/text.h"

#define REDIS_PORT 6379
#define SENTINEL_PORT 26379
#define PORT_MAX 65535
#define DATABASE_MAX 65535
#define PASSWORD_BYTES_MAX 1024
#define HOST_BYTES_MAX 253 /* of a DNS name */

#define LIKE_SINGLE "--redis-url must be like redis://[user:password@]host[:port][/database]"
#define LIKE_SENTINEL               \
	"--redis-url must be like " \
	"redis+sentinel://[user:password@]host[:port][,host[:port]...]/MASTER[/database]"
#define LIKE_CLUSTER \
	"--redis-url must be like redis+cluster://[user:password@]host[:port][,host[:port]...]"
#define LIKE_UNIX "--redis-url must be like unix:/path/of/the/socket"
#define BAD_USER \
	"--redis-url: the user or password has a % that is not followed by two hex digits other than 00"

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
static bool read_host(struct slice text, uint16_t default_port, struct address_host *host)
{
	struct slice port = {0};
	uint64_t number = default_port;
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
	host->name = copy(text);
	host->port = (uint16_t)number;
	return true;
}

/* The forms that go over TCP. What may follow the hosts depends on the form. */
struct scheme {
	const char *start;
	enum address_form form;
	bool tls;
	uint16_t port;
	const char *like;
};

static const struct scheme schemes[] = {
	{"redis://", ADDRESS_SINGLE, false, REDIS_PORT, LIKE_SINGLE},
	{"rediss://", ADDRESS_SINGLE, true, REDIS_PORT, LIKE_SINGLE},
	{"redis+sentinel://", ADDRESS_SENTINEL, false, SENTINEL_PORT, LIKE_SENTINEL},
	{"rediss+sentinel://", ADDRESS_SENTINEL, true, SENTINEL_PORT, LIKE_SENTINEL},
	{"redis+cluster://", ADDRESS_CLUSTER, false, REDIS_PORT, LIKE_CLUSTER},
	{"rediss+cluster://", ADDRESS_CLUSTER, true, REDIS_PORT, LIKE_CLUSTER},
};

/* One host, or several with commas between where the form has several. */
static const char *read_hosts(struct slice text, const struct scheme *scheme,
                              struct address *address)
{
	for (;;) {
		struct slice rest = {0};
		bool more = scheme->form != ADDRESS_SINGLE && cut(&text, ',', &rest);
		if (address->host_count == ADDRESS_HOSTS_MAX)
			return "--redis-url names too many hosts (16 at most)";
		if (!read_host(text, scheme->port, &address->hosts[address->host_count]))
			return scheme->like;
		address->host_count++;
		if (!more)
			return NULL;
		text = rest;
	}
}

static bool read_database(struct slice text, struct address *address)
{
	uint64_t number = 0;

	if (text.size > 0 && !read_number(text, 0, DATABASE_MAX, &number))
		return false;
	address->database = (uint32_t)number;
	return true;
}

/* The characters that Sentinel itself allows in the name of a master. */
static bool is_master(struct slice text)
{
	static const char allowed[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";

	for (size_t i = 0; i < text.size; i++)
		if (memchr(allowed, text.data[i], sizeof(allowed) - 1) == NULL)
			return false;
	return text.size > 0;
}

/* What is behind the first `/` after the hosts: [database], or MASTER[/database], or nothing. */
static const char *read_path(struct slice path, const struct scheme *scheme,
                             struct address *address)
{
	struct slice database = path;

	switch (scheme->form) {
	case ADDRESS_CLUSTER:
		return path.size == 0
		               ? NULL
		               : "--redis-url names a Cluster, which has no databases: it must end with the hosts";
	case ADDRESS_SENTINEL:
		if (!cut(&path, '/', &database))
			database = SLICE("");
		if (!is_master(path))
			return scheme->like;
		address->master = copy(path);
		break;
	case ADDRESS_SINGLE:
		break;
	}
	return read_database(database, address)
	               ? NULL
	               : "--redis-url must end with the number of a database, as in redis://host:6379/0";
}

static const char *parse_tcp(struct slice text, const struct scheme *scheme,
                             struct address *address)
{
	struct slice path = SLICE("");
	const char *at = memrchr(text.data, '@', text.size);
	struct slice hosts = at == NULL ? text : from(text, (size_t)(at - text.data) + 1);

	address->form = scheme->form;
	address->tls = scheme->tls;
	if (cut(&hosts, '/', &path))
		text.size = (size_t)(hosts.data + hosts.size - text.data);
	if (!read_user(&text, address))
		return BAD_USER;
	const char *error = read_hosts(text, scheme, address);
	return error != NULL ? error : read_path(path, scheme, address);
}

static const char *parse_unix(struct slice text, struct address *address)
{
	if (slice_starts(text, SLICE("//"))) {
		struct slice path = {0};
		text = from(text, 2);
		if (cut(&text, '/', &path)) /* an @ behind it is the path's */
			path = (struct slice){path.data - 1, path.size + 1};
		if (!read_user(&text, address))
			return BAD_USER;
		if (text.size > 0)
			return LIKE_UNIX;
		text = path;
	}
	if (text.size == 0 || text.data[0] != '/')
		return LIKE_UNIX;
	if (text.size >= sizeof(((struct sockaddr_un *)0)->sun_path))
		return "the path of the Redis socket is too long for a socket's name (107 bytes at most)";
	address->path = copy(text);
	return NULL;
}

static const char *parse(struct slice text, struct address *address)
{
	if (slice_starts(text, SLICE("unix:")))
		return parse_unix(from(text, strlen("unix:")), address);
	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
		if (slice_starts(text, slice_of(schemes[i].start)))
			return parse_tcp(from(text, strlen(schemes[i].start)), &schemes[i],
			                 address);
	return "--redis-url must begin with redis://, redis+sentinel:// or redis+cluster:// "
	       "(rediss... for TLS), or unix:";
}

bool address_parse(const char *url, struct address *address, const char **error)
{
	*address = (struct address){0};
	*error = parse(slice_of(url), address);
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
	for (size_t i = 0; i < address->host_count; i++)
		free(address->hosts[i].name);
	free(address->path);
	free(address->master);
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
	struct buffer out = {0};

	if (address->master != NULL)
		buffer_printf(&out, "%s of ", address->master);
	for (size_t i = 0; i < address->host_count; i++) {
		const struct address_host *host = &address->hosts[i];
		bool v6 = strchr(host->name, ':') != NULL;
		buffer_printf(&out, "%s%s%s%s:%u", i > 0 ? "," : "", v6 ? "[" : "", host->name,
		              v6 ? "]" : "", host->port);
	}
	if (address->path != NULL)
		buffer_printf(&out, "%s", address->path);
	snprintf(text, size, "%.*s", (int)out.size, out.data);
	buffer_fini(&out);
}
