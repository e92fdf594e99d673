/* SPDX-License-Identifier: Apache-2.0 */
/* The one door: places, signing in, the session URL, signing out. Coming back is in callback.c. */
#include "browser.h"

static browser_t nobody;

static sso_config_t *place_with(const char *name, const char *words)
{
    sso_config_t *record = world_record();

    if (name)
        world_set(record, name, words, NULL);
    return sso_record_merge(world_pool, world_site->config, record);
}

static void test_names(void)
{
    static const struct {
        const char *path, *domain;
        int secure;
        const char *session, *login;
    } names[] = {
        { "/", NULL, 1, "__Host-edxsso", "__Host-edxsso_login" },
        { "/", NULL, 0, "edxsso", "edxsso_login" },
        { "/studio", NULL, 1, "edxsso", "__Host-edxsso_login" },
        { "/", "example.org", 1, "edxsso", "__Host-edxsso_login" },
    };
    unsigned i;

    for (i = 0; i < SSO_COUNT(names); i++) {
        sso_site_t site = *world_site;
        sso_config_t *config = world_presets();

        config->cookie_path = names[i].path;
        config->cookie_domain = names[i].domain;
        site.config = config;
        sso_site_name_cookies(world_pool, &site);
        is(sso_site_cookie(&site, names[i].secure, SSO_COOKIE_SESSION), names[i].session,
           "session cookie %u", i);
        is(sso_site_cookie(&site, names[i].secure, SSO_COOKIE_LOGIN), names[i].login,
           "login cookie %u", i);
    }
}

/* Which requests are a browser opening a page, and what nobody gets in each mode. */
static const struct {
    const char *method;
    const char *headers[7];
    int navigates;
} requests[] = {
    { "GET", { "Accept", "text/html" }, 1 },
    { "HEAD", { "Accept", "text/html" }, 1 },
    { "POST", { "Accept", "text/html", "Sec-Fetch-Mode", "navigate" }, 1 },
    { "GET", { "Accept", "application/xhtml+xml" }, 1 },
    { "GET", { "Sec-Fetch-Mode", "navigate" }, 1 },
    { "GET", { "X-Nothing", "" }, 0 },
    { "GET", { "Accept", "*/*" }, 0 },
    { "GET", { "Accept", "application/json" }, 0 },
    { "GET", { "Accept", "text/event-stream" }, 0 },
    { "GET", { "Accept", "text/html", "Sec-Fetch-Mode", "cors" }, 0 },
    { "GET", { "Accept", "text/html", "Sec-Fetch-Mode", "no-cors" }, 0 },
    { "GET", { "Accept", "text/html", "X-Requested-With", "XMLHttpRequest" }, 0 },
    { "GET", { "Accept", "text/html", "Upgrade", "websocket" }, 0 },
    { "PUT", { "Accept", "text/html", "Sec-Fetch-Mode", "navigate" }, 0 },
    { "OPTIONS", { "Accept", "text/html" }, 0 },
};

static void test_modes(void)
{
    static const struct {
        const char *word;
        int page, script; /* status; 0: let through */
    } modes[] = {
        { "auto", 302, 401 }, { "login", 302, 302 }, { "401", 401, 401 }, { "403", 403, 403 },
        { "pass", 0, 0 },
    };
    unsigned m, i;

    for (m = 0; m < SSO_COUNT(modes); m++)
        for (i = 0; i < SSO_COUNT(requests); i++) {
            browser_t browser = nobody;
            int want = requests[i].navigates ? modes[m].page : modes[m].script;
            const char *method = requests[i].method;

            browser.place = place_with("EdxSSOUnauthenticated", modes[m].word);
            memcpy(browser.headers, requests[i].headers, sizeof(requests[i].headers));
            if (want == 302 && strcmp(method, "GET") && strcmp(method, "HEAD"))
                want = 303;
            is_int(browse_at(0, &browser, method, "/p/?q=1"), want, "%s: %s %s", modes[m].word,
                   method, requests[i].headers[1]);
            ok((seen.answer.what == SSO_ANSWER_PASS) == !want && !seen.answer.session,
               "nobody is signed in");
            ok(want != 401 || apr_table_get(seen.answer.headers, "WWW-Authenticate"),
               "a challenge");
            ok(want != 401 || !strcmp(seen.answer.content_type, requests[i].navigates
                                      ? "text/html; charset=utf-8" : "application/json"),
               "a page for pages, JSON for scripts");
            ok(want == 302 || want == 303 || !jar_get(&browser, "__Host-edxsso_login"),
               "no cookie without a sign-in");
        }
}

