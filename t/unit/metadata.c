/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Documents of providers: how long they serve, what is believed, and how often anybody is asked.
 * Many threads and processes at once are in metadata_many.c.
 */
#include "metadata_world.h"

#define T(n) (WORLD_START + SECONDS(n))

static void test_ttl(void)
{
    sso_provider_t *one, *two;
    int gets;

    world_make();
    one = world_provider();
    two = world_provider(); /* the same provider in another process */
    is_int(ask(one, T(0)), -1, "keys by discovery");
    calls_are(1, 1, "cost one call each");
    gets = world->gets;
    is_int(ask(one, T(1)), -1, "again");
    is_int(ask(one, T(99)), -1, "and shortly before the TTL ends");
    calls_are(1, 1, "cost no call");
    is_int(world->gets, gets, "and no access to the store");
    is_int(ask(two, T(2)), -1, "another process");
    calls_are(1, 1, "takes what the first one fetched");
    atomic_store(&world->generation, 2);
    is_int(ask(one, T(101)), -2, "past the TTL: new ones");
    calls_are(1, 2, "by one call, metadata being good for longer");
    is_int(ask(two, T(102)), -2, "which the other process gets");
    calls_are(1, 2, "for nothing");
    is_int(ask(two, T(1001)), -2, "past the TTL of the metadata");
    calls_are(2, 3, "both are fetched");
    world_ports.store = NULL;
    is_int(ask(one, T(1001)), -2, "without a store");
    calls_are(3, 4, "a process fetches for itself");
    is_int(ask(one, T(1002)), -2, "once");
    calls_are(3, 4, "and keeps it");
}

static void test_stale(void)
{
    sso_provider_t *one;
    int i, wrong = 0;

    world_make();
    one = world_provider();
    ask(one, T(0));
    world->fail = 305;
    for (i = 0; i < 500; i++)
        wrong += ask(one, WORLD_START + SECONDS(101) + apr_time_from_msec(90 * i)) != -1;
    is_int(wrong, 0, "provider down: 500 requests over 45 s get the old copy");
    ok(world->key_calls <= 8, "with %d calls", world->key_calls - 1);
    is_int(log_count("SSO0355:"), 1, "the log says it once");
    ok(tap_log_has("lms: cannot get keys from " JWKS_URL ": SSO0305: keys: nobody answers; the "
                   "copy at hand serves for another 4"), "and how long it goes on: %s",
       tap_log_text);
    world->fail = 306;
    is_int(ask(one, T(149)), -1, "shortly before its grace ends");
    is_int(ask(one, T(151)), 306, "past it: the failure, which is another one by now");
    is_int(log_count("SSO0353:"), 1, "another failure is said once more");
    world->fail = 0;
    atomic_store(&world->generation, 2);
    is_int(ask(one, T(170)), -2, "and back");
    is_int(log_count("SSO0354:"), 1, "which the log says");
    is_int(ask(one, T(171)), -2, "and stays");
    calls_are(1, world->key_calls, "all with one discovery");
}

static void test_failure(void)
{
    sso_provider_t *one, *two;
    sso_ctx_t *ctx;
    const sso_metadata_t *metadata;

    world_make();
    one = world_provider();
    two = world_provider();
    world->fail = 305;
    is_int(ask(one, T(0)), 305, "nothing there, provider down");
    is_int(ask(one, T(0)), 305, "the next one is told the same");
    is_int(ask(two, T(0)), 305, "in another process, too");
    calls_are(1, 0, "without asking again");
    ask(one, T(6));
    calls_are(2, 0, "5 s later somebody asks again");
    world->fail = 0;
    is_int(ask(two, T(12)), -1, "and it works as soon as the provider does");

    world_make();
    one = world_provider();
    world->status = 503;
    world->retry_after = "120";
    ctx = world_ctx(T(0));
    is_int(sso_documents_metadata(ctx, one, &metadata), SSO_UPSTREAM, "503");
    is_int(ctx->err.number, 352, "is asking for patience");
    is(ctx->err.detail, "120", "for how long is passed on");
    ctx = world_ctx(T(0));
    sso_documents_metadata(ctx, one, &metadata);
    is(ctx->err.detail, "120", "also by who remembers it");
    ok(SSO_DOCUMENTS_LATER(ctx->err.number), "which is a 503");
    ctx = world_ctx(T(20));
    sso_fail(ctx, SSO_DENIED, 454, "the caller's own trouble");
    sso_documents_metadata(ctx, one, &metadata);
    is_int(ctx->err.number, 454, "the first cause wins");
}

