/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sessions built from claims. Where they are kept is sso_session_kept.c's.
 */
#include "sso_session.h"

#include "sso_json.h"

#include <apr_strings.h>
#include <string.h>

/* ---- building ---- */

/* A claim as one text: a string, or a number's digits. */
static const char *claim_text(sso_ctx_t *ctx, const json_t *claims, const char *name)
{
    const json_t *value = json_object_get(claims, name);

    if (json_is_string(value))
        return json_string_length(value) ? json_string_value(value) : NULL;
    return json_is_integer(value)
               ? apr_psprintf(ctx->pool, "%" APR_INT64_T_FMT,
                              (apr_int64_t)json_integer_value(value))
               : NULL;
}

static int has_control(const char *text)
{
    for (; *text; text++) {
        unsigned char a = (unsigned char)text[0], b = (unsigned char)text[1];

        if (a < 0x20 || a == 0x7f || (a == 0xc2 && b >= 0x80 && b < 0xa0)) /* C0, DEL, C1 */
            return 1;
    }
    return 0;
}

/* For the page: what the user can ask for. */
static void note_missing(sso_ctx_t *ctx, const char *name)
{
    ctx->err.say.text = SSO_T("What is missing: %s.");
    ctx->err.say.value = name;
}

static void map_claims(const sso_provider_t *provider, json_t *claims)
{
    const apr_array_header_t *rows = provider->config->claim_map
                                         ? apr_table_elts(provider->config->claim_map) : NULL;
    int i;

    for (i = 0; rows && i < rows->nelts; i++) {
        const apr_table_entry_t *row = &APR_ARRAY_IDX(rows, i, apr_table_entry_t);
        const json_t *found = sso_claim_path(claims, row->val);

        if (found)
            json_object_set_new(claims, row->key, json_deep_copy(found));
    }
}

static sso_rc_e pick_texts(sso_ctx_t *ctx, const sso_provider_t *provider, const json_t *claims,
                           sso_session_t *session)
{
    const char *const *name;
    const char *user_claim = provider->config->remote_user;

    session->provider = provider->name;
    session->tag = provider->tag;
    session->remote_user = user_claim ? claim_text(ctx, claims, user_claim)
                                      : provider->kind->user(ctx, claims);
    if (!user_claim)
        user_claim = provider->kind->user_id_claims[0];
    if (!session->remote_user) {
        note_missing(ctx, user_claim);
        return sso_fail(ctx, SSO_DENIED, 602, "the claim '%s', which is to become the user name "
                        "(EdxSSORemoteUser), is missing or not a text", user_claim);
    }
    if (has_control(session->remote_user))
        return sso_fail(ctx, SSO_BAD_INPUT, 603, "the claim '%s' has control characters: it cannot "
                        "be a user name", user_claim);
    session->username = claim_text(ctx, claims, "preferred_username");
    for (name = provider->kind->user_id_claims; *name && !session->user_id; name++)
        session->user_id = claim_text(ctx, claims, *name);
    session->email = claim_text(ctx, claims, "email");
    session->name = claim_text(ctx, claims, "name");
    session->tenant = claim_text(ctx, claims, "tid");
    return SSO_OK;
}

/* They are the claims', which go. */
static void own_texts(apr_pool_t *pool, sso_session_t *session)
{
    const char **texts[] = {
        &session->remote_user, &session->username, &session->user_id, &session->email,
        &session->name, &session->tenant, &session->issuer, &session->subject, &session->sid
    };
    unsigned i;

    for (i = 0; i < SSO_COUNT(texts); i++)
        *texts[i] = apr_pstrdup(pool, *texts[i]);
}

sso_rc_e sso_session_build(sso_ctx_t *ctx, const sso_site_t *site, const sso_provider_t *provider,
                           const json_t *claims, sso_session_t **session)
{
    const apr_array_header_t *required = provider->config->require_claim;
    sso_session_t *made = apr_pcalloc(ctx->pool, sizeof(*made));
    json_t *mapped = json_deep_copy(claims);
    sso_rc_e rc;
    int i;

    made->issuer = sso_json_text(claims, "iss"); /* as the provider means them, not as mapped */
    made->subject = sso_json_text(claims, "sub");
    made->sid = sso_json_text(claims, "sid");
    map_claims(provider, mapped);
    rc = pick_texts(ctx, provider, mapped, made);
    for (i = 0; rc == SSO_OK && required && i < required->nelts; i++) {
        const char *name = APR_ARRAY_IDX(required, i, const char *);
        const json_t *value = sso_claim_path(mapped, name);

        if (!value || json_is_null(value)
            || (json_is_string(value) && !json_string_length(value))) {
            note_missing(ctx, name);
            rc = sso_fail(ctx, SSO_DENIED, 604, "the claim '%s' is missing (EdxSSORequireClaim)",
                          name);
        }
    }
    if (rc == SSO_OK)
        rc = sso_revoke_person(ctx, site, provider->tag, made->subject, made->person);
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
