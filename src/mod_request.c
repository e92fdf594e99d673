/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request: headers scrubbed, the module's own URLs served, places protected. All decisions are
 * sso_answer.c's.
 */
#include "mod_glue.h"

#include "sso_fault.h"
#include "sso_metrics.h"
#include "sso_pass.h"
#include "sso_resource.h"

#include <apr_lib.h>
#include <apr_strings.h>

/* ---- httpd's request as the core sees it ---- */

request_rec *mod_request_original(request_rec *r)
{
    while (r->prev || r->main)
        r = r->prev ? r->prev : r->main;
    return r;
}

static const char *expand(sso_ctx_t *ctx, void *baton, const char *expression)
{
    const ap_expr_info_t *parsed = mod_config_expression(expression);
    const char *error = NULL, *value = parsed ? ap_expr_str_exec(baton, parsed, &error) : NULL;

    if (error)
        sso_log(ctx, SSO_LOG_WARN, 905, "the expression '%s' failed: %s", expression, error);
    return error ? NULL : value;
}

void mod_request_fill(request_rec *r, const sso_site_t *site, sso_request_t *request)
{
    request_rec *first = mod_request_original(r);

    request->site = site;
    request->place = ap_get_module_config(r->per_dir_config, &auth_edxsso_module);
    request->method = r->method;
    request->origin = mod_origin(r, site);
    request->path = mod_request_state(r)->own ? mod_request_state(r)->path : r->uri;
    request->query = r->args;
    request->peer = r->useragent_ip;
    request->target = first->parsed_uri.path ? first->parsed_uri.path : "/";
    if (first->parsed_uri.query)
        request->target = mod_join(r->pool, request->target, "?", first->parsed_uri.query);
    /* as they came; where none of ours was among them, the header is what it was */
    request->cookies = mod_request_state(first)->cookies ? mod_request_state(first)->cookies
                                                : apr_table_get(r->headers_in, "Cookie");
    request->resource = mod_resource_of(r, request->place);
    request->headers = r->headers_in;
    request->read_body = mod_body_read;
    request->replay = mod_request_state(first)->replay;
    request->expand = expand;
    request->baton = r;
}

/* ---- the core's answer as httpd sends it ---- */

void mod_request_log(request_rec *r, const sso_ctx_t *ctx, const sso_answer_t *answer)
{
    /*
     * nobody signed in, or nothing there, is everyday life; a token that is refused, what is ours
     * or a provider's fault is not
     */
    int level = (answer->status == HTTP_UNAUTHORIZED && !sso_fault_is_token(&ctx->err))
                        || answer->status == HTTP_NOT_FOUND
                    ? APLOG_INFO
                    : answer->status >= 500 ? APLOG_ERR : APLOG_WARNING;

    sso_metrics_number(ctx, ctx->err.number);
    ap_log_rerror(APLOG_MARK, level, 0, r, "SSO%04d: %s [error id %s]", ctx->err.number,
                  ctx->err.text, answer->error_id ? answer->error_id : "none");
}

static int add_header(void *table, const char *name, const char *value)
{
    apr_table_addn(table, name, value);
    return 1;
}

/* Cookies and the like that go with whatever the request ends in. */
static void add_headers(request_rec *r, const sso_answer_t *answer)
{
    if (!apr_is_empty_table(answer->headers))
        apr_table_do(add_header, r->err_headers_out, answer->headers, NULL);
}

int mod_request_send(request_rec *r, const sso_answer_t *answer)
{
    apr_size_t length = answer->body_length ? answer->body_length : strlen(answer->body);
    int rv;

    r->status = answer->status; /* first: a refused request gets no "100 Continue" for its body */
    rv = ap_discard_request_body(r);
    if (rv != OK)
        return rv;
    add_headers(r, answer);
    r->no_cache = 1;
    if (answer->content_type)
        ap_set_content_type(r, answer->content_type);
    ap_set_content_length(r, (apr_off_t)length);
    ap_rwrite(answer->body, (int)length, r);
    ap_rflush(r);
    return DONE;
}

