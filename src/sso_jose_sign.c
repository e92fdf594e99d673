/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making signed tokens. What is signed, and for whom, is the callers' business; tokens that come in
 * are sso_jose.c's.
 *
 * OpenSSL signs, and not cjose: with EVP_PKEY a key may be used by many threads at once, and a
 * certificate's key need not be taken apart.
 */
#include "sso_jose_sign.h"

#include "sso_json.h"
#include "sso_secret.h"
#include "sso_text.h"

#include <apr_file_io.h>
#include <apr_strings.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <string.h>

#define SECRET_BYTES_MIN    32 /* of HS256, RFC 7518 3.2 */
#define SIGNATURE_BYTES_MAX (SSO_RSA_BITS_MAX / 8)

/* What a type of key signs. */
typedef struct type_t {
    const char *alg, *type, *group, *crv; /* OpenSSL's names, and RFC 7518's of the curve */
    const char *digest;
    int coordinate_bytes; /* of an EC key; 0: none */
} type_t;

struct sso_signer_t {
    const type_t *type;
    EVP_PKEY *key;
    const char *header;    /* of all its tokens: base64url, with the dot after it */
    const char *kid, *jwk; /* NULL for a secret */
};

/* A certificate and its private key, while they are being looked at. */
typedef struct pair_t {
    X509 *certificate;
    EVP_PKEY *key;
} pair_t;

static const type_t types[] = {
    { "PS256", "RSA", NULL, NULL, "SHA256", 0 },
    { "ES256", "EC", "prime256v1", "P-256", "SHA256", 32 },
    { "ES384", "EC", "secp384r1", "P-384", "SHA384", 48 },
    { "ES512", "EC", "secp521r1", "P-521", "SHA512", 66 },
};

static const type_t secret_type = { "HS256", "HMAC", NULL, NULL, "SHA256", 0 };

/* ---- reading files ---- */

static sso_rc_e read_file(sso_ctx_t *ctx, const char *path, char **text, apr_size_t *length)
{
    apr_file_t *file;
    apr_finfo_t info;
    char reason[128];
    apr_status_t rv = apr_stat(&info, path, APR_FINFO_SIZE | APR_FINFO_TYPE, ctx->pool);

    if (rv == APR_SUCCESS && (info.filetype != APR_REG || info.size > SSO_PEM_MAX))
        return sso_fail(ctx, SSO_MISCONFIG, 170, "certificate %s: not a regular file of at most "
                        "64 KiB", path);
    if (rv == APR_SUCCESS)
        rv = apr_file_open(&file, path, APR_READ | APR_BINARY, APR_OS_DEFAULT, ctx->pool);
    if (rv == APR_SUCCESS) {
        *text = apr_palloc(ctx->pool, (apr_size_t)info.size + 1);
        rv = apr_file_read_full(file, *text, (apr_size_t)info.size, length);
        apr_file_close(file);
    }
    if (rv != APR_SUCCESS && rv != APR_EOF)
        return sso_fail(ctx, SSO_MISCONFIG, 171, "certificate %s: %s", path,
                        apr_strerror(rv, reason, sizeof(reason)));
    return SSO_OK;
}

static sso_rc_e read_certificate(sso_ctx_t *ctx, const char *path, X509 **certificate)
{
    apr_size_t length;
    char *text;
    BIO *bio;

    SSO_TRY(read_file(ctx, path, &text, &length));
    bio = BIO_new_mem_buf(text, (int)length);
    *certificate = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    BIO_free(bio);
    if (*certificate)
        return SSO_OK;
    return sso_fail(ctx, SSO_MISCONFIG, 172, "certificate %s: there is no certificate in it; it "
                    "has to be PEM, which begins with -----BEGIN CERTIFICATE-----", path);
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

static sso_rc_e read_key(sso_ctx_t *ctx, const char *path, EVP_PKEY **key)
{
    sso_bytes_t text;
    int asked = 0;
    BIO *bio;

    SSO_TRY(sso_within(ctx, sso_secret_read(ctx, apr_pstrcat(ctx->pool, "file:", path, NULL),
                                            &text), "private key"));
    bio = BIO_new_mem_buf(text.data, (int)text.length);
    *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, note_passphrase, &asked) : NULL;
    BIO_free(bio);
    sso_cleanse((void *)(apr_uintptr_t)text.data, text.length);
    if (*key)
        return SSO_OK;
    if (asked)
        return sso_fail(ctx, SSO_MISCONFIG, 173, "private key %s: it has a passphrase, for which "
                        "nobody can be asked here; write it without one (openssl pkey -in OLD -out "
                        "NEW), readable for the user who starts httpd alone", path);
    return sso_fail(ctx, SSO_MISCONFIG, 174, "private key %s: there is no private key in it; it "
                    "has to be PEM, which begins with -----BEGIN PRIVATE KEY-----", path);
}

