/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The counters as httpd shows them: SetHandler edxsso-metrics, and a part of mod_status's page.
 * They live in memory that all children share and that a restart leaves alone.
 */
#include "mod_glue.h"

#include "sso_metrics_text.h"

#include <apr_strings.h>
#include <mod_status.h>

#define HANDLER  "edxsso-metrics"
#define RETAINED "mod_auth_edxsso: counters"

static sso_metrics_t process; /* of this process; shared is NULL until there are counters */

sso_metrics_t *mod_status_metrics(void)
{
    return process.shared ? &process : NULL;
}

void mod_status_start(void)
{
    sso_metrics_shared_t **kept = ap_retained_data_get(RETAINED);

    if (!kept)
        kept = ap_retained_data_create(RETAINED, sizeof(*kept));
    *kept = sso_metrics_open(*kept, apr_time_now());
    process.shared = *kept;
}

void mod_status_child(void)
{
    process.stripe = (unsigned)getpid() % SSO_METRICS_STRIPES;
}

/* ---- SetHandler edxsso-metrics */

int mod_status_here(request_rec *r)
{
    const core_dir_config *place = ap_get_core_module_config(r->per_dir_config);
    const char *error = NULL, *name = NULL;

    if (place && place->expr_handler) /* to httpd each SetHandler is an expression */
        name = ap_expr_str_exec(r, place->expr_handler, &error);
    return name && !error && !strcmp(name, HANDLER);
}

static sso_ctx_t context(request_rec *r)
{
    sso_ctx_t ctx = { .pool = r->pool, .ports = mod_site_ports(r->pool, r->server, r) };

    mod_clock_set(&ctx);
    return ctx;
}

static int show_metrics(request_rec *r)
{
    const char *accept;
    int openmetrics;
    sso_ctx_t ctx;

    accept = apr_table_get(r->headers_in, "Accept");
    openmetrics = accept && strstr(accept, "application/openmetrics-text");
    r->allowed = (apr_int64_t)1 << M_GET;
    if (r->method_number != M_GET)
        return HTTP_METHOD_NOT_ALLOWED;
    ctx = context(r);
    ap_set_content_type(r, openmetrics
                               ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                               : "text/plain; version=0.0.4; charset=utf-8");
    apr_table_setn(r->headers_out, "Cache-Control", "no-store");
    apr_table_setn(r->headers_out, "X-Content-Type-Options", "nosniff");
    r->no_cache = 1;
    if (!r->header_only)
        ap_rputs(sso_metrics_text(&ctx, openmetrics), r);
    return OK;
}

/* Every request of this server comes by: most end at the first byte. */
int mod_status_handle(request_rec *r)
{
    if (!r->handler || *r->handler != *HANDLER || strcmp(r->handler, HANDLER))
        return DECLINED;
    return show_metrics(r);
}

/* ---- mod_status */

typedef struct section_t {
    request_rec *r;
    int plain; /* ?auto: for programs */
} section_t;

static void show(void *baton, const sso_sample_t *sample)
{
    const section_t *section = baton;
    const char *labels = *sample->labels ? apr_pstrcat(section->r->pool, "{", sample->labels, "}",
                                                       NULL) : "";

    if (!strcmp(sample->suffix, "_bucket"))
        return; /* for a chart, not for reading */
    if (section->plain)
        ap_rprintf(section->r, "%s%s%s: %s\n", sample->family, sample->suffix, labels,
                   sample->value);
    else
        ap_rprintf(section->r, "<tr title=\"%s\"><td>%s%s%s</td><td align=\"right\">%s</td></tr>\n",
                   ap_escape_html(section->r->pool, sample->help), sample->family, sample->suffix,
                   ap_escape_html(section->r->pool, labels), sample->value);
}

static int status(request_rec *r, int flags)
{
    section_t section = { r, (flags & AP_STATUS_SHORT) != 0 };
    sso_ctx_t ctx = context(r);

    if (!process.shared)
        return OK;
    if (!section.plain)
        ap_rputs("<hr />\n<h2>mod_auth_edxsso</h2>\n<table>\n", r);
    sso_metrics_each(&ctx, show, &section);
    if (!section.plain)
        ap_rputs("</table>\n", r);
    return OK;
}

void mod_status_hooks(apr_pool_t *pool)
{
    (void)pool;
    APR_OPTIONAL_HOOK(ap, status_hook, status, NULL, NULL, APR_HOOK_MIDDLE);
}
