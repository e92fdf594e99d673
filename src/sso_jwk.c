/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys for the token gate: which of them are good enough, and for which algorithms. Tokens are in
 * sso_jose.c.
 *
 * cjose is handed decoded numbers, never JWK text, and only the public half: what it makes of odd
 * JWKs differs from version to version.
 */
#include "sso_jwk.h"

#include "sso_json.h"
#include "sso_text.h"

#include <apr_strings.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <string.h>

#define DESCRIBED_MAX 6
#define SECRET_BYTES_MIN   32 /* the shortest hash, RFC 7518 3.2 */
#define RSA_EXPONENT_BYTES 4  /* larger ones serve nobody but who wants us to compute */

/* A number of a JWK, in ctx->pool. */
typedef struct bytes_t {
    unsigned char *data;
    apr_size_t length;
} bytes_t;

/* A type of key: rows of the table kinds below. */
typedef struct kind_t {
    const char *kty, *crv;
    sso_key_kind_e kind;
    apr_size_t coordinate_bytes;
    cjose_jwk_ec_curve curve;
    const char *(*load)(apr_pool_t *scratch, const json_t *jwk, const struct kind_t *row,
                        sso_jwk_t *key);
} kind_t;

static const sso_alg_t algs[] = {
    { "RS256", SSO_RS256, SSO_KEY_RSA, 32, 0 },     { "RS384", SSO_RS384, SSO_KEY_RSA, 48, 0 },
    { "RS512", SSO_RS512, SSO_KEY_RSA, 64, 0 },     { "PS256", SSO_PS256, SSO_KEY_RSA, 32, 0 },
    { "PS384", SSO_PS384, SSO_KEY_RSA, 48, 0 },     { "PS512", SSO_PS512, SSO_KEY_RSA, 64, 0 },
    { "ES256", SSO_ES256, SSO_KEY_P256, 32, 64 },   { "ES384", SSO_ES384, SSO_KEY_P384, 48, 96 },
    { "ES512", SSO_ES512, SSO_KEY_P521, 64, 132 },  { "HS256", SSO_HS256, SSO_KEY_SECRET, 32, 32 },
    { "HS384", SSO_HS384, SSO_KEY_SECRET, 48, 48 }, { "HS512", SSO_HS512, SSO_KEY_SECRET, 64, 64 },
};

const sso_alg_t *sso_alg_find(const char *name)
{
    apr_size_t i;

    for (i = 0; i < SSO_COUNT(algs); i++)
        if (!strcmp(algs[i].name, name))
            return &algs[i];
    return NULL;
}

unsigned sso_jws_alg(const char *name)
{
    const sso_alg_t *alg = sso_alg_find(name);

    return alg ? alg->bit : 0;
}

/* Every algorithm that a key's type and length allow. */
static unsigned algs_of(const sso_jwk_t *key)
{
    unsigned bits = 0;
    apr_size_t i;

    for (i = 0; i < SSO_COUNT(algs); i++)
        if (algs[i].kind == key->kind
            && (key->kind != SSO_KEY_SECRET || key->bytes >= algs[i].hash_bytes))
            bits |= algs[i].bit;
    return bits;
}

/* An unsigned number; leading zero bytes are dropped where the caller does not count bytes. */
static int number(apr_pool_t *scratch, const json_t *jwk, const char *name, bytes_t *out)
{
    const char *text = sso_json_text(jwk, name);

    return text && sso_b64url_decode(scratch, text, strlen(text), &out->data, &out->length);
}

static void drop_zeros(bytes_t *number)
{
    while (number->length && !number->data[0]) {
        number->data++;
        number->length--;
    }
}

static apr_size_t bits_of(const bytes_t *number)
{
    apr_size_t bits = number->length * 8;
    unsigned top = number->length ? number->data[0] : 0;

    for (; bits && !(top & 0x80); top <<= 1)
        bits--;
    return bits;
}

