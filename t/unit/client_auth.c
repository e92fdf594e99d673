/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Client authentication: what each method puts into a call, what it cannot do without, which method
 * counts, and the keys that others check our assertions with.
 */
#include "browser.h"

#include "pair.h"
#include "sso_client_auth.h"
#include "sso_token.h"

#define BASE     "EdxSSOURLRoot https://lms.example\nEdxSSOClientID a:b c\nEdxSSOJWSHMACKey " \
                 WORLD_MAC "\n"
#define SECRET   "EdxSSOClientSecret " WORLD_CANARY "-~._+%&= \xC3\xA9-of-32-bytes\n"
#define FORMED   WORLD_CANARY "-~._%2B%25%26%3D%20%C3%A9-of-32-bytes"
#define TOKEN    "https://lms.example/oauth2/access_token"
#define ASSERTED "client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3A" \
                 "jwt-bearer&client_assertion="
#define JWT      "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl"
#define DAY      86400L

static const char *rsa_pair, *ec_pair; /* lines of EdxSSOClientCertificate */
static const char *jwt_file;           /* a line of EdxSSOClientAssertion */

/* What became of the last prove(). */
static struct {
    sso_rc_e rc;
    const char *form;
    sso_call_t call;
} proved;

/* Lines of directives into a record; what takes one word gets all that stands after its name. */
static void set_lines(sso_config_t *record, const char *lines)
{
    sso_ctx_t *ctx = tap_ctx();

    ctx->pool = world_pool;
    while (*lines) {
        apr_size_t name = strcspn(lines, " "), end = strcspn(lines, "\n");
        const sso_field_t *field = sso_option_find(apr_pstrmemdup(world_pool, lines, name));
        const char *rest = apr_pstrmemdup(world_pool, lines + name + 1, end - name - 1);
        const apr_array_header_t *words = sso_words(world_pool, rest);
        int whole = field && field->kind->max_words == 1;

        FORGE_MUST(field);
        if (field->kind == &sso_kind_SECRET || whole)
            FORGE_MUST(sso_record_set(ctx, record, field, 1, &rest) == SSO_OK);
        else
            FORGE_MUST(sso_record_set(ctx, record, field, words->nelts,
                                      (const char *const *)(const void *)words->elts) == SSO_OK);
        lines += end + (lines[end] == '\n');
    }
}

static sso_rc_e make(sso_ctx_t *ctx, const char *site_lines, const char *lines,
                     sso_provider_t **provider)
{
    sso_config_t *section = world_record();
    sso_site_t site = *world_site;
    sso_config_t *config = world_presets();

    set_lines(config, site_lines);
    set_lines(section, lines);
    site.config = config;
    {
        sso_section_t row = { "x", "edx", "line 7", section };

        return sso_provider_make(ctx, &site, &row, NULL, provider);
    }
}

static sso_provider_t *good(sso_ctx_t *ctx, const char *site_lines, const char *lines)
{
    sso_provider_t *provider = NULL;

    ctx->pool = world_pool;
    if (make(ctx, site_lines, lines, &provider) != SSO_OK)
        printf("Bail out! %s\n", ctx->err.text);
    FORGE_MUST(provider);
    return provider;
}

static const char *prove(sso_ctx_t *ctx, const sso_provider_t *provider, int named, const char *url)
{
    sso_form_t *form = sso_form_make(ctx->pool);
    sso_call_t call = { .url = url };

    proved.rc = sso_client_auth_prove(ctx, provider, named, form, &call);
    proved.call = call;
    proved.form = sso_form_text(form);
    return proved.form;
}