/* An old certificate is refused by some providers, and not even looked at by others. */
static void warn_times(sso_ctx_t *ctx, const char *path, const X509 *certificate)
{
    time_t now = (time_t)apr_time_sec(ctx->now);

    if (X509_cmp_time(X509_get0_notAfter(certificate), &now) < 0)
        sso_log(ctx, SSO_LOG_WARN, 175, "certificate %s: it has expired; the provider may refuse "
                "it", path);
    else if (X509_cmp_time(X509_get0_notBefore(certificate), &now) > 0)
        sso_log(ctx, SSO_LOG_WARN, 176, "certificate %s: it is not valid yet; is this machine's "
                "clock right?", path);
}

static sso_rc_e read_pair(sso_ctx_t *ctx, const char *certificate, const char *key, pair_t *pair)
{
    SSO_TRY(read_certificate(ctx, certificate, &pair->certificate));
    SSO_TRY(read_key(ctx, key, &pair->key));
    if (X509_check_private_key(pair->certificate, pair->key) != 1)
        return sso_fail(ctx, SSO_MISCONFIG, 177, "certificate %s: the key in %s is another one's: "
                        "give the key that this certificate was made for (the certificate comes "
                        "first, then the key)", certificate, key);
    if (EVP_PKEY_is_a(pair->key, "RSA") && EVP_PKEY_get_bits(pair->key) < SSO_RSA_BITS_MIN)
        return sso_fail(ctx, SSO_MISCONFIG, 178, "private key %s: RSA of %d bits; it needs %d", key,
                        EVP_PKEY_get_bits(pair->key), SSO_RSA_BITS_MIN);
    warn_times(ctx, certificate, pair->certificate);
    return SSO_OK;
}

static void free_pair(pair_t *pair)
{
    X509_free(pair->certificate);
    EVP_PKEY_free(pair->key);
}

sso_rc_e sso_signer_check_pair(sso_ctx_t *ctx, const char *certificate, const char *key)
{
    pair_t pair = { NULL, NULL };
    sso_rc_e rc;

    ERR_set_mark(); /* a refused file must not look like somebody else's TLS failure later */
    rc = read_pair(ctx, certificate, key, &pair);
    free_pair(&pair);
    ERR_pop_to_mark();
    return rc;
}

/* ---- signers ---- */

static const type_t *type_of(const EVP_PKEY *key)
{
    char group[80] = "";
    apr_size_t i, length;

    if (EVP_PKEY_is_a(key, "EC") && !EVP_PKEY_get_group_name(key, group, sizeof(group), &length))
        return NULL;
    for (i = 0; i < SSO_COUNT(types); i++)
        if (EVP_PKEY_is_a(key, types[i].type)
            && (types[i].group ? !strcmp(types[i].group, group)
                               : EVP_PKEY_get_bits(key) <= SSO_RSA_BITS_MAX))
            return &types[i];
    return NULL;
}

static apr_status_t release(void *data)
{
    EVP_PKEY_free(((sso_signer_t *)data)->key);
    return APR_SUCCESS;
}

/* A signer that owns @a key. */
static sso_signer_t *make(apr_pool_t *pool, const type_t *type, EVP_PKEY *key)
{
    sso_signer_t *signer = apr_pcalloc(pool, sizeof(*signer));

    signer->type = type;
    signer->key = key;
    apr_pool_cleanup_register(pool, signer, release, apr_pool_cleanup_null);
    return signer;
}

static void set_header(apr_pool_t *pool, sso_signer_t *signer, const char *more)
{
    const char *json = apr_pstrcat(pool, "{\"alg\":\"", signer->type->alg, "\",\"typ\":\"JWT\"",
                                   more, "}", NULL);

    signer->header = apr_pstrcat(pool, sso_b64url_encode(pool, json, strlen(json)), ".", NULL);
}

/* A number of the public half; @a width 0: as long as it is. NULL: OpenSSL failed. */
static const char *number(apr_pool_t *pool, const EVP_PKEY *key, const char *name, int width)
{
    unsigned char bytes[SIGNATURE_BYTES_MAX];
    BIGNUM *value = NULL;
    const char *text = NULL;

    if (EVP_PKEY_get_bn_param(key, name, &value) == 1) {
        int length = width ? width : BN_num_bytes(value);

        if (length <= (int)sizeof(bytes) && BN_bn2binpad(value, bytes, length) == length)
            text = sso_b64url_encode(pool, bytes, (apr_size_t)length);
    }
    BN_free(value);
    return text;
}

