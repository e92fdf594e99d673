/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signing out at the provider: where the browser goes, what comes back, tokens revoked.
 */
#include "sso_logout.h"

#include "sso_claims.h"
#include "sso_client_auth.h"
#include "sso_jwe.h"

#include <apr_strings.h>
#include <string.h>

#define PURPOSE   "logout state"
#define HINT_MAX  4096 /* servers take request lines of 8 KiB */
#define STATE_MAX 8192
#define CLOCK_SEC 60   /* that hosts of one site may differ by */

/* ---- there ---- */

static const char *claim_text(sso_ctx_t *ctx, const sso_session_t *session, const char *name)
{
    const sso_claim_t *claim = sso_claim_find(&session->claims, name);

    return claim && claim->type == SSO_CLAIM_STRING
               ? sso_claim_value(ctx->pool, &session->claims, claim, "", NULL) : NULL;
}

/* One that was encrypted to us means nothing to the provider, and a long one fits in no URL. */
static const char *hint(const sso_kept_t *kept)
{
    return kept && kept->id && strlen(kept->id) <= HINT_MAX && !sso_jwe_looks(kept->id) ? kept->id
                                                                                      : NULL;
}

/*
 * A provider sends browsers to addresses only that it was told of. Where that is our own logout
 * URL, it brings the state back, and in there is where to go.
 */
sso_rc_e sso_logout_there(sso_ctx_t *ctx, const sso_request_t *request,
                          const sso_session_t *session, const sso_kept_t *kept, const char *next,
                          const char **url)
{
    const sso_provider_t *provider = sso_provider_find(request->site, session->provider);
    const char *own = sso_own_url(ctx, request, apr_pstrcat(ctx->pool, request->site->path,
                                                            "/logout", NULL), NULL);
    const char *landing = provider->config->logout_redirect_url;
    sso_leaving_t leaving = { .id_token = hint(kept) };
    int back = 0;

    *url = NULL;
    if (!provider->kind->logout)
        return SSO_OK;
    if (*landing == '/')
        landing = apr_pstrcat(ctx->pool, request->origin, landing, NULL);
    back = !strcmp(landing, own);
    leaving.return_url = next && !back ? next : landing;
    leaving.login_hint = claim_text(ctx, session, "login_hint");
    SSO_TRY(sso_seal(ctx, request->site->ring, PURPOSE,
                     apr_psprintf(ctx->pool, "%" APR_TIME_T_FMT "\n%s", apr_time_sec(ctx->now),
                                  next && back ? next : ""), &leaving.state));
    *url = provider->kind->logout(ctx, provider, &leaving);
    return SSO_OK;
}

sso_rc_e sso_logout_returned(sso_ctx_t *ctx, const sso_request_t *request, const char *state,
                             const char **next)
{
    apr_int64_t age;
    const char *text;
    char *rest;

    if (strlen(state) > STATE_MAX
        || sso_open(ctx, request->site->ring, PURPOSE, state, &text) != SSO_OK) {
        sso_forgive(ctx);
        return sso_fail(ctx, SSO_BAD_INPUT, 1069, "the state that came back is none of ours");
    }
    age = apr_time_sec(ctx->now) - apr_strtoi64(text, &rest, 10);
    if (age < -CLOCK_SEC || age > apr_time_sec(request->site->config->login_timeout))
        return sso_fail(ctx, SSO_BAD_INPUT, 1070, "the state was made %" APR_INT64_T_FMT " s ago",
                        age);
    *next = rest[0] == '\n' && rest[1] ? rest + 1 : NULL;
    return SSO_OK;
}

/* ---- tokens ---- */

static sso_rc_e revoke_token(sso_ctx_t *ctx, const sso_provider_t *provider, const char *url,
                       const char *const token[2], const sso_http_policy_t *policy)
{
    sso_call_t call = { .what = "revocation", .url = url, .once = 1, .policy = policy };
    sso_form_t *form = sso_form_make(ctx->pool);
    sso_reply_t reply;

    call.plain_ok = sso_provider_plain_ok(provider, url);
    sso_form_add(form, "token", token[1]);
    sso_form_add(form, "token_type_hint", token[0]);
    SSO_TRY(sso_client_auth_prove(ctx, provider, 0, form, &call));
    call.body = sso_form_text(form);
    call.body_length = strlen(call.body);
    SSO_TRY(ctx->ports->call(ctx, &call, &reply));
    if (reply.status != 200)
        return sso_fail(ctx, SSO_UPSTREAM, 1071, "revocation endpoint: status %d", reply.status);
    return SSO_OK;
}

void sso_logout_revoke(sso_ctx_t *ctx, const sso_provider_t *provider, const sso_kept_t *kept)
{
    const char *const tokens[2][2] = { { "refresh_token", kept->refresh },
                                       { "access_token", kept->access } };
    sso_http_policy_t policy = provider->http;
    apr_time_t end = apr_time_now() + policy.total;
    const char *url;
    sso_rc_e rc = SSO_OK;
    int i;

    if ((!kept->refresh && !kept->access))
        return;
    rc = sso_provider_endpoint(ctx, provider, SSO_ENDPOINT_REVOCATION, &url);
    for (i = 0; rc == SSO_OK && i < 2; i++) {
        if (!tokens[i][1] || policy.total <= 0)
            continue;
        rc = revoke_token(ctx, provider, url, tokens[i], &policy);
        policy.total = end - apr_time_now(); /* together they take no longer than one may */
    }
    if (rc != SSO_OK && rc != SSO_ABSENT)
        sso_log(ctx, SSO_LOG_WARN, 1072, "logout: %s: tokens could not be revoked: %s",
                provider->name, ctx->err.text);
    sso_forgive(ctx);
}

/* ---- frames ---- */

void sso_logout_frame(sso_answer_t *answer)
{
    answer->what = SSO_ANSWER_RESPOND;
    answer->status = 200;
    answer->content_type = "text/html; charset=utf-8";
    answer->body = "";
    apr_table_setn(answer->headers, "Cache-Control", "no-store");
    apr_table_setn(answer->headers, "Content-Security-Policy", "default-src 'none'");
    apr_table_setn(answer->headers, "X-Content-Type-Options", "nosniff");
    apr_table_setn(answer->headers, "Referrer-Policy", "no-referrer");
}
