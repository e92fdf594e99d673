/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who somebody is, by the tokens that came for them. What a type is particular about is in
 * sso_kind_*.c, what a session is made of in sso_session.c.
 */
#include "sso_identity.h"

#include "sso_photo.h"

#include <string.h>

sso_rc_e sso_identity_find(sso_ctx_t *ctx, const sso_site_t *site, const sso_provider_t *provider,
                           const sso_wanted_t *wanted, const sso_tokens_t *tokens,
                           sso_session_t **session)
{
    sso_session_t *found;
    sso_photo_t photo;
    json_t *claims;

    SSO_TRY(provider->kind->identify(ctx, provider, wanted, tokens, &claims));
    sso_graph_add(ctx, provider, tokens, claims, &photo);
    SSO_TRY(sso_session_build(ctx, site, provider, claims, &found));
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

void sso_identity_keep(sso_ctx_t *ctx, const sso_tokens_t *tokens, sso_session_t *session)
{
    sso_kept_t *kept = apr_pcalloc(ctx->pool, sizeof(*kept));

    kept->id = of_size(ctx, "id_token", tokens->id_token);
    kept->got = ctx->now;
    kept->expires = session->access_expires = tokens->expires;
    session->kept = kept->id ? kept : NULL;
}