static void test_background(void)
{
    static const struct { const char *header; int at_least, at_most; } asked[] = {
        { NULL, 5, 8 }, { "0", 5, 8 }, { "120", 120, 181 }, { "999999999", 3600, 5401 },
        { "soon", 5, 8 }, { "12x", 5, 8 }, { "-5", 5, 8 },
        { "99999999999999999999999", 3600, 5401 },
        { "Tue, 14 Nov 2023 22:15:00 GMT", 90, 152 },
    };
    sso_provider_t *one;
    apr_time_t next, now, before;
    unsigned i;

    world_make();
    one = world_provider();
    is_int(sso_documents_refresh(world_ctx(T(0)), one, &next), SSO_OK, "background, at the start");
    calls_are(1, 1, "fetches both");
    ok(next >= T(80) && next <= T(91), "comes again when the keys are due (%d s)",
       (int)apr_time_sec(next - T(0)));
    sso_documents_refresh(world_ctx(T(79)), one, &next);
    calls_are(1, 1, "does nothing before");
    atomic_store(&world->generation, 2);
    sso_documents_refresh(world_ctx(next), one, &next);
    calls_are(1, 2, "fetches when due");
    is_int(ask(world_provider(), T(95)), -2, "which everybody gets");
    world->fail = 305;
    for (i = 0, now = before = next; i < 8; i++, before = now, now = next)
        sso_documents_refresh(world_ctx(now), one, &next);
    ok(now - before >= SECONDS(60) && now - before <= SECONDS(91), "backs off: %d s",
       (int)apr_time_sec(now - before));
    for (i = 0; i < SSO_COUNT(asked); i++) {
        world_make();
        one = world_provider();
        world->status = 429;
        world->retry_after = asked[i].header;
        is_int(sso_documents_refresh(world_ctx(T(0)), one, &next), SSO_UPSTREAM, "429, %s",
               asked[i].header ? asked[i].header : "no Retry-After");
        ok(next >= T(asked[i].at_least) && next <= T(asked[i].at_most), "next in %d s",
           (int)apr_time_sec(next - T(0)));
    }
    one->metadata_url = NULL;
    sso_documents_refresh(world_ctx(T(0)), one, &next);
    is_int(next, 0, "nothing to keep, nothing to do");
}

static void test_newer(void)
{
    sso_provider_t *one, *two, *three;

    world_make();
    one = world_provider();
    two = world_provider();
    three = world_provider();
    is_int(ask(one, T(0)), -1, "keys");
    ask(two, T(0));
    atomic_store(&world->generation, 2);
    is_int(ask_newer(one, T(10)), -2, "rotated: at once");
    calls_are(1, 2, "by one call");
    is_int(ask_newer(two, T(11)), -2, "what one process fetched the other hands out");
    calls_are(1, 2, "without a call");
    is_int(ask_newer(one, T(12)), 1000, "an unknown key id after that is refused");
    is_int(ask_newer(two, T(12)), 1000, "in each process");
    calls_are(1, 2, "without a call");
    atomic_store(&world->generation, 3);
    is_int(ask_newer(two, T(69)), 1000, "rotated again within the window: not yet");
    is_int(ask_newer(three, T(71)), -3, "and when it ends, at once");
    is_int(ask_newer(one, T(72)), -3, "for all");
    calls_are(1, 3, "by one call");

    /* garbage first, then the real rotation: what the garbage fetched is what counts */
    world_make();
    one = world_provider();
    two = world_provider();
    ask(one, T(0));
    ask(two, T(0));
    atomic_store(&world->generation, 2);
    is_int(ask_newer(one, T(10)), -2, "garbage makes one process fetch");
    is_int(ask_newer(two, T(10)), -2, "so that a token of the new key verifies in the other");
    /* what comes by the TTL is handed out within a window, and opens none */
    atomic_store(&world->generation, 3);
    is_int(ask(one, T(111)), -3, "expired: new ones");
    is_int(ask_newer(two, T(69)), -3, "within the window, newer than what this one had");
    calls_are(1, 3, "without a call");
    world->fail = 305;
    is_int(ask_newer(one, T(180)), 305, "provider down: it is said");
    is_int(ask_newer(one, T(180)), 305, "and remembered");
    is_int(ask(one, T(180)), -3, "while the keys at hand serve on");
    world->fail = 0;
    is_int(ask_newer(one, T(190)), 1000, "the window counts from a failed fetch, too");
    calls_are(1, 4, "one call in all of that");
}

