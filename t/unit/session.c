/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions: what they are made of, when they end, and for whom they are none. */
#include "world.h"

#define ENTRY_OF(i) memory.entries[i]

static sso_provider_t *provider_with(const char *name, const char *words)
{
    sso_config_t *record = world_lms();
    sso_ctx_t *ctx = world_ctx(0);
    sso_provider_t *provider;

    if (name)
        world_set(record, name, words, NULL);
    ctx->pool = world_pool;
    FORGE_MUST(world_make(ctx, "lms", record, &provider) == SSO_OK);
    return provider;
}

static sso_rc_e build(sso_ctx_t *ctx, const sso_provider_t *provider, const char *text,
                      sso_session_t **session)
{
    json_t *claims;

    FORGE_MUST(sso_json_parse(ctx, "t", text, strlen(text), &claims) == SSO_OK);
    return sso_session_build(ctx, world_site, provider, claims, session);
}

static const struct {
    const char *directive, *words, *claims;
    int number;
    const char *user, *username, *user_id;
} built[] = {
    { NULL, NULL, "{\"sub\":\"s\",\"preferred_username\":\"u\",\"user_id\":42}", 0,
      "u", "u", "42" },
    { NULL, NULL, "{\"sub\":\"s\",\"preferred_username\":\"u\"}", 0, "u", "u", "s" },
    { NULL, NULL, "{\"preferred_username\":\"u\"}", 0, "u", "u", NULL },
    { NULL, NULL, "{\"sub\":\"s\"}", 602, NULL, NULL, NULL },
    { NULL, NULL, "{\"preferred_username\":\"\"}", 602, NULL, NULL, NULL },
    { NULL, NULL, "{\"preferred_username\":null}", 602, NULL, NULL, NULL },
    { NULL, NULL, "{\"preferred_username\":[\"u\"]}", 602, NULL, NULL, NULL },
    { NULL, NULL, "{\"preferred_username\":true}", 602, NULL, NULL, NULL },
    { NULL, NULL, "{\"preferred_username\":1.5}", 602, NULL, NULL, NULL },
    { NULL, NULL, "{\"preferred_username\":\"a\\tb\"}", 603, NULL, NULL, NULL },
    { NULL, NULL, "{\"preferred_username\":\"a\\u007f\"}", 603, NULL, NULL, NULL },
    { NULL, NULL, "{\"preferred_username\":\"\\u0085\"}", 603, NULL, NULL, NULL },
    { NULL, NULL, "{\"preferred_username\":\"M\\u00fcller \\u20ac\"}", 0,
      "M\xc3\xbcller \xe2\x82\xac", "M\xc3\xbcller \xe2\x82\xac", NULL },
    { "EdxSSORemoteUser", "user_id", "{\"user_id\":-9223372036854775808}", 0,
      "-9223372036854775808", NULL, "-9223372036854775808" },
    { "EdxSSORemoteUser", "email", "{\"preferred_username\":\"u\"}", 602, NULL, NULL, NULL },
    { "EdxSSORequireClaim", "email", "{\"preferred_username\":\"u\"}", 604, NULL, NULL, NULL },
    { "EdxSSORequireClaim", "email", "{\"preferred_username\":\"u\",\"email\":\"\"}", 604, NULL,
      NULL, NULL },
    { "EdxSSORequireClaim", "email", "{\"preferred_username\":\"u\",\"email\":null}", 604, NULL,
      NULL, NULL },
    { "EdxSSORequireClaim", "a.b email", "{\"preferred_username\":\"u\",\"email\":0,"
      "\"a\":{\"b\":false}}", 0, "u", "u", NULL },
    { "EdxSSOClaimMap", "preferred_username profile.login", "{\"preferred_username\":\"u\","
      "\"profile\":{\"login\":\"mapped\"}}", 0, "mapped", "mapped", NULL },
    { "EdxSSOClaimMap", "preferred_username profile.login", "{\"preferred_username\":\"u\"}", 0,
      "u", "u", NULL },
    { "EdxSSOClaimMap", "preferred_username profile", "{\"preferred_username\":\"u\","
      "\"profile\":{}}", 602, NULL, NULL, NULL },
};

