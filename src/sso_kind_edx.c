/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An Open edX LMS: an OAuth 2.0 server (RFC 6749) whose access token, asked for as a JWT, says who
 * signed in. It publishes neither metadata nor keys, puts one audience into all its tokens, and
 * signs them with RS512 or, unless told otherwise, with a secret it shares with other services.
 */
#include "sso_metadata.h"
#include "sso_token.h"

#include "sso_json.h"

#include <apr_strings.h>
#include <string.h>

#define VERSION_MAJOR_MAX 1 /* of the claims: what this code was written against is 1.2.0 */

static const sso_preset_t presets[] = {
    { SSO_OPTION_scope, "user_id profile email" },
    { SSO_OPTION_remote_user, "preferred_username" },
    { SSO_OPTION_nonce, "off" }, /* an access token has no place for one */
    { -1, NULL }
};

static const sso_need_t needs[] = {
    { SSO_OPTION_url_root, "the LMS's root as this server reaches it, such as http://lms:8000" },
    { SSO_OPTION_client_id, "the Client id of this site's application in the LMS's admin, under "
                            "Django OAuth Toolkit, Applications" },
    { -1, NULL }
};

static const char *const user_id_claims[] = { "user_id", "sub", NULL };

static sso_rc_e resolve(sso_ctx_t *ctx, sso_provider_t *provider)
{
    const sso_config_t *config = provider->config;
    const char *root = config->url_root;
    const char *public_root = config->public_url_root ? config->public_url_root : root;

    provider->endpoint[SSO_ENDPOINT_AUTHORIZATION] =
        apr_pstrcat(ctx->pool, public_root, "/oauth2/authorize", NULL);
    provider->endpoint[SSO_ENDPOINT_TOKEN] =
        apr_pstrcat(ctx->pool, root, "/oauth2/access_token", NULL);
    provider->endpoint[SSO_ENDPOINT_END_SESSION] =
        apr_pstrcat(ctx->pool, public_root, "/logout", NULL);
    provider->endpoint[SSO_ENDPOINT_INTROSPECTION] =
        apr_pstrcat(ctx->pool, root, "/_o/introspect/", NULL);
    provider->endpoint[SSO_ENDPOINT_REVOCATION] =
        apr_pstrcat(ctx->pool, root, "/oauth2/revoke_token/", NULL);
    if (!provider->issuers) {
        apr_array_header_t *issuers = apr_array_make(ctx->pool, 1, sizeof(const char *));

        APR_ARRAY_PUSH(issuers, const char *) =
            apr_pstrcat(ctx->pool, public_root, "/oauth2", NULL);
        provider->issuers = issuers;
    }
    if (!strcasecmp(config->discovery, "on"))
        provider->metadata_url = apr_pstrcat(ctx->pool, root,
                                             "/oauth2/.well-known/openid-configuration", NULL);
    else if (strcasecmp(config->discovery, "off"))
        provider->metadata_url = config->discovery;
    if (config->sign_in && !provider->keys && !provider->endpoint[SSO_ENDPOINT_JWKS]
        && !provider->metadata_url
        && !config->trust_token_endpoint
        && !(config->endpoint && apr_table_get(config->endpoint, "jwks")))
        return sso_fail(ctx, SSO_MISCONFIG, 49, "nothing says how to check the LMS's tokens: give "
                        "its public keys by EdxSSOJWKS (JWT_AUTH['JWT_PUBLIC_SIGNING_JWK_SET'] of "
                        "the LMS's settings), or its secret by EdxSSOJWSHMACKey (JWT_SECRET_KEY), "
                        "or EdxSSODiscovery on for an LMS that publishes them");
    return SSO_OK;
}

static void authorize(const sso_provider_t *provider, const sso_wanted_t *wanted, sso_form_t *form)
{
    sso_form_add(form, "tpa_hint",
                 wanted->tpa_hint ? wanted->tpa_hint : provider->config->tpa_hint);
}

