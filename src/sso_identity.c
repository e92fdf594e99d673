/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who somebody is, by the tokens that came for them. What a type is particular about is in
 * sso_kind_*.c, what a session is made of in sso_session.c.
 */
#include "sso_identity.h"

#include "sso_json.h"
#include "sso_photo.h"

#include <string.h>

/*
 * What was said about the sign-in itself holds for as long as the session does: a refreshed
 * id_token need not repeat it (OpenID Connect Core 12.2).
 */
static void add_lasting(const sso_claims_t *before, json_t *claims)
{
    static const char *const lasting[] = { "acr", "amr", "auth_time", "sid" };
    unsigned i;

    for (i = 0; i < SSO_COUNT(lasting); i++) {
        json_t *value = json_object_get(claims, lasting[i]) ? NULL
                                                            : sso_claim_json(before, lasting[i]);

        if (value)
            json_object_set_new(claims, lasting[i], value);
    }
}

sso_rc_e sso_identity_find(sso_ctx_t *ctx, const sso_site_t *site, const sso_provider_t *provider,
                           const sso_wanted_t *wanted, const sso_tokens_t *tokens,
                           sso_session_t **session)
{
    sso_session_t *found;
    sso_photo_t photo;
    json_t *claims;

    SSO_TRY(provider->kind->identify(ctx, provider, wanted, tokens, &claims));
    if (wanted->before)
        add_lasting(wanted->before, claims);
    sso_graph_add(ctx, provider, tokens, claims, &photo);
    SSO_TRY(sso_session_build_as(ctx, site, provider, claims,
                                 wanted->before ? SSO_IDMAP_PATIENT
                                                : wanted->tries ? SSO_IDMAP_ANEW : SSO_IDMAP_USUAL,
                                 &found));
    sso_photo_keep(ctx, site, found, &photo);
    *session = found;
    return SSO_OK;
}

static const char *of_size(sso_ctx_t *ctx, const char *what, const char *token)
{
    if (!token || strlen(token) <= SSO_SESSION_TOKEN_MAX)
        return token;
    sso_log(ctx, SSO_LOG_WARN, 1001, "the %s is over %d bytes long and is not kept", what,
            SSO_SESSION_TOKEN_MAX);
    return NULL;
}

static apr_time_t due_of(const sso_ctx_t *ctx, apr_interval_time_t margin,
                         const sso_tokens_t *tokens)
{
    apr_interval_time_t third = (tokens->expires - ctx->now) / 3;
    apr_time_t due = tokens->expires ? tokens->expires - (margin < third ? margin : third) : 0;

    return tokens->refresh_at && (!due || tokens->refresh_at < due) ? tokens->refresh_at : due;
}

void sso_identity_keep(sso_ctx_t *ctx, const sso_site_t *site, const sso_provider_t *provider,
                       const sso_tokens_t *tokens, sso_session_t *session)
{
    apr_interval_time_t margin = provider->config->token_refresh;
    sso_kept_t *kept = apr_pcalloc(ctx->pool, sizeof(*kept));

    kept->id = of_size(ctx, "id_token", tokens->id_token);
    if (margin || site->passes_tokens)
        kept->refresh = of_size(ctx, "refresh token", tokens->refresh_token);
    if (site->passes_tokens)
        kept->access = of_size(ctx, "access token", tokens->access_token);
    kept->got = ctx->now;
    kept->expires = session->access_expires = tokens->expires;
    session->refresh_due = margin && kept->refresh ? due_of(ctx, margin, tokens) : 0;
    session->kept = kept->id || kept->refresh || kept->access ? kept : NULL;
}
