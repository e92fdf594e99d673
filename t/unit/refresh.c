/* SPDX-License-Identifier: Apache-2.0 */
/* Renewing tokens: when, by whom, and what becomes of the session. */
#include "browser.h"

#include "sso_identity.h"
#include "sso_refresh.h"

#define LIFE   3600
#define LATER  3400 /* within the last 300 s */
#define ALMOST 3299

static struct {
    browser_t *browser; /* asks for a place while the provider is being asked */
    const sso_store_key_t *end; /* of a session that is ended meanwhile */
    int depth;
} meanwhile;

static const char *tokens_json(const char *claims, const char *refresh, const char *more)
{
    return apr_psprintf(world_pool, "{\"access_token\": \"%s\", \"expires_in\": %d, "
                        "\"token_type\": \"JWT\"%s%s%s%s}", world_token(claims), LIFE,
                        refresh ? ", \"refresh_token\": \"" : "", refresh ? refresh : "",
                        refresh ? "\"" : "", more);
}

/* An LMS's claims as they are some time later. */
static const char *later_claims(const char *sub, const char *user, const char *more)
{
    return apr_psprintf(world_pool, "{\"aud\":\"openedx\",\"exp\":%" APR_INT64_T_FMT ",\"iat\":%"
                        APR_INT64_T_FMT ",\"iss\":\"" WORLD_ISSUER "\",\"sub\":\"%s\","
                        "\"preferred_username\":\"%s\",\"version\":\"1.2.0\"%s}",
                        WORLD_NOW + LATER + LIFE, WORLD_NOW + LATER - 5, sub, user, more);
}

static void says(const char *body)
{
    token_says(200, "application/json", body);
}

/* Signed in, with a refresh token; the calls of the sign-in are forgotten. */
static void sign_in(browser_t *browser, const char *refresh, const char *more)
{
    memset(browser, 0, sizeof(*browser));
    memset(memory.entries, 0, sizeof(memory.entries));
    says(tokens_json(world_claims(""), refresh, more));
    FORGE_MUST(browser_signs_in(0, browser, "/edxsso/login?provider=lms&next=/p/") == 302);
    token_endpoint.calls = 0;
    tap_log_text[0] = '\0';
}

static const sso_kept_t *kept_of(int later_sec, browser_t *browser, const sso_session_t **session)
{
    sso_ctx_t *ctx = world_ctx(later_sec);
    const sso_kept_t *kept = NULL;

    *session = NULL;
    if (sso_session_find(ctx, world_site, jar_get(browser, "__Host-edxsso"), 0, session) == SSO_OK)
        sso_session_tokens(ctx, world_site, *session, &kept);
    return kept;
}

static void test_due(void)
{
    static const struct {
        int life_sec, refresh_in, due_sec;
        const char *refresh, *margin;
    } cases[] = {
        { 3600, 0, 3300, "r", "300s" }, { 300, 0, 200, "r", "300s" }, { 900, 0, 600, "r", "300s" },
        { 3600, 1800, 1800, "r", "300s" }, { 3600, 3500, 3300, "r", "300s" },
        { 0, 1800, 1800, "r", "300s" }, { 0, 0, 0, "r", "300s" }, { 3600, 0, 0, NULL, "300s" },
        { 3600, 0, 0, "r", "off" }, { 3600, 0, 2400, "r", "1d" },
    };
    unsigned i;

    for (i = 0; i < SSO_COUNT(cases); i++) {
        sso_ctx_t *ctx = world_ctx(0);
        sso_provider_t provider = *sso_provider_find(world_site, "lms");
        sso_config_t config = *provider.config;
        sso_tokens_t tokens = { .refresh_token = cases[i].refresh, .access_token = "a" };
        sso_session_t session = { 0 };

        world_set(&config, "EdxSSOTokenRefresh", cases[i].margin, NULL);
        provider.config = &config;
        if (cases[i].life_sec)
            tokens.expires = ctx->now + apr_time_from_sec(cases[i].life_sec);
        if (cases[i].refresh_in)
            tokens.refresh_at = ctx->now + apr_time_from_sec(cases[i].refresh_in);
        sso_identity_keep(ctx, world_site, &provider, &tokens, &session);
        ok(session.refresh_due == (cases[i].due_sec ? ctx->now
                                                      + apr_time_from_sec(cases[i].due_sec) : 0),
           "case %u", i);
        ok(!session.kept || !session.kept->access, "what nothing needs is not kept");
    }
}

