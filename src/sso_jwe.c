/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gate for compact JWE: form, header, algorithms, lengths, keys. Cryptography is in
 * sso_jwe_crypt.c, and sees only what has passed here; the signed token inside is sso_jose.c's.
 */
#include "sso_jwe_key.h"

#include "sso_jose.h"
#include "sso_json.h"
#include "sso_seal.h"
#include "sso_text.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <string.h>

#define SEGMENTS        5
#define WRAP_EXTRA      8 /* what a wrapped key is longer than the key, RFC 3394 */
#define BLOCK_BYTES     16
#define POINT_BYTES_MAX (1 + 2 * 66)

enum { HEADER, ENCRYPTED_KEY, IV, CIPHERTEXT, TAG };

/* Members that would have us take keys, rules or encodings from the token itself. A compressed
 * token may be as large as it likes when it is unpacked. */
static const char *const refused_members[] = {
    "crit", "b64", "zip", "jwk", "jku", "x5u", "x5c",
};

static const sso_jwe_alg_t algs[] = {
    { "RSA-OAEP", "SHA1", NULL, 0 }, /* SHA-1 by its definition; collisions do not matter here */
    { "RSA-OAEP-256", "SHA256", NULL, 0 },
    { "ECDH-ES", NULL, NULL, 0 },
    { "ECDH-ES+A128KW", NULL, "AES-128-WRAP", 16 },
    { "ECDH-ES+A192KW", NULL, "AES-192-WRAP", 24 },
    { "ECDH-ES+A256KW", NULL, "AES-256-WRAP", 32 },
};

static const sso_jwe_enc_t encs[] = {
    { "A128CBC-HS256", "AES-128-CBC", "SHA256", 32, 16, 16 },
    { "A192CBC-HS384", "AES-192-CBC", "SHA384", 48, 16, 24 },
    { "A256CBC-HS512", "AES-256-CBC", "SHA512", 64, 16, 32 },
    { "A128GCM", "AES-128-GCM", NULL, 16, 12, 16 },
    { "A192GCM", "AES-192-GCM", NULL, 24, 12, 16 },
    { "A256GCM", "AES-256-GCM", NULL, 32, 12, 16 },
};

static const char *const segment_names[SEGMENTS] = {
    "header", "encrypted key", "initialization vector", "ciphertext", "tag"
};

