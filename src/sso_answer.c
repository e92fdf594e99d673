/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one door: which endpoint, what a place says to whom, and what a failure becomes. The flows
 * themselves are in sso_login.c, sso_callback.c, sso_logout.c, credentials in sso_credential.c.
 */
#include "sso_answer.h"

#include "sso_cookie.h"
#include "sso_credential.h"
#include "sso_fault.h"
#include "sso_flow.h"
#include "sso_jar.h"
#include "sso_json.h"
#include "sso_metrics.h"
#include "sso_page.h"
#include "sso_pass.h"
#include "sso_photo.h"
#include "sso_replay.h"
#include "sso_step_up.h"
#include "sso_url.h"

#include <apr_strings.h>
#include <string.h>
#include <strings.h>

#define CHOICE_LIFE apr_time_from_sec(180 * 24 * 3600)

/* ---- the request ---- */

int sso_request_secure(const sso_request_t *request)
{
    return !strncmp(request->origin, "https:", 6);
}

sso_rc_e sso_request_cookie(sso_ctx_t *ctx, const sso_request_t *request, sso_cookie_e which,
                            const char **value)
{
    return sso_cookie_find(ctx->pool, request->cookies,
                           sso_site_cookie(request->site, sso_request_secure(request), which),
                           value);
}

int sso_request_navigates(const sso_request_t *request)
{
    const char *mode = apr_table_get(request->headers, "Sec-Fetch-Mode");
    const char *accept = apr_table_get(request->headers, "Accept");

    if (apr_table_get(request->headers, "X-Requested-With")
        || apr_table_get(request->headers, "Upgrade"))
        return 0;
    if (strcmp(request->method, "GET") && strcmp(request->method, "HEAD")
        && strcmp(request->method, "POST"))
        return 0;
    if (mode)
        return !strcmp(mode, "navigate");
    return accept && (strstr(accept, "text/html") || strstr(accept, "application/xhtml+xml"));
}

int sso_request_is_form(const sso_request_t *request)
{
    static const char form[] = "application/x-www-form-urlencoded";
    const char *type = apr_table_get(request->headers, "Content-Type");
    apr_size_t length = sizeof(form) - 1;

    return type && !strncasecmp(type, form, length)
           && (!type[length] || strchr("; \t", type[length]));
}

/* On the module's own pages only who asks for JSON gets it */
static int wants_json(const sso_request_t *request)
{
    const char *accept = apr_table_get(request->headers, "Accept");

    return accept && strstr(accept, "json") && !strstr(accept, "text/html");
}

sso_rc_e sso_request_session(sso_ctx_t *ctx, const sso_request_t *request, int touch,
                             const sso_session_t **session)
{
    const char *id;

    if (sso_request_cookie(ctx, request, SSO_COOKIE_SESSION, &id) != SSO_OK)
        return SSO_ABSENT;
    return sso_request_session_of(ctx, request, id, touch, session);
}

sso_rc_e sso_request_session_of(sso_ctx_t *ctx, const sso_request_t *request, const char *id,
                                int touch, const sso_session_t **session)
{
    sso_brought_t brought = { id, { NULL, 0 } };

    if (request->site->config->sessions == SSO_SESSIONS_COOKIE)
        sso_jar_read(ctx, request, &brought);
    return sso_session_find_brought(ctx, request->site, &brought, touch, session);
}

int sso_request_same_origin(sso_ctx_t *ctx, const sso_request_t *request, int unknown)
{
    const char *site = apr_table_get(request->headers, "Sec-Fetch-Site");
    const char *origin = apr_table_get(request->headers, "Origin");
    const char *referer = apr_table_get(request->headers, "Referer");
    sso_url_t from, own;

    if (site)
        return !strcmp(site, "same-origin") || (unknown && !strcmp(site, "none"));
    if (!origin && !referer)
        return unknown;
    return sso_url_parse(ctx->pool, origin ? origin : referer, &from) == SSO_OK
           && sso_url_parse(ctx->pool, request->origin, &own) == SSO_OK
           && sso_url_same_origin(&from, &own);
}