static void test_plain(void)
{
    sso_ctx_t *ctx = world_ctx(0);
    sso_provider_t *provider = good(ctx, "", BASE SECRET);

    is(prove(ctx, provider, 0, TOKEN), "client_id=a%3Ab%20c&client_secret=" FORMED,
       "client_secret_post is what edx has");
    is(prove(ctx, provider, 1, TOKEN), "client_secret=" FORMED, "with the client_id there already");
    ok(!proved.call.authorization && !proved.call.client_cert, "and nothing else");
    provider = good(ctx, "", BASE SECRET "EdxSSOClientAuth client_secret_basic\n");
    is(prove(ctx, provider, 0, TOKEN), "", "client_secret_basic: nothing in the body");
    {
        const char *text = proved.call.authorization;
        unsigned char plain[400];

        ok(text && !strncmp(text, "Basic ", 6), "but a header");
        memset(plain, 0, sizeof(plain));
        FORGE_MUST(text && EVP_DecodeBlock(plain, (const unsigned char *)text + 6,
                                           (int)strlen(text + 6)) > 0);
        is((char *)plain, "a%3Ab%20c:" FORMED, "of both, form-encoded before they are joined");
    }
    provider = good(ctx, "", BASE "EdxSSOClientAuth none\n");
    is(prove(ctx, provider, 0, TOKEN), "client_id=a%3Ab%20c", "none: the id alone");
    is(prove(ctx, provider, 1, TOKEN), "", "or nothing");
}

/* The assertion of the last prove(), verified with keys, and its claims judged. */
static const char *check_assertion(const sso_keys_t *keys, const char *alg, const char *what)
{
    sso_jws_policy_t policy = { keys, sso_jws_alg(alg), SSO_KID_SELECTS };
    sso_ctx_t *ctx = tap_ctx();
    const char *found = strstr(proved.form, ASSERTED);
    apr_int64_t iat, nbf, exp;
    sso_jwt_t *jwt = NULL;

    is_int(proved.rc, SSO_OK, "%s: proves", what);
    FORGE_MUST(found);
    is_int(sso_jws_verify(ctx, &policy, "test", found + strlen(ASSERTED), &jwt), SSO_OK,
           "%s: verifies (%s)", what, ctx->err.text);
    FORGE_MUST(jwt);
    is(sso_json_text(jwt->claims, "iss"), "a:b c", "%s: iss", what);
    is(sso_json_text(jwt->claims, "sub"), "a:b c", "%s: sub", what);
    is(sso_json_text(jwt->claims, "aud"), TOKEN, "%s: aud", what);
    FORGE_MUST(sso_json_whole(jwt->claims, "iat", &iat) && sso_json_whole(jwt->claims, "nbf", &nbf)
               && sso_json_whole(jwt->claims, "exp", &exp));
    ok(iat <= WORLD_NOW && iat >= WORLD_NOW - 30 && nbf == iat, "%s: iat and nbf", what);
    ok(exp > WORLD_NOW + 60 && exp - iat <= 300, "%s: exp", what);
    ok(strlen(sso_json_text(jwt->claims, "jti")) >= 22, "%s: jti", what);
    is_int(json_object_size(jwt->claims), 7, "%s: and nothing else", what);
    return sso_json_text(jwt->claims, "jti");
}

static void test_signed(void)
{
    const struct { const char *lines, *alg; } cases[] = {
        { BASE SECRET "EdxSSOClientAuth client_secret_jwt\n", "HS256" },
        { apr_pstrcat(world_pool, BASE "EdxSSOClientAuth private_key_jwt\n", rsa_pair, NULL),
          "PS256" },
        { apr_pstrcat(world_pool, BASE "EdxSSOClientAuth private_key_jwt\n", ec_pair, NULL),
          "ES384" },
    };
    unsigned i;

    for (i = 0; i < SSO_COUNT(cases); i++) {
        sso_ctx_t *ctx = world_ctx(0);
        sso_provider_t *provider = good(ctx, "", cases[i].lines);
        const char *jwk = sso_client_auth_jwk(provider->auth), *first, *second;
        const sso_secret_t *secret = sso_secret_first(provider->config->client_secret);
        sso_keys_t *keys = jwk ? forge_set(jwk, NULL) : forge_secret(secret->text, secret->length);

        ok(!jwk == (i == 0), "%s: a secret is not published", cases[i].alg);
        prove(ctx, provider, 0, "https://lms.example/introspect");
        ok(!strncmp(proved.form, "client_id=a%3Ab%20c&" ASSERTED, strlen(ASSERTED) + 20),
           "%s: client_id, type, assertion", cases[i].alg);
        ok(!strstr(proved.form, "client_secret") && !proved.call.authorization
           && !proved.call.client_cert, "%s: and no secret", cases[i].alg);
        first = check_assertion(keys, cases[i].alg, cases[i].alg);
        ok(!strncmp(prove(ctx, provider, 1, TOKEN), ASSERTED, strlen(ASSERTED)),
           "%s: without client_id", cases[i].alg);
        second = check_assertion(keys, cases[i].alg, cases[i].alg);
        ok(strcmp(first, second), "%s: each has its own jti", cases[i].alg);
    }
}

