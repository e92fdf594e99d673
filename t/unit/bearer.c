/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens that are presented: header, gate, introspection, what is remembered and how long. */
#include "bearer_world.h"

#include "sso_access.h"
#include "sso_credential.h"
#include "sso_introspect.h"
#include "sso_verified.h"

#define TYPE   "token-introspection+jwt"
#define SIGNED "application/" TYPE

/* ---- the header */

static const struct {
    const char *header, *token; /* NULL: malformed; "": none of ours */
    int jwt;
} headers[] = {
    { "Bearer abc", "abc", 0 }, { "bearer abc", "abc", 0 }, { "JWT a.b.c", "a.b.c", 1 },
    { "jwt a.b.c", "a.b.c", 1 }, { "Bearer   abc", "abc", 0 }, { "Bearer abc  ", "abc", 0 },
    { "Bearer aZ09-._~+/==", "aZ09-._~+/==", 0 }, { "Bearer", NULL, 0 }, { "Bearer ", NULL, 0 },
    { "JWT", NULL, 0 }, { "Bearer =", NULL, 0 }, { "Bearer a=b", NULL, 0 },
    { "Bearer a b", NULL, 0 }, { "Bearer a,b", NULL, 0 }, { "Bearer a, Bearer b", NULL, 0 },
    { "Bearer \"a\"", NULL, 0 }, { "Bearer\ta", NULL, 0 }, { "Bearer a\t", NULL, 0 },
    { "Bearer a\x80", NULL, 0 }, { "Bearera b", "", 0 }, { "Basic abc", "", 0 }, { "", "", 0 },
    { " Bearer a", "", 0 }, { "JWTs a", "", 0 }, { "DPoP a", "", 0 },
};

static void test_headers(void)
{
    unsigned i;

    for (i = 0; i < SSO_COUNT(headers); i++) {
        const char *token = headers[i].token && *headers[i].token ? NULL : headers[i].token;
        int jwt = 0;
        sso_rc_e want = !headers[i].token ? SSO_BAD_INPUT : *headers[i].token ? SSO_OK : SSO_ABSENT;

        is_int(sso_bearer_read(world_pool, headers[i].header, &token, &jwt), want, "'%s'",
               headers[i].header);
        is(token, headers[i].token, "its token");
        is_int(jwt, headers[i].jwt, "its scheme");
    }
    is_int(sso_bearer_read(world_pool, NULL, NULL, NULL), SSO_ABSENT, "no header");
}

/* ---- the gate, at a provider that is no LMS */

#define OP_ISSUER "https://op.example"
#define B2C_TENANT "11111111-2222-4333-8444-555555555555"

static const char *op_token(const char *header, const char *claims)
{
    return forge_mac(WORLD_MAC, strlen(WORLD_MAC), "HS256", header, claims);
}

static const char *op_claims(const char *more)
{
    return apr_psprintf(world_pool,
                        "{\"iss\":\"" OP_ISSUER "\",\"sub\":\"u1\",\"exp\":%d,\"iat\":%d%s}",
                        (int)WORLD_NOW + 600, (int)WORLD_NOW - 5, more);
}

#define JWT "{\"alg\":\"HS256\",\"typ\":\"JWT\"}"
#define AT  "{\"alg\":\"HS256\",\"typ\":\"at+jwt\"}"
#define FULL ",\"client_id\":\"c\",\"jti\":\"j\""