sso_rc_e sso_request_return(sso_ctx_t *ctx, const sso_request_t *request, const char *text,
                            const char **absolute)
{
    sso_return_rule_t rule = { request->origin, request->site->config->return_hosts,
                               request->site->path, request->site->own_paths };
    sso_rc_e rc = sso_return_check(ctx, &rule, text, absolute);

    if (rc == SSO_ABSENT) {
        *absolute = apr_pstrcat(ctx->pool, request->origin, "/", NULL);
        rc = SSO_OK;
    }
    return rc;
}

void sso_request_params(sso_ctx_t *ctx, const sso_request_t *request, const apr_table_t *params,
                        sso_form_t *form)
{
    const apr_array_header_t *rows = params ? apr_table_elts(params) : NULL;
    int i;

    for (i = 0; rows && i < rows->nelts; i++) {
        const apr_table_entry_t *row = &APR_ARRAY_IDX(rows, i, apr_table_entry_t);
        const char *value = request->expand ? request->expand(ctx, request->baton, row->val)
                                            : row->val;

        /* what this sign-in has of its own (a hint, a step-up) stands; no parameter comes twice */
        if (value && *value && !sso_form_has(form, row->key))
            sso_form_add(form, row->key, value);
    }
}

/* ---- the answer ---- */

/* An answer that is posted comes from the provider's site, and brings no cookie that is Lax. */
static int crosses_sites(const sso_site_t *site)
{
    int i;

    for (i = 0; i < site->providers->nelts; i++)
        if (APR_ARRAY_IDX(site->providers, i, sso_provider_t *)->config->response_mode
            == SSO_RESPONSE_FORM_POST)
            return 1;
    return 0;
}

void sso_answer_cookie_as(sso_ctx_t *ctx, const sso_request_t *request, sso_cookie_e which,
                          const char *name, const char *value, sso_answer_t *answer)
{
    static const char *const same_site[] = { "Lax", "Strict", "None" };
    const sso_config_t *config = request->site->config;
    int session = which == SSO_COOKIE_SESSION, secure = sso_request_secure(request);
    int posted = which == SSO_COOKIE_LOGIN && secure && crosses_sites(request->site);
    sso_cookie_t cookie = {
        .name = name,
        .value = value,
        .path = session ? config->cookie_path : "/",
        .domain = session ? config->cookie_domain : NULL,
        .same_site = session ? same_site[config->cookie_same_site] : posted ? "None" : "Lax",
        .max_age = !*value ? 0 : session ? -1 : which == SSO_COOKIE_LOGIN ? config->login_timeout
                                                                         : CHOICE_LIFE,
        .secure = secure
    };

    apr_table_addn(answer->headers, "Set-Cookie", sso_cookie_print(ctx->pool, &cookie));
}

void sso_answer_cookie(sso_ctx_t *ctx, const sso_request_t *request, sso_cookie_e which,
                       const char *value, sso_answer_t *answer)
{
    sso_answer_cookie_as(ctx, request, which,
                         sso_site_cookie(request->site, sso_request_secure(request), which),
                         value, answer);
}

void sso_answer_redirect(sso_ctx_t *ctx, const sso_request_t *request, const char *url,
                         sso_answer_t *answer)
{
    (void)ctx;
    answer->what = SSO_ANSWER_RESPOND;
    answer->status = !strcmp(request->method, "GET") || !strcmp(request->method, "HEAD") ? 302
                                                                                         : 303;
    answer->content_type = NULL;
    answer->body = "";
    apr_table_setn(answer->headers, "Location", url);
    apr_table_setn(answer->headers, "Cache-Control", "no-store");
    apr_table_setn(answer->headers, "Referrer-Policy", "no-referrer");
}

void sso_answer_json(sso_ctx_t *ctx, int status, const char *text, sso_answer_t *answer)
{
    answer->what = SSO_ANSWER_RESPOND;
    answer->status = status;
    answer->content_type = "application/json";
    answer->body = apr_pstrcat(ctx->pool, text, "\n", NULL);
    apr_table_setn(answer->headers, "Cache-Control", "no-store");
    apr_table_setn(answer->headers, "X-Content-Type-Options", "nosniff");
}

