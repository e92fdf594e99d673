/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests that bring their own token: in the Authorization header (RFC 6750), or in the two
 * cookies that an LMS gives to its own pages. What a token is worth is judged by sso_access.c and
 * sso_introspect.c; what has been judged is looked up in sso_verified.c.
 */
#include "sso_credential.h"

#include "sso_access.h"
#include "sso_cookie.h"
#include "sso_fault.h"
#include "sso_introspect.h"
#include "sso_json.h"
#include "sso_resource.h"
#include "sso_verified.h"
#include "sso_step_up.h"
#include "sso_user.h"

#include <apr_strings.h>
#include <string.h>
#include <strings.h>

#define TOKEN_CHARS                                                                               \
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/"
#define KNOWN_MAX apr_time_from_sec(86400) /* how long a text is known to be a token */

/* What a token came as. */
typedef struct shown_t {
    const char *text;
    int jwt; /* it has to be one */
    sso_accepted_t accepted;
} shown_t;

sso_rc_e sso_bearer_read(apr_pool_t *pool, const char *header, const char **token, int *jwt)
{
    apr_size_t scheme = header ? strcspn(header, " \t") : 0, length, all;
    int is_jwt = scheme == 3 && !strncasecmp(header, "JWT", 3);

    if (!is_jwt && (scheme != 6 || strncasecmp(header, "Bearer", 6)))
        return SSO_ABSENT;
    header += scheme;
    header += strspn(header, " ");
    length = strspn(header, TOKEN_CHARS);
    all = length + strspn(header + length, "=");
    if (!length || header[all + strspn(header + all, " ")])
        return SSO_BAD_INPUT;
    *token = apr_pstrmemdup(pool, header, all);
    *jwt = is_jwt;
    return SSO_OK;
}

/* ---- from a token to a record */

/* Members that a token does without, where it is known what they would say. */
static void fill(json_t *claims, const char *name, const char *value)
{
    if (value && !sso_json_text(claims, name))
        json_object_set_new(claims, name, json_string(value));
}

/*
 * The record of a token that is good. Whom an introspection endpoint names by `username` is that
 * user, whatever makes up user names elsewhere; an old LMS's tokens say `username`, too.
 */
static sso_rc_e build(sso_ctx_t *ctx, const sso_request_t *request, const sso_provider_t *provider,
                      const json_t *said, int asked, sso_session_t **session)
{
    const char *username = sso_json_text(said, "username");
    json_t *claims = (json_t *)(apr_uintptr_t)said; /* copied if there is something to change */
    sso_session_t *made = NULL;
    sso_rc_e rc;

    claims = asked || username ? json_copy(claims) : json_incref(claims);
    if (asked)
        json_object_del(claims, "active");
    if (username && (asked || provider->kind == &sso_kind_edx))
        fill(claims, "preferred_username", username);
    if (asked) {
        fill(claims, "iss", provider->issuers ? APR_ARRAY_IDX(provider->issuers, 0, const char *)
                                              : NULL);
        if (provider->kind->user) /* which makes up names of it */
            fill(claims, "sub", username);
        else if (!username) /* RFC 7662 2.2: an answer has either, or both */
            fill(claims, "preferred_username", sso_json_text(said, "sub"));
    }
    rc = sso_session_build(ctx, request->site, provider, claims, &made);
    if (rc == SSO_OK && asked && username && !provider->idmap) {
        if (sso_user_control(username))
            rc = sso_fail(ctx, SSO_BAD_INPUT, 1137, "its username has control characters");
        made->remote_user = made->username = apr_pstrdup(ctx->pool, username);
    }
    json_decref(claims);
    if (rc == SSO_OK)
        *session = made;
    return rc;
}

static void set_ends(sso_ctx_t *ctx, const json_t *claims, int asked, sso_session_t *session)
{
    apr_int64_t exp;

    session->ends = ctx->now + KNOWN_MAX;
    if (sso_json_whole(claims, "exp", &exp) && exp < apr_time_sec(sso_wall(ctx) + KNOWN_MAX))
        session->ends = apr_time_from_sec(exp) - ctx->wall_ahead;
    if (asked) /* somebody may revoke it at any time */
        session->access_expires = ctx->now + SSO_VERIFIED_FRESH;
}