/* ---- the module's own URLs ---- */

mod_request_t *mod_request_claim(request_rec *r)
{
    mod_request_t *state = mod_request_state(r);

    if (!mod_site_of(r))
        return NULL;
    state->own = 1;
    state->path = apr_pstrdup(r->pool, r->uri);
    r->handler = MOD_AUTH_TYPE; /* mod_dir's FallbackResource takes what has none */
    r->filename = apr_pstrcat(r->pool, "edxsso:", r->uri, NULL);
    return state;
}

int mod_request_translate(request_rec *r)
{
    const sso_site_t *site = mod_site_of(r);

    if (!site || r->main || !sso_answer_owns(site, r->uri))
        return DECLINED;
    mod_request_claim(r);
    return OK;
}

static int is_own(request_rec *r)
{
    const mod_request_t *state = ap_get_module_config(r->request_config, &auth_edxsso_module);

    return state && state->own && !mod_status_here(r); /* metrics are as their place says */
}

int mod_request_map(request_rec *r)
{
    return is_own(r) ? OK : DECLINED; /* there is no file behind it */
}

int mod_request_access_own(request_rec *r)
{
    const sso_config_t *place = ap_get_module_config(r->per_dir_config, &auth_edxsso_module);

    if (!is_own(r) || sso_answer_guarded(mod_site_of(r), place, mod_request_state(r)->path))
        return DECLINED;
    return OK; /* nobody has to be signed in to sign in */
}

static int serve(request_rec *r)
{
    sso_ctx_t ctx = { .pool = r->pool };
    sso_request_t request;
    sso_answer_t answer;

    mod_clock_set(&ctx);
    ctx.ports = mod_site_ports(r->pool, r->server, r);
    mod_request_fill(r, mod_site_of(r), &request);
    if (mod_request_state(r)->resource)
        sso_answer_resource(&ctx, &request, &answer);
    else
        sso_answer_own(&ctx, &request, &answer);
    if (ctx.err.rc != SSO_OK)
        mod_request_log(r, &ctx, &answer);
    return mod_request_send(r, &answer) == DONE ? OK : HTTP_BAD_REQUEST;
}

/* Every request of this server comes by: nothing is set up before it is known to be ours. */
int mod_request_handle(request_rec *r)
{
    return is_own(r) ? serve(r) : DECLINED;
}

/* ---- places that need sign-in ---- */

static int is_place(request_rec *r)
{
    const char *type = ap_auth_type(r);

    return type && !strcasecmp(type, MOD_AUTH_TYPE);
}

/*
 * An Authorization that one place's app is given is no other place's: neither a token that the
 * request came with, nor for another app. Requests made of one another share their headers.
 */
static void pass_tokens(request_rec *r, sso_ctx_t *ctx, const sso_answer_t *answer,
                        const sso_config_t *place)
{
    if (place->authorization_header != SSO_AUTHORIZATION_OFF) {
        mod_request_t *first = mod_request_state(mod_request_original(r));

        if (!first->replaced)
            first->authorization = apr_table_get(r->headers_in, "Authorization");
        first->replaced = 1;
    }
    sso_pass_export(ctx, answer->tokens, place, r->subprocess_env, r->headers_in);
}

void mod_request_put_back(request_rec *r)
{
    mod_request_t *first = mod_request_state(mod_request_original(r));

    if (!first->replaced)
        return;
    first->replaced = 0;
    if (first->authorization)
        apr_table_setn(r->headers_in, "Authorization", first->authorization);
    else
        apr_table_unset(r->headers_in, "Authorization");
}

