/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens: what is judged of them, what the token endpoint's answer is worth, which keys count. */
#include "world.h"

#include "sso_metadata.h"
#include "sso_token.h"

#define GOOD "\"iss\":\"https://i\",\"aud\":\"me\",\"exp\":1700000100,\"iat\":1700000000"

/* The clock is at 1700000000, the skew is 60 s. */
static const struct {
    const char *claims;
    int number;
} judged[] = {
    { GOOD, 0 },
    { "\"aud\":\"me\",\"exp\":1700000100,\"iat\":1700000000", 466 },
    { "\"iss\":\"\",\"aud\":\"me\",\"exp\":1700000100,\"iat\":1700000000", 466 },
    { "\"iss\":[\"https://i\"],\"aud\":\"me\",\"exp\":1700000100,\"iat\":1700000000", 466 },
    { "\"iss\":null,\"aud\":\"me\",\"exp\":1700000100,\"iat\":1700000000", 466 },
    { "\"iss\":1,\"aud\":\"me\",\"exp\":1700000100,\"iat\":1700000000", 466 },
    { "\"iss\":\"https://i/\",\"aud\":\"me\",\"exp\":1700000100,\"iat\":1700000000", 467 },
    { "\"iss\":\"HTTPS://i\",\"aud\":\"me\",\"exp\":1700000100,\"iat\":1700000000", 467 },
    { "\"iss\":\"https://second\",\"aud\":\"me\",\"exp\":1700000100,\"iat\":1700000000", 0 },
    { "\"iss\":\"https://i\",\"exp\":1700000100,\"iat\":1700000000", 468 },
    { "\"iss\":\"https://i\",\"aud\":null,\"exp\":1700000100,\"iat\":1700000000", 468 },
    { "\"iss\":\"https://i\",\"aud\":\"ME\",\"exp\":1700000100,\"iat\":1700000000", 468 },
    { "\"iss\":\"https://i\",\"aud\":[],\"exp\":1700000100,\"iat\":1700000000", 468 },
    { "\"iss\":\"https://i\",\"aud\":[[\"me\"]],\"exp\":1700000100,\"iat\":1700000000", 468 },
    { "\"iss\":\"https://i\",\"aud\":{\"me\":1},\"exp\":1700000100,\"iat\":1700000000", 468 },
    { "\"iss\":\"https://i\",\"aud\":[1,\"me\"],\"exp\":1700000100,\"iat\":1700000000", 0 },
    { "\"iss\":\"https://i\",\"aud\":\"also me\",\"exp\":1700000100,\"iat\":1700000000", 0 },
    { "\"iss\":\"https://i\",\"aud\":\"me\",\"iat\":1700000000", 460 },
    { "\"iss\":\"https://i\",\"aud\":\"me\",\"exp\":null,\"iat\":1700000000", 460 },
    { "\"iss\":\"https://i\",\"aud\":\"me\",\"exp\":true,\"iat\":1700000000", 460 },
    { "\"iss\":\"https://i\",\"aud\":\"me\",\"exp\":[1700000100],\"iat\":1700000000", 460 },
    { "\"iss\":\"https://i\",\"aud\":\"me\",\"exp\":\"never\",\"iat\":1700000000", 460 },
    { "\"iss\":\"https://i\",\"aud\":\"me\",\"exp\":1.5e300,\"iat\":1700000000", 460 },
    { "\"iss\":\"https://i\",\"aud\":\"me\",\"exp\":\"1700000100\",\"iat\":1700000000", 0 },
    { "\"iss\":\"https://i\",\"aud\":\"me\",\"exp\":1700000100.0,\"iat\":1700000000", 0 },
    { "\"iss\":\"https://i\",\"aud\":\"me\",\"exp\":1699999941,\"iat\":1600000000", 0 },
    { "\"iss\":\"https://i\",\"aud\":\"me\",\"exp\":1699999940,\"iat\":1600000000", 461 },
    { "\"iss\":\"https://i\",\"aud\":\"me\",\"exp\":0,\"iat\":1600000000", 461 },
    { "\"iss\":\"https://i\",\"aud\":\"me\",\"exp\":-9223372036854775808,\"iat\":1600000000", 461 },
    { "\"iss\":\"https://i\",\"aud\":\"me\",\"exp\":9223372036854775807,\"iat\":-1", 0 },
    { "\"iss\":\"https://i\",\"aud\":\"me\",\"exp\":1700000100", 462 },
    { "\"iss\":\"https://i\",\"aud\":\"me\",\"exp\":1700000100,\"iat\":{}", 462 },
    { "\"iss\":\"https://i\",\"aud\":\"me\",\"exp\":1700000100,\"iat\":1700000060", 0 },
    { "\"iss\":\"https://i\",\"aud\":\"me\",\"exp\":1700000100,\"iat\":1700000061", 463 },
    { "\"iss\":\"https://i\",\"aud\":\"me\",\"exp\":1700000100,\"iat\":9223372036854775807", 463 },
    { GOOD ",\"nbf\":1700000060", 0 },
    { GOOD ",\"nbf\":1700000061", 465 },
    { GOOD ",\"nbf\":9223372036854775807", 465 },
    { GOOD ",\"nbf\":null", 464 },
    { GOOD ",\"nbf\":\"x\"", 464 },
};