static void test_tls(void)
{
    sso_ctx_t *ctx = world_ctx(0);
    const char *lines = apr_pstrcat(world_pool, BASE "EdxSSOClientAuth tls_client_auth\n", ec_pair,
                                    NULL);
    sso_provider_t *provider = good(ctx, "", lines);

    is(prove(ctx, provider, 0, TOKEN), "client_id=a%3Ab%20c", "tls_client_auth: the id alone");
    is(proved.call.client_cert, pair_path("ec.pem"), "the certificate");
    is(proved.call.client_key, pair_path("ec.key"), "the key");
    ok(!sso_client_auth_jwk(provider->auth), "which is not published");
    prove(ctx, provider, 0, "http://127.0.0.1/token");
    is_int(proved.rc, SSO_MISCONFIG, "not without TLS");
    is_int(ctx->err.number, 426, "number");
    ok(!proved.call.client_cert, "untouched");
}

static const char *write_jwt(const char *text, apr_size_t length)
{
    return pair_text("token", text, length);
}

static void test_asserted(void)
{
    static const struct { const char *text; int number; } contents[] = {
        { "", 423 }, { " \n", 423 }, { "not a token", 423 }, { "a.b", 423 },
        { JWT "\n" JWT, 423 }, { JWT " x", 423 }, { "x\n" JWT, 423 }, { JWT "=", 423 },
        { JWT, 0 }, { JWT "\n", 0 }, { " \r\n\t" JWT " \r\n", 0 },
    };
    sso_ctx_t *ctx = world_ctx(0);
    sso_provider_t *provider;
    unsigned i;

    write_jwt(JWT "\n", strlen(JWT) + 1);
    provider = good(ctx, "", apr_pstrcat(world_pool, BASE, jwt_file, NULL));
    is_int(strlen(tap_log_text), 0, "a good file: no word");
    for (i = 0; i < SSO_COUNT(contents); i++) {
        ctx = world_ctx(0);
        write_jwt(contents[i].text, strlen(contents[i].text));
        prove(ctx, provider, 0, TOKEN);
        is_int(ctx->err.number, contents[i].number, "what is in the file now: %u", i);
        is_int(proved.rc, contents[i].number ? SSO_MISCONFIG : SSO_OK, "result");
        is(proved.form, contents[i].number ? "client_id=a%3Ab%20c"
                                           : "client_id=a%3Ab%20c&" ASSERTED JWT, "form");
        ok(!strstr(ctx->err.text, "eyJ") && !strstr(ctx->err.text, "not a token"),
           "and what is in it is not told");
    }
}

