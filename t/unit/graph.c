/* SPDX-License-Identifier: Apache-2.0 */
/* Microsoft Graph: profile, groups page by page, picture; what is believed of them and what not. */
#include "world.h"

#include "sso_graph.h"

#define ROOT    "https://graph.example"
#define TENANT  "8d6f0c1e-1111-4111-8111-000000000001"
#define OID     "0f4d1b7e-2222-4222-8222-00000000000a"
#define WHO     "\"sub\":\"s\",\"iss\":\"i\",\"tid\":\"" TENANT "\",\"oid\":\"" OID "\""
#define OVERAGE "\"_claim_names\":{\"groups\":\"src1\"},\"_claim_sources\":{\"src1\":" \
                "{\"endpoint\":\"https://evil.example/\"}}"
#define GROUPS  ROOT "/v1.0/me/transitiveMemberOf/microsoft.graph.group"
#define JPEG    "\xff\xd8\xff\xe0 a picture of some bytes"

/* What Graph answers, in order. */
typedef struct said_t {
    int status;
    const char *body, *type, *retry_after; /* type NULL: JSON */
    int fail;                              /* number of a call that fails */
} said_t;

#define SAY(status, body)    { status, body, NULL, NULL, 0 }
#define LATER(status, after) { status, "{}", NULL, after, 0 }

static struct {
    const said_t *answers;
    int count, calls, plain_ok;
    const char *url[64], *authorization;
    apr_interval_time_t total, delay;
} graph;

static sso_rc_e graph_call(sso_ctx_t *ctx, const sso_call_t *call, sso_reply_t *reply)
{
    const said_t *said = &graph.answers[graph.calls < graph.count ? graph.calls : graph.count - 1];

    if (graph.calls < 64)
        graph.url[graph.calls] = call->url;
    graph.calls++;
    graph.authorization = call->authorization;
    graph.plain_ok = call->plain_ok;
    graph.total = call->policy->total;
    apr_sleep(graph.delay);
    if (said->fail)
        return sso_fail(ctx, SSO_UPSTREAM, said->fail, "%s: nobody answers", call->what);
    memset(reply, 0, sizeof(*reply));
    reply->status = said->status;
    reply->content_type = said->type ? said->type : "application/json";
    reply->body = said->body;
    reply->length = strlen(said->body);
    reply->retry_after = said->retry_after;
    return SSO_OK;
}

static void graph_says(const said_t *answers, int count)
{
    memset(&graph, 0, sizeof(graph));
    graph.answers = answers;
    graph.count = count;
}

static sso_rc_e make_entra(sso_ctx_t *ctx, const char *what, const char *groups,
                           sso_provider_t **provider)
{
    sso_config_t *config = world_record();
    sso_section_t section = { "campus", "entra", "line 7", config };

    world_set(config, "EdxSSOTenant", TENANT, "EdxSSOClientID", "c", "EdxSSOClientSecret",
              WORLD_CANARY, "EdxSSOGraph", what, "EdxSSOGroups", groups, "EdxSSOGraphRoot", ROOT,
              NULL);
    return sso_provider_make(ctx, world_site, &section, NULL, provider);
}

static sso_provider_t *entra(const char *what, const char *groups)
{
    sso_ctx_t *ctx = tap_ctx();
    sso_provider_t *provider = NULL;

    ctx->pool = world_pool;
    if (make_entra(ctx, what, groups, &provider) != SSO_OK)
        printf("Bail out! %s\n", ctx->err.text);
    FORGE_MUST(provider);
    return provider;
}

static json_t *parse(sso_ctx_t *ctx, const char *text)
{
    json_t *object = NULL;

    FORGE_MUST(sso_json_parse(ctx, "test", text, strlen(text), &object) == SSO_OK);
    return object;
}

/* Read with these settings; what the claims become, as text. */
static const char *read_graph(sso_ctx_t *ctx, const char *what, const char *groups,
                              const char *claims, sso_photo_t *photo)
{
    sso_tokens_t tokens = { .access_token = "EwB4-opaque-canary" };
    json_t *object = parse(ctx, apr_pstrcat(ctx->pool, "{", claims, "}", NULL));
    sso_photo_t here;

    tap_log_text[0] = '\0';
    world_ports.call = graph_call;
    sso_graph_add(ctx, entra(what, groups), &tokens, object, photo ? photo : &here);
    is_int(ctx->err.number, 0, "nothing is left of a failure");
    ok(!tap_log_has("canary"), "no token in the log");
    return sso_json_print(ctx->pool, object);
}

