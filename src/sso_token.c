/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Redeeming codes, and judging what came back. Signatures are sso_jose.c's, types' own rules are in
 * sso_kind_*.c.
 */
#include "sso_token.h"

#include "sso_client_auth.h"
#include "sso_json.h"
#include "sso_metadata.h"
#include "sso_url.h"

#include <apr_strings.h>
#include <string.h>
#include <strings.h>

#define KEY_ROUNDS 3

/* The error is a text (RFC 6749 5.2); Facebook's is an object. */
static const char *error_text(const json_t *answer, const char **more)
{
    const json_t *error = json_object_get(answer, "error");

    if (json_is_object(error)) {
        *more = sso_json_text(error, "message");
        return sso_json_text(error, "type");
    }
    *more = sso_json_text(answer, "error_description");
    return sso_json_text(answer, "error");
}

/*
 * Errors that end a grant: the refresh token is no longer good (RFC 6749 5.2), or the user has to
 * act.
 */
static const char *const grant_over[] = {
    "invalid_grant", "interaction_required", "login_required", "consent_required"
};

static int is_over(const char *error)
{
    unsigned i;

    for (i = 0; i < SSO_COUNT(grant_over); i++)
        if (!strcmp(error, grant_over[i]))
            return 1;
    return 0;
}

int sso_token_users_turn(const char *error)
{
    static const char *const errors[] = {
        "access_denied", "login_required", "interaction_required", "consent_required",
        "account_selection_required"
    };
    unsigned i;

    for (i = 0; i < SSO_COUNT(errors); i++)
        if (!strcmp(errors[i], error))
            return 1;
    return 0;
}

/* It wants more of the user, and says what. */
static sso_rc_e refuse_challenge(sso_ctx_t *ctx, const char *error, const char *claims)
{
    ctx->err.detail = claims;
    if (sso_token_users_turn(error))
        return sso_fail(ctx, SSO_UPSTREAM, 882, "token endpoint: it answered error=%.64s with a "
                        "claims challenge", error);
    return sso_fail(ctx, SSO_UPSTREAM, 410, "token endpoint: it answered error=%.64s with a "
                    "claims challenge", error);
}

/* What an error answer says, whatever its status: the log gets the provider's own word. */
static sso_rc_e refuse_answer(sso_ctx_t *ctx, const sso_reply_t *reply, int refreshing,
                              const json_t *answer)
{
    const char *more, *error = error_text(answer, &more);

    if (reply->status == 429 || reply->status == 503) {
        ctx->err.detail = reply->retry_after;
        return sso_fail(ctx, SSO_UPSTREAM, 400, "token endpoint: it asks for patience "
                        "(status %d%s%s)", reply->status,
                        reply->retry_after ? ", Retry-After " : "",
                        reply->retry_after ? reply->retry_after : "");
    }
    if (error && refreshing && is_over(error))
        return sso_fail(ctx, SSO_DENIED, 1009, "token endpoint: it answered error=%.64s"
                        "%s%.200s", error, more ? ": " : "", more ? more : "");
    if (error && sso_json_text(answer, "claims"))
        return refuse_challenge(ctx, error, sso_json_text(answer, "claims"));
    if (error && !refreshing && sso_token_users_turn(error))
        return sso_fail(ctx, SSO_DENIED, 881, "token endpoint: it answered error=%.64s%s%.200s",
                        error, more ? ": " : "", more ? more : "");
    if (error)
        return sso_fail(ctx, SSO_UPSTREAM, 401, "token endpoint: it answered error=%.64s%s%.200s "
                        "(status %d)", error, more ? ": " : "", more ? more : "", reply->status);
    return sso_fail(ctx, SSO_UPSTREAM, 402, "token endpoint: an unusable answer (status %d, "
                    "content type '%.64s', %d bytes)", reply->status, reply->content_type,
                    (int)reply->length);
}