const char *sso_own_url(sso_ctx_t *ctx, const sso_request_t *request, const char *path,
                        const char *form_text)
{
    return apr_pstrcat(ctx->pool, request->origin, path, form_text && *form_text ? "?" : "",
                       form_text ? form_text : "", NULL);
}

void sso_answer_start(sso_ctx_t *ctx, sso_answer_t *answer)
{
    memset(answer, 0, sizeof(*answer));
    answer->headers = apr_table_make(ctx->pool, 8);
    answer->body = "";
}

/* Without an origin of our own nothing can be said: no cookie has a name, no URL a host. */
static sso_rc_e check_origin(sso_ctx_t *ctx, const sso_request_t *request)
{
    if (request->origin)
        return SSO_OK;
    return sso_fail(ctx, SSO_BAD_INPUT, 685, "a forwarded host is neither ServerName nor "
                    "ServerAlias, nor in EdxSSOReturnHosts");
}

/* ---- the module's own URLs ---- */

typedef struct endpoint_t {
    const char *name;    /* the path's first segment under EdxSSOPath */
    const char *methods; /* "GET HEAD" */
    int json;            /* failures as JSON, whoever asks */
    int named;           /* the NAME of a provider follows */
    sso_rc_e (*serve)(sso_ctx_t *ctx, const sso_request_t *request, const char *rest,
                      sso_answer_t *answer);
} endpoint_t;

static const endpoint_t endpoints[] = {
    { "login", "GET HEAD POST", 0, 0, sso_login_serve },
    { "callback", "GET POST", 0, 1, sso_callback_serve },
    { "complete", "GET POST", 0, 0, sso_complete_serve },
    { "idmapping", "GET HEAD", 1, 1, sso_mapping_serve },
    { "logout", "GET POST", 0, 0, sso_logout_serve },
    { "frontchannel-logout", "GET", 0, 1, sso_frontchannel_serve },
    { "backchannel-logout", "POST", 1, 1, sso_backchannel_serve },
    { "replay", "GET HEAD", 0, 0, sso_replay_serve },
    { "session", "GET HEAD POST", 1, 0, sso_own_session_serve },
    { "photo", "GET HEAD", 0, 0, sso_photo_serve },
    { "jwks.json", "GET HEAD", 1, 0, sso_own_keys_serve },
};

/* It is asked of every request, and the second byte is mostly the answer. */
static int under(const char *path, const char *prefix)
{
    while (*prefix && *path == *prefix) {
        path++;
        prefix++;
    }
    return !*prefix && (*path == '/' || !*path);
}

int sso_answer_owns(const sso_site_t *site, const char *path)
{
    return under(path, site->path) || sso_list_has(site->own_paths, path);
}

int sso_answer_guarded(const sso_site_t *site, const sso_config_t *place, const char *path)
{
    apr_size_t length = strlen(site->path);

    return place && place->id_mapping_service && under(path, site->path)
           && under(path + length, "/idmapping");
}

/* The endpoint of a path, and what stands after its name. */
static const endpoint_t *find_endpoint(const sso_request_t *request, const char **rest)
{
    const char *path = request->path;
    unsigned i;

    if (sso_list_has(request->site->own_paths, path)) {
        *rest = path;
        return &endpoints[1];
    }
    if (!under(path, request->site->path))
        return NULL;
    path += strlen(request->site->path);
    for (i = 0; *path == '/' && i < SSO_COUNT(endpoints); i++) {
        apr_size_t length = strlen(endpoints[i].name);

        if (strncmp(path + 1, endpoints[i].name, length))
            continue;
        *rest = path + 1 + length;
        if (!**rest || (**rest == '/' && endpoints[i].named))
            return &endpoints[i];
    }
    return NULL;
}

static int allowed(const char *methods, const char *method)
{
    const char *found = strstr(methods, method);
    apr_size_t length = strlen(method);

    return found && (found == methods || found[-1] == ' ')
           && (!found[length] || found[length] == ' ');
}

