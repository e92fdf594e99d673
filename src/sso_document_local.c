/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A store within one process, for documents only: used where there is no store, or while it fails.
 * A handful of entries, each in a pool of its own that goes when the entry does.
 */
#include "sso_document.h"

#include <apr_strings.h>
#include <string.h>

typedef struct entry_t {
    struct entry_t *next;
    apr_pool_t *pool;
    sso_store_key_t key;
    sso_store_entry_t held; /* the value is in pool */
} entry_t;

typedef struct local_t {
    sso_store_t store; /* first */
    apr_thread_mutex_t *mutex;
    entry_t *entries;
    apr_uint64_t version;
} local_t;

/* The link to a live entry, or NULL. Drops on its way what has expired. */
static entry_t **find(local_t *local, const sso_store_key_t *key, apr_time_t now)
{
    entry_t **at = &local->entries, **found = NULL;

    while (*at) {
        entry_t *entry = *at;

        if (entry->held.expires <= now) {
            *at = entry->next;
            apr_pool_destroy(entry->pool);
            continue;
        }
        if (!memcmp(&entry->key, key, sizeof(*key)))
            found = at;
        at = &entry->next;
    }
    return found;
}

static void drop(entry_t **at)
{
    entry_t *entry = *at;

    *at = entry->next;
    apr_pool_destroy(entry->pool);
}

static sso_rc_e insert(sso_ctx_t *ctx, local_t *local, const sso_store_key_t *key,
                       const sso_store_item_t *item)
{
    apr_pool_t *pool;
    entry_t *entry;

    if (apr_pool_create_unmanaged_ex(&pool, NULL, NULL) != APR_SUCCESS)
        return sso_fail(ctx, SSO_BROKEN, 361, "no memory for a document");
    entry = apr_pcalloc(pool, sizeof(*entry));
    entry->pool = pool;
    entry->key = *key;
    entry->held.value = apr_pmemdup(pool, item->value ? item->value : "", item->length);
    entry->held.length = item->length;
    entry->held.expires = item->expires;
    entry->held.version = ++local->version;
    entry->next = local->entries;
    local->entries = entry;
    return SSO_OK;
}

static sso_rc_e local_get(sso_ctx_t *ctx, sso_store_t *store, const sso_store_key_t *key,
                          apr_time_t touch, sso_store_entry_t *entry)
{
    local_t *local = (local_t *)(void *)store;
    entry_t **at;

    (void)touch;
    apr_thread_mutex_lock(local->mutex);
    at = find(local, key, ctx->now);
    if (at) {
        *entry = (*at)->held;
        entry->value = apr_pmemdup(ctx->pool, entry->value, entry->length);
    }
    apr_thread_mutex_unlock(local->mutex);
    return at ? SSO_OK : SSO_ABSENT;
}

static sso_rc_e local_put(sso_ctx_t *ctx, sso_store_t *store, const sso_store_key_t *key,
                          const sso_store_item_t *item)
{
    local_t *local = (local_t *)(void *)store;
    entry_t **at;
    sso_rc_e rc;

    apr_thread_mutex_lock(local->mutex);
    at = find(local, key, ctx->now);
    if (at)
        drop(at);
    rc = insert(ctx, local, key, item);
    apr_thread_mutex_unlock(local->mutex);
    return rc;
}

static sso_rc_e local_add(sso_ctx_t *ctx, sso_store_t *store, const sso_store_key_t *key,
                          const sso_store_item_t *item)
{
    local_t *local = (local_t *)(void *)store;
    sso_rc_e rc = SSO_DENIED;

    apr_thread_mutex_lock(local->mutex);
    if (!find(local, key, ctx->now))
        rc = insert(ctx, local, key, item);
    apr_thread_mutex_unlock(local->mutex);
    return rc;
}

static sso_rc_e local_remove(sso_ctx_t *ctx, sso_store_t *store, const sso_store_key_t *key)
{
    local_t *local = (local_t *)(void *)store;
    entry_t **at;

    apr_thread_mutex_lock(local->mutex);
    at = find(local, key, ctx->now);
    if (at)
        drop(at);
    apr_thread_mutex_unlock(local->mutex);
    return at ? SSO_OK : SSO_ABSENT;
}

static const sso_store_kind_t local_kind = {
    .scheme = "local", .get = local_get, .put = local_put, .add = local_add,
    .remove = local_remove /* nobody swaps documents, or asks this one for statistics */
};

static apr_status_t forget(void *data)
{
    local_t *local = data;

    while (local->entries)
        drop(&local->entries);
    return APR_SUCCESS;
}

sso_rc_e sso_document_local_start(sso_ctx_t *ctx, sso_store_t *store, apr_pool_t *pool)
{
    local_t *local = (local_t *)(void *)store;

    if (apr_thread_mutex_create(&local->mutex, APR_THREAD_MUTEX_DEFAULT, pool) != APR_SUCCESS)
        return sso_fail(ctx, SSO_BROKEN, 364, "no mutex for documents");
    return SSO_OK;
}

sso_rc_e sso_document_local_make(sso_ctx_t *ctx, apr_pool_t *pool, sso_store_t **store)
{
    local_t *local = apr_pcalloc(pool, sizeof(*local));

    local->store.kind = &local_kind;
    SSO_TRY(sso_document_local_start(ctx, &local->store, pool));
    apr_pool_cleanup_register(pool, local, forget, apr_pool_cleanup_null);
    *store = &local->store;
    return SSO_OK;
}