/* The members that RFC 7638 3.2 takes a thumbprint of, in its order. NULL: OpenSSL failed. */
static const char *public_members(apr_pool_t *pool, const sso_signer_t *signer)
{
    int width = signer->type->coordinate_bytes;
    const char *first = number(pool, signer->key,
                               width ? OSSL_PKEY_PARAM_EC_PUB_X : OSSL_PKEY_PARAM_RSA_E, width);
    const char *second = number(pool, signer->key,
                                width ? OSSL_PKEY_PARAM_EC_PUB_Y : OSSL_PKEY_PARAM_RSA_N, width);

    if (!first || !second)
        return NULL;
    if (width)
        return apr_pstrcat(pool, "\"crv\":\"", signer->type->crv, "\",\"kty\":\"EC\",\"x\":\"",
                           first, "\",\"y\":\"", second, "\"", NULL);
    return apr_pstrcat(pool, "\"e\":\"", first, "\",\"kty\":\"RSA\",\"n\":\"", second, "\"", NULL);
}

/* What the outside gets to see of a key, with a certificate or without: names, header, JWK. */
static sso_rc_e publish(sso_ctx_t *ctx, apr_pool_t *pool, const X509 *certificate,
                        sso_signer_t *signer)
{
    unsigned char thumb[SSO_DIGEST_BYTES], digest[EVP_MAX_MD_SIZE];
    const char *members = public_members(pool, signer), *named;
    unsigned length = sizeof(digest);

    if (!members
        || (certificate && X509_digest(certificate, EVP_sha256(), digest, &length) != 1))
        return sso_fail(ctx, SSO_BROKEN, 179, "the public half of a key could not be read");
    members = apr_pstrcat(pool, "{", members, "}", NULL);
    SSO_TRY(sso_sha256(ctx, members, strlen(members), thumb));
    signer->kid = sso_b64url_encode(pool, thumb, sizeof(thumb));
    named = apr_pstrcat(pool, ",\"kid\":\"", signer->kid, "\"", NULL);
    if (certificate)
        named = apr_pstrcat(pool, named, ",\"x5t#S256\":\"",
                            sso_b64url_encode(pool, digest, length), "\"", NULL);
    signer->jwk = apr_pstrcat(pool, apr_pstrmemdup(pool, members, strlen(members) - 1),
                              ",\"use\":\"sig\",\"alg\":\"", signer->type->alg, "\"", named, "}",
                              NULL);
    set_header(pool, signer, named);
    return SSO_OK;
}

static sso_rc_e make_of_pair(sso_ctx_t *ctx, apr_pool_t *pool, const char *path, pair_t *pair,
                             sso_signer_t **signer)
{
    const type_t *type = type_of(pair->key);
    sso_signer_t *made;

    if (!type)
        return sso_fail(ctx, SSO_MISCONFIG, 180, "private key %s: it is neither RSA of 2048 to "
                        "16384 bits nor EC on one of the curves P-256, P-384, P-521", path);
    made = make(pool, type, pair->key);
    pair->key = NULL; /* the signer's now */
    SSO_TRY(publish(ctx, pool, pair->certificate, made));
    *signer = made;
    return SSO_OK;
}

sso_rc_e sso_signer_read(sso_ctx_t *ctx, apr_pool_t *pool, const char *certificate, const char *key,
                         sso_signer_t **signer)
{
    pair_t pair = { NULL, NULL };
    sso_rc_e rc;

    ERR_set_mark();
    rc = read_pair(ctx, certificate, key, &pair);
    if (rc == SSO_OK)
        rc = make_of_pair(ctx, pool, key, &pair, signer);
    free_pair(&pair);
    ERR_pop_to_mark();
    return rc;
}

sso_rc_e sso_signer_from_secret(sso_ctx_t *ctx, apr_pool_t *pool, const void *secret,
                                apr_size_t length, sso_signer_t **signer)
{
    EVP_PKEY *key;

    if (length < SECRET_BYTES_MIN)
        return sso_fail(ctx, SSO_MISCONFIG, 181, "a secret of %d bytes is too short to sign with: "
                        "HS256 needs 32", (int)length);
    key = EVP_PKEY_new_raw_private_key(EVP_PKEY_HMAC, NULL, secret, length);
    if (!key)
        return sso_fail(ctx, SSO_BROKEN, 182, "a secret could not be loaded for signing");
    *signer = make(pool, &secret_type, key);
    set_header(pool, *signer, "");
    return SSO_OK;
}

