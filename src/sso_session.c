/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sessions built from claims. Where they are kept is sso_session_kept.c's.
 */
#include "sso_session.h"

#include "sso_json.h"
#include "sso_user.h"

#include <apr_strings.h>
#include <string.h>

/* ---- building ---- */

/* Who it is: as the ID mapping says, else by the claims. */
static sso_rc_e pick_user(sso_ctx_t *ctx, const sso_site_t *site, const sso_provider_t *provider,
                          const json_t *claims, sso_idmap_mode_e mode, sso_session_t *session)
{
    sso_idmap_row_t row;

    SSO_TRY(sso_idmap_join(ctx, site, provider, claims, mode, &row));
    session->username = row.username ? row.username
                                     : sso_user_text(ctx, claims, "preferred_username");
    session->remote_user = row.username;
    session->remote_id = row.remote_id;
    return row.username ? SSO_OK : sso_user_name(ctx, provider, claims, &session->remote_user);
}

static void pick_texts(sso_ctx_t *ctx, const sso_provider_t *provider, const json_t *claims,
                       sso_session_t *session)
{
    const char *const *name;

    session->provider = provider->name;
    session->tag = provider->tag;
    for (name = provider->kind->user_id_claims; *name && !session->user_id; name++)
        session->user_id = sso_user_text(ctx, claims, *name);
    session->email = sso_user_text(ctx, claims, "email");
    session->name = sso_user_text(ctx, claims, "name");
    if (provider->kind == &sso_kind_entra) /* anybody else could write what they like there */
        session->tenant = sso_user_text(ctx, claims, "tid");
}

/* They are the claims', which go. */
static void own_texts(apr_pool_t *pool, sso_session_t *session)
{
    const char **texts[] = {
        &session->remote_user, &session->username, &session->user_id, &session->email,
        &session->name, &session->tenant, &session->remote_id, &session->issuer,
        &session->subject, &session->sid
    };
    unsigned i;

    for (i = 0; i < SSO_COUNT(texts); i++)
        *texts[i] = apr_pstrdup(pool, *texts[i]);
}

sso_rc_e sso_session_build_as(sso_ctx_t *ctx, const sso_site_t *site,
                              const sso_provider_t *provider, const json_t *claims,
                              sso_idmap_mode_e mode, sso_session_t **session)
{
    sso_session_t *made = apr_pcalloc(ctx->pool, sizeof(*made));
    json_t *mapped = sso_user_map(ctx, provider, claims);
    sso_rc_e rc;

    made->issuer = sso_json_text(claims, "iss"); /* as the provider means them, not as mapped */
    made->subject = sso_json_text(claims, "sub");
    made->sid = sso_json_text(claims, "sid");
    pick_texts(ctx, provider, mapped, made);
    rc = pick_user(ctx, site, provider, mapped, mode, made);
    if (rc == SSO_OK)
        rc = sso_user_require(ctx, provider, mapped);
    if (rc == SSO_OK)
        rc = sso_claims_flatten(ctx, mapped, &made->claims);
    if (rc == SSO_OK) {
        own_texts(ctx->pool, made);
        made->started = ctx->now;
        made->ends = ctx->now + site->config->session_max;
        made->idle_ends = ctx->now + site->config->session_idle;
        *session = made;
    }
    json_decref(mapped);
    return rc;
}

sso_rc_e sso_session_build(sso_ctx_t *ctx, const sso_site_t *site, const sso_provider_t *provider,
                           const json_t *claims, sso_session_t **session)
{
    return sso_session_build_as(ctx, site, provider, claims, SSO_IDMAP_USUAL, session);
}
