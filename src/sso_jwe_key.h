/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SSO_JWE_KEY_H
#define SSO_JWE_KEY_H

/*
 * What the files sso_jwe*.c share; the rest of the core has sso_jwe.h. sso_jwe.c is the gate,
 * sso_jwe_crypt.c computes what has passed it, sso_jwe_keys.c reads keys.
 */

#include "sso_jwe.h"

#include <openssl/evp.h>

#define SSO_CEK_BYTES_MAX 64 /* of A256CBC-HS512 */

/** Names of a curve (RFC 7518 6.2.1.1, OpenSSL), and the bytes of a coordinate. */
typedef struct sso_curve_t {
    const char *crv, *group;
    apr_size_t bytes;
} sso_curve_t;

/** The row of a curve by its JOSE name, or NULL. */
const sso_curve_t *sso_curve_find(const char *crv);

typedef struct sso_jwe_key_t {
    EVP_PKEY *pkey;
    const sso_curve_t *curve; /* NULL: RSA */
    const char *kid, *jwk;    /* its thumbprint, its public half */
} sso_jwe_key_t;

struct sso_jwe_keys_t {
    int count;
    sso_jwe_key_t keys[SSO_JWE_KEYS_MAX];
};

/** A way to a content encryption key (RFC 7518 4). */
typedef struct sso_jwe_alg_t {
    const char *name;
    const char *oaep_digest;  /* of RSA; NULL: key agreement */
    const char *wrap_cipher;  /* NULL: what was agreed on is the key */
    apr_size_t wrap_bytes;    /* length of that cipher's key */
} sso_jwe_alg_t;

/** A content encryption (RFC 7518 5). */
typedef struct sso_jwe_enc_t {
    const char *name, *cipher;
    const char *mac_digest; /* NULL: the cipher authenticates */
    apr_size_t key_bytes;   /* with a MAC: half for it, then half for the cipher */
    apr_size_t iv_bytes, tag_bytes;
} sso_jwe_enc_t;

typedef struct sso_part_t {
    unsigned char *bytes;
    apr_size_t length;
} sso_part_t;

/** A token whose form has been checked. */
typedef struct sso_jwe_t {
    apr_pool_t *pool;
    const sso_jwe_alg_t *alg;
    const sso_jwe_enc_t *enc;
    const char *kid;
    EVP_PKEY *epk;            /* NULL, or a point of ... */
    const sso_curve_t *curve; /* ... this curve */
    sso_part_t apu, apv;
    sso_part_t encrypted_key, iv, ciphertext, tag;
    sso_part_t aad;           /* the header as it was written */
} sso_jwe_t;

/**
 * Find the content encryption key with a key that fits. Where that fails, @a cek is left as it is:
 * random bytes, with which the content does not open.
 *
 * @param cek  in and out: enc->key_bytes of them
 */
void sso_jwe_unwrap(const sso_jwe_t *jwe, const sso_jwe_key_t *key, unsigned char *cek);

/** Decrypt the content: 1, or 0 if it is not authentic. @a plain is NUL-terminated, in the pool. */
int sso_jwe_decrypt(const sso_jwe_t *jwe, const unsigned char *cek, sso_part_t *plain);

#endif
