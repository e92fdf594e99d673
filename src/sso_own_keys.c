/* SPDX-License-Identifier: Apache-2.0 */
/*
 * <EdxSSOPath>/jwks.json: the public halves of the keys that this site signs with, and of those it
 * decrypts with (RFC 7517 5), for providers that fetch them.
 */
#include "sso_client_auth.h"
#include "sso_flow.h"
#include "sso_jwe.h"

#include <apr_strings.h>

#define CACHE_CONTROL "public, max-age=300"

/* Several providers may know us by one key. */
static void add_key(apr_array_header_t *keys, const char *jwk)
{
    if (jwk && !sso_list_has(keys, jwk))
        APR_ARRAY_PUSH(keys, const char *) = jwk;
}

static void add_sections(apr_array_header_t *keys, const apr_array_header_t *sections)
{
    int i, k;

    for (i = 0; sections && i < sections->nelts; i++) {
        const sso_provider_t *provider = APR_ARRAY_IDX(sections, i, const sso_provider_t *);

        add_key(keys, sso_client_auth_jwk(provider->auth));
        for (k = 0; k < sso_jwe_keys_count(provider->decryption); k++)
            add_key(keys, sso_jwe_keys_jwk(provider->decryption, k));
    }
}

sso_rc_e sso_own_keys_serve(sso_ctx_t *ctx, const sso_request_t *request, const char *rest,
                            sso_answer_t *answer)
{
    const sso_site_t *site = request->site;
    apr_array_header_t *keys = apr_array_make(ctx->pool, 4, sizeof(const char *));
    int i;

    (void)rest;
    for (i = 0; site->signers && i < site->signers->nelts; i++)
        add_key(keys, sso_signer_jwk(APR_ARRAY_IDX(site->signers, i, const sso_signer_t *)));
    add_sections(keys, site->providers);
    add_sections(keys, site->clients);
    sso_answer_json(ctx, 200, apr_pstrcat(ctx->pool, "{\"keys\":[",
                                          apr_array_pstrcat(ctx->pool, keys, ','), "]}", NULL),
                    answer);
    apr_table_setn(answer->headers, "Cache-Control", CACHE_CONTROL);
    return SSO_OK;
}
