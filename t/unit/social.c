/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The presets for everybody's accounts: what becomes of what GitHub, Facebook and bare OAuth 2.0
 * servers say about a user, and what LinkedIn, Apple and Google do in their own way.
 */
#include "world.h"

#include "sso_id_token.h"

#define TOKEN  "access-token-canary"
#define PLAIN  "EdxSSOEndpoint authorization https://id.example/a\n"                              \
               "EdxSSOEndpoint token https://id.example/t\n"                                      \
               "EdxSSOEndpoint userinfo https://api.id.example/me\n"
#define CLIENT "EdxSSOClientID id\nEdxSSOClientSecret s\n"

/* What the provider says to each kind of call, and what it was asked. */
static struct {
    int status, emails_status, calls;
    const char *body, *emails;
    const char *url, *emails_url, *authorization;
} there;

static sso_rc_e answer(sso_ctx_t *ctx, const sso_call_t *call, sso_reply_t *reply)
{
    int emails = !strcmp(call->what, "e-mail addresses");
    const char *body = emails ? there.emails : there.body;
    sso_reply_t made = { .status = emails ? there.emails_status : there.status, .max_age = -1,
                         .content_type = "text/javascript", .body = body, .length = strlen(body),
                         .retry_after = "17" };

    there.calls++;
    *(emails ? &there.emails_url : &there.url) = apr_pstrdup(world_pool, call->url);
    there.authorization = apr_pstrdup(world_pool, call->authorization);
    if (!made.status)
        return sso_fail(ctx, SSO_UPSTREAM, 305, "%s: nobody there", call->what);
    *reply = made;
    return SSO_OK;
}

static sso_rc_e make_rc(sso_ctx_t *ctx, const char *type, const char *lines,
                        sso_provider_t **provider)
{
    sso_config_t *record = world_record();
    sso_section_t section = { "x", type, "line 7", record };

    while (*lines) {
        apr_size_t name = strcspn(lines, " "), end = strcspn(lines, "\n");

        world_set(record, apr_pstrmemdup(world_pool, lines, name),
                  apr_pstrmemdup(world_pool, lines + name + 1, end - name - 1), NULL);
        lines += end + (lines[end] == '\n');
    }
    return sso_provider_make(ctx, world_site, &section, NULL, provider);
}

static sso_provider_t *make(const char *type, const char *lines)
{
    sso_ctx_t *ctx = world_ctx(0);
    sso_provider_t *provider = NULL;

    ctx->pool = world_pool;
    if (make_rc(ctx, type, lines, &provider) != SSO_OK)
        printf("Bail out! %s\n", ctx->err.text);
    FORGE_MUST(provider);
    return provider;
}

static void test_sections(void)
{
    static const struct {
        const char *type, *lines;
        int number;
    } cases[] = {
        { "oauth2", CLIENT PLAIN, 0 },
        { "oauth2", PLAIN "EdxSSOClientSecret s\n", 40 },
        { "oauth2", CLIENT, 76 },
        { "oauth2", CLIENT "EdxSSOEndpoint authorization https://a\n"
                    "EdxSSOEndpoint token https://a\n", 76 },
        { "oauth2", CLIENT PLAIN "EdxSSODiscovery on\n", 75 },
        { "oauth2", CLIENT "EdxSSODiscovery https://id.example/meta\n", 76 },
        { "oauth2", CLIENT "EdxSSODiscovery https://id.example/meta\n"
                    "EdxSSOEndpoint userinfo https://id.example/me\n", 0 },
        { "github", CLIENT, 0 },
        { "github", "EdxSSOClientSecret s\n", 40 },
        { "facebook", CLIENT, 0 },
        { "facebook", "EdxSSOClientID id\nEdxSSOClientAuth none\n", 77 },
        { "linkedin", CLIENT, 0 },
        { "apple", CLIENT, 0 },
        { "apple", "EdxSSOClientID id\nEdxSSOClientAuth none\n", 40 },
        { "apple", CLIENT "EdxSSOResponseMode query\n", 78 },
        { "apple", CLIENT "EdxSSOResponseMode query\nEdxSSOScope openid email\n", 78 },
        { "apple", CLIENT "EdxSSOResponseMode query\nEdxSSOScope openid\n", 0 },
        { "google", CLIENT, 0 },
    };
    unsigned i;

    for (i = 0; i < SSO_COUNT(cases); i++) {
        sso_ctx_t *ctx = world_ctx(0);
        sso_provider_t *provider = NULL;

        make_rc(ctx, cases[i].type, cases[i].lines, &provider);
        is_int(ctx->err.number, cases[i].number, "%s: %s (%s)", cases[i].type, cases[i].lines,
               ctx->err.text);
        ok(!provider == !!cases[i].number, "made or not");
    }
}

