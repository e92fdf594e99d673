/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From configuration to running sites: checked by `httpd -t` and at every start, then given a
 * secret, a store and a place for documents.
 */
#include "mod_glue.h"

#include "sso_export_jwt.h"
#include "sso_http.h"
#include "sso_idmap.h"
#include "sso_metadata.h"
#include "sso_metrics.h"
#include "sso_pages.h"
#include "sso_secret.h"
#include "sso_store_open.h"
#include "sso_url.h"

#include <apr_strings.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef EDXSSO_STATE_DIR
#define EDXSSO_STATE_DIR "/var/lib/apache2/edxsso"
#endif

/* What all virtual hosts of a process share; made anew by each start. */
static struct {
    sso_store_t *store;
    sso_documents_t *documents;
} running;

/* ---- the log port ---- */

typedef struct log_baton_t {
    server_rec *s;
    request_rec *r;
} log_baton_t;

static int httpd_level(sso_level_e level)
{
    static const int levels[] = { APLOG_DEBUG, APLOG_INFO, APLOG_WARNING, APLOG_ERR };

    return levels[level];
}

static void log_line(void *data, sso_level_e level, const char *text)
{
    const log_baton_t *baton = data;

    if (baton->r)
        ap_log_rerror(APLOG_MARK, httpd_level(level), 0, baton->r, "%s", text);
    else
        ap_log_error(APLOG_MARK, httpd_level(level) | APLOG_NOERRNO, 0, baton->s, "%s", text);
}

/* A trace that the request is part of goes on to providers (httpd hands it to proxied apps). */
static const char *trace_of(void *data)
{
    const log_baton_t *baton = data;

    return baton->r ? apr_table_get(baton->r->headers_in, "traceparent") : NULL;
}

static sso_level_e wanted_level(const server_rec *s, request_rec *r)
{
    int level = SSO_LOG_ERROR;

    while (level > SSO_LOG_DEBUG
           && (r ? APLOG_R_IS_LEVEL(r, httpd_level((sso_level_e)(level - 1)))
                 : APLOG_IS_LEVEL(s, httpd_level((sso_level_e)(level - 1)))))
        level--;
    return (sso_level_e)level;
}

const sso_ports_t *mod_site_ports(apr_pool_t *pool, server_rec *s, request_rec *r)
{
    sso_ports_t *ports = apr_pcalloc(pool, sizeof(*ports));
    log_baton_t *baton = apr_palloc(pool, sizeof(*baton));

    baton->s = s;
    baton->r = r;
    ports->log = log_line;
    ports->log_baton = baton;
    ports->log_level = wanted_level(s, r);
    ports->call = sso_http_call;
    ports->search = mod_regex_search;
    ports->store = running.store;
    ports->metrics = mod_status_metrics();
    ports->trace = trace_of;
    return ports;
}

int mod_site_running(void)
{
    return running.store != NULL;
}

static sso_ctx_t context(apr_pool_t *pool, server_rec *s)
{
    sso_ctx_t ctx = { .pool = pool, .now = apr_time_now(), .ports = mod_site_ports(pool, s, NULL) };

    return ctx;
}

/* An administrator's mistake: one line, and on to the next, so that one run shows them all. */
static int report(sso_ctx_t *ctx, server_rec *s)
{
    ap_log_error(APLOG_MARK, APLOG_STARTUP | APLOG_CRIT, 0, s, "SSO%04d: %s", ctx->err.number,
                 ctx->err.text);
    sso_forgive(ctx);
    return 1;
}

/* ---- checking ---- */

static const char *realm_of(apr_pool_t *pool, const server_rec *s)
{
    int port = s->port ? s->port : s->is_virtual && s->addrs ? s->addrs->host_port : 0;

    return apr_psprintf(pool, "%s:%d", s->server_hostname ? s->server_hostname : "", port);
}

