/* SPDX-License-Identifier: Apache-2.0 */
/* Coming back from the provider: what is believed, what is asked, and what each failure becomes. */
/* the tables hold formats: where the state goes differs from case to case */
#pragma GCC diagnostic ignored "-Wformat-nonliteral"

#include "browser.h"

#define START    "/edxsso/login?provider=lms&next=/there"
#define CALLBACK "/edxsso/callback/lms?code=a-code&state="

/* Start a sign-in; its state. */
static const char *start(browser_t *browser, const char *provider)
{
    browse(browser, apr_pstrcat(world_pool, "/edxsso/login?next=/there&provider=", provider, NULL));
    FORGE_MUST(seen.state);
    token_endpoint.calls = 0;
    return seen.state;
}

static int come_back(int later_sec, browser_t *browser, const char *state)
{
    return browse_at(later_sec, browser, "GET", apr_pstrcat(world_pool, CALLBACK, state, NULL));
}

/* Refused before anything was asked of the provider, with nobody signed in. */
static void is_refused(const browser_t *browser, int status, int number, const char *what)
{
    is_int(seen.answer.status, status, "%s", what);
    is_int(seen.number, number, "%s: %s", what, seen.text);
    is_int(token_endpoint.calls, 0, "%s: nothing is asked", what);
    ok(!jar_get(browser, "__Host-edxsso") && !seen.location, "%s: nobody is signed in", what);
}

static void test_good(void)
{
    browser_t browser = { 0 };
    const char *state = start(&browser, "lms"), *first;

    token_gives(world_claims(""));
    is_int(come_back(0, &browser, state), 302, "signed in");
    is(seen.location, WORLD_ORIGIN "/there", "where the user was going");
    first = jar_get(&browser, "__Host-edxsso");
    is_int(strlen(first), 64, "the session cookie");
    is_int(token_endpoint.calls, 1, "one call");
    is(token_endpoint.url, "http://127.0.0.1:8000/oauth2/access_token", "to the token endpoint");
    ok(strstr(token_endpoint.body, "grant_type=authorization_code&code=a-code&redirect_uri="
              "https%3A%2F%2Fsite.example%2Fedxsso%2Fcallback%2Flms&code_verifier="),
       "what it says");
    ok(strstr(token_endpoint.body, "&client_id=site&client_secret=" WORLD_CANARY
              "&token_type=jwt&asymmetric_jwt=true"), "%s", token_endpoint.body);
    ok(token_endpoint.once && token_endpoint.plain_ok, "once, and in plain where configured so");
    is_int(memory_count(), 2, "a session and a used state");
    is_int(come_back(0, &browser, state), 400, "again");
    is_int(seen.number, 559, "it has been used");
    is_int(token_endpoint.calls, 1, "nothing more is asked");
    is_int(browse(&browser, "/p/"), 0, "the session is still there");
    state = start(&browser, "lms");
    come_back(0, &browser, state);
    ok(strcmp(jar_get(&browser, "__Host-edxsso"), first), "a new sign-in, a new id");
    jar_set(&browser, "__Host-edxsso", first);
    is_int(browse(&browser, "/edxsso/session"), 401, "the one before has ended");
}

static void test_times(void)
{
    static const struct {
        int later_sec, status, number;
    } times[] = {
        { 0, 302, 0 }, { 599, 302, 0 }, { 600, 302, 0 }, { 601, 400, 552 }, { -1, 302, 0 },
        { -60, 302, 0 }, { -61, 400, 515 }, { 100000000, 400, 552 },
    };
    unsigned i;

    token_gives(apr_psprintf(world_pool, "{\"exp\":%d,\"iat\":1,\"iss\":\"" WORLD_ISSUER "\","
                             "\"sub\":\"s\",\"preferred_username\":\"u\"}", 2000000000));
    for (i = 0; i < SSO_COUNT(times); i++) {
        browser_t browser = { 0 };
        const char *state = start(&browser, "lms");

        is_int(come_back(times[i].later_sec, &browser, state), times[i].status, "after %d s",
               times[i].later_sec);
        is_int(seen.number, times[i].number, "number");
        if (times[i].number)
            is_refused(&browser, 400, times[i].number, "the time");
        else
            is_int(come_back(times[i].later_sec, &browser, state), 400, "and not twice");
    }
}

