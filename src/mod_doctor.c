/* SPDX-License-Identifier: Apache-2.0 */
/*
 * httpd -t -D EDXSSO_CHECK: what sso_doctor.c finds at each provider, line by line, and the store.
 */
#include "mod_glue.h"

#include "sso_doctor.h"
#include "sso_http.h"
#include "sso_metadata.h"
#include "sso_store_open.h"

#include <apr_strings.h>
#include <unistd.h>

static const char *const words[] = { "ok", "note", "WRONG" };

static void print(void *subject, const sso_finding_t *finding)
{
    printf("%-6s %s: %s: %s%s%s\n", words[finding->health], (const char *)subject, finding->check,
           finding->text, finding->mend ? "; " : "", finding->mend ? finding->mend : "");
    fflush(stdout); /* a provider that hangs is seen to hang */
}

/* Directives of a server: those of its section, or those that stand outside of all. */
static const ap_directive_t *directives_of(const server_rec *s)
{
    const ap_directive_t *d;

    if (!s->is_virtual)
        return ap_conftree;
    for (d = ap_conftree; d; d = d->next)
        if (!strcasecmp(d->directive, "<VirtualHost") && s->defn_name
            && d->line_num == (int)s->defn_line_number && !strcmp(d->filename, s->defn_name))
            return d->first_child;
    return NULL;
}

/* mod_ssl itself says so only once httpd runs. */
static int speaks_tls(const server_rec *s)
{
    const ap_directive_t *d;

    for (d = directives_of(s); d; d = d->next)
        if (!strcasecmp(d->directive, "SSLEngine"))
            return !strcasecmp(d->args, "on");
    return 0;
}

/* As the browser will know this server, as far as the configuration alone says. */
static const char *origin_of(apr_pool_t *pool, const server_rec *s)
{
    int port = s->port ? s->port : s->addrs ? s->addrs->host_port : 0;
    const char *scheme = s->server_scheme ? s->server_scheme
                         : port == 443 || speaks_tls(s) ? "https" : "http";
    int usual = port == 0 || port == (strcmp(scheme, "https") ? 80 : 443);

    if (s->server_scheme && !s->port)
        usual = 1;
    return apr_psprintf(pool, usual ? "%s://%s" : "%s://%s:%d", scheme,
                        s->server_hostname ? s->server_hostname : "(no ServerName)", port);
}

static void visit_provider(sso_ctx_t *ctx, const server_rec *s, sso_provider_t *provider,
                           sso_documents_t *documents, int *wrong)
{
    sso_visit_t visit = { provider, NULL, print, NULL };

    visit.baton = apr_psprintf(ctx->pool, "%s: %s",
                               s->server_hostname ? s->server_hostname : "main server",
                               provider->name);
    visit.redirect_uri = apr_pstrcat(ctx->pool, origin_of(ctx->pool, s), provider->callback_path,
                                     NULL);
    provider->documents = documents;
    *wrong += sso_doctor_visit(ctx, &visit);
}

/* The file of shm: is the running server's, and left alone. */
static void check_store(sso_ctx_t *ctx, const char *spec, const char *dir, int *wrong)
{
    sso_finding_t finding = { "store", SSO_HEALTH_OK, NULL, NULL };
    sso_store_key_t nobody = { { 0 } };
    sso_store_entry_t entry;
    sso_store_t *store;

    finding.text = apr_pstrcat(ctx->pool, "shared memory, with a file in ", dir, NULL);
    if (!strncmp(spec, "redis", 5)) {
        finding.text = "Redis answers";
        if (sso_store_open(ctx, ctx->pool, spec, dir, &store) > SSO_OK
            || sso_store_get(ctx, store, &nobody, 0, &entry) > SSO_ABSENT) {
            finding.health = SSO_HEALTH_WRONG;
            finding.text = apr_psprintf(ctx->pool, "SSO%04d: %s", ctx->err.number, ctx->err.text);
            finding.mend = "see EdxSSOStore; redis-cli -u with the same URL says more";
        }
        sso_forgive(ctx);
    }
    else if (access(dir, F_OK) == 0 && access(dir, W_OK) != 0) {
        finding.health = SSO_HEALTH_NOTE;
        finding.text = apr_pstrcat(ctx->pool, dir, " cannot be written to by this user", NULL);
        finding.mend = "run this as the user who starts httpd";
    }
    *wrong += finding.health == SSO_HEALTH_WRONG;
    print((void *)(apr_uintptr_t)"main server", &finding);
}

int mod_doctor_run(apr_pool_t *pool, server_rec *main_server, const char *dir)
{
    sso_ctx_t ctx = { .pool = pool, .now = apr_time_now(),
                      .ports = mod_site_ports(pool, main_server, NULL) };
    sso_bytes_t *secret;
    apr_array_header_t *secrets = apr_array_make(pool, 1, sizeof(*secret));
    sso_documents_t *documents;
    sso_keyring_t *ring;
    const char *text;
    server_rec *s;
    int i, wrong = 0;

    secret = apr_array_push(secrets);
    if (sso_random_text(&ctx, 48, &text) != SSO_OK)
        return -1;
    *secret = sso_bytes(text);
    if (sso_keyring_make(&ctx, pool, secrets, "check", &ring) != SSO_OK
        || sso_http_start(&ctx) != SSO_OK
        || sso_documents_make(&ctx, pool, ring, &documents) != SSO_OK)
        return -1;
    check_store(&ctx, mod_config_server(main_server)->store, dir, &wrong);
    for (s = main_server; s; s = s->next) {
        const sso_site_t *site = mod_server(s)->site;
        const apr_array_header_t *all = apr_array_append(pool, site->providers, site->clients);

        for (i = 0; i < all->nelts; i++)
            visit_provider(&ctx, s, APR_ARRAY_IDX(all, i, sso_provider_t *), documents, &wrong);
    }
    sso_http_stop();
    printf("%d thing%s to put right\n", wrong, wrong == 1 ? "" : "s");
    fflush(stdout);
    return wrong;
}
