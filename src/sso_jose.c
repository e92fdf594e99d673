/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gate for compact JWS. Keys are in sso_jwk.c; what claims say is judged in sso_token.c.
 *
 * The order is: form of the text, header, algorithm, keys, signature, claims. Claims are parsed
 * before the signature has been found good only where somebody has to pick the provider by them.
 */
#include "sso_jose.h"

#include "sso_json.h"
#include "sso_jwk.h"
#include "sso_text.h"

#include <apr_strings.h>
#include <cjose/jws.h>
#include <openssl/err.h>
#include <string.h>
#include <strings.h>

#define SEGMENTS 3 /* header, payload, signature */

enum { HEADER, PAYLOAD, SIGNATURE };

typedef struct segment_t {
    unsigned char *bytes; /* NUL-terminated */
    apr_size_t length;
} segment_t;

/* A token whose signature is being checked. */
typedef struct token_t {
    const char *what;
    const sso_alg_t *alg;
    sso_jwt_t *jwt;
} token_t;

/* When a key's turn is. */
typedef enum { ROUND_FIRST, ROUND_LAST, ROUND_NEVER } round_e;

/* Members that would have us take keys, rules or encodings from the token itself. */
static const char *const refused_members[] = {
    "crit", "b64", "zip", "jwk", "jku", "x5u", "x5c",
};