static void test_judge(void)
{
    sso_claim_rules_t rules = { "test", sso_words(tap_ctx()->pool, "https://i https://second"),
                                NULL, apr_time_from_sec(60) };
    apr_array_header_t *audiences = sso_words(tap_ctx()->pool, "me");
    unsigned i;

    APR_ARRAY_PUSH(audiences, const char *) = "also me";
    for (i = 0; i < SSO_COUNT(judged); i++) {
        sso_ctx_t *ctx = tap_ctx();
        const char *text = apr_pstrcat(ctx->pool, "{", judged[i].claims, "}", NULL);
        json_t *claims;
        sso_rc_e rc;

        FORGE_MUST(sso_json_parse(ctx, "t", text, strlen(text), &claims) == SSO_OK);
        rules.audiences = audiences;
        rc = sso_token_judge(ctx, &rules, claims);
        is_int(ctx->err.number, judged[i].number, "%s", judged[i].claims);
        ok((rc == SSO_OK) == !judged[i].number, "its result");
        sso_forgive(ctx);
        rules.audiences = NULL;
        sso_token_judge(ctx, &rules, claims);
        is_int(ctx->err.number, judged[i].number == 468 ? 0 : judged[i].number,
               "without an audience to ask for");
    }
}

static const struct {
    int status;
    const char *type, *body;
    int number, expires_in;
} answers[] = {
    { 200, "application/json", "{\"access_token\":\"at\",\"expires_in\":3600}", 0, 3600 },
    { 200, "application/json", "{\"access_token\":\"at\",\"expires_in\":\"60\"}", 0, 60 },
    { 200, "application/json", "{\"access_token\":\"at\",\"expires_in\":-1795195379.123}", 0, 0 },
    { 200, "application/json", "{\"access_token\":\"at\",\"expires_in\":1e99}", 0, 0 },
    { 200, "application/json", "{\"access_token\":\"at\",\"expires_in\":9223372036854775807}", 0,
      0 },
    { 200, "application/json", "{\"access_token\":\"at\",\"expires_in\":{}}", 0, 0 },
    { 200, "application/json;x", "{\"access_token\":\"at\"}", 0, 0 },
    { 200, "application/problem+json", "{\"access_token\":\"at\"}", 0, 0 },
    { 200, "application/json", "{\"access_token\":\"at\",\"more\":{\"a\":[1]}}", 0, 0 },
    { 200, "application/json", "{\"access_token\":5}", 404, 0 },
    { 200, "application/json", "{\"access_token\":\"\"}", 404, 0 },
    { 200, "application/json", "{\"access_token\":null}", 404, 0 },
    { 200, "application/json", "\"at\"", 403, 0 },
    { 200, "text/plain", "access_token=at", 402, 0 },
    { 400, "application/json", "{\"error\":\"invalid_grant\",\"error_description\":\"x\\ny\"}",
      401, 0 },
    { 400, "application/json", "{\"error\":5}", 402, 0 },
    { 400, "application/json", "not JSON", 402, 0 },
    { 200, "application/json", "{\"error\":null,\"access_token\":\"at\"}", 402, 0 },
};

