/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BROWSER_H
#define BROWSER_H

/*
 * A browser with a cookie jar in front of the one door. Every answer is looked at for what must
 * hold of all of them. Included once per test program.
 */

#include "world.h"

#define JAR_MAX 8

typedef struct browser_t {
    struct { const char *name, *value; } jar[JAR_MAX];
    const char *body;     /* of the next request, or NULL */
    const char *origin;   /* NULL: WORLD_ORIGIN */
    const sso_config_t *place;
    const char *peer;     /* its address, or NULL */
    const char *headers[8]; /* name, value ..., NULL; the first NULL: a page is opened */
} browser_t;

/* What became of the last request. */
static struct {
    sso_answer_t answer;
    const char *location, *state; /* state: of an authorization request */
    int number;
    sso_rc_e rc;
    char text[SSO_ERR_BYTES];
} seen;

static inline const char *jar_header(apr_pool_t *pool, const browser_t *browser)
{
    const char *text = NULL;
    int i;

    for (i = 0; i < JAR_MAX; i++)
        if (browser->jar[i].name)
            text = apr_pstrcat(pool, text ? text : "", text ? "; " : "", browser->jar[i].name, "=",
                               browser->jar[i].value, NULL);
    return text;
}

static inline const char *jar_get(const browser_t *browser, const char *name)
{
    int i;

    for (i = 0; i < JAR_MAX; i++)
        if (browser->jar[i].name && !strcmp(browser->jar[i].name, name))
            return browser->jar[i].value;
    return NULL;
}

static inline void jar_set(browser_t *browser, const char *name, const char *value)
{
    int i, at = -1;

    for (i = JAR_MAX - 1; i >= 0; i--)
        if (!browser->jar[i].name)
            at = i;
    for (i = 0; i < JAR_MAX; i++)
        if (browser->jar[i].name && !strcmp(browser->jar[i].name, name))
            at = i;
    FORGE_MUST(at >= 0);
    browser->jar[at].name = value ? apr_pstrdup(world_pool, name) : NULL;
    browser->jar[at].value = value ? apr_pstrdup(world_pool, value) : NULL;
}

static inline int jar_take(void *baton, const char *key, const char *line)
{
    browser_t *browser = baton;
    const char *equals = strchr(line, '='), *end = equals ? strchr(equals, ';') : NULL;
    char *value;

    (void)key;
    FORGE_MUST(equals && end);
    value = apr_pstrmemdup(world_pool, equals + 1, (apr_size_t)(end - equals - 1));
    jar_set(browser, apr_pstrmemdup(world_pool, line, (apr_size_t)(equals - line)),
            strstr(line, "; Max-Age=0;") ? NULL : value);
    return 1;
}

static inline const char *query_field(apr_pool_t *pool, const char *url, const char *name)
{
    const char *mark = url ? strchr(url, '?') : NULL;
    apr_table_t *fields;

    return mark && sso_form_parse(pool, mark + 1, &fields) ? sso_form_one(fields, name, NULL)
                                                           : NULL;
}

static inline sso_rc_e browser_body(sso_ctx_t *ctx, void *baton, apr_size_t limit,
                                    sso_bytes_t *body)
{
    const browser_t *browser = baton;

    if (browser->body && strlen(browser->body) > limit)
        return sso_fail(ctx, SSO_BAD_INPUT, 999, "the body is too long");
    *body = sso_bytes(browser->body ? browser->body : "");
    return SSO_OK;
}

static inline sso_request_t *browser_request(sso_ctx_t *ctx, browser_t *browser,
                                             const char *method, const char *target)
{
    sso_request_t *request = apr_pcalloc(ctx->pool, sizeof(*request));
    apr_size_t length = strcspn(target, "?");
    int i;

    request->site = world_site;
    request->place = browser->place ? browser->place : world_site->config;
    request->method = method;
    request->origin = browser->origin ? browser->origin : WORLD_ORIGIN;
    request->path = apr_pstrmemdup(ctx->pool, target, length);
    request->query = target[length] ? target + length + 1 : NULL;
    request->target = target;
    request->peer = browser->peer;
    request->cookies = jar_header(ctx->pool, browser);
    request->headers = apr_table_make(ctx->pool, 4);
    request->read_body = browser_body;
    request->baton = browser;
    if (!browser->headers[0])
        apr_table_setn(request->headers, "Accept", "text/html,*/*");
    for (i = 0; browser->headers[i]; i += 2)
        apr_table_addn(request->headers, browser->headers[i], browser->headers[i + 1]);
    return request;
}

