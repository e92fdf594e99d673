/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signing out: here, and at the provider.
 */
#include "sso_logout.h"

#include "sso_jar.h"
#include "sso_metrics.h"

#include "sso_page.h"
#include "sso_url.h"

#include <apr_strings.h>
#include <string.h>

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

static sso_rc_e end_session(sso_ctx_t *ctx, const sso_request_t *request, sso_answer_t *answer)
{
    sso_rc_e rc = sso_jar_end(ctx, request);

    if (rc == SSO_UPSTREAM || rc == SSO_BROKEN)
        return rc; /* whoever reads "signed out" must be */
    sso_forgive(ctx);
    sso_jar_clear(ctx, request, answer);
    sso_login_uncount(ctx, request, answer);
    return SSO_OK;
}

/*
 * The session has ended here. Now its tokens, and then the browser goes to sign out at the
 * provider; what fails there is no reason to stay.
 */
static sso_rc_e leave(sso_ctx_t *ctx, const sso_request_t *request, const sso_session_t *session,
                      const char *next, sso_answer_t *answer)
{
    const sso_kept_t *kept = NULL;
    const char *url = NULL;

    if (session) {
        const sso_provider_t *provider = sso_provider_find(request->site, session->provider);

        sso_metrics_event(ctx, provider->http.meter, SSO_EVENT_LOGOUT_BROWSER);
        if (sso_session_tokens(ctx, request->site, session, &kept) == SSO_OK)
            sso_logout_revoke(ctx, provider, kept);
        SSO_TRY(sso_logout_there(ctx, request, session, kept, next, &url));
    }
    if (!url) /* it has no place to sign out at */
        url = next;
    if (url)
        sso_answer_redirect(ctx, request, url, answer);
    else
        signed_out(ctx, request, answer);
    return SSO_OK;
}

typedef struct asked_t {
    const char *next, *frame, *state;
    sso_err_t bad_next;
} asked_t;

static sso_rc_e read_query(sso_ctx_t *ctx, const sso_request_t *request, asked_t *asked)
{
    int repeated[3] = { 0, 0, 0 };
    apr_table_t *fields;

    if (!sso_form_parse(ctx->pool, request->query, &fields))
        return sso_fail(ctx, SSO_BAD_INPUT, 640, "the query cannot be read");
    asked->next = sso_form_one(fields, "next", &repeated[0]);
    asked->frame = sso_form_one(fields, "no_redirect", &repeated[1]);
    asked->state = sso_form_one(fields, "state", &repeated[2]);
    if (repeated[0] || repeated[1] || repeated[2])
        return sso_fail(ctx, SSO_BAD_INPUT, 641, "a parameter came more than once");
    if (asked->next && sso_request_return(ctx, request, asked->next, &asked->next) != SSO_OK) {
        asked->bad_next = ctx->err; /* said later: a stale link must not keep anybody signed in */
        sso_forgive(ctx);
        asked->next = NULL;
    }
    return SSO_OK;
}

/* Back from the provider: everything has been done. */
static sso_rc_e come_back(sso_ctx_t *ctx, const sso_request_t *request, const char *state,
                          sso_answer_t *answer)
{
    const char *next = NULL;

    SSO_TRY(sso_logout_returned(ctx, request, state, &next));
    if (next)
        sso_answer_redirect(ctx, request, next, answer);
    else
        signed_out(ctx, request, answer);
    return SSO_OK;
}

/* A link on a sibling's page, such as the LMS's, is one of the same house. */
static int is_foreign(const sso_request_t *request)
{
    const char *site = apr_table_get(request->headers, "Sec-Fetch-Site");

    return site && strcmp(site, "same-origin") && strcmp(site, "same-site") && strcmp(site, "none");
}

sso_rc_e sso_logout_serve(sso_ctx_t *ctx, const sso_request_t *request, const char *rest,
                          sso_answer_t *answer)
{
    const sso_session_t *session = NULL;
    asked_t asked = { .bad_next = { .rc = SSO_OK } };
    int get = !strcmp(request->method, "GET");
    sso_rc_e rc;

    (void)rest;
    SSO_TRY(read_query(ctx, request, &asked));
    if (asked.frame && *asked.frame) {
        SSO_TRY(end_session(ctx, request, answer));
        sso_metrics_event(ctx, 0, SSO_EVENT_LOGOUT_FRAME);
        sso_logout_frame(answer);
        return SSO_OK;
    }
    if (get && asked.state && *asked.state)
        return come_back(ctx, request, asked.state, answer);
    rc = sso_request_session(ctx, request, 0, &session);
    if (rc != SSO_OK && rc != SSO_ABSENT)
        return rc;
    if (get && session && is_foreign(request)) {
        ask_first(ctx, request, asked.next, answer);
        return SSO_OK;
    }
    if (!get && !sso_request_same_origin(ctx, request, 1))
        return sso_fail(ctx, SSO_DENIED, 684, "a POST from another site");
    SSO_TRY(end_session(ctx, request, answer));
    if (asked.bad_next.rc != SSO_OK) {
        ctx->err = asked.bad_next;
        return asked.bad_next.rc;
    }
    return leave(ctx, request, session, asked.next, answer);
}
