/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Protected resource metadata (RFC 9728).
 */
#include "sso_resource.h"

#include "sso_access.h"
#include "sso_json.h"
#include "sso_metadata.h"
#include "sso_page.h"

#include <apr_lib.h>
#include <apr_strings.h>
#include <string.h>

#define CACHE_CONTROL "public, max-age=300"

/* A decoded path as it stands in a URL; the root is nothing. */
static const char *path_text(apr_pool_t *pool, const char *path)
{
    static const char digits[] = "0123456789ABCDEF";
    char *text, *out;

    if (!strcmp(path, "/"))
        return "";
    text = out = apr_palloc(pool, 3 * strlen(path) + 1);
    for (; *path; path++) {
        unsigned char c = (unsigned char)*path;

        if (apr_isalnum(c) || strchr("/-._~!$&'()*+,;=:@", c)) {
            *out++ = *path;
            continue;
        }
        *out++ = '%';
        *out++ = digits[c >> 4];
        *out++ = digits[c & 15];
    }
    *out = '\0';
    return text;
}

const char *sso_resource_url(sso_ctx_t *ctx, const sso_request_t *request)
{
    if (!request->resource)
        return NULL;
    return apr_pstrcat(ctx->pool, request->origin, SSO_WELL_KNOWN,
                       path_text(ctx->pool, request->resource), NULL);
}

/* The issuer of a provider's tokens as far as it is one (several tenants have several). */
static const char *issuer_of(sso_ctx_t *ctx, const sso_provider_t *provider)
{
    const sso_metadata_t *metadata;
    const char *issuer = NULL;

    if (provider->issuers)
        return APR_ARRAY_IDX(provider->issuers, 0, const char *);
    if (provider->metadata_url && sso_documents_metadata(ctx, provider, &metadata) == SSO_OK)
        issuer = metadata->issuer;
    sso_forgive(ctx);
    return issuer && !strchr(issuer, '{') ? issuer : NULL;
}

static sso_rc_e serve(sso_ctx_t *ctx, const sso_request_t *request, sso_answer_t *answer)
{
    const sso_accepted_t accepted = { request->site->providers, request->place->use, NULL };
    json_t *servers, *body;
    int i;

    if (!request->origin)
        return sso_fail(ctx, SSO_BAD_INPUT, 1140, "a forwarded host is not this site's");
    if (!request->place->protected_resource)
        return sso_fail(ctx, SSO_ABSENT, 1141, "'%.200s' publishes no metadata "
                        "(EdxSSOProtectedResource)", request->path);
    if (strcmp(request->method, "GET") && strcmp(request->method, "HEAD")) {
        apr_table_setn(answer->headers, "Allow", "GET, HEAD");
        return sso_fail(ctx, SSO_BAD_INPUT, 1142, "method %.20s is not GET or HEAD",
                        request->method);
    }
    servers = json_array();
    for (i = 0; i < accepted.providers->nelts; i++) {
        const sso_provider_t *provider = APR_ARRAY_IDX(accepted.providers, i,
                                                       const sso_provider_t *);
        const char *issuer = sso_access_takes(&accepted, provider) ? issuer_of(ctx, provider)
                                                                   : NULL;

        if (issuer)
            json_array_append_new(servers, json_string(issuer));
    }
    body = json_pack("{s:o}", "resource", json_string(
        apr_pstrcat(ctx->pool, request->origin, path_text(ctx->pool, request->path), NULL)));
    if (json_array_size(servers)) /* RFC 9728 2: no member without a value */
        json_object_set(body, "authorization_servers", servers);
    json_object_set_new(body, "bearer_methods_supported", json_pack("[s]", "header"));
    sso_answer_json(ctx, 200, sso_json_print(ctx->pool, body), answer);
    json_decref(servers);
    json_decref(body);
    apr_table_setn(answer->headers, "Cache-Control", CACHE_CONTROL);
    return SSO_OK;
}

void sso_answer_resource(sso_ctx_t *ctx, const sso_request_t *request, sso_answer_t *answer)
{
    sso_answer_start(ctx, answer);
    apr_table_setn(answer->headers, "Access-Control-Allow-Origin", "*");
    if (!strcmp(request->method, "OPTIONS") && request->place->protected_resource) {
        answer->what = SSO_ANSWER_RESPOND; /* a script of another site may ask with headers */
        answer->status = 204;
        apr_table_setn(answer->headers, "Access-Control-Allow-Methods", "GET, HEAD");
        apr_table_setn(answer->headers, "Access-Control-Allow-Headers", "*");
        return;
    }
    if (serve(ctx, request, answer) != SSO_OK)
        sso_page_fault(ctx, request, 1, answer);
}
