/*
 * What an issuer says of itself (OpenID Connect Discovery 1.0 section 3): of all that, who it is, and
 * where its keys are.
 */
#pragma once

#include "auth/claims.h"
#include "auth/fetch.h"
#include "common/text.h"

struct discovery {
	char issuer[CLAIMS_ISSUER_BYTES_MAX + 1];
	char keys_url[FETCH_URL_BYTES_MAX + 1]; /* `jwks_uri`: a good one, see fetch.h */
};

/*
 * Gives the issuer that must be found at the URL: what comes before /.well-known/openid-configuration
 * (section 4). Returns false if that is not in it. Borrows.
 */
bool discovery_issuer(struct slice url, struct slice *issuer);

/*
 * Reads the document. It must be the issuer's own (section 4.3), or else one issuer could speak for
 * another; a slash at the end of the name makes no difference (section 4.1). Returns false and a
 * sentence if it is not, or if something is missing.
 */
bool discovery_read(struct slice document, struct slice issuer, struct discovery *discovery,
                    const char **error);
