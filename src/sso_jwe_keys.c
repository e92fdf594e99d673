/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The private keys that tokens are encrypted for: reading them, and their public halves. Tokens are
 * sso_jwe.c's.
 */
#include "sso_jwe_key.h"

#include "sso_jose.h"
#include "sso_secret.h"
#include "sso_text.h"

#include <apr_strings.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>

#define NUMBER_BYTES_MAX (SSO_RSA_BITS_MAX / 8)
#define PEM_BEGIN        "-----BEGIN "
#define PEM_PRIVATE      "PRIVATE KEY-----" /* after RSA, EC, ENCRYPTED, or nothing */

static const sso_curve_t curves[] = {
    { "P-256", "prime256v1", 32 },
    { "P-384", "secp384r1", 48 },
    { "P-521", "secp521r1", 66 },
};

const sso_curve_t *sso_curve_find(const char *crv)
{
    apr_size_t i;

    for (i = 0; i < SSO_COUNT(curves); i++)
        if (!strcmp(curves[i].crv, crv))
            return &curves[i];
    return NULL;
}

static const sso_curve_t *curve_of(const EVP_PKEY *pkey)
{
    char group[80];
    apr_size_t i, length;

    if (!EVP_PKEY_is_a(pkey, "EC")
        || !EVP_PKEY_get_group_name(pkey, group, sizeof(group), &length))
        return NULL;
    for (i = 0; i < SSO_COUNT(curves); i++)
        if (!strcmp(curves[i].group, group))
            return &curves[i];
    return NULL;
}

/* A number of the public half; @a width 0: as long as it is. NULL: OpenSSL failed. */
static const char *number(apr_pool_t *pool, const EVP_PKEY *pkey, const char *name, int width)
{
    unsigned char bytes[NUMBER_BYTES_MAX];
    BIGNUM *value = NULL;
    const char *text = NULL;

    if (EVP_PKEY_get_bn_param(pkey, name, &value) == 1) {
        int length = width ? width : BN_num_bytes(value);

        if (length <= (int)sizeof(bytes) && BN_bn2binpad(value, bytes, length) == length)
            text = sso_b64url_encode(pool, bytes, (apr_size_t)length);
    }
    BN_free(value);
    return text;
}

/* The members that RFC 7638 3.2 takes a thumbprint of, in its order. NULL: OpenSSL failed. */
static const char *public_members(apr_pool_t *pool, const sso_jwe_key_t *key)
{
    int width = key->curve ? (int)key->curve->bytes : 0;
    const char *first = number(pool, key->pkey,
                               width ? OSSL_PKEY_PARAM_EC_PUB_X : OSSL_PKEY_PARAM_RSA_E, width);
    const char *second = number(pool, key->pkey,
                                width ? OSSL_PKEY_PARAM_EC_PUB_Y : OSSL_PKEY_PARAM_RSA_N, width);

    if (!first || !second)
        return NULL;
    if (width)
        return apr_pstrcat(pool, "\"crv\":\"", key->curve->crv, "\",\"kty\":\"EC\",\"x\":\"", first,
                           "\",\"y\":\"", second, "\"", NULL);
    return apr_pstrcat(pool, "\"e\":\"", first, "\",\"kty\":\"RSA\",\"n\":\"", second, "\"", NULL);
}

static sso_rc_e publish(sso_ctx_t *ctx, apr_pool_t *pool, const char *path, sso_jwe_key_t *key)
{
    unsigned char thumb[SSO_DIGEST_BYTES];
    const char *members = public_members(pool, key), *json;

    if (!members)
        return sso_fail(ctx, SSO_BROKEN, 189, "decryption key %s: its public half cannot be read",
                        path);
    json = apr_pstrcat(ctx->pool, "{", members, "}", NULL);
    SSO_TRY(sso_sha256(ctx, json, strlen(json), thumb));
    key->kid = sso_b64url_encode(pool, thumb, sizeof(thumb));
    key->jwk = apr_pstrcat(pool, "{", members, ",\"use\":\"enc\",\"kid\":\"", key->kid, "\"}",
                           NULL);
    return SSO_OK;
}

/* Nobody is there to be asked for a passphrase. */
static int note_passphrase(char *buffer, int size, int writing, void *asked)
{
    (void)buffer;
    (void)size;
    (void)writing;
    *(int *)asked = 1;
    return -1;
}

