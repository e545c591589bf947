/*
 * Tokens that were verified lately.
 *
 * A client that reconnects shows the same token, and so do all tabs of a browser: to recognise it
 * costs a SHA-256 instead of a signature. Those that were not seen for longest are forgotten first.
 *
 * What is remembered is good for as long as the token is and the issuer still has the key: the
 * caller asks keys_have(). So a key that is withdrawn takes all its tokens along, and nothing has
 * to be looked for then.
 */
#pragma once

#include <stdint.h>

#include "auth/key.h"

#define MEMORY_TOKENS_MAX 65536
#define MEMORY_BYTES_MAX (64 << 20)

/* What is left of a token when it was found good. */
struct grant {
	struct slice issuer;
	struct slice subject;
	struct slice meshes;                     /* as claims_meshes() gives them */
	uint64_t expires_ms;                     /* since 1970 */
	unsigned char key[KEY_THUMBPRINT_BYTES]; /* that verified it */
};

struct memory;

/* Returns owned. */
struct memory *memory_create(void);

/* Accepts NULL. */
void memory_destroy(struct memory *memory);

/*
 * Returns what is remembered of a token, NULL if that is nothing or the token has expired. Borrowed
 * until the next call.
 */
const struct grant *memory_find(struct memory *memory, struct slice token, uint64_t now_ms);

/* Remembers a token, in place of what was known of it. Copies the grant; returns the copy, borrowed. */
const struct grant *memory_keep(struct memory *memory, struct slice token,
                                const struct grant *grant, uint64_t now_ms);

/* How many are remembered. */
size_t memory_count(const struct memory *memory);