static const char base64url_chars[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

int sso_jwe_looks(const char *token)
{
    int i;

    for (i = 0; i < SEGMENTS; i++, token++) {
        apr_size_t length = strspn(token, base64url_chars);

        token += length;
        if ((!length && i == HEADER) || *token != (i < SEGMENTS - 1 ? '.' : '\0'))
            return 0;
    }
    return 1;
}

/* Take the text apart; canonical base64url leaves one text for each token (RFC 7516 7.1). */
static sso_rc_e split(sso_ctx_t *ctx, const char *what, const char *text, sso_part_t *segments)
{
    const char *start = text, *end;
    int i;

    if (strlen(text) > SSO_JWT_MAX)
        return sso_fail(ctx, SSO_BAD_INPUT, 190, "%s: longer than %d bytes", what, SSO_JWT_MAX);
    for (i = 0; i < SEGMENTS; i++, start = end + 1) {
        end = start + strcspn(start, ".");
        if ((end == start && i != ENCRYPTED_KEY) || (*end == '.') != (i < SEGMENTS - 1))
            return sso_fail(ctx, SSO_BAD_INPUT, 191, "%s: not five segments with dots between",
                            what);
        if (end > start && !sso_b64url_decode(ctx->pool, start, (apr_size_t)(end - start),
                                              &segments[i].bytes, &segments[i].length))
            return sso_fail(ctx, SSO_BAD_INPUT, 192, "%s: its %s is not canonical base64url", what,
                            segment_names[i]);
    }
    return SSO_OK;
}

static sso_rc_e check_header(sso_ctx_t *ctx, const char *what, const json_t *header)
{
    static const struct { const char *name; int needed; } strings[] = {
        { "alg", 1 }, { "enc", 1 }, { "kid", 0 }, { "typ", 0 }, { "cty", 0 },
    };
    apr_size_t i;

    for (i = 0; i < SSO_COUNT(refused_members); i++)
        if (json_object_get(header, refused_members[i]))
            return sso_fail(ctx, SSO_BAD_INPUT, 193, "%s: the header has '%s', which is refused",
                            what, refused_members[i]);
    for (i = 0; i < SSO_COUNT(strings); i++) {
        const json_t *value = json_object_get(header, strings[i].name);

        if (value ? !json_is_string(value) : strings[i].needed)
            return sso_fail(ctx, SSO_BAD_INPUT, 194, "%s: '%s' in the header is %s", what,
                            strings[i].name, value ? "not a string" : "missing");
    }
    return SSO_OK;
}

static sso_rc_e choose_algs(sso_ctx_t *ctx, const char *what, const json_t *header, sso_jwe_t *jwe)
{
    const char *alg = json_string_value(json_object_get(header, "alg"));
    const char *enc = json_string_value(json_object_get(header, "enc"));
    apr_size_t i;

    for (i = 0; i < SSO_COUNT(algs); i++)
        if (!strcmp(algs[i].name, alg))
            jwe->alg = &algs[i];
    for (i = 0; i < SSO_COUNT(encs); i++)
        if (!strcmp(encs[i].name, enc))
            jwe->enc = &encs[i];
    if (!jwe->alg || !jwe->enc)
        return sso_fail(ctx, SSO_DENIED, 195, "%s: '%.32s' is not a %s that we take", what,
                        jwe->alg ? enc : alg, jwe->alg ? "content encryption" : "key management");
    return SSO_OK;
}

/* ---- the sender's key, RFC 7518 4.6.1 ---- */

/* Bytes of a member, or nothing where it is not there. */
static int optional_bytes(apr_pool_t *pool, const json_t *object, const char *name, sso_part_t *out)
{
    const json_t *value = json_object_get(object, name);

    if (!value || (json_is_string(value) && !json_string_length(value)))
        return 1;
    return json_is_string(value)
           && sso_b64url_decode(pool, json_string_value(value), json_string_length(value),
                                &out->bytes, &out->length);
}

/* OpenSSL checks that the point is on the curve; the curves have no small subgroups. */
static EVP_PKEY *load_point(const sso_curve_t *curve, const sso_part_t *x, const sso_part_t *y)
{
    unsigned char point[POINT_BYTES_MAX] = { 4 }; /* uncompressed, SEC 1 2.3.3 */
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME,
                                         (char *)(apr_uintptr_t)curve->group, 0),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, 1 + 2 * curve->bytes),
        OSSL_PARAM_construct_end(),
    };
    EVP_PKEY_CTX *maker = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    EVP_PKEY_CTX *checker = NULL;
    EVP_PKEY *key = NULL;
    int good;

    memcpy(point + 1, x->bytes, curve->bytes);
    memcpy(point + 1 + curve->bytes, y->bytes, curve->bytes);
    good = maker && EVP_PKEY_fromdata_init(maker) == 1
           && EVP_PKEY_fromdata(maker, &key, EVP_PKEY_PUBLIC_KEY, params) == 1
           && (checker = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL)) != NULL
           && EVP_PKEY_public_check(checker) == 1;
    EVP_PKEY_CTX_free(checker);
    EVP_PKEY_CTX_free(maker);
    if (!good) {
        EVP_PKEY_free(key);
        key = NULL;
    }
    return key;
}