/* Files that are not what they should be, at a use and at a start. */
static void test_asserted_files(void)
{
    sso_provider_t *provider;
    sso_ctx_t *ctx = world_ctx(0);
    char *big = apr_pcalloc(world_pool, SSO_JWT_MAX + 2);

    write_jwt(JWT, strlen(JWT));
    provider = good(ctx, "", apr_pstrcat(world_pool, BASE, jwt_file, NULL));
    ctx = world_ctx(0);
    write_jwt("a\0.b.c", 6);
    prove(ctx, provider, 0, TOKEN);
    is_int(ctx->err.number, 423, "a NUL in it");
    memset(big, 'a', SSO_JWT_MAX + 1);
    big[1] = big[3] = '.';
    ctx = world_ctx(0);
    write_jwt(big, SSO_JWT_MAX + 1);
    prove(ctx, provider, 0, TOKEN);
    is_int(ctx->err.number, 421, "too long");
    ctx = world_ctx(0);
    write_jwt(big, SSO_JWT_MAX);
    prove(ctx, provider, 0, TOKEN);
    is_int(ctx->err.number, 0, "long");
    ctx = world_ctx(0);
    unlink(pair_path("token"));
    prove(ctx, provider, 0, TOKEN);
    is_int(ctx->err.number, 422, "gone");
    ctx = world_ctx(0);
    mkfifo(pair_path("token"), 0600);
    prove(ctx, provider, 0, TOKEN);
    is_int(ctx->err.number, 421, "a pipe is not waited for");
    unlink(pair_path("token"));
    ctx = world_ctx(0);
    good(ctx, "", apr_pstrcat(world_pool, BASE, jwt_file, NULL));
    ok(tap_log_has("SSO0425: EdxSSOClientAssertion:") && tap_log_has("No such file"),
       "at a start without it: a warning: %s", tap_log_text);
    is_int(ctx->err.rc, SSO_OK, "and no more");
}

/* EdxSSOClientAuth and EdxSSOClientAssertion in one place and in two: the nearer counts. */
static void test_choice(void)
{
    const struct { const char *site, *section, *form; int warns; } cases[] = {
        { "", jwt_file, ASSERTED, 0 },
        { jwt_file, "", ASSERTED, 0 },
        { "EdxSSOClientAuth none\n", jwt_file, ASSERTED, 0 },
        { jwt_file, "EdxSSOClientAuth none\n", "", 1 },
        { "", apr_pstrcat(world_pool, jwt_file, "EdxSSOClientAuth none\n", NULL), "", 1 },
        { apr_pstrcat(world_pool, jwt_file, "EdxSSOClientAuth none\n", NULL), "", "", 1 },
        { "EdxSSOClientAuth none\n", "", "", 0 },
        { "EdxSSOClientAuth client_secret_basic\n", "EdxSSOClientAuth none\n", "", 0 },
        { SECRET, "EdxSSOClientAuth none\n", "", 0 },
        { SECRET, jwt_file, ASSERTED, 0 },
        { SECRET, "", "client_secret=", 0 },
    };
    unsigned i;

    write_jwt(JWT, strlen(JWT));
    for (i = 0; i < SSO_COUNT(cases); i++) {
        sso_ctx_t *ctx = world_ctx(0);
        sso_provider_t *provider = good(ctx, cases[i].site, apr_pstrcat(world_pool, BASE,
                                                                        cases[i].section, NULL));

        is_int(tap_log_has("SSO0427"), cases[i].warns, "choice %u: warning", i);
        prove(ctx, provider, 1, TOKEN);
        ok(!strncmp(proved.form, cases[i].form, strlen(cases[i].form))
           && !*cases[i].form == !*proved.form, "choice %u: %s", i, cases[i].form);
    }
}

static void refused(const char *lines, int number, const char *says)
{
    sso_ctx_t *ctx = world_ctx(0);
    sso_provider_t *provider = NULL;

    is_int(make(ctx, "", apr_pstrcat(ctx->pool, BASE, lines, NULL), &provider), SSO_MISCONFIG,
           "%.70s", lines);
    is_int(ctx->err.number, number, "number");
    ok(strstr(ctx->err.text, says), "'%s' says '%s'", ctx->err.text, says);
    ok(strstr(ctx->err.text, "<EdxSSOProvider x edx> (line 7): "), "and where");
    ok(!provider && !strstr(ctx->err.text, WORLD_CANARY), "and no secret");
    apr_pool_destroy(ctx->pool);
}

