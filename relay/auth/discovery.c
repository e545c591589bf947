#include "auth/discovery.h"

#include "auth/members.h"
#include "wire/json.h"

bool discovery_issuer(struct slice url, struct slice *issuer)
{
	static const char path[] = "/.well-known/openid-configuration";
	const char *query = memchr(url.data, '?', url.size);
	size_t size = query != NULL ? (size_t)(query - url.data) : url.size;

	if (size < strlen(path) || memcmp(url.data + size - strlen(path), path, strlen(path)) != 0)
		return false;
	*issuer = (struct slice){url.data, size - strlen(path)};
	return true;
}

/* Gives the string as one that ends with a zero. Returns false if it is none, or too long. */
static bool read_text(const struct members *members, struct slice name, char *out, size_t capacity)
{
	struct slice text;

	if (!json_string(members_find(members, name), out, capacity - 1, &text) ||
	    memchr(text.data, '\0', text.size) != NULL)
		return false;
	memmove(out, text.data, text.size);
	out[text.size] = '\0';
	return true;
}

/* The document may say it with the slash that is not in the URL, since one was there already. */
static bool is_same_issuer(struct slice said, struct slice expected)
{
	if (said.size == expected.size + 1 && said.data[expected.size] == '/')
		said.size--;
	return slice_equal(said, expected);
}

bool discovery_read(struct slice document, struct slice issuer, struct discovery *discovery,
                    const char **error)
{
	struct members members;
	const char *wrong;

	*error = "is no JSON object";
	if (!members_read(document, &members))
		return false;
	*error = "says no issuer";
	if (!read_text(&members, SLICE("issuer"), discovery->issuer, sizeof(discovery->issuer)))
		return false;
	*error = "is of another issuer than its URL says";
	if (!is_same_issuer(slice_of(discovery->issuer), issuer))
		return false;
	*error = "has no jwks_uri that is https";
	return read_text(&members, SLICE("jwks_uri"), discovery->keys_url,
	                 sizeof(discovery->keys_url)) &&
	       fetch_url_is_good(discovery->keys_url, &wrong);
}