static void test_renewed(void)
{
    const sso_session_t *before, *session;
    const sso_kept_t *kept;
    browser_t browser;

    sign_in(&browser, "r1", "");
    kept_of(0, &browser, &before);
    says(tokens_json(later_claims("e3bf", "jsmith", ",\"course\":\"new\""), "r2", ""));
    is_int(browse_at(ALMOST, &browser, "GET", "/p/"), 0, "before it is due");
    is_int(token_endpoint.calls, 0, "nothing is asked");
    is_int(browse_at(LATER, &browser, "GET", "/p/"), 0, "when it is due");
    is_int(token_endpoint.calls, 1, "one call");
    ok(token_endpoint.once, "never sent twice");
    ok(strstr(token_endpoint.body, "grant_type=refresh_token&refresh_token=r1&client_id=site&"
              "client_secret=" WORLD_CANARY "&token_type=jwt&asymmetric_jwt=true") != NULL,
       "%s", token_endpoint.body);
    ok(seen.answer.session && strstr(seen.answer.session->claims.text, "\"course\":\"new\""),
       "this request has the new claims");
    kept = kept_of(LATER, &browser, &session);
    is(kept->refresh, "r2", "the rotated token is kept");
    ok(strstr(session->claims.text, "\"course\":\"new\"") != NULL, "the claims, too");
    ok(session->started == before->started && session->ends == before->ends, "start and end stay");
    ok(session->refresh_due == before->refresh_due + apr_time_from_sec(LATER), "and so it goes on");
    browse_at(LATER + 1, &browser, "GET", "/p/");
    is_int(token_endpoint.calls, 1, "not again");
    sign_in(&browser, "r1", "");
    says(tokens_json(later_claims("e3bf", "jsmith", ""), NULL, ""));
    browse_at(LATER, &browser, "GET", "/p/");
    is(kept_of(LATER, &browser, &session)->refresh, "r1", "without a new one the old one stays");
    sign_in(&browser, NULL, "");
    browse_at(LATER, &browser, "GET", "/p/");
    browse_at(LIFE + 10, &browser, "GET", "/p/");
    is_int(token_endpoint.calls, 0, "no refresh token, no refresh");
}

/* What the provider says, and what is left of the session. */
static const struct {
    const char *what;
    int status;
    const char *body; /* NULL: cannot be reached */
    const char *directive;
    int alive, number; /* afterwards; that the log names */
    const char *refresh;
} outcomes[] = {
    { "unreachable", 0, NULL, "logout", 1, 1003, "r1" },
    { "503", 503, "{}", "logout", 1, 1003, "r1" },
    { "429", 429, "{}", "logout", 1, 1003, "r1" },
    { "500 HTML", 500, "<h1>no</h1>", "logout", 1, 1003, "r1" },
    { "200 HTML", 200, "<h1>no</h1>", "logout", 1, 1003, "r1" },
    { "invalid_client", 401, "{\"error\":\"invalid_client\"}", "logout", 1, 1003, "r1" },
    { "invalid_scope", 400, "{\"error\":\"invalid_scope\"}", "logout", 1, 1003, "r1" },
    { "invalid_grant", 400, "{\"error\":\"invalid_grant\"}", "logout", 0, 1002, NULL },
    { "invalid_grant, keep", 400, "{\"error\":\"invalid_grant\"}", "keep", 1, 1004, NULL },
    { "with a challenge", 400, "{\"error\":\"invalid_grant\",\"claims\":\"{}\"}", "logout", 0, 1002,
      NULL },
    { "login_required", 400, "{\"error\":\"login_required\"}", "logout", 0, 1002, NULL },
};