/* What is wrong with the header's part of the key agreement, or NULL. */
static const char *load_agreement(apr_pool_t *pool, const json_t *header, sso_jwe_t *jwe)
{
    const json_t *epk = json_object_get(header, "epk");
    const char *kty = sso_json_text(epk, "kty"), *crv = sso_json_text(epk, "crv");
    sso_part_t x = { NULL, 0 }, y = { NULL, 0 };

    if (!optional_bytes(pool, header, "apu", &jwe->apu)
        || !optional_bytes(pool, header, "apv", &jwe->apv))
        return "apu or apv is not base64url";
    if (!kty || strcmp(kty, "EC") || !crv)
        return "epk is missing or not a key on a curve";
    jwe->curve = sso_curve_find(crv);
    if (!jwe->curve)
        return "the curve of epk is not P-256, P-384 or P-521";
    if (!optional_bytes(pool, epk, "x", &x) || !optional_bytes(pool, epk, "y", &y)
        || x.length != jwe->curve->bytes || y.length != jwe->curve->bytes)
        return "x or y of epk is not base64url of the length of the curve";
    jwe->epk = load_point(jwe->curve, &x, &y);
    return jwe->epk ? NULL : "epk is not a point of its curve";
}

static sso_rc_e read_header(sso_ctx_t *ctx, const char *what, const sso_part_t *segment,
                            sso_jwe_t *jwe)
{
    const char *wrong;
    json_t *header;

    SSO_TRY(sso_within(ctx, sso_json_parse(ctx, "header", (const char *)segment->bytes,
                                           segment->length, &header), what));
    SSO_TRY(check_header(ctx, what, header));
    SSO_TRY(choose_algs(ctx, what, header, jwe));
    jwe->kid = sso_json_text(header, "kid");
    wrong = jwe->alg->oaep_digest ? NULL : load_agreement(ctx->pool, header, jwe);
    if (wrong)
        return sso_fail(ctx, SSO_BAD_INPUT, 196, "%s: %s", what, wrong);
    return SSO_OK;
}

/* ---- lengths ---- */

/* What the encrypted key must be long; of RSA each key decides. */
static apr_size_t encrypted_key_bytes(const sso_jwe_t *jwe)
{
    if (jwe->alg->oaep_digest)
        return jwe->encrypted_key.length;
    return jwe->alg->wrap_cipher ? jwe->enc->key_bytes + WRAP_EXTRA : 0;
}

static sso_rc_e check_lengths(sso_ctx_t *ctx, const char *what, const sso_jwe_t *jwe)
{
    const char *wrong = NULL;

    if (jwe->encrypted_key.length != encrypted_key_bytes(jwe))
        wrong = segment_names[ENCRYPTED_KEY];
    else if (jwe->iv.length != jwe->enc->iv_bytes)
        wrong = segment_names[IV];
    else if (jwe->tag.length != jwe->enc->tag_bytes)
        wrong = segment_names[TAG];
    else if (jwe->enc->mac_digest && jwe->ciphertext.length % BLOCK_BYTES)
        wrong = segment_names[CIPHERTEXT];
    if (wrong)
        return sso_fail(ctx, SSO_BAD_INPUT, 197, "%s: its %s does not have the length that %s with "
                        "%s has", what, wrong, jwe->alg->name, jwe->enc->name);
    return SSO_OK;
}

/* The form of a token. What has to be freed is in @a jwe also when it fails. */
static sso_rc_e read_form(sso_ctx_t *ctx, const char *what, const char *text, sso_jwe_t *jwe)
{
    sso_part_t segments[SEGMENTS] = { { NULL, 0 } };

    SSO_TRY(split(ctx, what, text, segments));
    SSO_TRY(read_header(ctx, what, &segments[HEADER], jwe));
    jwe->pool = ctx->pool;
    jwe->encrypted_key = segments[ENCRYPTED_KEY];
    jwe->iv = segments[IV];
    jwe->ciphertext = segments[CIPHERTEXT];
    jwe->tag = segments[TAG];
    jwe->aad.bytes = (unsigned char *)(apr_uintptr_t)text;
    jwe->aad.length = strcspn(text, ".");
    return check_lengths(ctx, what, jwe);
}