/* When a number of seconds is over; 0: it is none that makes sense. */
static apr_time_t seconds_from_now(const sso_ctx_t *ctx, const json_t *answer, const char *member)
{
    apr_int64_t seconds;

    return sso_json_whole(answer, member, &seconds) && seconds > 0 && seconds < APR_INT32_MAX
               ? ctx->now + apr_time_from_sec(seconds) : 0;
}

static sso_rc_e read_answer(sso_ctx_t *ctx, const sso_reply_t *reply, int refreshing,
                            sso_tokens_t *tokens)
{
    json_t *answer = NULL;

    if (strstr(reply->content_type, "json")
        && sso_json_parse(ctx, "token endpoint", reply->body, reply->length, &answer) != SSO_OK) {
        const char *why = apr_pstrdup(ctx->pool, ctx->err.text);

        sso_forgive(ctx); /* not the browser's bad input: the provider's */
        if (reply->status == 200)
            return sso_fail(ctx, SSO_UPSTREAM, 403, "%s", why);
    }
    if (reply->status != 200 || !answer || json_object_get(answer, "error"))
        return refuse_answer(ctx, reply, refreshing, answer);
    tokens->access_token = sso_json_text(answer, "access_token");
    tokens->refresh_token = sso_json_text(answer, "refresh_token");
    tokens->id_token = sso_json_text(answer, "id_token");
    tokens->token_type = sso_json_text(answer, "token_type");
    if (tokens->token_type && strcasecmp(tokens->token_type, "Bearer")
        && strcasecmp(tokens->token_type, "JWT")) /* an LMS's word for the same */
        return sso_fail(ctx, SSO_UPSTREAM, 871, "token endpoint: token_type '%.32s' is not Bearer, "
                        "and such a token cannot be used here", tokens->token_type);
    tokens->scope = sso_json_text(answer, "scope");
    tokens->expires = seconds_from_now(ctx, answer, "expires_in");
    tokens->refresh_at = seconds_from_now(ctx, answer, "refresh_in");
    if (!tokens->access_token && !tokens->id_token)
        return sso_fail(ctx, SSO_UPSTREAM, 404, "token endpoint: its answer has no access_token");
    return SSO_OK;
}

/* Send a grant, once, with what every token request has. */
static sso_rc_e send_grant(sso_ctx_t *ctx, const sso_provider_t *provider, sso_form_t *form,
                           const char *extra, int refreshing, sso_tokens_t *tokens)
{
    sso_call_t call = { .what = "token endpoint", .once = 1, .policy = &provider->http };
    sso_tokens_t got = { 0 };
    sso_reply_t reply;
    sso_url_t url;
    sso_rc_e rc = sso_provider_endpoint(ctx, provider, SSO_ENDPOINT_TOKEN, &call.url);

    if (rc == SSO_ABSENT)
        return sso_fail(ctx, SSO_UPSTREAM, 876, "the metadata name no token endpoint");
    SSO_TRY(rc);
    call.plain_ok = sso_provider_plain_ok(provider, call.url);
    SSO_TRY(sso_client_auth_prove(ctx, provider, 0, form, &call));
    provider->kind->redeem(provider, form);
    if (extra)
        sso_form_join(form, extra);
    call.body = sso_form_text(form);
    call.body_length = strlen(call.body);
    SSO_TRY(ctx->ports->call(ctx, &call, &reply));
    SSO_TRY(read_answer(ctx, &reply, refreshing, &got));
    got.direct = sso_url_parse(ctx->pool, call.url, &url) == SSO_OK
                 && (!strcmp(url.scheme, "https") || url.loopback);
    *tokens = got;
    return SSO_OK;
}

sso_rc_e sso_token_redeem(sso_ctx_t *ctx, const sso_provider_t *provider,
                          const sso_exchange_t *exchange, sso_tokens_t *tokens)
{
    sso_form_t *form = sso_form_make(ctx->pool);

    sso_form_add(form, "grant_type", "authorization_code");
    sso_form_add(form, "code", exchange->code);
    sso_form_add(form, "redirect_uri", exchange->redirect_uri);
    sso_form_add(form, "code_verifier", exchange->verifier);
    return send_grant(ctx, provider, form, exchange->extra, 0, tokens);
}

