#include "auth/claims.h"

#include <stdlib.h>

#include "wire/json.h"
#include "wire/name.h"

#define NUMBER_BYTES_MAX 63
#define SECONDS_MAX 253402300800.0 /* the year 10000: who gives milliseconds is beyond */

/* NumericDate (RFC 7519 section 2): seconds since 1970, maybe with a fraction. */
static bool read_time(struct slice raw, uint64_t *ms)
{
	char number[NUMBER_BYTES_MAX + 1] = {0};

	/* Only numbers begin so, and the scanner has seen that this is one. */
	if (raw.data[0] < '0' || raw.data[0] > '9' || raw.size > NUMBER_BYTES_MAX)
		return false;
	memcpy(number, raw.data, raw.size);
	double seconds = strtod(number, NULL);
	if (!(seconds < SECONDS_MAX))
		return false;
	*ms = (uint64_t)(seconds * 1000);
	return true;
}

static bool read_optional_time(const struct claims *claims, const char *name, uint64_t *ms)
{
	struct slice raw = members_find(&claims->members, slice_of(name));

	*ms = 0;
	return raw.data == NULL || read_time(raw, ms);
}

static bool read_text(const struct claims *claims, const char *name, char *out, size_t bytes_max,
                      struct slice *text)
{
	return json_string(members_find(&claims->members, slice_of(name)), out, bytes_max, text) &&
	       text->size > 0;
}

enum refusal claims_read(struct slice payload, struct claims *claims)
{
	char *subject = claims->unescaped + CLAIMS_ISSUER_BYTES_MAX;

	if (!members_read(payload, &claims->members))
		return REFUSAL_BAD_CLAIMS;
	if (!read_text(claims, "iss", claims->unescaped, CLAIMS_ISSUER_BYTES_MAX, &claims->issuer))
		return REFUSAL_NO_ISSUER;
	if (!read_text(claims, "sub", subject, CLAIMS_SUBJECT_BYTES_MAX, &claims->subject))
		return REFUSAL_NO_SUBJECT;

	struct slice expires = members_find(&claims->members, SLICE("exp"));
	if (expires.data == NULL)
		return REFUSAL_NO_EXPIRY;
	if (!read_time(expires, &claims->expires_ms) ||
	    !read_optional_time(claims, "nbf", &claims->not_before_ms) ||
	    !read_optional_time(claims, "iat", &claims->issued_ms))
		return REFUSAL_BAD_TIME;
	return REFUSAL_NONE;
}

enum refusal claims_at(const struct claims *claims, uint64_t now_ms)
{
	if (claims_expired(claims->expires_ms, now_ms))
		return REFUSAL_EXPIRED;
	if (claims->not_before_ms > now_ms + CLAIMS_SKEW_MS ||
	    claims->issued_ms > now_ms + CLAIMS_SKEW_MS)
		return REFUSAL_NOT_YET_VALID;
	return REFUSAL_NONE;
}

/* Appends the string, if it is the name of a mesh. */
static void append_mesh(struct slice raw, char *out, size_t *size)
{
	char unescaped[NAME_MESH_BYTES_MAX];
	struct slice name;

	if (!json_string(raw, unescaped, sizeof(unescaped), &name) || !name_is_mesh(name))
		return;
	if (*size > 0)
		out[(*size)++] = ' ';
	memcpy(out + *size, name.data, name.size);
	*size += name.size;
}

struct slice claims_meshes(const struct claims *claims, const char *name, char *out)
{
	struct slice value = members_find(&claims->members, slice_of(name));
	struct slice item;
	size_t size = 0;

	append_mesh(value, out, &size);
	while (json_next_item(&value, &item))
		append_mesh(item, out, &size);
	return (struct slice){out, size};
}