/* ---- scopes */

static const struct {
    const char *graph, *groups, *scopes;
    unsigned plan;
} plans[] = {
    { "off", "ids", "openid profile email offline_access", SSO_GRAPH_OVERAGE },
    { "profile", "ids", "openid profile email offline_access User.Read",
      SSO_GRAPH_OVERAGE | SSO_GRAPH_PROFILE },
    { "photo groups", "ids", "openid profile email offline_access User.Read",
      SSO_GRAPH_OVERAGE | SSO_GRAPH_PHOTO | SSO_GRAPH_GROUPS },
    { "off", "names", "openid profile email offline_access User.Read GroupMember.Read.All",
      SSO_GRAPH_OVERAGE | SSO_GRAPH_GROUPS },
};

static void test_plans(void)
{
    sso_ctx_t *ctx = world_ctx(0);
    sso_provider_t *provider = NULL;
    unsigned i;

    for (i = 0; i < SSO_COUNT(plans); i++) {
        provider = entra(plans[i].graph, plans[i].groups);
        is_int(provider->graph, plans[i].plan, "EdxSSOGraph %s, EdxSSOGroups %s", plans[i].graph,
               plans[i].groups);
        is(apr_array_pstrcat(ctx->pool, provider->scope, ' '), plans[i].scopes, "its scopes");
    }
}

/* ---- groups */

