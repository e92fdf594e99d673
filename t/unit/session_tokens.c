/* SPDX-License-Identifier: Apache-2.0 */
/* The tokens of a session, and replacing a session: nobody who comes late undoes anything. */
#include "world.h"

static sso_session_t *new_session(sso_ctx_t *ctx, const char *more)
{
    const char *text = world_claims(more);
    sso_session_t *session;
    json_t *claims;

    FORGE_MUST(sso_json_parse(ctx, "t", text, strlen(text), &claims) == SSO_OK
               && sso_session_build(ctx, world_site, sso_provider_find(world_site, "lms"), claims,
                                    &session) == SSO_OK);
    return session;
}

static const char *begin(sso_ctx_t *ctx, const sso_kept_t *kept)
{
    sso_session_t *session = new_session(ctx, "");
    const char *id;

    session->kept = kept;
    FORGE_MUST(sso_session_begin(ctx, world_site, session, &id) == SSO_OK);
    return id;
}

static const sso_session_t *find(sso_ctx_t *ctx, const char *id)
{
    const sso_session_t *session = NULL;

    return sso_session_find(ctx, world_site, id, 0, &session) == SSO_OK ? session : NULL;
}

static const sso_kept_t *tokens_of(sso_ctx_t *ctx, const char *id)
{
    const sso_session_t *session = find(ctx, id);
    const sso_kept_t *kept = NULL;

    if (session)
        sso_session_tokens(ctx, world_site, session, &kept);
    return kept;
}

static void test_round_trip(void)
{
    static const sso_kept_t cases[] = {
        { "a", "r", "i", 1, 2 }, { "a", NULL, NULL, 3, 0 }, { NULL, "r", NULL, 0, 0 },
        { NULL, NULL, "i", 0, 9 }, { "", "", "", 0, 0 }, { NULL, NULL, NULL, 0, 0 },
        /* kept decoded, as far as they come out again to the letter */
        { "eyJhbGciOiJFUzI1NiJ9.e30.AQID", "AAAA.BBBB.CCCC.DDDD.EEEE", "e30.e30.e30", 1, 2 },
        { "AAAA.BBBB.CCCC.DDDD.EEEE.FFFF", "eyJhbGciOiJFUzI1NiJ9.e30.AQIB=", "e30.e30.e31", 1, 2 },
        { "e30.e30.", ".e30.e30", "..", 1, 2 }, { ".", "e30.", "e30..e30", 1, 2 },
        { "e30.e30.e3", "e30.e30.AAAAA", "e30.e 0.e30", 1, 2 },
        { "0.AAAA-of-Entra", "M.C107_BAY", "1//0g.opaque-of-Google", 1, 2 },
    };
    unsigned i;

    for (i = 0; i < SSO_COUNT(cases); i++) {
        sso_ctx_t *ctx = world_ctx(0);
        const sso_kept_t *kept = tokens_of(ctx, begin(ctx, &cases[i]));

        ok(kept != NULL, "case %u: kept", i);
        if (!kept)
            continue;
        is(kept->access, cases[i].access, "access token");
        is(kept->refresh, cases[i].refresh, "refresh token");
        is(kept->id, cases[i].id, "id_token");
        ok(kept->got == cases[i].got && kept->expires == cases[i].expires, "times");
    }
    ok(!tokens_of(world_ctx(0), begin(world_ctx(0), NULL)), "none");
}

/* A token in compact form takes the room of what it stands for. */
static void test_room(void)
{
    sso_ctx_t *ctx = world_ctx(0);
    char *segment = apr_pcalloc(ctx->pool, 4001);
    sso_kept_t jwt = { NULL, NULL, NULL, 1, 2 }, text = jwt;
    const sso_session_t *of_jwt, *of_text;

    memset(segment, 'A', 4000);
    jwt.id = apr_pstrcat(ctx->pool, segment, ".", segment, ".", segment, NULL);
    text.id = apr_pstrcat(ctx->pool, segment, "=", segment, "=", segment, NULL);
    of_jwt = find(ctx, begin(ctx, &jwt));
    of_text = find(ctx, begin(ctx, &text));
    FORGE_MUST(of_jwt && of_text);
    ok(of_text->box.length - of_jwt->box.length > 2900, "%d bytes instead of %d",
       (int)of_jwt->box.length, (int)of_text->box.length);
}

/* In the store nothing is in clear, and nothing opens at another place. */
static void test_sealed(void)
{
    static const sso_kept_t mine = { "access-canary", "refresh-canary", "id-canary", 1, 2 },
                            theirs = { "x", "y", "z", 1, 2 };
    sso_ctx_t *ctx = world_ctx(0);
    const sso_session_t *a, *b;
    const char *one = begin(ctx, &mine), *other = begin(ctx, &theirs);
    const sso_kept_t *kept = NULL;
    sso_session_t moved;
    apr_size_t i;
    int seen = 0;

    a = find(ctx, one);
    b = find(ctx, other);
    for (i = 0; i + 6 < a->box.length; i++)
        seen += !memcmp((const char *)a->box.data + i, "canary", 6);
    is_int(seen, 0, "sealed");
    moved = *a;
    moved.box = b->box;
    is_int(sso_session_tokens(ctx, world_site, &moved, &kept), SSO_ABSENT, "another session's");
    ok(!kept && !ctx->err.number, "nothing is out, nothing noted");
    ok(strstr(tap_log_text, "SSO1000"), "said");
    moved.box = a->box;
    moved.box.length--;
    is_int(sso_session_tokens(ctx, world_site, &moved, &kept), SSO_ABSENT, "cut off");
}

static void test_swap(void)
{
    static const sso_kept_t first = { "a1", "r1", "i1", 1, 2 }, second = { "a2", "r2", "i1", 3, 4 };
    sso_ctx_t *ctx = world_ctx(0);
    const char *id = begin(ctx, &first);
    const sso_session_t *mine = find(ctx, id), *late = find(ctx, id), *now;
    sso_session_t *renewed = new_session(ctx, ",\"x\":1"), *again;

    renewed->kept = &second;
    is_int(sso_session_swap(ctx, world_site, mine, renewed), SSO_OK, "replaced");
    now = find(ctx, id);
    is(tokens_of(ctx, id)->refresh, "r2", "new tokens");
    ok(strstr(now->claims.text, "\"x\":1") != NULL, "new claims");
    is_int(now->generation, 1, "the next generation");
    ok(now->idle_ends == mine->idle_ends, "not touched by it");
    again = new_session(ctx, ",\"x\":2");
    again->kept = &first;
    is_int(sso_session_swap(ctx, world_site, late, again), SSO_DENIED, "who comes late");
    is(tokens_of(ctx, id)->refresh, "r2", "undoes nothing");
    again->kept = NULL;
    is_int(sso_session_swap(ctx, world_site, now, again), SSO_OK, "the record alone");
    is(tokens_of(ctx, id)->refresh, "r2", "the tokens stay");
    now = find(ctx, id);
    is_int(sso_session_end(ctx, world_site, id), SSO_OK, "ended");
    again->kept = &second;
    is_int(sso_session_swap(ctx, world_site, now, again), SSO_ABSENT, "what has ended");
    ok(!find(ctx, id), "stays so");
    ok(!ctx->err.number, "none of that is a failure");
}

int main(void)
{
    world_start();
    test_round_trip();
    test_room();
    test_sealed();
    test_swap();
    return tap_done();
}