static void test_refused(void)
{
    EVP_PKEY *curve = forge_ec("secp256k1"), *small = forge_rsa(1024);
    const char *odd = apr_psprintf(
        world_pool, "EdxSSOClientCertificate %s %s\n",
        pair_certificate("odd.pem", curve, -DAY, DAY, NULL), pair_key("odd.key", curve, NULL));
    const char *weak = apr_psprintf(
        world_pool, "EdxSSOClientCertificate %s %s\n",
        pair_certificate("weak.pem", small, -DAY, DAY, NULL), pair_key("weak.key", small, NULL));
    const char *mixed = apr_psprintf(world_pool, "EdxSSOClientCertificate %s %s\n",
                                     pair_path("ec.pem"), pair_path("rsa.key"));
    sso_ctx_t *ctx = world_ctx(0);
    sso_provider_t *provider = NULL;

#define WITH(lines, more) apr_pstrcat(world_pool, lines, more, NULL)
    refused("", 41, "EdxSSOClientSecret is missing: the secret that the provider gave");
    refused("EdxSSOClientAuth client_secret_basic\n", 41, "EdxSSOClientSecret is missing");
    refused("EdxSSOClientAuth client_secret_jwt\n", 41, "EdxSSOClientAuth client_secret_jwt needs");
    refused("EdxSSOClientAuth private_key_jwt\n", 41, "EdxSSOClientCertificate is missing: the");
    refused("EdxSSOClientAuth tls_client_auth\n", 41, "EdxSSOClientCertificate is missing: the");
    refused("EdxSSOClientAuth private_key_jwt\n" SECRET, 41, "EdxSSOClientCertificate is missing");
    refused(ec_pair, 41, "EdxSSOClientCertificate is for EdxSSOClientAuth private_key_jwt or");
    refused(WITH("EdxSSOClientAuth private_key_jwt\n", jwt_file), 41, "ClientAuth is left out");
    refused("EdxSSOClientAuth client_secret_jwt\nEdxSSOClientSecret " WORLD_CANARY "\n", 181,
            "EdxSSOClientSecret: a secret of 20 bytes is too short");
    refused(WITH("EdxSSOClientAuth private_key_jwt\n", mixed), 177, "ClientCertificate: cert");
    refused(WITH("EdxSSOClientAuth tls_client_auth\n", mixed), 177, "ClientCertificate: cert");
    refused(WITH("EdxSSOClientAuth private_key_jwt\n", odd), 180, "EdxSSOClientCertificate: priv");
    refused(WITH("EdxSSOClientAuth private_key_jwt\n", weak), 178, "EdxSSOClientCertificate: priv");
    refused(WITH("EdxSSOClientAuth tls_client_auth\n", weak), 178, "EdxSSOClientCertificate: priv");
    refused("EdxSSOClientAssertion /run/token\n", 424, "'/run/token' is not file:/path");
    refused("EdxSSOClientAssertion file:token\n", 424, "'file:token' is not file:/path");
    refused(WITH("EdxSSOClientAuth tls_client_auth\nEdxSSOEndpoint token http://127.0.0.1/t\n",
                 ec_pair), 426, "http://127.0.0.1/t is not https");
    is_int(make(ctx, "", WITH(BASE "EdxSSOClientAuth tls_client_auth\n", odd), &provider), SSO_OK,
           "TLS has other curves");
}