static const struct {
    const char *header, *more;
    int number; /* 0: taken */
} gate[] = {
    { JWT, ",\"aud\":\"api\"", 0 }, { "{\"alg\":\"HS256\"}", ",\"aud\":\"api\"", 0 },
    { JWT, ",\"aud\":[\"x\",\"api\"]", 0 },
    { "{\"alg\":\"HS256\",\"typ\":\"jwt\"}", ",\"aud\":\"api\"", 0 },
    { AT, ",\"aud\":\"api\"" FULL, 0 }, { AT, ",\"aud\":\"rp\"" FULL, 0 },
    { "{\"alg\":\"HS256\",\"typ\":\"application/at+jwt\"}", ",\"aud\":\"api\"" FULL, 0 },
    { AT, ",\"aud\":[\"x\",\"rp\"]" FULL, 0 },
    /* the client id is what an id_token has */
    { JWT, ",\"aud\":\"rp\"", 1126 }, { JWT, ",\"aud\":[\"rp\",\"x\"]", 1126 },
    { JWT, ",\"aud\":[\"rp\",\"api\"]", 0 },
    { JWT, "", 1126 }, { JWT, ",\"aud\":[]", 1126 }, { JWT, ",\"aud\":null", 1126 },
    { JWT, ",\"aud\":{\"api\":1}", 1126 }, { JWT, ",\"aud\":\"API\"", 1126 },
    { JWT, ",\"aud\":[[\"api\"]]", 1126 }, { AT, ",\"aud\":\"x\"" FULL, 1126 },
    { JWT, ",\"aud\":\"api\",\"nonce\":null", 1129 },
    { JWT, ",\"aud\":\"api\",\"nonce\":\"n\"", 1129 },
    { JWT, ",\"aud\":\"api\",\"at_hash\":\"n\"", 1129 },
    { JWT, ",\"aud\":\"api\",\"c_hash\":\"n\"", 1129 },
    { JWT, ",\"aud\":\"api\",\"events\":{}", 1124 },
    { AT, ",\"aud\":\"api\",\"events\":{}" FULL, 1124 },
    { JWT, ",\"aud\":\"api\",\"cnf\":{}", 1125 },
    { AT, ",\"aud\":\"api\",\"cnf\":null" FULL, 1125 },
    { JWT, ",\"aud\":\"api\",\"typ\":\"refresh\"", 1124 },
    { JWT, ",\"aud\":\"api\",\"typ\":\"Bearer\"", 0 },
    { JWT, ",\"aud\":\"api\",\"typ\":\"Offline\"", 1124 },
    { JWT, ",\"aud\":\"api\",\"token_use\":\"id\"", 1124 },
    { AT, ",\"aud\":\"api\",\"client_id\":\"c\"", 1127 },
    { AT, ",\"aud\":\"api\",\"jti\":\"c\"", 1127 },
    { AT, ",\"aud\":\"api\",\"jti\":7,\"client_id\":\"c\"", 1127 },
    { "{\"alg\":\"HS256\",\"typ\":\"logout+jwt\"}", ",\"aud\":\"api\"", 1128 },
    { "{\"alg\":\"HS256\",\"typ\":\"id+jwt\"}", ",\"aud\":\"api\"", 1128 },
    { "{\"alg\":\"HS256\",\"typ\":\"at+jwts\"}", ",\"aud\":\"api\"", 1128 },
    { "{\"alg\":\"HS256\",\"typ\":\"dpop+jwt\"}", ",\"aud\":\"api\"", 1128 },
};

static sso_accepted_t accepted;

static sso_provider_t *make_provider(const char *name, const char *type, sso_config_t *config)
{
    sso_section_t section = { name, type, "line 1", config };
    sso_ctx_t *ctx = world_ctx(0);
    sso_provider_t *made = NULL;

    ctx->pool = world_pool;
    if (sso_provider_make(ctx, world_site, &section, NULL, &made) != SSO_OK)
        printf("Bail out! %s\n", ctx->err.text);
    APR_ARRAY_PUSH(world_site->providers, sso_provider_t *) = made;
    sso_site_settle(ctx, world_site);
    return made;
}

static void test_gate(void)
{
    sso_config_t *config = world_record();
    sso_provider_t *op;
    sso_ctx_t *ctx;
    unsigned i;

    world_set(config, "EdxSSOIssuer", OP_ISSUER, "EdxSSODiscovery", "off", "EdxSSOClientID", "rp",
              "EdxSSOClientSecret", WORLD_CANARY, "EdxSSOJWKS", "https://op.example/keys",
              "EdxSSOJWSHMACKey", WORLD_MAC, "EdxSSOAudience", "api rp", "EdxSSOEndpoint",
              "authorization https://op.example/a", "EdxSSOEndpoint", "token https://op.example/t",
              "EdxSSOEndpoint", "introspection https://op.example/i", NULL);
    op = make_provider("op", "oidc", config);
    for (i = 0; i < SSO_COUNT(gate); i++) {
        const sso_provider_t *provider = NULL;
        const json_t *claims = NULL;

        ctx = world_ctx(0);
        sso_access_check(ctx, &accepted, op_token(gate[i].header, op_claims(gate[i].more)),
                         &provider, &claims);
        is_int(ctx->err.number, gate[i].number, "%s %s", gate[i].header, gate[i].more);
        ok(!gate[i].number == (provider == op && claims), "%s",
           gate[i].number ? "nobody's" : "its");
    }
}