static sso_rc_e load(sso_ctx_t *ctx, const char *path, const char *block, sso_jwe_key_t *key)
{
    BIO *bio = BIO_new_mem_buf(block, -1);
    int asked = 0, bits;

    key->pkey = bio ? PEM_read_bio_PrivateKey(bio, NULL, note_passphrase, &asked) : NULL;
    BIO_free(bio);
    if (!key->pkey && asked)
        return sso_fail(ctx, SSO_MISCONFIG, 185, "decryption key %s: it has a passphrase, for "
                        "which nobody can be asked here; write it without one (openssl pkey -in "
                        "OLD -out NEW), readable for the user who starts httpd alone", path);
    if (!key->pkey)
        return sso_fail(ctx, SSO_MISCONFIG, 186, "decryption key %s: a private key in it is "
                        "damaged, or of a type that this OpenSSL does not know", path);
    key->curve = curve_of(key->pkey);
    bits = EVP_PKEY_get_bits(key->pkey);
    if (!key->curve && (!EVP_PKEY_is_a(key->pkey, "RSA") || bits < SSO_RSA_BITS_MIN
                        || bits > SSO_RSA_BITS_MAX))
        return sso_fail(ctx, SSO_MISCONFIG, 187, "decryption key %s: a private key in it (%s, %d "
                        "bits) is neither RSA of 2048 to 16384 bits nor EC on one of the curves "
                        "P-256, P-384, P-521", path, EVP_PKEY_get0_type_name(key->pkey), bits);
    return SSO_OK;
}

/* The next block with a private key, or NULL. */
static const char *next_block(const char *text)
{
    const char *begin;

    while ((begin = strstr(text, PEM_BEGIN)) != NULL) {
        apr_size_t line = strcspn(begin, "\r\n");
        const char *label = strstr(begin, PEM_PRIVATE);

        if (label && label < begin + line)
            return begin;
        text = begin + line;
    }
    return NULL;
}

static sso_rc_e load_all(sso_ctx_t *ctx, apr_pool_t *pool, const char *path, const char *text,
                         sso_jwe_keys_t *keys)
{
    const char *block;

    for (block = next_block(text); block; block = next_block(block + strlen(PEM_BEGIN))) {
        sso_jwe_key_t *key = &keys->keys[keys->count];

        if (keys->count == SSO_JWE_KEYS_MAX)
            return sso_fail(ctx, SSO_MISCONFIG, 188, "decryption key %s: more than %d private keys "
                            "in it; take out those that the provider does not use any more", path,
                            SSO_JWE_KEYS_MAX);
        keys->count++; /* first: what load() made is freed with the pool */
        SSO_TRY(load(ctx, path, block, key));
        SSO_TRY(publish(ctx, pool, path, key));
    }
    if (!keys->count)
        return sso_fail(ctx, SSO_MISCONFIG, 184, "decryption key %s: there is no private key in "
                        "it; it has to be PEM, which begins with -----BEGIN PRIVATE KEY-----",
                        path);
    return SSO_OK;
}

static apr_status_t release(void *data)
{
    sso_jwe_keys_t *keys = data;
    int i;

    for (i = 0; i < keys->count; i++)
        EVP_PKEY_free(keys->keys[i].pkey);
    return APR_SUCCESS;
}

sso_rc_e sso_jwe_keys_read(sso_ctx_t *ctx, apr_pool_t *pool, const char *path,
                           sso_jwe_keys_t **keys)
{
    sso_jwe_keys_t *made = apr_pcalloc(pool, sizeof(*made));
    sso_bytes_t text;
    sso_rc_e rc;

    apr_pool_cleanup_register(pool, made, release, apr_pool_cleanup_null);
    SSO_TRY(sso_within(ctx, sso_secret_read(ctx, apr_pstrcat(ctx->pool, "file:", path, NULL),
                                            &text), "decryption key"));
    ERR_set_mark(); /* a refused file must not look like somebody else's TLS failure later */
    rc = load_all(ctx, pool, path, text.data, made);
    ERR_pop_to_mark();
    sso_cleanse((void *)(apr_uintptr_t)text.data, text.length);
    if (rc == SSO_OK)
        *keys = made;
    return rc;
}

int sso_jwe_keys_count(const sso_jwe_keys_t *keys)
{
    return keys ? keys->count : 0;
}

const char *sso_jwe_keys_jwk(const sso_jwe_keys_t *keys, int index)
{
    return keys->keys[index].jwk;
}
