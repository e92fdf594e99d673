/* SPDX-License-Identifier: Apache-2.0 */
/* Claims to a user name: what a pattern replaces, what is missing, and flags that are no texts. */
#include "world.h"

#include "sso_user.h"

#include <regex.h>

/* The port with POSIX's expressions: what the core makes of a find is what is tested here. */
static int search(const char *pattern, const char *text, sso_match_t found[SSO_MATCHES])
{
    regmatch_t matches[SSO_MATCHES];
    regex_t compiled;
    int i, rc;

    FORGE_MUST(!regcomp(&compiled, pattern, REG_EXTENDED));
    rc = regexec(&compiled, text, SSO_MATCHES, matches, 0);
    regfree(&compiled);
    for (i = 0; !rc && i < SSO_MATCHES; i++) {
        found[i].from = matches[i].rm_so < 0 ? 0 : (apr_size_t)matches[i].rm_so;
        found[i].to = matches[i].rm_so < 0 ? 0 : (apr_size_t)matches[i].rm_eo;
    }
    return !rc;
}

static sso_provider_t *provider_with(const char *name, const char *words)
{
    sso_config_t *record = world_lms();
    sso_ctx_t *ctx = world_ctx(0);
    sso_provider_t *provider;

    world_set(record, name, words, NULL);
    ctx->pool = world_pool;
    FORGE_MUST(world_make(ctx, "lms", record, &provider) == SSO_OK);
    return provider;
}

static json_t *claims_of(sso_ctx_t *ctx, const char *text)
{
    json_t *claims;

    FORGE_MUST(sso_json_parse(ctx, "t", text, strlen(text), &claims) == SSO_OK);
    return claims;
}

static const struct {
    const char *words, *email, *user; /* user NULL: 1250 */
} replaced[] = {
    { "email ^([^@]+)@campus[.]example$ $1", "jo@campus.example", "jo" },
    { "email ^([^@]+)@campus[.]example$ $1", "jo@campus.example.evil", NULL },
    { "email ^([^@]+)@campus[.]example$ $1", "jo@x@campus.example", NULL },
    { "email ^([^@]+)@campus[.]example$ $1", "JO@CAMPUS.EXAMPLE", NULL },
    { "email ^([^@]+)@(.*)$ $2!$1", "jo@campus", "campus!jo" },
    { "email ^(.*)$ $0-$1-$9", "jo", "jo-jo-" },
    { "email ^(.*)$ \\$1\\\\$1", "jo", "$1\\jo" },
    { "email ^(a)?(.*)$ [$1]$2", "jo", "[]jo" },
    { "email @.*$ .x", "jo@campus", "jo.x" }, /* what is around it stays */
    { "email o 0", "foo", "f0o" },            /* the first one */
    { "email ^.*$ $1", "jo", NULL },          /* nothing is left */
    { "email $ $", "jo", "jo$" },
};

static void test_replaced(void)
{
    unsigned i;

    for (i = 0; i < SSO_COUNT(replaced); i++) {
        sso_ctx_t *ctx = world_ctx(0);
        const sso_provider_t *provider = provider_with("EdxSSORemoteUser", replaced[i].words);
        json_t *claims = json_pack("{s:s}", "email", replaced[i].email);
        const char *user = NULL;
        sso_rc_e rc = sso_user_name(ctx, provider, claims, &user);

        is(user, replaced[i].user, "%s of %s", replaced[i].words, replaced[i].email);
        is_int(rc, replaced[i].user ? SSO_OK : SSO_DENIED, "its result");
        is_int(ctx->err.number, replaced[i].user ? 0 : 1250, "its number");
        if (!replaced[i].user)
            is(ctx->err.detail, "email", "a form is told which");
        json_decref(claims);
    }
}