static const char *without_slash(apr_pool_t *pool, const char *path)
{
    apr_size_t length = strlen(path);

    while (length > 1 && path[length - 1] == '/')
        length--;
    return apr_pstrmemdup(pool, path, length);
}

/* Where one provider's answer is taken for another's, each could impersonate the other's users. */
static int check_callbacks(sso_ctx_t *ctx, server_rec *s, const sso_site_t *site)
{
    int i, k, wrong = 0;

    for (i = 0; i < site->providers->nelts; i++)
        for (k = i + 1; k < site->providers->nelts; k++) {
            const sso_provider_t *a = APR_ARRAY_IDX(site->providers, i, sso_provider_t *);
            const sso_provider_t *b = APR_ARRAY_IDX(site->providers, k, sso_provider_t *);

            if (strcmp(a->callback_path, b->callback_path))
                continue;
            sso_fail(ctx, SSO_MISCONFIG, 52, "EdxSSOCallbackPath: the providers '%s' and '%s' have "
                     "the same one, %s; each needs its own", a->name, b->name, a->callback_path);
            wrong += report(ctx, s);
        }
    return wrong;
}

/* The secrets of a server: as configured, else the one that is made once and kept. */
static sso_rc_e secrets_of(sso_ctx_t *ctx, const sso_config_t *config, const char *dir,
                           apr_array_header_t **secrets)
{
    apr_array_header_t *list = apr_array_make(ctx->pool, 4, sizeof(sso_bytes_t));
    int i;

    if (!config->secret)
        SSO_TRY(sso_secret_keep(ctx, apr_pstrcat(ctx->pool, dir, "/secret", NULL),
                                &APR_ARRAY_PUSH(list, sso_bytes_t)));
    for (i = 0; config->secret && i < config->secret->nelts; i++) {
        const sso_secret_t *secret = &APR_ARRAY_IDX(config->secret, i, sso_secret_t);
        sso_bytes_t *bytes = &APR_ARRAY_PUSH(list, sso_bytes_t);

        bytes->data = secret->text;
        bytes->length = secret->length;
    }
    *secrets = list;
    return SSO_OK;
}

/* What the keys are derived from has to be good enough before anybody restarts with it. */
static sso_rc_e check_secrets(sso_ctx_t *ctx, const sso_config_t *config)
{
    apr_array_header_t *secrets;
    sso_keyring_t *ring;

    SSO_TRY(secrets_of(ctx, config, NULL, &secrets));
    return sso_keyring_make(ctx, ctx->pool, secrets, "check", &ring);
}

static int check_server(sso_ctx_t *ctx, server_rec *s, const sso_config_t *config)
{
    int i, wrong = 0;

    if (!strcmp(without_slash(ctx->pool, config->path), "/")) {
        sso_fail(ctx, SSO_MISCONFIG, 53, "EdxSSOPath: '/' would take every URL of the site; give a "
                 "path such as /edxsso");
        wrong += report(ctx, s);
    }
    if (config->session_idle > config->session_max)
        ap_log_error(APLOG_MARK, APLOG_STARTUP | APLOG_WARNING, 0, s, "SSO0054: EdxSSOSessionIdle "
                     "is longer than EdxSSOSessionMax, which ends every session first");
    if (config->cookie_same_site == SSO_SAME_SITE_STRICT)
        ap_log_error(APLOG_MARK, APLOG_STARTUP | APLOG_WARNING, 0, s, "SSO0055: "
                     "EdxSSOCookieSameSite Strict: a browser that follows a link from another site "
                     "comes without its session and signs in again");
    for (i = 0; config->return_hosts && i < config->return_hosts->nelts; i++) {
        const char *host = APR_ARRAY_IDX(config->return_hosts, i, const char *);
        sso_url_t url;

        if (sso_url_parse(ctx->pool, apr_pstrcat(ctx->pool, "https://", host, "/", NULL), &url)
                == SSO_OK && !strchr(host, '/'))
            continue;
        sso_fail(ctx, SSO_MISCONFIG, 56, "EdxSSOReturnHosts: '%s' is not a host or host:port such "
                 "as campus.example.org", host);
        wrong += report(ctx, s);
    }
    if (sso_store_check(ctx, config->store) != SSO_OK)
        wrong += report(ctx, s);
    if (config->secret && check_secrets(ctx, config) != SSO_OK)
        wrong += report(ctx, s);
    if (config->http_ca_file && access(config->http_ca_file, R_OK) != 0) {
        sso_fail(ctx, SSO_MISCONFIG, 68, "EdxSSOHTTPCAFile: '%s' cannot be read: %s",
                 config->http_ca_file, strerror(errno));
        wrong += report(ctx, s);
    }
    return wrong;
}

