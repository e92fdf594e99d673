/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions that the browser keeps: whole or not at all, never past their end, ended for all. */
#include "browser.h"

#define ID    "__Host-edxsso"
#define ONE   "__Host-edxsso_1"
#define TWO   "__Host-edxsso_2"
#define LOGOUT "/edxsso/logout?no_redirect=1"
#define IDLE  7200
#define LATER 3400 /* tokens of an hour are due */

static void says(const char *more, const char *refresh)
{
    const char *claims = apr_psprintf(world_pool, "{\"aud\":\"openedx\",\"exp\":%" APR_INT64_T_FMT
                                      ",\"iat\":%" APR_INT64_T_FMT ",\"iss\":\"" WORLD_ISSUER
                                      "\",\"sub\":\"e3bf\",\"preferred_username\":\"jsmith\"%s}",
                                      WORLD_NOW + 100000, WORLD_NOW - 5, more);

    token_says(200, "application/json",
               apr_psprintf(world_pool, "{\"access_token\": \"%s\", \"expires_in\": 3600%s%s%s}",
                            world_token(claims), refresh ? ", \"refresh_token\": \""
                                                                     : "",
                            refresh ? refresh : "", refresh ? "\"" : ""));
}

static void sign_in(browser_t *browser, const char *more, const char *refresh)
{
    memset(browser, 0, sizeof(*browser));
    memset(memory.entries, 0, sizeof(memory.entries));
    says(more, refresh);
    FORGE_MUST(browser_signs_in(0, browser, "/edxsso/login?provider=lms&next=/p/") == 302);
    token_endpoint.calls = 0;
}

static const char *long_claim(int length)
{
    char *text = apr_palloc(world_pool, (apr_size_t)length + 1);

    memset(text, 'x', (apr_size_t)length);
    text[length] = '\0';
    return apr_psprintf(world_pool, ",\"long\":\"%s\"", text);
}

static int pass_at(int later_sec, browser_t *browser)
{
    return browse_at(later_sec, browser, "GET", "/p/") == 0 && seen.answer.session;
}

static void test_kept(void)
{
    browser_t browser, none;

    sign_in(&browser, "", NULL);
    ok(jar_get(&browser, ONE) && jar_get(&browser, ONE)[0] == '1' && !jar_get(&browser, TWO),
       "one piece");
    is_int(memory_count(), 1, "in the store only the state that was used");
    ok(pass_at(1, &browser), "it signs in");
    is(seen.answer.session->remote_user, "jsmith", "whom it should");
    memset(memory.entries, 0, sizeof(memory.entries));
    ok(pass_at(2, &browser), "a store that was lost takes nothing along");
    none = browser;
    jar_set(&none, ONE, NULL);
    ok(!pass_at(2, &none), "without its piece it is none");
    none = browser;
    jar_set(&none, ID, NULL);
    ok(!pass_at(2, &none), "nor without the id");
    sign_in(&browser, long_claim(2500), NULL);
    ok(jar_get(&browser, TWO) && jar_get(&browser, ONE)[0] == '2', "a longer one: two pieces");
    ok(strlen(jar_get(&browser, ONE)) <= 2802 && strlen(jar_get(&browser, TWO)) <= 2800, "bounded");
    ok(pass_at(1, &browser), "it signs in, too");
    sign_in(&browser, long_claim(4000), NULL);
    ok(!jar_get(&browser, ONE) && memory_count() == 2, "too large: in the store");
    ok(pass_at(1, &browser), "and signs in");
}

/* Whatever is sent for the pieces: signed in with the right ones, else nobody, and fast. */
static void test_pieces(void)
{
    static const char *const firsts[] = {
        "99999999", "-1", "0.", "1.", "3.AAAA", "9.AAAA", "2", "", "1.!!!!", "99999999.AAAA", "1",
        "1.AAAA", "2.AAAA", ".", "-1.AAAA", "1..", "1.=", "%s%n",
    };
    browser_t good, other, changed;
    char *text;
    unsigned i;

    sign_in(&other, long_claim(2500), NULL);
    says(long_claim(2501), NULL);
    memset(&good, 0, sizeof(good));
    browser_signs_in(0, &good, "/edxsso/login?provider=lms&next=/p/");
    for (i = 0; i < SSO_COUNT(firsts); i++) {
        changed = good;
        jar_set(&changed, ONE, firsts[i]);
        ok(!pass_at(1, &changed), "first piece '%s'", firsts[i]);
        ok(pass_at(1, &good), "the right one is not harmed");
    }
    changed = good;
    jar_set(&changed, TWO, NULL);
    ok(!pass_at(1, &changed), "the second is missing");
    jar_set(&changed, TWO, jar_get(&other, TWO));
    ok(!pass_at(1, &changed), "another's second");
    jar_set(&changed, ONE, jar_get(&other, ONE));
    ok(!pass_at(1, &changed), "another's both, under this id");
    changed = good;
    text = apr_pstrdup(world_pool, jar_get(&good, TWO));
    text[100] = text[100] == 'A' ? 'B' : 'A';
    jar_set(&changed, TWO, text);
    ok(!pass_at(1, &changed), "a changed letter");
    changed = good;
    jar_set(&changed, TWO, apr_pstrcat(world_pool, jar_get(&good, TWO), "; " TWO "=AAAA", NULL));
    ok(!pass_at(1, &changed), "two of one name");
    text = apr_palloc(world_pool, 100001);
    memset(text, 'A', 100000);
    text[100000] = '\0';
    jar_set(&changed, ONE, apr_pstrcat(world_pool, "1.", text, NULL));
    ok(!pass_at(1, &changed), "100 KB");
}

