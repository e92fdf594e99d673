/* SPDX-License-Identifier: Apache-2.0 */
/*
 * <EdxSSOPath>/jwks.json: the public halves of the keys that this site signs with (RFC 7517 5), for
 * providers that fetch them.
 */
#include "sso_client_auth.h"
#include "sso_flow.h"

#include <apr_strings.h>

#define CACHE_CONTROL "public, max-age=300"

sso_rc_e sso_own_keys_serve(sso_ctx_t *ctx, const sso_request_t *request, const char *rest,
                            sso_answer_t *answer)
{
    const apr_array_header_t *providers = request->site->providers;
    apr_array_header_t *keys = apr_array_make(ctx->pool, 4, sizeof(const char *));
    int i;

    (void)rest;
    for (i = 0; i < providers->nelts; i++) {
        const sso_provider_t *provider = APR_ARRAY_IDX(providers, i, const sso_provider_t *);
        const char *jwk = sso_client_auth_jwk(provider->auth);

        if (jwk && !sso_list_has(keys, jwk)) /* several providers may know us by one key */
            APR_ARRAY_PUSH(keys, const char *) = jwk;
    }
    sso_answer_json(ctx, 200, apr_pstrcat(ctx->pool, "{\"keys\":[",
                                          apr_array_pstrcat(ctx->pool, keys, ','), "]}", NULL),
                    answer);
    apr_table_setn(answer->headers, "Cache-Control", CACHE_CONTROL);
    return SSO_OK;
}