static int is_odd(const bytes_t *number)
{
    return number->length && (number->data[number->length - 1] & 1);
}

/* The loaders return what is wrong with a key, or NULL. */
static const char *load_rsa(apr_pool_t *scratch, const json_t *jwk, const kind_t *row,
                            sso_jwk_t *key)
{
    cjose_jwk_rsa_keyspec spec = { 0 };
    bytes_t n, e;

    (void)row;
    if (!number(scratch, jwk, "n", &n) || !number(scratch, jwk, "e", &e))
        return "n or e is missing or not base64url";
    drop_zeros(&n);
    drop_zeros(&e);
    if (bits_of(&n) < SSO_RSA_BITS_MIN || bits_of(&n) > SSO_RSA_BITS_MAX)
        return "the RSA modulus is shorter than 2048 or longer than 16384 bits";
    if (!is_odd(&n))
        return "the RSA modulus is even";
    if (!is_odd(&e) || bits_of(&e) < 2 || e.length > RSA_EXPONENT_BYTES)
        return "the RSA exponent is even, 1, or over 32 bits";
    spec.n = n.data;
    spec.nlen = n.length;
    spec.e = e.data;
    spec.elen = e.length;
    key->bytes = n.length;
    key->handle = cjose_jwk_create_RSA_spec(&spec, NULL);
    return key->handle ? NULL : "the library refused it";
}

static const char *load_ec(apr_pool_t *scratch, const json_t *jwk, const kind_t *row,
                           sso_jwk_t *key)
{
    cjose_jwk_ec_keyspec spec = { 0 };
    bytes_t x, y;

    if (!number(scratch, jwk, "x", &x) || !number(scratch, jwk, "y", &y))
        return "x or y is missing or not base64url";
    if (x.length != row->coordinate_bytes || y.length != row->coordinate_bytes)
        return "x or y does not have the length of the curve"; /* RFC 7518 6.2.1.2 */
    spec.crv = row->curve;
    spec.x = x.data;
    spec.xlen = x.length;
    spec.y = y.data;
    spec.ylen = y.length;
    key->handle = cjose_jwk_create_EC_spec(&spec, NULL);
    return key->handle ? NULL : "not a point of the curve";
}

static const kind_t kinds[] = {
    { "RSA", NULL, SSO_KEY_RSA, 0, CJOSE_JWK_EC_INVALID, load_rsa },
    { "EC", "P-256", SSO_KEY_P256, 32, CJOSE_JWK_EC_P_256, load_ec },
    { "EC", "P-384", SSO_KEY_P384, 48, CJOSE_JWK_EC_P_384, load_ec },
    { "EC", "P-521", SSO_KEY_P521, 66, CJOSE_JWK_EC_P_521, load_ec },
};

static const kind_t *kind_find(const json_t *jwk)
{
    const char *kty = sso_json_text(jwk, "kty"), *crv = sso_json_text(jwk, "crv");
    apr_size_t i;

    for (i = 0; kty && i < SSO_COUNT(kinds); i++)
        if (!strcmp(kinds[i].kty, kty)
            && (!kinds[i].crv || (crv && !strcmp(kinds[i].crv, crv))))
            return &kinds[i];
    return NULL;
}

/* A string member that may be left out; null counts as left out (Entra writes such). */
static int optional_text(const json_t *jwk, const char *name, const char **out)
{
    const json_t *value = json_object_get(jwk, name);

    *out = json_string_value(value);
    return !value || json_is_null(value) || json_is_string(value);
}