static void test_ends(void)
{
    browser_t browser, stolen;
    int at;

    sign_in(&browser, "", NULL);
    ok(pass_at(IDLE - 1, &browser), "within the idle time");
    sign_in(&browser, "", NULL);
    stolen = browser;
    ok(!pass_at(IDLE, &browser), "idled out");
    sign_in(&browser, "", NULL);
    for (at = 0; at < 12 * 3600; at += IDLE - 200)
        ok(pass_at(at, &browser), "used again and again: there after %d s", at);
    ok(!pass_at(12 * 3600, &browser), "and ends at its end");
    sign_in(&browser, "", NULL);
    browser.headers[0] = "X-Edxsso-Background";
    browser.headers[1] = "1";
    for (at = 0; at < IDLE; at += 700)
        pass_at(at, &browser);
    ok(!pass_at(IDLE, &browser), "requests in the background do not keep it");
    memset(browser.headers, 0, sizeof(browser.headers));
    sign_in(&browser, "", NULL);
    for (at = -86400; at < -86400 + IDLE; at += 600)
        ok(pass_at(at, &browser), "the clock is set back by a day: there");
    ok(!pass_at(at + IDLE, &browser), "and idles out from there on");
    (void)stolen;
}

static void test_ended(void)
{
    browser_t browser, copied;
    const sso_session_t *session;

    sign_in(&browser, "", NULL);
    copied = browser;
    is_int(browse_at(5, &browser, "GET", "/edxsso/logout?no_redirect=1"), 200, "signed out");
    ok(!jar_get(&browser, ID) && !jar_get(&browser, ONE), "the cookies are gone");
    ok(!pass_at(6, &copied), "a copy of them is none");
    is_int(browse_at(7, &copied, "GET", "/edxsso/logout?no_redirect=1"), 200, "again");
    sign_in(&browser, ",\"sid\":\"s1\"", NULL);
    copied = browser;
    ok(pass_at(1, &browser), "signed in");
    {
        sso_ctx_t *ctx = world_ctx(2);
        int count = 0;

        is_int(sso_revoke_sid(ctx, world_site, sso_provider_find(world_site, "lms")->tag, "s1",
                              &count), SSO_OK, "ended by its sid");
        is_int(count, 1, "one");
    }
    ok(!pass_at(3, &copied), "it has ended");
    sign_in(&browser, "", NULL);
    copied = browser;
    FORGE_MUST(pass_at(1, &browser));
    session = seen.answer.session;
    is_int(sso_revoke_subject(world_ctx(2), world_site, session->tag, session->subject), SSO_OK,
           "ended with all of the person's");
    ok(!pass_at(3, &copied), "it has ended");
    sign_in(&browser, "", NULL);
    copied = browser;
    browser_signs_in(10, &browser, "/edxsso/login?provider=lms&next=/p/");
    ok(pass_at(11, &browser) && !pass_at(11, &copied), "a new sign-in ends the one before");
    /* nothing is written for what never was a session */
    sign_in(&browser, "", NULL);
    jar_set(&browser, ONE, "1.AAAA");
    {
        int before = memory_count();

        browse_at(5, &browser, "GET", "/edxsso/logout?no_redirect=1");
        is_int(memory_count(), before, "made-up cookies take no room");
    }
}

