/* SPDX-License-Identifier: Apache-2.0 */
/* Require lines: how they are read, and whom they let in. */
#include "world.h"

#include "sso_claim_span.h"
#include "sso_require.h"

#include <regex.h>

/* The host's regular expressions, here those of the C library. */
static apr_status_t free_regex(void *regex)
{
    regfree(regex);
    return APR_SUCCESS;
}

static const void *compile(apr_pool_t *pool, const char *pattern)
{
    regex_t *regex = apr_palloc(pool, sizeof(*regex));

    if (regcomp(regex, pattern, REG_EXTENDED | REG_NOSUB))
        return NULL;
    apr_pool_cleanup_register(pool, regex, free_regex, apr_pool_cleanup_null);
    return regex;
}

static int search(const void *compiled, const char *text, apr_size_t length)
{
    return !regexec(compiled, apr_pstrmemdup(world_pool, text, length), 0, NULL, 0);
}

static const sso_matcher_t matcher = { compile, search };

static sso_rc_e read_rule(sso_ctx_t *ctx, const char *line, const sso_rule_t **rule)
{
    apr_array_header_t *words = apr_array_make(ctx->pool, 4, sizeof(const char *));
    const char *at = line + strcspn(line, " ");

    while (*at++) { /* words are separated by '|' in these tables: they may have spaces */
        APR_ARRAY_PUSH(words, const char *) = apr_pstrmemdup(ctx->pool, at, strcspn(at, "|"));
        at += strcspn(at, "|");
    }
    return sso_rule_read(ctx, &matcher, apr_pstrmemdup(ctx->pool, line, strcspn(line, " ")), words,
                         rule);
}

static const struct {
    const char *line;
    int number;
} mistakes[] = {
    { "edxsso-claim", 1163 }, { "edxsso-scope", 1163 }, { "edxsso-group", 1163 },
    { "edxsso-role", 1163 }, { "edxsso-tenant", 1163 }, { "edxsso-provider", 1163 },
    { "edxsso-claim name", 1161 }, { "edxsso-claim name:", 1161 }, { "edxsso-claim :x", 1161 },
    { "edxsso-claim ~x", 1161 }, { "edxsso-claim name~", 1161 }, { "edxsso-claim a:b|c", 1161 },
    { "edxsso-claim https://x", 1161 }, { "edxsso-claim a\\:b", 1161 }, { "edxsso-claim \\", 1161 },
    { "edxsso-claim a~(", 1162 }, { "edxsso-claim a~[", 1162 }, { "edxsso-claim a:b|", 1166 },
    { "edxsso-scope a\"b", 1164 }, { "edxsso-scope a\\b", 1164 }, { "edxsso-scope \xc3\xa9", 1164 },
    { "edxsso-scope a\nb", 1164 }, { "edxsso-group |", 1166 }, { "edxsso-cliam a:b", 1165 },
};

static void test_mistakes(void)
{
    unsigned i;

    for (i = 0; i < SSO_COUNT(mistakes); i++) {
        sso_ctx_t *ctx = world_ctx(0);
        const sso_rule_t *rule = NULL;

        is_int(read_rule(ctx, mistakes[i].line, &rule), SSO_MISCONFIG, "'%s' is a mistake",
               mistakes[i].line);
        is_int(ctx->err.number, mistakes[i].number, "which one");
        ok(!rule, "nothing comes of it");
    }
}