/* ---- what is remembered */

/* What a section does with the claims while it looks whether a token is its own, no other sees. */
static void test_untouched(void)
{
    apr_array_header_t *both = apr_array_make(world_pool, 2, sizeof(sso_provider_t *));
    sso_accepted_t either = { both, NULL, NULL };
    sso_config_t *config = world_record();
    const sso_provider_t *found = NULL;
    const json_t *claims = NULL;

    world_set(config, "EdxSSOTenant", B2C_TENANT, "EdxSSODiscovery", "off", "EdxSSOIssuer",
              "https://b2c.example/" B2C_TENANT "/v2.0/", "EdxSSOClientID", "rp", "EdxSSOAudience",
              "api", "EdxSSOClientSecret", WORLD_CANARY, "EdxSSOJWKS", "https://b2c.example/keys",
              "EdxSSOEndpoint", "authorization https://b2c.example/a", "EdxSSOEndpoint",
              "token https://b2c.example/t", NULL);
    APR_ARRAY_PUSH(both, sso_provider_t *) = make_provider("b2c", "entra", config);
    APR_ARRAY_PUSH(both, const sso_provider_t *) = sso_provider_find(world_site, "op");
    is_int(sso_access_check(world_ctx(0), &either,
                            op_token(JWT, op_claims(",\"aud\":\"api\",\"tfp\":\"x\"")), &found,
                            &claims), SSO_OK, "a token of the second of two sections");
    ok(found == sso_provider_find(world_site, "op") && claims && !json_object_get(claims, "tid"),
       "has no tenant of the first");
    apr_array_pop(world_site->providers);
    sso_site_settle(world_ctx(0), world_site);
}

static void test_remembered(void)
{
    const sso_config_t *api = api_place("bearer", NULL), *other = api_place("bearer", "campus");
    const char *token = world_token(world_claims(""));
    unsigned char policy[SSO_DIGEST_BYTES];
    int calls;

    is_int(present(0, api, token), 0, "a token: let in");
    is(user(), "jsmith", "as its user");
    ok(seen.answer.bearer, "by a token");
    calls = memory.calls;
    is_int(present(0, api, token), 0, "again");
    is_int(memory.calls - calls, 1, "by one look into the store");
    is(user(), "jsmith", "as the same");
    is_int(present(3599, api, token), 0, "until it expires");
    is_int(present(3600 + 61, api, token), 401, "and not longer");
    is_int(seen.number, 1131, "it has expired");
    is_int(present(0, other, token), 401, "at a place that accepts another provider");
    memcpy(policy, world_site->policy, sizeof(policy));
    world_site->policy[0] ^= 1;
    calls = memory.calls;
    is_int(present(0, api, token), 0, "under another policy");
    ok(memory.calls - calls > 1, "it is judged anew");
    memcpy(world_site->policy, policy, sizeof(policy));
    memory.fail_at = memory.calls + 1;
    is_int(present(0, api, token), 0, "the store is away: judged each time");
    memory.fail_at = 0;
    token = world_token(world_claims(",\"jti\":\"2\"")); /* the first has a refusal, of later */
    is_int(present(0, api, token), 0, "remembered");
    is_int(present(0, api, apr_pstrcat(world_pool, "e", token, NULL)), 401, "another with its end");
    is_int(present(0, api, apr_pstrcat(world_pool, "eyJhbGciOiJub25lIn0.",
                                       strchr(token, '.') + 1, NULL)), 401, "another header");
    is_int(present(0, api, token), 0, "the first is as good as before");
}