static void set_directive(const char *words)
{
    const sso_provider_t *provider = sso_provider_find(world_site, "lms");

    world_set((sso_config_t *)(apr_uintptr_t)provider->config, "EdxSSOOnRefreshFailure", words,
              NULL);
}

static void test_outcomes(void)
{
    unsigned i;

    for (i = 0; i < SSO_COUNT(outcomes); i++) {
        const sso_session_t *session;
        const sso_kept_t *kept;
        browser_t browser;

        sign_in(&browser, "r1", "");
        set_directive(outcomes[i].directive);
        token_says(outcomes[i].status, "application/json",
                   outcomes[i].body ? outcomes[i].body : "");
        token_endpoint.fail = outcomes[i].body ? 0 : 300;
        is_int(browse_at(LATER, &browser, "GET", "/p/"), outcomes[i].alive ? 0 : 302, "%s",
               outcomes[i].what);
        ok(strstr(tap_log_text, apr_psprintf(world_pool, "SSO%d", outcomes[i].number)) != NULL,
           "%s: %s", outcomes[i].what, tap_log_text);
        ok(!strstr(tap_log_text, "r1") , "no token is in the log");
        kept = kept_of(LATER, &browser, &session);
        is_int(session != NULL, outcomes[i].alive, "%s: the session", outcomes[i].what);
        is(kept ? kept->refresh : NULL, outcomes[i].refresh, "%s: its token", outcomes[i].what);
        browse_at(LATER + 1, &browser, "GET", "/p/");
        is_int(token_endpoint.calls, 1, "%s: not asked again at once", outcomes[i].what);
    }
    set_directive("logout");
}

static void test_pauses(void)
{
    const sso_session_t *session;
    browser_t browser;
    int at = LATER, turn, before = 0;

    sign_in(&browser, "r1", "");
    token_says(503, "application/json", "{}");
    for (turn = 1; turn <= 9; turn++) {
        int pause;

        browse_at(at, &browser, "GET", "/p/");
        is_int(token_endpoint.calls, turn, "asked");
        kept_of(at, &browser, &session);
        pause = (int)apr_time_sec(session->refresh_due) - (int)WORLD_NOW - at;
        ok(pause >= before && pause <= 375, "turn %d: %d s", turn, pause);
        before = pause * 3 / 4;
        before = before > 300 ? 300 : before;
        at += pause + 1;
    }
    says(tokens_json(world_claims(""), "r2", ""));
    token_endpoint.calls = 0;
    sign_in(&browser, "r1", "");
    token_says(503, "application/json", "{}");
    token_endpoint.reply.retry_after = "120";
    browse_at(LATER, &browser, "GET", "/p/");
    kept_of(LATER, &browser, &session);
    ok(session->refresh_due >= apr_time_from_sec(WORLD_NOW + LATER + 120), "Retry-After is obeyed");
    token_endpoint.reply.retry_after = "9999999999999999999";
    browse_at(LATER + 200, &browser, "GET", "/p/");
    kept_of(LATER + 200, &browser, &session);
    ok(session->refresh_due <= apr_time_from_sec(WORLD_NOW + LATER + 200 + 4500), "within reason");
}

