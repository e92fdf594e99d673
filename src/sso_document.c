/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What this process has of providers' documents: slots, parsed documents, and who borrowed them.
 * How a slot comes by a document is in sso_document_store.c.
 */
#include "sso_document.h"

#include <apr_strings.h>
#include <string.h>

#define BORROWED "sso_document: borrowed"

/* What the owner of a pool holds: all of it is let go when the pool goes. */
typedef struct borrow_t {
    struct borrow_t *next;
    const sso_document_slot_t *slot;
    sso_document_t *document;
} borrow_t;

typedef struct borrows_t {
    borrow_t *first;
} borrows_t;

/* ---- how long a document is good */

apr_interval_time_t sso_document_ttl(const sso_document_want_t *want)
{
    const char *config = (const char *)want->provider->config;

    return *(const apr_interval_time_t *)(const void *)(config + want->kind->ttl);
}

static int younger(const sso_document_t *document, apr_interval_time_t than, apr_time_t now)
{
    return document && now - document->stamp < than;
}

int sso_document_is_fresh(const sso_document_want_t *want, const sso_document_t *document,
                          apr_time_t now)
{
    return younger(document, sso_document_ttl(want), now);
}

int sso_document_may_serve(const sso_document_want_t *want, const sso_document_t *document,
                           apr_time_t now)
{
    return younger(document, sso_document_ttl(want) + want->provider->config->stale_if_error, now);
}

sso_document_t *sso_document_current(const sso_document_slot_t *slot,
                                     const sso_document_want_t *want, apr_time_t now)
{
    sso_document_t *document = slot->current;

    if (!document || strcmp(document->url, want->url) != 0
        || document->stamp - now > sso_document_ttl(want) + SSO_DOCUMENT_MINUTE)
        return NULL;
    return document;
}

/* ---- documents and their users */

static void release(sso_document_t *document)
{
    if (document && atomic_fetch_sub(&document->users, 1) == 1)
        apr_pool_destroy(document->pool);
}

static apr_status_t release_later(void *document)
{
    release(document);
    return APR_SUCCESS;
}

static sso_document_t *hold(sso_document_t *document)
{
    atomic_fetch_add(&document->users, 1);
    return document;
}

sso_rc_e sso_document_parse(sso_document_work_t *work, sso_bytes_t text, apr_time_t stamp,
                            sso_document_t **document)
{
    sso_document_t *made;
    apr_pool_t *pool;
    sso_rc_e rc;

    /* a pool without parent: it outlives whichever request or cache it was made for */
    if (apr_pool_create_unmanaged_ex(&pool, apr_pool_abort_get(work->documents->pool), NULL))
        return sso_fail(&work->at, SSO_BROKEN, 360, "no memory for a document");
    made = apr_pcalloc(pool, sizeof(*made));
    made->pool = pool;
    atomic_init(&made->users, 1);
    made->url = apr_pstrdup(pool, work->want->url);
    made->stamp = stamp;
    rc = work->want->kind->read(&work->at, work->want->provider, pool, text, &made->parsed);
    if (rc != SSO_OK)
        apr_pool_destroy(pool);
    else
        *document = made;
    return rc;
}

void sso_document_install(sso_document_work_t *work, sso_document_t *document)
{
    sso_document_t *old = work->slot->current;

    apr_thread_mutex_lock(work->documents->mutex);
    work->slot->current = document;
    work->slot->quiet = 0;
    apr_thread_mutex_unlock(work->documents->mutex);
    sso_metrics_have(&work->at, work->want->provider->http.meter, work->want->kind->name,
                     document->stamp, sso_document_ttl(work->want));
    release(old);
}

static borrows_t *borrows_of(apr_pool_t *pool)
{
    void *found = NULL;

    apr_pool_userdata_get(&found, BORROWED, pool);
    if (!found) {
        found = apr_pcalloc(pool, sizeof(borrows_t));
        apr_pool_userdata_setn(found, BORROWED, NULL, pool);
    }
    return found;
}

/* Pass a held document on to a pool, once. */
static const void *lend(apr_pool_t *pool, const sso_document_slot_t *slot, sso_document_t *document)
{
    borrows_t *borrows = borrows_of(pool);
    borrow_t *borrow;

    for (borrow = borrows->first; borrow; borrow = borrow->next)
        if (borrow->document == document) {
            release(document); /* not the last: the pool holds it */
            return document->parsed;
        }
    borrow = apr_palloc(pool, sizeof(*borrow));
    borrow->next = borrows->first;
    borrow->slot = slot;
    borrow->document = document;
    borrows->first = borrow;
    apr_pool_cleanup_register(pool, document, release_later, apr_pool_cleanup_null);
    return document->parsed;
}

/* The newest of a slot that the owner of a pool has seen, or 0. */
static apr_time_t last_seen(apr_pool_t *pool, const sso_document_slot_t *slot)
{
    const borrow_t *borrow;
    apr_time_t seen = 0;

    for (borrow = borrows_of(pool)->first; borrow; borrow = borrow->next)
        if (borrow->slot == slot && borrow->document->stamp > seen)
            seen = borrow->document->stamp;
    return seen;
}

