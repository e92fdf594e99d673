/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORGE_H
#define FORGE_H

/*
 * Keys and tokens made by OpenSSL alone, good ones and forged ones, for the tests of the token
 * gate. Nothing of the code under test is used here, base64url included. Included once per test
 * program. Everything lives in one pool until the program ends; keys are freed by it, too.
 */

#include "sso_jose.h"
#include "tap.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rsa.h>
#include <unistd.h>

#define FORGE_BYTES_MAX 4096

static apr_pool_t *forge_pool;

typedef struct forge_bytes_t {
    unsigned char data[FORGE_BYTES_MAX];
    size_t length;
} forge_bytes_t;

/* A test that cannot make its own material proves nothing. */
#define FORGE_MUST(cond)                                                                          \
    do {                                                                                          \
        if (!(cond)) {                                                                            \
            printf("Bail out! %s:%d: %s\n", __FILE__, __LINE__, #cond);                           \
            fflush(stdout);                                                                       \
            _exit(2); /* no leak report: it would hide the line above */                          \
        }                                                                                         \
    } while (0)

static inline apr_status_t forge_free_key(void *key)
{
    EVP_PKEY_free(key);
    return APR_SUCCESS;
}

static inline EVP_PKEY *forge_keep(EVP_PKEY *key)
{
    FORGE_MUST(key != NULL);
    apr_pool_cleanup_register(forge_pool, key, forge_free_key, apr_pool_cleanup_null);
    return key;
}

static inline EVP_PKEY *forge_rsa(unsigned bits)
{
    return forge_keep(EVP_RSA_gen(bits));
}

static inline EVP_PKEY *forge_ec(const char *curve)
{
    return forge_keep(EVP_EC_gen(curve));
}

static inline const char *forge_b64(const void *bytes, size_t length)
{
    char *out = apr_pcalloc(forge_pool, length * 2 + 8), *c;

    EVP_EncodeBlock((unsigned char *)out, bytes, (int)length);
    for (c = out; *c; c++)
        *c = (char)(*c == '+' ? '-' : *c == '/' ? '_' : *c == '=' ? '\0' : *c);
    return out;
}

static inline const char *forge_number(EVP_PKEY *key, const char *name, int width)
{
    unsigned char bytes[FORGE_BYTES_MAX];
    BIGNUM *number = NULL;
    int length;

    FORGE_MUST(EVP_PKEY_get_bn_param(key, name, &number));
    length = width ? width : BN_num_bytes(number);
    FORGE_MUST(BN_bn2binpad(number, bytes, length) == length);
    BN_free(number);
    return forge_b64(bytes, (size_t)length);
}

/* The members kty, n and e, or kty, crv, x and y, without braces. */
static inline const char *forge_members(EVP_PKEY *key)
{
    static const struct { int bits; const char *crv; } curves[] = {
        { 256, "P-256" }, { 384, "P-384" }, { 521, "P-521" },
    };
    int width = (EVP_PKEY_get_bits(key) + 7) / 8, i;
    const char *crv = "";

    if (EVP_PKEY_is_a(key, "RSA"))
        return apr_psprintf(forge_pool, "\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"%s\"",
                            forge_number(key, OSSL_PKEY_PARAM_RSA_N, 0),
                            forge_number(key, OSSL_PKEY_PARAM_RSA_E, 0));
    for (i = 0; i < 3; i++)
        if (curves[i].bits == EVP_PKEY_get_bits(key))
            crv = curves[i].crv;
    return apr_psprintf(forge_pool, "\"kty\":\"EC\",\"crv\":\"%s\",\"x\":\"%s\",\"y\":\"%s\"", crv,
                        forge_number(key, OSSL_PKEY_PARAM_EC_PUB_X, width),
                        forge_number(key, OSSL_PKEY_PARAM_EC_PUB_Y, width));
}

/* A JWK; @a more is further members as text, starting with a comma, or "". */
static inline const char *forge_jwk(EVP_PKEY *key, const char *more)
{
    return apr_pstrcat(forge_pool, "{", forge_members(key), more, "}", NULL);
}

static inline const EVP_MD *forge_md(const char *alg)
{
    const char *bits = alg + 2;

    return !strcmp(bits, "384") ? EVP_sha384() : !strcmp(bits, "512") ? EVP_sha512() : EVP_sha256();
}

/* DER to R || S, each of half the @a width. */
static inline void forge_flatten(forge_bytes_t *signature, int width)
{
    const unsigned char *at = signature->data;
    ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &at, (long)signature->length);

    FORGE_MUST(pair && BN_bn2binpad(ECDSA_SIG_get0_r(pair), signature->data, width / 2) > 0
               && BN_bn2binpad(ECDSA_SIG_get0_s(pair), signature->data + width / 2, width / 2) > 0);
    signature->length = (size_t)width;
    ECDSA_SIG_free(pair);
}

