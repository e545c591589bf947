/*
 * The other half of relay/auth, for tests: an issuer's private key, which makes tokens.
 *
 * It signs whatever it is given, also what nobody should.
 */
#pragma once

#include "common/buffer.h"

struct signer;

/* A new key: RSA-<bits>, P-256, P-384, P-521, Ed25519, Ed448. Returns owned. */
struct signer *signer_create(const char *kind);

/* The same Ed25519 key for the same 32 bytes. Returns owned. */
struct signer *signer_of_seed(struct slice seed);

void signer_destroy(struct signer *signer);

/* The members of its public JWK, without the braces. Borrowed. */
const char *signer_members(const struct signer *signer);

/* Its public half as PEM. Borrowed. */
struct slice signer_pem(const struct signer *signer);

/* Appends the signature of the text, by an algorithm of RFC 7518 for that kind of key. */
void signer_sign(const struct signer *signer, const char *algorithm, struct slice text,
                 struct buffer *signature);

/* Appends a token: header and payload as they are, signed as `algorithm` says, not as they do. */
void signer_token(const struct signer *signer, const char *algorithm, struct slice header,
                  struct slice payload, struct buffer *token);