static const sso_provider_t *rival;

static void rival_asks(void)
{
    ask(rival, T(0));
}

static void rival_asks_newer(void)
{
    ask_newer(rival, T(10));
}

/* Somebody else is done between this one's look around and its taking the lock. */
static void test_races(void)
{
    sso_provider_t *one;

    world_make();
    one = world_provider();
    rival = world_provider();
    world_before_add = rival_asks;
    is_int(ask(one, T(0)), -1, "a rival was faster");
    calls_are(1, 1, "and nothing is fetched twice");
    atomic_store(&world->generation, 2);
    world_before_add = rival_asks_newer;
    is_int(ask_newer(one, T(10)), -2, "the same with newer keys");
    calls_are(1, 2, "fetched once");
}

static void test_flood(void)
{
    sso_provider_t *process[4];
    int i, fetches, wrong = 0;

    world_make();
    for (i = 0; i < 4; i++)
        process[i] = world_provider();
    for (i = 0; i < 10000; i++) {
        if (i == 5000)
            atomic_store(&world->generation, 2);
        ask_newer(process[i % 4], WORLD_START + apr_time_from_msec(6 * i));
    }
    fetches = world->key_calls;
    ok(fetches <= 1 + 60 / 60 + 1, "10,000 unknown key ids in a minute: %d fetches", fetches);
    for (i = 0; i < 4; i++)
        wrong += ask_newer(process[i], T(61)) != -2;
    is_int(wrong, 0, "a rotation in the middle of it is seen when the window ends");
}

static void test_bad_answers(void)
{
    static const struct {
        const char *what;
        int status;
        const char *type, *body;
        int number;
    } bad[] = {
        { "a redirect",        302, "application/json",         NULL,         356 },
        { "500",               500, "application/json",         NULL,         356 },
        { "no content",        204, "",                         "",           356 },
        { "404 in HTML",       404, "text/html",                "<html>",     356 },
        { "HTML",              200, "text/html",                NULL,         357 },
        { "plain text",        200, "text/plain",               NULL,         357 },
        { "no type",           200, "",                         NULL,         357 },
        { "an odd type",       200, "application/+json",        NULL,         357 },
        { "a type like it",    200, "application/jsonp",        NULL,         357 },
        { "an image",          200, "image/svg+json",           NULL,         357 },
        { "nothing",           200, "application/json",         "",           375 },
        { "cut off",           200, "application/json",         "{\"keys\":", 375 },
        { "an array",          200, "application/json",         "[]",         375 },
        { "no key",            200, "application/json",         "{\"keys\":[]}", 375 },
        { "a member twice",    200, "application/json",  "{\"keys\":[],\"keys\":[]}", 375 },
        { "another JSON type", 200, "application/jwk-set+json", NULL,         0 },
        { "JSON as text",      200, "text/json",                NULL,         0 },
    };
    unsigned i;

    for (i = 0; i < SSO_COUNT(bad); i++) {
        sso_provider_t *one, *two;

        world_make();
        one = world_provider();
        two = world_provider();
        one->endpoint[SSO_ENDPOINT_JWKS] = two->endpoint[SSO_ENDPOINT_JWKS] = JWKS_URL;
        ask(one, T(0));
        world->status = bad[i].status;
        world->type = bad[i].type;
        world->body = bad[i].body;
        atomic_store(&world->generation, 2);
        is_int(ask(one, T(101)), bad[i].number ? -1 : -2, "%s: %s", bad[i].what,
               bad[i].number ? "the good copy stays" : "is taken");
        is_int(ask(two, T(1)), bad[i].number ? -1 : -2, "also in the store");
        is_int(ask(one, T(300)), bad[i].number ? bad[i].number : -2, "past its grace");
    }
}