static const struct {
    const char *name, *what, *groups, *claims;
    said_t said[3];
    int count, calls;
    const char *list; /* what `groups` becomes; NULL: no claim */
    const char *logged; /* NULL: nothing */
} group_cases[] = {
    { "no overage, nothing asked", "off", "ids", "\"groups\":[\"a\"]", { SAY(500, "") }, 1, 0,
      "[\"a\"]", NULL },
    { "overage", "off", "ids", OVERAGE, { SAY(200, "{\"value\":[{\"id\":\"a\"},{\"id\":\"b\"}]}") },
      1, 1, "[\"a\",\"b\"]", NULL },
    { "hasgroups", "off", "ids", "\"hasgroups\":true", { SAY(200, "{\"value\":[]}") }, 1, 1, "[]",
      NULL },
    { "hasgroups, a string", "off", "ids", "\"hasgroups\":\"true\"",
      { SAY(200, "{\"value\":[{\"id\":\"a\"}]}") }, 1, 1, "[\"a\"]", NULL },
    { "hasgroups false", "off", "ids", "\"hasgroups\":false", { SAY(500, "") }, 1, 0, NULL, NULL },
    { "asked for: the list is Graph's", "groups", "ids", "\"groups\":[\"z\"]",
      { SAY(200, "{\"value\":[{\"id\":\"a\",\"displayName\":null}]}") }, 1, 1, "[\"a\"]", NULL },
    { "names", "off", "names", "\"groups\":[\"z\"]",
      { SAY(200, "{\"value\":[{\"id\":\"a\",\"displayName\":\"Staff\"}]}") }, 1, 1, "[\"Staff\"]",
      NULL },
    { "names that do not come", "off", "names", "\"groups\":[\"z\"]",
      { SAY(200, "{\"value\":[{\"id\":\"a\",\"displayName\":\"Staff\"},"
               "{\"id\":\"b\",\"displayName\":null}]}") }, 1, 1, NULL,
      "SSO0837: campus: graph: groups: the name of group b does not come: the permission "
      "GroupMember.Read.All" },
    { "two pages, one of them empty", "groups", "ids", "\"x\":1",
      { SAY(200, "{\"@odata.nextLink\":\"" GROUPS "?$skiptoken=1\",\"value\":[{\"id\":\"a\"}]}"),
        SAY(200, "{\"@odata.nextLink\":\"" GROUPS "?$skiptoken=2\",\"value\":[]}"),
        SAY(200, "{\"@odata.nextLink\":null,\"value\":[{\"id\":\"b\"}]}") }, 3, 3,
      "[\"a\",\"b\"]", NULL },
    { "an error on the second page", "groups", "ids", "\"groups\":[\"z\"]",
      { SAY(200, "{\"@odata.nextLink\":\"" GROUPS "?$skiptoken=1\",\"value\":[{\"id\":\"a\"}]}"),
        SAY(500, "<html>") }, 2, 2, NULL, "SSO0823: campus: graph: groups: status 500 (no code)" },
    { "a page that leads to itself", "groups", "ids", "\"x\":1",
      { SAY(200, "{\"@odata.nextLink\":\"" GROUPS "?$skiptoken=1\",\"value\":[]}") }, 1, 2, NULL,
      "SSO0834" },
    { "permission", "groups", "ids", OVERAGE ",\"groups\":[\"part\"]",
      { SAY(403, "{\"error\":{\"code\":\"Authorization_RequestDenied\",\"message\":\"x\"}}") }, 1,
      1, NULL, "SSO0822: campus: graph: groups: the permission User.Read is missing "
      "(Authorization_RequestDenied)" },
    { "permission for names", "groups", "names", OVERAGE, { SAY(403, "") }, 1, 1, NULL,
      "the permission GroupMember.Read.All is missing" },
    { "token of another API", "groups", "ids", "\"x\":1",
      { SAY(401, "{\"error\":{\"code\":\"InvalidAuthenticationToken\"}}") }, 1, 1, NULL,
      "SSO0821" },
    { "not found", "groups", "ids", "\"x\":1", { SAY(404, "{}") }, 1, 1, NULL, "SSO0825" },
    { "a date in Retry-After", "groups", "ids", "\"x\":1",
      { LATER(429, "Fri, 31 Dec 1999 23:59:59 GMT") }, 1, 1, NULL, "SSO0820" },
    { "Retry-After over the time there is", "groups", "ids", "\"x\":1",
      { LATER(429, "60") }, 1, 1, NULL, "(Retry-After 60)" },
    { "no Retry-After", "groups", "ids", "\"x\":1", { SAY(429, "{}") }, 1, 1, NULL,
      "Retry-After not given" },
    { "a huge Retry-After", "groups", "ids", "\"x\":1",
      { LATER(503, "99999999999999999999") }, 1, 1, NULL, "SSO0820" },
    { "nobody answers", "groups", "ids", "\"x\":1", { { .fail = 305 } }, 1, 1, NULL, "SSO0305" },
    { "always Retry-After 0", "groups", "ids", "\"x\":1", { LATER(503, "0") }, 1, 3, NULL,
      "SSO0820" },
    { "Retry-After 1, then good", "groups", "ids", "\"x\":1",
      { LATER(429, "1"), SAY(200, "{\"value\":[{\"id\":\"a\"}]}") }, 2, 2, "[\"a\"]",
      NULL },
    { "HTML", "groups", "ids", "\"x\":1", { { 200, "<html>", "text/html", NULL, 0 } }, 1, 1, NULL,
      "SSO0826" },
    { "broken JSON", "groups", "ids", "\"x\":1", { SAY(200, "{\"value\":[") }, 1, 1, NULL,
      "SSO0116" },
    { "no list", "groups", "ids", "\"x\":1", { SAY(200, "{\"value\":{}}") }, 1, 1, NULL,
      "SSO0835" },
    { "a group that is a text", "groups", "ids", "\"x\":1", { SAY(200, "{\"value\":[\"a\"]}") }, 1,
      1, NULL, "SSO0836" },
    { "an id that is a number", "groups", "ids", "\"x\":1",
      { SAY(200, "{\"value\":[{\"id\":7}]}") }, 1, 1, NULL, "SSO0836" },
    { "a personal account", "groups", "ids", "\"tid\":\"" SSO_TENANT_CONSUMERS "\",\"groups\":[]",
      { SAY(403, "") }, 1, 0, NULL, NULL },
};

static void test_groups(void)
{
    unsigned i;

    for (i = 0; i < SSO_COUNT(group_cases); i++) {
        sso_ctx_t *ctx = world_ctx(0);
        json_t *claims;

        graph_says(group_cases[i].said, group_cases[i].count);
        claims = parse(ctx, read_graph(ctx, group_cases[i].what, group_cases[i].groups,
                                       group_cases[i].claims, NULL));
        if (group_cases[i].list)
            is(sso_json_print(ctx->pool, json_object_get(claims, "groups")), group_cases[i].list,
               "%s", group_cases[i].name);
        else
            ok(!json_object_get(claims, "groups"), "%s: no groups", group_cases[i].name);
        ok(!json_object_get(claims, "_claim_names") && !json_object_get(claims, "_claim_sources"),
           "no marker of overage stays");
        is_int(graph.calls, group_cases[i].calls, "calls");
        if (group_cases[i].logged)
            ok(tap_log_has(group_cases[i].logged), "the log: %s in %s", group_cases[i].logged,
               tap_log_text);
        else
            is(tap_log_text, "", "nothing in the log");
        if (graph.calls) {
            is(graph.authorization, "Bearer EwB4-opaque-canary", "the token");
            ok(graph.total > 0 && graph.total <= apr_time_from_sec(5), "within the time of a call");
        }
    }
}

