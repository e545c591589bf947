/*
 * The members of a JSON object in which no name comes twice.
 *
 * Two readers of {"alg":"none","alg":"RS256"} may see two algorithms, and only one of them is asked
 * whether the token is good. RFC 7515 section 4, RFC 7517 section 4 and RFC 7519 section 4 let us
 * refuse such an object, and so none of its members counts.
 */
#pragma once

#include "common/text.h"

#define MEMBERS_MAX 128
#define MEMBERS_ESCAPED_BYTES_MAX 1024 /* of names with a backslash in them, all together */

struct member {
	struct slice name; /* unescaped */
	struct slice value;
};

struct members {
	size_t count;
	struct member list[MEMBERS_MAX];
	char unescaped[MEMBERS_ESCAPED_BYTES_MAX];
};

/*
 * Reads an object, which stays borrowed: values are slices of it. Returns false if it is not one
 * whole, valid JSON object, nests deeper than SCAN_DEPTH_MAX, has a name twice in whatever spelling,
 * or passes a bound above. Not to be copied: names may point into it.
 */
bool members_read(struct slice object, struct members *members);

/* Returns the raw value of a member, absent if there is none. */
struct slice members_find(const struct members *members, struct slice name);
