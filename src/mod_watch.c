/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Work in the background: providers' documents are fetched ahead of their expiry, by one process
 * of all (a singleton of mod_watchdog). Without mod_watchdog requests fetch them when they expire.
 */
#include "mod_glue.h"

#include "sso_metadata.h"

#include <mod_watchdog.h>

#define WATCHDOG "_edxsso_"
#define PACE     apr_time_from_sec(1) /* how often we look whether something is due */

/* A provider and when it wants to be looked at again. */
typedef struct watched_t {
    server_rec *s;
    const sso_provider_t *provider;
    apr_time_t next; /* 0: never */
} watched_t;

static apr_status_t look(int state, void *data, apr_pool_t *pool)
{
    apr_array_header_t *list = data;
    int i;

    if (state != AP_WATCHDOG_STATE_RUNNING)
        return APR_SUCCESS;
    for (i = 0; i < list->nelts; i++) {
        watched_t *watched = &APR_ARRAY_IDX(list, i, watched_t);
        sso_ctx_t ctx = { 0 };

        mod_clock_set(&ctx);
        if (!watched->next || watched->next > ctx.now
            || apr_pool_create(&ctx.pool, pool) != APR_SUCCESS)
            continue;
        ctx.ports = mod_site_ports(ctx.pool, watched->s, NULL);
        sso_documents_refresh(&ctx, watched->provider, &watched->next); /* it logs for itself */
        apr_pool_destroy(ctx.pool);
    }
    return APR_SUCCESS;
}

static apr_array_header_t *watched_providers(apr_pool_t *pconf, server_rec *main_server)
{
    apr_array_header_t *list = apr_array_make(pconf, 4, sizeof(watched_t));
    server_rec *s;
    int i;

    for (s = main_server; s; s = s->next) {
        const apr_array_header_t *providers = mod_server(s)->site->providers;

        for (i = 0; i < providers->nelts; i++) {
            watched_t *watched = &APR_ARRAY_PUSH(list, watched_t);

            watched->s = s;
            watched->provider = APR_ARRAY_IDX(providers, i, sso_provider_t *);
            watched->next = 1; /* at once */
        }
    }
    return list;
}

void mod_watch_start(apr_pool_t *pconf, server_rec *main_server)
{
    APR_OPTIONAL_FN_TYPE(ap_watchdog_get_instance) *get =
        APR_RETRIEVE_OPTIONAL_FN(ap_watchdog_get_instance);
    APR_OPTIONAL_FN_TYPE(ap_watchdog_register_callback) *add =
        APR_RETRIEVE_OPTIONAL_FN(ap_watchdog_register_callback);
    apr_array_header_t *list = watched_providers(pconf, main_server);
    ap_watchdog_t *watchdog;

    if (!get || !add)
        ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, main_server, "SSO0903: mod_watchdog is not "
                     "loaded: documents of providers are fetched when they are needed, not ahead");
    else if (get(&watchdog, WATCHDOG, 0, 1, pconf) != APR_SUCCESS
             || add(watchdog, PACE, list, look) != APR_SUCCESS)
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, main_server, "SSO0904: mod_watchdog refused: "
                     "documents of providers are fetched when they are needed, not ahead");
}