/* What a key says it is for (RFC 7517 4.2 - 4.5). Returns what speaks against it, or NULL. */
static const char *read_purpose(const json_t *jwk, sso_jwk_t *key)
{
    const json_t *ops = json_object_get(jwk, "key_ops");
    const char *use, *alg;

    if (!optional_text(jwk, "kid", &key->kid) || !optional_text(jwk, "use", &use)
        || !optional_text(jwk, "alg", &alg) || !optional_text(jwk, "issuer", &key->issuer))
        return "kid, use, alg or issuer is not a string";
    if (key->kid && !*key->kid)
        key->kid = NULL; /* as in a token: an empty name is none */
    if (use && strcmp(use, "sig") != 0)
        return "its use is not sig";
    if (ops && !json_is_null(ops) && !(json_is_array(ops) && sso_json_has(ops, "verify")))
        return "its key_ops lack verify";
    if (alg)
        key->algorithms &= sso_jws_alg(alg);
    return key->algorithms ? NULL : "its alg is unknown or of another type of key";
}

/* Read one JWK into @a key. Returns what is wrong with it, or NULL. */
static const char *load(apr_pool_t *scratch, const json_t *jwk, sso_jwk_t *key)
{
    const kind_t *row = kind_find(jwk);
    const char *wrong;

    if (!row)
        return "its type or curve is not one we can use";
    key->kind = row->kind;
    key->algorithms = algs_of(key);
    wrong = read_purpose(jwk, key);
    return wrong ? wrong : row->load(scratch, jwk, row, key);
}

static apr_status_t release(void *data)
{
    const sso_keys_t *keys = data;
    int i;

    for (i = 0; i < keys->count; i++) {
        const sso_jwk_t *key = keys->keys[i];

        if (key->kind == SSO_KEY_SECRET) /* not every cjose wipes it */
            OPENSSL_cleanse(cjose_jwk_get_keydata(key->handle, NULL), key->bytes);
        cjose_jwk_release(key->handle);
    }
    return APR_SUCCESS;
}

/* An empty set that owns the keys put() into it. */
static sso_keys_t *make(apr_pool_t *pool, apr_size_t room)
{
    sso_keys_t *keys = apr_pcalloc(pool, sizeof(*keys));

    keys->keys = apr_pcalloc(pool, room * sizeof(*keys->keys));
    apr_pool_cleanup_register(pool, keys, release, apr_pool_cleanup_null);
    return keys;
}

/* Append a copy of @a key. Its names move from the JSON to @a pool. */
static void put(apr_pool_t *pool, sso_keys_t *keys, const sso_jwk_t *key)
{
    sso_jwk_t *kept = apr_pmemdup(pool, key, sizeof(*key));

    kept->kid = apr_pstrdup(pool, key->kid);
    kept->issuer = apr_pstrdup(pool, key->issuer);
    keys->named |= kept->kid != NULL;
    keys->keys[keys->count++] = kept;
}

/* Load a JWK into the set. Returns what is wrong with it, or NULL. */
static const char *take(sso_ctx_t *ctx, apr_pool_t *pool, const json_t *jwk, sso_keys_t *keys)
{
    const char *kid = sso_json_text(jwk, "kid"), *wrong;
    sso_jwk_t key = { 0 };

    wrong = load(ctx->pool, jwk, &key);
    if (wrong) {
        sso_log(ctx, SSO_LOG_DEBUG, 145, "JWK set: the key with kid '%.64s' is skipped: %s",
                kid ? kid : "", wrong);
        return wrong;
    }
    if (json_object_get(jwk, "d"))
        sso_log(ctx, SSO_LOG_WARN, 146, "JWK set: the key with kid '%.64s' is a private key; its "
                "public half is used, and is all that belongs here", kid ? kid : "");
    put(pool, keys, &key);
    return NULL;
}