/* Where a next page may be. */
static const struct {
    const char *link;
    int followed;
} links[] = {
    { GROUPS "?$skiptoken=RFNwd", 1 },
    { "https://GRAPH.example:443/v1.0/x", 1 },
    { "https://evil.example/v1.0/me", 0 },
    { "https://graph.example.evil.example/v1.0/me", 0 },
    { "https://graph.example@evil.example/v1.0/me", 0 },
    { "https://graph.example:444/v1.0/me", 0 },
    { "http://graph.example/v1.0/me", 0 },
    { "https://graph.example/beta/me", 0 },
    { "https://graph.example/v1.0", 0 },
    { "https://graph.example/v1.0/../beta/me", 0 },
    { "https://graph.example/v1.0/%2e%2E/beta/me", 0 },
    { "https://graph.example/v1.0/%2F..%2fbeta", 0 },
    { "https://graph.example\\\\@evil.example/v1.0/", 0 },
    { "//graph.example/v1.0/me", 0 },
    { "/v1.0/me", 0 },
    { "", 0 },
    { "file:///etc/passwd", 0 },
};

static void test_links(void)
{
    unsigned i;

    for (i = 0; i < SSO_COUNT(links); i++) {
        sso_ctx_t *ctx = world_ctx(0);
        const char *page = apr_psprintf(ctx->pool, "{\"@odata.nextLink\":\"%s\",\"value\":"
                                        "[{\"id\":\"a\"}]}", links[i].link);
        said_t said[] = { { 200, page, NULL, NULL, 0 },
                          { 200, "{\"value\":[{\"id\":\"b\"}]}", NULL, NULL, 0 } };
        const char *got;

        graph_says(said, 2);
        got = read_graph(ctx, "groups", "ids", "\"x\":1", NULL);
        is(got, links[i].followed ? "{\"x\":1,\"groups\":[\"a\",\"b\"]}" : "{\"x\":1}", "%s",
           links[i].link);
        is_int(graph.calls, links[i].followed ? 2 : 1, "calls");
        is_int(tap_log_has("SSO0833"), !links[i].followed, "the log");
    }
}

/* A page with a group whose name is so many control characters. */
static const char *escaped_group(apr_pool_t *pool, int count)
{
    char *name = apr_palloc(pool, (apr_size_t)count * 6 + 1);
    int i;

    for (i = 0; i < count; i++)
        memcpy(name + 6 * i, "\\u0001", 7);
    return apr_pstrcat(pool, "{\"value\":[{\"id\":\"1\",\"displayName\":\"", name, "\"}]}",
                       NULL);
}

/* Lists without end, or too long, or too slow. */
static void test_limits(void)
{
    sso_ctx_t *ctx = world_ctx(0);
    said_t said[64];
    char *big;
    int i;

    for (i = 0; i < 64; i++) {
        said_t page = { 200, apr_psprintf(ctx->pool, "{\"@odata.nextLink\":\"" GROUPS "?p=%d\","
                                          "\"value\":[]}", i), NULL, NULL, 0 };
        said[i] = page;
    }
    graph_says(said, 64);
    is(read_graph(ctx, "groups", "ids", "\"x\":1", NULL), "{\"x\":1}", "pages without end");
    is_int(graph.calls, 50, "calls");
    ok(tap_log_has("SSO0839"), "the log");

    big = apr_palloc(ctx->pool, 200001);
    memset(big, 'a', 200000);
    big[200000] = '\0';
    said[0].body = apr_psprintf(ctx->pool, "{\"value\":[{\"id\":\"%s\"}]}", big);
    graph_says(said, 1);
    is(read_graph(ctx, "groups", "ids", "\"x\":1", NULL), "{\"x\":1}", "too many bytes");
    ok(tap_log_has("SSO0838"), "the log");

    /* a session takes 512 KiB of claims, and in there they are JSON */
    said[0].body = escaped_group(ctx->pool, 40000);
    graph_says(said, 1);
    is(read_graph(ctx, "groups", "names", "\"x\":1", NULL), "{\"x\":1}",
       "too many bytes once they are escaped");
    ok(tap_log_has("SSO0838"), "the log");

    said[0].body = apr_psprintf(ctx->pool, "{\"id\":\"" OID "\",\"jobTitle\":\"%s\"}", big);
    graph_says(said, 1);
    is(read_graph(ctx, "profile", "ids", "\"x\":1", NULL), "{\"x\":1}", "a profile too large");
    ok(tap_log_has("SSO0828"), "the log");

    said[0].body = "{\"@odata.nextLink\":\"" GROUPS "?p=0\",\"value\":[]}";
    graph_says(said, 64);
    graph.delay = apr_time_from_msec(1700);
    is(read_graph(ctx, "groups profile photo", "ids", "\"x\":1", NULL), "{\"x\":1}",
       "pages too slow");
    is_int(graph.calls, 3, "no call is begun when the time is up");
    ok(tap_log_has("groups: the time of EdxSSOHTTPTimeout is up") && tap_log_has("profile: the")
       && tap_log_has("photo: the"), "the log: %s", tap_log_text);
}

