/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SSO_JOSE_SIGN_H
#define SSO_JOSE_SIGN_H

/*
 * The signing side of the token gate: what this site says of itself as a compact JWS (RFC 7515).
 *
 * A signer is one key with everything that its tokens have in common: algorithm, header, public
 * half. It is made once, at configuration time, and is immutable: any number of threads may sign
 * with it. The algorithm follows from the key: RSA signs PS256, P-256 ES256, P-384 ES384, P-521
 * ES512, a secret HS256.
 */

#include "sso_jose.h"

#define SSO_PEM_MAX (64 * 1024) /* bytes of a file of certificates */

typedef struct sso_signer_t sso_signer_t;

/**
 * A signer of a certificate and its private key. The header of its tokens has `x5t#S256` (RFC 7515
 * 4.1.8) and `kid`, which is the key's thumbprint (RFC 7638).
 *
 * @param pool         where it lives; the key is freed with it
 * @param certificate  PEM file, of which the first certificate counts
 * @param key          PEM file, without a passphrase
 *
 * @return SSO_MISCONFIG  a file that cannot be read or has no certificate or key in it, a key of
 *                        another certificate, with a passphrase, too short, or of no type we sign
 *                        with. (A certificate that has expired or is not valid yet is a warning.)
 *         SSO_BROKEN     OpenSSL refused to work
 */
sso_rc_e sso_signer_read(sso_ctx_t *ctx, apr_pool_t *pool, const char *certificate, const char *key,
                         sso_signer_t **signer);

/** The same checks, but those of the type of key, for a pair that is used for TLS. */
sso_rc_e sso_signer_check_pair(sso_ctx_t *ctx, const char *certificate, const char *key);

/**
 * A signer of a secret: HS256. Its tokens have no kid, and it has no public half.
 *
 * @return SSO_MISCONFIG  shorter than 32 bytes (RFC 7518 3.2)
 *         SSO_BROKEN     OpenSSL refused to work
 */
sso_rc_e sso_signer_from_secret(sso_ctx_t *ctx, apr_pool_t *pool, const void *secret,
                                apr_size_t length, sso_signer_t **signer);

/**
 * A signer of a key on P-256 that a seed determines (FIPS 186-5 A.2.1): ES256.
 *
 * @param seed  at least 40 bytes that nobody can guess
 * @return SSO_BROKEN  OpenSSL refused to work
 */
sso_rc_e sso_signer_from_seed(sso_ctx_t *ctx, apr_pool_t *pool, const unsigned char *seed,
                              apr_size_t length, sso_signer_t **signer);

/** Its public half as the text of a JWK (RFC 7517), or NULL: it has none. */
const char *sso_signer_jwk(const sso_signer_t *signer);

/** The kid of its tokens, or NULL. */
const char *sso_signer_kid(const sso_signer_t *signer);

/**
 * Sign a set of claims.
 *
 * @param token  out: a compact JWS in ctx->pool; untouched unless SSO_OK
 * @return SSO_BROKEN  OpenSSL refused to work
 */
sso_rc_e sso_jws_sign(sso_ctx_t *ctx, const sso_signer_t *signer, const json_t *claims,
                      const char **token);

/** The same of what is JSON text already. */
sso_rc_e sso_jws_sign_text(sso_ctx_t *ctx, const sso_signer_t *signer, const char *payload,
                           const char **token);

#endif