sso_rc_e sso_token_refresh(sso_ctx_t *ctx, const sso_provider_t *provider, const char *token,
                           const char *extra, sso_tokens_t *tokens)
{
    sso_form_t *form = sso_form_make(ctx->pool);

    sso_form_add(form, "grant_type", "refresh_token");
    sso_form_add(form, "refresh_token", token);
    return send_grant(ctx, provider, form, extra, 1, tokens);
}

sso_rc_e sso_token_client(sso_ctx_t *ctx, const sso_provider_t *provider, sso_tokens_t *tokens)
{
    sso_form_t *form = sso_form_make(ctx->pool);
    sso_tokens_t got;

    sso_form_add(form, "grant_type", "client_credentials");
    if (provider->scope)
        sso_form_add(form, "scope", apr_array_pstrcat(ctx->pool, provider->scope, ' '));
    SSO_TRY(send_grant(ctx, provider, form, NULL, 0, &got));
    if (!got.access_token)
        return sso_fail(ctx, SSO_UPSTREAM, 1209, "token endpoint: its answer has no access_token");
    *tokens = got;
    return SSO_OK;
}

static sso_rc_e check_with(sso_ctx_t *ctx, const sso_provider_t *provider, const sso_keys_t *keys,
                           const char *what, sso_jwt_t *jwt)
{
    sso_jws_policy_t policy = { keys, provider->algorithms, provider->kind->kid_rule };

    return sso_jws_check(ctx, &policy, what, jwt);
}

/*
 * Keys that come from a URL: those at hand; when none of them fits, what another process has got
 * meanwhile; when they do not fit either, those that the provider has now.
 */
static sso_rc_e check_fetched(sso_ctx_t *ctx, const sso_provider_t *provider, const char *what,
                              sso_jwt_t *jwt)
{
    const sso_keys_t *keys;
    sso_err_t last = ctx->err;
    sso_rc_e rc = SSO_ABSENT, found;
    int round;

    for (round = 0; round < KEY_ROUNDS; round++) {
        sso_forgive(ctx);
        found = sso_documents_keys(ctx, provider, round > 0, &keys);
        if (found == SSO_ABSENT && round) { /* nothing newer may be had: the last answer stands */
            ctx->err = last;
            return rc;
        }
        SSO_TRY(found);
        if (provider->keys)
            keys = sso_keys_join(ctx->pool, keys, provider->keys);
        rc = check_with(ctx, provider, keys, what, jwt);
        /* a signature that is wrong may be a newer key's, unless a kid said which one it is */
        if (rc != SSO_ABSENT && !(rc == SSO_DENIED && (provider->kind->kid_rule == SSO_KID_ORDERS
                                                       || sso_jws_any_key(keys, jwt))))
            return rc;
        last = ctx->err;
    }
    return rc;
}

sso_rc_e sso_token_check(sso_ctx_t *ctx, const sso_provider_t *provider, const char *what,
                         int direct, sso_jwt_t *jwt)
{
    const char *jwks_url;
    sso_rc_e rc = SSO_ABSENT;

    if (provider->keys)
        rc = check_with(ctx, provider, provider->keys, what, jwt);
    if (rc == SSO_OK || rc == SSO_BROKEN)
        return rc;
    if (provider->endpoint[SSO_ENDPOINT_JWKS] || provider->metadata_url) {
        sso_rc_e found;

        sso_forgive(ctx);
        found = sso_provider_endpoint(ctx, provider, SSO_ENDPOINT_JWKS, &jwks_url);
        if (found == SSO_OK)
            return check_fetched(ctx, provider, what, jwt);
        if (found != SSO_ABSENT)
            return found;
    }
    if (rc == SSO_ABSENT && direct && provider->config->trust_token_endpoint) {
        sso_forgive(ctx);
        return sso_jws_signed(ctx, what, jwt);
    }
    if (ctx->err.rc == SSO_OK)
        return sso_fail(ctx, SSO_DENIED, 454, "%s: no key is configured that could verify it",
                        what);
    return rc == SSO_ABSENT ? SSO_DENIED : rc;
}