/* ---- slots; the mutex is held */

static sso_document_slot_t *slot_of(sso_documents_t *documents, const sso_document_want_t *want)
{
    sso_document_slot_t *slot;

    for (slot = documents->slots; slot; slot = slot->next)
        if (slot->provider == want->provider && slot->kind == want->kind)
            return slot;
    slot = apr_pcalloc(documents->pool, sizeof(*slot));
    slot->provider = want->provider;
    slot->kind = want->kind;
    slot->next = documents->slots;
    documents->slots = slot;
    return slot;
}

/* Whether a copy may be handed out without another look around. */
static int serves(const sso_document_slot_t *slot, const sso_document_want_t *want,
                  const sso_document_t *document, apr_time_t now)
{
    return sso_document_is_fresh(want, document, now)
           || ((slot->busy || slot->quiet > now) && sso_document_may_serve(want, document, now));
}

/* What this process may hand out now; @a seen: only what is newer. */
static sso_document_t *at_hand(sso_documents_t *documents, sso_document_slot_t *slot,
                               const sso_document_want_t *want, apr_time_t seen, apr_time_t now)
{
    sso_document_t *current = sso_document_current(slot, want, now);

    if (!current)
        return NULL;
    if (seen)
        return current->stamp > seen ? current : NULL;
    if (!serves(slot, want, current, now))
        return NULL;
    if (!sso_document_is_fresh(want, current, now))
        atomic_fetch_add(&documents->count.stale, 1);
    return current;
}

/*
 * Get a document, or the slot to work on (SSO_ABSENT), waiting for a thread that works on it.
 * Within a process nobody polls the store for what a neighbour is about to bring.
 */
static sso_rc_e take_turn(sso_ctx_t *ctx, const sso_document_want_t *want, apr_time_t seen,
                          sso_document_slot_t *slot, apr_interval_time_t *gone,
                          sso_document_t **found)
{
    sso_documents_t *documents = want->provider->documents;
    apr_interval_time_t total = want->provider->http.total + SSO_DOCUMENT_SECOND;
    apr_time_t began = 0;

    for (*gone = 0;;) {
        sso_document_t *current = at_hand(documents, slot, want, seen, ctx->now + *gone);

        if (current) {
            *found = hold(current);
            return SSO_OK;
        }
        if (!slot->busy) {
            slot->busy = 1;
            return SSO_ABSENT;
        }
        if (!began) {
            began = apr_time_now();
            atomic_fetch_add(&documents->count.waits, 1);
        }
        else if ((*gone = apr_time_now() - began) < 0 || *gone >= total)
            return sso_fail(ctx, SSO_UPSTREAM, 351, "%s: nobody has got it within %d s",
                            want->kind->name, (int)apr_time_sec(total));
        apr_thread_cond_timedwait(documents->changed, documents->mutex, total - *gone);
    }
}

static void end_turn(sso_documents_t *documents, sso_document_slot_t *slot, sso_document_t **found)
{
    apr_thread_mutex_lock(documents->mutex);
    slot->busy = 0;
    if (found)
        *found = hold(slot->current);
    apr_thread_cond_broadcast(documents->changed);
    apr_thread_mutex_unlock(documents->mutex);
}

/* ---- work on a slot */

static sso_rc_e begin(sso_ctx_t *ctx, const sso_document_want_t *want, sso_document_slot_t *slot,
                      apr_interval_time_t gone, sso_document_work_t *work)
{
    memset(work, 0, sizeof(*work));
    work->at = *ctx;
    memset(&work->at.err, 0, sizeof(work->at.err));
    work->at.now = work->base = ctx->now + (gone > 0 ? gone : 0);
    work->began = apr_time_now();
    work->want = want;
    work->documents = want->provider->documents;
    work->slot = slot;
    work->store = ctx->ports && ctx->ports->store ? ctx->ports->store : work->documents->local;
    if (apr_pool_create(&work->at.pool, ctx->pool) != APR_SUCCESS) {
        work->at.pool = ctx->pool;
        return sso_fail(ctx, SSO_BROKEN, 366, "no memory to work with");
    }
    return sso_document_keys(work);
}

/* A failure is the caller's only if the caller has no earlier one. */
static sso_rc_e finish(sso_ctx_t *ctx, sso_document_work_t *work, sso_rc_e rc)
{
    if (rc != SSO_OK && ctx->err.rc == SSO_OK) {
        ctx->err = work->at.err;
        ctx->err.detail = apr_pstrdup(ctx->pool, ctx->err.detail);
    }
    if (work->at.pool != ctx->pool)
        apr_pool_destroy(work->at.pool);
    return rc;
}

