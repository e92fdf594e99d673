/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signing out: here, and at the provider.
 */
#include "sso_flow.h"
#include "sso_metrics.h"

#include "sso_page.h"
#include "sso_url.h"

#include <apr_strings.h>
#include <string.h>

/* The frame of the LMS's logout page: ends the session, shows nothing, may be framed. */
static void answer_frame(sso_answer_t *answer)
{
    answer->what = SSO_ANSWER_RESPOND;
    answer->status = 200;
    answer->content_type = "text/html; charset=utf-8";
    answer->body = "";
    apr_table_setn(answer->headers, "Cache-Control", "no-store");
    apr_table_setn(answer->headers, "Content-Security-Policy", "default-src 'none'");
    apr_table_setn(answer->headers, "X-Content-Type-Options", "nosniff");
    apr_table_setn(answer->headers, "Referrer-Policy", "no-referrer");
}

static void ask_first(sso_ctx_t *ctx, const sso_request_t *request, const char *next,
                      sso_answer_t *answer)
{
    sso_form_t *form = sso_form_make(ctx->pool);
    sso_page_t page = { .kind = SSO_PAGE_SIGN_OUT, .status = 200, .title = SSO_T("Sign out?"),
                        .text = SSO_T("Another site asked to sign you out of this one.") };
    const char *path = apr_pstrcat(ctx->pool, request->site->path, "/logout", NULL);

    sso_form_add(form, "next", next);
    sso_page_action(&page, ctx->pool, SSO_T("Sign out"),
                    sso_own_url(ctx, request, path, sso_form_text(form)), 1);
    sso_page_action(&page, ctx->pool, SSO_T("Stay signed in"),
                    sso_own_url(ctx, request, "/", NULL), 0);
    sso_page_answer(ctx, request, &page, answer);
}

static void signed_out(sso_ctx_t *ctx, const sso_request_t *request, sso_answer_t *answer)
{
    sso_page_t page = { .kind = SSO_PAGE_SIGNED_OUT, .status = 200,
                        .title = SSO_T("You are signed out"),
                        .text = SSO_T("You are not signed in to this site any more.") };

    sso_page_action(&page, ctx->pool, SSO_T("Sign in"),
                    sso_login_link(ctx, request, NULL, NULL), 0);
    sso_page_answer(ctx, request, &page, answer);
}

/*
 * Where the provider is to send the browser: an allowed `next`, else what is configured, absolute.
 */
static const char *landing(sso_ctx_t *ctx, const sso_request_t *request,
                           const sso_provider_t *provider, const char *next)
{
    const char *url = provider->config->logout_redirect_url;

    if (next)
        return next;
    return *url == '/' ? apr_pstrcat(ctx->pool, request->origin, url, NULL) : url;
}

static sso_rc_e leave(sso_ctx_t *ctx, const sso_request_t *request, const sso_session_t *session,
                      const char *next, sso_answer_t *answer)
{
    const sso_provider_t *provider = session ? sso_provider_find(request->site, session->provider)
                                             : NULL;
    const char *url = provider && provider->kind->logout
                          ? provider->kind->logout(ctx, provider,
                                                   landing(ctx, request, provider, next))
                          : NULL;

    if (session)
        sso_metrics_event(ctx, provider ? provider->http.meter : 0, SSO_EVENT_LOGOUT_BROWSER);
    if (!url) /* it has no place to sign out at */
        url = next;
    if (url)
        sso_answer_redirect(ctx, request, url, answer);
    else
        signed_out(ctx, request, answer);
    return SSO_OK;
}

static sso_rc_e end_session(sso_ctx_t *ctx, const sso_request_t *request, sso_answer_t *answer)
{
    const char *id;
    sso_rc_e rc = sso_request_cookie(ctx, request, SSO_COOKIE_SESSION, &id);

    if (rc == SSO_OK)
        rc = sso_session_end(ctx, request->site, id);
    if (rc == SSO_UPSTREAM || rc == SSO_BROKEN)
        return rc; /* whoever reads "signed out" must be */
    sso_forgive(ctx);
    sso_answer_cookie(ctx, request, SSO_COOKIE_SESSION, "", answer);
    sso_login_uncount(ctx, request, answer);
    return SSO_OK;
}

sso_rc_e sso_logout_serve(sso_ctx_t *ctx, const sso_request_t *request, const char *rest,
                          sso_answer_t *answer)
{
    const char *site = apr_table_get(request->headers, "Sec-Fetch-Site");
    const sso_session_t *session = NULL;
    const char *next, *frame;
    sso_err_t bad_next = { .rc = SSO_OK };
    apr_table_t *fields;
    int get = !strcmp(request->method, "GET"), repeated = 0, again = 0;
    sso_rc_e rc;

    (void)rest;
    if (!sso_form_parse(ctx->pool, request->query, &fields))
        return sso_fail(ctx, SSO_BAD_INPUT, 640, "the query cannot be read");
    next = sso_form_one(fields, "next", &repeated);
    frame = sso_form_one(fields, "no_redirect", &again);
    if (repeated || again)
        return sso_fail(ctx, SSO_BAD_INPUT, 641, "a parameter came more than once");
    if (next && sso_request_return(ctx, request, next, &next) != SSO_OK) {
        bad_next = ctx->err; /* said below: a stale link must not keep anybody signed in */
        sso_forgive(ctx);
        next = NULL;
    }
    if (frame && *frame) {
        SSO_TRY(end_session(ctx, request, answer));
        sso_metrics_event(ctx, 0, SSO_EVENT_LOGOUT_FRAME);
        answer_frame(answer);
        return SSO_OK;
    }
    rc = sso_request_session(ctx, request, 0, &session);
    if (rc != SSO_OK && rc != SSO_ABSENT)
        return rc;
    if (get && session && site && strcmp(site, "same-origin") && strcmp(site, "none")) {
        ask_first(ctx, request, next, answer);
        return SSO_OK;
    }
    if (!get && !sso_request_same_origin(ctx, request, 1))
        return sso_fail(ctx, SSO_DENIED, 684, "a POST from another site");
    SSO_TRY(end_session(ctx, request, answer));
    if (bad_next.rc != SSO_OK) {
        ctx->err = bad_next;
        return bad_next.rc;
    }
    return leave(ctx, request, session, next, answer);
}