/* Whoever it is, they are in: say so to authorization, to the app, to the log. */
static void admit(request_rec *r, sso_ctx_t *ctx, const sso_request_t *request,
                  const sso_answer_t *answer)
{
    mod_request_t *first = mod_request_state(mod_request_original(r));

    apr_table_setn(r->subprocess_env, "no-cache", "1"); /* mod_cache keeps nothing of this */
    if (first->exported) /* to a request that this one is made of, or that was made of this one */
        mod_scrub_headers(r);
    first->exported = 1;
    add_headers(r, answer);
    if (answer->session)
        sso_export(ctx, answer->session, request->place, r->subprocess_env, r->headers_in);
    pass_tokens(r, ctx, answer, request->place);
    if (!answer->session) {
        /* passes `Require valid-user`; gone before the app looks */
        r->user = apr_pstrdup(r->pool, "");
        return;
    }
    mod_jwt_export(r, ctx, request, answer->session);
    r->user = apr_pstrdup(r->pool, answer->session->remote_user);
    r->ap_auth_type = apr_pstrdup(r->pool, MOD_AUTH_TYPE);
    if (answer->replay) {
        mod_body_replace(r, answer->replay);
        first->replay = NULL; /* what is made of this request has the body, and asks for nothing */
    }
}

/*
 * EdxSSOUnauthenticated pass leaves it to the app to ask who is there. Behind a guarded URL of ours
 * there is none: nobody is let through, whatever the places around it say.
 */
static const sso_config_t *never_pass(apr_pool_t *pool, const sso_config_t *place)
{
    sso_config_t *copy;

    if (place->unauthenticated != SSO_UNAUTH_PASS)
        return place;
    copy = apr_pmemdup(pool, place, sizeof(*place));
    copy->unauthenticated = SSO_UNAUTH_AUTO;
    return copy;
}

/* Whether mod_dir asks for what may become the index of a directory, which has no type yet. */
static int is_index(const request_rec *r)
{
    const char *type = r->main ? r->main->content_type : NULL;

    return type && !strcmp(type, DIR_MAGIC_TYPE);
}

/*
 * A part of another answer cannot send a browser anywhere: no sign-in is started for it. But
 * mod_dir hands a redirect on.
 */
static const sso_config_t *of_part(const request_rec *r, const sso_config_t *place)
{
    sso_config_t *copy;

    if (is_index(r) || (place->unauthenticated != SSO_UNAUTH_AUTO
                        && place->unauthenticated != SSO_UNAUTH_LOGIN))
        return place;
    copy = apr_pmemdup(r->pool, place, sizeof(*place));
    copy->unauthenticated = SSO_UNAUTH_401;
    return copy;
}

static int authenticate(request_rec *r)
{
    const sso_site_t *site = mod_site_of(r);
    sso_ctx_t ctx = { .pool = r->pool };
    mod_request_t *state = mod_request_state(r);
    sso_request_t request;

    if (!site) {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r, "SSO0902: AuthType edxsso, but there is no "
                      "<EdxSSOProvider> in this virtual host");
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    mod_request_put_back(r);
    mod_clock_set(&ctx);
    ctx.ports = mod_site_ports(r->pool, r->server, r);
    mod_request_fill(r, site, &request);
    if (state->own && sso_answer_guarded(site, request.place, state->path))
        request.place = never_pass(r->pool, request.place);
    if (r->main)
        request.place = of_part(r, request.place);
    state->answer = apr_palloc(r->pool, sizeof(*state->answer));
    sso_answer_place(&ctx, &request, state->answer);
    if (ctx.err.rc != SSO_OK)
        mod_request_log(r, &ctx, state->answer);
    if (state->answer->what == SSO_ANSWER_PASS) {
        admit(r, &ctx, &request, state->answer);
        return OK;
    }
    if (r->main) { /* part of another answer: there is no room for one of its own */
        if (ap_is_HTTP_REDIRECT(state->answer->status))
            add_headers(r, state->answer);
        return state->answer->status;
    }
    ap_run_insert_filter(r); /* mod_headers and its like see this answer as any other */
    return mod_request_send(r, state->answer);
}