static void test_build(void)
{
    unsigned i;

    for (i = 0; i < SSO_COUNT(built); i++) {
        sso_ctx_t *ctx = world_ctx(0);
        sso_session_t *session = NULL;
        sso_rc_e rc = build(ctx, provider_with(built[i].directive, built[i].words), built[i].claims,
                            &session);

        is_int(ctx->err.number, built[i].number, "%s", built[i].claims);
        ok((rc == SSO_OK) == (session != NULL), "out only if it is good");
        ok(rc != SSO_DENIED || ctx->err.say.text, "a page can say what is missing");
        if (!session)
            continue;
        is(session->remote_user, built[i].user, "REMOTE_USER");
        is(session->username, built[i].username, "user name");
        is(session->user_id, built[i].user_id, "user id");
    }
}

static const char *begin(sso_ctx_t *ctx, const char *claims)
{
    sso_session_t *session;
    const char *id = NULL;

    FORGE_MUST(build(ctx, sso_provider_find(world_site, "lms"), claims, &session) == SSO_OK);
    memset(memory.entries, 0, sizeof(memory.entries));
    is_int(sso_session_begin(ctx, world_site, session, &id), SSO_OK, "begun");
    return id;
}

static int found_at(int later_sec, const char *id, int touch)
{
    sso_ctx_t *ctx = world_ctx(later_sec);
    const sso_session_t *session = NULL;
    sso_rc_e rc = sso_session_find(ctx, world_site, id, touch, &session);

    ok((rc == SSO_OK) == (session != NULL) && !ctx->err.number, "out only if it is there");
    return rc == SSO_OK;
}

/* Idle 2 h, at most 12 h. */
static void test_ends(void)
{
    const char *id = begin(world_ctx(0), world_claims(""));
    const sso_session_t *session;
    int hour;

    ok(found_at(7199, id, 0), "just before it idles out");
    ok(!found_at(7200, id, 0), "at the very second");
    ok(!found_at(7200, id, 1), "no touch wakes it up");
    ok(found_at(0, id, 0), "looking has not touched it");
    for (hour = 1; hour < 12; hour++)
        ok(found_at(hour * 3600, id, 1), "touched at hour %d", hour);
    ok(found_at(12 * 3600 - 1, id, 1), "just before its end");
    is_int(sso_session_find(world_ctx(11 * 3600), world_site, id, 1, &session), SSO_OK, "found");
    is_int(session->idle_ends, session->ends, "idle time does not reach past the end");
    ok(!found_at(12 * 3600, id, 1), "its end, whatever the store says");
    ok(ENTRY_OF(0).item.expires > world_ctx(12 * 3600)->now, "which still had it");
}

static void test_round_trip(void)
{
    sso_ctx_t *ctx = world_ctx(5);
    const char *id = begin(ctx, "{\"sub\":\"s\",\"preferred_username\":\"u\",\"email\":\"e@x\","
                                "\"name\":\"N\",\"tid\":\"t\",\"iss\":\"i\",\"sid\":\"d\","
                                "\"list\":[\"a\",\"b\"]}");
    const sso_session_t *session;

    is_int(sso_session_find(ctx, world_site, id, 0, &session), SSO_OK, "found");
    is(session->provider, "lms", "provider");
    is(session->email, "e@x", "email");
    is(session->name, "N", "name");
    is(session->tenant, NULL, "a tid of an LMS is no tenant");
    is(session->remote_id, NULL, "no remote id");
    is(session->issuer, "i", "issuer");
    is(session->subject, "s", "subject");
    is(session->sid, "d", "sid");
    is(session->user_id, "s", "user id");
    is_int(session->started, ctx->now, "started");
    is_int(session->ends, ctx->now + apr_time_from_sec(12 * 3600), "ends");
    is_int(session->claims.count, 8, "claims");
    ok(!strstr((const char *)ENTRY_OF(0).item.value, "e@x"), "the store cannot read it");
    ok(memcmp(ENTRY_OF(0).key.bytes, id, 32), "and does not know the id");
}