/* ---- profile */

static const struct {
    const char *name, *claims, *body, *want;
    int logged;
} profiles[] = {
    { "texts, lists, nulls", WHO, "{\"@odata.context\":\"x\",\"id\":\"" OID "\",\"jobTitle\":\"T\","
      "\"department\":null,\"businessPhones\":[\"+1\"],\"accountEnabled\":true,\"sub\":\"evil\"}",
      "{\"businessPhones\":[\"+1\"],\"iss\":\"i\",\"jobTitle\":\"T\",\"oid\":\"" OID
      "\",\"sub\":\"s\",\"tid\":\"" TENANT "\"}", 0 },
    { "a claim is not replaced", "\"jobTitle\":\"mine\",\"mail\":null",
      "{\"jobTitle\":\"T\",\"mail\":\"m\"}", "{\"jobTitle\":\"mine\",\"mail\":null}", 0 },
    { "other types", "\"x\":1", "{\"jobTitle\":{\"a\":1},\"mail\":7,\"businessPhones\":[1]}",
      "{\"x\":1}", 0 },
    { "somebody else", WHO, "{\"id\":\"other\",\"jobTitle\":\"T\"}",
      "{\"iss\":\"i\",\"oid\":\"" OID "\",\"sub\":\"s\",\"tid\":\"" TENANT "\"}", 827 },
    { "nobody", WHO, "{\"jobTitle\":\"T\"}",
      "{\"iss\":\"i\",\"oid\":\"" OID "\",\"sub\":\"s\",\"tid\":\"" TENANT "\"}", 827 },
    { "a personal account has another id",
      "\"oid\":\"o\",\"tid\":\"" SSO_TENANT_CONSUMERS "\"", "{\"id\":\"7\",\"jobTitle\":\"T\"}",
      "{\"jobTitle\":\"T\",\"oid\":\"o\",\"tid\":\"" SSO_TENANT_CONSUMERS "\"}", 0 },
};

static void test_profiles(void)
{
    unsigned i;

    for (i = 0; i < SSO_COUNT(profiles); i++) {
        sso_ctx_t *ctx = world_ctx(0);
        said_t said = { 200, profiles[i].body, NULL, NULL, 0 };
        const char *got;

        graph_says(&said, 1);
        got = read_graph(ctx, "profile", "ids", profiles[i].claims, NULL);
        ok(json_equal(parse(ctx, got), parse(ctx, profiles[i].want)), "profile: %s: %s",
           profiles[i].name, got);
        ok(profiles[i].logged ? tap_log_has("SSO0827") : !*tap_log_text, "the log: %s",
           tap_log_text);
        ok(!strncmp(graph.url[0], ROOT "/v1.0/me?$select=id,businessPhones,", 35 + strlen(ROOT)),
           "selected by name: %s", graph.url[0]);
    }
}

/* ---- pictures */

