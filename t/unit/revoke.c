/* SPDX-License-Identifier: Apache-2.0 */
/* Ending sessions from outside: marks of persons, the index of sids, and secrets that changed. */
#include "world.h"

#define TAG world_tag()

static const char *world_tag(void)
{
    return sso_provider_find(world_site, "lms")->tag;
}

static const char *begin(int later_sec, const char *sub, const char *sid)
{
    sso_ctx_t *ctx = world_ctx(later_sec);
    const char *id = NULL, *text;
    sso_session_t *session;
    json_t *claims;

    text = apr_psprintf(ctx->pool, "{\"sub\":\"%s\",\"preferred_username\":\"u\"%s%s%s}", sub,
                        sid ? ",\"sid\":\"" : "", sid ? sid : "", sid ? "\"" : "");
    FORGE_MUST(sso_json_parse(ctx, "t", text, strlen(text), &claims) == SSO_OK);
    FORGE_MUST(sso_session_build(ctx, world_site, sso_provider_find(world_site, "lms"), claims,
                                 &session) == SSO_OK);
    is_int(sso_session_begin(ctx, world_site, session, &id), SSO_OK, "begun: %s, %s", sub,
           sid ? sid : "no sid");
    return apr_pstrdup(world_pool, id);
}

static int alive(int later_sec, const char *id)
{
    const sso_session_t *session;

    return sso_session_find(world_ctx(later_sec), world_site, id, 0, &session) == SSO_OK;
}

static int end_sid(const char *tag, const char *sid)
{
    int count = -1;

    is_int(sso_revoke_sid(world_ctx(10), world_site, tag, sid, &count), SSO_OK, "sid %.20s", sid);
    return count;
}

static void test_subject(void)
{
    const char *one, *two, *other, *late;

    memset(memory.entries, 0, sizeof(memory.entries));
    one = begin(0, "ann", NULL);
    two = begin(5, "ann", "s2");
    other = begin(0, "anna", NULL);
    ok(strcmp(one, two) && !strcmp(one + 43, two + 43) && strcmp(one + 43, other + 43),
       "cookies tell whose they are, and not who that is");
    is_int(sso_revoke_subject(world_ctx(10), world_site, "campus:x", "ann"), SSO_OK, "elsewhere");
    ok(alive(10, one) && alive(10, two), "another provider's ann is somebody else");
    is_int(sso_revoke_subject(world_ctx(10), world_site, TAG, "ann"), SSO_OK, "ended");
    ok(!alive(10, one) && !alive(10, two) && alive(10, other), "all of hers, and no others");
    late = begin(11, "ann", NULL);
    ok(alive(11, late), "she can sign in again");
    ok(!alive(12 * 3600 + 9, one), "ended for as long as the session could have lived");
    is_int(sso_revoke_subject(world_ctx(12), world_site, TAG, "ann"), SSO_OK, "again");
    ok(!alive(12, late), "which ends the new one too");
}

static void test_mark(void)
{
    static const struct { const char *value; int started_sec, ended; } marks[] = {
        { NULL, 0, 0 }, { "00001700000000000000", 0, 0 }, { "00001700000000000001", 0, 1 },
        { "00001700000001000000", 0, 1 }, { "00001700000001000000", 1, 0 }, { "", 0, 1 },
        { "x", 0, 1 },
    };
    sso_store_key_t here, there;
    unsigned char person[SSO_PERSON_BYTES] = { 1 };
    unsigned i;

    for (i = 0; i < SSO_COUNT(marks); i++) {
        sso_store_entry_t entry = { (const unsigned char *)marks[i].value,
                                    marks[i].value ? strlen(marks[i].value) : 0, 0, 0 };

        is_int(sso_revoke_marked(&entry, apr_time_from_sec(WORLD_NOW + marks[i].started_sec)),
               marks[i].ended, "mark %s", marks[i].value ? marks[i].value : "(none)");
    }
    sso_revoke_mark_key(world_site, person, &here);
    sso_revoke_mark_key(world_empty_site("other:443", "a secret of the site, long enough"), person,
                        &there);
    ok(memcmp(&here, &there, sizeof(here)), "another virtual host's mark is another");
}

/* Ids that were cut from one cookie and pasted onto another lead around no mark. */
static void test_pasted(void)
{
    const char *ann, *bob, *pasted;

    memset(memory.entries, 0, sizeof(memory.entries));
    ann = begin(0, "ann", NULL);
    bob = begin(0, "bob", NULL);
    pasted = apr_pstrcat(world_pool, apr_pstrmemdup(world_pool, ann, 42), bob + 42, NULL);
    ok(alive(0, ann) && alive(0, bob), "two people");
    ok(!alive(0, pasted), "her id with his name is nobody's");
    ok(!alive(0, apr_pstrmemdup(world_pool, ann, 43)), "nor is an id alone");
}