static void test_strangers(void)
{
    static const char *const ids[] = {
        "", "x", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "\xff\xff",
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB",
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "../../../../../../../../../../../../../../x"
    };
    const char *id = begin(world_ctx(0), world_claims(""));
    sso_site_t *here = world_site, *other = world_empty_site("other:443",
                                                             "a secret of the site, long enough");
    apr_array_header_t *providers = here->providers;
    unsigned char *value = (unsigned char *)(apr_uintptr_t)ENTRY_OF(0).item.value;
    apr_size_t i, length = ENTRY_OF(0).item.length;
    int opened = 0;

    for (i = 0; i < SSO_COUNT(ids); i++) {
        ok(!found_at(0, ids[i], 1), "id '%.50s'", ids[i]);
        is_int(sso_session_end(world_ctx(0), here, ids[i]), SSO_ABSENT, "nothing to end");
    }
    other->providers = providers;
    world_site = other;
    ok(!found_at(0, id, 1), "another virtual host");
    is_int(sso_session_end(world_ctx(0), other, id), SSO_ABSENT, "which cannot end it either");
    memcpy(other->realm_tag, here->realm_tag, SSO_REALM_BYTES);
    ok(!found_at(0, id, 1), "nor open it, could it find it");
    ok(tap_log_has("SSO0605"), "which is logged");
    world_site = here;
    here->providers = apr_array_make(world_pool, 1, sizeof(sso_provider_t *));
    ok(!found_at(0, id, 1), "a provider that has left");
    here->providers = providers;
    for (i = 0; i < length; i++) {
        value[i] ^= 1;
        opened += found_at(0, id, 0);
        value[i] ^= 1;
    }
    is_int(opened, 0, "no changed bit opens");
    for (i = 0; i < length; i += 7) {
        ENTRY_OF(0).item.length = i;
        opened += found_at(0, id, 0);
    }
    ENTRY_OF(0).item.length = length;
    is_int(opened, 0, "nothing cut off opens");
    ok(found_at(0, id, 0), "whole, it does");
}

/* A value put under another session's key is not that session. */
static void test_moved(void)
{
    sso_ctx_t *ctx = world_ctx(0);
    const char *mine = begin(ctx, world_claims("")), *theirs;
    sso_store_item_t item = ENTRY_OF(0).item;
    sso_session_t *session;

    build(ctx, sso_provider_find(world_site, "lms"), world_claims(",\"x\":1"), &session);
    sso_session_begin(ctx, world_site, session, &theirs);
    ok(strcmp(mine, theirs), "two ids");
    ok(found_at(0, mine, 0) && found_at(0, theirs, 0), "two sessions");
    ENTRY_OF(0).item = ENTRY_OF(1).item;
    ok(!found_at(0, mine, 0), "moved");
    ENTRY_OF(0).item = item;
    is_int(sso_session_end(ctx, world_site, mine), SSO_OK, "ended");
    ok(!found_at(0, mine, 0) && found_at(0, theirs, 0), "one of them");
    is_int(sso_session_end(ctx, world_site, mine), SSO_ABSENT, "again");
}

static void test_store_down(void)
{
    const char *id = begin(world_ctx(0), world_claims("")), *made = NULL;
    const sso_session_t *session;
    sso_session_t *new;
    sso_ctx_t *ctx = world_ctx(0);

    memory.fail_at = 1;
    is_int(sso_session_find(ctx, world_site, id, 1, &session), SSO_UPSTREAM, "not signed out");
    is_int(sso_session_end(world_ctx(0), world_site, id), SSO_UPSTREAM, "not ended");
    ctx = world_ctx(0);
    build(ctx, sso_provider_find(world_site, "lms"), world_claims(""), &new);
    is_int(sso_session_begin(ctx, world_site, new, &made), SSO_UPSTREAM, "not begun");
    ok(!made, "no id");
    memory.fail_at = 0;
}

int main(void)
{
    world_start();
    test_build();
    test_ends();
    test_round_trip();
    test_strangers();
    test_moved();
    test_store_down();
    return tap_done();
}