/* The authorization request, parameter by parameter. */
static void test_request(void)
{
    sso_ctx_t *ctx = tap_ctx();
    browser_t browser = nobody;
    const char *first;

    is_int(browse(&browser, "/edxsso/login?provider=lms&next=/studio/x?a=b"), 302, "sent off");
    ok(!strncmp(seen.location, "https://lms.example/oauth2/authorize?client_id=site&", 52),
       "to the LMS: %s", seen.location);
    is(query_field(ctx->pool, seen.location, "redirect_uri"), WORLD_ORIGIN "/edxsso/callback/lms",
       "redirect_uri");
    is(query_field(ctx->pool, seen.location, "response_type"), "code", "response_type");
    is(query_field(ctx->pool, seen.location, "code_challenge_method"), "S256", "PKCE");
    is_int(strlen(query_field(ctx->pool, seen.location, "code_challenge")), 43, "its challenge");
    ok(strstr(seen.location, "&scope=user_id%20profile%20email"), "scope");
    is(strstr(seen.location, "&scope=") + strlen("&scope=user_id%20profile%20email"), "", "last");
    is(query_field(ctx->pool, seen.location, "tpa_hint"), NULL, "no hint");
    first = jar_get(&browser, "__Host-edxsso_login");
    ok(first && strlen(first) == 22, "one cookie binds it");
    ok(!strstr(seen.location, first), "which the LMS does not see");
    browse(&browser, "/edxsso/login?provider=campus&tpa_hint=saml-a%26b");
    is(jar_get(&browser, "__Host-edxsso_login"), first, "and all tabs share");
    is(query_field(ctx->pool, seen.location, "tpa_hint"), "saml-a&b", "a hint");
    is(query_field(ctx->pool, seen.location, "redirect_uri"), WORLD_ORIGIN "/complete/campus/",
       "the registered path");
}

/* login?...: where it leads. */
static const struct {
    const char *query;
    int status, number;
    const char *in; /* of Location or body */
} logins[] = {
    { "", 200, 0, "Open edX" },
    { "?", 200, 0, "Campus" },
    { "?&&", 200, 0, "Campus" },
    { "?provider=", 200, 0, "Campus" },
    { "?provider=campus", 302, 0, "https://campus.example/oauth2/authorize?" },
    { "?provider=campus,lms", 200, 0, "provider=lms" },
    { "?provider=lms,,", 302, 0, "https://lms.example/" },
    { "?provider=lms,lms,lms", 302, 0, "https://lms.example/" },
    { "?provider=nobody", 400, 500, "" },
    { "?provider=lms,nobody", 400, 500, "" },
    { "?provider=LMS", 400, 500, "" },
    { "?provider=lms&provider=lms", 400, 501, "" },
    { "?next=/a&next=/b", 400, 501, "" },
    { "?prompt=a&prompt=b", 400, 501, "" },
    { "?iss=" WORLD_ISSUER, 302, 0, "https://lms.example/" },
    { "?iss=https://campus.example/oauth2&target_link_uri=/x", 302, 0, "https://campus.example/" },
    { "?iss=https://evil.test", 400, 502, "" },
    { "?iss=", 400, 502, "" },
    { "?provider=&next=&login_hint=&tpa_hint=&prompt=&target_link_uri=", 200, 0, "Campus" },
    { "?next=%00", 400, 503, "" },
    { "?next=%zz", 400, 503, "" },
    { "?next=%ff", 400, 503, "" },
    { "?provider=lms&target_link_uri=https://evil.test/", 400, 105, "" },
};

