/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ID mapping: which questions are asked, which rows count, what is kept and for how long, and
 * what becomes of a sign-in when the API says no.
 */
#include "world.h"

#include "sso_idmap.h"

#define PAGE(rows)                                                                                \
    "{\"next\":null,\"count\":0,\"num_pages\":1,\"current_page\":1,\"results\":[" rows "]}"
#define ROW(user, id) "{\"username\":\"" user "\",\"remote_id\":\"" id "\"}"

/* Answers of the API, one after the other; the token endpoint always gives T0, T1 ... */
static struct {
    int status, fail, tokens, questions;
    const char *body;
    char url[8192], authorization[64];
    int refuse; /* so many times 401 before that */
} api;

static sso_rc_e api_call(sso_ctx_t *ctx, const sso_call_t *call, sso_reply_t *reply)
{
    sso_reply_t answer = { .status = 200, .content_type = "application/json" };

    if (call->body) {
        answer.body = apr_psprintf(ctx->pool, "{\"access_token\":\"T%d\",\"expires_in\":3600,"
                                   "\"token_type\":\"Bearer\"}", api.tokens++);
    }
    else {
        api.questions++;
        apr_cpystrn(api.url, call->url, sizeof(api.url));
        apr_cpystrn(api.authorization, call->authorization, sizeof(api.authorization));
        if (api.fail)
            return sso_fail(ctx, SSO_UPSTREAM, api.fail, "%s: nobody answers", call->what);
        answer.status = api.refuse ? 401 : api.status;
        api.refuse -= api.refuse > 0;
        answer.body = api.body;
    }
    answer.length = strlen(answer.body);
    *reply = answer;
    return SSO_OK;
}

static void api_says(int status, const char *body)
{
    api.status = status;
    api.body = body;
    api.fail = api.refuse = 0;
}

static void forget_all(void)
{
    memset(memory.entries, 0, sizeof(memory.entries));
    api.tokens = api.questions = 0;
}

static sso_provider_t *campus;

/* A section of that type that asks the LMS by the section `lms`. */
static sso_provider_t *section(const char *mapping, const char *missing)
{
    sso_config_t *record = world_lms();
    sso_ctx_t *ctx = world_ctx(0);
    sso_provider_t *provider;

    ctx->pool = world_pool;
    world_set(record, "EdxSSOIDMapping", mapping, "EdxSSOIDMappingMissing", missing,
              "EdxSSOIDMappingCacheTTL", "1h", NULL);
    FORGE_MUST(world_make(ctx, "asker", record, &provider) == SSO_OK);
    FORGE_MUST(sso_idmap_resolve(ctx, world_site, provider) == SSO_OK);
    return provider;
}

static sso_rc_e join(sso_ctx_t *ctx, const sso_provider_t *provider, const char *user,
                     sso_idmap_mode_e mode, sso_idmap_row_t *row)
{
    json_t *claims = json_pack("{s:s}", "preferred_username", user);
    sso_rc_e rc = sso_idmap_join(ctx, world_site, provider, claims, mode, row);

    json_decref(claims);
    return rc;
}

static const struct {
    const char *body, *id; /* NULL: as if there were no entry */
    int status, kept;
} answers[] = {
    { PAGE(ROW("jo", "r1")), "r1", 200, 1 },
    { PAGE(ROW("jo", "r2") "," ROW("jo", "r1")), "r1", 200, 1 }, /* the first in byte order */
    { PAGE(""), NULL, 200, 1 },
    { PAGE(ROW("JO", "r1") "," ROW("jo2", "r1") "," ROW("", "r1")), NULL, 200, 1 },
    { PAGE("{\"username\":\"jo\"},{\"username\":\"jo\",\"remote_id\":7},3,null,[]"), NULL, 200, 1 },
    { "{\"count\":2,\"results\":[" ROW("jo", "r1") "]}", NULL, 200, 0 },
    { "{\"current_page\":2,\"results\":[]}", NULL, 200, 0 },
    { "{\"results\":{}}", NULL, 200, 0 },
    { "[]", NULL, 200, 0 },
    { "{\"results\":[],\"results\":[]}", NULL, 200, 0 },
    { "<html>", NULL, 200, 0 },
    { "{}", NULL, 403, 0 }, { "{}", NULL, 404, 0 }, { "{}", NULL, 429, 0 }, { "{}", NULL, 500, 0 },
    { "{}", NULL, 302, 0 }, { "{}", NULL, 201, 0 },
};