#define CLAIMS                                                                                    \
    "{\"s\":\"text\",\"t\":true,\"f\":false,\"n\":42,\"neg\":-7,\"real\":1.5,\"nul\":null,"        \
    "\"st\":\"true\",\"sn\":\"42\",\"e\":\"\",\"q\":\"a\\\"b\\\\c\\u0007\\n\","                   \
    "\"u\":\"Zo\xc3\xab\","                                                                       \
    "\"a\":[\"x\",\"y z\",true,7,null,[\"deep\"],{\"k\":\"v\"}],\"empty\":[],\"o\":{\"k\":\"v\"," \
    "\"t\":true,\"list\":[\"l1\",\"l2\"],\"in\":{\"x\":\"dd\",\"a.b\":\"ab\"},\"w\":\"{[,"        \
    ":\\\"]}\","                                                                                  \
    "\"last\":1},\"o.k\":\"whole\",\"o.in\":{\"x\":\"longest\"},"                                 \
    "\"https://example.com/roles\":[\"admin\"],\"urn:x:y\":\"z\",\"a~b\":\"tilde\","              \
    "\"scope\":\"read write:all\",\"scopes\":[\"user_id\",\"email\"],\"scp\":\"Files.Read\","     \
    "\"groups\":[\"staff\",\"g 2\",3],\"roles\":[\"staff:course-v1:X\",\"reader\"],"              \
    "\"tid\":\"1f2e3d4c-0000-0000-0000-00000000abcd\",\"sub\":\"s\","                             \
    "\"preferred_username\":\"u\","                                                               \
    "\"aud\":[\"one\",\"two\"],\"mail\":\"joe@example.org\"}"

static const struct {
    const char *line;
    int in;
} lines[] = {
    { "edxsso-claim s:text", 1 }, { "edxsso-claim s:tex", 0 }, { "edxsso-claim s:textt", 0 },
    { "edxsso-claim s:TEXT", 0 }, { "edxsso-claim S:text", 0 }, { "edxsso-claim x:text", 0 },
    { "edxsso-claim x:y|s:text", 1 }, { "edxsso-claim x:y|s:z", 0 },
    /* types */
    { "edxsso-claim t:true", 1 }, { "edxsso-claim t:false", 0 }, { "edxsso-claim f:false", 1 },
    { "edxsso-claim st:true", 0 }, { "edxsso-claim st~^true$", 1 }, { "edxsso-claim t~true", 0 },
    { "edxsso-claim t:True", 0 }, { "edxsso-claim t:1", 0 }, { "edxsso-claim n:42", 1 },
    { "edxsso-claim sn:42", 1 }, { "edxsso-claim n:4", 0 }, { "edxsso-claim n:42.0", 0 },
    { "edxsso-claim n:042", 0 }, { "edxsso-claim neg:-7", 1 }, { "edxsso-claim real:1.5", 1 },
    { "edxsso-claim n~^4", 1 }, { "edxsso-claim nul:null", 0 }, { "edxsso-claim nul~.", 0 },
    { "edxsso-claim e~^$", 1 }, { "edxsso-claim s~^$", 0 }, { "edxsso-claim o:v", 0 },
    { "edxsso-claim o~v", 0 },
    /* bytes */
    { "edxsso-claim q:a\"b\\c\a\n", 1 }, { "edxsso-claim q:a\"b\\c\a", 0 },
    { "edxsso-claim q:a\\\"b\\\\c\\u0007\\n", 0 }, { "edxsso-claim u:Zo\xc3\xab", 1 },
    { "edxsso-claim q~b.c", 1 }, { "edxsso-claim u:Zoe", 0 },
    /* arrays */
    { "edxsso-claim a:x", 1 }, { "edxsso-claim a:y z", 1 }, { "edxsso-claim a:y", 0 },
    { "edxsso-claim a:true", 1 }, { "edxsso-claim a:false", 0 }, { "edxsso-claim a:7", 1 },
    { "edxsso-claim a:deep", 0 }, { "edxsso-claim a:v", 0 }, { "edxsso-claim a~^y", 1 },
    { "edxsso-claim a~^z", 0 }, { "edxsso-claim a:null", 0 }, { "edxsso-claim empty:x", 0 },
    { "edxsso-claim empty~.*", 0 }, { "edxsso-claim aud:two", 1 }, { "edxsso-claim a.k:v", 0 },
    /* paths: whole names first, the longest head first */
    { "edxsso-claim o.k:whole", 1 }, { "edxsso-claim o.k:v", 0 }, { "edxsso-claim o.t:true", 1 },
    { "edxsso-claim o.list:l2", 1 }, { "edxsso-claim o.list:l", 0 }, { "edxsso-claim o.last:1", 1 },
    { "edxsso-claim o.in.x:longest", 1 }, { "edxsso-claim o.in.a.b:ab", 1 },
    { "edxsso-claim o.in:dd", 0 }, { "edxsso-claim o.w:{[,:\"]}", 1 }, { "edxsso-claim s.k:v", 0 },
    { "edxsso-claim .:v", 0 }, { "edxsso-claim o.:v", 0 }, { "edxsso-claim .o:v", 0 },
    { "edxsso-claim o..k:v", 0 }, { "edxsso-claim o.k.k:v", 0 },
    /* where a name ends */
    { "edxsso-claim https://example.com/roles:admin", 1 },
    { "edxsso-claim https://example.com/roles~^adm", 1 }, { "edxsso-claim urn\\:x\\:y:z", 1 },
    { "edxsso-claim urn:x:y:z", 0 }, { "edxsso-claim a\\~b:tilde", 1 },
    { "edxsso-claim a~b:tilde", 0 }, { "edxsso-claim mail~@example\\.org$", 1 },
    { "edxsso-claim mail~@example\\.or$", 0 },
    { "edxsso-claim tid:1f2e3d4c-0000-0000-0000-00000000abcd", 1 },
    /* scopes: all of them, of whatever claim */
    { "edxsso-scope read", 1 }, { "edxsso-scope read|write:all", 1 }, { "edxsso-scope write", 0 },
    { "edxsso-scope read|nothing", 0 }, { "edxsso-scope email|read|Files.Read|user_id", 1 },
    { "edxsso-scope READ", 0 }, { "edxsso-scope rea", 0 }, { "edxsso-scope read write:all", 0 },
    /* groups and roles: any of them */
    { "edxsso-group staff", 1 }, { "edxsso-group nobody|g 2", 1 }, { "edxsso-group g", 0 },
    { "edxsso-group 3", 0 }, { "edxsso-group Staff", 0 }, { "edxsso-role reader", 1 },
    { "edxsso-role staff", 0 }, { "edxsso-role staff:course-v1:X|x", 1 },
    { "edxsso-provider lms", 1 }, { "edxsso-provider campus", 0 }, { "edxsso-provider x|lms", 1 },
    /* a tenant that is not Entra's to tell */
    { "edxsso-tenant 1f2e3d4c-0000-0000-0000-00000000abcd", 0 },
};

