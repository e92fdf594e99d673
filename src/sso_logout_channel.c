/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sessions that the provider ends: in a hidden frame of the browser (OpenID Connect Front-Channel
 * Logout 1.0), which proves nothing and may end only what a sid names, and by a call of its
 * own (Back-Channel Logout 1.0), whose token is judged in full before anything happens.
 */
#include "sso_logout.h"

#include "sso_id_token.h"
#include "sso_json.h"
#include "sso_metrics.h"
#include "sso_revoke.h"

#include <apr_strings.h>
#include <string.h>

#define SEEN_MAX apr_time_from_sec(86400) /* how long a jti is remembered at most */

/* The provider that a URL ends with. */
static sso_rc_e find_provider(sso_ctx_t *ctx, const sso_request_t *request, const char *rest,
                              const sso_provider_t **provider)
{
    const sso_provider_t *found = *rest == '/' ? sso_provider_find(request->site, rest + 1) : NULL;

    if (!found)
        return sso_fail(ctx, SSO_ABSENT, 1073, "there is no provider '%.64s'",
                        *rest ? rest + 1 : rest);
    *provider = found;
    return SSO_OK;
}

/* ---- front-channel ---- */

static int is_issuer(const sso_provider_t *provider, const char *issuer)
{
    return sso_list_has(provider->issuers, issuer)
           || (provider->kind->knows_issuer && provider->kind->knows_issuer(provider, issuer));
}

/* Without a sid it is this browser's session, if the browser sends its cookie along. */
static sso_rc_e end_own(sso_ctx_t *ctx, const sso_request_t *request,
                        const sso_provider_t *provider, int *count)
{
    const sso_session_t *session;
    sso_rc_e rc = sso_request_session(ctx, request, 0, &session);

    if (rc == SSO_OK && !strcmp(session->provider, provider->name)) {
        rc = sso_session_end_found(ctx, request->site, session);
        *count = rc == SSO_OK;
    }
    return rc == SSO_ABSENT ? SSO_OK : rc;
}

sso_rc_e sso_frontchannel_serve(sso_ctx_t *ctx, const sso_request_t *request, const char *rest,
                                sso_answer_t *answer)
{
    const sso_provider_t *provider = NULL;
    const char *sid, *issuer;
    apr_table_t *fields;
    int repeated = 0, again = 0, count = 0;

    SSO_TRY(find_provider(ctx, request, rest, &provider));
    if (!sso_form_parse(ctx->pool, request->query, &fields))
        return sso_fail(ctx, SSO_BAD_INPUT, 1074, "the query cannot be read");
    sid = sso_form_one(fields, "sid", &repeated);
    issuer = sso_form_one(fields, "iss", &again);
    if (repeated || again)
        return sso_fail(ctx, SSO_BAD_INPUT, 1075, "a parameter came more than once");
    if (issuer && *issuer && !is_issuer(provider, issuer))
        return sso_fail(ctx, SSO_BAD_INPUT, 1076, "iss is '%.200s', which is not this provider",
                        issuer);
    SSO_TRY(sid && *sid ? sso_revoke_sid(ctx, request->site, provider->tag, sid, &count)
                        : end_own(ctx, request, provider, &count));
    sso_log(ctx, SSO_LOG_INFO, 1077, "frontchannel-logout: %s: %d session(s) ended",
            provider->name, count > 0 ? count : 0);
    sso_metrics_event(ctx, provider->http.meter, SSO_EVENT_LOGOUT_FRAME);
    sso_logout_frame(answer);
    return SSO_OK;
}

/* ---- back-channel ---- */

static sso_rc_e read_token(sso_ctx_t *ctx, const sso_request_t *request, const char **token)
{
    apr_table_t *fields;
    sso_bytes_t body;
    int repeated = 0;

    if (!sso_request_is_form(request))
        return sso_fail(ctx, SSO_BAD_INPUT, 1078, "a POST that is no form");
    SSO_TRY(request->read_body(ctx, request->baton, SSO_BODY_MAX, &body));
    if (!sso_form_parse(ctx->pool, body.data, &fields)
        || !(*token = sso_form_one(fields, "logout_token", &repeated)) || repeated)
        return sso_fail(ctx, SSO_BAD_INPUT, 1079, "it has not exactly one logout_token");
    return SSO_OK;
}