/* A token is opaque unless token_type says jwt, and HS256 unless asymmetric_jwt is there. */
static void redeem(const sso_provider_t *provider, sso_form_t *form)
{
    (void)provider;
    sso_form_add(form, "token_type", "jwt");
    sso_form_add(form, "asymmetric_jwt", "true");
}

/* A token of a later major version may mean something else by the same names. None is 1.0.0. */
static sso_rc_e check_version(sso_ctx_t *ctx, const char *what, const json_t *claims)
{
    const json_t *version = json_object_get(claims, "version");
    const char *text = json_string_value(version);
    char *rest;

    if (!version)
        return SSO_OK;
    if (!text || apr_strtoi64(text, &rest, 10) < 0 || rest == text || (*rest && *rest != '.'))
        return sso_fail(ctx, SSO_BAD_INPUT, 450, "%s: its version is not of the form 1.2.0", what);
    if (apr_strtoi64(text, NULL, 10) > VERSION_MAJOR_MAX)
        return sso_fail(ctx, SSO_DENIED, 451, "%s: version %s of the LMS's claims is not known "
                        "here; a newer mod_auth_edxsso may know it", what, text);
    return SSO_OK;
}

static sso_rc_e identify(sso_ctx_t *ctx, const sso_provider_t *provider, const sso_wanted_t *wanted,
                         const sso_tokens_t *tokens, json_t **claims)
{
    sso_claim_rules_t rules = { "access token", provider->issuers, provider->config->audience,
                                provider->config->clock_skew };
    sso_jwt_t *jwt;

    (void)wanted;
    if (!tokens->access_token || !sso_jwt_looks(tokens->access_token))
        return sso_fail(ctx, SSO_UPSTREAM, 452, "the token endpoint gave an opaque token although "
                        "a JWT was asked for: it does not know token_type=jwt, or "
                        "EdxSSOURLRoot is not the LMS's root");
    SSO_TRY(sso_token_verify(ctx, provider, rules.what, tokens->access_token, tokens->direct,
                             &jwt));
    SSO_TRY(sso_token_judge(ctx, &rules, jwt->claims));
    SSO_TRY(check_version(ctx, rules.what, jwt->claims));
    if (!sso_json_text(jwt->claims, "sub"))
        return sso_fail(ctx, SSO_BAD_INPUT, 453, "%s: it has no sub", rules.what);
    *claims = jwt->claims;
    return SSO_OK;
}

/*
 * What edX's own verifier refuses beside what every token has to be. A restricted application's
 * token verifies as any other, and may be used for nearly nothing.
 */
static sso_rc_e judge_bearer(sso_ctx_t *ctx, const sso_provider_t *provider, const json_t *claims)
{
    const json_t *restricted = json_object_get(claims, "is_restricted");

    SSO_TRY(check_version(ctx, "bearer token", claims));
    if (restricted && !json_is_false(restricted) && !json_is_null(restricted)
        && provider->config->restricted == SSO_RESTRICTED_DENY)
        return sso_fail(ctx, SSO_DENIED, 1123, "it is a restricted application's "
                        "token (EdxSSORestricted)");
    return SSO_OK;
}

/* The LMS honours redirect_url only where it is part of a redirect URI of the client's. */
static const char *logout(sso_ctx_t *ctx, const sso_provider_t *provider,
                          const sso_leaving_t *leaving)
{
    sso_form_t *form = sso_form_make(ctx->pool);

    sso_form_add(form, "client_id", provider->config->client_id);
    sso_form_add(form, "redirect_url", leaving->return_url);
    return sso_url_with_query(ctx->pool, provider->endpoint[SSO_ENDPOINT_END_SESSION],
                              sso_form_text(form));
}

const sso_kind_t sso_kind_edx = {
    "edx", "Open edX", presets, needs, SSO_KID_ORDERS, user_id_claims,
    resolve, authorize, redeem, identify, logout, NULL, NULL, NULL, judge_bearer, NULL
};
