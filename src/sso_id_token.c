/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Judging id_tokens, and asking userinfo. What a provider is particular about is in sso_kind_*.c.
 */
#include "sso_id_token.h"

#include "sso_aggregate.h"
#include "sso_json.h"
#include "sso_jwe.h"

#include <apr_lib.h>
#include <apr_strings.h>
#include <string.h>

#define WHAT    "id_token"
#define SUB_MAX 255 /* OIDC Core 2 */

/* Tokens of another kind, signed by the same key for the same audience (RFC 9068, 8417, OIDC
 * Back-Channel Logout 2.4) */
static const char *const other_types[] = { "at+jwt", "application/at+jwt", "logout+jwt",
                                           "secevent+jwt", "token-introspection+jwt" };

sso_rc_e sso_id_token_type(sso_ctx_t *ctx, const char *what, const sso_jwt_t *jwt)
{
    unsigned i;

    for (i = 0; jwt->typ && i < SSO_COUNT(other_types); i++)
        if (!strcasecmp(jwt->typ, other_types[i]))
            return sso_fail(ctx, SSO_DENIED, 470, "%s: it is a token of another kind, '%s'", what,
                            other_types[i]);
    if (json_object_get(jwt->claims, "events"))
        return sso_fail(ctx, SSO_DENIED, 471, "%s: it has events: it is a logout token", what);
    return SSO_OK;
}

sso_rc_e sso_id_token_audience(sso_ctx_t *ctx, const sso_provider_t *provider, const char *what,
                               const json_t *claims)
{
    const json_t *aud = json_object_get(claims, "aud"), *azp = json_object_get(claims, "azp");
    const char *client_id = provider->config->client_id;
    int strangers = 0, ours = 0;
    const json_t *item;
    size_t i;

    if (json_is_string(aud))
        ours = !strcmp(json_string_value(aud), client_id)
               || sso_list_has(provider->config->audience, json_string_value(aud));
    json_array_foreach(aud, i, item) {
        const char *text = json_is_string(item) ? json_string_value(item) : "";
        int known = !strcmp(text, client_id) || sso_list_has(provider->config->audience, text);

        ours |= known;
        strangers |= !known;
    }
    if (!ours)
        return sso_fail(ctx, SSO_DENIED, 472, "%s: its audience %.200s is neither this client "
                        "nor in EdxSSOAudience", what,
                        aud ? sso_json_print(ctx->pool, aud) : "(none)");
    if (azp && (!json_is_string(azp) || strcmp(json_string_value(azp), client_id)))
        return sso_fail(ctx, SSO_DENIED, 473, "%s: its azp is not this client", what);
    if (strangers && !azp)
        return sso_fail(ctx, SSO_DENIED, 474, "%s: it has audiences that are not in "
                        "EdxSSOAudience, and no azp", what);
    return SSO_OK;
}

static sso_rc_e check_nonce(sso_ctx_t *ctx, const sso_wanted_t *wanted, const json_t *claims)
{
    const char *nonce = sso_json_text(claims, "nonce");

    if (!wanted->nonce)
        return SSO_OK;
    if (!nonce || !sso_same_secret(nonce, wanted->nonce))
        return sso_fail(ctx, SSO_DENIED, 475, WHAT ": its nonce is %s",
                        nonce ? "not the one of this sign-in" : "missing");
    return SSO_OK;
}

/* at_hash, c_hash (OIDC Core 3.1.3.6, 3.3.2.11): the left half of the hash that alg names */
static sso_rc_e check_hash(sso_ctx_t *ctx, const sso_jwt_t *jwt, const char *member,
                           const char *value)
{
    const json_t *claim = json_object_get(jwt->claims, member);
    const char *want;

    if (!claim || !value)
        return SSO_OK;
    SSO_TRY(sso_half_hash(ctx, jwt->alg, value, &want));
    if (!json_is_string(claim) || strcmp(json_string_value(claim), want))
        return sso_fail(ctx, SSO_DENIED, 476, WHAT ": its %s does not fit", member);
    return SSO_OK;
}