/* A number in 1..n-1 of the seed, and its point. NULL: OpenSSL failed. */
static EVP_PKEY *key_of_seed(const unsigned char *seed, apr_size_t length)
{
    EC_GROUP *group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
    EC_POINT *point = group ? EC_POINT_new(group) : NULL;
    BIGNUM *secret = BN_bin2bn(seed, (int)length, NULL), *most = BN_new();
    BN_CTX *numbers = BN_CTX_secure_new();
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    OSSL_PARAM *params = NULL;
    EVP_PKEY_CTX *maker = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    unsigned char public_bytes[1 + 2 * 32];
    EVP_PKEY *key = NULL;

    if (point && secret && most && numbers && builder && maker
        && BN_copy(most, EC_GROUP_get0_order(group)) && BN_sub_word(most, 1)
        && BN_mod(secret, secret, most, numbers) && BN_add_word(secret, 1)
        && EC_POINT_mul(group, point, secret, NULL, NULL, numbers)
        && EC_POINT_point2oct(group, point, POINT_CONVERSION_UNCOMPRESSED, public_bytes,
                              sizeof(public_bytes), numbers) == sizeof(public_bytes)
        && OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0)
        && OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_PRIV_KEY, secret)
        && OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, public_bytes,
                                            sizeof(public_bytes))
        && (params = OSSL_PARAM_BLD_to_param(builder)) && EVP_PKEY_fromdata_init(maker) == 1
        && EVP_PKEY_fromdata(maker, &key, EVP_PKEY_KEYPAIR, params) != 1)
        key = NULL;
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(builder);
    EVP_PKEY_CTX_free(maker);
    BN_CTX_free(numbers);
    BN_clear_free(secret);
    BN_free(most);
    EC_POINT_free(point);
    EC_GROUP_free(group);
    return key;
}

sso_rc_e sso_signer_from_seed(sso_ctx_t *ctx, apr_pool_t *pool, const unsigned char *seed,
                              apr_size_t length, sso_signer_t **signer)
{
    EVP_PKEY *key = key_of_seed(seed, length);
    const type_t *type = key ? type_of(key) : NULL;
    sso_signer_t *made;

    if (!type) {
        EVP_PKEY_free(key);
        return sso_fail(ctx, SSO_BROKEN, 1255, "a key could not be made of a seed");
    }
    made = make(pool, type, key);
    SSO_TRY(publish(ctx, pool, NULL, made));
    *signer = made;
    return SSO_OK;
}

const char *sso_signer_jwk(const sso_signer_t *signer)
{
    return signer->jwk;
}

const char *sso_signer_kid(const sso_signer_t *signer)
{
    return signer->kid;
}

/* ---- signing ---- */

/* DER to R || S, each as long as the curve's coordinates (RFC 7518 3.4). */
static int flatten(int width, unsigned char *signature, size_t *length)
{
    const unsigned char *at = signature;
    ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &at, (long)*length);
    int done = pair && BN_bn2binpad(ECDSA_SIG_get0_r(pair), signature, width) == width
               && BN_bn2binpad(ECDSA_SIG_get0_s(pair), signature + width, width) == width;

    ECDSA_SIG_free(pair);
    *length = 2 * (size_t)width;
    return done;
}

static int sign(const sso_signer_t *signer, const char *input, unsigned char *signature,
                size_t *length)
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    EVP_PKEY_CTX *pkey = NULL;
    int done = md && EVP_DigestSignInit_ex(md, &pkey, signer->type->digest, NULL, NULL, signer->key,
                                           NULL) == 1;

    if (done && EVP_PKEY_is_a(signer->key, "RSA")) /* a salt as long as the hash: RFC 7518 3.5 */
        done = EVP_PKEY_CTX_set_rsa_padding(pkey, RSA_PKCS1_PSS_PADDING) == 1
               && EVP_PKEY_CTX_set_rsa_pss_saltlen(pkey, RSA_PSS_SALTLEN_DIGEST) == 1;
    done = done && EVP_DigestSign(md, signature, length, (const unsigned char *)input,
                                  strlen(input)) == 1;
    EVP_MD_CTX_free(md);
    return done && (!signer->type->coordinate_bytes
                    || flatten(signer->type->coordinate_bytes, signature, length));
}

sso_rc_e sso_jws_sign(sso_ctx_t *ctx, const sso_signer_t *signer, const json_t *claims,
                      const char **token)
{
    return sso_jws_sign_text(ctx, signer, sso_json_print(ctx->pool, claims), token);
}

sso_rc_e sso_jws_sign_text(sso_ctx_t *ctx, const sso_signer_t *signer, const char *payload,
                           const char **token)
{
    unsigned char signature[SIGNATURE_BYTES_MAX];
    const char *input = apr_pstrcat(ctx->pool, signer->header,
                                    sso_b64url_encode(ctx->pool, payload, strlen(payload)), NULL);
    size_t length = sizeof(signature);
    int done;

    ERR_set_mark();
    done = sign(signer, input, signature, &length);
    ERR_pop_to_mark();
    if (!done)
        return sso_fail(ctx, SSO_BROKEN, 183, "signing with %s failed", signer->type->alg);
    *token = apr_pstrcat(ctx->pool, input, ".", sso_b64url_encode(ctx->pool, signature, length),
                         NULL);
    return SSO_OK;
}