static const sso_session_t *somebody(sso_ctx_t *ctx, const char *json)
{
    sso_session_t *session = NULL;
    json_t *claims;

    FORGE_MUST(sso_json_parse(ctx, "test", json, strlen(json), &claims) == SSO_OK);
    FORGE_MUST(sso_session_build(ctx, world_site, sso_provider_find(world_site, "lms"), claims,
                                 &session) == SSO_OK);
    return session;
}

static void test_lines(void)
{
    sso_ctx_t *ctx = world_ctx(0);
    const sso_session_t *session = somebody(ctx, CLAIMS);
    unsigned i;

    for (i = 0; i < SSO_COUNT(lines); i++) {
        const sso_rule_t *rule = NULL;

        is_int(read_rule(ctx, lines[i].line, &rule), SSO_OK, "'%s' is a line", lines[i].line);
        if (rule)
            is_int(sso_rule_judge(ctx->pool, rule, world_site, session), lines[i].in,
                   "%s lets them %s", lines[i].line, lines[i].in ? "in" : "stay out");
        sso_forgive(ctx);
    }
}

static void test_tenants(void)
{
    static const char claims[] = "{\"tid\":\"1f2e3d4c-0000-0000-0000-00000000abcd\",\"oid\":\"o\","
                                 "\"sub\":\"s\",\"iss\":\"i\"}";
    sso_config_t *config = world_record();
    sso_section_t section = { "tenant", "entra", "line 9", config };
    sso_ctx_t *ctx = world_ctx(0);
    sso_provider_t *provider = NULL;
    sso_session_t *session = NULL;
    const sso_rule_t *rule;
    json_t *object;

    world_set(config, "EdxSSOTenant", "contoso.com", "EdxSSOClientID", "x", "EdxSSOClientSecret",
              WORLD_CANARY, NULL);
    ctx->pool = world_pool;
    FORGE_MUST(sso_provider_make(ctx, world_site, &section, NULL, &provider) == SSO_OK);
    APR_ARRAY_PUSH(world_site->providers, sso_provider_t *) = provider;
    FORGE_MUST(sso_json_parse(ctx, "test", claims, strlen(claims), &object) == SSO_OK);
    FORGE_MUST(sso_session_build(ctx, world_site, provider, object, &session) == SSO_OK);
    read_rule(ctx, "edxsso-tenant x|1F2E3D4C-0000-0000-0000-00000000ABCD", &rule);
    ok(sso_rule_judge(ctx->pool, rule, world_site, session), "a tenant, in any case");
    read_rule(ctx, "edxsso-tenant contoso.com|1f2e", &rule);
    ok(!sso_rule_judge(ctx->pool, rule, world_site, session), "another tenant");
    session->tenant = NULL;
    read_rule(ctx, "edxsso-tenant 1f2e3d4c-0000-0000-0000-00000000abcd", &rule);
    ok(!sso_rule_judge(ctx->pool, rule, world_site, session), "nobody's tenant");
}