static void test_refused(void)
{
    const sso_config_t *api = api_place("bearer", NULL);
    const char *token = world_token(world_claims(",\"nonce\":\"x\""));
    int i, before, calls;

    is_int(present(0, api, token), 401, "refused");
    calls = memory.calls;
    is_int(present(1, api, token), 401, "again");
    is_int(memory.calls - calls, 2, "from memory: nothing is written");
    ok(strstr(seen.text, "1129"), "for the same reason: %s", seen.text);
    calls = memory.calls;
    is_int(present(6, api, token), 401, "a while later");
    ok(memory.calls - calls > 2, "it is judged anew");
    is_int(present(6, api, apr_pstrcat(world_pool, token, "x", NULL)), 401, "a token of garbage");
    before = memory_count();
    for (i = 0; i < 20; i++)
        present(6, api, apr_psprintf(world_pool, "%s%d", token, i % 2));
    ok(memory_count() - before <= 2, "the same garbage takes no more room");
}

/* The policy is a digest of what is configured. */
static void test_policy(void)
{
    static const struct { const char *name, *words; } changes[] = {
        { "EdxSSOAudience", "x" }, { "EdxSSOJWSHMACKey", "another-hmac-key-of-32-or-more-bytes!!" },
        { "EdxSSORestricted", "allow" },
        { "EdxSSOClockSkew", "0s" },
        { "EdxSSOAlgorithms", "HS512" },
        { "EdxSSOIssuer", "https://x.example" }, { "EdxSSORemoteUser", "email" },
        { "EdxSSOClaimMap", "a b" }, { "EdxSSOClientSecret", "another-secret" },
    };
    sso_provider_t *plain = NULL, *changed = NULL;
    unsigned i;

    world_make(world_ctx(0), "lms", world_lms(), &plain);
    for (i = 0; i < SSO_COUNT(changes); i++) {
        sso_config_t *config = world_lms();

        world_set(config, changes[i].name, changes[i].words, NULL);
        FORGE_MUST(world_make(world_ctx(0), "lms", config, &changed) == SSO_OK);
        ok(memcmp(plain->policy, changed->policy, SSO_DIGEST_BYTES), "%s makes another policy",
           changes[i].name);
    }
    world_make(world_ctx(0), "lms", world_lms(), &changed);
    ok(!memcmp(plain->policy, changed->policy, SSO_DIGEST_BYTES), "the same is the same");
    ok(!plain->audiences, "an LMS without EdxSSOAudience takes no tokens");
}

/* ---- introspection */