/*
 * Where nobody has to be signed in, but whoever is shall be known: `Require all granted` would let
 * httpd skip authentication altogether.
 */
int mod_request_access(request_rec *r)
{
    const sso_config_t *place;
    sso_request_t request;
    int rv;

    if (!is_place(r) || is_own(r) || !mod_site_of(r))
        return DECLINED;
    place = ap_get_module_config(r->per_dir_config, &auth_edxsso_module);
    if (place && place->preflight == SSO_PREFLIGHT_PASS) {
        mod_request_fill(r, mod_site_of(r), &request);
        if (sso_request_preflight(&request)) {
            apr_table_setn(r->subprocess_env, "no-cache", "1");
            return OK; /* no Require line is looked at: a browser cannot send what they want */
        }
    }
    if (!place || place->unauthenticated != SSO_UNAUTH_PASS)
        return DECLINED;
    rv = authenticate(r);
    if (rv != OK)
        return rv;
    /* mod_authz_core asks next whether anybody may: with a user it would take a no for the last */
    mod_request_state(r)->user = r->user;
    r->user = NULL;
    return DECLINED;
}

int mod_request_authenticate(request_rec *r)
{
    const mod_request_t *state = ap_get_module_config(r->request_config, &auth_edxsso_module);

    if (!is_place(r))
        return DECLINED;
    if (state && state->answer && state->answer->what == SSO_ANSWER_PASS) {
        r->user = state->user; /* mod_request_access() has been here */
        return OK;
    }
    return authenticate(r);
}

/*
 * An internal redirect within one place: httpd does not authenticate again, and the headers that
 * the first request was given have been removed as anybody's would.
 */
static void export_again(request_rec *r)
{
    const mod_request_t *before = r->prev ? ap_get_module_config(r->prev->request_config,
                                                                 &auth_edxsso_module) : NULL;
    const sso_site_t *site = mod_site_of(r);
    sso_ctx_t ctx = { .pool = r->pool };
    const sso_config_t *place;
    mod_request_t *state;
    sso_request_t request;

    if (!before || !before->answer || before->answer->what != SSO_ANSWER_PASS || !site)
        return;
    state = mod_request_state(r);
    if (state->answer)
        return;
    state->answer = before->answer;
    apr_table_setn(r->subprocess_env, "no-cache", "1");
    mod_clock_set(&ctx);
    ctx.ports = mod_site_ports(r->pool, r->server, r);
    place = ap_get_module_config(r->per_dir_config, &auth_edxsso_module);
    if (before->answer->session) {
        sso_export(&ctx, before->answer->session, place, r->subprocess_env, r->headers_in);
        mod_request_fill(r, site, &request);
        mod_jwt_export(r, &ctx, &request, before->answer->session);
    }
    pass_tokens(r, &ctx, before->answer, place);
}

int mod_request_fixup(request_rec *r)
{
    const mod_request_t *own = ap_get_module_config(r->request_config, &auth_edxsso_module);
    const request_rec *before;

    if (r->prev && is_place(r))
        export_again(r);
    if (!r->user && own && own->user && is_place(r)) /* anybody may, and it is somebody */
        r->user = own->user;
    if (r->user && !*r->user && is_place(r))
        r->user = NULL;
    if (r->user && is_index(r) && !r->main->user && r->finfo.filetype == APR_REG && is_place(r)) {
        /* which becomes this one, and httpd leaves the user behind */
        r->main->user = apr_pstrdup(r->main->pool, r->user);
        r->main->ap_auth_type = apr_pstrdup(r->main->pool, MOD_AUTH_TYPE);
    }
    /* an internal redirect renames variables: what it leads to is a place's answer all the same */
    for (before = r->prev; before; before = before->prev) {
        const mod_request_t *state = ap_get_module_config(before->request_config,
                                                          &auth_edxsso_module);

        if (state && state->answer)
            apr_table_setn(r->subprocess_env, "no-cache", "1");
    }
    return DECLINED;
}
