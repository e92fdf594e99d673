/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Providers that speak OAuth 2.0 and no OpenID Connect (RFC 6749): who signed in is what their
 * profile endpoint says to the access token. Bare ones, GitHub, Facebook: a row each at the end.
 *
 * The profile counts because it was asked for over TLS with a token that came from the same
 * provider for our own code. Nobody signed it, so its own word on its issuer does not count: `iss`
 * is the issuer that was configured, or where the profile came from.
 */
#include "sso_json.h"
#include "sso_kind_oidc.h"
#include "sso_url.h"

#include <apr_strings.h>
#include <string.h>
#include <strings.h>

#define SUB_MAX         255 /* as OIDC Core 2 has it */
#define FACEBOOK_FIELDS "id,name,first_name,last_name,email,picture"

static const char *const user_id_claims[] = { "sub", NULL };

/* ---- the call */

/* What an error answer says: {"error": text}, {"error": {"message"}} (Facebook), or {"message"}. */
static const char *complaint(const json_t *answer)
{
    const char *text = sso_json_text(answer, "error");

    if (!text)
        text = sso_json_text(json_object_get(answer, "error"), "message");
    if (!text)
        text = sso_json_text(answer, "message");
    return text ? text : "";
}

static sso_rc_e ask(sso_ctx_t *ctx, const sso_provider_t *provider, sso_call_t *call,
                    const sso_tokens_t *tokens, sso_reply_t *reply)
{
    if (!tokens->access_token)
        return sso_fail(ctx, SSO_UPSTREAM, 411, "the token endpoint gave no access token to ask "
                        "for the profile with");
    call->plain_ok = sso_provider_plain_ok(provider, call->url);
    call->authorization = apr_pstrcat(ctx->pool, "Bearer ", tokens->access_token, NULL);
    call->policy = &provider->http;
    SSO_TRY(ctx->ports->call(ctx, call, reply));
    if (reply->status == 429 || reply->status == 503) {
        ctx->err.detail = reply->retry_after;
        return sso_fail(ctx, SSO_UPSTREAM, 412, "%s: it asks for patience (status %d)", call->what,
                        reply->status);
    }
    return SSO_OK;
}

static sso_rc_e unusable(sso_ctx_t *ctx)
{
    const char *why = apr_pstrdup(ctx->pool, ctx->err.text);

    sso_forgive(ctx); /* not the browser's bad input: the provider's */
    return sso_fail(ctx, SSO_UPSTREAM, 413, "%s", why);
}

/* The profile: an object that is no error. Its media type says too little to be asked about. */
static sso_rc_e get_profile(sso_ctx_t *ctx, const sso_provider_t *provider, const char *query,
                            const sso_tokens_t *tokens, json_t **profile)
{
    sso_call_t call = { .what = "profile" };
    const json_t *error;
    sso_reply_t reply;
    json_t *said = NULL;
    sso_rc_e rc = sso_provider_endpoint(ctx, provider, SSO_ENDPOINT_USERINFO, &call.url);

    if (rc == SSO_ABSENT)
        return sso_fail(ctx, SSO_MISCONFIG, 414, "nothing says where the profile is: give "
                        "EdxSSOEndpoint userinfo");
    SSO_TRY(rc);
    if (query && !strstr(call.url, "fields="))
        call.url = sso_url_with_query(ctx->pool, call.url, query);
    SSO_TRY(ask(ctx, provider, &call, tokens, &reply));
    rc = sso_json_parse(ctx, "profile", reply.body, reply.length, &said);
    if (rc != SSO_OK && reply.status == 200)
        return unusable(ctx);
    if (rc != SSO_OK)
        sso_forgive(ctx);
    error = json_object_get(said, "error");
    if (reply.status != 200 || (error && !json_is_null(error)))
        return sso_fail(ctx, SSO_UPSTREAM, 415, "profile: status %d %.200s", reply.status,
                        complaint(said));
    *profile = said;
    return SSO_OK;
}

/* ---- what it says */