/* What a preset comes to without a word of the section's. */
static void test_presets(void)
{
    static const struct {
        const char *type, *authorization, *token, *userinfo, *metadata, *issuer, *scope, *button;
        int pkce, nonce, form_post;
    } rows[] = {
        { "github", "https://github.com/login/oauth/authorize",
          "https://github.com/login/oauth/access_token", "https://api.github.com/user", NULL,
          "https://github.com", "read:user user:email", "GitHub", 1, 0, 0 },
        { "facebook", "https://www.facebook.com/v24.0/dialog/oauth",
          "https://graph.facebook.com/v24.0/oauth/access_token",
          "https://graph.facebook.com/v24.0/me", NULL, "https://facebook.com",
          "public_profile email", "Facebook", 1, 0, 0 },
        { "linkedin", NULL, NULL, NULL,
          "https://www.linkedin.com/oauth/.well-known/openid-configuration",
          "https://www.linkedin.com/oauth", "openid profile email", "LinkedIn", 0, 0, 0 },
        { "apple", NULL, NULL, NULL, "https://appleid.apple.com/.well-known/openid-configuration",
          "https://appleid.apple.com", "openid name email", "Apple", 1, 1, 1 },
        { "google", NULL, NULL, NULL,
          "https://accounts.google.com/.well-known/openid-configuration",
          "https://accounts.google.com", "openid profile email", "Google", 1, 1, 0 },
    };
    unsigned i;

    for (i = 0; i < SSO_COUNT(rows); i++) {
        const sso_provider_t *provider = make(rows[i].type, CLIENT);

        is(provider->endpoint[SSO_ENDPOINT_AUTHORIZATION], rows[i].authorization, "%s: where to",
           rows[i].type);
        is(provider->endpoint[SSO_ENDPOINT_TOKEN], rows[i].token, "token");
        is(provider->endpoint[SSO_ENDPOINT_USERINFO], rows[i].userinfo, "profile");
        is(provider->metadata_url, rows[i].metadata, "metadata");
        is(APR_ARRAY_IDX(provider->issuers, 0, const char *), rows[i].issuer, "issuer");
        is(apr_array_pstrcat(world_pool, provider->config->scope, ' '), rows[i].scope, "scope");
        is(provider->display_name, rows[i].button, "button");
        is_int(provider->config->pkce, rows[i].pkce, "PKCE");
        is_int(provider->config->nonce, rows[i].nonce, "nonce");
        is_int(provider->config->response_mode == SSO_RESPONSE_FORM_POST, rows[i].form_post,
               "form_post");
        is_int(provider->config->client_auth, SSO_AUTH_POST, "secret in the body");
    }
}

#define OCTOCAT "{\"id\":583231,\"login\":\"octocat\",\"name\":\"Mona\"," \
                "\"email\":\"shown@x.test\",\"avatar_url\":\"https://a/1\",\"html_url\":null," \
                "\"followers\":9,\"iss\":\"https://evil.test\",\"sub\":\"1\"}"
#define CAT(more) "{\"sub\":\"583231\",\"iss\":\"https://github.com\"," \
                  "\"preferred_username\":\"octocat\",\"name\":\"Mona\","                          \
                  "\"picture\":\"https://a/1\"" more "}"
#define MAIL(address, primary, verified) "{\"email\":\"" address "\",\"primary\":" primary \
                                         ",\"verified\":" verified ",\"visibility\":null}"