/* ---- keys ---- */

static int fits(const sso_jwe_t *jwe, const sso_jwe_key_t *key)
{
    if (jwe->alg->oaep_digest)
        return !key->curve
               && jwe->encrypted_key.length == (apr_size_t)EVP_PKEY_get_size(key->pkey);
    return key->curve == jwe->curve;
}

/* The key that the kid names, or NULL. */
static const sso_jwe_key_t *named_key(const sso_jwe_t *jwe, const sso_jwe_keys_t *keys)
{
    int i;

    for (i = 0; jwe->kid && i < keys->count; i++)
        if (!strcmp(keys->keys[i].kid, jwe->kid))
            return &keys->keys[i];
    return NULL;
}

static sso_rc_e try_key(sso_ctx_t *ctx, const char *what, const sso_jwe_t *jwe,
                        const sso_jwe_key_t *key, sso_part_t *plain)
{
    unsigned char cek[SSO_CEK_BYTES_MAX];
    int opened;

    if (RAND_priv_bytes(cek, sizeof(cek)) != 1)
        return sso_fail(ctx, SSO_BROKEN, 165, "%s: OpenSSL has no random numbers", what);
    sso_jwe_unwrap(jwe, key, cek);
    opened = sso_jwe_decrypt(jwe, cek, plain);
    sso_cleanse(cek, sizeof(cek));
    return opened ? SSO_OK : SSO_DENIED;
}

static sso_rc_e try_keys(sso_ctx_t *ctx, const char *what, const sso_jwe_t *jwe,
                         const sso_jwe_keys_t *keys, sso_part_t *plain)
{
    const sso_jwe_key_t *named = named_key(jwe, keys);
    int i, tried = 0;

    for (i = 0; i < keys->count; i++) {
        const sso_jwe_key_t *key = &keys->keys[i];
        sso_rc_e rc;

        if ((named && key != named) || !fits(jwe, key))
            continue;
        tried++;
        rc = try_key(ctx, what, jwe, key, plain);
        if (rc != SSO_DENIED)
            return rc;
    }
    if (!tried)
        return sso_fail(ctx, SSO_DENIED, 198, "%s: none of %d keys of EdxSSODecryptionKey fits "
                        "%s%s%s with kid '%.64s'", what, keys->count, jwe->alg->name,
                        jwe->curve ? " on " : "", jwe->curve ? jwe->curve->crv : "",
                        jwe->kid ? jwe->kid : "");
    return sso_fail(ctx, SSO_DENIED, 199, "%s: it cannot be decrypted: it was altered, or "
                    "encrypted for a key that EdxSSODecryptionKey does not have (%d of %d tried)",
                    what, tried, keys->count);
}

sso_rc_e sso_jwe_open(sso_ctx_t *ctx, const sso_jwe_keys_t *keys, const char *what,
                      const char *token, const char **inner)
{
    sso_jwe_t jwe = { 0 };
    sso_part_t plain = { NULL, 0 };
    sso_rc_e rc;

    if (!sso_jwe_keys_count(keys))
        return sso_fail(ctx, SSO_MISCONFIG, 164, "%s: it is encrypted, and there is no "
                        "EdxSSODecryptionKey", what);
    ERR_set_mark(); /* a bad token must not look like somebody else's TLS failure later */
    rc = read_form(ctx, what, token, &jwe);
    if (rc == SSO_OK)
        rc = try_keys(ctx, what, &jwe, keys, &plain);
    EVP_PKEY_free(jwe.epk);
    ERR_pop_to_mark();
    if (rc != SSO_OK)
        return rc;
    if (strlen((const char *)plain.bytes) != plain.length
        || !sso_jwt_looks((const char *)plain.bytes))
        return sso_fail(ctx, SSO_BAD_INPUT, 163, "%s: what is encrypted in it is not a signed "
                        "token", what);
    *inner = (const char *)plain.bytes;
    return SSO_OK;
}
