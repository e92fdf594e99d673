/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens that vouch for a user: one key a secret, used again as long as they say the same. */
#include "world.h"

#include "sso_export_jwt.h"
#include "sso_jose_sign.h"

static sso_session_t *session_of(const char *user, const char *more)
{
    sso_ctx_t *ctx = world_ctx(0);
    const char *text = apr_psprintf(world_pool, "{\"iss\":\"i\",\"sub\":\"s\","
                                    "\"preferred_username\":\"%s\"%s}", user, more);
    sso_session_t *session;
    json_t *claims;

    ctx->pool = world_pool;
    FORGE_MUST(sso_json_parse(ctx, "t", text, strlen(text), &claims) == SSO_OK);
    FORGE_MUST(sso_session_build(ctx, world_site, sso_provider_find(world_site, "lms"), claims,
                                 &session) == SSO_OK);
    return session;
}

static const char *print_at(int later, const sso_session_t *session, sso_vouchers_t *vouchers)
{
    sso_voucher_t voucher = { world_site, WORLD_ORIGIN, session, world_presets() };
    sso_ctx_t *ctx = world_ctx(later);
    const char *token;

    ctx->pool = world_pool;
    return sso_voucher_print(ctx, &voucher, vouchers, &token) == SSO_OK
               ? apr_pstrdup(world_pool, token) : apr_itoa(world_pool, ctx->err.number);
}

static json_t *claims_of(const char *token)
{
    sso_ctx_t *ctx = world_ctx(0);
    sso_jwt_t *jwt;

    ctx->pool = world_pool;
    FORGE_MUST(sso_jws_peek(ctx, "token", token, &jwt) == SSO_OK);
    return jwt->claims;
}

/* The JWK set of the signers verifies what they sign. */
static int verifies(const char *token, int which)
{
    const char *jwk = sso_signer_jwk(APR_ARRAY_IDX(world_site->signers, which,
                                                   const sso_signer_t *));
    const char *set = apr_pstrcat(world_pool, "{\"keys\":[", jwk, "]}", NULL);
    sso_ctx_t *ctx = world_ctx(0);
    sso_jws_policy_t policy = { NULL, 0, SSO_KID_ORDERS };
    sso_keys_t *keys;
    sso_jwt_t *jwt;

    FORGE_MUST(sso_keys_parse(ctx, ctx->pool, set, strlen(set), &keys) == SSO_OK);
    policy.keys = keys;
    return sso_jws_verify(ctx, &policy, "token", token, &jwt) == SSO_OK;
}

static void keys_of(const char *first, const char *second)
{
    apr_array_header_t *secrets = apr_array_make(world_pool, 2, sizeof(sso_bytes_t));
    sso_ctx_t *ctx = world_ctx(0);

    ctx->pool = world_pool;
    APR_ARRAY_PUSH(secrets, sso_bytes_t) = sso_bytes(first);
    if (second)
        APR_ARRAY_PUSH(secrets, sso_bytes_t) = sso_bytes(second);
    FORGE_MUST(sso_voucher_keys(ctx, world_site, secrets) == SSO_OK);
}

static void test_keys(void)
{
    const sso_session_t *session = session_of("jo", "");
    const char *token, *kid;

    keys_of("one secret of some length", NULL);
    token = print_at(0, session, NULL);
    ok(verifies(token, 0), "the public half fits");
    kid = sso_signer_kid(APR_ARRAY_IDX(world_site->signers, 0, const sso_signer_t *));
    keys_of("another secret of some length", "one secret of some length");
    is(sso_signer_kid(APR_ARRAY_IDX(world_site->signers, 1, const sso_signer_t *)), kid,
       "a secret makes the same key each time");
    ok(verifies(token, 1), "what a retired one signed can be checked");
    ok(!verifies(token, 0), "and not with the new one's");
    ok(verifies(print_at(0, session, NULL), 0), "the newest signs");
}

static void test_again(void)
{
    sso_ctx_t *ctx = world_ctx(0);
    const sso_session_t *jo = session_of("jo", ",\"email\":\"a\"");
    const sso_session_t *changed = session_of("jo", ",\"email\":\"b\"");
    sso_vouchers_t *vouchers;
    const char *first;
    int i, same = 1;

    FORGE_MUST(sso_vouchers_make(ctx, world_pool, &vouchers) == SSO_OK);
    first = print_at(0, jo, vouchers);
    is(print_at(240, jo, vouchers), first, "used again while a minute is left");
    ok(strcmp(print_at(241, jo, vouchers), first), "and then no more");
    ok(strcmp(print_at(0, jo, NULL), first), "signed anew where nothing is remembered");
    is(json_string_value(json_object_get(claims_of(print_at(1, changed, vouchers)), "email")), "b",
       "other claims, another token");
    for (i = 0; i < 2000; i++) { /* more than there is room for */
        const sso_session_t *one = session_of(apr_psprintf(world_pool, "user%d", i % 700), "");
        const char *name = json_string_value(json_object_get(claims_of(print_at(2, one, vouchers)),
                                                             "sub"));

        same &= !strcmp(name, one->remote_user);
        i += i > 700 ? 40 : 0;
    }
    ok(same, "nobody ever gets another one's");
}

static void test_says(void)
{
    sso_session_t *session = session_of("jo", ",\"aud\":\"x\",\"exp\":1,"
                                        "\"edxsso_provider\":\"evil\","
                                        "\"edxsso_\":1,\"q\":\"\\\"\\\\\\u0001\"");
    json_t *claims;

    session->name = "a\"\\\x01";
    session->username = "\"},{\"sub\":\"evil";
    claims = claims_of(print_at(0, session, NULL));
    is(sso_json_text(claims, "iss"), WORLD_ORIGIN "/edxsso", "iss");
    is(sso_json_text(claims, "aud"), WORLD_ORIGIN, "aud");
    is(sso_json_text(claims, "sub"), "jo", "sub");
    is(sso_json_text(claims, "edxsso_provider"), "lms", "not what a claim by that name says");
    is(sso_json_text(claims, "edxsso_username"), "\"},{\"sub\":\"evil", "texts are quoted");
    is(sso_json_text(claims, "edxsso_sub"), "s", "the provider's sub");
    is(sso_json_text(claims, "q"), "\"\\\x01", "claims as they are");
    is_int(json_integer_value(json_object_get(claims, "exp")), WORLD_NOW + SSO_VOUCHER_SEC, "exp");
    session->ends = apr_time_from_sec(WORLD_NOW + 30);
    is_int(json_integer_value(json_object_get(claims_of(print_at(0, session, NULL)), "exp")),
           WORLD_NOW + 30, "no longer than the session");
}

int main(void)
{
    world_start();
    test_keys();
    test_again();
    test_says();
    return tap_done();
}
