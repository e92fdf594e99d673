/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens for the app behind (EdxSSOPassToken, EdxSSOAuthorizationHeader).
 */
#include "sso_pass.h"

#include <apr_strings.h>
#include <string.h>

static const struct {
    const char *word, *variable;
    apr_size_t offset;
} passed[] = {
    { "access", "EDXSSO_ACCESS_TOKEN", offsetof(sso_kept_t, access) },
    { "id", "EDXSSO_ID_TOKEN", offsetof(sso_kept_t, id) },
    { "refresh", "EDXSSO_REFRESH_TOKEN", offsetof(sso_kept_t, refresh) },
};

static int passes_any(const sso_config_t *place)
{
    return place->authorization_header != SSO_AUTHORIZATION_OFF
           || (place->pass_token && !sso_list_has(place->pass_token, "none"));
}

int sso_pass_needs(const sso_config_t *place)
{
    return place->authorization_header != SSO_AUTHORIZATION_OFF
           || sso_list_has(place->pass_token, "access");
}

const sso_kept_t *sso_pass_find(sso_ctx_t *ctx, const sso_request_t *request,
                                const sso_found_t *found)
{
    const sso_kept_t *kept = NULL;
    sso_kept_t *good;

    if (!passes_any(request->place))
        return NULL;
    if (found->token) { /* the request itself came with it: it has been judged */
        good = apr_pcalloc(ctx->pool, sizeof(*good));
        good->access = found->token;
        return good;
    }
    if (sso_session_tokens(ctx, request->site, found->session, &kept) != SSO_OK)
        return NULL;
    good = apr_pmemdup(ctx->pool, kept, sizeof(*kept));
    if (good->expires && good->expires <= ctx->now)
        good->access = NULL;
    return good;
}

/* A token is visible ASCII (RFC 6750 2.1, RFC 6749 A.12): nothing that could end a header. */
static int is_clean(const char *token)
{
    for (; *token; token++)
        if (*token < 0x20 || *token > 0x7e)
            return 0;
    return 1;
}

static const char *clean(sso_ctx_t *ctx, const char *what, const char *token)
{
    if (!token || is_clean(token))
        return token;
    sso_log(ctx, SSO_LOG_WARN, 1008, "the %s has characters that no token may have, and is not "
            "handed to the app", what);
    return NULL;
}

void sso_pass_export(sso_ctx_t *ctx, const sso_kept_t *tokens, const sso_config_t *place,
                     apr_table_t *env, apr_table_t *headers)
{
    const char *access;
    unsigned i;

    for (i = 0; tokens && i < SSO_COUNT(passed); i++) {
        const char *token = *(const char *const *)((const char *)tokens + passed[i].offset);

        if (!sso_list_has(place->pass_token, passed[i].word))
            continue;
        token = clean(ctx, passed[i].variable, token);
        if (token)
            apr_table_setn(env, passed[i].variable, token);
    }
    if (place->authorization_header == SSO_AUTHORIZATION_OFF)
        return;
    access = tokens ? clean(ctx, "access token", tokens->access) : NULL;
    if (access)
        apr_table_setn(headers, "Authorization",
                       apr_pstrcat(ctx->pool, place->authorization_header == SSO_AUTHORIZATION_JWT
                                                  ? "JWT " : "Bearer ", access, NULL));
    else
        apr_table_unset(headers, "Authorization");
}