/* Tokens of an LMS name one audience, whoever they are for: without it, none of them counts. */
static void warn_audience(server_rec *s, const sso_site_t *site)
{
    int i;

    for (i = 0; mod_config_takes_tokens(s) && i < site->providers->nelts; i++) {
        const sso_provider_t *provider = APR_ARRAY_IDX(site->providers, i, sso_provider_t *);

        if (!provider->audiences)
            ap_log_error(APLOG_MARK, APLOG_STARTUP | APLOG_WARNING, 0, s, "SSO1120: "
                         "<EdxSSOProvider %s %s>: EdxSSOCredentials names bearer or jwt-cookie, "
                         "and this section has no EdxSSOAudience: its tokens are refused",
                         provider->name, provider->kind->name);
    }
}

/* Pages are read once for all virtual hosts that have the same. */
static sso_rc_e pages_of(sso_ctx_t *ctx, const sso_config_t *config, const sso_pages_t **pages)
{
    static const char key[] = "edxsso-pages:";
    apr_pool_t *pool = ctx->pool; /* of this reading of the configuration */
    const char *name = apr_pstrcat(pool, key, config->pages, NULL);
    void *known = NULL;

    apr_pool_userdata_get(&known, name, pool);
    if (!known) {
        SSO_TRY(sso_pages_load(ctx, config->pages, pages));
        apr_pool_userdata_set(*pages, name, apr_pool_cleanup_null, pool);
    }
    else
        *pages = known;
    return SSO_OK;
}

/* What a section says of another one, now that all are there. */
static int join_sections(sso_ctx_t *ctx, server_rec *s, const sso_site_t *site)
{
    const apr_array_header_t *const lists[] = { site->providers, site->clients };
    int i, k, wrong = 0;

    for (k = 0; k < (int)SSO_COUNT(lists); k++)
        for (i = 0; i < lists[k]->nelts; i++)
            if (sso_idmap_resolve(ctx, site, APR_ARRAY_IDX(lists[k], i, sso_provider_t *))
                != SSO_OK)
                wrong += report(ctx, s);
    return wrong;
}

/* Resolve a server's providers. Returns the number of mistakes. */
static int make_site(sso_ctx_t *ctx, server_rec *s)
{
    mod_server_t *server = mod_server(s);
    sso_site_t *site = apr_pcalloc(ctx->pool, sizeof(*site));
    apr_array_header_t *own_paths = apr_array_make(ctx->pool, 2, sizeof(const char *));
    int i, wrong;

    site->clients = apr_array_make(ctx->pool, 1, sizeof(sso_provider_t *));
    site->realm = realm_of(ctx->pool, s);
    site->config = mod_config_server(s);
    site->path = without_slash(ctx->pool, site->config->path);
    site->providers = apr_array_make(ctx->pool, 4, sizeof(sso_provider_t *));
    site->own_paths = own_paths;
    server->site = site;
    wrong = check_server(ctx, s, site->config);
    if (pages_of(ctx, site->config, &site->pages) != SSO_OK)
        wrong += report(ctx, s);
    for (i = 0; i < server->sections->nelts; i++) {
        const sso_section_t *section = &APR_ARRAY_IDX(server->sections, i, sso_section_t);
        sso_provider_t *provider;

        if (sso_provider_make(ctx, site, section, running.documents, &provider) != SSO_OK) {
            wrong += report(ctx, s);
            continue;
        }
        provider->http.meter = sso_metrics_row(mod_status_metrics(), provider->name);
        if (!provider->config->sign_in) {
            APR_ARRAY_PUSH(site->clients, sso_provider_t *) = provider;
            continue;
        }
        APR_ARRAY_PUSH(site->providers, sso_provider_t *) = provider;
        if (provider->config->callback_path)
            APR_ARRAY_PUSH(own_paths, const char *) = provider->callback_path;
    }
    if (sso_site_settle(ctx, site) != SSO_OK)
        wrong += report(ctx, s);
    return wrong + check_callbacks(ctx, s, site) + join_sections(ctx, s, site);
}

