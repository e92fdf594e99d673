/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Work in the background, each kind of it by one process of all (a singleton of mod_watchdog):
 * providers' documents are fetched ahead of their expiry; the name of the host of Redis is looked
 * up again. Without mod_watchdog requests do that themselves, when they need it.
 */
#include "mod_glue.h"

#include "sso_metadata.h"
#include "sso_store.h"

#include <apr_atomic.h>
#include <mod_watchdog.h>

#define DOCUMENTS "_edxsso_"
#define STORE     "_edxsso_store_"
#define PACE     apr_time_from_sec(1) /* how often we look whether something is due */
#define PATIENCE apr_time_from_sec(2) /* of a child that ends while an answer comes */
#define NAP      apr_time_from_msec(5)

/* Of this child: it ends; so many threads of its watchdogs are at work. */
static volatile apr_uint32_t ending, working;

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
    apr_atomic_inc32(&working);
    for (i = 0; i < list->nelts && !apr_atomic_read32(&ending); i++) {
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
    apr_atomic_dec32(&working);
    return APR_SUCCESS;
}

/* In a thread of its own: neither DNS nor a provider that hangs keeps the other work waiting. */
static apr_status_t tend(int state, void *store, apr_pool_t *pool)
{
    (void)pool;
    apr_atomic_inc32(&working);
    if (state == AP_WATCHDOG_STATE_RUNNING && !apr_atomic_read32(&ending))
        sso_store_tend(store, 1);
    apr_atomic_dec32(&working);
    return APR_SUCCESS;
}

/*
 * mod_watchdog does not wait for its threads when a child ends. What they use, OpenSSL among it,
 * goes with the process: they get a moment to leave that alone.
 */
static apr_status_t let_finish(void *unused)
{
    apr_interval_time_t left = PATIENCE;

    (void)unused;
    apr_atomic_set32(&ending, 1);
    for (; apr_atomic_read32(&working) && left > 0; left -= NAP)
        apr_sleep(NAP);
    return APR_SUCCESS;
}

void mod_watch_child(apr_pool_t *pchild)
{
    apr_atomic_set32(&ending, 0); /* `httpd -X` is one process for all of its children */
    apr_pool_pre_cleanup_register(pchild, NULL, let_finish);
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

typedef apr_status_t callback_fn(int state, void *data, apr_pool_t *pool);

/* Whether mod_watchdog, which is loaded, calls a function from now on. */
static int begin(apr_pool_t *pconf, const char *name, callback_fn *function, void *data)
{
    APR_OPTIONAL_FN_TYPE(ap_watchdog_get_instance) *get =
        APR_RETRIEVE_OPTIONAL_FN(ap_watchdog_get_instance);
    APR_OPTIONAL_FN_TYPE(ap_watchdog_register_callback) *add =
        APR_RETRIEVE_OPTIONAL_FN(ap_watchdog_register_callback);
    ap_watchdog_t *watchdog;

    return get(&watchdog, name, 0, 1, pconf) == APR_SUCCESS
           && add(watchdog, PACE, data, function) == APR_SUCCESS;
}

void mod_watch_start(apr_pool_t *pconf, server_rec *main_server, sso_store_t *store)
{
    if (!APR_RETRIEVE_OPTIONAL_FN(ap_watchdog_get_instance)
        || !APR_RETRIEVE_OPTIONAL_FN(ap_watchdog_register_callback))
        ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, main_server, "SSO0903: mod_watchdog is not "
                     "loaded: documents of providers are fetched when they are needed, not ahead");
    else if (!begin(pconf, DOCUMENTS, look, watched_providers(pconf, main_server))
             || (sso_store_is_tended(store) && !begin(pconf, STORE, tend, store)))
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, main_server, "SSO0904: mod_watchdog refused: "
                     "documents of providers are fetched when they are needed, not ahead");
    else if (sso_store_is_tended(store))
        sso_store_tend(store, 0);
}
