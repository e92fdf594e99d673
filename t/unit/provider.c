/* SPDX-License-Identifier: Apache-2.0 */
/* Provider sections: what is missing or wrong in them, and what the good ones come to. */
#include "world.h"

#include <stdlib.h>
#include <unistd.h>

#define BASE "EdxSSOURLRoot https://lms.example\nEdxSSOClientID id\nEdxSSOClientSecret s\n"
#define KEYS "EdxSSOJWSHMACKey " WORLD_MAC "\n"

/* Lines of a section into a record; the value of a directive is split at spaces. */
static sso_config_t *section_of(const char *lines)
{
    sso_config_t *record = world_record();

    while (*lines) {
        apr_size_t name = strcspn(lines, " "), end = strcspn(lines, "\n");

        world_set(record, apr_pstrmemdup(world_pool, lines, name),
                  apr_pstrmemdup(world_pool, lines + name + 1, end - name - 1), NULL);
        lines += end + (lines[end] == '\n');
    }
    return record;
}

/* A section that is refused, by the beginning of the message after its place. */
static const struct {
    const char *lines;
    int number;
    const char *message;
} refused[] = {
    { "EdxSSOClientID id\nEdxSSOClientSecret s\n" KEYS, 40, "EdxSSOURLRoot is missing: the LMS's" },
    { "EdxSSOURLRoot https://a\nEdxSSOClientSecret s\n" KEYS, 40,
      "EdxSSOClientID is missing: the" },
    { "EdxSSOURLRoot https://a\nEdxSSOClientID id\n" KEYS, 41,
      "EdxSSOClientSecret is missing: the" },
    { BASE, 49, "nothing says how to check the LMS's tokens: give its public keys by EdxSSOJWKS" },
    { BASE "EdxSSOJWKS nonsense\n", 45, "EdxSSOJWKS: 'nonsense' is none of file:/path" },
    { BASE "EdxSSOJWKS file:relative\n", 45, "EdxSSOJWKS: 'file:relative' is none of" },
    { BASE "EdxSSOJWKS file:/nonexistent/x\n", 42, "EdxSSOJWKS: file:/nonexistent/x: No such" },
    { BASE "EdxSSOJWKS file:/\n", 42, "EdxSSOJWKS: file:/: " },
    { BASE "EdxSSOJWKS https://\n", 44, "EdxSSOJWKS: 'https://' is not a URL" },
    { BASE "EdxSSOJWKS {\"keys\":[]}\n", 0, "EdxSSOJWKS: " },
    { BASE "EdxSSOJWKS {\n", 0, "EdxSSOJWKS: " },
    { BASE "EdxSSOJWSHMACKey short\n", 0, "EdxSSOJWSHMACKey: " },
    { BASE KEYS "EdxSSOEndpoint token nonsense\n", 46, "EdxSSOEndpoint token: 'nonsense' is not" },
    { "EdxSSOURLRoot http://lms:8000\nEdxSSOClientID i\nEdxSSOClientSecret s\n"
      "EdxSSOTrustTokenEndpoint on\n", 48,
      "EdxSSOTrustTokenEndpoint on: the token endpoint http:" },
};

static void test_refused(void)
{
    unsigned i;

    for (i = 0; i < SSO_COUNT(refused); i++) {
        sso_ctx_t *ctx = world_ctx(0);
        sso_provider_t *provider = NULL;
        const char *want = apr_pstrcat(ctx->pool, "<EdxSSOProvider x edx> (line 7): ",
                                       refused[i].message, NULL);

        sso_rc_e rc = world_make(ctx, "x", section_of(refused[i].lines), &provider);

        ok(rc == SSO_MISCONFIG || rc == SSO_BAD_INPUT, "refused: %s", refused[i].message);
        is(apr_pstrmemdup(ctx->pool, ctx->err.text, strlen(want)), want, "says so");
        ok(!refused[i].number || ctx->err.number == refused[i].number, "number %d",
           ctx->err.number);
        ok(!provider, "nothing is made");
        apr_pool_destroy(ctx->pool);
    }
}

static sso_provider_t *make(const char *lines)
{
    sso_ctx_t *ctx = world_ctx(0);
    sso_provider_t *provider = NULL;

    ctx->pool = world_pool;
    is_int(world_make(ctx, "x", section_of(lines), &provider), SSO_OK, "%s%s", lines,
           ctx->err.text);
    FORGE_MUST(provider);
    return provider;
}