/*
 * A virtual host without a directive of ours has, to httpd, the very record of the main server. It
 * is a site of its own all the same, with keys of its own.
 */
static void part(apr_pool_t *pool, const server_rec *main_server)
{
    server_rec *s;

    for (s = main_server->next; s; s = s->next)
        if (mod_server(s) == mod_server(main_server))
            ap_set_module_config(s->module_config, &auth_edxsso_module,
                                 apr_pmemdup(pool, mod_server(main_server),
                                             sizeof(mod_server_t)));
}

int mod_site_check(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *main_server)
{
    server_rec *s;
    int wrong = mod_config_end(pconf);

    (void)plog;
    (void)ptemp;
    part(pconf, main_server);
    for (s = main_server; s; s = s->next) {
        sso_ctx_t ctx = context(pconf, s);

        wrong += make_site(&ctx, s);
        mod_risks_warn(pconf, s, mod_server(s)->site);
        warn_audience(s, mod_server(s)->site);
    }
    return wrong ? HTTP_INTERNAL_SERVER_ERROR : OK;
}

/*
 * Where state is kept: as configured; else the system's place for it; else, for an httpd that an
 * ordinary user starts, beside its other run-time files.
 */
static const char *state_dir(apr_pool_t *pool, const sso_config_t *config)
{
    if (config->state_dir)
        return config->state_dir;
    if (geteuid() == 0)
        return EDXSSO_STATE_DIR;
    return ap_runtime_dir_relative(pool, "edxsso");
}

void mod_site_test(apr_pool_t *pconf, server_rec *s)
{
    if (ap_exists_config_define("DUMP_EDXSSO"))
        mod_dump(pconf, s);
    if (ap_exists_config_define("EDXSSO_CHECK")
        && mod_doctor_run(pconf, s, state_dir(pconf, mod_config_server(s))) != 0)
        exit(EXIT_FAILURE); /* the hook itself cannot fail, and monitoring goes by the status */
}

/* ---- starting ---- */

static sso_rc_e make_dir(sso_ctx_t *ctx, const char *dir)
{
    struct stat info;

    if (mkdir(dir, 0700) != 0 && errno != EEXIST)
        return sso_fail(ctx, SSO_MISCONFIG, 57, "EdxSSOStateDir: '%s' cannot be made: %s", dir,
                        strerror(errno));
    if (stat(dir, &info) != 0 || !S_ISDIR(info.st_mode) || (info.st_mode & 0002))
        return sso_fail(ctx, SSO_MISCONFIG, 58, "EdxSSOStateDir: '%s' is not a folder, or "
                        "everybody may write to it", dir);
    return SSO_OK;
}

/*
 * httpd reads its configuration twice at a start, and leaves the terminal before the second time,
 * which is the one that counts. The first time finds what would be in the way of it, so that the
 * command that starts httpd fails.
 */