static void test_logins(void)
{
    char longer[5000];
    unsigned i;

    for (i = 0; i < SSO_COUNT(logins); i++) {
        browser_t browser = nobody;
        const char *target = apr_pstrcat(world_pool, "/edxsso/login", logins[i].query, NULL);

        is_int(browse(&browser, target), logins[i].status, "login%s", logins[i].query);
        is_int(seen.number, logins[i].number, "its number");
        ok(strstr(seen.location ? seen.location : seen.answer.body, logins[i].in), "'%s' is there",
           logins[i].in);
        ok(logins[i].status == 302 || !seen.location, "redirects only if it is meant to");
    }
    memset(longer, 'a', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    is_int(browse(&nobody, apr_pstrcat(world_pool, "/edxsso/login?next=/", longer, NULL)), 400,
           "a next that is too long");
    is_int(browse(&nobody, apr_pstrcat(world_pool, "/edxsso/login?provider=", longer, NULL)), 400,
           "a name that is too long");
}

/* Buttons by the thousand: as many as there are providers. */
static void test_many_buttons(void)
{
    const char *names = "lms,campus";
    const char *c;
    int i, buttons = 0;

    for (i = 0; i < 9; i++)
        names = apr_pstrcat(world_pool, names, ",", names, NULL);
    is_int(browse(&nobody, apr_pstrcat(world_pool, "/edxsso/login?provider=", names, NULL)), 200,
           "%d names", 1024);
    for (c = seen.answer.body; (c = strstr(c, "<li>")) != NULL; c++)
        buttons++;
    is_int(buttons, 2, "two buttons");
}

/* Return addresses: what they become, NULL where they are refused. */
static const struct {
    const char *next, *becomes;
} nexts[] = {
    { "/a?b=c#d", WORLD_ORIGIN "/a?b=c#d" },
    { "https%3A%2F%2Fsite.example%2Fx", WORLD_ORIGIN "/x" },
    { "https://site.example:443/x", WORLD_ORIGIN "/x" },
    { "/edxsso/logout", WORLD_ORIGIN "/" },
    { "/%65dxsso/login", WORLD_ORIGIN "/" },
    { "/complete/campus/", WORLD_ORIGIN "/" },
    { "//evil.test", NULL }, { "/%5Cevil.test", NULL }, { "%5C%5Cevil.test", NULL },
    { "/%09/evil.test", NULL }, { "/%0A/evil.test", NULL }, { "https:evil.test", NULL },
    { "https:///evil.test", NULL }, { "https:/evil.test", NULL },
    { "https://site.example@evil.test", NULL }, { "https://site.example:x@evil.test", NULL },
    { "/%252509/evil.test", NULL }, { "/.//evil.test", NULL }, { "/x/..//evil.test", NULL },
    { "javascript:alert(1)", NULL }, { "data:text/html,x", NULL }, { "?//evil.test", NULL },
    { "%23//evil.test", NULL }, { "+//evil.test", NULL }, { "site.example.evil.test", NULL },
    { "https://site.example.evil.test/", NULL }, { "http://site.example/", NULL },
    { "https://site.example%2500.evil.test", NULL }, { "https://[::1]@evil.test", NULL },
    { "////evil.test", NULL }, { "https:%5C%5Cevil.test", NULL }, { "", WORLD_ORIGIN "/" },
};

static void test_nexts(void)
{
    unsigned i;

    for (i = 0; i < SSO_COUNT(nexts); i++) {
        browser_t browser = nobody;
        const char *target = apr_pstrcat(world_pool, "/edxsso/login?provider=lms&next=",
                                         nexts[i].next, NULL);

        is_int(browse(&browser, target), nexts[i].becomes ? 302 : 400, "next=%s", nexts[i].next);
        if (!nexts[i].becomes) {
            ok(!strstr(seen.answer.body, "evil"), "not echoed");
            continue;
        }
        token_gives(world_claims(""));
        browse(&browser, apr_pstrcat(world_pool, "/edxsso/callback/lms?code=x&state=", seen.state,
                                     NULL));
        is(seen.location, nexts[i].becomes, "leads there");
    }
}

/* Where a place sends its visitors, and what it takes them back to. */
static void test_places(void)
{
    char longer[4001];
    browser_t browser = nobody;

    is_int(browse(&browser, "/p/a?b=c"), 302, "two providers");
    is(seen.location, WORLD_ORIGIN "/edxsso/login?next=https%3A%2F%2Fsite.example%2Fp%2Fa%3Fb%3Dc",
       "the sign-in page");
    browser.place = place_with("EdxSSOUse", "campus lms");
    browse(&browser, "/p/");
    ok(strstr(seen.location, "/edxsso/login?provider=campus%2Clms&next="), "those accepted");
    browser.place = place_with("EdxSSOUse", "lms");
    token_gives(world_claims(""));
    is_int(browser_signs_in(0, &browser, "//x/../y"), 302, "a strange path");
    ok(!strncmp(seen.location, WORLD_ORIGIN "/", strlen(WORLD_ORIGIN) + 1), "stays here: %s",
       seen.location);
    is_int(browse(&browser, "/p/"), 0, "signed in");
    is(seen.answer.session->remote_user, "jsmith", "as the user");
    browser.place = place_with("EdxSSOUse", "campus");
    is_int(browse(&browser, "/p/"), 302, "a session of another provider");
    browser = nobody;
    browser.place = place_with("EdxSSOUse", "lms");
    memset(longer, '|', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    is_int(browser_signs_in(0, &browser, apr_pstrcat(world_pool, "/p/?", longer, NULL)), 302,
           "an address that grows when encoded: the state still fits (%s)", seen.text);
}

static void test_background(void)
{
    browser_t browser = nobody;
    int i;

    token_gives(world_claims(""));
    browser_signs_in(0, &browser, "/edxsso/login?provider=lms");
    for (i = 1; i < 4; i++)
        is_int(browse_at(i * 7000, &browser, "GET", "/p/"), 0, "a request keeps it alive: %d", i);
    browser.headers[0] = "X-Edxsso-Background";
    browser.headers[1] = "1";
    is_int(browse_at(21000 + 7000, &browser, "GET", "/p/"), 0, "in the background it is good");
    is_int(browse_at(21000 + 7200, &browser, "GET", "/p/"), 401, "but does not live on");
}

/* The session URL, for whom and with what. */
static void test_session_url(void)
{
    sso_ctx_t *ctx = tap_ctx();
    browser_t browser = nobody;
    json_t *body;
    const char *names[] = { "provider", "username", "claims", "expires_in", "idle_expires_in" };
    unsigned i;

    is_int(browse(&browser, "/edxsso/session"), 401, "nobody");
    is(seen.answer.content_type, "application/json", "JSON, also for a browser");
    ok(strstr(seen.answer.body, "\"login_required\""), "its error");
    token_gives(world_claims(",\"hostile\":\"</script>\\u2028\\\"\\u0000x\""));
    browser_signs_in(0, &browser, "/edxsso/login?provider=lms");
    ok(!jar_get(&browser, "__Host-edxsso"), "a NUL in a claim is refused");
    token_gives(world_claims(",\"hostile\":\"</script>\\u2028\\\"\\n\",\"o\":{\"p\":[1]}"));
    browser_signs_in(0, &browser, "/edxsso/login?provider=lms");
    is_int(browse_at(100, &browser, "GET", "/edxsso/session"), 200, "somebody");
    is_int(sso_json_parse(ctx, "b", seen.answer.body, strlen(seen.answer.body), &body), SSO_OK,
           "valid JSON");
    is_int(json_object_size(body), SSO_COUNT(names), "members");
    for (i = 0; i < SSO_COUNT(names); i++)
        ok(json_object_get(body, names[i]), "%s", names[i]);
    is_int(json_integer_value(json_object_get(body, "expires_in")), 12 * 3600 - 100, "to the end");
    is_int(json_integer_value(json_object_get(body, "idle_expires_in")), 7200 - 100, "idle");
    is(sso_json_text(json_object_get(body, "claims"), "hostile"), "</script>\xe2\x80\xa8\"\n",
       "claims as they are");
    ok(!json_object_get(json_object_get(body, "claims"), "jti"), "those exported");
    ok(!strstr(seen.answer.body, "eyJ"), "never a token");
    is_int(browse_at(7200, &browser, "GET", "/edxsso/session"), 401, "asking keeps nothing alive");
    is_int(browse_at(0, &browser, "POST", "/edxsso/session"), 405, "POST");
    is(apr_table_get(seen.answer.headers, "Allow"), "GET, HEAD", "Allow");
}

/* The module's own URLs: which there are, and by which methods. */
static void test_own(void)
{
    static const struct {
        const char *method, *target;
        int status;
    } urls[] = {
        { "GET", "/edxsso", 404 }, { "GET", "/edxsso/", 404 }, { "GET", "/edxsso/logins", 404 },
        { "GET", "/edxsso/login/", 404 }, { "GET", "/edxsso/login/x", 404 },
        { "GET", "/edxsso/session/x", 404 }, { "GET", "/edxsso//login", 404 },
        { "GET", "/edxsso/callback", 404 }, { "GET", "/edxsso/callback/nobody", 404 },
        { "GET", "/edxsso/callback/campus", 404 }, { "GET", "/edxsso/callback/lms/", 404 },
        { "POST", "/edxsso/login", 405 }, { "HEAD", "/edxsso/callback/lms", 405 },
        { "PUT", "/edxsso/callback/lms", 405 }, { "HEAD", "/edxsso/logout", 405 },
        { "FOO", "/edxsso/session", 405 },
        { "OPTIONS", "/edxsso/logout", 405 }, { "GE", "/edxsso/session", 405 },
    };
    sso_ctx_t *ctx = world_ctx(0);
    sso_request_t *request;
    unsigned i;

    for (i = 0; i < SSO_COUNT(urls); i++)
        is_int(browse_at(0, &nobody, urls[i].method, urls[i].target), urls[i].status, "%s %s",
               urls[i].method, urls[i].target);
    ok(!sso_answer_owns(world_site, "/edxssox") && !sso_answer_owns(world_site, "/"), "not ours");
    ok(!sso_answer_owns(world_site, "/complete/campus"), "an own path is a whole one");
    request = browser_request(ctx, &nobody, "GET", "/edxsso/login");
    request->origin = NULL;
    sso_answer_own(ctx, request, &seen.answer);
    is_int(seen.answer.status, 400, "a host that is not ours");
    request->path = "/p/";
    sso_answer_place(ctx, request, &seen.answer);
    is_int(seen.answer.status, 400, "for places, too");
}

int main(void)
{
    world_start();
    test_names();
    test_modes();
    test_request();
    test_logins();
    test_many_buttons();
    test_nexts();
    test_places();
    test_background();
    test_session_url();
    test_own();
    return tap_done();
}
