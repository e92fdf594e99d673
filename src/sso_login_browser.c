/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The browser of a sign-in: see sso_login_browser.h.
 */
#include "sso_login_browser.h"

#include <apr_strings.h>
#include <string.h>

#define BINDING_CHARS 22

void sso_browser_read(sso_ctx_t *ctx, const sso_request_t *request, sso_browser_t *browser)
{
    const char *value;
    char *rest;

    memset(browser, 0, sizeof(*browser));
    if (sso_request_cookie(ctx, request, SSO_COOKIE_LOGIN, &value) != SSO_OK
        || strcspn(value, ".") != BINDING_CHARS
        || strspn(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
               != BINDING_CHARS)
        return;
    browser->binding = apr_pstrmemdup(ctx->pool, value, BINDING_CHARS);
    if (value[BINDING_CHARS] != '.')
        return;
    browser->count = apr_strtoi64(value + BINDING_CHARS + 1, &rest, 10);
    browser->since_sec = *rest == '.' ? apr_strtoi64(rest + 1, NULL, 10) : 0;
    if (browser->count < 0 || browser->since_sec < 0) /* none that we wrote */
        browser->count = browser->since_sec = 0;
    if (browser->count > SSO_LOOP_COUNT)
        browser->count = SSO_LOOP_COUNT;
}

void sso_browser_write(sso_ctx_t *ctx, const sso_request_t *request, const sso_browser_t *browser,
                       sso_answer_t *answer)
{
    const char *value = browser->count
                            ? apr_psprintf(ctx->pool, "%s.%" APR_INT64_T_FMT ".%" APR_INT64_T_FMT,
                                           browser->binding, browser->count, browser->since_sec)
                            : browser->binding;

    sso_answer_cookie(ctx, request, SSO_COOKIE_LOGIN, value, answer);
}

int sso_browser_loops(sso_ctx_t *ctx, const sso_browser_t *browser)
{
    apr_int64_t age = apr_time_sec(ctx->now) - browser->since_sec;

    return age >= 0 && age < SSO_LOOP_SEC;
}

void sso_login_count(sso_ctx_t *ctx, const sso_request_t *request, sso_answer_t *answer)
{
    sso_browser_t browser;

    sso_browser_read(ctx, request, &browser);
    if (!browser.binding)
        return;
    if (!sso_browser_loops(ctx, &browser)) {
        browser.count = 0;
        browser.since_sec = apr_time_sec(ctx->now);
    }
    browser.count++;
    sso_browser_write(ctx, request, &browser, answer);
}

void sso_login_uncount(sso_ctx_t *ctx, const sso_request_t *request, sso_answer_t *answer)
{
    sso_browser_t browser;

    sso_browser_read(ctx, request, &browser);
    if (!browser.binding || !browser.count)
        return;
    browser.count = 0;
    sso_browser_write(ctx, request, &browser, answer);
}

/* What the provider sees of the binding cannot be turned back into the cookie. */
sso_rc_e sso_browser_mark(sso_ctx_t *ctx, const sso_site_t *site, const char *binding,
                             const char **mark)
{
    unsigned char digest[SSO_DIGEST_BYTES];

    SSO_TRY(sso_ring_digest(ctx, site->ring, sso_bytes(binding), digest));
    *mark = sso_b64url_encode(ctx->pool, digest, SSO_BINDING_BYTES);
    return SSO_OK;
}

sso_rc_e sso_login_bind(sso_ctx_t *ctx, const sso_request_t *request, sso_answer_t *answer,
                        const char **mark)
{
    sso_browser_t browser;

    sso_browser_read(ctx, request, &browser);
    if (!browser.binding) {
        if (!answer)
            return SSO_ABSENT;
        SSO_TRY(sso_random_text(ctx, SSO_BINDING_BYTES, &browser.binding));
        answer->binding = browser.binding; /* for the sign-in that follows */
        sso_browser_write(ctx, request, &browser, answer);
    }
    return sso_browser_mark(ctx, request->site, browser.binding, mark);
}
