/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens that the gate must let through, which key is chosen, and what is told about the token.
 * Forgeries are in jose_attacks.c, keys in jose_keys.c.
 */
#include "forge.h"
#include "sso_json.h"

#include <pthread.h>

#define CLAIMS "{\"iss\":\"https://lms.example.com/oauth2\",\"user_id\":7}"

static const char secret[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

static EVP_PKEY *rsa, *other_rsa, *rsa3072, *p256, *p384, *p521;

static const char *header(const char *alg, const char *kid)
{
    return kid ? apr_psprintf(forge_pool, "{\"alg\":\"%s\",\"kid\":\"%s\"}", alg, kid)
               : apr_psprintf(forge_pool, "{\"alg\":\"%s\",\"typ\":\"JWT\"}", alg);
}

static const char *token(EVP_PKEY *key, const char *alg, const char *kid)
{
    return forge_token(key, alg, header(alg, kid), CLAIMS);
}

static void test_algorithms(void)
{
    static const struct { const char *name; EVP_PKEY **key; unsigned bit; } algs[] = {
        { "RS256", &rsa, SSO_RS256 },   { "RS384", &rsa, SSO_RS384 },
        { "RS512", &rsa, SSO_RS512 },   { "PS256", &rsa, SSO_PS256 },
        { "PS384", &rsa, SSO_PS384 },   { "PS512", &rsa, SSO_PS512 },
        { "RS256", &rsa3072, SSO_RS256 }, { "PS512", &rsa3072, SSO_PS512 },
        { "ES256", &p256, SSO_ES256 },  { "ES384", &p384, SSO_ES384 },
        { "ES512", &p521, SSO_ES512 },  { "HS256", NULL, SSO_HS256 },
        { "HS384", NULL, SSO_HS384 },   { "HS512", NULL, SSO_HS512 },
    };
    const sso_keys_t *set = forge_set(forge_jwk(p256, ""), forge_jwk(rsa, ""), forge_jwk(p384, ""),
                                      forge_jwk(other_rsa, ""), forge_jwk(p521, ""),
                                      forge_jwk(rsa3072, ""), NULL);
    sso_jws_policy_t policy = { sso_keys_join(forge_pool, set, forge_secret(secret, 64)), 0,
                                SSO_KID_SELECTS };
    apr_size_t i;

    is_int(sso_keys_count(policy.keys), 7, "seven keys");
    for (i = 0; i < SSO_COUNT(algs); i++) {
        const char *name = algs[i].name;
        const char *text = algs[i].key ? token(*algs[i].key, name, NULL)
                                       : forge_mac(secret, 64, name, header(name, NULL), CLAIMS);

        is_int(sso_jws_alg(name), algs[i].bit, "%s is known", name);
        policy.algorithms = 0;
        is_int(forge_try(&policy, text), SSO_OK, "%s verifies (%s)", name, forge_got.text);
        policy.algorithms = algs[i].bit;
        is_int(forge_try(&policy, text), SSO_OK, "%s verifies where only it is allowed", name);
        policy.algorithms = ~algs[i].bit;
        is_int(forge_try(&policy, text), SSO_DENIED, "%s is refused where it is not", name);
        is_int(forge_got.number, 157, "for that reason");
        is_int(forge_try(NULL, text), SSO_OK, "%s can be peeked at", name);
    }
}

static void test_outcome(void)
{
    static const char plain[] = "{\"alg\":\"RS256\",\"kid\":\"k\\u00e9y\",\"typ\":\"at+jwt\","
                                "\"x5t\":\"abc\",\"x5t#S256\":\"def\",\"nonce\":1}";
    sso_ctx_t *ctx = tap_ctx();
    sso_keys_t *set = forge_set(
        forge_jwk(rsa, ",\"kid\":\"k\\u00e9y\",\"issuer\":\"https://login.example/t/v2.0\""), NULL);
    sso_jws_policy_t policy = { set, SSO_RS256, SSO_KID_SELECTS };
    sso_jwt_t *jwt = NULL;
    apr_int64_t user = 0;

    is_int(sso_jws_verify(ctx, &policy, "test", forge_token(rsa, "RS256", plain, CLAIMS), &jwt),
           SSO_OK, "a token with x5t and other unknown members");
    is(jwt->alg, "RS256", "alg");
    is(jwt->kid, "k\xc3\xa9y", "kid");
    is(jwt->typ, "at+jwt", "typ");
    is(jwt->payload, CLAIMS, "payload");
    is_int(jwt->payload_length, strlen(CLAIMS), "payload length");
    is(jwt->key_issuer, "https://login.example/t/v2.0", "issuer of the key");
    ok(sso_json_whole(jwt->claims, "user_id", &user) && user == 7, "claims");
    is(sso_json_text(jwt->header, "x5t"), "abc", "header");
    jwt = NULL;
    is_int(sso_jws_verify(ctx, &policy, "test", token(rsa, "RS256", NULL), &jwt), SSO_OK,
           "a token without kid");
    is(jwt->kid, NULL, "no kid");
    is(jwt->typ, "JWT", "typ");
    apr_pool_destroy(ctx->pool);
}

/* Which of several keys is tried, and what it means when none is. */
static void test_kids(void)
{
    const char *a = forge_jwk(rsa, ",\"kid\":\"a\""), *b = forge_jwk(other_rsa, ",\"kid\":\"b\"");
    const char *ec_a = forge_jwk(p256, ",\"kid\":\"a\""), *nameless = forge_jwk(rsa, "");
    const char *empty = forge_jwk(rsa, ",\"kid\":\"\"");
    sso_keys_t *two = forge_set(a, b, NULL), *same = forge_set(ec_a, a, b, NULL);
    sso_keys_t *none = forge_set(forge_jwk(p256, ""), forge_jwk(other_rsa, ""), nameless, NULL);
    sso_keys_t *mixed = forge_set(nameless, b, NULL), *blank = forge_set(empty, NULL);
    sso_keys_t *twice = forge_set(forge_jwk(other_rsa, ",\"kid\":\"a\""), a, NULL);
    const char *plain = token(rsa, "RS256", NULL), *with_a = token(rsa, "RS256", "a");
    const char *with_b = token(rsa, "RS256", "b"), *with_c = token(rsa, "RS256", "c");
    const char *es_a = token(p256, "ES256", "a"), *es = token(p256, "ES256", NULL);
    const char *with_empty = token(rsa, "RS256", "");
    const struct {
        const sso_keys_t *keys;
        const char *token;
        sso_rc_e selects, orders;
        const char *name;
    } cases[] = {
        { two, plain, SSO_OK, SSO_OK, "no kid in the token, kids in the set" },
        { two, with_a, SSO_OK, SSO_OK, "the right kid" },
        { two, with_b, SSO_DENIED, SSO_OK, "another key's kid" },
        { two, with_c, SSO_ABSENT, SSO_OK, "a kid that no key has" },
        { two, with_empty, SSO_OK, SSO_OK, "an empty kid is none" },
        { two, es, SSO_ABSENT, SSO_ABSENT, "no key of the type" },
        { same, with_a, SSO_OK, SSO_OK, "one kid on two types of key: RSA" },
        { same, es_a, SSO_OK, SSO_OK, "one kid on two types of key: EC" },
        { same, token(p256, "ES256", "b"), SSO_ABSENT, SSO_OK, "a kid that an RSA key has" },
        { same, plain, SSO_OK, SSO_OK, "no kid, two types of key" },
        { none, plain, SSO_OK, SSO_OK, "no kid anywhere" },
        { none, with_c, SSO_OK, SSO_OK, "a kid, but none in the set" },
        { none, token(p384, "ES384", NULL), SSO_ABSENT, SSO_ABSENT, "a curve that no key has" },
        { mixed, with_c, SSO_ABSENT, SSO_OK, "a kid that none has, and a key without" },
        { mixed, with_b, SSO_DENIED, SSO_OK, "a kid, signed with a key without" },
        { mixed, plain, SSO_OK, SSO_OK, "no kid, signed with a key without" },
        { blank, with_c, SSO_OK, SSO_OK, "an empty kid in the set is none" },
        { twice, with_a, SSO_OK, SSO_OK, "the second key of that kid" },
        { NULL, plain, SSO_ABSENT, SSO_ABSENT, "no keys at all" },
    };
    apr_size_t i;

    for (i = 0; i < SSO_COUNT(cases); i++) {
        sso_jws_policy_t policy = { cases[i].keys, 0, SSO_KID_SELECTS };

        is_int(forge_try(&policy, cases[i].token), cases[i].selects, "selects: %s", cases[i].name);
        policy.kid_rule = SSO_KID_ORDERS;
        is_int(forge_try(&policy, cases[i].token), cases[i].orders, "orders: %s", cases[i].name);
    }
}

static void test_joined(void)
{
    sso_keys_t *set = forge_set(forge_jwk(rsa, ",\"kid\":\"a\",\"issuer\":\"first\""), NULL);
    sso_keys_t *more = forge_set(forge_jwk(rsa, ",\"kid\":\"a\",\"issuer\":\"second\""), NULL);
    sso_keys_t *mac = forge_secret(secret, 32);
    const char *hs = forge_mac(secret, 32, "HS256", header("HS256", "zz"), CLAIMS);
    sso_jws_policy_t policy = { NULL, 0, SSO_KID_SELECTS };

    is_int(sso_keys_count(NULL), 0, "no set has no keys");
    is_int(sso_keys_count(sso_keys_join(forge_pool, NULL, NULL)), 0, "nothing and nothing");
    is_int(sso_keys_count(sso_keys_join(forge_pool, NULL, set)), 1, "nothing and one");
    policy.keys = sso_keys_join(forge_pool, set, mac);
    is_int(forge_try(&policy, hs), SSO_OK, "a secret is tried whatever the kid (%s)",
           forge_got.text);
    is_int(forge_try(&policy, token(rsa, "RS256", "zz")), SSO_ABSENT, "a public key is not");
    policy.keys = sso_keys_join(forge_pool, set, more);
    forge_try(&policy, token(rsa, "RS256", NULL));
    is(forge_got.issuer, "first", "the first set's keys are tried first");
    policy.keys = sso_keys_join(forge_pool, more, set);
    forge_try(&policy, token(rsa, "RS256", NULL));
    is(forge_got.issuer, "second", "in either order");
}

static void test_looks(void)
{
    static const struct { const char *text; int looks; } texts[] = {
        { "eyJh.eyJi.c2ln", 1 }, { "a.b.c", 1 },   { "a.b.", 1 },     { "", 0 },
        { ".", 0 },              { "..", 0 },      { "a.b", 0 },      { "a..c", 0 },
        { ".b.c", 0 },           { "a.b.c.d", 0 }, { "a.b.c.", 0 },   { "a.b.c.d.e", 0 },
        { "a.b.c=", 0 },         { "a.b.c ", 0 },  { "a.b+.c", 0 },   { " a.b.c", 0 },
        { "a.b.c\n", 0 },        { "opaque", 0 },  { "a/b.c.d", 0 },  { "a.b.\xc3\xa9", 0 },
    };
    apr_size_t i;

    for (i = 0; i < SSO_COUNT(texts); i++)
        is_int(sso_jwt_looks(texts[i].text), texts[i].looks, "text %d", (int)i);
}

/* Many threads, one set: nothing in it may change by a verification. */
typedef struct crowd_t {
    const sso_jws_policy_t *policy;
    const char *const *tokens;
    int bad;
} crowd_t;

static void *verify_often(void *data)
{
    crowd_t *crowd = data;
    apr_pool_t *pool;
    int i;

    apr_pool_create(&pool, NULL);
    for (i = 0; i < 150; i++) {
        sso_ctx_t ctx = { .pool = pool };
        sso_jwt_t *jwt;

        crowd->bad += sso_jws_verify(&ctx, crowd->policy, "test", crowd->tokens[i % 3], &jwt)
                      != SSO_OK;
        apr_pool_clear(pool);
    }
    apr_pool_destroy(pool);
    return NULL;
}

static void test_threads(void)
{
    sso_keys_t *set = forge_set(forge_jwk(other_rsa, ""), forge_jwk(p256, ""), forge_jwk(rsa, ""),
                                NULL);
    sso_jws_policy_t policy = { sso_keys_join(forge_pool, set, forge_secret(secret, 32)), 0,
                                SSO_KID_SELECTS };
    const char *tokens[] = { token(rsa, "RS256", NULL), token(p256, "ES256", NULL),
                             forge_mac(secret, 32, "HS256", header("HS256", NULL), CLAIMS) };
    crowd_t crowds[4];
    pthread_t threads[4];
    int i, bad = 0;

    for (i = 0; i < 4; i++) {
        crowds[i] = (crowd_t){ &policy, tokens, 0 };
        FORGE_MUST(!pthread_create(&threads[i], NULL, verify_often, &crowds[i]));
    }
    for (i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        bad += crowds[i].bad;
    }
    is_int(bad, 0, "four threads verify with one set");
}

int main(void)
{
    forge_start();
    rsa = forge_rsa(2048);
    other_rsa = forge_rsa(2048);
    rsa3072 = forge_rsa(3072);
    p256 = forge_ec("P-256");
    p384 = forge_ec("P-384");
    p521 = forge_ec("P-521");
    test_algorithms();
    test_outcome();
    test_kids();
    test_joined();
    test_looks();
    test_threads();
    return tap_done();
}
