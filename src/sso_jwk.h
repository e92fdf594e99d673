/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SSO_JWK_H
#define SSO_JWK_H

/*
 * Keys as the token gate sees them. For sso_jose.c and sso_jwk.c only; the rest of the core has
 * sso_jose.h.
 *
 * What a key may verify is worked out once, when the key is read: type, curve, length, its own
 * "alg", "use" and "key_ops" all end up in one set of algorithm bits. A key whose bit for an
 * algorithm is not set never meets a token of that algorithm.
 */

#include "sso_jose.h"

#include <cjose/jwk.h>

typedef enum {
    SSO_KEY_RSA,
    SSO_KEY_P256,
    SSO_KEY_P384,
    SSO_KEY_P521,
    SSO_KEY_SECRET
} sso_key_kind_e;

/** One row for each algorithm of RFC 7518 3.1 that we take. */
typedef struct sso_alg_t {
    const char *name;
    unsigned bit; /* sso_jws_alg_e */
    sso_key_kind_e kind;
    apr_size_t hash_bytes;      /* also the least length of a secret (RFC 7518 3.2) */
    apr_size_t signature_bytes; /* 0: as long as the RSA modulus */
} sso_alg_t;

typedef struct sso_jwk_t {
    cjose_jwk_t *handle;        /* never retained or released by a verification: not thread-safe */
    sso_key_kind_e kind;
    apr_size_t bytes;           /* of the RSA modulus or the secret; 0 for EC */
    unsigned algorithms;        /* bits of what it may verify; never 0 */
    const char *kid, *issuer;   /* NULL: none */
} sso_jwk_t;

struct sso_keys_t {
    int count;
    int named; /* some key has a kid */
    const sso_jwk_t **keys;
};

/** The row of an algorithm, or NULL. */
const sso_alg_t *sso_alg_find(const char *name);

#endif