/* What comes is judged as at sign-in, and must be the same person's. */
static void test_claims(void)
{
    static const struct {
        const char *sub, *user, *more;
        int alive, number;
    } cases[] = {
        { "e3bf", "jsmith", ",\"name\":\"New Name\"", 1, 0 },
        { "other", "jsmith", "", 0, 1006 },
        { "e3bf", "other", "", 0, 1006 },
        { "e3bf", "", "", 0, 1005 },
        { "e3bf", "jsmith", ",\"version\":\"2.0.0\"", 0, 1005 }, /* duplicate members */
    };
    unsigned i;

    for (i = 0; i < SSO_COUNT(cases); i++) {
        const sso_session_t *session;
        browser_t browser;

        sign_in(&browser, "r1", "");
        says(tokens_json(later_claims(cases[i].sub, cases[i].user, cases[i].more), "r2", ""));
        browse_at(LATER, &browser, "GET", "/p/");
        ok(!cases[i].number || strstr(tap_log_text, apr_psprintf(world_pool, "SSO%d",
                                                                cases[i].number)),
           "case %u: %s", i, tap_log_text);
        kept_of(LATER, &browser, &session);
        is_int(session != NULL, cases[i].alive, "case %u", i);
    }
    for (i = 0; i < 2; i++) {
        const sso_session_t *session;
        const sso_kept_t *kept;
        browser_t browser;

        sign_in(&browser, "r1", "");
        says(i ? "{\"access_token\":\"opaque\",\"refresh_token\":\"r2\",\"expires_in\":3600}"
               : "{\"access_token\":\"eyJhbGciOiJIUzI1NiJ9.e30.AAAA\",\"refresh_token\":\"r2\","
                 "\"expires_in\":3600}");
        browse_at(LATER, &browser, "GET", "/p/");
        kept = kept_of(LATER, &browser, &session);
        if (i) {
            is(kept ? kept->refresh : "", "r2", "an opaque token: the new tokens count");
            ok(session && strstr(session->claims.text, "jsmith"), "and the claims stay");
        }
        else
            ok(!session, "a token that does not verify ends it");
    }
}

static sso_rc_e call_meanwhile(sso_ctx_t *ctx, const sso_call_t *call, sso_reply_t *reply)
{
    sso_rc_e rc = token_call(ctx, call, reply);

    if (meanwhile.depth++)
        return rc;
    if (meanwhile.browser)
        browse_at(LATER, meanwhile.browser, "GET", "/p/");
    if (meanwhile.end)
        FORGE_MUST(sso_store_remove(world_ctx(LATER), &memory.store, meanwhile.end) == SSO_OK);
    return rc;
}

/* Others that come while one is at it, and a logout in the middle. */
static void test_meanwhile(void)
{
    const sso_session_t *session;
    browser_t browser, same;
    sso_store_key_t key;

    sign_in(&browser, "r1", "");
    same = browser;
    memset(&meanwhile, 0, sizeof(meanwhile));
    meanwhile.browser = &same;
    world_ports.call = call_meanwhile;
    says(tokens_json(later_claims("e3bf", "jsmith", ""), "r2", ""));
    is_int(browse_at(LATER, &browser, "GET", "/p/"), 0, "the one");
    is_int(token_endpoint.calls, 1, "the other one asked nothing, and passed");
    is(kept_of(LATER, &browser, &session)->refresh, "r2", "renewed");
    sign_in(&browser, "r1", "");
    kept_of(0, &browser, &session);
    key = session->key;
    memset(&meanwhile, 0, sizeof(meanwhile));
    meanwhile.end = &key;
    says(tokens_json(later_claims("e3bf", "jsmith", ""), "r2", ""));
    is_int(browse_at(LATER, &browser, "GET", "/p/"), 302, "ended meanwhile: sign in again");
    ok(!kept_of(LATER, &browser, &session) && !session, "it stays ended");
    world_ports.call = token_call;
}