/* Sign as @a alg says, with DER left alone for EC. */
static inline void forge_sign_raw(EVP_PKEY *key, const char *alg, const char *input,
                                  forge_bytes_t *signature)
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    EVP_PKEY_CTX *pkey;

    signature->length = sizeof(signature->data);
    FORGE_MUST(md && EVP_DigestSignInit(md, &pkey, forge_md(alg), NULL, key) == 1);
    if (alg[0] == 'P')
        FORGE_MUST(EVP_PKEY_CTX_set_rsa_padding(pkey, RSA_PKCS1_PSS_PADDING) == 1
                   && EVP_PKEY_CTX_set_rsa_pss_saltlen(pkey, RSA_PSS_SALTLEN_DIGEST) == 1);
    FORGE_MUST(EVP_DigestSign(md, signature->data, &signature->length, (const unsigned char *)input,
                              strlen(input)) == 1);
    EVP_MD_CTX_free(md);
}

static inline const char *forge_input(const char *header, const char *claims)
{
    return apr_pstrcat(forge_pool, forge_b64(header, strlen(header)), ".",
                       forge_b64(claims, strlen(claims)), NULL);
}

static inline const char *forge_join(const char *input, const void *signature, size_t length)
{
    return apr_pstrcat(forge_pool, input, ".", forge_b64(signature, length), NULL);
}

/* A token signed as @a alg says, whatever the header says. */
static inline const char *forge_token(EVP_PKEY *key, const char *alg, const char *header,
                                      const char *claims)
{
    const char *input = forge_input(header, claims);
    forge_bytes_t signature;

    forge_sign_raw(key, alg, input, &signature);
    if (alg[0] == 'E')
        forge_flatten(&signature, (EVP_PKEY_get_bits(key) + 7) / 8 * 2);
    return forge_join(input, signature.data, signature.length);
}

static inline const char *forge_mac(const void *secret, size_t length, const char *alg,
                                    const char *header, const char *claims)
{
    const char *input = forge_input(header, claims);
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned bytes = sizeof(mac);

    FORGE_MUST(HMAC(forge_md(alg), secret, (int)length, (const unsigned char *)input,
                    strlen(input), mac, &bytes) != NULL);
    return forge_join(input, mac, bytes);
}

/* The set of these JWKs; a failure to read it is the test's own. */
static inline sso_keys_t *forge_set(const char *first, ...)
{
    sso_ctx_t *ctx = tap_ctx();
    const char *text = first, *one;
    sso_keys_t *keys = NULL;
    va_list more;

    va_start(more, first);
    while ((one = va_arg(more, const char *)) != NULL)
        text = apr_pstrcat(forge_pool, text, ",", one, NULL);
    va_end(more);
    text = apr_pstrcat(forge_pool, "{\"keys\":[", text, "]}", NULL);
    FORGE_MUST(sso_keys_parse(ctx, ctx->pool, text, strlen(text), &keys) == SSO_OK);
    return keys;
}

static inline sso_keys_t *forge_secret(const void *secret, size_t length)
{
    sso_ctx_t *ctx = tap_ctx();
    sso_keys_t *keys = NULL;

    FORGE_MUST(sso_keys_from_secret(ctx, ctx->pool, secret, length, &keys) == SSO_OK);
    return keys;
}

/* What became of the last forge_try(). */
static struct {
    sso_rc_e rc;
    int number;
    char text[SSO_ERR_BYTES], issuer[80];
} forge_got;

/* Verify (or, without a policy, peek) in a pool of its own, note what happened in forge_got. */
static inline sso_rc_e forge_try(const sso_jws_policy_t *policy, const char *token)
{
    sso_ctx_t *ctx = tap_ctx();
    sso_jwt_t *jwt = NULL;

    forge_got.rc = policy ? sso_jws_verify(ctx, policy, "test", token, &jwt)
                          : sso_jws_peek(ctx, "test", token, &jwt);
    forge_got.number = ctx->err.number;
    apr_cpystrn(forge_got.text, ctx->err.text, sizeof(forge_got.text));
    apr_cpystrn(forge_got.issuer, jwt && jwt->key_issuer ? jwt->key_issuer : "",
                sizeof(forge_got.issuer));
    if ((forge_got.rc == SSO_OK) != (jwt != NULL) || (forge_got.rc != SSO_OK && !ctx->err.number))
        forge_got.rc = SSO_BROKEN; /* a broken promise, however it was meant */
    apr_pool_destroy(ctx->pool);
    return forge_got.rc;
}

static inline void forge_start(void)
{
    forge_pool = tap_ctx()->pool;
}

#endif