static int try_state(sso_ctx_t *ctx, server_rec *s)
{
    const sso_config_t *config = mod_config_server(s);
    const char *dir = state_dir(ctx->pool, config);
    apr_array_header_t *secrets;

    if (make_dir(ctx, dir) == SSO_OK && secrets_of(ctx, config, dir, &secrets) == SSO_OK)
        return OK;
    return report(ctx, s), HTTP_INTERNAL_SERVER_ERROR;
}

/* One store and one cache of documents for all virtual hosts, as the main server says. */
static sso_rc_e start_shared(sso_ctx_t *ctx, server_rec *s)
{
    const sso_config_t *config = mod_config_server(s);
    const char *dir = state_dir(ctx->pool, config);
    apr_array_header_t *secrets;
    sso_keyring_t *ring;

    SSO_TRY(make_dir(ctx, dir));
    mod_clock_start(ctx->pool, s, dir);
    mod_clock_set(ctx);
    SSO_TRY(secrets_of(ctx, config, dir, &secrets));
    SSO_TRY(sso_keyring_make(ctx, ctx->pool, secrets, "documents", &ring));
    SSO_TRY(sso_store_open(ctx, ctx->pool, config->store, dir, &running.store));
    return sso_documents_make(ctx, ctx->pool, ring, &running.documents);
}

static apr_status_t stop_shared(void *unused)
{
    (void)unused;
    running.store = NULL;
    running.documents = NULL;
    return APR_SUCCESS;
}

static sso_rc_e start_site(sso_ctx_t *ctx, server_rec *s)
{
    const sso_config_t *config = mod_config_server(s);
    sso_site_t *site = mod_server(s)->site;
    apr_array_header_t *secrets;

    site->passes_tokens = mod_config_passes();
    SSO_TRY(secrets_of(ctx, config, state_dir(ctx->pool, config), &secrets));
    SSO_TRY(sso_site_seal(ctx, site, secrets));
    return mod_jwt_signs(s) ? sso_voucher_keys(ctx, site, secrets) : SSO_OK;
}

static int used(server_rec *main_server)
{
    server_rec *s;

    for (s = main_server; s; s = s->next)
        if (mod_server(s)->sections->nelts)
            return 1;
    return 0;
}

int mod_site_start(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *main_server)
{
    server_rec *s;
    sso_ctx_t ctx = context(pconf, main_server);

    (void)plog;
    (void)ptemp;
    if (!used(main_server))
        return OK;
    if (ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_CREATE_PRE_CONFIG)
        return try_state(&ctx, main_server);
    mod_status_start();
    if (start_shared(&ctx, main_server) != SSO_OK)
        return report(&ctx, main_server), HTTP_INTERNAL_SERVER_ERROR;
    apr_pool_cleanup_register(pconf, NULL, stop_shared, apr_pool_cleanup_null);
    for (s = main_server; s; s = s->next) {
        sso_ctx_t own = context(pconf, s);

        if (make_site(&own, s))
            return HTTP_INTERNAL_SERVER_ERROR;
        if (start_site(&own, s) != SSO_OK)
            return report(&own, s), HTTP_INTERNAL_SERVER_ERROR;
    }
    mod_scrub_prepare(pconf, main_server);
    mod_watch_start(pconf, main_server, running.store);
    return OK;
}

static apr_status_t stop_child(void *unused)
{
    (void)unused;
    sso_http_stop();
    return APR_SUCCESS;
}

void mod_site_child(apr_pool_t *pchild, server_rec *s)
{
    sso_ctx_t ctx = context(pchild, s);

    if (!running.store)
        return;
    mod_status_child();
    json_object_seed(0); /* before threads do it at once */
    if (sso_http_start(&ctx) != SSO_OK || sso_documents_start(&ctx, running.documents) != SSO_OK
        || mod_jwt_child(&ctx) != SSO_OK)
        report(&ctx, s);
    apr_pool_cleanup_register(pchild, NULL, stop_child, apr_pool_cleanup_null);
    mod_watch_child(pchild);
}