static void test_redeem(void)
{
    const sso_provider_t *lms = sso_provider_find(world_site, "lms");
    sso_exchange_t exchange = { .code = "a code&x", .redirect_uri = WORLD_ORIGIN "/cb",
                                .verifier = "verifier" };
    unsigned i;

    for (i = 0; i < SSO_COUNT(answers); i++) {
        sso_ctx_t *ctx = world_ctx(0);
        sso_tokens_t tokens = { .scope = "untouched" };
        sso_rc_e rc;

        token_says(answers[i].status, answers[i].type, answers[i].body);
        rc = sso_token_redeem(ctx, lms, &exchange, &tokens);
        is_int(ctx->err.number, answers[i].number, "%d %s", answers[i].status, answers[i].body);
        is_int(rc, answers[i].number ? SSO_UPSTREAM : SSO_OK, "its result");
        ok(!strstr(ctx->err.text, WORLD_CANARY) && !strstr(ctx->err.text, "a code"), "no secret");
        ok(answers[i].number ? tokens.scope && !strcmp(tokens.scope, "untouched")
                             : !strcmp(tokens.access_token, "at") && tokens.direct, "out");
        if (!answers[i].number)
            is_int(tokens.expires, answers[i].expires_in
                   ? ctx->now + apr_time_from_sec(answers[i].expires_in) : 0, "expires");
    }
    ok(strstr(token_endpoint.body, "code=a%20code%26x&"), "encoded: %s", token_endpoint.body);
    ok(strstr(token_endpoint.body, "&code_verifier=verifier&"), "with its verifier");
    exchange.verifier = NULL;
    token_says(200, "application/json", "{\"access_token\":\"at\"}");
    sso_token_redeem(world_ctx(0), lms, &exchange, &(sso_tokens_t){ 0 });
    ok(!strstr(token_endpoint.body, "verifier"), "or without");
}

/* How the client proves who it is. */
static void test_client(void)
{
    static const struct {
        const char *method, *secret, *authorization;
        int id_in_body, secret_in_body;
    } methods[] = {
        { "client_secret_post", "s:s %", NULL, 1, 1 },
        { "client_secret_basic", "s:s", "Basic cyUyMGk6cyUzQXM=", 0, 0 },
        { "none", NULL, NULL, 1, 0 },
        { "none", "s", NULL, 1, 0 },
    };
    sso_exchange_t exchange = { .code = "c", .redirect_uri = "r" };
    unsigned i;

    for (i = 0; i < SSO_COUNT(methods); i++) {
        sso_config_t *record = world_record();
        sso_provider_t *provider;
        sso_ctx_t *ctx = world_ctx(0);
        const char *id = "s i";

        world_set(record, "EdxSSOURLRoot", "https://lms.example", "EdxSSOClientAuth",
                  methods[i].method, "EdxSSOJWSHMACKey", WORLD_MAC, NULL);
        ctx->pool = world_pool;
        sso_record_set(ctx, record, sso_option_find("EdxSSOClientID"), 1, &id);
        if (methods[i].secret)
            sso_record_set(ctx, record, sso_option_find("EdxSSOClientSecret"), 1,
                           &methods[i].secret);
        FORGE_MUST(world_make(ctx, "x", record, &provider) == SSO_OK);
        token_says(200, "application/json", "{\"access_token\":\"at\"}");
        sso_token_redeem(ctx, provider, &exchange, &(sso_tokens_t){ 0 });
        is(token_endpoint.authorization, methods[i].authorization, "%s", methods[i].method);
        is_int(strstr(token_endpoint.body, "client_id=s%20i") != NULL, methods[i].id_in_body, "id");
        is_int(strstr(token_endpoint.body, "client_secret=s%3As%20%25") != NULL,
               methods[i].secret_in_body, "secret");
    }
}

/* ---- keys */

static EVP_PKEY *ours, *another;

static const char *es256(EVP_PKEY *key)
{
    return forge_token(key, "ES256", "{\"alg\":\"ES256\"}", world_claims(""));
}

/* What the JWKS URL has now; the call counts as any other. */
static void url_has(EVP_PKEY *key)
{
    token_says(200, "application/json", apr_pstrcat(world_pool, "{\"keys\":[", forge_jwk(key, ""),
                                                    "]}", NULL));
}

static sso_provider_t *provider_with(const char *name, ...)
{
    sso_ctx_t *ctx = world_ctx(0);
    sso_config_t *record = world_record();
    sso_section_t section = { "x", "edx", "line 1", record };
    sso_documents_t *documents;
    sso_provider_t *provider;
    va_list more;

    va_start(more, name);
    for (; name; name = va_arg(more, const char *))
        world_set(record, name, va_arg(more, const char *), NULL);
    va_end(more);
    world_set(record, "EdxSSOURLRoot", "https://lms.example", "EdxSSOClientID", "i",
              "EdxSSOClientAuth", "none", NULL);
    ctx->pool = world_pool;
    FORGE_MUST(sso_documents_make(ctx, world_pool, world_site->ring, &documents) == SSO_OK
               && sso_documents_start(ctx, documents) == SSO_OK);
    if (sso_provider_make(ctx, world_site, &section, documents, &provider) != SSO_OK)
        printf("Bail out! %s\n", ctx->err.text);
    FORGE_MUST(ctx->err.rc == SSO_OK);
    return provider;
}

