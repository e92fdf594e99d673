/* SPDX-License-Identifier: Apache-2.0 */
/* Pictures: kept in the store, and handed out to the user whose they are. */
#include "world.h"

#include "sso_photo.h"

#define JPEG "\xff\xd8\xff\xe0 a picture of some bytes"

static sso_session_t one, two; /* of two users */
static const char *one_id, *two_id;
static const sso_photo_t photo = { { JPEG, sizeof(JPEG) - 1 }, 0 }, none = { { NULL, 0 }, 1 },
                         failed = { { NULL, 0 }, 0 };

static void begin(sso_ctx_t *ctx, sso_session_t *session, const char *subject, const char **id)
{
    json_t *nothing;

    memset(session, 0, sizeof(*session));
    session->provider = "lms";
    session->tag = sso_provider_find(world_site, "lms")->tag;
    session->remote_user = "a";
    session->issuer = "i";
    session->subject = subject;
    session->ends = session->idle_ends = ctx->now + apr_time_from_sec(1000);
    FORGE_MUST(sso_json_parse(ctx, "test", "{}", 2, &nothing) == SSO_OK);
    FORGE_MUST(sso_claims_flatten(ctx, nothing, &session->claims) == SSO_OK);
    FORGE_MUST(sso_session_begin(ctx, world_site, session, id) == SSO_OK);
}

/* Ask for the picture with a session's cookie; NULL: none. */
static int ask(sso_ctx_t *ctx, const char *method, const char *id, sso_answer_t *answer)
{
    sso_request_t request = { .site = world_site, .place = world_site->config, .method = method,
                              .origin = WORLD_ORIGIN, .path = "/edxsso/photo" };

    sso_forgive(ctx);
    request.headers = apr_table_make(ctx->pool, 1);
    request.cookies = id ? apr_pstrcat(ctx->pool, "__Host-edxsso=", id, NULL) : NULL;
    sso_answer_own(ctx, &request, answer);
    return answer->status;
}

/* In the store: sealed, and only as long as the session can last. */
static void test_kept(sso_ctx_t *ctx)
{
    unsigned i, plain = 0, late = 0;

    sso_photo_keep(ctx, world_site, &one, &photo);
    sso_photo_keep(ctx, world_site, &one, &failed); /* changes nothing */
    for (i = 0; i < WORLD_ENTRIES; i++) {
        const sso_store_item_t *item = &memory.entries[i].item;

        if (!memory.entries[i].live)
            continue;
        plain += item->length > 20 && memmem(item->value, item->length, "a picture", 9) != NULL;
        late += item->expires > one.ends;
    }
    is_int(plain, 0, "sealed in the store");
    is_int(late, 0, "not beyond the session's end");
}

static void test_handed_out(sso_ctx_t *ctx)
{
    sso_answer_t answer;

    is_int(ask(ctx, "GET", NULL, &answer), 401, "without a session: 401");
    is_int(ctx->err.number, 841, "its number");
    is_int(ask(ctx, "GET", two_id, &answer), 404, "another user: 404");
    is_int(ctx->err.number, 842, "its number");
    is_int(ask(ctx, "POST", one_id, &answer), 405, "POST: 405");
    is_int(ask(ctx, "GET", one_id, &answer), 200, "the user: 200");
    is(answer.content_type, "image/jpeg", "its type");
    ok(answer.body_length == sizeof(JPEG) - 1 && !memcmp(answer.body, JPEG, sizeof(JPEG) - 1),
       "its bytes");
    is(apr_table_get(answer.headers, "X-Content-Type-Options"), "nosniff", "nosniff");
    is(apr_table_get(answer.headers, "Content-Security-Policy"), "default-src 'none'; sandbox",
       "sandbox");
    is(apr_table_get(answer.headers, "Cache-Control"), "private, max-age=300", "private");
    is(apr_table_get(answer.headers, "Vary"), "Cookie", "another user's is another");
}

static void test_gone(sso_ctx_t *ctx)
{
    sso_answer_t answer;

    sso_photo_keep(ctx, world_site, &two, &none);
    is_int(ask(ctx, "GET", one_id, &answer), 200, "that another has none changes nothing");
    sso_photo_keep(ctx, world_site, &one, &none);
    is_int(ask(ctx, "GET", one_id, &answer), 404, "the user has none any more: 404");
    memory.calls = 0;
    memory.fail_at = 1;
    sso_forgive(ctx);
    sso_photo_keep(ctx, world_site, &one, &photo);
    ok(tap_log_has("SSO0840") && !ctx->err.number, "a store that is away is logged, no more");
    is_int(ask(ctx, "GET", one_id, &answer), 503, "and 503 for who asks");
    memory.fail_at = 0;
}

int main(void)
{
    sso_ctx_t *ctx;

    world_start();
    ctx = world_ctx(0);
    begin(ctx, &one, "1", &one_id);
    begin(ctx, &two, "2", &two_id);
    test_kept(ctx);
    test_handed_out(ctx);
    test_gone(ctx);
    return tap_done();
}