static const struct {
    const char *body;
    int status, number; /* 0, 0: let in */
    const char *user;
} answers[] = {
    { ACTIVE, 0, 0, "zoe" },
    { "{\"active\":true,\"sub\":\"s\",\"preferred_username\":\"p\"}", 0, 0, "p" },
    { "{\"active\":true,\"sub\":\"s\"}", 0, 0, "s" },
    { "{\"active\":true,\"sub\":\"a\\nb\"}", 401, 603, NULL },
    { "{\"active\":true,\"username\":\"u\",\"preferred_username\":\"p\"}", 0, 0, "u" },
    { "{\"active\":true,\"username\":\"u\",\"aud\":\"openedx\",\"iss\":\"" WORLD_ISSUER "\"}", 0, 0,
      "u" },
    { "{\"active\":true,\"username\":\"u\",\"aud\":[\"x\",\"openedx\"],\"token_type\":\"bearer\"}",
      0, 0, "u" },
    { "{\"active\":true,\"username\":\"u\",\"exp\":1700000300}", 0, 0, "u" },
    { "{\"active\":false}", 401, 1155, NULL }, { "{}", 401, 1155, NULL },
    { "{\"active\":\"true\",\"username\":\"u\"}", 401, 1155, NULL },
    { "{\"active\":1,\"username\":\"u\"}", 401, 1155, NULL },
    { "{\"active\":null,\"username\":\"u\"}", 401, 1155, NULL },
    { "{\"active\":[true],\"username\":\"u\"}", 401, 1155, NULL },
    { "{\"Active\":true,\"username\":\"u\"}", 401, 1155, NULL },
    { "{\"active\":true}", 401, 1159, NULL }, { "{\"active\":true,\"sub\":7}", 401, 1159, NULL },
    { "{\"active\":true,\"username\":\"u\",\"aud\":\"x\"}", 401, 1156, NULL },
    { "{\"active\":true,\"username\":\"u\",\"aud\":[]}", 401, 1156, NULL },
    { "{\"active\":true,\"username\":\"u\",\"aud\":null}", 401, 1156, NULL },
    { "{\"active\":true,\"username\":\"u\",\"iss\":\"https://evil.test\"}", 401, 1157, NULL },
    { "{\"active\":true,\"username\":\"u\",\"iss\":7}", 401, 1157, NULL },
    { "{\"active\":true,\"username\":\"u\",\"exp\":1699999000}", 401, 1153, NULL },
    { "{\"active\":true,\"username\":\"u\",\"exp\":\"soon\"}", 401, 1153, NULL },
    { "{\"active\":true,\"username\":\"u\",\"nbf\":1700000900}", 401, 1154, NULL },
    { "{\"active\":true,\"username\":\"u\",\"cnf\":{\"jkt\":\"x\"}}", 401, 1125, NULL },
    { "{\"active\":true,\"username\":\"u\",\"token_type\":\"DPoP\"}", 401, 1158, NULL },
    { "{\"active\":true,\"username\":\"u\",\"token_type\":7}", 401, 1158, NULL },
    { "{\"active\":true,\"username\":\"u\",\"typ\":\"Refresh\"}", 401, 1124, NULL },
    { "{\"active\":true,\"username\":\"a\\nb\"}", 401, 603, NULL },
    { "{\"active\":true,\"username\":\"u\",\"is_restricted\":true}", 403, 1123, NULL },
    { "{\"active\":true,\"active\":true,\"username\":\"u\"}", 502, 1152, NULL },
    { "[]", 502, 1152, NULL }, { "", 502, 1152, NULL }, { "true", 502, 1152, NULL },
};

static void test_answers(void)
{
    const sso_config_t *api = api_place("bearer", "lms");
    unsigned i;

    for (i = 0; i < SSO_COUNT(answers); i++) {
        token_says(200, "application/json", answers[i].body);
        is_int(present(0, api, apr_psprintf(world_pool, "opaque-%u", i)), answers[i].status,
               "introspection: %s", answers[i].body);
        is(user(), answers[i].user, "whose it is");
        if (answers[i].status == 401)
            ok(strstr(seen.text, apr_psprintf(world_pool, "(%d)", answers[i].number)), "why: %s",
               seen.text);
        else
            is_int(seen.number, answers[i].number, "why");
    }
    is(token_endpoint.url, "http://127.0.0.1:8000/_o/introspect/", "the LMS is asked");
    ok(strstr(token_endpoint.body, "token=opaque-")
       && strstr(token_endpoint.body, "token_type_hint=access_token"), "about the token: %s",
       token_endpoint.body);
    token_says(403, "text/html", "");
    is_int(present(0, api, "forbidden"), 502, "the provider does not let us ask");
    is_int(seen.number, 1150, "and which is a matter of set-up");
    token_says(200, "text/html", ACTIVE);
    is_int(present(0, api, "html"), 502, "an answer that is no JSON");
    is_int(present(0, api_place("bearer", "campus"), "campus"), 401,
           "an LMS without EdxSSOAudience");
}

#define YES "{\"active\":true,\"username\":\"u\"}"
#define SAYS(iss, aud, said)                                                                      \
    "{\"iss\":\"" iss "\",\"aud\":\"" aud "\",\"iat\":1,\"token_introspection\":" said "}"

/* RFC 9701: a signed answer, of the provider that has a key for it. */
static const struct {
    const char *header, *claims;
    int status;
} signed_answers[] = {
    { TYPE, SAYS(OP_ISSUER, "rp", "{\"active\":true,\"username\":\"zoe\"}"), 0 },
    { TYPE, SAYS(OP_ISSUER, "rp", "{\"active\":false}"), 401 },
    { "JWT", SAYS(OP_ISSUER, "rp", YES), 502 },
    { "at+jwt", SAYS(OP_ISSUER, "rp", YES), 502 },
    { TYPE, SAYS("https://evil.test", "rp", YES), 502 },
    { TYPE, SAYS(OP_ISSUER, "x", YES), 502 },
    { TYPE, SAYS(OP_ISSUER, "rp", "\"x\""), 502 },
    { TYPE, "{\"iss\":\"" OP_ISSUER "\",\"aud\":\"rp\",\"active\":true}", 502 },
};

