/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any OpenID provider (OpenID Connect Core and Discovery), and those that are one with a word or
 * two of their own: each is a row at the end.
 */
#include "sso_kind_oidc.h"

#include "sso_aggregate.h"
#include "sso_id_token.h"
#include "sso_json.h"
#include "sso_url.h"

#include <apr_strings.h>
#include <string.h>

#define WELL_KNOWN "/.well-known/openid-configuration"

static const char *const user_id_claims[] = { "sub", NULL };

/* Discovery 4.1: a slash at the end of the issuer is removed first */
static const char *well_known(apr_pool_t *pool, const char *issuer)
{
    apr_size_t length = strlen(issuer);

    while (length && issuer[length - 1] == '/')
        length--;
    return apr_pstrcat(pool, apr_pstrmemdup(pool, issuer, length), WELL_KNOWN, NULL);
}

/* HS256 by the client secret (OIDC Core 10.1): only where it was asked for by name. */
static sso_rc_e add_secret_key(sso_ctx_t *ctx, sso_provider_t *provider)
{
    const sso_secret_t *secret = sso_secret_first(provider->config->client_secret);
    const apr_array_header_t *list = provider->config->algorithms;
    sso_keys_t *key;
    int i, wanted = 0;

    for (i = 0; list && i < list->nelts; i++)
        wanted |= !strncmp(APR_ARRAY_IDX(list, i, const char *), "HS", 2);
    if (!wanted || provider->config->jws_hmac_key)
        return SSO_OK;
    if (!secret)
        return sso_fail(ctx, SSO_MISCONFIG, 61, "EdxSSOAlgorithms: HS256 needs the client secret "
                        "as its key, and there is no EdxSSOClientSecret");
    SSO_TRY(sso_within(ctx, sso_keys_from_secret(ctx, ctx->pool, secret->text, secret->length,
                                                 &key), "EdxSSOClientSecret as key for HS256"));
    provider->keys = sso_keys_join(ctx->pool, provider->keys, key);
    return SSO_OK;
}

/* Without discovery everything has to be said. */
static sso_rc_e check_endpoints(sso_ctx_t *ctx, const sso_provider_t *provider)
{
    static const char *const kinds[] = { "authorization", "token" };
    const apr_table_t *set = provider->config->endpoint;
    unsigned i;

    for (i = 0; i < SSO_COUNT(kinds); i++)
        if (!set || !apr_table_get(set, kinds[i]))
            return sso_fail(ctx, SSO_MISCONFIG, 62, "EdxSSODiscovery is off, and there is no "
                            "EdxSSOEndpoint %s", kinds[i]);
    if (!provider->keys && !provider->endpoint[SSO_ENDPOINT_JWKS] && !apr_table_get(set, "jwks"))
        return sso_fail(ctx, SSO_MISCONFIG, 63, "EdxSSODiscovery is off, and nothing says how to "
                        "check tokens: give EdxSSOJWKS or EdxSSOEndpoint jwks");
    return SSO_OK;
}

sso_rc_e sso_oidc_resolve(sso_ctx_t *ctx, sso_provider_t *provider)
{
    const char *discovery = provider->config->discovery;

    SSO_TRY(add_secret_key(ctx, provider));
    if (!strcasecmp(discovery, "off"))
        return check_endpoints(ctx, provider);
    if (strcasecmp(discovery, "on"))
        provider->metadata_url = discovery;
    else if (provider->issuers)
        provider->metadata_url = well_known(ctx->pool,
                                            APR_ARRAY_IDX(provider->issuers, 0, const char *));
    return SSO_OK;
}

void sso_oidc_authorize(const sso_provider_t *provider, const sso_wanted_t *wanted,
                        sso_form_t *form)
{
    (void)provider;
    sso_form_add(form, "nonce", wanted->nonce);
    sso_form_add(form, "login_hint", wanted->login_hint);
    sso_form_add(form, "prompt", wanted->prompt);
    sso_form_add(form, "claims", wanted->claims);
    sso_form_add(form, "acr_values", wanted->acr);
}

void sso_oidc_redeem(const sso_provider_t *provider, sso_form_t *form)
{
    (void)provider;
    (void)form;
}

sso_rc_e sso_oidc_identify(sso_ctx_t *ctx, const sso_provider_t *provider,
                           const sso_wanted_t *wanted, const sso_tokens_t *tokens, json_t **claims)
{
    sso_jwt_t *jwt;

    SSO_TRY(sso_id_token_check(ctx, provider, wanted, tokens, &jwt));
    sso_aggregate(ctx, provider, sso_json_text(jwt->claims, "sub"), jwt->claims);
    SSO_TRY(sso_userinfo_add(ctx, provider, tokens, jwt->claims));
    *claims = jwt->claims;
    return SSO_OK;
}

