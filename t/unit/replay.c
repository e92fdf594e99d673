/* SPDX-License-Identifier: Apache-2.0 */
/* Forms that wait for the end of a sign-in: what is kept, for whom, for how long, and how many. */
#include "browser.h"

#include "sso_replay.h"

#define FORM "application/x-www-form-urlencoded"

static sso_config_t *place;

static const struct { const char *text; int good; } ids[] = {
    { "00AAAAAAAAAAAAAAAAAAAAAA", 1 }, { "3fAAAAAAAAAAAAAAAAAAAA-_", 1 },
    { "40AAAAAAAAAAAAAAAAAAAAAA", 0 }, { "ffAAAAAAAAAAAAAAAAAAAAAA", 0 },
    { "0gAAAAAAAAAAAAAAAAAAAAAA", 0 }, { "00AAAAAAAAAAAAAAAAAAAAA", 0 },
    { "00AAAAAAAAAAAAAAAAAAAAAAA", 0 }, { "00AAAAAAAAAAAAAAAAAAAAA\n", 0 },
    { "00AAAAAAAAAAAAAAAAAAAAA%", 0 }, { "", 0 },
};

static sso_request_t *posting(sso_ctx_t *ctx, browser_t *browser, const char *target,
                              const char *type, const char *body)
{
    sso_request_t *request;

    browser->place = place;
    browser->body = body;
    request = browser_request(ctx, browser, "POST", target);
    apr_table_setn(request->headers, "Sec-Fetch-Site", "same-origin");
    if (type)
        apr_table_setn(request->headers, "Content-Type", type);
    return request;
}

/* Keep a form; NULL: it was not. The browser has its cookie then. */
static const char *keep(browser_t *browser, const char *target, const char *type, const char *body)
{
    sso_ctx_t *ctx = world_ctx(0);
    sso_answer_t answer;
    const char *id = NULL;

    sso_answer_start(ctx, &answer);
    is_int(sso_replay_keep(ctx, posting(ctx, browser, target, type, body), &answer, &id), SSO_OK,
           "keep: %.40s", type ? type : "no type");
    apr_table_do(jar_take, browser, answer.headers, "Set-Cookie", NULL);
    return id ? apr_pstrdup(world_pool, id) : NULL;
}

/* The body that comes back; NULL: none. */
static const char *take(int later_sec, browser_t *browser, const char *target, const char *id)
{
    sso_ctx_t *ctx = world_ctx(later_sec);
    sso_request_t *request = posting(ctx, browser, target, NULL, "");
    const sso_replay_t *replay = NULL;
    sso_rc_e rc;

    request->replay = id;
    rc = sso_replay_take(ctx, request, &replay);
    ok((rc == SSO_OK) == (replay != NULL), "out only if it is there");
    ok(rc == SSO_OK || ctx->err.number == 1087, "else with a reason: %s", ctx->err.text);
    return replay ? replay->body.data : NULL;
}

static void test_kept(void)
{
    browser_t browser = { 0 }, other = { 0 };
    const char *id;

    memset(memory.entries, 0, sizeof(memory.entries));
    id = keep(&browser, "/desk?a=b", FORM "; charset=x", "a=1&a=2&\xe4");
    ok(id && sso_replay_is_id(id), "an id: %s", id ? id : "none");
    ok(jar_get(&browser, "__Host-edxsso_login") != NULL, "the browser can be told from others");
    is_int(memory_count(), 1, "one entry");
    ok(!memmem(memory.entries[0].item.value, memory.entries[0].item.length, "a=1", 3), "sealed");
    is(take(0, &other, "/desk?a=b", id), NULL, "a browser without the cookie");
    keep(&other, "/x", FORM, "x");
    is(take(0, &other, "/desk?a=b", id), NULL, "another browser");
    is(take(0, &browser, "/desk", id), NULL, "another address");
    is(take(0, &browser, "/desk?a=b", "00AAAAAAAAAAAAAAAAAAAAAA"), NULL, "another id");
    is(take(601, &browser, "/desk?a=b", id), NULL, "too late");
    is(take(599, &browser, "/desk?a=b", id), "a=1&a=2&\xe4", "the bytes");
    is(take(599, &browser, "/desk?a=b", id), NULL, "once");
}

static void test_not_kept(void)
{
    static const struct { const char *type, *site; } others[] = {
        { NULL, "same-origin" }, { "text/plain", "same-origin" }, { FORM "x", "same-origin" },
        { "application/json", "same-origin" }, { FORM, "cross-site" }, { FORM, "same-site" },
        { FORM, NULL },
    };
    browser_t browser = { 0 };
    unsigned i;

    for (i = 0; i < SSO_COUNT(others); i++) {
        sso_ctx_t *ctx = world_ctx(0);
        sso_request_t *request = posting(ctx, &browser, "/desk", others[i].type, "a=1");
        sso_answer_t answer;
        const char *id = "none yet";

        sso_answer_start(ctx, &answer);
        apr_table_unset(request->headers, "Sec-Fetch-Site");
        if (others[i].site)
            apr_table_setn(request->headers, "Sec-Fetch-Site", others[i].site);
        is_int(sso_replay_keep(ctx, request, &answer, &id), SSO_OK, "no failure");
        is(id, NULL, "%s from %s", others[i].type ? others[i].type : "no type",
           others[i].site ? others[i].site : "nowhere");
    }
    place->preserve_post = 0;
    is(keep(&browser, "/desk", FORM, "a=1"), NULL, "EdxSSOPreservePOST off");
    place->preserve_post = 1;
    ok(keep(&browser, "/desk", "multipart/form-data; boundary=x", "--x--") != NULL, "multipart");
}

/* Whoever sends forms without end takes the room of forms, and no more. */
static void test_flood(void)
{
    browser_t browser = { 0 };
    const char *last = NULL;
    int i;

    memset(memory.entries, 0, sizeof(memory.entries));
    for (i = 0; i < 400; i++)
        last = keep(&browser, "/desk", FORM, "a=1");
    ok(memory_count() <= 64, "%d entries after 400 forms", memory_count());
    is(take(0, &browser, "/desk", last), "a=1", "the last one is there");
}

static void test_too_large(void)
{
    sso_ctx_t *ctx = world_ctx(0);
    browser_t browser = { 0 };
    char *body = apr_pcalloc(world_pool, SSO_REPLAY_MAX + 2);
    sso_answer_t answer;
    const char *id;

    memset(body, 'x', SSO_REPLAY_MAX);
    memset(memory.entries, 0, sizeof(memory.entries));
    ok(keep(&browser, "/desk", FORM, body) != NULL, "64 KiB");
    body[SSO_REPLAY_MAX] = 'x';
    sso_answer_start(ctx, &answer);
    is_int(sso_replay_keep(ctx, posting(ctx, &browser, "/desk", FORM, body), &answer, &id),
           SSO_BAD_INPUT, "and a byte");
    is_int(ctx->err.number, 1086, "%s", ctx->err.text);
    is_int(sso_fault_find(&ctx->err)->status, 413, "the page says so");
}

int main(void)
{
    unsigned i;

    world_start();
    place = apr_pmemdup(world_pool, world_site->config, sizeof(*place));
    place->preserve_post = 1;
    for (i = 0; i < SSO_COUNT(ids); i++)
        is_int(sso_replay_is_id(ids[i].text), ids[i].good, "id '%s'", ids[i].text);
    test_kept();
    test_not_kept();
    test_flood();
    test_too_large();
    return tap_done();
}