static void test_answers(void)
{
    const sso_provider_t *provider = section("lms saml-x", "allow");
    unsigned i;

    for (i = 0; i < SSO_COUNT(answers); i++) {
        sso_ctx_t *ctx = world_ctx(0);
        sso_idmap_row_t row;

        forget_all();
        api_says(answers[i].status, answers[i].body);
        is_int(join(ctx, provider, "jo", SSO_IDMAP_USUAL, &row), SSO_OK, "goes on");
        is(row.remote_id, answers[i].id, "%d %.60s", answers[i].status, answers[i].body);
        is(row.username, NULL, "an LMS's user keeps the name");
        is_int(ctx->err.rc, SSO_OK, "nothing is left of a failure");
        join(world_ctx(1), provider, "jo", SSO_IDMAP_USUAL, &row);
        is_int(api.questions, answers[i].kept ? 1 : 2, "kept: %d", answers[i].kept);
        is_int(api.tokens, 1, "one token");
    }
}

static void test_question(void)
{
    const sso_provider_t *provider = section("lms saml-x", "allow");
    static const char *const none[] = { "", "a,b", ",", "a\tb" };
    sso_idmap_row_t row;
    unsigned i;

    forget_all();
    api_says(200, PAGE(""));
    join(world_ctx(0), provider, "j&o=1 \xc3\xbc", SSO_IDMAP_USUAL, &row);
    is(api.url, "http://127.0.0.1:8000/api/third_party_auth/v0/providers/saml-x/users?username="
       "j%26o%3D1%20%C3%BC&page_size=100", "the question");
    is(api.authorization, "Bearer T0", "an opaque token is a Bearer's");
    api.questions = 0;
    for (i = 0; i < SSO_COUNT(none); i++)
        join(world_ctx(0), provider, none[i], SSO_IDMAP_USUAL, &row);
    is_int(api.questions, 0, "what cannot be asked for is not");
    forget_all();
    api_says(200, PAGE(ROW("jo", "77")));
    join(world_ctx(0), section("lms lti-campus", "allow"), "jo", SSO_IDMAP_USUAL, &row);
    ok(strstr(api.url, "/lti-campus/users?username=jo&"), "no consumer key before a user's name");
    is(row.remote_id, "77", "the remote id of an LTI user");
}

static void test_token(void)
{
    const sso_provider_t *provider = section("lms saml-x", "allow");
    sso_idmap_row_t row;

    forget_all();
    api_says(200, PAGE(ROW("jo", "r1")));
    api.refuse = 1;
    join(world_ctx(0), provider, "jo", SSO_IDMAP_USUAL, &row);
    is(row.remote_id, "r1", "a token that is refused is replaced, once");
    is(api.authorization, "Bearer T1", "by a new one");
    api.refuse = 2;
    join(world_ctx(0), provider, "al", SSO_IDMAP_USUAL, &row);
    is(row.remote_id, NULL, "refused twice: no entry");
    ok(tap_log_has("SSO1212"), "and a line of its own");
    api_says(200, PAGE(""));
    api.tokens = 7;
    join(world_ctx(3550), provider, "bo", SSO_IDMAP_USUAL, &row);
    is(api.authorization, "Bearer T7", "one that is about to end is renewed");
    join(world_ctx(3600 + 3500), provider, "cy", SSO_IDMAP_USUAL, &row);
    is(api.authorization, "Bearer T8", "and so is the next");
}

static void test_time(void)
{
    const sso_provider_t *provider = section("lms saml-x", "allow");
    sso_idmap_row_t row;

    forget_all();
    api_says(200, PAGE(ROW("jo", "r1")));
    join(world_ctx(0), provider, "jo", SSO_IDMAP_USUAL, &row);
    api_says(200, PAGE(ROW("jo", "r2")));
    join(world_ctx(3599), provider, "jo", SSO_IDMAP_USUAL, &row);
    is(row.remote_id, "r1", "in its time");
    join(world_ctx(3600), provider, "jo", SSO_IDMAP_USUAL, &row);
    is(row.remote_id, "r2", "a change counts when that has ended");
    api_says(200, PAGE(ROW("jo", "r3")));
    join(world_ctx(3601), provider, "jo", SSO_IDMAP_ANEW, &row);
    is(row.remote_id, "r3", "and at once for who says so");
    api.fail = 312;
    join(world_ctx(9000), provider, "jo", SSO_IDMAP_USUAL, &row);
    is(row.remote_id, "r3", "beyond its time while nobody can be reached");
    api_says(500, "{}");
    join(world_ctx(9000), provider, "jo", SSO_IDMAP_USUAL, &row);
    is(row.remote_id, NULL, "and not when the API fails");
    join(world_ctx(9000), provider, "jo", SSO_IDMAP_PATIENT, &row);
    is(row.remote_id, "r3", "but for who is signed in already");
    api.fail = 312;
    join(world_ctx(3600 * 24 * 8), provider, "jo", SSO_IDMAP_PATIENT, &row);
    is(row.remote_id, NULL, "EdxSSOStaleIfError is the end of it");
}