sso_rc_e sso_token_verify(sso_ctx_t *ctx, const sso_provider_t *provider, const char *what,
                          const char *token, int direct, sso_jwt_t **jwt)
{
    sso_jwt_t *read;

    SSO_TRY(sso_jws_read(ctx, what, token, &read));
    SSO_TRY(sso_token_check(ctx, provider, what, direct, read));
    SSO_TRY(sso_jws_claims(ctx, what, read));
    *jwt = read;
    return SSO_OK;
}

static int named_in(const apr_array_header_t *list, const json_t *value)
{
    int i;

    for (i = 0; i < list->nelts; i++)
        if (sso_json_has(value, APR_ARRAY_IDX(list, i, const char *)))
            return 1;
    return 0;
}

static sso_rc_e judge_times(sso_ctx_t *ctx, const sso_claim_rules_t *rules, const json_t *claims)
{
    apr_int64_t now = apr_time_sec(sso_wall(ctx)), skew = apr_time_sec(rules->skew), when;

    if (!sso_json_whole(claims, "exp", &when))
        return sso_fail(ctx, SSO_BAD_INPUT, 460, "%s: it has no exp that is a number", rules->what);
    if (when <= now - skew)
        return sso_fail(ctx, SSO_DENIED, 461, "%s: it expired %" APR_INT64_T_FMT " s ago; is this "
                        "machine's clock right?", rules->what, when < 0 ? now : now - when);
    if (!sso_json_whole(claims, "iat", &when))
        return sso_fail(ctx, SSO_BAD_INPUT, 462, "%s: it has no iat that is a number", rules->what);
    if (when > now + skew)
        return sso_fail(ctx, SSO_DENIED, 463, "%s: it was issued %" APR_INT64_T_FMT " s in the "
                        "future; is this machine's clock right? (EdxSSOClockSkew)",
                        rules->what, when - now);
    if (!json_object_get(claims, "nbf"))
        return SSO_OK;
    if (!sso_json_whole(claims, "nbf", &when))
        return sso_fail(ctx, SSO_BAD_INPUT, 464, "%s: its nbf is not a number", rules->what);
    if (when > now + skew)
        return sso_fail(ctx, SSO_DENIED, 465, "%s: it is not valid for another %" APR_INT64_T_FMT
                        " s; is this machine's clock right?", rules->what, when - now);
    return SSO_OK;
}

sso_rc_e sso_token_judge(sso_ctx_t *ctx, const sso_claim_rules_t *rules, const json_t *claims)
{
    const char *issuer = sso_json_text(claims, "iss");
    const json_t *audience = json_object_get(claims, "aud");

    if (!issuer)
        return sso_fail(ctx, SSO_BAD_INPUT, 466, "%s: it has no iss", rules->what);
    if (rules->issuers && !sso_list_has(rules->issuers, issuer))
        return sso_fail(ctx, SSO_DENIED, 467, "%s: issuer '%.200s' is not '%.100s' (EdxSSOIssuer)",
                        rules->what, issuer, APR_ARRAY_IDX(rules->issuers, 0, const char *));
    if (rules->audiences && !named_in(rules->audiences, audience))
        return sso_fail(ctx, SSO_DENIED, 468, "%s: audience '%.200s' is not '%.100s' "
                        "(EdxSSOAudience)", rules->what,
                        audience ? sso_json_print(ctx->pool, audience) : "",
                        APR_ARRAY_IDX(rules->audiences, 0, const char *));
    return judge_times(ctx, rules, claims);
}
