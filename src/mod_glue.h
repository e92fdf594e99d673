/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MOD_GLUE_H
#define MOD_GLUE_H

/*
 * Between httpd and the core: what the files of the glue share.
 */

#include <httpd.h>
#include <http_config.h>
#include <http_core.h>
#include <http_log.h>
#include <http_protocol.h>
#include <http_request.h>
#include <ap_expr.h>

#include "sso_answer.h"
#include "sso_export.h"

extern module AP_MODULE_DECLARE_DATA auth_edxsso_module;
APLOG_USE_MODULE(auth_edxsso);

#define MOD_AUTH_TYPE "edxsso"

/** What a virtual host has: its sections as configured, and, once httpd runs, its site. */
typedef struct mod_server_t {
    apr_array_header_t *sections; /* of sso_section_t, in the order they stand */
    sso_site_t *site;
    const char *const *strips; /* cookies that no app here may see; ends with NULL */
} mod_server_t;

/** What a request carries from hook to hook. */
typedef struct mod_request_t {
    const char *cookies; /* as they came, ours among them */
    char *user;          /* known ahead of authentication: see mod_request_access() */
    sso_answer_t *answer; /* once it has been asked whether it is signed in */
    int own;             /* one of the module's own URLs */
    const char *path;    /* then: which; other modules may change r->uri */
    int judging;         /* authorization is being asked on our behalf */
    const char *scope;   /* what a Require line found missing in the scope of a token */
    const char *replay;  /* the id of a form that was kept, from the query, or NULL */
    apr_bucket_brigade *body; /* of that form, what has not been read of it, or NULL */
    int resource;        /* the metadata of a protected resource are asked for */
    /* of the request that the browser sent: */
    int exported;              /* its headers say who is there */
    int replaced;              /* its Authorization is one that we gave an app */
    const char *authorization; /* then: what came; NULL: none */
} mod_request_t;

/* mod_config.c */
extern const command_rec mod_commands[];
void *mod_config_make(apr_pool_t *pool, char *dir);
void *mod_config_merge(apr_pool_t *pool, void *base, void *over);
void *mod_server_make(apr_pool_t *pool, server_rec *s);
void *mod_server_merge(apr_pool_t *pool, void *base, void *over);
int mod_config_begin(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp);
/** The headers that no client may bring along, of every place's configuration. */
const sso_reserved_t *mod_config_reserved(void);
/** The expression of EdxSSOAuthParam or EdxSSOTokenParam as parsed; NULL if it is none of them. */
const ap_expr_info_t *mod_config_expression(const char *text);
/** Whether some place hands tokens to the app behind. */
int mod_config_passes(void);
/**
 * All has been read: check every EdxSSOUse against the providers of its server. Returns the number
 * of mistakes, each logged.
 */
int mod_config_end(apr_pool_t *pconf);
/** Names of providers that something uses: they are checked when all are known. */
void mod_config_use(cmd_parms *cmd, const char *what, const apr_array_header_t *names);
/** Whether some place of a server takes tokens (EdxSSOCredentials). */
int mod_config_takes_tokens(const server_rec *s);
/** A server's record. */
const sso_config_t *mod_config_server(const server_rec *s);

/* mod_site.c */
int mod_site_check(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *s);
void mod_site_test(apr_pool_t *pconf, server_rec *s);
int mod_site_start(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *s);
void mod_site_child(apr_pool_t *pchild, server_rec *s);
/** Whether some virtual host of this server has a provider, and httpd runs. */
int mod_site_running(void);
/** The ports of this process. @a r may be NULL, then lines go to @a s 's log. */
const sso_ports_t *mod_site_ports(apr_pool_t *pool, server_rec *s, request_rec *r);

/* mod_risks.c */
/** Warn of settings of a site that work and are risky. */
void mod_risks_warn(apr_pool_t *pool, server_rec *s, const sso_site_t *site);

/* mod_dump.c */
/** Print every provider as resolved (DUMP_EDXSSO). */
void mod_dump(apr_pool_t *pool, server_rec *main_server);

/* mod_doctor.c */
/**
 * Look at every provider and at the store (EDXSSO_CHECK), and print what is found.
 * @param dir  the state folder
 * @return how many things are wrong; -1: a library refused to work
 */
int mod_doctor_run(apr_pool_t *pool, server_rec *main_server, const char *dir);

/* mod_clock.c */
/** Start the clock that does not jump; without it the machine's is used. */
void mod_clock_start(apr_pool_t *pconf, server_rec *s, const char *dir);
/** What time it is for a piece of work. */
void mod_clock_set(sso_ctx_t *ctx);

/* mod_jwt.c */
void mod_jwt_begin(apr_pool_t *pconf);
/** A header of EdxSSOExportJWT. Returns a complaint, or NULL. */
const char *mod_jwt_add(cmd_parms *cmd, const char *name);
/** Those headers, lower-case. */
const apr_array_header_t *mod_jwt_names(void);
/** Whether some place of a server exports a JWT. */
int mod_jwt_signs(const server_rec *s);
/** Room for a process's tokens, in ctx->pool. As sso_vouchers_make(). */
sso_rc_e mod_jwt_child(sso_ctx_t *ctx);
/** Put the token of a session into the request's headers, where its place says so. */
void mod_jwt_export(request_rec *r, sso_ctx_t *ctx, const sso_request_t *request,
                    const sso_session_t *session);

