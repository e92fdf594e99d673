/* SPDX-License-Identifier: Apache-2.0 */
/* The table of directives: whole, in bounds of its own making, found in any case. */
#include "sso_config.h"
#include "sso_text.h"
#include "tap.h"

#include <strings.h>

static void test_table(void)
{
    sso_ctx_t *ctx = tap_ctx();
    sso_config_t *config = NULL;
    int i, k;

    is_int(sso_record_make(ctx, &sso_config_shape, &config), SSO_OK, "all presets are good (%s)",
           ctx->err.text);
    is_int(config->unauthenticated, SSO_UNAUTH_AUTO, "choices have the order of their constants");
    is_int(config->cookie_same_site, SSO_SAME_SITE_LAX, "SameSite");
    is_int(config->client_auth, SSO_AUTH_POST, "client authentication");
    is_int(config->export, SSO_EXPORT_BOTH, "export");
    for (i = 0; i < SSO_OPTION_COUNT; i++) {
        const sso_field_t *field = &sso_options[i];
        const char *text = sso_field_print(ctx->pool, config, field);
        int alike = 0;

        for (k = 0; k < SSO_OPTION_COUNT; k++)
            alike += !strcasecmp(field->name, sso_options[k].name);
        ok(alike == 1 && !strncmp(field->name, "EdxSSO", 6), "%s: one of its name", field->name);
        ok(field->help && strlen(field->help) > 10 && strchr(".)", field->help[strlen(field->help)
                                                                             - 1]),
           "%s: a sentence of help", field->name);
        ok(field->kind->read != NULL, "%s: can be read", field->name);
        ok(!field->preset || (text && *text), "%s: its preset prints", field->name);
        ok(sso_option_find(field->name) == field, "%s: is found", field->name);
    }
}

/* What is in a choice's constants and what its words are. */
static void test_choices(void)
{
    static const struct {
        const char *directive, *word;
        int index;
    } choices[] = {
        { "EdxSSOClientAuth", "client_secret_post", SSO_AUTH_POST },
        { "EdxSSOClientAuth", "client_secret_basic", SSO_AUTH_BASIC },
        { "EdxSSOClientAuth", "none", SSO_AUTH_NONE },
        { "EdxSSOCookieSameSite", "lax", SSO_SAME_SITE_LAX },
        { "EdxSSOCookieSameSite", "strict", SSO_SAME_SITE_STRICT },
        { "EdxSSOCookieSameSite", "none", SSO_SAME_SITE_NONE },
        { "EdxSSOUnauthenticated", "auto", SSO_UNAUTH_AUTO },
        { "EdxSSOUnauthenticated", "login", SSO_UNAUTH_LOGIN },
        { "EdxSSOUnauthenticated", "401", SSO_UNAUTH_401 },
        { "EdxSSOUnauthenticated", "403", SSO_UNAUTH_403 },
        { "EdxSSOUnauthenticated", "pass", SSO_UNAUTH_PASS },
        { "EdxSSOExport", "both", SSO_EXPORT_BOTH },
        { "EdxSSOExport", "env", SSO_EXPORT_ENV },
        { "EdxSSOExport", "headers", SSO_EXPORT_HEADERS },
        { "EdxSSOExport", "none", SSO_EXPORT_NONE },
    };
    unsigned i;

    for (i = 0; i < SSO_COUNT(choices); i++) {
        sso_ctx_t *ctx = tap_ctx();
        const sso_field_t *field = sso_option_find(choices[i].directive);
        sso_config_t *config;

        sso_record_make(ctx, &sso_config_shape, &config);
        sso_record_set(ctx, config, field, 1, &choices[i].word);
        is_int(*(int *)sso_field_slot(config, field), choices[i].index, "%s %s",
               choices[i].directive, choices[i].word);
    }
}

/* The contract's examples, its limits, and one beyond. */
static void test_limits(void)
{
    static const struct {
        const char *directive, *words;
        int good;
    } values[] = {
        { "EdxSSOSessionIdle", "1s", 1 }, { "EdxSSOSessionIdle", "0s", 0 },
        { "EdxSSOSessionIdle", "30d", 1 }, { "EdxSSOSessionIdle", "31d", 0 },
        { "EdxSSOLoginTimeout", "0s", 0 }, { "EdxSSOLoginTimeout", "1d", 1 },
        { "EdxSSOClockSkew", "0", 1 }, { "EdxSSOClockSkew", "16m", 0 },
        { "EdxSSOAlgorithms", "none", 0 }, { "EdxSSOAlgorithms", "RS512 HS256", 1 },
        { "EdxSSOCookieName", "a;b", 0 }, { "EdxSSOCookieName", "my.cookie-1_x", 1 },
        { "EdxSSOCookieDomain", "example.org", 1 }, { "EdxSSOCookieDomain", "a b", 0 },
        { "EdxSSOCookieDomain", "example.org;x", 0 }, { "EdxSSOCookiePath", "/a;x", 0 },
        { "EdxSSOTPAHint", "saml-campus", 1 }, { "EdxSSOTPAHint", "a&b", 0 },
        { "EdxSSOClaimPrefix", "OIDC_CLAIM_", 1 }, { "EdxSSOClaimPrefix", "A-B", 0 },
        { "EdxSSOClaimDelimiter", "123456789", 0 }, { "EdxSSOClaimDelimiter", "::", 1 },
        { "EdxSSOEndpoint", "token https://a/b", 1 }, { "EdxSSOEndpoint", "nowhere https://a", 0 },
        { "EdxSSOTrustForwarded", "Off", 1 }, { "EdxSSOTrustForwarded", "Off Forwarded", 0 },
        { "EdxSSOGraph", "photo groups", 1 }, { "EdxSSOGraph", "profile off", 0 },
        { "EdxSSOPassToken", "none", 1 }, { "EdxSSOPassToken", "none id", 0 },
        { "EdxSSOHTTPTimeout", "1s 60s", 1 }, { "EdxSSOHTTPTimeout", "0s 5s", 0 },
    };
    unsigned i;

    for (i = 0; i < SSO_COUNT(values); i++) {
        sso_ctx_t *ctx = tap_ctx();
        apr_array_header_t *words = sso_words(ctx->pool, values[i].words);
        sso_config_t *config;

        sso_record_make(ctx, &sso_config_shape, &config);
        is_int(sso_record_set(ctx, config, sso_option_find(values[i].directive), words->nelts,
                              (const char *const *)(const void *)words->elts),
               values[i].good ? SSO_OK : SSO_MISCONFIG, "%s %s", values[i].directive,
               values[i].words);
        ok(values[i].good || !strncmp(ctx->err.text, values[i].directive,
                                      strlen(values[i].directive)), "the message names it");
    }
}

static void test_names(void)
{
    sso_ctx_t *ctx = tap_ctx();
    const char *const *names = sso_option_names(ctx->pool);
    int count = 0;

    while (names[count])
        count++;
    is_int(count, SSO_OPTION_COUNT, "all names");
    is(sso_nearest("EdxSSOClientSecrte", names), "EdxSSOClientSecret", "the nearest one");
    is(sso_nearest("edxssoissuers", names), "EdxSSOIssuer", "in any case");
    is(sso_nearest("DocumentRoot", names), NULL, "none is near");
    ok(sso_option_find("EDXSSOclientid") == &sso_options[SSO_OPTION_client_id], "in any case");
    ok(!sso_option_find("EdxSSOClientI") && !sso_option_find(""), "whole names only");
    ok(!sso_secret_first(NULL), "no list, no first secret");
}

int main(void)
{
    test_table();
    test_choices();
    test_limits();
    test_names();
    return tap_done();
}