static sso_rc_e check_subject(sso_ctx_t *ctx, const json_t *claims)
{
    const char *sub = sso_json_text(claims, "sub"), *c;

    if (!sub || strlen(sub) > SUB_MAX)
        return sso_fail(ctx, SSO_BAD_INPUT, 477, WHAT ": its sub is missing or no text of at most "
                        "%d characters", SUB_MAX);
    for (c = sub; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            return sso_fail(ctx, SSO_BAD_INPUT, 478, WHAT ": its sub has control characters");
    return SSO_OK;
}

sso_rc_e sso_id_token_decrypt(sso_ctx_t *ctx, const sso_provider_t *provider, const char *what,
                              const char **token)
{
    return sso_jwe_looks(*token) ? sso_jwe_open(ctx, provider->decryption, what, *token, token)
                                 : SSO_OK;
}

sso_rc_e sso_id_token_check(sso_ctx_t *ctx, const sso_provider_t *provider,
                            const sso_wanted_t *wanted, const sso_tokens_t *tokens,
                            sso_jwt_t **jwt)
{
    sso_claim_rules_t rules = { WHAT, provider->kind->judge_issuer ? NULL : provider->issuers, NULL,
                                provider->config->clock_skew };
    const char *token = tokens->id_token;
    sso_jwt_t *read;

    if (!token)
        return sso_fail(ctx, SSO_UPSTREAM, 405, "the token endpoint gave no id_token: is the scope "
                        "openid asked for (EdxSSOScope), and is this an OpenID provider?");
    SSO_TRY(sso_id_token_decrypt(ctx, provider, WHAT, &token));
    if (wanted->again)
        return sso_jws_peek(ctx, WHAT, token, jwt);
    SSO_TRY(sso_token_verify(ctx, provider, WHAT, token, tokens->direct, &read));
    SSO_TRY(sso_id_token_type(ctx, WHAT, read));
    SSO_TRY(sso_token_judge(ctx, &rules, read->claims));
    if (provider->kind->judge_issuer)
        SSO_TRY(provider->kind->judge_issuer(ctx, provider, read));
    SSO_TRY(sso_id_token_audience(ctx, provider, WHAT, read->claims));
    SSO_TRY(check_nonce(ctx, wanted, read->claims));
    SSO_TRY(check_subject(ctx, read->claims));
    SSO_TRY(check_hash(ctx, read, "at_hash", tokens->access_token));
    SSO_TRY(check_hash(ctx, read, "c_hash", wanted->code));
    *jwt = read;
    return SSO_OK;
}

void sso_claims_add(json_t *claims, const json_t *more)
{
    const char *name;
    json_t *value;

    json_object_foreach((json_t *)(apr_uintptr_t)more, name, value) {
        const json_t *there = json_object_get(claims, name);

        if (!there || json_is_null(there))
            json_object_set(claims, name, value);
    }
}

/* Userinfo as a JWT is signed by the provider for us; its times are optional (OIDC Core 5.3.2). */
static sso_rc_e read_signed(sso_ctx_t *ctx, const sso_provider_t *provider,
                            const sso_reply_t *reply, json_t **said)
{
    const char *issuer, *token = reply->body;
    const json_t *aud;
    sso_jwt_t *jwt;

    SSO_TRY(sso_id_token_decrypt(ctx, provider, "userinfo", &token));
    SSO_TRY(sso_token_verify(ctx, provider, "userinfo", token, 0, &jwt));
    issuer = sso_json_text(jwt->claims, "iss");
    aud = json_object_get(jwt->claims, "aud");
    if (issuer && provider->issuers && !sso_list_has(provider->issuers, issuer))
        return sso_fail(ctx, SSO_DENIED, 479, "userinfo: issuer '%.200s' is another one", issuer);
    if (aud && !sso_json_has(aud, provider->config->client_id))
        return sso_fail(ctx, SSO_DENIED, 480, "userinfo: it is for another client");
    *said = jwt->claims;
    return SSO_OK;
}

static sso_rc_e read_userinfo(sso_ctx_t *ctx, const sso_provider_t *provider,
                              const sso_reply_t *reply, json_t **said)
{
    if (reply->status == 429 || reply->status == 503) {
        ctx->err.detail = reply->retry_after;
        return sso_fail(ctx, SSO_UPSTREAM, 406, "userinfo: it asks for patience (status %d)",
                        reply->status);
    }
    if (reply->status != 200)
        return sso_fail(ctx, SSO_UPSTREAM, 407, "userinfo: status %d%s%.150s", reply->status,
                        reply->www_authenticate ? ": " : "",
                        reply->www_authenticate ? reply->www_authenticate : "");
    if (!strcmp(reply->content_type, "application/jwt"))
        return read_signed(ctx, provider, reply, said);
    if (!strstr(reply->content_type, "json"))
        return sso_fail(ctx, SSO_UPSTREAM, 408, "userinfo: content type '%.64s' is not JSON",
                        reply->content_type);
    if (sso_json_parse(ctx, "userinfo", reply->body, reply->length, said) != SSO_OK) {
        const char *why = apr_pstrdup(ctx->pool, ctx->err.text);

        sso_forgive(ctx); /* not the browser's bad input: the provider's */
        return sso_fail(ctx, SSO_UPSTREAM, 409, "%s", why);
    }
    return SSO_OK;
}

sso_rc_e sso_userinfo_add(sso_ctx_t *ctx, const sso_provider_t *provider,
                          const sso_tokens_t *tokens, json_t *claims)
{
    sso_call_t call = { .what = "userinfo", .accept = "application/json, application/jwt",
                        .policy = &provider->http };
    const char *sub = sso_json_text(claims, "sub"), *other;
    sso_reply_t reply;
    json_t *said;
    sso_rc_e rc;

    if (!provider->config->userinfo || !tokens->access_token)
        return SSO_OK;
    rc = sso_provider_endpoint(ctx, provider, SSO_ENDPOINT_USERINFO, &call.url);
    if (rc == SSO_ABSENT)
        return SSO_OK;
    SSO_TRY(rc);
    call.plain_ok = sso_provider_plain_ok(provider, call.url);
    call.authorization = apr_pstrcat(ctx->pool, "Bearer ", tokens->access_token, NULL);
    SSO_TRY(ctx->ports->call(ctx, &call, &reply));
    SSO_TRY(read_userinfo(ctx, provider, &reply, &said));
    other = sso_json_text(said, "sub");
    if (!other || !sub || strcmp(other, sub))
        return sso_fail(ctx, SSO_DENIED, 481, "userinfo: its sub is not the id_token's: it speaks "
                        "of somebody else");
    sso_aggregate(ctx, provider, sub, said);
    sso_claims_add(claims, said);
    return SSO_OK;
}
