/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SSO_JWE_H
#define SSO_JWE_H

/*
 * Encrypted tokens (JWE, RFC 7516): what a provider encrypted for this site is decrypted, and what
 * is inside is a signed token, which goes through the token gate (sso_jose.h) like any other.
 * Decrypting proves nothing about who wrote a token: everyone has our public key.
 *
 * Key management is RSA-OAEP, RSA-OAEP-256, ECDH-ES alone and with A128KW, A192KW or A256KW;
 * content is A128CBC-HS256, A192CBC-HS384, A256CBC-HS512, A128GCM, A192GCM or A256GCM (RFC 7518 4
 * and 5). RSA1_5, dir, PBES2 and the symmetric key wraps are no ways to write to a public key, or
 * bad ones, and are refused; so is compression.
 *
 * OpenSSL does it, and not cjose. The cjose of distributions takes initialization vectors and tags
 * of any length, writes past a buffer when it unwraps a long key (CVE-2026-53938), and knows
 * neither RSA-OAEP-256 nor an agreement with a key wrap on all versions; what it refuses changes
 * from one version to the next. With EVP each length is checked here, and each failure looks the
 * same.
 */

#include "sso_base.h"

#define SSO_JWE_KEYS_MAX 4 /* the present one, and those of before */

/** An immutable set of private keys, for any number of threads. Freed with its pool. */
typedef struct sso_jwe_keys_t sso_jwe_keys_t;

/**
 * Read private keys: RSA of 2048 to 16384 bits, or EC on P-256, P-384 or P-521.
 *
 * @param pool  where the set lives; may outlive ctx->pool
 * @param path  a PEM file with one private key or more, without a passphrase; other blocks in it
 *              (certificates) are skipped
 *
 * @return SSO_MISCONFIG  a file that cannot be read, has no private key in it or too many, a key
 *                        that cannot be read, or is of a type or length that is not taken.
 *                        (A file that others may read is a warning.)
 *         SSO_BROKEN     OpenSSL refused to work
 */
sso_rc_e sso_jwe_keys_read(sso_ctx_t *ctx, apr_pool_t *pool, const char *path,
                           sso_jwe_keys_t **keys);

/** How many keys; 0 for NULL. */
int sso_jwe_keys_count(const sso_jwe_keys_t *keys);

/** The public half of one as the text of a JWK (RFC 7517) with "use":"enc", for a provider. */
const char *sso_jwe_keys_jwk(const sso_jwe_keys_t *keys, int index);

/** Whether a text has the shape of a compact JWE at all (four dots, base64url); no checks beyond
 *  that. */
int sso_jwe_looks(const char *token);

/**
 * Decrypt a compact JWE that has a compact JWS in it. A kid that is the thumbprint (RFC 7638) of
 * one of the keys selects it; with any other, each key of the right type is tried.
 *
 * Whatever is wrong with the encrypted parts is one failure with one message, and takes one way:
 * nobody is to learn from it how far a forged token got (RFC 7516 11.5).
 *
 * @param keys   NULL: none are configured
 * @param what   for messages: "id_token"
 * @param inner  out: the signed token as it was written, neither verified nor looked at but for its
 *               shape; in ctx->pool, untouched unless SSO_OK
 *
 * @return SSO_BAD_INPUT  malformed: segments, base64url, JSON, duplicate members, size, lengths of
 *                        key, IV or tag, an epk that is not on its curve, one of crit b64 zip jwk
 *                        jku x5u x5c in the header; or no compact JWS inside
 *         SSO_DENIED     an algorithm that is not taken, no key that fits, or not decryptable
 *         SSO_MISCONFIG  there are no keys
 *         SSO_BROKEN     OpenSSL refused to work
 */
sso_rc_e sso_jwe_open(sso_ctx_t *ctx, const sso_jwe_keys_t *keys, const char *what,
                      const char *token, const char **inner);

#endif