/* The user's id as text: a number's digits, or a text that can stand in a name. */
static const char *id_text(sso_ctx_t *ctx, const json_t *value)
{
    const char *text = json_string_value(value), *c;

    if (json_is_integer(value))
        return apr_psprintf(ctx->pool, "%" APR_INT64_T_FMT,
                            (apr_int64_t)json_integer_value(value));
    if (!text || !*text || strlen(text) > SUB_MAX)
        return NULL;
    for (c = text; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            return NULL;
    return text;
}

/* Where a user's id is unique. */
static sso_rc_e issuer_of(sso_ctx_t *ctx, const sso_provider_t *provider, const char **issuer)
{
    const char *profile;
    sso_url_t url;

    if (provider->issuers) {
        *issuer = APR_ARRAY_IDX(provider->issuers, 0, const char *);
        return SSO_OK;
    }
    SSO_TRY(sso_provider_endpoint(ctx, provider, SSO_ENDPOINT_USERINFO, &profile));
    *issuer = sso_url_parse(ctx->pool, profile, &url) == SSO_OK ? url.origin : profile;
    return SSO_OK;
}

/* Who it is, in claims. An id of another form than ever before is nobody's. */
static sso_rc_e set_subject(sso_ctx_t *ctx, const sso_provider_t *provider, const json_t *id,
                            json_t *claims)
{
    const char *sub = id_text(ctx, id), *issuer;

    if (!sub)
        return sso_fail(ctx, SSO_UPSTREAM, 416, "profile: its user id is missing, or neither a "
                        "whole number nor a text of at most %d characters", SUB_MAX);
    SSO_TRY(issuer_of(ctx, provider, &issuer));
    json_object_set_new(claims, "sub", json_string(sub));
    json_object_set_new(claims, "iss", json_string(issuer));
    return SSO_OK;
}

/* Claims of their own, which go with the pool. */
static sso_rc_e new_claims(sso_ctx_t *ctx, json_t **claims)
{
    return sso_json_parse(ctx, "claims", "{}", 2, claims);
}

typedef struct member_t {
    const char *claim, *member;
} member_t;

static void take(const json_t *profile, const member_t *members, json_t *claims)
{
    for (; members->claim; members++) {
        const char *text = sso_json_text(profile, members->member);

        if (text)
            json_object_set_new(claims, members->claim, json_string(text));
    }
}

/* ---- any */

static void authorize(const sso_provider_t *provider, const sso_wanted_t *wanted, sso_form_t *form)
{
    (void)provider;
    sso_form_add(form, "login_hint", wanted->login_hint);
    sso_form_add(form, "prompt", wanted->prompt);
}

/* Metadata (RFC 8414) has no agreed place at a provider of any kind: it is named, or there is
 * none. */
static sso_rc_e resolve(sso_ctx_t *ctx, sso_provider_t *provider)
{
    static const char *const kinds[] = { "authorization", "token", "userinfo" };
    const sso_config_t *config = provider->config;
    unsigned i;

    if (!strcasecmp(config->discovery, "on"))
        return sso_fail(ctx, SSO_MISCONFIG, 75, "EdxSSODiscovery on: an OAuth 2.0 server has no "
                        "agreed place for its metadata; give its URL, or off and EdxSSOEndpoint");
    if (strcasecmp(config->discovery, "off"))
        provider->metadata_url = config->discovery;
    for (i = provider->metadata_url ? SSO_COUNT(kinds) - 1 : 0; i < SSO_COUNT(kinds); i++)
        if (!config->endpoint || !apr_table_get(config->endpoint, kinds[i]))
            return sso_fail(ctx, SSO_MISCONFIG, 76, "EdxSSOEndpoint %s is missing: nothing else "
                            "says where it is", kinds[i]);
    return SSO_OK;
}

/* All that it says become claims; the id may also be given by EdxSSOClaimMap sub. */
static sso_rc_e identify(sso_ctx_t *ctx, const sso_provider_t *provider, const sso_wanted_t *wanted,
                         const sso_tokens_t *tokens, json_t **claims)
{
    const apr_table_t *map = provider->config->claim_map;
    json_t *profile, *id;
    const char *issuer;

    (void)wanted;
    SSO_TRY(get_profile(ctx, provider, NULL, tokens, &profile));
    id = json_object_get(profile, "sub");
    id = id && !json_is_null(id) ? id : json_object_get(profile, "id");
    if (!id && map && apr_table_get(map, "sub")) {
        SSO_TRY(issuer_of(ctx, provider, &issuer));
        json_object_set_new(profile, "iss", json_string(issuer));
    }
    else
        SSO_TRY(set_subject(ctx, provider, id, profile));
    *claims = profile;
    return SSO_OK;
}

static const sso_preset_t oauth2_presets[] = {
    { SSO_OPTION_discovery, "off" },
    { SSO_OPTION_nonce, "off" }, /* there is no id_token to repeat it */
    { -1, NULL }
};

static const sso_need_t oauth2_needs[] = {
    { SSO_OPTION_client_id, "the client id that the provider gave this site" },
    { -1, NULL }
};

const sso_kind_t sso_kind_oauth2 = {
    "oauth2", "OAuth 2.0", oauth2_presets, oauth2_needs, SSO_KID_SELECTS, user_id_claims,
    resolve, authorize, sso_oidc_redeem, identify, sso_oidc_logout, sso_oidc_user, NULL, NULL,
    NULL, NULL
};

/* ---- GitHub: the key is the numeric id, because a login can be given up and taken by others */

static sso_rc_e github_resolve(sso_ctx_t *ctx, sso_provider_t *provider)
{
    (void)ctx;
    provider->endpoint[SSO_ENDPOINT_AUTHORIZATION] = "https://github.com/login/oauth/authorize";
    provider->endpoint[SSO_ENDPOINT_TOKEN] = "https://github.com/login/oauth/access_token";
    provider->endpoint[SSO_ENDPOINT_USERINFO] = "https://api.github.com/user";
    return SSO_OK;
}

static void github_authorize(const sso_provider_t *provider, const sso_wanted_t *wanted,
                             sso_form_t *form)
{
    (void)provider;
    sso_form_add(form, "login", wanted->login_hint);
    sso_form_add(form, "prompt", wanted->prompt);
}

/*
 * The primary address, if it is verified; no other will do. The profile's own `email` is what the
 * user shows to the world, and is not looked at. Without the scope there is no address.
 */
static sso_rc_e github_email(sso_ctx_t *ctx, const sso_provider_t *provider,
                             const sso_tokens_t *tokens, json_t *claims)
{
    sso_call_t call = { .what = "e-mail addresses" };
    json_t *list, *entry;
    sso_reply_t reply;
    size_t i;

    if (sso_provider_endpoint(ctx, provider, SSO_ENDPOINT_EMAILS, &call.url) != SSO_OK) {
        SSO_TRY(sso_provider_endpoint(ctx, provider, SSO_ENDPOINT_USERINFO, &call.url));
        call.url = apr_pstrcat(ctx->pool, call.url, "/emails", NULL);
    }
    SSO_TRY(ask(ctx, provider, &call, tokens, &reply));
    if (reply.status == 403 || reply.status == 404) {
        sso_log(ctx, SSO_LOG_INFO, 417, "%s: GitHub does not show the e-mail addresses (status "
                "%d): no claim email; the scope for them is user:email", provider->name,
                reply.status);
        return SSO_OK;
    }
    if (reply.status != 200)
        return sso_fail(ctx, SSO_UPSTREAM, 418, "e-mail addresses: status %d", reply.status);
    if (sso_json_parse_list(ctx, "e-mail addresses", reply.body, reply.length, &list) != SSO_OK)
        return unusable(ctx);
    json_array_foreach(list, i, entry) {
        const char *email = sso_json_text(entry, "email");

        if (email && sso_json_true(entry, "primary") && sso_json_true(entry, "verified")) {
            json_object_set_new(claims, "email", json_string(email));
            json_object_set_new(claims, "email_verified", json_true());
            break;
        }
    }
    return SSO_OK;
}

static sso_rc_e github_identify(sso_ctx_t *ctx, const sso_provider_t *provider,
                                const sso_wanted_t *wanted, const sso_tokens_t *tokens,
                                json_t **claims)
{
    static const member_t members[] = {
        { "preferred_username", "login" }, { "name", "name" }, { "picture", "avatar_url" },
        { "profile", "html_url" }, { NULL, NULL }
    };
    json_t *profile, *made;

    (void)wanted;
    SSO_TRY(get_profile(ctx, provider, NULL, tokens, &profile));
    SSO_TRY(new_claims(ctx, &made));
    SSO_TRY(set_subject(ctx, provider, json_object_get(profile, "id"), made));
    take(profile, members, made);
    SSO_TRY(github_email(ctx, provider, tokens, made));
    *claims = made;
    return SSO_OK;
}

static const sso_preset_t github_presets[] = {
    /* the first is part of the user's name; the other is what its metadata says */
    { SSO_OPTION_issuer, "https://github.com https://github.com/login/oauth" },
    { SSO_OPTION_scope, "read:user user:email" },
    { SSO_OPTION_nonce, "off" },
    { -1, NULL }
};

static const sso_need_t github_needs[] = {
    { SSO_OPTION_client_id, "the Client ID of the OAuth app, at GitHub under Settings, Developer "
                            "settings, OAuth Apps" },
    { -1, NULL }
};

const sso_kind_t sso_kind_github = {
    "github", "GitHub", github_presets, github_needs, SSO_KID_SELECTS, user_id_claims,
    github_resolve, github_authorize, sso_oidc_redeem, github_identify, sso_oidc_logout,
    sso_oidc_user, NULL, NULL, NULL, NULL
};

/* ---- Facebook: every call with a token has to prove that the app's secret is known */

static sso_rc_e facebook_resolve(sso_ctx_t *ctx, sso_provider_t *provider)
{
    if (!sso_secret_first(provider->config->client_secret))
        return sso_fail(ctx, SSO_MISCONFIG, 77, "EdxSSOClientSecret is missing: Facebook's profile "
                        "is asked for with a proof made of the app's secret");
    provider->endpoint[SSO_ENDPOINT_AUTHORIZATION] = "https://www.facebook.com/v24.0/dialog/oauth";
    provider->endpoint[SSO_ENDPOINT_TOKEN] = "https://graph.facebook.com/v24.0/oauth/access_token";
    provider->endpoint[SSO_ENDPOINT_USERINFO] = "https://graph.facebook.com/v24.0/me";
    return SSO_OK;
}

static void facebook_authorize(const sso_provider_t *provider, const sso_wanted_t *wanted,
                               sso_form_t *form)
{
    (void)provider;
    if (wanted->prompt && !strcmp(wanted->prompt, "login"))
        sso_form_add(form, "auth_type", "reauthenticate");
}

static sso_rc_e facebook_identify(sso_ctx_t *ctx, const sso_provider_t *provider,
                                  const sso_wanted_t *wanted, const sso_tokens_t *tokens,
                                  json_t **claims)
{
    static const member_t members[] = {
        { "name", "name" }, { "given_name", "first_name" }, { "family_name", "last_name" },
        { "email", "email" }, { NULL, NULL }
    }, picture[] = { { "picture", "url" }, { NULL, NULL } };
    const sso_secret_t *secret = sso_secret_first(provider->config->client_secret);
    sso_bytes_t key = { secret->text, secret->length };
    sso_form_t *form = sso_form_make(ctx->pool);
    json_t *profile, *made;
    const char *proof;

    (void)wanted;
    sso_form_add(form, "fields", FACEBOOK_FIELDS);
    if (tokens->access_token) {
        SSO_TRY(sso_hmac_sha256(ctx, key, tokens->access_token, &proof));
        sso_form_add(form, "appsecret_proof", proof);
    }
    SSO_TRY(get_profile(ctx, provider, sso_form_text(form), tokens, &profile));
    SSO_TRY(new_claims(ctx, &made));
    SSO_TRY(set_subject(ctx, provider, json_object_get(profile, "id"), made));
    take(profile, members, made);
    take(json_object_get(json_object_get(profile, "picture"), "data"), picture, made);
    *claims = made;
    return SSO_OK;
}

static const sso_preset_t facebook_presets[] = {
    /* the first is part of the user's name */
    { SSO_OPTION_issuer, "https://facebook.com https://www.facebook.com" },
    { SSO_OPTION_scope, "public_profile email" },
    { SSO_OPTION_nonce, "off" },
    { -1, NULL }
};

static const sso_need_t facebook_needs[] = {
    { SSO_OPTION_client_id, "the App ID, at developers.facebook.com under App settings, Basic" },
    { -1, NULL }
};

const sso_kind_t sso_kind_facebook = {
    "facebook", "Facebook", facebook_presets, facebook_needs, SSO_KID_SELECTS, user_id_claims,
    facebook_resolve, facebook_authorize, sso_oidc_redeem, facebook_identify, sso_oidc_logout,
    sso_oidc_user, NULL, NULL, NULL, NULL
};
