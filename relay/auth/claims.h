/*
 * What a token says (RFC 7519 section 4): who somebody is, says whom, and until when.
 *
 * Claims can be read before the signature is verified, since they tell whose keys to verify it with;
 * they mean nothing before.
 */
#pragma once

#include <stdint.h>

#include "auth/members.h"
#include "auth/refusal.h"

#define CLAIMS_ISSUER_BYTES_MAX 512
#define CLAIMS_SUBJECT_BYTES_MAX 256
#define CLAIMS_SKEW_MS 60000 /* by which the issuer's clock and ours may differ */

struct claims {
	struct slice issuer;
	struct slice subject;
	/* Since 1970. */
	uint64_t expires_ms;
	uint64_t not_before_ms; /* 0: at once */
	uint64_t issued_ms;     /* 0: not said */
	struct members members; /* all of them */
	char unescaped[CLAIMS_ISSUER_BYTES_MAX + CLAIMS_SUBJECT_BYTES_MAX];
};

/*
 * Reads the payload of a token, which stays borrowed. `iss`, `sub` and `exp` must be there. The
 * struct is not to be copied: its slices point into it.
 */
enum refusal claims_read(struct slice payload, struct claims *claims);

/* Do they hold at this time? */
enum refusal claims_at(const struct claims *claims, uint64_t now_ms);

/* Is a token that expires then still good, as claims_at() sees it? */
static inline bool claims_expired(uint64_t expires_ms, uint64_t now_ms)
{
	return now_ms >= expires_ms + CLAIMS_SKEW_MS;
}

/*
 * The meshes that a claim names: it is the name of one, or an array of some; what is no mesh's name
 * is left out. Gives words separated by one space, for slice_next_word(), in `out`, which must have
 * room for the payload.
 */
struct slice claims_meshes(const struct claims *claims, const char *name, char *out);
