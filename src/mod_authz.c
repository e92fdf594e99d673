/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Authorization: the lines `Require edxsso-...` for mod_authz_core, and what is answered to whom
 * they do not let in. Who may is decided by sso_require.c, the answer by sso_answer.c.
 */
#include "mod_glue.h"

#include "sso_require.h"

#include <ap_provider.h>
#include <mod_auth.h>
#include <mod_core.h> /* ap_response_code_string */

#include <apr_strings.h>

/* ---- regular expressions: httpd's, as in its own directives */

static const void *regex_compile(apr_pool_t *pool, const char *pattern)
{
    return ap_pregcomp(pool, pattern, AP_REG_EXTENDED | AP_REG_DOTALL | AP_REG_DOLLAR_ENDONLY);
}

static int regex_search(const void *compiled, const char *text, apr_size_t length)
{
    return ap_regexec_len(compiled, text, length, 0, NULL, 0) == 0;
}

static const sso_matcher_t matcher = { regex_compile, regex_search };

/* ---- the lines */

static const char *read_line(cmd_parms *cmd, const char *name, const char *args,
                             const void **parsed)
{
    apr_array_header_t *words = apr_array_make(cmd->pool, 4, sizeof(const char *));
    sso_ctx_t ctx = { .pool = cmd->pool, .now = apr_time_now() };
    const sso_rule_t *rule;

    while (*args)
        APR_ARRAY_PUSH(words, const char *) = ap_getword_conf(cmd->pool, &args);
    if (sso_rule_read(&ctx, &matcher, name, words, &rule) != SSO_OK)
        return apr_psprintf(cmd->pool, "Require %s: %s", name, ctx.err.text);
    if (sso_rule_providers(rule))
        mod_config_use(cmd, "Require edxsso-provider", sso_rule_providers(rule));
    *parsed = rule;
    return NULL;
}

static authz_status judge_line(request_rec *r, const char *args, const void *parsed)
{
    mod_request_t *state = ap_get_module_config(r->request_config, &auth_edxsso_module);
    const sso_rule_t *rule = parsed;
    const char *scope;

    (void)args;
    /* httpd asks whether anybody may before it asks who it is (mod_request_access()) */
    if (!r->user || !state || !state->answer || !state->answer->session)
        return AUTHZ_DENIED_NO_USER;
    if (sso_rule_judge(r->pool, rule, mod_server(r->server)->site, state->answer->session))
        return AUTHZ_GRANTED;
    scope = sso_rule_scope(rule);
    if (scope) /* what to ask for, should nothing else let it in */
        state->scope = state->scope ? apr_pstrcat(r->pool, state->scope, " ", scope, NULL) : scope;
    return AUTHZ_DENIED;
}

/* mod_authz_core does not say which line it is that has to be read. */
#define LINE(n)                                                                                   \
    static const char *read_line_##n(cmd_parms *cmd, const char *args, const void **parsed)       \
    {                                                                                             \
        return read_line(cmd, sso_rule_name(n), args, parsed);                                    \
    }
LINE(0)
LINE(1)
LINE(2)
LINE(3)
LINE(4)
LINE(5)
#undef LINE

static const authz_provider lines[] = {
    { judge_line, read_line_0 }, { judge_line, read_line_1 }, { judge_line, read_line_2 },
    { judge_line, read_line_3 }, { judge_line, read_line_4 }, { judge_line, read_line_5 },
};

void mod_authz_register(apr_pool_t *pool)
{
    int n;

    ap_assert(!sso_rule_name((int)SSO_COUNT(lines)));
    for (n = 0; n < (int)SSO_COUNT(lines); n++)
        ap_register_auth_provider(pool, AUTHZ_PROVIDER_GROUP, sso_rule_name(n),
                                  AUTHZ_PROVIDER_VERSION, &lines[n], AP_AUTH_INTERNAL_PER_CONF);
}

/* ---- the answer */

static int refuse(request_rec *r, const mod_request_t *state)
{
    const sso_session_t *session = state->answer->session;
    sso_ctx_t ctx = { .pool = r->pool };
    sso_request_t request;
    sso_answer_t answer;

    mod_clock_set(&ctx);
    ctx.ports = mod_site_ports(r->pool, r->server, r);
    mod_request_fill(r, mod_server(r->server)->site, &request);
    if (!session) { /* let through without a user, to where a user is needed */
        r->user = NULL;
        sso_answer_demand(&ctx, &request, &answer);
    }
    else if (state->answer->bearer)
        sso_answer_refuse_bearer(&ctx, &request, session, state->scope, &answer);
    else
        sso_answer_refuse(&ctx, &request, session, &answer);
    if (ctx.err.rc != SSO_OK)
        mod_request_log(r, &ctx, &answer);
    ap_run_insert_filter(r);
    return mod_request_send(r, &answer);
}

/* Whether httpd's own answer is the one to give. */
static int is_httpds(request_rec *r, const mod_request_t *state, int rv)
{
    if (r->main) /* part of another answer has no page of its own */
        return 1;
    if (!state->answer->session)
        return rv != HTTP_UNAUTHORIZED;
    return rv != HTTP_UNAUTHORIZED
           || (!state->answer->bearer /* an ErrorDocument is the administrator's */
               && ap_response_code_string(r, ap_index_of_response(HTTP_FORBIDDEN)));
}

/* Who is signed in and not let in gets 403: httpd would say 401, as if nobody had signed in. */
int mod_authz_check(request_rec *r)
{
    mod_request_t *state = ap_get_module_config(r->request_config, &auth_edxsso_module);
    const char *type = ap_auth_type(r);
    int rv;

    if (!type || strcasecmp(type, MOD_AUTH_TYPE) || !state || state->judging || !state->answer
        || state->answer->what != SSO_ANSWER_PASS)
        return DECLINED;
    state->judging = 1;
    state->scope = NULL;
    rv = ap_run_auth_checker(r);
    state->judging = 0;
    if (!is_httpds(r, state, rv))
        return refuse(r, state);
    return rv == HTTP_UNAUTHORIZED && state->answer->session ? HTTP_FORBIDDEN : rv;
}