static void test_metadata(void)
{
#define WITH(more) "{\"issuer\":\"" ISSUER "\"" more "}"
    static const struct { const char *body; int number; const char *text; } rows[] = {
        { WITH(""), 0, NULL },
        { WITH(",\"jwks_uri\":\"https://elsewhere.example/k\",\"x\":[1,{}]"), 0, NULL },
        { WITH(",\"token_endpoint\":\"http://127.0.0.1:8000/t\""), 0, NULL },
        { WITH(",\"token_endpoint\":\"http://localhost/t\",\"jwks_uri\":null"), 0, NULL },
        { WITH(",\"token_endpoint\":\"http://lms:8000/other\""), 0, NULL },
        { WITH(",\"token_endpoint\":\"http://lms/token\""), 373, "token endpoint" },
        { WITH(",\"token_endpoint\":\"http://lms:8001/token\""), 373, "http://lms:8001" },
        { WITH(",\"jwks_uri\":\"http://evil.example/k\""), 373, "jwks endpoint" },
        { WITH(",\"end_session_endpoint\":\"http://evil.example/k\""), 373, "end_session" },
        { WITH(",\"authorization_endpoint\":\"javascript:alert(1)\""), 372, "authorization" },
        { WITH(",\"jwks_uri\":\"file:///etc/passwd\""), 372, "jwks endpoint" },
        { WITH(",\"jwks_uri\":\"https://u:p@lms.example/\""), 372, "jwks endpoint" },
        { WITH(",\"jwks_uri\":\"/relative\""), 372, "jwks endpoint" },
        { WITH(",\"jwks_uri\":7"), 374, "jwks_uri" },
        { WITH(",\"jwks_uri\":[\"https://lms.example/k\"]"), 374, "jwks_uri" },
        { "{\"issuer\":\"https://evil.example\"}", 371, "'" ISSUER "'" },
        { "{\"issuer\":\"" ISSUER "/\"}", 371, ISSUER "/'" },
        { "{\"issuer\":\"\"}", 370, "no issuer" },
        { "{\"issuer\":\"a\\u0000b\"}", 374, "NUL" },
        { "{}", 370, DISCOVERY },
        { "[]", 374, "not an object" },
        { "", 374, "JSON" },
    };
    const sso_metadata_t *metadata;
    unsigned i;

    for (i = 0; i < SSO_COUNT(rows); i++) {
        sso_provider_t *one;
        sso_config_t config;
        sso_ctx_t *ctx;

        world_make();
        one = world_provider();
        config = *one->config;
        config.url_root = "http://lms:8000";
        one->config = &config;
        world->body = rows[i].body;
        ctx = world_ctx(T(0));
        is_int(sso_documents_metadata(ctx, one, &metadata), rows[i].number ? SSO_UPSTREAM : SSO_OK,
               "%s", rows[i].body);
        is_int(ctx->err.number, rows[i].number, "%s", ctx->err.text);
        ok(!rows[i].text || strstr(ctx->err.text, rows[i].text), "names %s",
           rows[i].text ? rows[i].text : "nothing");
    }
    world_make();
    {
        sso_provider_t *one = world_provider();
        sso_ctx_t *ctx = world_ctx(T(0));

        one->issuers = NULL;
        world->body = "{\"issuer\":\"https://other.example\",\"jwks_uri\":\"\"}";
        is_int(sso_documents_metadata(ctx, one, &metadata), SSO_OK, "no issuer given: any");
        is(metadata->issuer, "https://other.example", "and it is known");
        is(metadata->endpoint[SSO_ENDPOINT_JWKS], NULL, "an empty member is none");
    }
}