/* Where it is written down that a token has been seen. */
static sso_rc_e seen_key(sso_ctx_t *ctx, const sso_request_t *request,
                         const sso_provider_t *provider, const json_t *claims,
                         sso_store_key_t *key)
{
    sso_bytes_t parts[] = { sso_bytes("logout token"), sso_bytes(request->site->realm),
                            sso_bytes(provider->tag), sso_bytes(sso_json_text(claims, "jti")) };

    return sso_digest(ctx, parts, SSO_COUNT(parts), key->bytes);
}

/* By sid where the token has one that is known, else all of the person's. */
static sso_rc_e end_sessions(sso_ctx_t *ctx, const sso_request_t *request,
                             const sso_provider_t *provider, const json_t *claims)
{
    const char *sub = sso_json_text(claims, "sub"), *sid = sso_json_text(claims, "sid");
    int count = -1;

    if (sid)
        SSO_TRY(sso_revoke_sid(ctx, request->site, provider->tag, sid, &count));
    if (count < 0 && sub) {
        SSO_TRY(sso_revoke_subject(ctx, request->site, provider->tag, sub));
        sso_log(ctx, SSO_LOG_INFO, 1080, "backchannel-logout: %s: all sessions of sub '%.128s' "
                "ended", provider->name, sub);
    }
    else
        sso_log(ctx, SSO_LOG_INFO, 1081, "backchannel-logout: %s: %d session(s) of a sid ended",
                provider->name, count > 0 ? count : 0);
    return SSO_OK;
}

/*
 * The token counts as seen once what it asks for has been done, so that a provider which is told
 * of a failure can send it again.
 */
static sso_rc_e obey(sso_ctx_t *ctx, const sso_request_t *request, const sso_provider_t *provider,
                     const char *token)
{
    sso_store_item_t item = { .value = "", .class = SSO_STORE_PINNED };
    sso_store_entry_t entry;
    sso_store_key_t key;
    apr_int64_t exp = 0;
    sso_jwt_t *jwt = NULL;
    sso_rc_e rc;

    SSO_TRY(sso_logout_token_check(ctx, provider, token, &jwt));
    SSO_TRY(seen_key(ctx, request, provider, jwt->claims, &key));
    rc = sso_store_get(ctx, ctx->ports->store, &key, 0, &entry);
    if (rc == SSO_OK)
        return sso_fail(ctx, SSO_DENIED, 1082, "the logout token has been used already");
    if (rc != SSO_ABSENT)
        return rc;
    SSO_TRY(end_sessions(ctx, request, provider, jwt->claims));
    sso_json_whole(jwt->claims, "exp", &exp);
    item.expires = exp > apr_time_sec(sso_wall(ctx) + SEEN_MAX)
                       ? ctx->now + SEEN_MAX
                       : apr_time_from_sec(exp + 1) + provider->config->clock_skew
                             - ctx->wall_ahead;
    rc = sso_store_add(ctx, ctx->ports->store, &key, &item);
    return rc == SSO_DENIED ? SSO_OK : rc; /* the same token twice at once: done twice */
}

sso_rc_e sso_backchannel_serve(sso_ctx_t *ctx, const sso_request_t *request, const char *rest,
                               sso_answer_t *answer)
{
    const sso_provider_t *provider = NULL;
    const char *token = NULL, *why;
    sso_rc_e rc;

    SSO_TRY(find_provider(ctx, request, rest, &provider));
    rc = read_token(ctx, request, &token);
    if (rc == SSO_OK)
        rc = obey(ctx, request, provider, token);
    if (rc == SSO_OK) {
        sso_metrics_event(ctx, provider->http.meter, SSO_EVENT_LOGOUT_BACK);
        answer->what = SSO_ANSWER_RESPOND;
        answer->status = 200;
        apr_table_setn(answer->headers, "Cache-Control", "no-store");
        apr_table_setn(answer->headers, "Referrer-Policy", "no-referrer");
        return SSO_OK;
    }
    if (rc == SSO_BAD_INPUT || rc == SSO_DENIED || rc == SSO_ABSENT) { /* 2.8: 400 for all of it */
        why = apr_pstrdup(ctx->pool, ctx->err.text);
        sso_forgive(ctx);
        rc = sso_fail(ctx, SSO_BAD_INPUT, 1068, "%s", *why ? why : "no key fits the logout token");
    }
    return sso_within(ctx, rc, provider->name);
}
