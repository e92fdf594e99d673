/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The call behind a pushed authorization request. What is in the request is sso_login.c's.
 */
#include "sso_par.h"

#include "sso_client_auth.h"
#include "sso_json.h"

#include <apr_strings.h>
#include <string.h>

static sso_rc_e read_answer(sso_ctx_t *ctx, const sso_reply_t *reply, const char **request_uri)
{
    json_t *answer = NULL;
    const char *error;

    if (reply->status == 429 || reply->status == 503) {
        ctx->err.detail = reply->retry_after;
        return sso_fail(ctx, SSO_UPSTREAM, 430, "PAR endpoint: it asks for patience (status %d)",
                        reply->status);
    }
    if (!strstr(reply->content_type, "json")
        || sso_json_parse(ctx, "PAR endpoint", reply->body, reply->length, &answer) != SSO_OK) {
        sso_forgive(ctx); /* not the browser's bad input: the provider's */
        return sso_fail(ctx, SSO_UPSTREAM, 431, "PAR endpoint: an unusable answer (status %d, "
                        "content type '%.64s')", reply->status, reply->content_type);
    }
    error = sso_json_text(answer, "error");
    if (error)
        return sso_fail(ctx, SSO_UPSTREAM, 432, "PAR endpoint: it answered error=%.64s%s%.200s",
                        error, sso_json_text(answer, "error_description") ? ": " : "",
                        sso_json_text(answer, "error_description")
                            ? sso_json_text(answer, "error_description") : "");
    *request_uri = sso_json_text(answer, "request_uri");
    if ((reply->status != 201 && reply->status != 200) || !*request_uri)
        return sso_fail(ctx, SSO_UPSTREAM, 433, "PAR endpoint: status %d without a request_uri",
                        reply->status);
    return SSO_OK;
}

sso_rc_e sso_par_push(sso_ctx_t *ctx, const sso_provider_t *provider, sso_form_t *form,
                      const char **text)
{
    sso_call_t call = { .what = "PAR endpoint", .once = 1, .policy = &provider->http };
    sso_form_t *by_browser = sso_form_make(ctx->pool);
    const char *request_uri = NULL;
    sso_reply_t reply;
    sso_rc_e rc;

    if (provider->config->par == SSO_PAR_OFF)
        return SSO_ABSENT;
    rc = sso_provider_endpoint(ctx, provider, SSO_ENDPOINT_PAR, &call.url);
    if (rc == SSO_ABSENT && provider->config->par == SSO_PAR_ON)
        return sso_fail(ctx, SSO_MISCONFIG, 434, "EdxSSOPAR on, and the provider's metadata names "
                        "no pushed_authorization_request_endpoint (EdxSSOEndpoint par)");
    SSO_TRY(rc);
    call.plain_ok = sso_provider_plain_ok(provider, call.url);
    SSO_TRY(sso_client_auth_prove(ctx, provider, 1, form, &call));
    call.body = sso_form_text(form);
    call.body_length = strlen(call.body);
    SSO_TRY(ctx->ports->call(ctx, &call, &reply));
    SSO_TRY(read_answer(ctx, &reply, &request_uri));
    sso_form_add(by_browser, "client_id", provider->config->client_id);
    sso_form_add(by_browser, "request_uri", request_uri);
    *text = sso_form_text(by_browser);
    return SSO_OK;
}