/* What a refresh brought is found by whoever still comes with the old copy. */
static void test_refreshed(void)
{
    browser_t browser, late, kept;

    sign_in(&browser, "", "r1");
    for (int at = 600; at < LATER; at += 600)
        FORGE_MUST(pass_at(at, &browser));
    late = browser;
    says(",\"x\":1", "r2");
    ok(pass_at(LATER, &browser), "renewed");
    is_int(token_endpoint.calls, 1, "by one call");
    ok(strcmp(jar_get(&browser, ONE), jar_get(&late, ONE)), "the browser has a new copy");
    says(",\"x\":2", "r3");
    ok(pass_at(LATER + 1, &late) && strstr(seen.answer.session->claims.text, "\"x\":1"),
       "the old copy leads to what was renewed");
    is_int(token_endpoint.calls, 1, "without another call");
    ok(pass_at(LATER + 2, &browser) && pass_at(LATER + 2, &late), "both go on");
    ok(pass_at(LATER + 3500, &late), "renewed again");
    ok(strstr(token_endpoint.body, "refresh_token=r2"), "with the rotated token: %s",
       token_endpoint.body);
    memset(memory.entries, 0, sizeof(memory.entries));
    ok(pass_at(LATER + 3600, &late) && strstr(seen.answer.session->claims.text, "\"x\":2"),
       "the store may be lost once the browser has the copy");
    /* ended while it is renewed */
    sign_in(&browser, "", "r1");
    for (int at = 600; at < LATER; at += 600)
        FORGE_MUST(pass_at(at, &browser));
    late = kept = browser;
    says(long_claim(5000), "r2");
    ok(pass_at(LATER, &browser), "grown too large for the browser");
    ok(!jar_get(&browser, ONE), "its pieces are taken away");
    ok(pass_at(LATER + 5, &browser) && pass_at(LATER + 5, &late), "it is in the store");
    is_int(browse_at(LATER + 6, &browser, "GET", LOGOUT), 200, "signed out");
    ok(!pass_at(LATER + 7, &late), "and the old cookie does not bring it back");
    ok(jar_get(&kept, ONE) && !pass_at(LATER + 8, &kept), "nor the old copy, kept by somebody");
}

/* A refused refresh ends it for all copies. */
static void test_refused(void)
{
    browser_t browser, copied;

    sign_in(&browser, "", "r1");
    copied = browser;
    token_says(400, "application/json", "{\"error\":\"invalid_grant\"}");
    ok(!pass_at(LATER, &browser), "refused");
    ok(!pass_at(LATER + 1, &copied), "for every copy");
    sign_in(&browser, "", "r1");
    memory.calls = 0;
    memory.fail_at = 1;
    is_int(browse_at(5, &browser, "GET", "/p/"), 503, "without the store nobody can tell");
    memory.fail_at = 0;
    ok(pass_at(6, &browser), "afterwards it is there");
}

/* Records that were kept while sessions were in cookies are sessions of the store afterwards. */
static void test_switched(void)
{
    browser_t browser;

    sign_in(&browser, "", "r1");
    says(",\"x\":1", "r2");
    FORGE_MUST(pass_at(LATER, &browser));
    world_set(world_config(), "EdxSSOSessions", "store", NULL);
    ok(pass_at(LATER + 1, &browser), "what a refresh left in the store");
    ok(!apr_table_get(seen.answer.headers, "Set-Cookie"), "the browser gets no copy");
    is_int(browse_at(LATER + 2, &browser, "GET", LOGOUT), 200, "signed out");
    ok(!pass_at(LATER + 3, &browser), "it has ended");
    world_set(world_config(), "EdxSSOSessions", "cookie", NULL);
}

/* An entry that a retired secret sealed is in nobody's way. */
static void test_unreadable(void)
{
    browser_t browser;
    const sso_session_t *session;
    int i;

    sign_in(&browser, "", "r1");
    FORGE_MUST(pass_at(1, &browser));
    session = seen.answer.session;
    {
        static const sso_store_item_t item = { "not ours at all, and long enough", 32,
                                               APR_INT64_MAX, SSO_STORE_PLAIN };

        FORGE_MUST(sso_store_put(world_ctx(2), &memory.store, &session->key, &item) == SSO_OK);
    }
    ok(pass_at(3, &browser), "the copy counts");
    says(",\"x\":1", "r2");
    for (i = 0; i < 3; i++)
        ok(pass_at(LATER + i, &browser), "renewed");
    is_int(token_endpoint.calls, 1, "by one call");
    ok(strstr(seen.answer.session->claims.text, "\"x\":1") != NULL, "and kept");
}

int main(void)
{
    world_start();
    world_set(world_config(), "EdxSSOSessions", "cookie", NULL);
    test_kept();
    test_pieces();
    test_ends();
    test_ended();
    test_refreshed();
    test_refused();
    test_switched();
    test_unreadable();
    return tap_done();
}