static sso_rc_e judge(sso_ctx_t *ctx, const sso_request_t *request, const shown_t *shown,
                      const sso_verdict_t *verdict, int known, const sso_session_t **session)
{
    const sso_provider_t *provider = NULL;
    const json_t *claims = NULL;
    sso_session_t *made = NULL;
    int asked = !sso_jwt_looks(shown->text);
    sso_rc_e rc;

    if (!asked)
        rc = sso_access_check(ctx, &shown->accepted, shown->text, &provider, &claims);
    else if (shown->jwt)
        rc = sso_fail(ctx, SSO_BAD_INPUT, 1133, "they are no JWT");
    else
        rc = sso_introspect(ctx, &shown->accepted, shown->text, known, &provider, &claims);
    if (rc == SSO_OK)
        rc = build(ctx, request, provider, claims, asked, &made);
    if (rc == SSO_OK) {
        set_ends(ctx, claims, asked, made);
        sso_verified_keep(ctx, request->site, provider, verdict, made);
        *session = made;
    }
    /* a key that is not known yet may be there in a moment */
    else if ((rc == SSO_BAD_INPUT || rc == SSO_DENIED) && ctx->err.number != 160)
        sso_verified_refuse(ctx, request->site, verdict, known);
    return rc;
}

static sso_rc_e find(sso_ctx_t *ctx, const sso_request_t *request, const shown_t *shown,
                     const sso_session_t **session)
{
    sso_verdict_t verdict = { .token = shown->text };
    int known;
    sso_rc_e rc;

    SSO_TRY(sso_verified_key(ctx, request->site, shown->accepted.names, &verdict));
    rc = sso_verified_find(ctx, request->site, &verdict, &known, session);
    return rc == SSO_ABSENT ? judge(ctx, request, shown, &verdict, known, session) : rc;
}

/* ---- the Authorization header */

sso_rc_e sso_bearer_find(sso_ctx_t *ctx, const sso_request_t *request, sso_found_t *found)
{
    shown_t shown = { NULL, 0, { request->site->providers, request->place->use, request->peer } };
    sso_rc_e rc = sso_bearer_read(ctx->pool, apr_table_get(request->headers, "Authorization"),
                                  &shown.text, &shown.jwt);

    found->why = SSO_T("no bearer token came with the request");
    if (rc == SSO_BAD_INPUT)
        return sso_fail(ctx, rc, 1132, "the Authorization header has no token, or more than one");
    SSO_TRY(rc);
    if (shown.jwt && !sso_jwt_looks(shown.text))
        return sso_fail(ctx, SSO_DENIED, 1136, "bearer token refused: it is no JWT, and the scheme "
                        "says so");
    rc = find(ctx, request, &shown, &found->session);
    if (rc == SSO_OK) {
        found->bearer = 1;
        found->token = shown.text;
    }
    if ((rc == SSO_DENIED || rc == SSO_BAD_INPUT) && ctx->err.number != SSO_ACCESS_RESTRICTED) {
        const char *why = apr_psprintf(ctx->pool, "%s (%d)", ctx->err.text, ctx->err.number);

        sso_forgive(ctx); /* whatever was wrong with it, to the client it is an invalid token */
        return sso_fail(ctx, SSO_DENIED, 1131, "bearer token refused: %s", why);
    }
    return sso_within(ctx, rc, "bearer token");
}

/* ---- the LMS's cookies */

/* Both halves of one provider's, joined. Two different ones of a name count as none. */
static sso_rc_e join_cookies(sso_ctx_t *ctx, const sso_request_t *request,
                             const sso_provider_t *provider, sso_found_t *found, const char **token)
{
    const char *const *names = (const char *const *)(const void *)
                               provider->config->jwt_cookies->elts;
    const char *halves[2];
    int i, there = 0;

    for (i = 0; i < 2; i++) {
        sso_rc_e rc = sso_cookie_find(ctx->pool, request->cookies, names[i], &halves[i]);

        if (rc == SSO_DENIED) {
            found->why = SSO_T("two different JWT cookies of one name came");
            return SSO_ABSENT;
        }
        there += rc == SSO_OK;
    }
    if (there == 1)
        found->why = SSO_T("one of the two JWT cookies is missing");
    if (there < 2)
        return SSO_ABSENT;
    *token = apr_pstrcat(ctx->pool, halves[0], ".", halves[1], NULL);
    return SSO_OK;
}

static int is_safe(const char *method)
{
    return !strcmp(method, "GET") || !strcmp(method, "HEAD") || !strcmp(method, "OPTIONS")
           || !strcmp(method, "TRACE");
}

/*
 * Whether the request may come from where it comes from. A WebSocket is opened by GET and can do
 * anything then: browsers name the page's origin, which other clients need not.
 */