/* Who was killed in the middle holds the lock for a while; then somebody else is at it. */
static void test_killed(void)
{
    const sso_session_t *session;
    memory_entry_t entry;
    browser_t browser;
    int left;

    sign_in(&browser, "r1", "");
    kept_of(0, &browser, &session);
    token_says(503, "application/json", "{}");
    entry = *memory_find(world_ctx(0), &session->key);
    browse_at(LATER, &browser, "GET", "/p/");
    *memory_find(world_ctx(LATER), &session->key) = entry; /* it never came to write anything */
    token_endpoint.calls = 0;
    says(tokens_json(later_claims("e3bf", "jsmith", ""), "r2", ""));
    is_int(browse_at(LATER + 10, &browser, "GET", "/p/"), 0, "while it is locked: goes on");
    is_int(token_endpoint.calls, 0, "nobody asks");
    for (left = 11; left < 60 && !token_endpoint.calls; left++)
        browse_at(LATER + left, &browser, "GET", "/p/");
    is_int(token_endpoint.calls, 1, "then one does");
    ok(left > 20 && left < 30, "after %d s", left);
    is(kept_of(LATER + left, &browser, &session)->refresh, "r2", "and it is renewed");
}

static void test_asked(void)
{
    browser_t browser;
    const sso_session_t *session;

    sign_in(&browser, "r1", "");
    says(tokens_json(world_claims(",\"asked\":1"), "r2", ""));
    is_int(browse_at(10, &browser, "GET", "/edxsso/session?refresh=1"), 405, "GET");
    is_int(browse_at(10, &browser, "POST", "/edxsso/session"), 405, "POST without it");
    browser.headers[0] = "Origin";
    browser.headers[1] = "https://evil.test";
    is_int(browse_at(10, &browser, "POST", "/edxsso/session?refresh=1"), 403, "another site");
    is_int(token_endpoint.calls, 0, "nothing of that asks");
    browser.headers[1] = WORLD_ORIGIN;
    is_int(browse_at(10, &browser, "POST", "/edxsso/session?refresh=1"), 200, "this site");
    is_int(token_endpoint.calls, 1, "asks");
    ok(strstr(seen.answer.body, "\"asked\":1") && !strstr(seen.answer.body, "eyJ"), "new claims, "
       "no token");
    is(kept_of(10, &browser, &session)->refresh, "r2", "kept");
    token_says(503, "application/json", "{}");
    is_int(browse_at(20, &browser, "POST", "/edxsso/session?refresh=1"), 503, "not now");
    ok(kept_of(20, &browser, &session) && session, "the session is there");
    token_says(400, "application/json", "{\"error\":\"invalid_grant\"}");
    is_int(browse_at(200, &browser, "POST", "/edxsso/session?refresh=1"), 401, "never again");
    ok(!kept_of(200, &browser, &session) && !session, "the session is not");
    is_int(browse_at(201, &browser, "POST", "/edxsso/session?refresh=1"), 401, "nobody");
}

/* Tokens for the app: only where a place says so, and none that has expired. */
static void test_passed(void)
{
    browser_t browser;
    sso_config_t *place = world_presets();

    world_set(place, "EdxSSOPassToken", "access refresh", NULL);
    world_site->passes_tokens = 1;
    sign_in(&browser, "r1", "");
    browse_at(1, &browser, "GET", "/p/");
    ok(!seen.answer.tokens, "not by default");
    browser.place = place;
    browse_at(1, &browser, "GET", "/p/");
    ok(seen.answer.tokens && seen.answer.tokens->access, "where it is said");
    token_says(503, "application/json", "{}");
    browse_at(LATER, &browser, "GET", "/p/");
    ok(seen.answer.tokens && seen.answer.tokens->access, "still good");
    browse_at(LIFE, &browser, "GET", "/p/");
    is_int(seen.answer.status, 0, "passed");
    ok(seen.answer.tokens && !seen.answer.tokens->access, "expired, and cannot be had: none");
    world_site->passes_tokens = 0;
}

int main(void)
{
    world_start();
    test_due();
    test_renewed();
    test_outcomes();
    test_pauses();
    test_claims();
    test_meanwhile();
    test_killed();
    test_asked();
    test_passed();
    return tap_done();
}
