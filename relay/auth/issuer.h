/*
 * An issuer of tokens, as far as we need it: its name and its keys.
 *
 * Both are fetched from its discovery document on, and again every few minutes, and when somebody
 * shows a token with a key that is not known. What was fetched serves until something newer is,
 * however long the issuer is away; without keys it is asked again after a second, later a minute.
 *
 * An issuer on the Internet can't send us to an address that is private (see net/endpoint.h): only
 * one that is at a private address itself.
 */
#pragma once

#include <stdbool.h>

#include "auth/fetch.h"
#include "auth/keys.h"
#include "common/text.h"

struct issuer;

/* A refresh is over, whether it brought something or not. NULL: nobody wants to know. */
typedef void issuer_refreshed(void *context, struct issuer *issuer);

/*
 * `url` is that of the discovery document, which also says who the issuer must be (see discovery.h).
 * It is copied. Returns owned; NULL and what is wrong with it, as the end of a sentence.
 */
struct issuer *issuer_create(const struct fetch_means *means, const char *url,
                             issuer_refreshed *refreshed, void *context, const char **error);

/* The loop must turn once more to free everything. Accepts NULL. */
void issuer_destroy(struct issuer *issuer);

/* Begins to fetch, and never ends. */
void issuer_start(struct issuer *issuer);

/*
 * A token says that it is signed with a key that is not in the set: the issuer may have a new one.
 * Returns true if a refresh is under way now, so that it is worth to try the token again when it is
 * over. False: there was one for that reason within the last minute, or the issuer is away.
 */
bool issuer_refresh(struct issuer *issuer);

/* Who it says it is: what `iss` must be, byte for byte. Empty before the first refresh. Borrowed. */
struct slice issuer_name(const struct issuer *issuer);

/* NULL: none yet. Borrowed until the loop turns. */
const struct keys *issuer_keys(const struct issuer *issuer);

/* Does it have keys? If not, there is a sentence why, good until the loop turns. */
bool issuer_is_ready(const struct issuer *issuer, const char **reason);