static void verifies(const sso_provider_t *provider, const char *token, int direct, sso_rc_e want,
                     const char *what)
{
    sso_ctx_t *ctx = world_ctx(0);
    sso_jwt_t *jwt = NULL;
    sso_rc_e rc = sso_token_verify(ctx, provider, "t", token, direct, &jwt);

    is_int(rc, want, "%s (%d %s)", what, ctx->err.number, ctx->err.text);
    ok((rc == SSO_OK) == (jwt != NULL) && (rc == SSO_OK) == !ctx->err.number, "out, and noted");
}

static void test_static_keys(void)
{
    const char *set = apr_pstrcat(world_pool, "{\"keys\":[", forge_jwk(ours, ""), "]}", NULL);
    sso_provider_t *keys = provider_with("EdxSSOJWKS", set, NULL);
    sso_provider_t *trust = provider_with("EdxSSOJWKS", set, "EdxSSOTrustTokenEndpoint", "on",
                                          NULL);
    sso_provider_t *only = provider_with("EdxSSOTrustTokenEndpoint", "on", NULL);
    sso_provider_t *mac = provider_with("EdxSSOJWKS", set, "EdxSSOJWSHMACKey", WORLD_MAC, NULL);
    sso_provider_t *narrow = provider_with("EdxSSOJWKS", set, "EdxSSOJWSHMACKey", WORLD_MAC,
                                           "EdxSSOAlgorithms", "HS512", NULL);
    const char *none = apr_pstrcat(world_pool, forge_input("{\"alg\":\"none\"}", world_claims("")),
                                   ".AAAA", NULL);

    verifies(keys, es256(ours), 0, SSO_OK, "its key");
    verifies(keys, es256(another), 0, SSO_DENIED, "another key");
    verifies(keys, es256(another), 1, SSO_DENIED, "another key, direct");
    verifies(keys, world_token(world_claims("")), 1, SSO_DENIED, "no key of its type");
    verifies(keys, "a.b", 1, SSO_BAD_INPUT, "no token");
    verifies(mac, world_token(world_claims("")), 0, SSO_OK, "a secret beside it");
    verifies(mac, es256(ours), 0, SSO_OK, "and the key");
    verifies(narrow, world_token(world_claims("")), 0, SSO_DENIED, "an algorithm not accepted");
    verifies(trust, es256(another), 1, SSO_DENIED, "trusted, but its key is of our type");
    verifies(trust, world_token(world_claims("")), 1, SSO_OK, "trusted, no key fits");
    verifies(trust, world_token(world_claims("")), 0, SSO_DENIED, "trusted, not direct");
    verifies(only, es256(another), 1, SSO_OK, "trusted, no key at all");
    verifies(only, es256(another), 0, SSO_DENIED, "not direct");
    verifies(only, none, 1, SSO_DENIED, "trusted, but alg none");
    verifies(only, "e30.e30.e30", 1, SSO_BAD_INPUT, "trusted, but no alg");
}

static void test_fetched_keys(void)
{
    sso_provider_t *provider = provider_with("EdxSSOJWKS", "https://keys.example/jwks.json", NULL);

    token_endpoint.calls = 0;
    url_has(ours);
    verifies(provider, es256(ours), 0, SSO_OK, "a key from its URL");
    is(token_endpoint.url, "https://keys.example/jwks.json", "asked there");
    verifies(provider, es256(ours), 0, SSO_OK, "again");
    is_int(token_endpoint.calls, 1, "and not asked again");
    url_has(another);
    verifies(provider, es256(another), 0, SSO_OK, "a new key");
    is_int(token_endpoint.calls, 2, "asked at once");
    verifies(provider, es256(forge_ec("P-256")), 0, SSO_DENIED, "a key nobody has");
    is_int(token_endpoint.calls, 2, "not asked within a minute");
    provider = provider_with("EdxSSOJWKS", "https://down.example/jwks.json",
                             "EdxSSOTrustTokenEndpoint", "on", NULL);
    token_endpoint.fail = 305;
    verifies(provider, es256(ours), 0, SSO_UPSTREAM, "keys that cannot be had");
    token_endpoint.fail = 0;
}

int main(void)
{
    world_start();
    ours = forge_ec("P-256");
    another = forge_ec("P-256");
    test_judge();
    test_redeem();
    test_client();
    test_static_keys();
    test_fetched_keys();
    return tap_done();
}
