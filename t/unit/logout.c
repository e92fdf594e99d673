/* SPDX-License-Identifier: Apache-2.0 */
/* Signing out, whom it may be asked by, and pages that show what strangers wrote. */
#include "browser.h"

#include "sso_page.h"

#define XSS "</title><script>alert(1)</script>\"'><img src=x onerror=alert(1)>&amp;"

static browser_t signed_in(const char *provider)
{
    browser_t browser = { 0 };

    memset(memory.entries, 0, sizeof(memory.entries));
    token_gives(world_claims(!strcmp(provider, "lms") ? "" : ",\"x\":1"));
    if (strcmp(provider, "lms"))
        token_gives("{\"exp\":1700000100,\"iat\":1700000000,\"iss\":"
                    "\"https://campus.example/oauth2\","
                    "\"sub\":\"s\",\"preferred_username\":\"u\"}");
    browser_signs_in(0, &browser, apr_pstrcat(world_pool, "/edxsso/login?provider=", provider,
                                              NULL));
    FORGE_MUST(jar_get(&browser, "__Host-edxsso"));
    return browser;
}

static const struct {
    const char *method, *query;
    const char *headers[7];
    int status, ends;
    const char *in; /* of Location or body */
} outs[] = {
    { "GET", "", { NULL }, 302, 1, "https://lms.example/logout?client_id=site&redirect_url="
                                   "https%3A%2F%2Fsite.example%2F" },
    { "GET", "?next=/bye", { NULL }, 302, 1, "redirect_url=https%3A%2F%2Fsite.example%2Fbye" },
    { "GET", "?next=https://evil.test", { NULL }, 400, 1, "" },
    { "GET", "?next=//evil.test", { NULL }, 400, 1, "" },
    { "GET", "?next=/a&next=/b", { NULL }, 400, 0, "" },
    { "GET", "?next=%00", { NULL }, 400, 0, "" },
    { "GET", "", { "Sec-Fetch-Site", "same-origin" }, 302, 1, "" },
    { "GET", "", { "Sec-Fetch-Site", "none" }, 302, 1, "" },
    { "GET", "", { "Sec-Fetch-Site", "cross-site" }, 200, 0, "method=\"post\"" },
    { "GET", "?next=/bye", { "Sec-Fetch-Site", "cross-site" }, 200, 0,
      "next=https%3A%2F%2Fsite.example%2Fbye" },
    { "GET", "?next=/bye", { "Sec-Fetch-Site", "same-site" }, 302, 1,
      "redirect_url=https%3A%2F%2Fsite.example%2Fbye" },
    { "GET", "", { "Sec-Fetch-Site", "x" }, 200, 0, "method=\"post\"" },
    { "GET", "?next=%2F%22%3E%3Cscript%3E", { "Sec-Fetch-Site", "cross-site" }, 200, 0, "post" },
    { "GET", "?x=\"><script>", { "Sec-Fetch-Site", "cross-site" }, 200, 0, "/logout\"><button>" },
    { "POST", "", { NULL }, 303, 1, "https://lms.example/logout?" },
    { "POST", "", { "Sec-Fetch-Site", "cross-site" }, 403, 0, "" },
    { "POST", "", { "Sec-Fetch-Site", "same-site" }, 403, 0, "" },
    { "POST", "", { "Sec-Fetch-Site", "same-origin", "Origin", "null" }, 303, 1, "" },
    { "POST", "", { "Origin", "https://site.example" }, 303, 1, "" },
    { "POST", "", { "Origin", "https://site.example:443" }, 303, 1, "" },
    { "POST", "", { "Origin", "https://evil.test" }, 403, 0, "" },
    { "POST", "", { "Origin", "http://site.example" }, 403, 0, "" },
    { "POST", "", { "Origin", "https://site.example.evil.test" }, 403, 0, "" },
    { "POST", "", { "Origin", "null" }, 403, 0, "" },
    { "POST", "", { "Origin", "" }, 403, 0, "" },
    { "POST", "", { "Referer", "https://site.example/x?y" }, 303, 1, "" },
    { "POST", "", { "Referer", "https://evil.test/https://site.example/" }, 403, 0, "" },
    { "POST", "", { "Origin", "https://evil.test", "Referer", "https://site.example/" }, 403, 0,
      "" },
    { "GET", "?no_redirect=1", { "Sec-Fetch-Site", "cross-site" }, 200, 1, "" },
    { "GET", "?no_redirect=", { NULL }, 302, 1, "" },
    { "GET", "?no_redirect=1&no_redirect=1", { NULL }, 400, 0, "" },
};

