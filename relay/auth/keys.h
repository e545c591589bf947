/* The keys of one issuer: a JSON Web Key set (RFC 7517 section 5). Immutable. */
#pragma once

#include "auth/key.h"
#include "auth/refusal.h"
#include "auth/token.h"

#define KEYS_MAX 64      /* what a set has beyond is not looked at */
#define KEYS_TRIED_MAX 4 /* per token */

struct keys;

/*
 * Returns owned; NULL and a sentence if it is no key set, or if not one key of it is of use. Keys
 * that are not are left out (RFC 7517 section 5: their kinds may be of the future).
 */
struct keys *keys_read(struct slice jwks, const char **error);

/* Accepts NULL. */
void keys_destroy(struct keys *keys);

size_t keys_count(const struct keys *keys);

/*
 * Is the token signed with one of the keys: one that has its `kid`, if it names one? Gives that key,
 * which belongs to the set. REFUSAL_UNKNOWN_KEY: it may be signed with a key that is newer than the
 * set.
 */
enum refusal keys_verify(const struct keys *keys, const struct token *token,
                         const struct key **signer);

/* Is the key with that thumbprint in the set? What a key verified is good as long as it is. */
bool keys_have(const struct keys *keys, const unsigned char thumbprint[KEY_THUMBPRINT_BYTES]);