static const struct {
    const char *type, *lines;
    int status;
    const char *body;
    int emails_status;
    const char *emails;
    int number;
    const char *claims, *user;
} profiles[] = {
    { "github", CLIENT, 200, OCTOCAT, 200,
      "[" MAIL("a@x.test", "false", "true") "," MAIL("b@x.test", "true", "true") "]", 0,
      CAT(",\"email\":\"b@x.test\",\"email_verified\":true"), "583231@github.com" },
    { "github", CLIENT, 200, OCTOCAT, 200, "[" MAIL("b@x.test", "true", "false") "]", 0, CAT(""),
      "583231@github.com" },
    { "github", CLIENT, 200, OCTOCAT, 200, "[" MAIL("b@x.test", "true", "\"true\"") "]", 0,
      CAT(""), "583231@github.com" },
    { "github", CLIENT, 200, OCTOCAT, 200, "[" MAIL("b@x.test", "1", "1") ",5,null,[]]", 0,
      CAT(""), "583231@github.com" },
    { "github", CLIENT, 200, OCTOCAT, 200, "[]", 0, CAT(""), "583231@github.com" },
    { "github", CLIENT, 200, OCTOCAT, 404, "{\"message\":\"Not Found\"}", 0, CAT(""),
      "583231@github.com" },
    { "github", CLIENT, 200, OCTOCAT, 403, "", 0, CAT(""), "583231@github.com" },
    { "github", CLIENT, 200, OCTOCAT, 200, "{\"email\":\"b@x.test\"}", 413, NULL, NULL },
    { "github", CLIENT, 200, OCTOCAT, 200, "[], []", 413, NULL, NULL },
    { "github", CLIENT, 200, OCTOCAT, 200, "", 413, NULL, NULL },
    { "github", CLIENT, 200, OCTOCAT, 500, "[]", 418, NULL, NULL },
    { "github", CLIENT, 200, OCTOCAT, 429, "[]", 412, NULL, NULL },
    { "github", CLIENT, 200, OCTOCAT, 0, "", 305, NULL, NULL },
    { "github", CLIENT "EdxSSOIssuer https://git.campus.example\n", 200, "{\"id\":7}", 200, "[]",
      0, "{\"sub\":\"7\",\"iss\":\"https://git.campus.example\"}", "7@git.campus.example" },
    { "github", CLIENT, 200, "{\"login\":\"octocat\"}", 200, "[]", 416, NULL, NULL },
    { "github", CLIENT, 200, "{\"id\":1.5}", 200, "[]", 416, NULL, NULL },
    { "github", CLIENT, 200, "{\"id\":true}", 200, "[]", 416, NULL, NULL },
    { "github", CLIENT, 200, "{\"id\":[1]}", 200, "[]", 416, NULL, NULL },
    { "github", CLIENT, 200, "{\"id\":\"\"}", 200, "[]", 416, NULL, NULL },
    { "github", CLIENT, 200, "{\"id\":1,\"id\":2}", 200, "[]", 413, NULL, NULL },
    { "github", CLIENT, 200, "[{\"id\":1}]", 200, "[]", 413, NULL, NULL },
    { "github", CLIENT, 200, "", 200, "[]", 413, NULL, NULL },
    { "github", CLIENT, 200, "<html>", 200, "[]", 413, NULL, NULL },
    { "github", CLIENT, 401, "{\"message\":\"Bad credentials\"}", 200, "[]", 415, NULL, NULL },
    { "github", CLIENT, 401, "<html>", 200, "[]", 415, NULL, NULL },
    { "github", CLIENT, 302, "{\"id\":1}", 200, "[]", 415, NULL, NULL },
    { "github", CLIENT, 429, "{}", 200, "[]", 412, NULL, NULL },
    { "github", CLIENT, 503, "{\"id\":1}", 200, "[]", 412, NULL, NULL },
    { "github", CLIENT, 0, "", 200, "[]", 305, NULL, NULL },
    { "facebook", CLIENT, 200,
      "{\"id\":\"10158\",\"name\":\"A B\",\"first_name\":\"A\",\"last_name\":\"B\","
      "\"email\":\"a@x.test\",\"picture\":{\"data\":{\"url\":\"https://p/1\"}},\"verified\":true}",
      0, "", 0,
      "{\"sub\":\"10158\",\"iss\":\"https://facebook.com\",\"name\":\"A B\",\"given_name\":\"A\","
      "\"family_name\":\"B\",\"email\":\"a@x.test\",\"picture\":\"https://p/1\"}",
      "10158@facebook.com" },
    { "facebook", CLIENT, 200, "{\"id\":\"10158\",\"picture\":\"x\",\"email\":null}", 0, "", 0,
      "{\"sub\":\"10158\",\"iss\":\"https://facebook.com\"}", "10158@facebook.com" },
    { "facebook", CLIENT, 400, "{\"error\":{\"message\":\"Invalid OAuth access token.\","
      "\"type\":\"OAuthException\",\"code\":190}}", 0, "", 415, NULL, NULL },
    { "facebook", CLIENT, 200, "{\"error\":{\"message\":\"m\"},\"id\":\"1\"}", 0, "", 415, NULL,
      NULL },
    { "oauth2", CLIENT PLAIN, 200, "{\"sub\":\"u1\",\"id\":5,\"roles\":[\"a\"]}", 0, "", 0,
      "{\"sub\":\"u1\",\"id\":5,\"roles\":[\"a\"],\"iss\":\"https://api.id.example\"}",
      "u1@api.id.example" },
    { "oauth2", CLIENT PLAIN, 200, "{\"id\":5,\"iss\":\"https://github.com\",\"error\":null}", 0,
      "", 0, "{\"id\":5,\"iss\":\"https://api.id.example\",\"error\":null,\"sub\":\"5\"}",
      "5@api.id.example" },
    { "oauth2", CLIENT PLAIN "EdxSSOIssuer https://id.example\n", 200, "{\"sub\":null,\"id\":-5}",
      0, "", 0, "{\"sub\":\"-5\",\"id\":-5,\"iss\":\"https://id.example\"}", "-5@id.example" },
    { "oauth2", CLIENT PLAIN, 200, "{\"name\":\"x\"}", 0, "", 416, NULL, NULL },
    { "oauth2", CLIENT PLAIN, 200, "{\"sub\":\"a\\nb\"}", 0, "", 416, NULL, NULL },
    { "oauth2", CLIENT PLAIN, 200, "{\"sub\":\"a\\u007f\"}", 0, "", 416, NULL, NULL },
    { "oauth2", CLIENT PLAIN, 200, "{\"sub\":{},\"id\":1}", 0, "", 416, NULL, NULL },
    { "oauth2", CLIENT PLAIN, 200, "{\"ok\":false,\"error\":\"invalid_auth\"}", 0, "", 415, NULL,
      NULL },
    { "oauth2", CLIENT PLAIN "EdxSSOClaimMap sub data.id\n", 200, "{\"data\":{\"id\":\"n1\"}}", 0,
      "", 0, "{\"data\":{\"id\":\"n1\"},\"iss\":\"https://api.id.example\"}", NULL },
};