static void test_sid(void)
{
    const char *one, *two, *other, *many[20];
    int i, gone = 0;

    memset(memory.entries, 0, sizeof(memory.entries));
    one = begin(0, "ann", "s1");
    two = begin(1, "ann", "s1");
    other = begin(0, "ann", "s2");
    is_int(end_sid("campus:x", "s1"), -1, "another provider's");
    is_int(end_sid(TAG, ""), -1, "no sid");
    is_int(end_sid(TAG, "s"), -1, "part of one");
    ok(alive(10, one) && alive(10, two), "end nothing");
    is_int(memory_count(), 5, "and leave nothing behind");
    is_int(end_sid(TAG, "s1"), 2, "both sessions of it");
    ok(!alive(10, one) && !alive(10, two) && alive(10, other), "and not the other one");
    is_int(end_sid(TAG, "s1"), 0, "once");
    for (i = 0; i < 20; i++)
        many[i] = begin(20 + i, "ann", "s3");
    is_int(end_sid(TAG, "s3"), 16, "an index has an end");
    for (i = 0; i < 20; i++)
        gone += !alive(40, many[i]);
    ok(gone == 16 && !alive(40, many[19]) && alive(40, many[0]), "the oldest are not in it");
}

static void test_long_sid(void)
{
    char text[514];
    const char *id;

    memset(text, 'x', sizeof(text));
    text[513] = '\0';
    memset(memory.entries, 0, sizeof(memory.entries));
    id = begin(0, "ann", text);
    is_int(memory_count(), 1, "a sid of 513 characters is no sid");
    is_int(end_sid(TAG, text), -1, "by which nothing is found");
    ok(alive(10, id), "the session lives");
}

/* A session in a cookie has no entry: that it ended is written down, and not evicted. */
static void test_in_cookie(void)
{
    sso_revoke_begun_t begun = { TAG, "s9", { { 7 } }, SSO_KEPT_IN_COOKIE,
                                 apr_time_from_sec(WORLD_NOW + 100) };
    sso_store_entry_t entry = { 0 };

    memset(memory.entries, 0, sizeof(memory.entries));
    is_int(sso_revoke_begin(world_ctx(0), world_site, &begun, NULL), SSO_OK, "begun");
    begun.key.bytes[0] = 8;
    is_int(sso_revoke_begin(world_ctx(0), world_site, &begun, NULL), SSO_OK, "another");
    is_int(memory_count(), 1, "one index");
    is_int(end_sid(TAG, "s9"), 2, "two ended");
    is_int(sso_store_get(world_ctx(99), &memory.store, &begun.key, 0, &entry), SSO_OK, "marked");
    is_int(entry.expires, begun.ends, "until it would have ended");
    is_int(memory.entries[1].item.class, SSO_STORE_PINNED, "never evicted");
}

/* Who signed in under a secret that has been replaced is found. */
static void test_rotation(void)
{
    static const char *const texts[] = { "a new secret of the site, long enough",
                                         "a secret of the site, long enough" };
    apr_array_header_t *secrets = apr_array_make(world_pool, 2, sizeof(sso_bytes_t));
    sso_site_t *before = world_site, *after = world_empty_site("site.example:443", texts[0]);
    const char *one, *two, *three;
    sso_ctx_t *ctx = world_ctx(0);
    unsigned i;

    memset(memory.entries, 0, sizeof(memory.entries));
    one = begin(0, "ann", "s1");
    two = begin(0, "ann", NULL);
    for (i = 0; i < 2; i++)
        APR_ARRAY_PUSH(secrets, sso_bytes_t) = sso_bytes(texts[i]);
    ctx->pool = world_pool;
    FORGE_MUST(sso_site_seal(ctx, after, secrets) == SSO_OK);
    after->providers = before->providers;
    world_site = after;
    three = begin(0, "ann", "s1");
    ok(alive(1, one) && alive(1, two) && alive(1, three), "a new secret signs nobody out");
    ok(strcmp(one + 43, three + 43), "the same person under another name");
    is_int(end_sid(TAG, "s1"), 2, "a sid is found under both");
    ok(!alive(10, one) && alive(10, two), "and that session ends");
    three = begin(5, "ann", NULL);
    is_int(sso_revoke_subject(world_ctx(10), world_site, TAG, "ann"), SSO_OK, "all of hers");
    ok(!alive(10, two) && !alive(10, three), "end under both");
    world_site = before;
}

static void test_store_down(void)
{
    const char *id;
    int count;

    memset(memory.entries, 0, sizeof(memory.entries));
    id = begin(0, "ann", "s1");
    memory.fail_at = memory.calls + 2; /* the entry can be read, the mark cannot */
    ok(!alive(0, id), "a mark that cannot be read lets nobody in");
    memory.fail_at = 1;
    is_int(sso_revoke_subject(world_ctx(0), world_site, TAG, "ann"), SSO_UPSTREAM, "not ended");
    is_int(sso_revoke_sid(world_ctx(0), world_site, TAG, "s1", &count), SSO_UPSTREAM, "nor that");
    memory.fail_at = 0;
    ok(alive(0, id), "so it lives");
}

int main(void)
{
    world_start();
    test_subject();
    test_mark();
    test_pasted();
    test_sid();
    test_long_sid();
    test_in_cookie();
    test_rotation();
    test_store_down();
    return tap_done();
}