static void test_signed(void)
{
    const sso_config_t *api = api_place("bearer", "op");
    unsigned i;

    for (i = 0; i < SSO_COUNT(signed_answers); i++) {
        const char *header = apr_psprintf(world_pool, "{\"alg\":\"HS256\",\"typ\":\"%s\"}",
                                          signed_answers[i].header);

        token_says(200, SIGNED, op_token(header, signed_answers[i].claims));
        is_int(present(1800, api, apr_psprintf(world_pool, "signed-%u", i)),
               signed_answers[i].status, "%s %s", header, signed_answers[i].claims);
    }
    token_says(200, SIGNED, apr_pstrcat(world_pool, op_token(JWT, "{}"), "x", NULL));
    is_int(present(1800, api, "signed-wrong"), 502, "an answer that does not verify");
}

/* ---- JWT cookies */

static const char *halves(browser_t *browser, const char *token)
{
    const char *dot = strrchr(token, '.');

    jar_set(browser, "edx-jwt-cookie-header-payload",
            apr_pstrmemdup(world_pool, token, (apr_size_t)(dot - token)));
    jar_set(browser, "edx-jwt-cookie-signature", dot + 1);
    return token;
}

static void test_cookies(void)
{
    static const struct { const char *method, *name, *value; int status; } asks[] = {
        { "GET", "X", "", 0 }, { "HEAD", "X", "", 0 }, { "OPTIONS", "X", "", 0 },
        { "POST", "X", "", 403 },
        { "PUT", "X", "", 403 },
        { "DELETE", "X", "", 403 },
        { "FOO", "X", "", 403 },
        { "POST", "Sec-Fetch-Site", "same-origin", 0 },
        { "POST", "Sec-Fetch-Site", "same-site", 403 },
        { "POST", "Sec-Fetch-Site", "cross-site", 403 }, { "POST", "Origin", WORLD_ORIGIN, 0 },
        { "POST", "Origin", "https://site.example.evil.test", 403 },
        { "POST", "Origin", "null", 403 },
        { "POST", "Origin", "http://site.example", 403 },
        { "POST", "Referer", WORLD_ORIGIN "/x", 0 },
        { "POST", "Referer", "https://evil.test/", 403 },
        { "GET", "Upgrade", "websocket", 0 },
    };
    browser_t browser = { .place = api_place("jwt-cookie", NULL) };
    unsigned i;

    halves(&browser, world_token(world_claims("")));
    for (i = 0; i < SSO_COUNT(asks); i++) {
        browser.headers[0] = asks[i].name;
        browser.headers[1] = asks[i].value;
        is_int(browse_at(0, &browser, asks[i].method, "/api"), asks[i].status, "%s, %s %s",
               asks[i].method, asks[i].name, asks[i].value);
        is(user(), asks[i].status ? NULL : "jsmith", "who");
    }
    ok(!seen.answer.bearer, "no bearer token");
    is_int(browse_at(3700, &browser, "GET", "/api"), 401, "expired: nobody");
    halves(&browser, world_token(world_claims(",\"nonce\":\"x\"")));
    is_int(browse_at(0, &browser, "GET", "/api"), 401, "an id_token is none");
    jar_set(&browser, "edx-jwt-cookie-header-payload", NULL);
    is_int(browse_at(0, &browser, "GET", "/api"), 401, "one half");
    ok(strstr(seen.text, "missing"), "is said to be missing");
}

int main(void)
{
    bearer_start();
    accepted.providers = world_site->providers;
    test_headers();
    test_gate();
    test_untouched();
    test_remembered();
    test_refused();
    test_policy();
    test_answers();
    test_signed();
    test_cookies();
    return tap_done();
}