static void test_profiles(void)
{
    sso_tokens_t tokens = { .access_token = TOKEN };
    sso_wanted_t wanted = { 0 };
    unsigned i;

    for (i = 0; i < SSO_COUNT(profiles); i++) {
        const sso_provider_t *provider = make(profiles[i].type, profiles[i].lines);
        sso_ctx_t *ctx = world_ctx(0);
        json_t *claims = NULL;
        sso_rc_e rc;

        there.status = profiles[i].status;
        there.body = profiles[i].body;
        there.emails_status = profiles[i].emails_status;
        there.emails = profiles[i].emails;
        rc = provider->kind->identify(ctx, provider, &wanted, &tokens, &claims);
        is_int(ctx->err.number, profiles[i].number, "%s: %d %s, %d %s (%s)", profiles[i].type,
               profiles[i].status, profiles[i].body, profiles[i].emails_status, profiles[i].emails,
               ctx->err.text);
        is_int(rc, profiles[i].number ? SSO_UPSTREAM : SSO_OK, "its result");
        is_int(sso_fault_find(&ctx->err)->status,
               profiles[i].number == 412 || profiles[i].number == 305 ? 503
               : profiles[i].number ? 502 : 500, "its status");
        ok(profiles[i].number != 412 || (ctx->err.detail && !strcmp(ctx->err.detail, "17")),
           "Retry-After");
        ok(!strstr(ctx->err.text, TOKEN), "no token in the log");
        if (profiles[i].claims) {
            is(sso_json_print(ctx->pool, claims), profiles[i].claims, "claims");
            is(provider->kind->user(ctx, claims), profiles[i].user, "user");
        }
        else
            ok(!claims, "nobody");
        apr_pool_destroy(ctx->pool);
    }
}