/* A pattern goes by bytes: what it leaves of a character is not what apps may see. */
static void test_halves(void)
{
    static const struct {
        const char *words, *email, *user; /* user NULL: 1390 */
    } rows[] = {
        { "email ^(.).*$ $1", "\xc3\xa9va", NULL },
        { "email ^(..).*$ $1", "\xc3\xa9va", "\xc3\xa9" },
        { "email ^..(.*)$ $1", "x\xe2\x82\xac", NULL },
        { "email xx $9", "\xc2xx\x85", NULL }, /* a control character of two bytes */
    };
    unsigned i;

    for (i = 0; i < SSO_COUNT(rows); i++) {
        sso_ctx_t *ctx = world_ctx(0);
        const sso_provider_t *provider = provider_with("EdxSSORemoteUser", rows[i].words);
        json_t *claims = json_object();
        const char *user = NULL;

        json_object_set_new(claims, "email", json_string_nocheck(rows[i].email));
        sso_user_name(ctx, provider, claims, &user);
        is(user, rows[i].user, "%s", rows[i].words);
        is_int(ctx->err.number, rows[i].user ? 0 : 1390, "its number");
        json_decref(claims);
    }
}

static void test_limits(void)
{
    const sso_provider_t *provider = provider_with("EdxSSORemoteUser", "email ^(.*)$ $1");
    char text[SSO_USER_SEARCH_MAX + 2];
    int extra;

    for (extra = 0; extra < 2; extra++) {
        sso_ctx_t *ctx = world_ctx(0);
        const char *user = NULL;
        json_t *claims;

        memset(text, 'x', sizeof(text));
        text[SSO_USER_SEARCH_MAX + extra] = '\0';
        claims = json_pack("{s:s}", "email", text);
        is_int(sso_user_name(ctx, provider, claims, &user), extra ? SSO_DENIED : SSO_OK,
               "%d bytes", (int)strlen(text));
        json_decref(claims);
    }
}

static void test_require(void)
{
    sso_ctx_t *ctx = world_ctx(0);
    const sso_provider_t *provider = provider_with("EdxSSORequireClaim", "email a.b name zero no");

    is_int(sso_user_require(ctx, provider, claims_of(ctx, "{\"email\":\"\",\"a\":{\"b\":null},"
                                                          "\"name\":\"n\",\"zero\":0,"
                                                          "\"no\":false}")), SSO_DENIED, "missing");
    is(ctx->err.detail, "email,a.b", "all of them, for a form");
    is(ctx->err.say.value, "email, a.b", "and for the page");
    sso_forgive(ctx);
    is_int(sso_user_require(ctx, provider, claims_of(ctx, "{\"email\":\"e\",\"a\":{\"b\":[]},"
                                                          "\"name\":\"n\",\"zero\":0,"
                                                          "\"no\":false}")), SSO_OK, "all there");
}

static const struct {
    const char *claims, *kept;
} flagged[] = {
    { "{\"administrator\":true,\"superuser\":false}",
      "{\"administrator\":true,\"superuser\":false}" },
    { "{\"administrator\":\"true\",\"superuser\":\"\"}", "{}" },
    { "{\"administrator\":1,\"superuser\":[true]}", "{}" },
    { "{\"administrator\":{\"a\":true},\"superuser\":null}", "{\"superuser\":null}" },
};

static void test_flags(void)
{
    unsigned i;

    for (i = 0; i < SSO_COUNT(flagged); i++) {
        sso_ctx_t *ctx = world_ctx(0);
        json_t *claims = claims_of(ctx, flagged[i].claims);
        json_t *mapped = sso_user_map(ctx, provider_with("EdxSSOClaimMap",
                                                         "login preferred_username"), claims);

        is(sso_json_print(ctx->pool, mapped), flagged[i].kept, "%s", flagged[i].claims);
        is(sso_json_print(ctx->pool, claims), flagged[i].claims, "what came stays as it was");
        json_decref(mapped);
    }
}

int main(void)
{
    world_start();
    world_ports.search = search;
    test_replaced();
    test_halves();
    test_limits();
    test_require();
    test_flags();
    return tap_done();
}