/* What must hold of every answer; "" if it does. */
static inline const char *answer_fault(const sso_ctx_t *ctx, const sso_answer_t *answer)
{
    const char *csp = apr_table_get(answer->headers, "Content-Security-Policy");
    const char *type = answer->content_type ? answer->content_type : "";

    if (answer->what == SSO_ANSWER_PASS)
        return answer->status ? "passed, with a status" : "";
    if (answer->session)
        return "an answer of ours carries a session";
    if (strcmp(apr_table_get(answer->headers, "Cache-Control"), "no-store")
        && strncmp(answer->body, "{\"keys\":[", 9)) /* public keys may be kept */
        return "may be stored";
    if (!strncmp(type, "text/html", 9) && *answer->body
        && (!csp || !strstr(csp, "default-src 'none'") || !strstr(csp, "frame-ancestors 'none'")))
        return "a page without a policy";
    if (*type && !apr_table_get(answer->headers, "X-Content-Type-Options"))
        return "may be sniffed";
    if (strstr(type, "json")) {
        sso_ctx_t reader = { .pool = ctx->pool, .now = ctx->now };
        json_t *object;

        if (sso_json_parse(&reader, "answer", answer->body, strlen(answer->body), &object))
            return "JSON that is none";
    }
    else if (!apr_table_get(answer->headers, "Referrer-Policy"))
        return "a referrer may be sent";
    if (strstr(answer->body, WORLD_CANARY) || strstr(answer->body, WORLD_MAC)
        || strstr(ctx->err.text, WORLD_CANARY) || strstr(tap_log_text, WORLD_CANARY))
        return "a secret is told";
    return answer->status == 503 && !apr_table_get(answer->headers, "Retry-After")
               ? "503 without Retry-After" : "";
}

/* Ask; the answer's pool lives on. @a target that the module owns goes to its own URLs. */
static inline int browse_at(int later_sec, browser_t *browser, const char *method,
                            const char *target)
{
    sso_ctx_t *ctx = world_ctx(later_sec);
    sso_request_t *request = browser_request(ctx, browser, method, target);
    const char *wrong;

    if (sso_answer_owns(world_site, request->path))
        sso_answer_own(ctx, request, &seen.answer);
    else
        sso_answer_place(ctx, request, &seen.answer);
    seen.number = ctx->err.number;
    seen.rc = ctx->err.rc;
    apr_cpystrn(seen.text, ctx->err.text, sizeof(seen.text));
    seen.location = apr_table_get(seen.answer.headers, "Location");
    seen.state = query_field(ctx->pool, seen.location, "state");
    apr_table_do(jar_take, browser, seen.answer.headers, "Set-Cookie", NULL);
    wrong = answer_fault(ctx, &seen.answer);
    if (*wrong)
        ok(0, "%s %s: %s", method, target, wrong);
    return seen.answer.status;
}

static inline int browse(browser_t *browser, const char *target)
{
    return browse_at(0, browser, "GET", target);
}

/* Start at a place (or login?...) and come back from the provider with a code. */
static inline int browser_signs_in(int later_sec, browser_t *browser, const char *start)
{
    const char *target;

    if (browse_at(later_sec, browser, "GET", start) != 302 || !seen.state)
        return 0;
    target = strstr(seen.location, "campus.example") ? "/complete/campus/" : "/edxsso/callback/lms";
    target = apr_pstrcat(world_pool, target, "?code=a-code&state=", seen.state, NULL);
    return browse_at(later_sec, browser, "GET", target);
}

#endif