static void test_missing(void)
{
    static const struct {
        const char *word;
        int number;
        const char *detail;
    } missing[] = { { "allow", 0, NULL }, { "deny", 1223, NULL },
                    { "incomplete", 1224, "idmapping" } };
    unsigned i;

    for (i = 0; i < SSO_COUNT(missing); i++) {
        const sso_provider_t *provider = section("lms saml-x", missing[i].word);
        sso_ctx_t *ctx = world_ctx(0);
        sso_idmap_row_t row;

        forget_all();
        api_says(i & 1 ? 500 : 200, PAGE(""));
        is_int(join(ctx, provider, "jo", SSO_IDMAP_USUAL, &row),
               missing[i].number ? SSO_DENIED : SSO_OK, "%s", missing[i].word);
        is_int(ctx->err.number, missing[i].number, "its number");
        is(ctx->err.detail, missing[i].detail, "what a form is told");
    }
}

static void test_store_down(void)
{
    const sso_provider_t *provider = section("lms saml-x", "deny");
    sso_ctx_t *ctx = world_ctx(0);
    sso_idmap_row_t row;

    forget_all();
    memory.calls = 0;
    memory.fail_at = 1;
    is_int(join(ctx, provider, "jo", SSO_IDMAP_USUAL, &row), SSO_UPSTREAM,
           "a store that is away is not a missing entry");
    memory.fail_at = 0;
}

static const struct {
    const char *mapping;
    int number;
} wrong[] = {
    { "nobody saml-x", 1200 }, { "lms a/b", 1202 }, { "lms a?b", 1202 }, { "lms :x", 1202 },
    { "lms a%2fb", 1202 }, { "lms saml-x:slug", 0 }, { "lms oa2-azuread-oauth2", 0 },
};

static void test_configuration(void)
{
    unsigned i;

    for (i = 0; i < SSO_COUNT(wrong); i++) {
        sso_config_t *record = world_lms();
        sso_ctx_t *ctx = world_ctx(0);
        sso_provider_t *provider;

        world_set(record, "EdxSSOIDMapping", wrong[i].mapping, NULL);
        FORGE_MUST(world_make(ctx, "asker", record, &provider) == SSO_OK);
        is_int(sso_idmap_resolve(ctx, world_site, provider),
               wrong[i].number ? SSO_MISCONFIG : SSO_OK, "%s", wrong[i].mapping);
        is_int(ctx->err.number, wrong[i].number, "its number");
    }
}

/* 120 ids: in batches, each row to who asked for it. */
static void test_batches(void)
{
    apr_array_header_t *asks = apr_array_make(world_pool, 120, sizeof(sso_idmap_ask_t));
    sso_ctx_t *ctx = world_ctx(0);
    int i;

    forget_all();
    campus = section("lms saml-x", "allow");
    for (i = 0; i < 30; i++) { /* as many as the store of this test has room for */
        sso_idmap_ask_t *ask = &APR_ARRAY_PUSH(asks, sso_idmap_ask_t);

        memset(ask, 0, sizeof(*ask));
        ask->id = apr_psprintf(world_pool, "%0200d", i); /* long: 4,000 bytes are a question */
    }
    api_says(200, PAGE(""));
    is_int(sso_idmap_find(ctx, world_site, campus->idmap, asks), SSO_OK, "found");
    is_int(api.questions, 2, "long ids make shorter batches");
    for (i = 0; i < asks->nelts; i++)
        if (!APR_ARRAY_IDX(asks, i, sso_idmap_ask_t).rows)
            break;
    is_int(i, asks->nelts, "each has an answer");
}

int main(void)
{
    world_start();
    world_ports.call = api_call;
    test_answers();
    test_question();
    test_token();
    test_time();
    test_missing();
    test_store_down();
    test_configuration();
    test_batches();
    return tap_done();
}