static void test_bindings(void)
{
    browser_t mine = { 0 }, other = { 0 };
    const char *state = start(&mine, "lms"), *binding, *alien;

    start(&other, "lms");
    binding = jar_get(&other, "__Host-edxsso_login");
    is_int(come_back(0, &other, state), 400, "another browser");
    is_refused(&other, 400, 555, "another browser");
    memset(&other, 0, sizeof(other));
    come_back(0, &other, state);
    is_refused(&other, 400, 554, "no cookie");
    jar_set(&other, "__Host-edxsso_login", "short");
    come_back(0, &other, state);
    is_refused(&other, 400, 554, "a cookie of another make");
    jar_set(&other, "__Host-edxsso_login",
            apr_pstrcat(world_pool, binding, "; __Host-edxsso_login=",
                        jar_get(&mine, "__Host-edxsso_login"), NULL));
    come_back(0, &other, state);
    is_refused(&other, 400, 554, "two cookies");
    browse(&mine, apr_pstrcat(world_pool, "/complete/campus/?code=x&state=", state, NULL));
    is_refused(&mine, 400, 553, "another provider's callback");
    mine.origin = "http://site.example";
    come_back(0, &mine, state);
    is_refused(&mine, 400, 554, "another scheme");
    mine.origin = NULL;
    sso_seal(world_ctx(0), world_site->ring, "session", "1700000000\nlms\nx\ny\nz\nw", &alien);
    come_back(0, &mine, alien);
    is_refused(&mine, 400, 128, "a seal of another purpose");
    token_gives(world_claims(""));
    is_int(come_back(0, &mine, state), 302, "it is still good where it belongs");
}

/* What is refused by the look of it; %s is a good state. */
static const struct {
    const char *query;
    int number;
} looks[] = {
    { "", 550 }, { "?", 550 }, { "?&&", 550 }, { "?code=x", 550 },
    { "?code=x&state=", 0 /* 550 or of a seal */ },
    { "?code=x&state=AAAA", 125 }, { "?code=x&state=%%20", 129 },
    { "?code=x&state=%s&state=%s", 558 }, { "?code=x&code=x&state=%s", 558 },
    { "?error=a&error=b&state=%s", 558 }, { "?code=x&iss=a&iss=a&state=%s", 558 },
    { "?code=x&state=%s&x=%%00", 557 }, { "?code=x&state=%s%%", 557 },
    { "?code=x&state=%s=", 129 }, { "?code=x&state=%sA", 0 },
    { "?code=x&state=%s&iss=https://evil.test", 562 },
    { "?code=x&iss=https://campus.example/oauth2&state=%s", 562 },
};

