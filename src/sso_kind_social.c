/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OpenID providers for everybody that have ways of their own: LinkedIn and Apple, a row each. Those
 * without an id_token are in sso_kind_oauth2.c.
 */
#include "sso_json.h"
#include "sso_kind_oidc.h"

#include <apr_strings.h>
#include <string.h>
#include <strings.h>

#define NAME_MAX_BYTES 255

static const char *const user_id_claims[] = { "sub", NULL };

/* ---- LinkedIn: repeats no nonce, refuses PKCE and Basic, and has had two issuers */

static const sso_preset_t linkedin_presets[] = {
    /* the first is where its metadata is */
    { SSO_OPTION_issuer, "https://www.linkedin.com/oauth https://www.linkedin.com" },
    { SSO_OPTION_scope, "openid profile email" },
    { SSO_OPTION_discovery, "on" },
    { SSO_OPTION_nonce, "off" },
    { SSO_OPTION_pkce, "off" },
    { SSO_OPTION_userinfo, "on" },
    { -1, NULL }
};

static const sso_need_t linkedin_needs[] = {
    { SSO_OPTION_client_id, "the Client ID of the app, at linkedin.com/developers under Auth" },
    { -1, NULL }
};

const sso_kind_t sso_kind_linkedin = {
    "linkedin", "LinkedIn", linkedin_presets, linkedin_needs, SSO_KID_SELECTS, user_id_claims,
    sso_oidc_resolve, sso_oidc_authorize, sso_oidc_redeem, sso_oidc_identify, sso_oidc_logout,
    sso_oidc_user, NULL, NULL, NULL, NULL
};

/* ---- Apple: posts its answer when anything but openid is asked for */

static sso_rc_e apple_resolve(sso_ctx_t *ctx, sso_provider_t *provider)
{
    const sso_config_t *config = provider->config;

    if (config->response_mode != SSO_RESPONSE_FORM_POST
        && (sso_list_has(config->scope, "name") || sso_list_has(config->scope, "email")))
        return sso_fail(ctx, SSO_MISCONFIG, 78, "EdxSSOResponseMode query: Apple refuses it when "
                        "the scopes name or email are asked for; leave it out, or EdxSSOScope "
                        "openid alone");
    return sso_oidc_resolve(ctx, provider);
}

/* "true" and true are the same at Apple. */
static void settle_truth(json_t *claims, const char *name)
{
    const char *text = sso_json_text(claims, name);

    if (text && (!strcmp(text, "true") || !strcmp(text, "false")))
        json_object_set_new(claims, name, json_boolean(!strcmp(text, "true")));
}

static void set_absent(json_t *claims, const char *name, const char *text)
{
    if (text && strlen(text) <= NAME_MAX_BYTES && !json_object_get(claims, name))
        json_object_set_new(claims, name, json_string(text));
}

/*
 * The user's name comes once, at the first consent, beside the code, and nobody signed it: it is
 * what the user calls himself, and nothing else is taken from there.
 */
static void add_name(sso_ctx_t *ctx, const char *profile, json_t *claims)
{
    const char *first, *last;
    const json_t *name;
    json_t *said;

    if (!profile)
        return;
    if (sso_json_parse(ctx, "user", profile, strlen(profile), &said) != SSO_OK) {
        sso_forgive(ctx);
        return;
    }
    name = json_object_get(said, "name");
    first = sso_json_text(name, "firstName");
    last = sso_json_text(name, "lastName");
    set_absent(claims, "given_name", first);
    set_absent(claims, "family_name", last);
    set_absent(claims, "name", first && last ? apr_pstrcat(ctx->pool, first, " ", last, NULL)
                                             : first ? first : last);
}

static sso_rc_e apple_identify(sso_ctx_t *ctx, const sso_provider_t *provider,
                               const sso_wanted_t *wanted, const sso_tokens_t *tokens,
                               json_t **claims)
{
    json_t *found;

    SSO_TRY(sso_oidc_identify(ctx, provider, wanted, tokens, &found));
    settle_truth(found, "email_verified");
    settle_truth(found, "is_private_email");
    add_name(ctx, wanted->profile, found);
    *claims = found;
    return SSO_OK;
}

static const sso_preset_t apple_presets[] = {
    { SSO_OPTION_issuer, "https://appleid.apple.com" },
    { SSO_OPTION_scope, "openid name email" },
    { SSO_OPTION_discovery, "on" },
    { SSO_OPTION_nonce, "on" },
    { SSO_OPTION_userinfo, "off" }, /* there is none */
    { SSO_OPTION_response_mode, "form_post" },
    { -1, NULL }
};

static const sso_need_t apple_needs[] = {
    { SSO_OPTION_client_id, "the identifier of the Services ID, at developer.apple.com under "
                            "Certificates, Identifiers and Profiles" },
    { SSO_OPTION_client_secret, "a JWT signed with the key of Sign in with Apple, as "
                                "file:/path or exec:/path" },
    { -1, NULL }
};

const sso_kind_t sso_kind_apple = {
    "apple", "Apple", apple_presets, apple_needs, SSO_KID_SELECTS, user_id_claims,
    apple_resolve, sso_oidc_authorize, sso_oidc_redeem, apple_identify, sso_oidc_logout,
    sso_oidc_user, NULL, NULL, NULL, NULL
};