static void test_outs(void)
{
    unsigned i;

    for (i = 0; i < SSO_COUNT(outs); i++) {
        browser_t browser = signed_in("lms"), copy = browser;
        const char *target = apr_pstrcat(world_pool, "/edxsso/logout", outs[i].query, NULL);

        memcpy(browser.headers, outs[i].headers, sizeof(outs[i].headers));
        is_int(browse_at(0, &browser, outs[i].method, target), outs[i].status, "%s %s %s %s",
               outs[i].method, outs[i].query, outs[i].headers[0] ? outs[i].headers[0] : "",
               outs[i].headers[0] ? outs[i].headers[1] : "");
        ok(strstr(seen.location ? seen.location : seen.answer.body, outs[i].in), "'%s' is there",
           outs[i].in);
        ok(!strstr(seen.answer.body, "<script"), "nothing runs");
        is_int(!jar_get(&browser, "__Host-edxsso"), outs[i].ends, "the cookie");
        is_int(browse(&copy, "/edxsso/session"), outs[i].ends ? 401 : 200, "a copied cookie");
    }
}

/* Tokens of the session are revoked, one call after the other, and none of it stops a logout. */
static const struct {
    const char *access, *refresh;
    int status, fail, calls;
    const char *says; /* the last call */
} revoked[] = {
    { "an-access-token", "a-refresh-token", 200, 0, 2, "token=an-access-token&token_type_hint="
                                                       "access_token" },
    { NULL, "a+refresh=token", 200, 0, 1, "token=a%2Brefresh%3Dtoken&token_type_hint="
                                          "refresh_token" },
    { "an-access-token", NULL, 200, 0, 1, "client_secret=" WORLD_CANARY },
    { "an-access-token", "a-refresh-token", 503, 0, 1, "token=a-refresh-token" },
    { "an-access-token", "a-refresh-token", 400, 0, 1, "token=a-refresh-token" },
    { "an-access-token", "a-refresh-token", 200, 305, 1, "token=a-refresh-token" },
    { NULL, NULL, 200, 0, 0, NULL },
};

static void test_revoked(void)
{
    unsigned i;

    for (i = 0; i < SSO_COUNT(revoked); i++) {
        sso_kept_t kept = { .access = revoked[i].access, .refresh = revoked[i].refresh,
                            .id = "e.x.y" };
        const char *text = world_claims(""), *id = NULL;
        sso_ctx_t *ctx = world_ctx(0);
        browser_t browser = { 0 };
        sso_session_t *session;
        json_t *claims;
        int before;

        FORGE_MUST(sso_json_parse(ctx, "t", text, strlen(text), &claims) == SSO_OK);
        FORGE_MUST(sso_session_build(ctx, world_site, sso_provider_find(world_site, "lms"), claims,
                                     &session) == SSO_OK);
        session->kept = &kept;
        FORGE_MUST(sso_session_begin(ctx, world_site, session, &id) == SSO_OK);
        jar_set(&browser, "__Host-edxsso", id);
        token_says(revoked[i].status, "text/html", "");
        token_endpoint.fail = revoked[i].fail;
        before = token_endpoint.calls;
        is_int(browse(&browser, "/edxsso/logout"), 302, "signed out, whatever became of %s",
               revoked[i].refresh ? revoked[i].refresh : "no refresh token");
        ok(strstr(seen.location, "https://lms.example/logout?"), "at the LMS too");
        is_int(token_endpoint.calls - before, revoked[i].calls, "calls");
        if (!revoked[i].says)
            continue;
        is(token_endpoint.url, "http://127.0.0.1:8000/oauth2/revoke_token/", "where");
        ok(strstr(token_endpoint.body, revoked[i].says), "%s", token_endpoint.body);
        ok(token_endpoint.once, "never sent twice");
        is_int(tap_log_has("SSO1072"), revoked[i].status != 200 || revoked[i].fail, "logged");
        ok(!strstr(tap_log_text, "-token'") && !strstr(tap_log_text, "a-refresh"), "not the token");
    }
    token_endpoint.fail = 0;
}

static void test_frame(void)
{
    browser_t browser = signed_in("lms");
    const char *csp;

    browse(&browser, "/edxsso/logout?no_redirect=1");
    is(seen.answer.body, "", "a frame is empty");
    csp = apr_table_get(seen.answer.headers, "Content-Security-Policy");
    ok(!csp || !strstr(csp, "frame-ancestors"), "and may be framed");
    ok(!apr_table_get(seen.answer.headers, "X-Frame-Options"), "by all means");
}