static const struct {
    const char *name;
    said_t said;
    int kept, none;
    const char *logged;
} photos[] = {
    { "a JPEG", { 200, JPEG, "image/jpeg", NULL, 0 }, 1, 0, NULL },
    { "a PNG", { 200, "\x89PNG\r\n\x1a\n and more", "image/png", NULL, 0 }, 1, 0, NULL },
    { "a GIF", { 200, "GIF89a and some more", "image/gif", NULL, 0 }, 1, 0, NULL },
    { "a WebP", { 200, "RIFF1234WEBPVP8 ", "image/webp", NULL, 0 }, 1, 0, NULL },
    { "a WAVE", { 200, "RIFF1234WAVEfmt ", "image/webp", NULL, 0 }, 0, 0, "SSO0829" },
    { "none", { 404, "{\"error\":{\"code\":\"ImageNotFound\"}}", NULL, NULL, 0 }, 0, 1, NULL },
    { "HTML", { 200, "<html><script>alert(1)</script>", "text/html", NULL, 0 }, 0, 0, "SSO0829" },
    { "HTML that is called a JPEG", { 200, "<html><script>alert(1)</script>", "image/jpeg", NULL,
      0 }, 0, 0, "SSO0829" },
    { "SVG", { 200, "<svg xmlns='http://www.w3.org/2000/svg'>", "image/svg+xml", NULL, 0 }, 0, 0,
      "SSO0829" },
    { "a JPEG that is called HTML", { 200, JPEG, "text/html", NULL, 0 }, 0, 0, "SSO0829" },
    { "a JPEG that is called a PNG", { 200, JPEG, "image/png", NULL, 0 }, 0, 0, "SSO0829" },
    { "nothing", { 200, "", "image/jpeg", NULL, 0 }, 0, 0, "SSO0829" },
    { "a few bytes", { 200, "\xff\xd8\xff", "image/jpeg", NULL, 0 }, 0, 0, "SSO0829" },
    { "forbidden", { 403, "", NULL, NULL, 0 }, 0, 0, "the permission User.Read is missing" },
};

static void test_photos(void)
{
    sso_ctx_t *ctx;
    sso_photo_t photo;
    char *big;
    unsigned i;

    for (i = 0; i < SSO_COUNT(photos); i++) {
        ctx = world_ctx(0);
        graph_says(&photos[i].said, 1);
        is(read_graph(ctx, "photo", "ids", "\"x\":1", &photo), "{\"x\":1}", "photo: %s",
           photos[i].name);
        is_int(photo.bytes.data != NULL, photos[i].kept, "kept");
        is_int(photo.none, photos[i].none, "there is none");
        ok(photos[i].logged ? tap_log_has(photos[i].logged) : !*tap_log_text, "the log: %s",
           tap_log_text);
    }
    ctx = world_ctx(0);
    big = apr_palloc(ctx->pool, SSO_PHOTO_MAX + 2);
    memset(big, 'x', SSO_PHOTO_MAX + 1);
    memcpy(big, "\xff\xd8\xff", 3);
    big[SSO_PHOTO_MAX + 1] = '\0';
    {
        said_t said = { 200, big, "image/jpeg", NULL, 0 };

        graph_says(&said, 1);
        read_graph(ctx, "photo", "ids", "\"x\":1", &photo);
        ok(!photo.bytes.data && tap_log_has("SSO0830"), "a picture too large");
    }
}

/* No access token; no place where Graph is. */
static void test_nothing(void)
{
    sso_ctx_t *ctx = world_ctx(0);
    sso_provider_t *provider = entra("profile groups", "ids");
    json_t *claims = parse(ctx, "{\"groups\":[\"part\"]}");
    sso_tokens_t tokens = { .access_token = NULL };
    sso_photo_t photo;

    tap_log_text[0] = '\0';
    world_ports.call = graph_call;
    graph_says(group_cases[0].said, 1);
    sso_graph_add(ctx, provider, &tokens, claims, &photo);
    ok(tap_log_has("SSO0832"), "no access token: %s", tap_log_text);
    ok(!json_object_get(claims, "groups"), "no groups then");
    tokens.access_token = "t";
    ((sso_config_t *)(apr_uintptr_t)provider->config)->graph_root = NULL;
    provider->metadata_url = NULL;
    sso_graph_add(ctx, provider, &tokens, claims, &photo);
    ok(tap_log_has("SSO0831"), "nothing says where it is: %s", tap_log_text);
    is_int(graph.calls, 0, "nobody is called");
    sso_graph_add(ctx, sso_provider_find(world_site, "lms"), &tokens, claims, &photo);
    is_int(graph.calls, 0, "an LMS has no Graph");
}

int main(void)
{
    world_start();
    test_plans();
    test_groups();
    test_links();
    tap_try(test_limits);
    test_profiles();
    test_photos();
    test_nothing();
    return tap_done();
}