static void test_large(void)
{
    sso_provider_t *provider[2];
    char *body;
    int i;

    world_make();
    provider[0] = world_provider();
    provider[1] = world_provider();
    body = apr_palloc(world_pool, SSO_HTTP_BODY_MAX + 1);
    memset(body, ' ', SSO_HTTP_BODY_MAX);
    memcpy(body, METADATA, strlen(METADATA));
    body[SSO_HTTP_BODY_MAX] = '\0';
    world->body = body;
    for (i = 0; i < 2; i++) {
        const sso_metadata_t *metadata;
        sso_ctx_t *ctx = world_ctx(T(0));

        is_int(sso_documents_metadata(ctx, provider[i], &metadata), SSO_OK, "1 MiB: %s",
               ctx->err.text);
    }
    is_int(world->discoveries, 2, "is too large for the store, and fetched by each process");
    is_int(log_count("SSO0358:"), 2, "which the log says");
}

static void test_broken_store(void)
{
    sso_provider_t *one;
    int i;

    world_make();
    one = world_provider();
    world->store_fails = 1;
    is_int(ask(one, T(0)), -1, "the store is away: documents are had");
    is_int(ask_newer(one, T(1)), -1, "newer ones, too");
    for (i = 0; i < 100; i++)
        ask_newer(one, T(2));
    calls_are(1, 2, "and windows hold");
    world->fail = 305;
    is_int(ask(one, T(102)), -1, "stale ones serve");
    is_int(ask(one, T(160)), 305, "and then not");
    is_int(ask(one, T(160)), 305, "which is remembered");
    world_make();
    one = world_provider();
    world->puts_fail = 1;
    is_int(ask(one, T(0)), -1, "the store is full: documents are had");
    is_int(ask(one, T(99)), -1, "and kept by the process");
    calls_are(1, 1, "by one call each");
}

/* What a store makes of the values is at worst a fetch too many. */
static void test_altered_store(void)
{
    static const int bytes[] = { 1, 16, 17, 80, 140 }; /* of the tag, of the text */
    unsigned i;

    for (i = 0; i < SSO_COUNT(bytes); i++) {
        sso_provider_t *one, *two;

        world_make();
        one = world_provider();
        two = world_provider();
        is_int(ask(one, T(0)), -1, "keys");
        world->garble = bytes[i];
        is_int(ask(two, T(1)), -1, "byte %d from the end altered in the store: keys", bytes[i]);
        calls_are(2, 2, "fetched again");
        world->fail = 305;
        is_int(ask(one, T(101)), -1, "failures altered: stale ones serve");
        is_int(ask(one, T(160)), 305, "and no longer than they may");
        is_int(atomic_load(&world->readable), 0, "nothing is readable there");
    }
}

/* What a request was given stays good however often it is replaced, and whoever goes first. */
static void test_borrowed(void)
{
    sso_provider_t *one;
    sso_ctx_t *first, *again;
    const sso_keys_t *keys, *same, *newer;
    const sso_metadata_t *metadata;
    apr_pool_t *other;
    int i;

    world_make();
    one = world_provider();
    apr_pool_create(&other, NULL);
    first = world_ctx(T(0));
    first->pool = other;
    sso_documents_keys(first, one, 0, &keys);
    sso_documents_keys(first, one, 0, &same);
    ok(keys == same, "the same keys for the same request");
    sso_documents_metadata(first, one, &metadata);
    for (i = 2; i < 30; i++) {
        atomic_store(&world->generation, i);
        is_int(ask(one, T(1100 * i)), -i, "rotation %d", i);
    }
    again = world_ctx(T(1100 * 29));
    sso_documents_keys(again, one, 0, &newer);
    is(newer->keys[0]->kid, "k29", "the last one");
    is(keys->keys[0]->kid, "k1", "and the first, for who has it");
    apr_pool_destroy(world_pool);
    world_pool = NULL;
    is(keys->keys[0]->kid, "k1", "also when the cache is gone");
    is(metadata->issuer, ISSUER, "as the metadata");
    apr_pool_destroy(other);
}

int main(void)
{
    test_ttl();
    test_stale();
    test_failure();
    test_background();
    test_newer();
    test_races();
    test_flood();
    test_bad_answers();
    test_metadata();
    test_large();
    test_broken_store();
    test_altered_store();
    test_borrowed();
    return tap_done();
}