/* A sub of 255 characters is one, one of 256 is none. */
static void test_long_id(void)
{
    const sso_provider_t *provider = make("oauth2", CLIENT PLAIN);
    sso_tokens_t tokens = { .access_token = TOKEN };
    sso_wanted_t wanted = { 0 };
    int length;

    for (length = 255; length <= 256; length++) {
        sso_ctx_t *ctx = world_ctx(0);
        char *sub = apr_pcalloc(ctx->pool, (apr_size_t)length + 1);
        json_t *claims;

        memset(sub, 'a', (apr_size_t)length);
        there.status = 200;
        there.body = apr_pstrcat(ctx->pool, "{\"sub\":\"", sub, "\"}", NULL);
        provider->kind->identify(ctx, provider, &wanted, &tokens, &claims);
        is_int(ctx->err.number, length > 255 ? 416 : 0, "%d characters", length);
    }
}

static void test_calls(void)
{
    const sso_provider_t *github = make("github", CLIENT);
    const sso_provider_t *facebook = make("facebook", "EdxSSOClientID id\n"
                                          "EdxSSOClientSecret Jefe\n");
    sso_tokens_t tokens = { .access_token = TOKEN }, none = { .id_token = "x" };
    sso_wanted_t wanted = { 0 };
    sso_bytes_t key = sso_bytes("Jefe");
    sso_ctx_t *ctx = world_ctx(0);
    const char *hex;
    json_t *claims;

    /* RFC 4231 4.3 */
    is_int(sso_hmac_sha256(ctx, key, "what do ya want for nothing?", &hex), SSO_OK, "an HMAC");
    is(hex, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843", "the right one");
    key.length = 0;
    is_int(sso_hmac_sha256(ctx, key, "", &hex), SSO_OK, "of nothing");
    is(hex, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad", "as well");

    there.status = there.emails_status = 200;
    there.body = "{\"id\":\"1\"}";
    there.emails = "[]";
    github->kind->identify(world_ctx(0), github, &wanted, &tokens, &claims);
    is(there.url, "https://api.github.com/user", "GitHub's profile");
    is(there.emails_url, "https://api.github.com/user/emails", "and addresses");
    is(there.authorization, "Bearer " TOKEN, "with the token");
    github = make("github", CLIENT "EdxSSOEndpoint userinfo https://git.example/api/v3/user\n");
    github->kind->identify(world_ctx(0), github, &wanted, &tokens, &claims);
    is(there.emails_url, "https://git.example/api/v3/user/emails", "beside another userinfo");
    github = make("github", CLIENT "EdxSSOEndpoint emails https://git.example/mail\n");
    github->kind->identify(world_ctx(0), github, &wanted, &tokens, &claims);
    is(there.emails_url, "https://git.example/mail", "or where it is said to be");

    facebook->kind->identify(ctx, facebook, &wanted, &tokens, &claims);
    sso_hmac_sha256(ctx, sso_bytes("Jefe"), TOKEN, &hex);
    is(there.url, apr_pstrcat(ctx->pool, "https://graph.facebook.com/v24.0/me?fields=id%2Cname%2C"
                              "first_name%2Clast_name%2Cemail%2Cpicture&appsecret_proof=", hex,
                              NULL), "Facebook's fields and proof");
    ok(!strstr(there.url, TOKEN), "the token is not in the URL");

    there.calls = 0;
    is_int(facebook->kind->identify(ctx, facebook, &wanted, &none, &claims), SSO_UPSTREAM,
           "no access token");
    is_int(ctx->err.number, 411, "is said");
    is_int(there.calls, 0, "and nothing asked");
}

static void test_hints(void)
{
    static const struct {
        const char *type, *lines, *prompt, *form;
    } cases[] = {
        { "github", CLIENT, "select_account", "login=bob&prompt=select_account" },
        { "facebook", CLIENT, "login", "auth_type=reauthenticate" },
        { "facebook", CLIENT, "none", "" },
        { "oauth2", CLIENT PLAIN, "login", "login_hint=bob&prompt=login" },
    };
    unsigned i;

    for (i = 0; i < SSO_COUNT(cases); i++) {
        sso_wanted_t wanted = { .login_hint = "bob", .prompt = cases[i].prompt, .nonce = "n" };
        sso_form_t *form = sso_form_make(world_pool);
        const sso_provider_t *provider = make(cases[i].type, cases[i].lines);

        provider->kind->authorize(provider, &wanted, form);
        is(sso_form_text(form), cases[i].form, "%s: what a sign-in asks for", cases[i].type);
    }
}

#define TIMES ",\"exp\":1700003600,\"iat\":1700000000,\"aud\":\"id\""

static const struct {
    const char *type, *claims, *profile;
    int number;
    const char *member, *value, *user; /* a claim that comes of it, as JSON */
} openid[] = {
    { "linkedin", "\"iss\":\"https://www.linkedin.com/oauth\",\"sub\":\"u\"", NULL, 0, "sub",
      "\"u\"", "u@www.linkedin.com" },
    { "linkedin", "\"iss\":\"https://www.linkedin.com\",\"sub\":\"u\"", NULL, 0, "sub", "\"u\"",
      "u@www.linkedin.com" },
    { "linkedin", "\"iss\":\"https://linkedin.com\",\"sub\":\"u\"", NULL, 467, NULL, NULL, NULL },
    { "linkedin", "\"iss\":\"https://www.linkedin.com/oauth/\",\"sub\":\"u\"", NULL, 467, NULL,
      NULL, NULL },
    { "google", "\"iss\":\"accounts.google.com\",\"sub\":\"1\",\"nonce\":\"n\"", NULL, 0, "iss",
      "\"accounts.google.com\"", "1@accounts.google.com" },
    { "google", "\"iss\":\"https://accounts.google.com\",\"sub\":\"1\",\"nonce\":\"n\","
      "\"hd\":\"x.test\"", NULL, 0, "hd", "\"x.test\"", "1@accounts.google.com" },
    { "google", "\"iss\":\"http://accounts.google.com\",\"sub\":\"1\",\"nonce\":\"n\"", NULL, 482,
      NULL, NULL, NULL },
    { "google", "\"iss\":\"accounts.google.com\",\"sub\":\"1\"", NULL, 475, NULL, NULL, NULL },
#define APPLE "\"iss\":\"https://appleid.apple.com\",\"sub\":\"0.a\",\"nonce\":\"n\""
#define NAMED "{\"name\":{\"firstName\":\"Ada\",\"lastName\":\"L\"},\"email\":\"evil@x.test\"}"
    { "apple", APPLE ",\"email_verified\":\"true\"", NULL, 0, "email_verified", "true",
      "0.a@appleid.apple.com" },
    { "apple", APPLE ",\"email_verified\":\"false\"", NULL, 0, "email_verified", "false",
      "0.a@appleid.apple.com" },
    { "apple", APPLE ",\"email_verified\":true", NULL, 0, "email_verified", "true",
      "0.a@appleid.apple.com" },
    { "apple", APPLE ",\"email_verified\":\"TRUE\"", NULL, 0, "email_verified", "\"TRUE\"",
      "0.a@appleid.apple.com" },
    { "apple", APPLE ",\"is_private_email\":\"true\"", NULL, 0, "is_private_email", "true",
      "0.a@appleid.apple.com" },
    { "apple", APPLE, NAMED, 0, "name", "\"Ada L\"", "0.a@appleid.apple.com" },
    { "apple", APPLE, NAMED, 0, "given_name", "\"Ada\"", "0.a@appleid.apple.com" },
    { "apple", APPLE, NAMED, 0, "email", "", "0.a@appleid.apple.com" },
    { "apple", APPLE, "{\"name\":{\"lastName\":\"L\"},\"sub\":\"x\"}", 0, "name", "\"L\"",
      "0.a@appleid.apple.com" },
    { "apple", APPLE ",\"name\":\"Signed\"", NAMED, 0, "name", "\"Signed\"",
      "0.a@appleid.apple.com" },
    { "apple", APPLE, "{\"name\":\"x\"}", 0, "name", "", "0.a@appleid.apple.com" },
    { "apple", APPLE, "{\"name\":{\"firstName\":5,\"lastName\":[]}}", 0, "name", "",
      "0.a@appleid.apple.com" },
    { "apple", APPLE, "not JSON", 0, "name", "", "0.a@appleid.apple.com" },
    { "apple", APPLE, "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", 0, "name", "",
      "0.a@appleid.apple.com" },
    { "apple", "\"iss\":\"https://appleid.apple.com\",\"sub\":\"0.a\"", NAMED, 475, NULL, NULL,
      NULL },
};

static void test_openid(void)
{
    EVP_PKEY *key = forge_ec("P-256");
    const char *lines = apr_pstrcat(world_pool, CLIENT "EdxSSODiscovery off\n"
                                    "EdxSSOEndpoint authorization https://id.example/a\n"
                                    "EdxSSOEndpoint token https://id.example/t\n"
                                    "EdxSSOJWKS {\"keys\":[", forge_jwk(key, ""), "]}\n", NULL);
    unsigned i;

    for (i = 0; i < SSO_COUNT(openid); i++) {
        const sso_provider_t *provider = make(openid[i].type, lines);
        sso_ctx_t *ctx = world_ctx(0);
        sso_tokens_t tokens = { .access_token = TOKEN };
        sso_wanted_t wanted = { .nonce = provider->config->nonce ? "n" : NULL,
                                .profile = openid[i].profile };
        json_t *claims = NULL;

        tokens.id_token = forge_token(key, "ES256", "{\"alg\":\"ES256\"}",
                                      apr_pstrcat(ctx->pool, "{", openid[i].claims, TIMES "}",
                                                  NULL));
        provider->kind->identify(ctx, provider, &wanted, &tokens, &claims);
        is_int(ctx->err.number, openid[i].number, "%s: %s, %s (%s)", openid[i].type,
               openid[i].claims, openid[i].profile, ctx->err.text);
        if (!claims)
            continue;
        is(sso_json_print(ctx->pool, json_object_get(claims, openid[i].member)), openid[i].value,
           "%s", openid[i].member);
        is(provider->kind->user(ctx, claims), openid[i].user, "user");
    }
}

/* Token errors of GitHub (status 200) and Facebook (an object) are named in the log. */
static void test_token_errors(void)
{
    static const struct {
        int status;
        const char *body, *says;
    } cases[] = {
        { 200, "{\"error\":\"bad_verification_code\",\"error_description\":\"expired\"}",
          "error=bad_verification_code: expired" },
        { 400, "{\"error\":{\"message\":\"This code has been used.\",\"type\":\"OAuthException\","
               "\"code\":100}}", "error=OAuthException: This code has been used." },
    };
    const sso_provider_t *provider = make("github", CLIENT);
    sso_exchange_t exchange = { .code = "c", .redirect_uri = WORLD_ORIGIN "/cb" };
    unsigned i;

    world_ports.call = token_call;
    for (i = 0; i < SSO_COUNT(cases); i++) {
        sso_ctx_t *ctx = world_ctx(0);
        sso_tokens_t tokens;

        token_says(cases[i].status, "application/json", cases[i].body);
        is_int(sso_token_redeem(ctx, provider, &exchange, &tokens), SSO_UPSTREAM, "refused");
        is_int(ctx->err.number, 401, "as an error");
        ok(strstr(ctx->err.text, cases[i].says), "it says '%s'", ctx->err.text);
    }
}

int main(void)
{
    world_start();
    world_ports.call = answer;
    test_sections();
    test_presets();
    test_profiles();
    test_long_id();
    test_calls();
    test_hints();
    test_openid();
    test_token_errors();
    return tap_done();
}
