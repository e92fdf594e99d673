/* SPDX-License-Identifier: Apache-2.0 */
/*
 * <EdxSSOPath>/session: who is signed in, for the scripts of a page. Never a token.
 */
#include "sso_flow.h"
#include "sso_jar.h"
#include "sso_json.h"
#include "sso_refresh.h"

#include <apr_strings.h>
#include <string.h>

static void answer_session(sso_ctx_t *ctx, const sso_session_t *session, sso_answer_t *answer)
{
    json_t *body = json_pack("{s:s,s:s,s:I,s:I}", "provider", session->provider, "username",
                             session->username ? session->username : session->remote_user,
                             "expires_in", (json_int_t)apr_time_sec(session->ends - ctx->now),
                             "idle_expires_in",
                             (json_int_t)apr_time_sec(session->idle_ends - ctx->now));
    const char *text = sso_json_print(ctx->pool, body);

    json_decref(body);
    /* the claims are JSON already: put them where the object's last brace is */
    text = apr_pstrcat(ctx->pool, apr_pstrmemdup(ctx->pool, text, strlen(text) - 1), ",\"claims\":",
                       session->claims.text, "}", NULL);
    sso_answer_json(ctx, 200, text, answer);
}

/* Whether it is to be refreshed first. That has an effect: it takes a POST of this site's own. */
static sso_rc_e read_wish(sso_ctx_t *ctx, const sso_request_t *request, int *wished,
                          sso_answer_t *answer)
{
    int post = !strcmp(request->method, "POST"), repeated = 0;
    apr_table_t *fields;
    const char *text;

    if (!sso_form_parse(ctx->pool, request->query, &fields))
        return sso_fail(ctx, SSO_BAD_INPUT, 1010, "the query cannot be read");
    text = sso_form_one(fields, "refresh", &repeated);
    *wished = text && !strcmp(text, "1") && !repeated;
    if (*wished != post) {
        apr_table_setn(answer->headers, "Allow", *wished ? "POST" : "GET, HEAD");
        return sso_fail(ctx, SSO_BAD_INPUT, 1011, "%.20s %s refresh=1", request->method,
                        *wished ? "with" : "without");
    }
    if (post && !sso_request_same_origin(ctx, request, 1))
        return sso_fail(ctx, SSO_DENIED, 1012, "a POST from another site");
    return SSO_OK;
}

sso_rc_e sso_own_session_serve(sso_ctx_t *ctx, const sso_request_t *request, const char *rest,
                               sso_answer_t *answer)
{
    const sso_session_t *session;
    int wished = 0;
    sso_rc_e rc;

    (void)rest;
    SSO_TRY(read_wish(ctx, request, &wished, answer));
    rc = sso_request_session(ctx, request, 0, &session);
    if (rc == SSO_OK && wished)
        rc = sso_refresh(ctx, request, SSO_REFRESH_ASKED, &session);
    if (rc == SSO_ABSENT)
        return sso_fail(ctx, SSO_DENIED, 687, "there is none");
    SSO_TRY(rc);
    answer_session(ctx, session, answer);
    sso_jar_write(ctx, request, session, answer);
    return SSO_OK;
}
