/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SSO_JOSE_H
#define SSO_JOSE_H

/*
 * The token gate: the only user of cjose, and what stands in front of it.
 *
 * A compact JWS (RFC 7515) reaches cjose only after this file has found it to be exactly what its
 * algorithm and key require. The cjose of today's distributions reads out of bounds or accepts
 * forgeries when handed less. Claims (iss, aud, exp ...) are not judged here: see sso_token.h.
 */

#include "sso_base.h"

#include <jansson.h>

#define SSO_JWT_MAX       (256 * 1024) /* bytes of a compact token */
#define SSO_JWK_COUNT_MAX 64          /* keys taken from one set */
#define SSO_RSA_BITS_MIN  2048
#define SSO_RSA_BITS_MAX  16384

/** JWS algorithms of RFC 7518, bits for sso_jws_policy_t. */
typedef enum {
    SSO_RS256 = 1, SSO_RS384 = 2, SSO_RS512 = 4,
    SSO_PS256 = 8, SSO_PS384 = 16, SSO_PS512 = 32,
    SSO_ES256 = 64, SSO_ES384 = 128, SSO_ES512 = 256,
    SSO_HS256 = 512, SSO_HS384 = 1024, SSO_HS512 = 2048
} sso_jws_alg_e;

/** The bit of an algorithm's name, 0 if it is none we take ("none" is none). Case counts
 *  (RFC 7515 4.1.1). */
unsigned sso_jws_alg(const char *name);

/** An immutable set of keys, for any number of threads. Lives, with the cjose keys in it, as long
 *  as the pool it was made in. */
typedef struct sso_keys_t sso_keys_t;

/**
 * Read a JWK set (RFC 7517 5): `{"keys": [...]}`, or one bare JWK. Keys that cannot be used here
 * (Ed25519, secp256k1, RSA-1024, use=enc, private or symmetric keys in a public set ...) are
 * skipped with a debug log line each; a private RSA/EC key's public half is taken, with a warning.
 *
 * @param pool  where the set lives; may outlive ctx->pool
 * @return SSO_BAD_INPUT  not a JWK set, or over SSO_JWK_COUNT_MAX keys
 *         SSO_MISCONFIG  a JWK set without any usable key
 */
sso_rc_e sso_keys_parse(sso_ctx_t *ctx, apr_pool_t *pool, const char *text, apr_size_t length,
                        sso_keys_t **keys);

/**
 * A set of one symmetric key, usable for the HS algorithms whose hash is not longer than it
 * (RFC 7518 3.2). It has no kid, and is tried whatever kid a token has. Wiped with @a pool.
 *
 * @return SSO_MISCONFIG  shorter than 32 bytes
 *         SSO_BROKEN     the library failed
 */
sso_rc_e sso_keys_from_secret(sso_ctx_t *ctx, apr_pool_t *pool, const void *secret,
                              apr_size_t length, sso_keys_t **keys);

/** Both sets in one, the first one's keys tried first; either may be NULL. No copies: both must
 *  live as long as @a pool. */
sso_keys_t *sso_keys_join(apr_pool_t *pool, const sso_keys_t *first, const sso_keys_t *second);

int sso_keys_count(const sso_keys_t *keys);

/** For people: "2 keys (RSA 'kid-1', P-256 'kid-2')". */
const char *sso_keys_describe(apr_pool_t *pool, const sso_keys_t *keys);

typedef enum {
    SSO_KID_SELECTS, /* a kid that no key has is "unknown key"; without a kid, or where no key of
                        the set has one, all keys are tried */
    SSO_KID_ORDERS   /* keys with that kid are tried first, then all others (edX) */
} sso_kid_rule_e;

typedef struct sso_jws_policy_t {
    const sso_keys_t *keys;
    unsigned algorithms; /* bits of sso_jws_alg_e; 0: every one that fits a key in the set */
    sso_kid_rule_e kid_rule;
} sso_jws_policy_t;

typedef struct sso_jwt_t {
    const char *alg, *kid, *typ; /* kid, typ: NULL if absent */
    json_t *header, *claims;     /* freed with ctx->pool: borrow; claims: NULL until read */
    const char *text;            /* the token itself, as it was given: must live as long */
    apr_size_t signature_length; /* in bytes */
    const char *payload;         /* the claims as text, NUL-terminated, in ctx->pool */
    apr_size_t payload_length;
    const char *key_issuer;      /* "issuer" of the JWK that verified (Entra), or NULL */
} sso_jwt_t;

/** Whether a text has the shape of a compact JWS at all (two dots, base64url; the signature may be
 *  empty); no checks beyond that. */
int sso_jwt_looks(const char *token);

/**
 * Whether no kid says which of these keys a token should be signed by: one that none of them fits
 * may be signed by a newer one. (Not of HMAC: those keys come from configuration.)
 */
int sso_jws_any_key(const sso_keys_t *keys, const sso_jwt_t *jwt);

/**
 * The steps of sso_jws_verify(), for who needs a token's claims to know whose keys it is to be
 * checked with, or tries one set of keys after the other. Nothing of a token is believed before
 * sso_jws_check() has found its signature good.
 *
 * sso_jws_read() checks the form and reads the header; sso_jws_claims() reads the claims, once;
 * sso_jws_signed() refuses alg "none", in whatever case, of a token that will not be checked.
 *
 * @param jwt  of read: out, untouched unless SSO_OK
 * @return as sso_jws_verify()
 */
sso_rc_e sso_jws_read(sso_ctx_t *ctx, const char *what, const char *token, sso_jwt_t **jwt);
sso_rc_e sso_jws_check(sso_ctx_t *ctx, const sso_jws_policy_t *policy, const char *what,
                       sso_jwt_t *jwt);
sso_rc_e sso_jws_claims(sso_ctx_t *ctx, const char *what, sso_jwt_t *jwt);
sso_rc_e sso_jws_signed(sso_ctx_t *ctx, const char *what, const sso_jwt_t *jwt);

/**
 * Verify a compact JWS whose payload is a JSON object.
 *
 * @param what   for messages: "lms: access token"
 * @param jwt    out; untouched unless SSO_OK
 *
 * @return SSO_BAD_INPUT  malformed: segments, base64url, JSON, duplicate members, size, or one of
 *                        crit b64 zip jwk jku x5u x5c in the header
 *         SSO_DENIED     algorithm not allowed, or the signature does not verify with any key that
 *                        fits
 *         SSO_ABSENT     no key fits (unknown kid, or no key of the algorithm's type): newer keys
 *                        may have it
 *         SSO_BROKEN     the library failed
 */
sso_rc_e sso_jws_verify(sso_ctx_t *ctx, const sso_jws_policy_t *policy, const char *what,
                        const char *token, sso_jwt_t **jwt);

/**
 * Read a token's claims without believing them, with all checks of form (EdxSSOTrustTokenEndpoint;
 * picking a provider). Any algorithm but "none" will do, also one that sso_jws_verify() does not
 * take.
 *
 * @return SSO_BAD_INPUT  as sso_jws_verify()
 *         SSO_DENIED     alg "none", in whatever case
 */
sso_rc_e sso_jws_peek(sso_ctx_t *ctx, const char *what, const char *token, sso_jwt_t **jwt);

#endif