/* Through the caller that sends the code. */
static void test_redeem(void)
{
    sso_ctx_t *ctx = world_ctx(0);
    sso_exchange_t exchange = { .code = "a code", .redirect_uri = "https://site.example/back" };
    sso_provider_t *provider;
    sso_tokens_t tokens;

    write_jwt(JWT, strlen(JWT));
    provider = good(ctx, "", apr_pstrcat(world_pool, BASE, jwt_file, NULL));
    token_gives(world_claims(""));
    is_int(sso_token_redeem(ctx, provider, &exchange, &tokens), SSO_OK, "redeems");
    is(token_endpoint.body, "grant_type=authorization_code&code=a%20code&redirect_uri=https%3A%2F"
       "%2Fsite.example%2Fback&client_id=a%3Ab%20c&" ASSERTED JWT
       "&token_type=jwt&asymmetric_jwt=true", "the whole request");
    unlink(pair_path("token"));
    token_endpoint.calls = 0;
    is_int(sso_token_redeem(ctx, provider, &exchange, &tokens), SSO_MISCONFIG, "without the file");
    is_int(token_endpoint.calls, 0, "nobody is called");
    ok(strstr(ctx->err.text, "client authentication: EdxSSOClientAssertion: "), "and it says why");
}

static void get_keys(const char *method, sso_answer_t *answer)
{
    sso_ctx_t *ctx = world_ctx(0);
    browser_t browser = { .headers = { "Accept", "application/json" } };

    sso_answer_own(ctx, browser_request(ctx, &browser, method, "/edxsso/jwks.json"), answer);
}

static void test_own_keys(void)
{
    sso_ctx_t *ctx = world_ctx(0);
    sso_answer_t answer;
    sso_provider_t *rsa, *ec;
    sso_keys_t *keys = NULL;

    get_keys("GET", &answer);
    is_int(answer.status, 200, "jwks.json");
    is(answer.body, "{\"keys\":[]}\n", "no keys of ours: none shown");
    rsa = good(ctx, "", apr_pstrcat(world_pool, BASE "EdxSSOClientAuth private_key_jwt\n", rsa_pair,
                                    NULL));
    ec = good(ctx, "", apr_pstrcat(world_pool, BASE "EdxSSOClientAuth private_key_jwt\n", ec_pair,
                                   NULL));
    APR_ARRAY_PUSH(world_site->providers, sso_provider_t *) = rsa;
    APR_ARRAY_PUSH(world_site->providers, sso_provider_t *) = ec;
    APR_ARRAY_PUSH(world_site->providers, sso_provider_t *) = rsa; /* one key for two providers */
    get_keys("GET", &answer);
    is(answer.body, apr_pstrcat(world_pool, "{\"keys\":[", sso_client_auth_jwk(rsa->auth), ",",
                                sso_client_auth_jwk(ec->auth), "]}\n", NULL), "each key once");
    is(apr_table_get(answer.headers, "Cache-Control"), "public, max-age=300", "may be kept");
    is(apr_table_get(answer.headers, "X-Content-Type-Options"), "nosniff", "nosniff");
    is(answer.content_type, "application/json", "type");
    is_int(sso_keys_parse(ctx, ctx->pool, answer.body, strlen(answer.body), &keys), SSO_OK,
           "a JWK set");
    is_int(sso_keys_count(keys), 2, "of two");
    ok(!strstr(answer.body, "\"d\""), "nothing private");
    get_keys("POST", &answer);
    is_int(answer.status, 405, "not by POST");
}

int main(void)
{
    EVP_PKEY *rsa, *ec;

    world_start();
    pair_start();
    rsa = forge_rsa(2048);
    ec = forge_ec("P-384");
    rsa_pair = apr_psprintf(world_pool, "EdxSSOClientCertificate %s %s\n",
                            pair_certificate("rsa.pem", rsa, -DAY, DAY, NULL),
                            pair_key("rsa.key", rsa, NULL));
    ec_pair = apr_psprintf(world_pool, "EdxSSOClientCertificate %s %s\n",
                           pair_certificate("ec.pem", ec, -DAY, DAY, NULL),
                           pair_key("ec.key", ec, NULL));
    jwt_file = apr_psprintf(world_pool, "EdxSSOClientAssertion file:%s\n", pair_path("token"));
    test_plain();
    test_signed();
    test_tls();
    test_asserted();
    test_asserted_files();
    test_choice();
    test_refused();
    test_redeem();
    test_own_keys();
    pair_stop();
    return tap_done();
}
