/* SPDX-License-Identifier: Apache-2.0 */
/* Aggregated claims: which JWTs count, what they may say, and that nothing else of it is left. */
#include "world.h"

#include "sso_aggregate.h"

#define ISSUER "https://op.example"
#define RIGHT  "\"iss\":\"" ISSUER "\",\"sub\":\"u\",\"aud\":\"i\""

static EVP_PKEY *ours, *another;

static sso_provider_t *make_provider(void)
{
    const char *set = apr_pstrcat(world_pool, "{\"keys\":[", forge_jwk(ours, ""), "]}", NULL);
    sso_ctx_t *ctx = world_ctx(0);
    sso_config_t *record = world_record();
    sso_section_t section = { "x", "oidc", "line 1", record };
    sso_provider_t *provider;

    world_set(record, "EdxSSOIssuer", ISSUER, "EdxSSOClientID", "i", "EdxSSOClientAuth", "none",
              "EdxSSOJWKS", set, NULL);
    ctx->pool = world_pool;
    if (sso_provider_make(ctx, world_site, &section, NULL, &provider) != SSO_OK)
        printf("Bail out! %s\n", ctx->err.text);
    FORGE_MUST(ctx->err.rc == SSO_OK);
    return provider;
}

static json_t *parse(sso_ctx_t *ctx, const char *text)
{
    json_t *object;

    FORGE_MUST(sso_json_parse(ctx, "t", text, strlen(text), &object) == SSO_OK);
    return object;
}

/* Claims that name a source for phone, email and sub, and have an email of their own. */
static json_t *claims_with(sso_ctx_t *ctx, const char *source)
{
    return parse(ctx, apr_pstrcat(ctx->pool, "{\"sub\":\"u\",\"email\":\"own\",\"_claim_names\":"
                                  "{\"phone\":\"s\",\"email\":\"s\",\"sub\":\"s\",\"n\":5},"
                                  "\"_claim_sources\":{\"s\":", source, "}}", NULL));
}

/* What the JWT says beside phone, email and an unnamed claim; whether it counts. */
static const struct {
    const char *claims;
    int foreign, counts;
} jwts[] = {
    { RIGHT, 0, 1 },
    { "\"iss\":\"" ISSUER "\"", 0, 1 },
    { RIGHT ",\"exp\":1699999941", 0, 1 },
    { RIGHT, 1, 0 },
    { "\"sub\":\"u\"", 0, 0 },
    { "\"iss\":\"https://other.example\",\"sub\":\"u\"", 0, 0 },
    { "\"iss\":\"" ISSUER "\",\"sub\":\"v\"", 0, 0 },
    { "\"iss\":\"" ISSUER "\",\"sub\":5", 0, 0 },
    { "\"iss\":\"" ISSUER "\",\"aud\":\"j\"", 0, 0 },
    { RIGHT ",\"exp\":1699999940", 0, 0 },
    { RIGHT ",\"exp\":\"x\"", 0, 0 },
    { RIGHT ",\"nbf\":1700000061", 0, 0 },
    { RIGHT ",\"events\":{}", 0, 0 },
};

static void test_jwts(const sso_provider_t *provider)
{
    unsigned i;

    for (i = 0; i < SSO_COUNT(jwts); i++) {
        sso_ctx_t *ctx = world_ctx(0);
        const char *said = apr_pstrcat(ctx->pool, "{\"phone\":\"1\",\"email\":\"its\",\"more\":1,",
                                       jwts[i].claims, "}", NULL);
        const char *token = forge_token(jwts[i].foreign ? another : ours, "ES256",
                                        "{\"alg\":\"ES256\"}", said);
        json_t *claims = claims_with(ctx, apr_pstrcat(ctx->pool, "{\"JWT\":\"", token, "\"}",
                                                      NULL));

        sso_aggregate(ctx, provider, "u", claims);
        is(sso_json_text(claims, "phone"), jwts[i].counts ? "1" : NULL, "%s", jwts[i].claims);
        is(sso_json_text(claims, "email"), "own", "replaces nothing");
        is(sso_json_text(claims, "sub"), "u", "says not who it is");
        ok(!json_object_get(claims, "more"), "what is not named is left out");
        is_int((int)json_object_size(claims), jwts[i].counts ? 3 : 2, "and nothing else is left");
        is_int(ctx->err.rc, SSO_OK, "it is no failure");
    }
}

static void test_others(sso_provider_t *provider)
{
    static const char *const sources[] = {
        "{\"endpoint\":\"https://evil.example\",\"access_token\":\"t\"}", "{}", "[]", "5", "null",
        "{\"JWT\":5}", "{\"JWT\":\"\"}", "{\"JWT\":\"a.b.c\"}", "{\"JWT\":\"e30.e30.\"}"
    };
    sso_ctx_t *ctx;
    json_t *claims;
    unsigned i;

    for (i = 0; i < SSO_COUNT(sources); i++) {
        ctx = world_ctx(0);
        claims = claims_with(ctx, sources[i]);
        sso_aggregate(ctx, provider, "u", claims);
        is_int((int)json_object_size(claims), 2, "left out: %s", sources[i]);
    }
    ctx = world_ctx(0);
    claims = parse(ctx, "{\"_claim_names\":[1],\"_claim_sources\":\"x\"}");
    sso_aggregate(ctx, provider, "u", claims);
    is_int((int)json_object_size(claims), 0, "neither is an object");
    provider->graph = SSO_GRAPH_OVERAGE;
    claims = parse(ctx, "{\"_claim_names\":{\"groups\":\"s\"},\"_claim_sources\":{\"s\":"
                   "{\"endpoint\":\"https://graph.windows.net\"}}}");
    sso_aggregate(ctx, provider, "u", claims);
    ok(json_object_get(json_object_get(claims, "_claim_names"), "groups") != NULL,
       "Graph is told of groups that have no room");
    ok(!json_object_get(claims, "_claim_sources"), "but of no address");
}

/* Without kids a wrong signature may be a newer key's; with one, or of HMAC, it is wrong. */
static void test_any_key(void)
{
    static const struct {
        const char *header, *kid;
        int any;
    } rows[] = {
        { "{\"alg\":\"ES256\"}", ",\"kid\":\"a\"", 1 },
        { "{\"alg\":\"ES256\",\"kid\":\"a\"}", "", 1 },
        { "{\"alg\":\"ES256\",\"kid\":\"a\"}", ",\"kid\":\"a\"", 0 },
        { "{\"alg\":\"HS256\"}", "", 0 }, { "{\"alg\":\"none\"}", "", 0 },
    };
    unsigned i;

    for (i = 0; i < SSO_COUNT(rows); i++) {
        sso_jwt_t *jwt;

        FORGE_MUST(sso_jws_read(world_ctx(0), "t", forge_token(ours, "ES256", rows[i].header, "{}"),
                                &jwt) == SSO_OK);
        is_int(sso_jws_any_key(forge_set(forge_jwk(ours, rows[i].kid), NULL), jwt), rows[i].any,
               "%s, key %s", rows[i].header, rows[i].kid);
    }
}

int main(void)
{
    sso_provider_t *provider;

    world_start();
    ours = forge_ec("P-256");
    another = forge_ec("P-256");
    provider = make_provider();
    test_jwts(provider);
    test_others(provider);
    test_any_key();
    return tap_done();
}