static void test_words(void)
{
    sso_ctx_t *ctx = world_ctx(0);
    const sso_rule_t *rule;

    FORGE_MUST(read_rule(ctx, "edxsso-scope a|b:c", &rule) == SSO_OK);
    is(sso_rule_scope(rule), "a b:c", "what a client has to ask for");
    ok(!sso_rule_providers(rule), "it names no providers");
    FORGE_MUST(read_rule(ctx, "edxsso-provider a|b", &rule) == SSO_OK);
    ok(!sso_rule_scope(rule), "no scope");
    is_int(sso_rule_providers(rule)->nelts, 2, "providers");
    is(sso_rule_name(0), "edxsso-claim", "the first kind");
    ok(!sso_rule_name(6) && !sso_rule_name(-1), "there are six");
}

/* Spans that are no JSON: whatever is found is within. */
static void test_odd_spans(void)
{
    static const char *const odd[] = {
        "", "[", "]", "{", "}", "\"", "[]", "{}", "\"\"", "[,]", "[\"]", "[\"a]", "{\"a\"}",
        "{\"a\":}", "{\"a\":1", "{\"a\":{\"a\":", "[[[[", "]]]]", "{\"a\":\"\\", "[\"\\\"]",
        "\"\\u",
        "\"\\u00\"", "\"\\u0041\"", "\"\\\"", "[1,2", "[1}", "{,}", "{\"a\":1,}", "[{\"a\":1}",
    };
    unsigned i;

    for (i = 0; i < SSO_COUNT(odd); i++) {
        apr_size_t length = strlen(odd[i]), at = 0, bytes;
        char *text = apr_pmemdup(world_pool, odd[i], length + 1);
        sso_span_t span = { text, text + length }, element;
        int n;

        for (n = 0; n < 20 && sso_span_next(span, &at, &element); n++)
            ok(element.from >= span.from && element.end <= span.end, "%s: within", odd[i]);
        ok(n < 20, "%s: it ends", odd[i]);
        sso_span_equals(span, "a", 1);
        if (sso_span_is_text(span))
            ok(sso_span_text(world_pool, span, &bytes) && bytes <= length, "%s: text", odd[i]);
    }
}

int main(void)
{
    world_start();
    test_mistakes();
    test_lines();
    test_tenants();
    test_words();
    test_odd_spans();
    return tap_done();
}