static const char base64url_chars[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

int sso_jwt_looks(const char *token)
{
    apr_size_t header = strspn(token, base64url_chars), payload;

    if (!header || token[header] != '.')
        return 0;
    token += header + 1;
    payload = strspn(token, base64url_chars);
    if (!payload || token[payload] != '.')
        return 0;
    token += payload + 1;
    return token[strspn(token, base64url_chars)] == '\0';
}

/* Take the text apart; canonical base64url leaves one text for each token (RFC 7515 2, 7.1). */
static sso_rc_e split(sso_ctx_t *ctx, const char *what, const char *text, segment_t *segments)
{
    const char *start = text, *end;
    int i;

    if (strlen(text) > SSO_JWT_MAX)
        return sso_fail(ctx, SSO_BAD_INPUT, 150, "%s: longer than %d bytes", what, SSO_JWT_MAX);
    for (i = 0; i < SEGMENTS; i++, start = end + 1) {
        end = start + strcspn(start, ".");
        if (end == start || (*end == '.') != (i < SEGMENTS - 1))
            return sso_fail(ctx, SSO_BAD_INPUT, 151, "%s: not three segments with dots between",
                            what);
        if (!sso_b64url_decode(ctx->pool, start, (apr_size_t)(end - start), &segments[i].bytes,
                               &segments[i].length))
            return sso_fail(ctx, SSO_BAD_INPUT, 152, "%s: segment %d is not canonical base64url",
                            what, i + 1);
    }
    return SSO_OK;
}

static sso_rc_e read_header(sso_ctx_t *ctx, const char *what, const segment_t *segment,
                            sso_jwt_t *jwt)
{
    static const char *const strings[] = { "alg", "kid", "typ" };
    apr_size_t i;

    SSO_TRY(sso_within(ctx, sso_json_parse(ctx, "header", (const char *)segment->bytes,
                                           segment->length, &jwt->header), what));
    for (i = 0; i < SSO_COUNT(refused_members); i++)
        if (json_object_get(jwt->header, refused_members[i]))
            return sso_fail(ctx, SSO_BAD_INPUT, 153, "%s: the header has '%s', which is refused",
                            what, refused_members[i]);
    for (i = 0; i < SSO_COUNT(strings); i++) {
        const json_t *value = json_object_get(jwt->header, strings[i]);

        if (value && !json_is_string(value))
            return sso_fail(ctx, SSO_BAD_INPUT, 154, "%s: '%s' in the header is not a string",
                            what, strings[i]);
    }
    jwt->alg = sso_json_text(jwt->header, "alg");
    jwt->kid = sso_json_text(jwt->header, "kid"); /* an empty one says as much as none */
    jwt->typ = sso_json_text(jwt->header, "typ");
    if (!jwt->alg)
        return sso_fail(ctx, SSO_BAD_INPUT, 155, "%s: the header names no algorithm", what);
    return SSO_OK;
}

sso_rc_e sso_jws_read(sso_ctx_t *ctx, const char *what, const char *text, sso_jwt_t **jwt)
{
    sso_jwt_t *read = apr_pcalloc(ctx->pool, sizeof(*read));
    segment_t segments[SEGMENTS];

    SSO_TRY(split(ctx, what, text, segments));
    SSO_TRY(read_header(ctx, what, &segments[HEADER], read));
    read->text = text;
    read->payload = (const char *)segments[PAYLOAD].bytes;
    read->payload_length = segments[PAYLOAD].length;
    read->signature_length = segments[SIGNATURE].length;
    *jwt = read;
    return SSO_OK;
}

sso_rc_e sso_jws_claims(sso_ctx_t *ctx, const char *what, sso_jwt_t *jwt)
{
    if (jwt->claims)
        return SSO_OK;
    return sso_within(ctx, sso_json_parse(ctx, "claims", jwt->payload, jwt->payload_length,
                                          &jwt->claims), what);
}

static sso_rc_e choose_alg(sso_ctx_t *ctx, const sso_jws_policy_t *policy, token_t *token)
{
    token->alg = sso_alg_find(token->jwt->alg);
    if (!token->alg)
        return sso_fail(ctx, SSO_DENIED, 156, "%s: '%.32s' is not a signature algorithm we take",
                        token->what, token->jwt->alg);
    if (policy->algorithms && !(policy->algorithms & token->alg->bit))
        return sso_fail(ctx, SSO_DENIED, 157, "%s: %s is not allowed here", token->what,
                        token->alg->name);
    return SSO_OK;
}

static round_e round_of(const sso_jws_policy_t *policy, const sso_jwk_t *key, const token_t *token)
{
    const char *kid = token->jwt->kid;

    if (!(key->algorithms & token->alg->bit))
        return ROUND_NEVER;
    if (!kid || !policy->keys->named || key->kind == SSO_KEY_SECRET) /* secrets have no names */
        return ROUND_FIRST;
    if (key->kid && !strcmp(key->kid, kid))
        return ROUND_FIRST;
    return policy->kid_rule == SSO_KID_ORDERS ? ROUND_LAST : ROUND_NEVER;
}

/*
 * Let cjose check the signature. Silent about a bad one: another key may do. The token is imported
 * anew for each key, because not every cjose can verify an import twice.
 */
static sso_rc_e verify_with(sso_ctx_t *ctx, const sso_jwk_t *key, const token_t *token)
{
    apr_size_t want = token->alg->signature_bytes ? token->alg->signature_bytes : key->bytes;
    cjose_jws_t *jws = NULL;
    cjose_err err = { CJOSE_ERR_NONE, NULL, NULL, NULL, 0 };
    sso_rc_e rc = SSO_DENIED;

    if (token->jwt->signature_length != want) /* RFC 7518 3.2 - 3.5 */
        return SSO_DENIED;
    ERR_set_mark(); /* a bad signature must not look like somebody else's TLS failure later */
    jws = cjose_jws_import(token->jwt->text, strlen(token->jwt->text), &err);
    if (!jws)
        rc = sso_fail(ctx, SSO_BROKEN, 158, "%s: the library could not read it", token->what);
    else if (cjose_jws_verify(jws, key->handle, &err))
        rc = SSO_OK;
    else if (err.code == CJOSE_ERR_NO_MEMORY)
        rc = sso_fail(ctx, SSO_BROKEN, 159, "%s: the library could not verify it", token->what);
    ERR_pop_to_mark();
    cjose_jws_release(jws);
    return rc;
}

/* Try keys, round by round, until one verifies. Each key is tried at most once. */
static sso_rc_e try_keys(sso_ctx_t *ctx, const sso_jws_policy_t *policy, const token_t *token)
{
    int round, i, tried = 0, count = sso_keys_count(policy->keys);

    for (round = ROUND_FIRST; round <= ROUND_LAST; round++) {
        for (i = 0; i < count; i++) {
            const sso_jwk_t *key = policy->keys->keys[i];
            sso_rc_e rc;

            if ((int)round_of(policy, key, token) != round)
                continue;
            tried++;
            rc = verify_with(ctx, key, token);
            if (rc == SSO_OK)
                token->jwt->key_issuer = apr_pstrdup(ctx->pool, key->issuer);
            if (rc != SSO_DENIED)
                return rc;
        }
    }
    if (!tried)
        return sso_fail(ctx, SSO_ABSENT, 160, "%s: none of %d keys fits %s with kid '%.64s' "
                        "(%s)", token->what, count, token->alg->name,
                        token->jwt->kid ? token->jwt->kid : "",
                        *token->alg->name == 'H' ? "EdxSSOJWSHMACKey" : "EdxSSOJWKS");
    return sso_fail(ctx, SSO_DENIED, 161, "%s: the %s signature is wrong (%d of %d keys tried)",
                    token->what, token->alg->name, tried, count);
}

sso_rc_e sso_jws_check(sso_ctx_t *ctx, const sso_jws_policy_t *policy, const char *what,
                       sso_jwt_t *jwt)
{
    token_t token = { what, NULL, jwt };

    SSO_TRY(choose_alg(ctx, policy, &token));
    return try_keys(ctx, policy, &token);
}

sso_rc_e sso_jws_verify(sso_ctx_t *ctx, const sso_jws_policy_t *policy, const char *what,
                        const char *text, sso_jwt_t **jwt)
{
    sso_jwt_t *read;

    SSO_TRY(sso_jws_read(ctx, what, text, &read));
    SSO_TRY(sso_jws_check(ctx, policy, what, read));
    SSO_TRY(sso_jws_claims(ctx, what, read));
    *jwt = read;
    return SSO_OK;
}

int sso_jws_any_key(const sso_keys_t *keys, const sso_jwt_t *jwt)
{
    return sso_alg_find(jwt->alg) && *jwt->alg != 'H' && (!jwt->kid || !keys->named);
}

/* Unsigned is not "signed by a key that we do not have". */
sso_rc_e sso_jws_signed(sso_ctx_t *ctx, const char *what, const sso_jwt_t *jwt)
{
    return strcasecmp(jwt->alg, "none")
               ? SSO_OK : sso_fail(ctx, SSO_DENIED, 162, "%s: it is not signed at all", what);
}

sso_rc_e sso_jws_peek(sso_ctx_t *ctx, const char *what, const char *text, sso_jwt_t **jwt)
{
    sso_jwt_t *read;

    SSO_TRY(sso_jws_read(ctx, what, text, &read));
    SSO_TRY(sso_jws_signed(ctx, what, read));
    SSO_TRY(sso_jws_claims(ctx, what, read));
    *jwt = read;
    return SSO_OK;
}