static void test_nobody(void)
{
    browser_t browser = { 0 };

    is_int(browse(&browser, "/edxsso/logout"), 200, "nobody");
    ok(strstr(seen.answer.body, "signed out"), "is signed out");
    is_int(browse(&browser, "/edxsso/logout?next=/bye"), 302, "with a next");
    is(seen.location, WORLD_ORIGIN "/bye", "goes there");
    jar_set(&browser, "__Host-edxsso", "nonsense");
    is_int(browse(&browser, "/edxsso/logout"), 200, "a cookie that is none");
    ok(!jar_get(&browser, "__Host-edxsso"), "is deleted");
    browser = signed_in("campus");
    browse(&browser, "/edxsso/logout");
    ok(seen.location && !strncmp(seen.location, "https://campus.example/logout?", 30),
       "each provider has its own place");
}

static void test_landing(void)
{
    sso_config_t *record = world_lms();
    sso_provider_t *provider;
    browser_t browser = signed_in("lms");
    sso_ctx_t *ctx = tap_ctx();

    ctx->pool = world_pool;
    world_set(record, "EdxSSOLogoutRedirectURL", "https://elsewhere.example/bye?x=1&y", NULL);
    FORGE_MUST(world_make(ctx, "lms", record, &provider) == SSO_OK);
    APR_ARRAY_IDX(world_site->providers, 0, sso_provider_t *) = provider;
    browse(&browser, "/edxsso/logout");
    is(query_field(ctx->pool, seen.location, "redirect_url"), "https://elsewhere.example/bye?x=1&y",
       "as configured");
}

static void test_pages(void)
{
    sso_ctx_t *ctx = world_ctx(0);
    browser_t browser = { 0 };
    sso_request_t *request = browser_request(ctx, &browser, "GET", "/edxsso/login");
    sso_page_t page = { .status = 200, .title = XSS, .text = XSS "\n" XSS, .error_id = XSS,
                        .say = { .text = XSS " %s " XSS, .value = XSS } };
    apr_table_t *fields = apr_table_make(ctx->pool, 1);
    sso_answer_t answer = { .headers = apr_table_make(ctx->pool, 4), .body = "" };

    sso_page_action(&page, ctx->pool, XSS, "https://a/?x=" XSS, 0);
    sso_page_action(&page, ctx->pool, XSS, "https://a/?x=" XSS, 1)->fields = fields;
    apr_table_setn(fields, XSS, XSS);
    sso_page_answer(ctx, request, &page, &answer);
    is(answer_fault(ctx, &answer), "", "headers");
    ok(!strstr(answer.body, "<script") && !strstr(answer.body, "<img") && !strstr(answer.body, "'>")
       && !strstr(answer.body, "\"'"), "nothing gets out of its text");
    ok(strstr(answer.body, "&lt;/title&gt;&lt;script&gt;"), "all of it is shown");
    ok(strstr(answer.body, "&amp;amp;"), "as it was");
    sso_fail(ctx, SSO_DENIED, 604, "%s", XSS);
    ctx->err.say.text = "%s";
    ctx->err.say.value = XSS;
    answer.retry = "https://a/" XSS;
    sso_page_fault(ctx, request, 0, &answer);
    is_int(answer.status, 403, "a failure with a detail");
    ok(!strstr(answer.body, "<script") && strstr(answer.body, "&lt;script"), "escaped");
    is(answer_fault(ctx, &answer), "", "headers");
    ok(answer.error_id && strstr(answer.body, answer.error_id), "its id is on it");
    sso_page_fault(ctx, request, 1, &answer);
    is(answer_fault(ctx, &answer), "", "JSON");
    ok(strstr(answer.body, answer.error_id), "its id is in it");
}

static void test_page_of_strangers(void)
{
    browser_t browser = { 0 };

    browse(&browser, "/edxsso/login?next=/%22%3E%3Cscript%3Ealert(1)%3C/script%3E&login_hint="
                     "%3Cscript%3E");
    is_int(seen.answer.status, 200, "a choice");
    ok(!strstr(seen.answer.body, "<script"), "nothing of the address runs");
    browse(&browser, "/edxsso/login?provider=%3Cscript%3E");
    ok(!strstr(seen.answer.body, "script&gt;") && !strstr(seen.answer.body, "<script"),
       "a name is not even shown");
    browse(&browser, "/edxsso/%3Cscript%3E<script>");
    ok(!strstr(seen.answer.body, "<script"), "nor a path");
}

int main(void)
{
    world_start();
    test_outs();
    test_revoked();
    test_frame();
    test_nobody();
    test_pages();
    test_page_of_strangers();
    test_landing();
    return tap_done();
}