static sso_rc_e serve_own(sso_ctx_t *ctx, const sso_request_t *request, const endpoint_t *endpoint,
                          const char *rest, sso_answer_t *answer)
{
    if (!endpoint)
        return sso_fail(ctx, SSO_ABSENT, 682, "'%.200s' is none of the module's URLs",
                        request->path);
    SSO_TRY(check_origin(ctx, request));
    if (!allowed(endpoint->methods, request->method)) {
        apr_table_setn(answer->headers, "Allow", apr_array_pstrcat(
            ctx->pool, sso_words(ctx->pool, endpoint->methods), ','));
        return sso_fail(ctx, SSO_BAD_INPUT, 683, "%s: method %.20s is not %s", endpoint->name,
                        request->method, endpoint->methods);
    }
    return sso_within(ctx, endpoint->serve(ctx, request, rest, answer), endpoint->name);
}

void sso_answer_own(sso_ctx_t *ctx, const sso_request_t *request, sso_answer_t *answer)
{
    const char *rest = "";
    const endpoint_t *endpoint = find_endpoint(request, &rest);

    sso_answer_start(ctx, answer);
    if (serve_own(ctx, request, endpoint, rest, answer) == SSO_OK)
        return;
    sso_page_fault(ctx, request, (endpoint && endpoint->json) || wants_json(request), answer);
}

/* ---- places that need sign-in ---- */

/* Nobody is signed in: what that means here. */
static sso_rc_e answer_nobody(sso_ctx_t *ctx, const sso_request_t *request, const char *why,
                              sso_answer_t *answer)
{
    const char *next, *replay = NULL;
    int mode = request->place->unauthenticated;

    if (mode == SSO_UNAUTH_PASS)
        return SSO_OK; /* an answer starts as PASS, without a session */
    if (mode == SSO_UNAUTH_403)
        return sso_fail(ctx, SSO_DENIED, 681, "%s: %s", request->path, why);
    /* where no session counts, signing in would lead back here as nobody */
    if (mode == SSO_UNAUTH_401
        || (mode == SSO_UNAUTH_AUTO && (!sso_request_navigates(request)
                                        || !sso_list_has(request->place->credentials,
                                                         "session"))))
        return sso_fail(ctx, SSO_DENIED, 680, "%s: %s", request->path, why);
    /* as an absolute URL: a path that begins with // is a path there, and a host elsewhere */
    if (sso_request_return(ctx, request, apr_pstrcat(ctx->pool, request->origin, request->target,
                                                     NULL), &next) != SSO_OK) {
        sso_forgive(ctx); /* an address that no link may lead to can be asked for all the same */
        next = apr_pstrcat(ctx->pool, request->origin, "/", NULL);
    }
    if (!request->replay)
        SSO_TRY(sso_replay_keep(ctx, request, answer, &replay));
    else if (sso_replay_is_id(request->replay)) /* signed out meanwhile: the form waits on */
        replay = request->replay;
    return sso_login_send(ctx, request, next, replay, why, answer);
}

/* Somebody is signed in, and not as this place wants it (EdxSSOStepUp): as good as nobody. */
static sso_rc_e answer_weak(sso_ctx_t *ctx, const sso_request_t *request, const sso_found_t *found,
                            sso_answer_t *answer)
{
    static const char why[] = SSO_T("the sign-in was not of the kind that this page needs");
    int mode = request->place->unauthenticated;

    if (found->bearer || mode == SSO_UNAUTH_401
        || (mode == SSO_UNAUTH_AUTO && !sso_request_navigates(request)))
        return sso_fail(ctx, SSO_DENIED, 1084, "%s: '%.128s': %s (EdxSSOStepUp)",
                        request->path, found->session->remote_user, why);
    return answer_nobody(ctx, request, why, answer);
}

int sso_request_preflight(const sso_request_t *request)
{
    return request->place->preflight == SSO_PREFLIGHT_PASS && !strcmp(request->method, "OPTIONS")
           && apr_table_get(request->headers, "Origin")
           && apr_table_get(request->headers, "Access-Control-Request-Method");
}

