/* SPDX-License-Identifier: Apache-2.0 */
/* What an app sees: exact tables of environment and headers, and the names nobody may bring. */
#include "world.h"

#include "sso_export.h"

#include <stdlib.h>

static sso_session_t *session_of(sso_ctx_t *ctx, const char *text)
{
    sso_session_t *session;
    json_t *claims;

    FORGE_MUST(sso_json_parse(ctx, "t", text, strlen(text), &claims) == SSO_OK
               && sso_session_build(ctx, world_site, sso_provider_find(world_site, "lms"), claims,
                                    &session) == SSO_OK);
    return session;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* A table as sorted lines, without those that every case has. */
static const char *lines_of(apr_pool_t *pool, const apr_table_t *table)
{
    const apr_array_header_t *rows = apr_table_elts(table);
    apr_array_header_t *lines = apr_array_make(pool, 8, sizeof(const char *));
    int i;

    for (i = 0; i < rows->nelts; i++) {
        const apr_table_entry_t *row = &APR_ARRAY_IDX(rows, i, apr_table_entry_t);

        APR_ARRAY_PUSH(lines, const char *) = apr_pstrcat(pool, row->key, "=", row->val, "\n",
                                                              NULL);
    }
    qsort(lines->elts, (size_t)lines->nelts, sizeof(const char *), by_text);
    return lines->nelts ? apr_array_pstrcat(pool, lines, '\0') : "";
}

#define FIXED_ENV     "EDXSSO_PROVIDER=lms\nEDXSSO_USERNAME=u\n"

static const struct {
    const char *directives[8]; /* name, words ... */
    const char *claims;        /* besides preferred_username "u" */
    const char *env, *headers;
} exports[] = {
    { { NULL }, "",
      "EDXSSO_CLAIMS={\"preferred_username\":\"u\"}\nEDXSSO_CLAIM_preferred_username=u\n" FIXED_ENV,
      "Edxsso-Claim-Preferred-Username=u\nEdxsso-Provider=lms\nEdxsso-Username=u\n"
      "Remote-User=u\n" },
    { { "EdxSSOExport", "none" }, "", "", "" },
    { { "EdxSSOExport", "env" }, "",
      "EDXSSO_CLAIMS={\"preferred_username\":\"u\"}\nEDXSSO_CLAIM_preferred_username=u\n" FIXED_ENV,
      "" },
    { { "EdxSSOExport", "headers" }, "", "",
      "Edxsso-Claim-Preferred-Username=u\nEdxsso-Provider=lms\nEdxsso-Username=u\n"
      "Remote-User=u\n" },
    { { "EdxSSOExportClaims", "aud nothing" }, ",\"aud\":\"me\",\"email\":\"e\"",
      "EDXSSO_CLAIMS={\"aud\":\"me\"}\nEDXSSO_CLAIM_aud=me\nEDXSSO_EMAIL=e\n" FIXED_ENV,
      "Edxsso-Claim-Aud=me\nEdxsso-Email=e\nEdxsso-Provider=lms\nEdxsso-Username=u\n"
      "Remote-User=u\n" },
    { { "EdxSSOClaimPrefix", "OIDC_CLAIM_" }, ",\"given_name\":\"G\"",
      "EDXSSO_CLAIMS={\"preferred_username\":\"u\",\"given_name\":\"G\"}\n" FIXED_ENV
      "OIDC_CLAIM_given_name=G\nOIDC_CLAIM_preferred_username=u\n",
      "Edxsso-Provider=lms\nEdxsso-Username=u\nOidc-Claim-Given-Name=G\n"
      "Oidc-Claim-Preferred-Username=u\nRemote-User=u\n" },
    { { "EdxSSOExportClaims", "list a.b \xc3\xa9", "EdxSSOClaimDelimiter", "::" },
      ",\"list\":[\"x\",\"y::\"],\"a.b\":true,\"\xc3\xa9\":\"v\"",
      "EDXSSO_CLAIMS={\"list\":[\"x\",\"y::\"],\"a.b\":true,\"\xc3\xa9\":\"v\"}\n"
      "EDXSSO_CLAIM__=v\nEDXSSO_CLAIM_a_b=true\nEDXSSO_CLAIM_list=x::y\\::\n" FIXED_ENV,
      "Edxsso-Claim--=v\nEdxsso-Claim-A-B=true\nEdxsso-Claim-List=x::y\\::\nEdxsso-Provider=lms\n"
      "Edxsso-Username=u\n"
      "Remote-User=u\n" },
    { { "EdxSSOExportClaims", "n" }, ",\"n\":\"a\\nb\\u0085\",\"name\":\"x\\r\\nEvil: y\\u0085\"",
      "EDXSSO_CLAIMS={\"n\":\"a\\nb\xc2\x85\"}\nEDXSSO_CLAIM_n=a b \nEDXSSO_NAME=x  Evil: y \n"
      FIXED_ENV,
      "Edxsso-Claim-N=a b \nEdxsso-Name=x  Evil: y \nEdxsso-Provider=lms\nEdxsso-Username=u\n"
      "Remote-User=u\n" },
    { { "EdxSSOExportClaims", "a.b a-b" }, ",\"a_b\":1,\"a-b\":2,\"a.b\":3",
      "EDXSSO_CLAIMS={\"a-b\":2,\"a.b\":3}\nEDXSSO_CLAIM_a_b=2\n" FIXED_ENV,
      "Edxsso-Claim-A-B=2\nEdxsso-Provider=lms\nEdxsso-Username=u\n"
      "Remote-User=u\n" },
    { { "EdxSSOExportClaims", "a.b" }, ",\"a_b\":1,\"a-b\":2,\"a.b\":3",
      "EDXSSO_CLAIMS={\"a.b\":3}\nEDXSSO_CLAIM_a_b=3\n" FIXED_ENV,
      "Edxsso-Claim-A-B=3\nEdxsso-Provider=lms\nEdxsso-Username=u\n"
      "Remote-User=u\n" },
    { { "EdxSSOExportClaims", "a.b a_b a-b" }, ",\"a_b\":1,\"a-b\":2,\"a.b\":3",
      "EDXSSO_CLAIMS={\"a_b\":1,\"a-b\":2,\"a.b\":3}\nEDXSSO_CLAIM_a_b=1\n" FIXED_ENV,
      "Edxsso-Claim-A-B=1\nEdxsso-Provider=lms\nEdxsso-Username=u\n"
      "Remote-User=u\n" },
};

static const sso_config_t *place_of(const char *const *directives)
{
    sso_config_t *record = world_record();
    int i;

    for (i = 0; directives[i]; i += 2)
        world_set(record, directives[i], directives[i + 1], NULL);
    return sso_record_merge(world_pool, world_site->config, record);
}

static void test_exports(void)
{
    unsigned i;

    for (i = 0; i < SSO_COUNT(exports); i++) {
        sso_ctx_t *ctx = world_ctx(0);
        apr_table_t *env = apr_table_make(ctx->pool, 1), *headers = apr_table_make(ctx->pool, 1);
        const char *claims = apr_pstrcat(ctx->pool, "{\"preferred_username\":\"u\"",
                                         exports[i].claims, "}", NULL);

        sso_export(ctx, session_of(ctx, claims), place_of(exports[i].directives), env, headers);
        is(lines_of(ctx->pool, env), exports[i].env, "environment %u", i);
        is(lines_of(ctx->pool, headers), exports[i].headers, "headers %u", i);
    }
}

/* All texts of a session; and an empty prefix. */
static void test_texts(void)
{
    static const char *const none[] = { NULL };
    sso_ctx_t *ctx = world_ctx(0);
    apr_table_t *env = apr_table_make(ctx->pool, 1), *headers = apr_table_make(ctx->pool, 1);
    sso_session_t *session = session_of(ctx, "{\"preferred_username\":\"u\",\"user_id\":42,"
                                             "\"email\":\"e\",\"name\":\"n\"}");
    sso_config_t *place = (sso_config_t *)(apr_uintptr_t)place_of(none);

    session->tenant = "t";
    session->remote_id = "r";
    session->username = NULL;
    apr_table_setn(env, "EDXSSO_EMAIL", "forged");
    apr_table_setn(env, "edxsso_claim_role", "forged");
    apr_table_setn(env, "PATH", "kept");
    place->claim_prefix = "";
    sso_export(ctx, session, place, env, headers);
    is(lines_of(ctx->pool, headers), "Edxsso-Email=e\nEdxsso-Name=n\nEdxsso-Provider=lms\n"
       "Edxsso-Remote-Id=r\nEdxsso-Tenant=t\nEdxsso-User-Id=42\nEdxsso-Username=u\nRemote-User=u\n",
       "all of them, and no claim under an empty prefix");
    is(apr_table_get(env, "EDXSSO_EMAIL"), "e", "what stood there has gone");
    is(apr_table_get(env, "EDXSSO_CLAIM_ROLE"), NULL, "whatever it was");
    is(apr_table_get(env, "EDXSSO_REMOTE_ID"), "r", "remote id");
    is(apr_table_get(env, "EDXSSO_USERNAME"), "u", "REMOTE_USER where there is no other name");
    is(apr_table_get(env, "PATH"), "kept", "others stay");
    is(apr_table_get(env, "preferred_username"), NULL, "no bare name");
    place->export_claims = sso_words(ctx->pool, "email");
    sso_export(ctx, session, place, env, headers);
    is(apr_table_get(env, "email"), "e", "unless it is asked for");
    is(apr_table_get(env, "PATH"), "kept", "an empty prefix clears nothing");
}

static void test_long(void)
{
    static const char *const none[] = { NULL };
    int size;

    for (size = SSO_HEADER_VALUE_MAX - 1; size <= SSO_HEADER_VALUE_MAX + 1; size++) {
        sso_ctx_t *ctx = world_ctx(0);
        apr_table_t *env = apr_table_make(ctx->pool, 1), *headers = apr_table_make(ctx->pool, 1);
        char *text = apr_palloc(ctx->pool, (apr_size_t)size + 1);

        memset(text, 'x', (size_t)size);
        text[size] = '\0';
        sso_export(ctx, session_of(ctx, apr_pstrcat(ctx->pool, "{\"preferred_username\":\"u\","
                                                    "\"big\":\"", text, "\",\"name\":\"", text,
                                                    "\"}", NULL)),
                   place_of(none), env, headers);
        is_int(apr_table_get(headers, "Edxsso-Claim-Big") != NULL, size <= SSO_HEADER_VALUE_MAX,
               "a header of %d bytes", size);
        is_int(apr_table_get(headers, "Edxsso-Name") != NULL, size <= SSO_HEADER_VALUE_MAX, "name");
        is_int(tap_log_has("SSO0606"), size > SSO_HEADER_VALUE_MAX, "a warning");
        is_int(strlen(apr_table_get(env, "EDXSSO_CLAIM_big")), size, "the environment has it");
        apr_pool_destroy(ctx->pool);
    }
}

static void test_reserved(void)
{
    static const struct {
        const char *name;
        int reserved;
    } names[] = {
        { "Edxsso-Email", 1 }, { "EDXSSO_EMAIL", 1 }, { "edxsso.claim.x", 1 }, { "Edxsso-", 1 },
        { "eDxSsO_-x", 1 }, { "Edxsso", 0 }, { "X-Edxsso-Background", 0 }, { "Edxssox", 0 },
        { "Remote-User", 1 }, { "remote_user", 1 }, { "REMOTE.USER", 1 }, { "Remote-User-X", 0 },
        { "Remote", 0 }, { "Oidc-Claim-Sub", 1 }, { "OIDC_claim.x", 1 }, { "Oidc-Claims", 0 },
        { "X-Name", 1 }, { "x_name", 1 }, { "X-Name-2", 0 }, { "", 0 }, { "Edxsso\xc3\xa9", 0 },
    };
    sso_ctx_t *ctx = tap_ctx();
    sso_reserved_t *reserved = sso_reserved_make(ctx->pool, sso_words(ctx->pool, "oidc-claim-"),
                                                 sso_words(ctx->pool, "x-name"));
    unsigned i;

    for (i = 0; i < SSO_COUNT(names); i++)
        is_int(sso_reserved_has(reserved, names[i].name, strlen(names[i].name)), names[i].reserved,
               "'%s'", names[i].name);
    ok(sso_reserved_has(reserved, "Remote-User: x", 11), "up to its length");
    ok(!sso_reserved_has(reserved, "Remote-User", 10), "and no further");
    ok(!sso_reserved_has(reserved, "Edxsso-", 6), "nor than that");
    reserved = sso_reserved_make(ctx->pool, NULL, NULL);
    ok(!sso_reserved_has(reserved, "Oidc-Claim-Sub", 14), "nothing else is in use");
    is(sso_export_header_prefix(ctx->pool, "OIDC_CLAIM_"), "Oidc-Claim-", "a prefix");
    is(sso_export_header_prefix(ctx->pool, "a1_B2c__x"), "A1-B2c--X", "another");
    is(sso_export_header_prefix(ctx->pool, ""), "", "none");
}

/* Whatever is exported as a header is reserved. */
static void test_all_reserved(void)
{
    static const char *const none[] = { NULL };
    sso_ctx_t *ctx = world_ctx(0);
    apr_table_t *env = apr_table_make(ctx->pool, 1), *headers = apr_table_make(ctx->pool, 1);
    const sso_reserved_t *reserved = sso_reserved_make(ctx->pool, NULL, NULL);
    const apr_array_header_t *rows;
    int i, missing = 0;

    sso_export(ctx, session_of(ctx, world_claims(",\"a b\":1,\"tid\":\"t\",\"\\\"\":2")),
               place_of(none), env, headers);
    rows = apr_table_elts(headers);
    for (i = 0; i < rows->nelts; i++) {
        const char *name = APR_ARRAY_IDX(rows, i, apr_table_entry_t).key;

        missing += !sso_reserved_has(reserved, name, strlen(name));
    }
    ok(rows->nelts > 10 && !missing, "%d headers, all reserved", rows->nelts);
}

int main(void)
{
    world_start();
    test_exports();
    test_texts();
    test_long();
    test_reserved();
    test_all_reserved();
    return tap_done();
}
