/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of credentials, and the one that everybody has: the session.
 */
#include "sso_pass.h"
#include "sso_refresh.h"

#include <string.h>

static sso_rc_e session_find(sso_ctx_t *ctx, const sso_request_t *request, sso_found_t *found)
{
    const char *background = apr_table_get(request->headers, "X-Edxsso-Background");
    const sso_session_t *session;
    const char *id;

    found->why = SSO_T("no session cookie came with the request");
    if (sso_request_cookie(ctx, request, SSO_COOKIE_SESSION, &id) != SSO_OK)
        return SSO_ABSENT;
    found->why = SSO_T("the session has ended");
    SSO_TRY(sso_request_session_of(ctx, request, id, !background || strcmp(background, "1"),
                                   &session));
    if (request->place->use && !sso_list_has(request->place->use, session->provider)) {
        found->why = SSO_T("the provider of the session is not accepted here (EdxSSOUse)");
        return SSO_ABSENT;
    }
    if (sso_refresh_is_due(ctx, session)) {
        found->why = SSO_T("the sign-in service has ended the session");
        SSO_TRY(sso_refresh(ctx, request, sso_pass_needs(request->place) ? SSO_REFRESH_NEEDS
                                                                         : SSO_REFRESH_CALM,
                            &session));
    }
    found->session = session;
    return SSO_OK;
}

static const struct {
    const char *name; /* as EdxSSOCredentials has it */
    sso_rc_e (*find)(sso_ctx_t *ctx, const sso_request_t *request, sso_found_t *found);
} credentials[] = {
    { "session", session_find },
    { "bearer", sso_bearer_find },
    { "jwt-cookie", sso_jwt_cookie_find },
};

static sso_rc_e find_named(sso_ctx_t *ctx, const sso_request_t *request, const char *name,
                           sso_found_t *found)
{
    unsigned i;

    for (i = 0; i < SSO_COUNT(credentials); i++)
        if (!strcmp(credentials[i].name, name))
            return credentials[i].find(ctx, request, found);
    return SSO_ABSENT;
}

sso_rc_e sso_credential_find(sso_ctx_t *ctx, const sso_request_t *request, sso_found_t *found)
{
    const apr_array_header_t *names = request->place->credentials;
    const char *why = NULL;
    int i;

    memset(found, 0, sizeof(*found));
    for (i = 0; i < names->nelts; i++) {
        sso_rc_e rc = find_named(ctx, request, APR_ARRAY_IDX(names, i, const char *), found);

        if (rc != SSO_ABSENT)
            return rc;
        if (!why)
            why = found->why; /* of the first, which is the usual one here */
    }
    found->why = why;
    return SSO_ABSENT;
}