static int is_own_doing(sso_ctx_t *ctx, const sso_request_t *request)
{
    int safe = is_safe(request->method);

    return (safe && !apr_table_get(request->headers, "Upgrade"))
           || sso_request_same_origin(ctx, request, safe);
}

static sso_rc_e try_cookies(sso_ctx_t *ctx, const sso_request_t *request,
                            const sso_provider_t *provider, sso_found_t *found)
{
    apr_array_header_t *only = apr_array_make(ctx->pool, 2, sizeof(const char *));
    shown_t shown = { NULL, 1, { request->site->providers, only, request->peer } };
    sso_rc_e rc;

    SSO_TRY(join_cookies(ctx, request, provider, found, &shown.text));
    APR_ARRAY_PUSH(only, const char *) = "";  /* a list that no EdxSSOUse can be */
    APR_ARRAY_PUSH(only, const char *) = provider->name;
    rc = find(ctx, request, &shown, &found->session);
    if (rc == SSO_DENIED || rc == SSO_BAD_INPUT) {
        found->why = apr_psprintf(ctx->pool, "the JWT cookies do not count: %s", ctx->err.text);
        sso_forgive(ctx);
        return SSO_ABSENT;
    }
    SSO_TRY(rc);
    if (is_own_doing(ctx, request)) {
        found->token = shown.text;
        return SSO_OK;
    }
    found->session = NULL;
    return sso_fail(ctx, SSO_DENIED, 1134, "%s: %.20s by JWT cookies from another site, or from "
                    "one that does not say which it is", provider->name, request->method);
}

sso_rc_e sso_jwt_cookie_find(sso_ctx_t *ctx, const sso_request_t *request, sso_found_t *found)
{
    const sso_accepted_t accepted = { request->site->providers, request->place->use, NULL };
    int i;

    found->why = SSO_T("no JWT cookies came with the request");
    for (i = 0; i < accepted.providers->nelts; i++) {
        const sso_provider_t *provider = APR_ARRAY_IDX(accepted.providers, i,
                                                       const sso_provider_t *);
        sso_rc_e rc;

        if (provider->kind != &sso_kind_edx || !sso_access_takes(&accepted, provider))
            continue;
        rc = try_cookies(ctx, request, provider, found);
        if (rc != SSO_ABSENT)
            return rc;
    }
    return SSO_ABSENT;
}

/* ---- what is answered */

/* Whether a token may also come as `Authorization: JWT`, as it does among an LMS's services. */
static int takes_jwt_scheme(const sso_request_t *request)
{
    const sso_accepted_t accepted = { request->site->providers, request->place->use, NULL };
    int i;

    if (!sso_list_has(request->place->credentials, "bearer"))
        return 0;
    for (i = 0; i < accepted.providers->nelts; i++) {
        const sso_provider_t *provider = APR_ARRAY_IDX(accepted.providers, i,
                                                       const sso_provider_t *);

        if (provider->kind == &sso_kind_edx && sso_access_takes(&accepted, provider))
            return 1;
    }
    return 0;
}

void sso_bearer_challenge(sso_ctx_t *ctx, const sso_request_t *request, const char *scope,
                          sso_answer_t *answer)
{
    const sso_fault_t *fault = sso_fault_find(&ctx->err);
    const char *metadata = sso_resource_url(ctx, request);
    const char *text = apr_psprintf(ctx->pool, "Bearer realm=\"%s\"", request->origin);

    if (fault->status != 401 && !sso_fault_is_token(&ctx->err))
        return;
    if (sso_fault_is_token(&ctx->err)) /* who brings no token has made no error (RFC 6750 3.1) */
        text = apr_pstrcat(ctx->pool, text, ", error=\"", fault->code, "\", error_description=\"",
                           fault->text, "\"", NULL);
    if (ctx->err.number == SSO_STEP_UP_WEAK) /* RFC 9470 3 */
        text = apr_pstrcat(ctx->pool, text, ", error=\"", fault->code, "\", error_description=\"",
                           fault->text, "\", acr_values=\"",
                           apr_array_pstrcat(ctx->pool, request->place->step_up, ' '), "\"", NULL);
    if (scope)
        text = apr_pstrcat(ctx->pool, text, ", scope=\"", scope, "\"", NULL);
    if (metadata)
        text = apr_pstrcat(ctx->pool, text, ", resource_metadata=\"", metadata, "\"", NULL);
    apr_table_addn(answer->headers, "WWW-Authenticate", text);
    if (takes_jwt_scheme(request))
        apr_table_addn(answer->headers, "WWW-Authenticate",
                       apr_psprintf(ctx->pool, "JWT realm=\"%s\"", request->origin));
}