static void test_endpoints(void)
{
    static const struct {
        const char *lines;
        const char *authorization, *token, *end_session, *issuer, *metadata;
    } good[] = {
        { BASE KEYS, "https://lms.example/oauth2/authorize",
          "https://lms.example/oauth2/access_token", "https://lms.example/logout",
          "https://lms.example/oauth2", NULL },
        { BASE KEYS "EdxSSOPublicURLRoot https://pub.example/\n",
          "https://pub.example/oauth2/authorize", "https://lms.example/oauth2/access_token",
          "https://pub.example/logout", "https://pub.example/oauth2", NULL },
        { BASE "EdxSSODiscovery on\n", "https://lms.example/oauth2/authorize",
          "https://lms.example/oauth2/access_token", "https://lms.example/logout",
          "https://lms.example/oauth2",
          "https://lms.example/oauth2/.well-known/openid-configuration" },
        { BASE "EdxSSODiscovery https://meta.example/x\n", "https://lms.example/oauth2/authorize",
          "https://lms.example/oauth2/access_token", "https://lms.example/logout",
          "https://lms.example/oauth2", "https://meta.example/x" },
        { BASE KEYS "EdxSSODiscovery OFF\nEdxSSOIssuer https://iss.example/a https://b\n"
          "EdxSSOEndpoint Token https://t.example/t\n"
          "EdxSSOEndpoint end_session https://e.example\n",
          "https://lms.example/oauth2/authorize", "https://t.example/t", "https://e.example",
          "https://iss.example/a", NULL },
    };
    unsigned i;

    for (i = 0; i < SSO_COUNT(good); i++) {
        sso_provider_t *provider = make(good[i].lines);
        const char *url;

        is(provider->endpoint[SSO_ENDPOINT_AUTHORIZATION], good[i].authorization, "authorization");
        is(provider->endpoint[SSO_ENDPOINT_TOKEN], good[i].token, "token");
        is(provider->endpoint[SSO_ENDPOINT_END_SESSION], good[i].end_session, "end_session");
        is(APR_ARRAY_IDX(provider->issuers, 0, const char *), good[i].issuer, "issuer");
        is(provider->metadata_url, good[i].metadata, "metadata");
        is(provider->callback_path, "/edxsso/callback/x", "callback");
        is(provider->display_name, "Open edX", "button");
        is(apr_array_pstrcat(world_pool, provider->config->scope, ' '), "user_id profile email",
           "scope");
        is_int(sso_provider_endpoint(world_ctx(0), provider, SSO_ENDPOINT_TOKEN, &url), SSO_OK,
               "asked for");
        if (!good[i].metadata)
            is_int(sso_provider_endpoint(world_ctx(0), provider, SSO_ENDPOINT_JWKS, &url),
                   SSO_ABSENT, "nowhere");
    }
}

static void test_precedence(void)
{
    sso_config_t *server = world_config();
    sso_provider_t *provider;

    world_set(server, "EdxSSOScope", "profile", "EdxSSOClientID", "server", "EdxSSOClockSkew", "5s",
              NULL);
    provider = make(BASE KEYS "EdxSSOClockSkew 7s\n");
    is(apr_array_pstrcat(world_pool, provider->config->scope, ' '), "profile",
       "server over preset");
    is(provider->config->client_id, "id", "section over server");
    is_int(provider->config->clock_skew, apr_time_from_sec(7), "section over server");
    is(make("EdxSSOURLRoot https://a\nEdxSSOClientSecret s\n" KEYS)->config->client_id, "server",
       "the server's counts as given");
    ok(!make("EdxSSOURLRoot https://a\nEdxSSOClientAuth none\n" KEYS)->config->client_secret,
       "a public client");
    is_int(make(BASE KEYS "EdxSSOAlgorithms HS256 RS512\n")->algorithms, SSO_HS256 | SSO_RS512,
           "algorithms");
}

static void test_plain(void)
{
    static const struct {
        const char *url;
        int ok;
    } urls[] = {
        { "http://lms:8000/oauth2/access_token", 1 }, { "http://LMS:8000", 1 },
        { "http://lms/", 0 }, { "http://lms:8001/", 0 }, { "https://lms:8000/", 0 },
        { "http://keys.example/other", 1 }, { "http://t.example/x", 1 }, { "http://evil.test/", 0 },
        { "http://lms:8000@evil.test/", 0 }, { "nonsense", 0 }, { "", 0 },
    };
    sso_provider_t *provider = make("EdxSSOURLRoot http://lms:8000\nEdxSSOClientID i\n"
                                    "EdxSSOClientSecret s\nEdxSSOJWKS http://keys.example/jwks\n"
                                    "EdxSSOEndpoint token http://t.example/\n");
    unsigned i;

    ok(tap_log_has("SSO0047"), "plain http away from here is worth a warning");
    for (i = 0; i < SSO_COUNT(urls); i++)
        is_int(sso_provider_plain_ok(provider, urls[i].url), urls[i].ok, "'%s'", urls[i].url);
    make("EdxSSOURLRoot http://127.0.0.1:8000\nEdxSSOClientID i\nEdxSSOClientSecret s\n" KEYS);
    ok(!tap_log_has("SSO0047"), "on loopback it is not");
}

static void test_files(void)
{
    char path[] = "/tmp/edxsso-jwks-XXXXXX";
    const char *set;
    int fd = mkstemp(path);

    set = apr_pstrcat(world_pool, "{\"keys\":[", forge_jwk(forge_ec("P-256"), ""), "]}\n", NULL);
    ok(write(fd, set, strlen(set)) == (ssize_t)strlen(set), "a file");
    close(fd);
    ok(make(apr_pstrcat(world_pool, BASE "EdxSSOJWKS file:", path, "\n", NULL))->keys != NULL,
       "keys of a file");
    is_int(sso_keys_count(make(apr_pstrcat(world_pool, BASE KEYS "EdxSSOJWKS file:", path, "\n",
                                           NULL))->keys), 2, "and the secret");
    unlink(path);
}

static void test_kinds(void)
{
    const char *const *names = sso_kind_names(world_pool);

    ok(sso_kind_find("edx") == &sso_kind_edx, "edx");
    ok(!sso_kind_find("EDX") && !sso_kind_find("") && !sso_kind_find("ed"), "no other spelling");
    ok(sso_nearest("edxx", names) && !strcmp(sso_nearest("edxx", names), "edx"), "the nearest");
    ok(strstr(sso_kind_list(world_pool), "edx"), "listed");
    ok(sso_provider_find(world_site, "lms") && !sso_provider_find(world_site, "LMS")
       && !sso_provider_find(world_site, ""), "by name");
    is(sso_endpoint_name(SSO_ENDPOINT_END_SESSION), "end_session", "an endpoint's word");
}

int main(void)
{
    world_start();
    test_refused();
    test_endpoints();
    test_plain();
    test_files();
    test_kinds();
    test_precedence();
    return tap_done();
}