/* mod_regex.c */
void mod_regex_begin(apr_pool_t *pconf);
/** Compile a pattern of the configuration. Returns a complaint, or NULL. */
const char *mod_regex_compile(apr_pool_t *pool, const char *pattern, int *groups);
/** sso_ports_t search. */
int mod_regex_search(const char *pattern, const char *text, sso_match_t found[SSO_MATCHES]);

/* mod_watch.c */
/** Begin that work, once the sites are running. */
void mod_watch_start(apr_pool_t *pconf, server_rec *main_server, struct sso_store_t *store);
/** A child that ends lets that work come to its end, for a moment. */
void mod_watch_child(apr_pool_t *pchild);

/* mod_status.c */
struct sso_metrics_t;
void mod_status_hooks(apr_pool_t *pool);
/** Make the counters, or go on with those of before a restart. */
void mod_status_start(void);
void mod_status_child(void);
/** The counters of this process, or NULL. */
struct sso_metrics_t *mod_status_metrics(void);
/** Whether SetHandler edxsso-metrics is in effect for a request (once its places are known). */
int mod_status_here(request_rec *r);
int mod_status_handle(request_rec *r);

/* mod_scrub.c */
/** What a request carries; made if there is none yet. */
mod_request_t *mod_request_state(request_rec *r);
/** Remove what a client may not bring along. */
int mod_scrub(request_rec *r);
/** Find out which cookies that is in each virtual host, once all of them have their names. */
void mod_scrub_prepare(apr_pool_t *pool, server_rec *main_server);
/** Remove the headers that are ours to export. */
void mod_scrub_headers(request_rec *r);

/* mod_request.c */
int mod_request_translate(request_rec *r);
int mod_request_map(request_rec *r);
int mod_request_access(request_rec *r);
int mod_request_access_own(request_rec *r);
int mod_request_authenticate(request_rec *r);
int mod_request_fixup(request_rec *r);
int mod_request_handle(request_rec *r);

/** The request that the browser sent, whatever was made of it since. */
request_rec *mod_request_original(request_rec *r);
/** What the core is to know of a request. */
void mod_request_fill(request_rec *r, const sso_site_t *site, sso_request_t *request);
/** One line for a failure. */
void mod_request_log(request_rec *r, const sso_ctx_t *ctx, const sso_answer_t *answer);
/** Send an answer of ours; DONE, or a status. */
int mod_request_send(request_rec *r, const sso_answer_t *answer);
/** Let an Authorization be what the browser sent, if an app has been given another one. */
void mod_request_put_back(request_rec *r);
/** Make a request one to the module itself; NULL: the module is not at work here. */
mod_request_t *mod_request_claim(request_rec *r);

/* mod_body.c */
struct sso_replay_t;
void mod_body_hooks(apr_pool_t *pool);
/** read_body of an sso_request_t whose baton is a request_rec. */
sso_rc_e mod_body_read(sso_ctx_t *ctx, void *baton, apr_size_t limit, sso_bytes_t *body);
/** Take SSO_REPLAY_PARAMETER out of a request's query; NULL: it is not there. */
const char *mod_body_parameter(request_rec *r);
/** Let a request have another body than it came with. */
void mod_body_replace(request_rec *r, const struct sso_replay_t *replay);
/** A request that was made of another one has the rest of the body that was put there. */
void mod_body_follow(request_rec *r);

/* mod_authz.c */
void mod_authz_register(apr_pool_t *pool);
int mod_authz_check(request_rec *r);

/* mod_resource.c */
void mod_resource_begin(apr_pool_t *pconf);
/** EdxSSOProtectedResource on has been read; NULL, or what is wrong with where it stands. */
const char *mod_resource_add(cmd_parms *cmd);
/** The path of the protected resource that a request belongs to, or NULL. */
const char *mod_resource_of(const request_rec *r, const sso_config_t *place);
int mod_resource_translate(request_rec *r);

/* mod_origin.c */
/**
 * This site's origin as the browser knows it; NULL when a trusted header names a host that is not
 * ours.
 */
const char *mod_origin(request_rec *r, const sso_site_t *site);

static inline mod_server_t *mod_server(const server_rec *s)
{
    return ap_get_module_config(s->module_config, &auth_edxsso_module);
}

/** Three texts as one: what apr_pstrcat() does for any number, at the price of few. */
static inline const char *mod_join(apr_pool_t *pool, const char *a, const char *b, const char *c)
{
    const apr_size_t lengths[] = { strlen(a), strlen(b), strlen(c) };
    char *joined = apr_palloc(pool, lengths[0] + lengths[1] + lengths[2] + 1);

    memcpy(joined, a, lengths[0]);
    memcpy(joined + lengths[0], b, lengths[1]);
    memcpy(joined + lengths[0] + lengths[1], c, lengths[2] + 1);
    return joined;
}

/** The site of a request's virtual host; NULL: the module is not at work in it. */
static inline const sso_site_t *mod_site_of(const request_rec *r)
{
    const sso_site_t *site = mod_server(r->server)->site;

    return site && site->ring && (site->providers->nelts || site->clients->nelts) ? site : NULL;
}

#endif