static sso_rc_e serve_place(sso_ctx_t *ctx, const sso_request_t *request, sso_answer_t *answer)
{
    sso_found_t found;
    sso_rc_e rc;

    SSO_TRY(check_origin(ctx, request));
    if (!request->site->providers->nelts)
        return sso_fail(ctx, SSO_MISCONFIG, 686, "AuthType edxsso without any <EdxSSOProvider> in "
                        "this virtual host");
    rc = sso_credential_find(ctx, request, &found);
    if (rc == SSO_ABSENT)
        return answer_nobody(ctx, request, found.why, answer);
    SSO_TRY(rc);
    if (request->place->step_up && !sso_step_up_strong(found.session, request->place->step_up))
        return answer_weak(ctx, request, &found, answer);
    if (request->replay)
        SSO_TRY(sso_replay_take(ctx, request, &answer->replay));
    answer->session = found.session;
    answer->bearer = found.bearer;
    answer->tokens = sso_pass_find(ctx, request, &found);
    sso_jar_write(ctx, request, found.session, answer);
    return SSO_OK;
}

/* What an answer is to those who count. */
static sso_request_result_e result_of(const sso_answer_t *answer)
{
    if (answer->what == SSO_ANSWER_PASS)
        return answer->session ? SSO_REQUEST_SIGNED_IN : SSO_REQUEST_NOBODY;
    return answer->status < 400   ? SSO_REQUEST_SIGN_IN
           : answer->status < 500 ? SSO_REQUEST_REFUSED
                                  : SSO_REQUEST_FAILED;
}

/* What a place answers with to a failure: with a token it is a program that reads it. */
static void place_fault(sso_ctx_t *ctx, const sso_request_t *request, const char *scope,
                        sso_answer_t *answer)
{
    int bearer = sso_fault_is_token(&ctx->err);

    if (request->origin)
        sso_bearer_challenge(ctx, request, scope, answer);
    sso_page_fault(ctx, request, bearer || !sso_request_navigates(request), answer);
}

void sso_answer_place(sso_ctx_t *ctx, const sso_request_t *request, sso_answer_t *answer)
{
    sso_answer_start(ctx, answer);
    if (serve_place(ctx, request, answer) != SSO_OK)
        place_fault(ctx, request, NULL, answer);
    sso_metrics_request(ctx, result_of(answer));
}

void sso_answer_demand(sso_ctx_t *ctx, const sso_request_t *request, sso_answer_t *answer)
{
    sso_config_t *place = apr_pmemdup(ctx->pool, request->place, sizeof(*place));
    sso_request_t demanding = *request;

    place->unauthenticated = SSO_UNAUTH_AUTO;
    demanding.place = place;
    sso_answer_start(ctx, answer);
    if (answer_nobody(ctx, &demanding, "a Require line needs a user", answer) != SSO_OK)
        place_fault(ctx, &demanding, NULL, answer);
}

void sso_answer_refuse_bearer(sso_ctx_t *ctx, const sso_request_t *request,
                              const sso_session_t *session, const char *scope,
                              sso_answer_t *answer)
{
    sso_answer_start(ctx, answer);
    if (scope)
        sso_fail(ctx, SSO_DENIED, 1135, "%s: the token of '%.128s' lacks the scope '%.128s'",
                 request->path, session->remote_user, scope);
    else
        sso_fail(ctx, SSO_DENIED, 1138, "%s: '%.128s' has a token, but no Require line lets them "
                 "in", request->path, session->remote_user);
    place_fault(ctx, request, scope, answer);
}

void sso_answer_refuse(sso_ctx_t *ctx, const sso_request_t *request, const sso_session_t *session,
                       sso_answer_t *answer)
{
    sso_form_t *form = sso_form_make(ctx->pool);

    sso_answer_start(ctx, answer);
    ctx->err.say.text = SSO_T("You are signed in as %s.");
    ctx->err.say.value = session->remote_user;
    if (request->origin) {
        sso_form_add(form, "next", apr_pstrcat(ctx->pool, request->origin, request->target, NULL));
        answer->retry = sso_own_url(ctx, request, apr_pstrcat(ctx->pool, request->site->path,
                                                              "/logout", NULL),
                                    sso_form_text(form));
        answer->retry_label = SSO_T("Sign out, to use another account");
    }
    sso_fail(ctx, SSO_DENIED, 689, "%s: '%.128s' is signed in, but no Require line lets them in",
             request->path, session->remote_user);
    sso_page_fault(ctx, request, !sso_request_navigates(request), answer);
}