static void test_looks(void)
{
    char longer[9000];
    browser_t browser = { 0 };
    const char *state = start(&browser, "lms"), *target;
    unsigned i;

    for (i = 0; i < SSO_COUNT(looks); i++) {
        target = apr_pstrcat(world_pool, "/edxsso/callback/lms", looks[i].query, NULL);
        browse(&browser, apr_psprintf(world_pool, target, state, state));
        is_refused(&browser, 400, looks[i].number ? looks[i].number : seen.number, looks[i].query);
    }
    memset(longer, 'A', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    come_back(0, &browser, longer);
    is_refused(&browser, 400, 551, "a long state");
    is_int(browse_at(0, &browser, "POST", "/edxsso/callback/lms"), 400, "POST");
    is_refused(&browser, 400, 556, "POST");
    browse(&browser, apr_pstrcat(world_pool, "/edxsso/callback/lms?state=", state, NULL));
    is_refused(&browser, 400, 563, "neither code nor error");
}

/* The provider's errors: whose turn it is. */
static void test_errors(void)
{
    static const struct {
        const char *error;
        int status;
    } errors[] = {
        { "access_denied", 403 }, { "login_required", 403 }, { "interaction_required", 403 },
        { "consent_required", 403 }, { "account_selection_required", 403 },
        { "invalid_scope", 502 }, { "server_error", 502 }, { "Access_denied", 502 },
        { "%%3Cscript%%3Ealert(1)%%3C/script%%3E", 502 },
    };
    unsigned i;

    for (i = 0; i < SSO_COUNT(errors); i++) {
        browser_t browser = { 0 };
        const char *state = start(&browser, "lms");
        const char *target = apr_pstrcat(world_pool, "/edxsso/callback/lms?error=", errors[i].error,
                                         "&error_description=%%3Cb%%3Ehello%%0A&code=x&state=%s",
                                         NULL);

        browse(&browser, apr_psprintf(world_pool, target, state));
        is_refused(&browser, errors[i].status, errors[i].status == 403 ? 560 : 561,
                   errors[i].error);
        ok(!strstr(seen.answer.body, "hello") && !strstr(seen.answer.body, "alert"), "not echoed");
        ok(strstr(seen.text, "hello\\x0a"), "but logged: %s", seen.text);
        ok(strstr(seen.answer.body, "login?provider=lms&amp;next="), "and may be tried again");
        come_back(0, &browser, state);
        is_refused(&browser, 400, 559, "the state is used up");
    }
}

/* What the token endpoint answers, and what becomes of it. */
static const struct {
    int status;
    const char *type, *body;
    int answer, number;
} answers[] = {
    { 200, "application/json", "{\"access_token\":\"opaque\"}", 502, 452 },
    { 200, "application/json", "{\"access_token\":\"a.b.c\"}", 400, 0 },
    { 200, "application/json", "{}", 502, 404 },
    { 200, "application/json", "[]", 502, 403 },
    { 200, "application/json", "{\"access_token\":\"x\",\"access_token\":\"y\"}", 502, 403 },
    { 200, "application/json", "{\"access_token\":", 502, 403 },
    { 200, "application/json", "", 502, 403 },
    { 200, "text/html", "<html>", 502, 402 },
    { 200, "", "{\"access_token\":\"x\"}", 502, 402 },
    { 201, "application/json", "{\"access_token\":\"x\"}", 502, 402 },
    { 200, "application/json", "{\"access_token\":\"x\",\"error\":\"e\"}", 502, 401 },
    { 400, "application/json", "{\"error\":\"invalid_grant\"}", 502, 401 },
    { 401, "application/json", "{\"error\":\"invalid_client\"}", 502, 401 },
    { 403, "application/json", "{\"error\":\"access_denied\"}", 403, 881 },
    { 500, "text/html", "<html>", 502, 402 },
    { 302, "text/html", "", 502, 402 },
    { 429, "text/html", "slow down", 503, 400 },
    { 503, "application/json", "{\"error\":\"x\"}", 503, 400 },
};

static void test_answers(void)
{
    unsigned i;

    for (i = 0; i < SSO_COUNT(answers); i++) {
        browser_t browser = { 0 };
        const char *state = start(&browser, "lms");

        token_says(answers[i].status, answers[i].type, answers[i].body);
        is_int(come_back(0, &browser, state), answers[i].answer, "%d %s", answers[i].status,
               answers[i].body);
        ok(!answers[i].number || seen.number == answers[i].number, "number %d", seen.number);
        is_int(token_endpoint.calls, 1, "asked once");
        ok(!jar_get(&browser, "__Host-edxsso"), "nobody is signed in");
        come_back(0, &browser, state);
        is_int(token_endpoint.calls, 1, "and the code is not sent again");
    }
    is(apr_table_get(seen.answer.headers, "Retry-After"), NULL, "no word about when");
}

static void test_unreachable(void)
{
    static const struct {
        int number, status;
    } causes[] = { { 300, 503 }, { 305, 503 }, { 321, 503 }, { 301, 502 }, { 335, 502 } };
    browser_t browser = { 0 };
    unsigned i;

    for (i = 0; i < SSO_COUNT(causes); i++) {
        const char *state = start(&browser, "lms");

        token_endpoint.fail = causes[i].number;
        is_int(come_back(0, &browser, state), causes[i].status, "failed by %d", causes[i].number);
        ok(causes[i].status != 503 || !strcmp(apr_table_get(seen.answer.headers, "Retry-After"),
                                              "5"), "Retry-After");
    }
    token_says(429, "text/plain", "");
    token_endpoint.reply.retry_after = "17";
    come_back(0, &browser, start(&browser, "lms"));
    is(apr_table_get(seen.answer.headers, "Retry-After"), "17", "the provider's own");
}

/* What a token says, and who is signed in then. */
static const struct {
    const char *claims; /* further ones, the last of a name is not looked at: names are new */
    int status, number;
    const char *page;
} people[] = {
    { ",\"extra\":1", 302, 0, "" },
    { ",\"nbf\":1700000060", 302, 0, "" },
    { ",\"nbf\":1700000061", 400, 465, "" },
    { ",\"nbf\":\"soon\"", 400, 464, "" },
};

static void test_people(void)
{
    static const struct {
        const char *claims;
        int status, number;
    } whole[] = {
        { "{\"exp\":1700000100,\"iat\":1700000000,\"iss\":\"" WORLD_ISSUER "\",\"sub\":\"s\"}",
          403, 602 },
        { "{\"exp\":1700000100,\"iat\":1700000000,\"iss\":\"" WORLD_ISSUER "\",\"sub\":\"s\","
          "\"preferred_username\":\"a\\nb\"}", 400, 603 },
        { "{\"exp\":1700000100,\"iat\":1700000000,\"iss\":\"" WORLD_ISSUER "\","
          "\"preferred_username\":\"u\"}", 400, 453 },
        { "{\"exp\":1700000100,\"iat\":1700000000,\"iss\":\"" WORLD_ISSUER "\",\"sub\":\"s\","
          "\"preferred_username\":\"u\",\"version\":\"2.0.0\"}", 400, 451 },
        { "{\"exp\":1700000100,\"iat\":1700000000,\"iss\":\"" WORLD_ISSUER "\",\"sub\":\"s\","
          "\"preferred_username\":\"u\",\"version\":1.2}", 400, 450 },
        { "{\"exp\":1700000100,\"iat\":1700000000,\"iss\":\"https://campus.example/oauth2\","
          "\"sub\":\"s\",\"preferred_username\":\"u\"}", 400, 467 },
    };
    unsigned i;

    for (i = 0; i < SSO_COUNT(people) + SSO_COUNT(whole); i++) {
        browser_t browser = { 0 };
        const char *state = start(&browser, "lms");
        unsigned k = i - (unsigned)SSO_COUNT(people);

        token_gives(i < SSO_COUNT(people) ? world_claims(people[i].claims) : whole[k].claims);
        is_int(come_back(0, &browser, state), i < SSO_COUNT(people) ? people[i].status
                                                                    : whole[k].status, "%u", i);
        is_int(seen.number, i < SSO_COUNT(people) ? people[i].number : whole[k].number, "%s",
               seen.text);
        ok((seen.answer.status == 302) == (jar_get(&browser, "__Host-edxsso") != NULL),
           "signed in or not");
    }
}

/* A store that fails, at each of its calls in turn. */
static void test_store_fails(void)
{
    int at, calls;

    token_gives(world_claims(""));
    for (at = 1; at < 9; at++) {
        browser_t browser = { 0 };
        const char *state;
        int status;

        browser_signs_in(0, &browser, START); /* a session to be replaced */
        state = start(&browser, "lms");
        jar_set(&browser, "__Host-edxsso_login",
                apr_pstrmemdup(world_pool, jar_get(&browser, "__Host-edxsso_login"), 22));
        calls = memory.calls;
        memory.fail_at = calls + at;
        status = come_back(0, &browser, state);
        if (status == 302)
            break;
        is_int(status, 503, "call %d fails", at);
        is(apr_table_get(seen.answer.headers, "Retry-After"), "5", "come back later");
        ok(token_endpoint.calls == (at > 1), "the code goes out only once the state is used");
        is_int(browse(&browser, "/p/"), 503, "a place cannot say");
        is_int(browse(&browser, "/edxsso/session"), 503, "nor can the session URL");
        is_int(browse(&browser, "/edxsso/logout"), 503, "nor is anybody signed out");
        ok(jar_get(&browser, "__Host-edxsso"), "the cookie stays");
        memory.fail_at = 0;
    }
    memory.fail_at = 0;
    is_int(at, 4, "add, remove, put");
}

/* Signed in and sent away again: five times in a minute are enough. */
static void test_loop(void)
{
    browser_t browser = { 0 };
    sso_config_t *record = world_record();
    int i;

    world_set(record, "EdxSSOUse", "lms", NULL);
    browser.place = sso_record_merge(world_pool, world_site->config, record);
    token_gives(world_claims(""));
    for (i = 0; i < 5; i++) {
        is_int(browser_signs_in(i * 11, &browser, "/p/"), 302, "round %d", i);
        jar_set(&browser, "__Host-edxsso", NULL); /* lost */
    }
    is_int(browse_at(59, &browser, "GET", "/p/"), 403, "a page, no redirect");
    is_int(seen.number, 510, "says so");
    ok(strstr(seen.answer.body, "cookie") && strstr(seen.answer.body, "/edxsso/login?next="),
       "why");
    is_int(browser_signs_in(59, &browser, "/p/"), 302, "its link may try again");
    jar_set(&browser, "__Host-edxsso", NULL);
    for (i = 0; i < 5; i++) {
        is_int(browser_signs_in(100 + i * 15, &browser, "/p/"), 302, "slowly: %d", i);
        jar_set(&browser, "__Host-edxsso", NULL);
    }
    is_int(browse_at(161, &browser, "GET", "/p/"), 302, "more than a minute is no loop");
}

/* The login cookie is the browser's: whatever it says, nothing breaks. */
static void test_hostile_counts(void)
{
    static const char *const counts[] = {
        "", ".", ".9223372036854775807.1700000000", ".-9223372036854775808.1700000000",
        ".4.-9223372036854775808", ".4.9223372036854775807", ".99999999999999999999.1", ".x.y",
        ".5.1700000000x", ".4.1700000000.5", "."
    };
    unsigned i;

    token_gives(world_claims(""));
    for (i = 0; i < SSO_COUNT(counts); i++) {
        browser_t browser = { 0 };
        const char *state, *binding;

        state = start(&browser, "lms");
        binding = jar_get(&browser, "__Host-edxsso_login");
        jar_set(&browser, "__Host-edxsso_login", apr_pstrcat(world_pool, binding, counts[i], NULL));
        is_int(come_back(0, &browser, state), 302, "'%s'", counts[i]);
        jar_set(&browser, "__Host-edxsso", NULL);
        ok(browse(&browser, "/p/") < 500, "and a place");
    }
}

int main(void)
{
    world_start();
    test_good();
    test_times();
    memset(memory.entries, 0, sizeof(memory.entries));
    test_bindings();
    test_looks();
    test_errors();
    test_answers();
    memset(memory.entries, 0, sizeof(memory.entries));
    test_unreachable();
    test_people();
    memset(memory.entries, 0, sizeof(memory.entries));
    test_store_fails();
    memset(memory.entries, 0, sizeof(memory.entries));
    test_loop();
    test_hostile_counts();
    return tap_done();
}