/* OpenID Connect RP-Initiated Logout 2 */
const char *sso_oidc_logout(sso_ctx_t *ctx, const sso_provider_t *provider,
                            const sso_leaving_t *leaving)
{
    sso_form_t *form = sso_form_make(ctx->pool);
    const char *endpoint;

    if (sso_provider_endpoint(ctx, provider, SSO_ENDPOINT_END_SESSION, &endpoint) != SSO_OK) {
        sso_forgive(ctx); /* signed out here all the same */
        return NULL;
    }
    sso_form_add(form, "id_token_hint", leaving->id_token);
    sso_form_add(form, "logout_hint", leaving->login_hint);
    sso_form_add(form, "client_id", provider->config->client_id);
    sso_form_add(form, "post_logout_redirect_uri", leaving->return_url);
    sso_form_add(form, "state", leaving->state);
    return sso_url_with_query(ctx->pool, endpoint, sso_form_text(form));
}

/* sub is unique at its issuer only: the user is sub@host-of-issuer */
const char *sso_oidc_user(sso_ctx_t *ctx, const json_t *claims)
{
    const char *sub = sso_json_text(claims, "sub"), *issuer = sso_json_text(claims, "iss");
    sso_url_t url;

    if (!sub || !issuer)
        return NULL;
    if (sso_url_parse(ctx->pool, issuer, &url) != SSO_OK)
        return apr_pstrcat(ctx->pool, sub, "@", issuer, NULL);
    return apr_pstrcat(ctx->pool, sub, "@", url.host, NULL);
}

/* ---- rows */

static const sso_preset_t oidc_presets[] = {
    { SSO_OPTION_scope, "openid profile email" },
    { SSO_OPTION_discovery, "on" },
    { SSO_OPTION_nonce, "on" },
    { SSO_OPTION_userinfo, "on" },
    { -1, NULL }
};

static const sso_need_t oidc_needs[] = {
    { SSO_OPTION_issuer, "the provider's issuer URL, under which it has " WELL_KNOWN },
    { SSO_OPTION_client_id, "the client id that the provider gave this site" },
    { -1, NULL }
};

const sso_kind_t sso_kind_oidc = {
    "oidc", "OpenID Connect", oidc_presets, oidc_needs, SSO_KID_SELECTS, user_id_claims,
    sso_oidc_resolve, sso_oidc_authorize, sso_oidc_redeem, sso_oidc_identify, sso_oidc_logout,
    sso_oidc_user, NULL, NULL, NULL, NULL
};

static const sso_need_t keycloak_needs[] = {
    { SSO_OPTION_issuer, "the realm's URL, such as https://id.example.org/realms/campus (up to "
                         "Keycloak 16 with /auth before /realms)" },
    { SSO_OPTION_client_id, "the Client ID of this site's client in the realm" },
    { -1, NULL }
};

const sso_kind_t sso_kind_keycloak = {
    "keycloak", "Keycloak", oidc_presets, keycloak_needs, SSO_KID_SELECTS, user_id_claims,
    sso_oidc_resolve, sso_oidc_authorize, sso_oidc_redeem, sso_oidc_identify, sso_oidc_logout,
    sso_oidc_user, NULL, NULL, NULL, NULL
};

/* Google's tokens name their issuer with or without the scheme; the user is the same. */
static const char *google_user(sso_ctx_t *ctx, const json_t *claims)
{
    const char *sub = sso_json_text(claims, "sub");

    return sub ? apr_pstrcat(ctx->pool, sub, "@accounts.google.com", NULL) : NULL;
}

static const sso_preset_t google_presets[] = {
    { SSO_OPTION_issuer, "https://accounts.google.com" },
    { SSO_OPTION_scope, "openid profile email" },
    { SSO_OPTION_discovery, "on" },
    { SSO_OPTION_nonce, "on" },
    { SSO_OPTION_userinfo, "off" }, /* the id_token has it all */
    { -1, NULL }
};

static const sso_need_t google_needs[] = {
    { SSO_OPTION_client_id, "the Client ID of the OAuth client in Google Cloud's console, under "
                            "APIs and services, Credentials" },
    { -1, NULL }
};

static sso_rc_e google_issuer(sso_ctx_t *ctx, const sso_provider_t *provider, const sso_jwt_t *jwt)
{
    const char *issuer = sso_json_text(jwt->claims, "iss");

    if (!sso_list_has(provider->issuers, issuer) && strcmp(issuer, "accounts.google.com"))
        return sso_fail(ctx, SSO_DENIED, 482, "id_token: issuer '%.200s' is not Google", issuer);
    return SSO_OK;
}

const sso_kind_t sso_kind_google = {
    "google", "Google", google_presets, google_needs, SSO_KID_SELECTS, user_id_claims,
    sso_oidc_resolve, sso_oidc_authorize, sso_oidc_redeem, sso_oidc_identify, sso_oidc_logout,
    google_user, google_issuer, NULL, NULL, NULL
};
