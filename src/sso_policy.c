/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What decides about bearer tokens, and a digest of all of it: verdicts are remembered, and mean
 * something only as long as nothing of this has changed. Keys that come from URLs change without
 * the configuration: see sso_documents_generation().
 */
#include "sso_provider.h"

#include "sso_json.h"

#include <apr_strings.h>
#include <string.h>

#define COOKIE_NAMES 2
#define NAME_CHARS   "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

/* Of the two halves of the LMS's token; a token of RFC 9110 5.6.2 each. */
static sso_rc_e check_cookies(sso_ctx_t *ctx, const sso_provider_t *provider)
{
    const apr_array_header_t *names = provider->config->jwt_cookies;
    int i, good = names->nelts == COOKIE_NAMES;

    for (i = 0; good && i < names->nelts; i++) {
        const char *name = APR_ARRAY_IDX(names, i, const char *);

        good = strspn(name, NAME_CHARS) == strlen(name);
    }
    if (!good)
        return sso_fail(ctx, SSO_MISCONFIG, 1121, "EdxSSOJWTCookies: two different names of "
                        "cookies are needed: the one with header and payload, the one with the "
                        "signature");
    return SSO_OK;
}

static void find_audiences(sso_ctx_t *ctx, sso_provider_t *provider)
{
    apr_array_header_t *own;

    provider->audiences = provider->config->audience;
    /* an LMS puts one audience into the tokens of all its clients: it must have been said */
    if (provider->audiences || provider->kind == &sso_kind_edx || !provider->config->client_id)
        return;
    own = apr_array_make(ctx->pool, 1, sizeof(const char *));
    APR_ARRAY_PUSH(own, const char *) = provider->config->client_id;
    provider->audiences = own;
}

/* Secrets are masked where they are printed, so they come along as they are. */
static void add_secrets(apr_array_header_t *parts, const apr_array_header_t *secrets)
{
    int i;

    for (i = 0; secrets && i < secrets->nelts; i++) {
        const sso_secret_t *secret = &APR_ARRAY_IDX(secrets, i, sso_secret_t);
        sso_bytes_t *part = &APR_ARRAY_PUSH(parts, sso_bytes_t);

        part->data = secret->text;
        part->length = secret->length;
    }
}

sso_rc_e sso_provider_settle(sso_ctx_t *ctx, sso_provider_t *provider)
{
    apr_array_header_t *parts = apr_array_make(ctx->pool, SSO_OPTION_COUNT, sizeof(sso_bytes_t));
    int i;

    SSO_TRY(check_cookies(ctx, provider));
    find_audiences(ctx, provider);
    APR_ARRAY_PUSH(parts, sso_bytes_t) = sso_bytes(provider->tag);
    APR_ARRAY_PUSH(parts, sso_bytes_t) = provider->keys_text;
    for (i = 0; i < SSO_OPTION_COUNT; i++) {
        const char *text = sso_options[i].scope == SSO_SCOPE_PROVIDER
                               ? sso_field_print(ctx->pool, provider->config, &sso_options[i])
                               : NULL;

        if (!text)
            continue;
        APR_ARRAY_PUSH(parts, sso_bytes_t) = sso_bytes(sso_options[i].name);
        APR_ARRAY_PUSH(parts, sso_bytes_t) = sso_bytes(text);
        if (sso_options[i].kind == &sso_kind_SECRET)
            add_secrets(parts, *(apr_array_header_t **)sso_field_slot(provider->config,
                                                                      &sso_options[i]));
    }
    return sso_digest(ctx, (const sso_bytes_t *)(const void *)parts->elts, parts->nelts,
                      provider->policy);
}

sso_rc_e sso_site_settle(sso_ctx_t *ctx, sso_site_t *site)
{
    apr_array_header_t *parts = apr_array_make(ctx->pool, 4, sizeof(sso_bytes_t));
    int i;

    APR_ARRAY_PUSH(parts, sso_bytes_t) = sso_bytes(site->realm);
    for (i = 0; i < site->providers->nelts; i++) {
        sso_bytes_t *part = &APR_ARRAY_PUSH(parts, sso_bytes_t);

        part->data = APR_ARRAY_IDX(site->providers, i, sso_provider_t *)->policy;
        part->length = SSO_DIGEST_BYTES;
    }
    return sso_digest(ctx, (const sso_bytes_t *)(const void *)parts->elts, parts->nelts,
                      site->policy);
}