sso_rc_e sso_document_get(sso_ctx_t *ctx, const sso_document_want_t *want, int newer,
                          const void **parsed)
{
    sso_documents_t *documents = want->provider->documents;
    sso_document_work_t work;
    sso_document_slot_t *slot;
    sso_document_t *found = NULL;
    apr_interval_time_t gone;
    apr_time_t seen;
    sso_rc_e rc;

    apr_thread_mutex_lock(documents->mutex);
    slot = slot_of(documents, want);
    seen = newer ? last_seen(ctx->pool, slot) : 0;
    rc = take_turn(ctx, want, seen, slot, &gone, &found);
    apr_thread_mutex_unlock(documents->mutex);
    if (rc == SSO_ABSENT) {
        rc = begin(ctx, want, slot, gone, &work);
        if (rc == SSO_OK)
            rc = seen ? sso_document_renew(&work, seen) : sso_document_obtain(&work);
        rc = finish(ctx, &work, rc);
        end_turn(documents, slot, rc == SSO_OK ? &found : NULL);
    }
    if (rc == SSO_OK)
        *parsed = lend(ctx->pool, slot, found);
    return rc;
}

sso_rc_e sso_document_peek(sso_ctx_t *ctx, const sso_document_want_t *want, const void **parsed)
{
    sso_documents_t *documents = want->provider->documents;
    sso_document_slot_t *slot;
    sso_document_t *found;

    apr_thread_mutex_lock(documents->mutex);
    slot = slot_of(documents, want);
    found = sso_document_current(slot, want, ctx->now);
    if (!sso_document_may_serve(want, found, ctx->now))
        found = NULL;
    if (found)
        hold(found);
    apr_thread_mutex_unlock(documents->mutex);
    if (!found)
        return SSO_ABSENT;
    *parsed = lend(ctx->pool, slot, found);
    return SSO_OK;
}

apr_time_t sso_document_stamp(const sso_ctx_t *ctx, const sso_provider_t *provider,
                              const sso_document_kind_t *kind)
{
    sso_documents_t *documents = provider->documents;
    sso_document_want_t want = { provider, kind, NULL };
    const sso_document_slot_t *slot;
    apr_time_t stamp = 0;

    apr_thread_mutex_lock(documents->mutex);
    for (slot = documents->slots; slot; slot = slot->next)
        if (slot->provider == provider && slot->kind == kind && slot->current)
            stamp = serves(slot, &want, slot->current, ctx->now) ? slot->current->stamp : -1;
    apr_thread_mutex_unlock(documents->mutex);
    return stamp;
}

sso_rc_e sso_document_refresh(sso_ctx_t *ctx, const sso_document_want_t *want, apr_time_t *next)
{
    sso_documents_t *documents = want->provider->documents;
    sso_document_work_t work;
    sso_document_slot_t *slot;
    sso_rc_e rc;
    int busy;

    *next = ctx->now + SSO_DOCUMENT_SECOND;
    apr_thread_mutex_lock(documents->mutex);
    slot = slot_of(documents, want);
    busy = slot->busy;
    slot->busy = 1;
    apr_thread_mutex_unlock(documents->mutex);
    if (busy) /* a request is at it, and will leave nothing to do */
        return SSO_OK;
    rc = begin(ctx, want, slot, 0, &work);
    if (rc == SSO_OK)
        rc = sso_document_ahead(&work, next);
    rc = finish(ctx, &work, rc);
    end_turn(documents, slot, NULL);
    return rc;
}

/* ---- the cache of a process */

static apr_status_t forget(void *data)
{
    sso_documents_t *documents = data;
    sso_document_slot_t *slot;

    for (slot = documents->slots; slot; slot = slot->next) {
        release(slot->current);
        slot->current = NULL;
    }
    return APR_SUCCESS;
}

sso_rc_e sso_documents_start(sso_ctx_t *ctx, sso_documents_t *documents)
{
    sso_document_slot_t *slot;

    for (slot = documents->slots; slot; slot = slot->next)
        slot->busy = 0; /* who was at it is in another process now */
    if (apr_thread_mutex_create(&documents->mutex, APR_THREAD_MUTEX_DEFAULT, documents->pool)
        || apr_thread_cond_create(&documents->changed, documents->pool))
        return sso_fail(ctx, SSO_BROKEN, 363, "no mutex for documents");
    return sso_document_local_start(ctx, documents->local, documents->pool);
}

sso_rc_e sso_documents_make(sso_ctx_t *ctx, apr_pool_t *pool, const sso_keyring_t *ring,
                            sso_documents_t **documents)
{
    sso_documents_t *made;
    apr_pool_t *own;

    if (apr_pool_create(&own, pool) != APR_SUCCESS)
        return sso_fail(ctx, SSO_BROKEN, 362, "no memory for documents");
    made = apr_pcalloc(own, sizeof(*made));
    made->pool = own;
    made->ring = ring;
    SSO_TRY(sso_document_local_make(ctx, own, &made->local));
    SSO_TRY(sso_documents_start(ctx, made));
    apr_pool_cleanup_register(own, made, forget, apr_pool_cleanup_null);
    *documents = made;
    return SSO_OK;
}

void sso_documents_stats(sso_documents_t *documents, sso_documents_stats_t *stats)
{
    stats->fetches = atomic_load(&documents->count.fetches);
    stats->failures = atomic_load(&documents->count.failures);
    stats->taken = atomic_load(&documents->count.taken);
    stats->stale = atomic_load(&documents->count.stale);
    stats->waits = atomic_load(&documents->count.waits);
}