sso_rc_e sso_keys_parse(sso_ctx_t *ctx, apr_pool_t *pool, const char *text, apr_size_t length,
                        sso_keys_t **keys)
{
    const char *wrong = NULL, *first = NULL;
    apr_size_t i, count;
    json_t *root, *list;
    sso_keys_t *set;

    SSO_TRY(sso_json_parse(ctx, "JWK set", text, length, &root));
    list = json_object_get(root, "keys");
    count = json_array_size(list);
    if (!json_is_array(list) && (list || !json_object_get(root, "kty")))
        return sso_fail(ctx, SSO_BAD_INPUT, 140, "JWK set: neither {\"keys\": [...]} nor a JWK");
    if (count > SSO_JWK_COUNT_MAX)
        return sso_fail(ctx, SSO_BAD_INPUT, 141, "JWK set: %d keys, more than %d", (int)count,
                        SSO_JWK_COUNT_MAX);
    set = make(pool, list ? count : 1);
    ERR_set_mark(); /* a refused key must not look like somebody else's TLS failure later */
    if (!list)
        first = take(ctx, pool, root, set);
    for (i = 0; i < count; i++) {
        wrong = take(ctx, pool, json_array_get(list, i), set);
        first = first ? first : wrong;
    }
    ERR_pop_to_mark();
    if (!set->count)
        return sso_fail(ctx, SSO_MISCONFIG, 142, "JWK set: no key of it can be used (%s)",
                        first ? first : "it is empty");
    *keys = set;
    return SSO_OK;
}

sso_rc_e sso_keys_from_secret(sso_ctx_t *ctx, apr_pool_t *pool, const void *secret,
                              apr_size_t length, sso_keys_t **keys)
{
    sso_jwk_t key = { .kind = SSO_KEY_SECRET, .bytes = length };
    sso_keys_t *set;

    if (length < SECRET_BYTES_MIN)
        return sso_fail(ctx, SSO_MISCONFIG, 143, "a token key of %d bytes is too short: HS256 "
                        "needs 32, HS384 48, HS512 64", (int)length);
    key.algorithms = algs_of(&key);
    key.handle = cjose_jwk_create_oct_spec(secret, length, NULL);
    if (!key.handle)
        return sso_fail(ctx, SSO_BROKEN, 144, "a token key could not be loaded");
    set = make(pool, 1);
    put(pool, set, &key);
    *keys = set;
    return SSO_OK;
}

sso_keys_t *sso_keys_join(apr_pool_t *pool, const sso_keys_t *first, const sso_keys_t *second)
{
    const sso_keys_t *const parts[] = { first, second };
    sso_keys_t *joined = apr_pcalloc(pool, sizeof(*joined)); /* owns nothing: no cleanup */
    apr_size_t i;
    int k;

    joined->keys = apr_pcalloc(pool, (apr_size_t)(sso_keys_count(first) + sso_keys_count(second))
                                         * sizeof(*joined->keys));
    for (i = 0; i < SSO_COUNT(parts); i++) {
        for (k = 0; k < sso_keys_count(parts[i]); k++)
            joined->keys[joined->count++] = parts[i]->keys[k];
        joined->named |= parts[i] && parts[i]->named;
    }
    return joined;
}

int sso_keys_count(const sso_keys_t *keys)
{
    return keys ? keys->count : 0;
}

const char *sso_keys_describe(apr_pool_t *pool, const sso_keys_t *keys)
{
    static const char *const names[] = {
        [SSO_KEY_RSA] = "RSA", [SSO_KEY_P256] = "P-256", [SSO_KEY_P384] = "P-384",
        [SSO_KEY_P521] = "P-521", [SSO_KEY_SECRET] = "shared secret"
    };
    int i, count = sso_keys_count(keys);
    const char *list = "";

    for (i = 0; i < count && i < DESCRIBED_MAX; i++)
        list = apr_psprintf(pool, "%s%s%s%s%.40s%s", list, i ? ", " : "",
                            names[keys->keys[i]->kind], keys->keys[i]->kid ? " '" : "",
                            keys->keys[i]->kid ? keys->keys[i]->kid : "",
                            keys->keys[i]->kid ? "'" : "");
    return apr_psprintf(pool, "%d key%s (%s%s)", count, count == 1 ? "" : "s", list,
                        count > DESCRIBED_MAX ? ", ..." : "");
}
