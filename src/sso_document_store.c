/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Documents between processes: entries of the store, the lock by which one fetches for all, and the
 * decisions: take over, fetch, wait, go on with the old copy, or give up.
 */
#include "sso_document.h"

#include <apr_strings.h>
#include <string.h>

#define PURPOSE     "document"
#define POLL_MIN    apr_time_from_msec(20)
#define POLL_JITTER 30                      /* ms */
#define QUIET       SSO_DOCUMENT_SECOND     /* between looks around while the old copy serves */
#define LATE        apr_time_from_sec(10)   /* the background job did not come: requests try */
#define LOCK_EXTRA  apr_time_from_sec(2)    /* a lock outlives its owner's call by so much */

static const char *const entry_names[SSO_DOCUMENT_ENTRIES] = {
    "text", "lock", "failure", "window"
};

void sso_document_tick(sso_document_work_t *work)
{
    apr_interval_time_t gone = apr_time_now() - work->began;

    work->at.now = work->base + (gone > 0 ? gone : 0);
}

static int time_is_over(sso_document_work_t *work)
{
    sso_document_tick(work);
    return work->at.now - work->base >= work->want->provider->http.total;
}

/* ---- entries */

/*
 * What a provider's rules accepted is kept apart from what those of another one did; and a window,
 * which is as long as EdxSSOJWKSMinRefresh of a section, does not shut out one with a shorter one.
 */
sso_rc_e sso_document_keys(sso_document_work_t *work)
{
    apr_interval_time_t window = work->want->provider->config->jwks_min_refresh;
    const apr_array_header_t *issuers = work->want->kind->issued ? work->want->provider->issuers
                                                                 : NULL;
    int i, count = 4 + (issuers ? issuers->nelts : 0);
    sso_bytes_t *parts = apr_palloc(work->at.pool, (apr_size_t)count * sizeof(*parts));

    parts[0] = sso_bytes(PURPOSE);
    parts[2] = sso_bytes(work->want->kind->name);
    parts[3] = sso_bytes(work->want->url);
    for (i = 4; i < count; i++)
        parts[i] = sso_bytes(APR_ARRAY_IDX(issuers, i - 4, const char *));
    for (i = 0; i < SSO_DOCUMENT_ENTRIES; i++) {
        parts[1] = sso_bytes(i == SSO_DOCUMENT_WINDOW
                                 ? apr_psprintf(work->at.pool, "%s %" APR_TIME_T_FMT,
                                                entry_names[i], window) : entry_names[i]);
        SSO_TRY(sso_digest(&work->at, parts, count, work->keys[i].bytes));
    }
    return SSO_OK;
}

/* Whether the store could not say. From then on this work goes on with the process's own store. */
static int store_failed(sso_document_work_t *work, sso_rc_e rc)
{
    if (rc == SSO_OK || rc == SSO_ABSENT || rc == SSO_DENIED
        || work->store == work->documents->local)
        return 0;
    sso_log(&work->at, SSO_LOG_DEBUG, 367, "%s: without the store: %s", work->want->kind->name,
            work->at.err.text);
    sso_forgive(&work->at);
    work->store = work->documents->local;
    return 1;
}

static sso_rc_e entry_get(sso_document_work_t *work, sso_document_entry_e which,
                          sso_store_entry_t *entry)
{
    sso_rc_e rc = sso_store_get(&work->at, work->store, &work->keys[which], 0, entry);

    if (store_failed(work, rc))
        rc = sso_store_get(&work->at, work->store, &work->keys[which], 0, entry);
    return rc;
}

/* An entry that says all it has to say by being there. */
static sso_rc_e entry_add(sso_document_work_t *work, sso_document_entry_e which, apr_time_t expires)
{
    sso_store_item_t item = { .value = "", .expires = expires, .class = SSO_STORE_PLAIN };
    sso_rc_e rc = sso_store_add(&work->at, work->store, &work->keys[which], &item);

    if (store_failed(work, rc))
        rc = sso_store_add(&work->at, work->store, &work->keys[which], &item);
    return rc;
}

sso_rc_e sso_document_remove(sso_document_work_t *work, sso_document_entry_e which)
{
    sso_rc_e rc = sso_store_remove(&work->at, work->store, &work->keys[which]);

    store_failed(work, rc);
    return rc;
}

/* A value is the stamp, in clear, and a box that opens for this key and this stamp only. */
static sso_bytes_t context_of(sso_document_work_t *work, sso_document_entry_e which,
                              apr_time_t stamp)
{
    apr_size_t length = sizeof(work->keys[which].bytes) + sizeof(stamp);
    unsigned char *both = apr_palloc(work->at.pool, length);
    sso_bytes_t context = { both, length };

    memcpy(both, work->keys[which].bytes, sizeof(work->keys[which].bytes));
    memcpy(both + sizeof(work->keys[which].bytes), &stamp, sizeof(stamp));
    return context;
}

sso_rc_e sso_document_keep(sso_document_work_t *work, sso_document_entry_e which, apr_time_t stamp,
                           sso_bytes_t plain, apr_time_t expires)
{
    sso_store_item_t item = { .expires = expires, .class = SSO_STORE_PLAIN };
    unsigned char *value;
    sso_bytes_t box;

    SSO_TRY(sso_box_seal(&work->at, work->documents->ring, PURPOSE,
                         context_of(work, which, stamp), plain, &box));
    item.length = sizeof(stamp) + box.length;
    item.value = value = apr_palloc(work->at.pool, item.length);
    memcpy(value, &stamp, sizeof(stamp));
    memcpy(value + sizeof(stamp), box.data, box.length);
    return sso_store_put(&work->at, work->store, &work->keys[which], &item);
}

sso_rc_e sso_document_open(sso_document_work_t *work, sso_document_entry_e which,
                           apr_time_t newer_than, apr_time_t *stamp, sso_bytes_t *plain)
{
    sso_store_entry_t entry;
    apr_time_t kept;
    sso_bytes_t box;

    if (entry_get(work, which, &entry) != SSO_OK || entry.length < sizeof(kept))
        return SSO_ABSENT;
    memcpy(&kept, entry.value, sizeof(kept));
    if (kept <= newer_than)
        return SSO_ABSENT;
    box.data = entry.value + sizeof(kept);
    box.length = entry.length - sizeof(kept);
    if (sso_box_open(&work->at, work->documents->ring, PURPOSE, context_of(work, which, kept), box,
                     plain) != SSO_OK) {
        sso_forgive(&work->at); /* of another secret, or damaged: as good as none */
        return SSO_ABSENT;
    }
    *stamp = kept;
    return SSO_OK;
}

/* ---- the slot, for the thread that works on it */

static sso_document_t *current_of(const sso_document_work_t *work)
{
    return sso_document_current(work->slot, work->want, work->at.now);
}

static int is_fresh(const sso_document_work_t *work)
{
    return sso_document_is_fresh(work->want, current_of(work), work->at.now);
}

static int may_serve(const sso_document_work_t *work)
{
    return sso_document_may_serve(work->want, current_of(work), work->at.now);
}

static int is_newer(const sso_document_work_t *work, apr_time_t than)
{
    const sso_document_t *current = current_of(work);

    return current && current->stamp > than;
}

/* Take over what somebody else fetched, if it is newer than what is here and may serve. */
static void look(sso_document_work_t *work)
{
    const sso_document_t *current = current_of(work);
    sso_document_t *found;
    apr_time_t stamp;
    sso_bytes_t text;

    if (sso_document_open(work, SSO_DOCUMENT_TEXT, current ? current->stamp : 0, &stamp, &text)
        || stamp - work->at.now > sso_document_ttl(work->want) + SSO_DOCUMENT_MINUTE)
        return;
    if (sso_document_parse(work, text, stamp, &found) != SSO_OK) {
        sso_forgive(&work->at); /* this process has other rules: it fetches for itself */
        return;
    }
    atomic_fetch_add(&work->documents->count.taken, 1);
    sso_document_install(work, found);
}

/* The old copy serves, and the next request need not ask for a while. */
static sso_rc_e go_on_with_old(sso_document_work_t *work, apr_time_t until)
{
    apr_time_t soon = work->at.now + QUIET;

    sso_forgive(&work->at);
    atomic_fetch_add(&work->documents->count.stale, 1);
    apr_thread_mutex_lock(work->documents->mutex);
    work->slot->quiet = until && until < soon ? until : soon;
    apr_thread_mutex_unlock(work->documents->mutex);
    return SSO_OK;
}

static sso_rc_e lock(sso_document_work_t *work)
{
    return entry_add(work, SSO_DOCUMENT_LOCK,
                     work->at.now + work->want->provider->http.total + LOCK_EXTRA);
}

static void unlock(sso_document_work_t *work)
{
    const sso_err_t err = work->at.err; /* a store that fails now must not hide what went wrong */

    sso_document_remove(work, SSO_DOCUMENT_LOCK);
    work->at.err = err;
}

/* Wait until nobody holds the lock: SSO_OK; SSO_ABSENT: not within the time. */
static sso_rc_e wait_unlocked(sso_document_work_t *work)
{
    sso_store_entry_t entry;
    int waited = 0;

    while (entry_get(work, SSO_DOCUMENT_LOCK, &entry) == SSO_OK) {
        if (!waited++)
            atomic_fetch_add(&work->documents->count.waits, 1);
        if (time_is_over(work))
            return SSO_ABSENT;
        apr_sleep(POLL_MIN + apr_time_from_msec(sso_random_below(POLL_JITTER)));
        sso_document_tick(work);
    }
    return SSO_OK;
}

/* With the lock: fetch, unless somebody has just done so. */
static sso_rc_e fetch_locked(sso_document_work_t *work)
{
    sso_rc_e rc = SSO_OK;

    look(work);
    if (!is_fresh(work))
        rc = sso_document_fetch(work);
    unlock(work);
    return rc;
}

sso_rc_e sso_document_obtain(sso_document_work_t *work)
{
    sso_document_failure_t failure;

    do {
        sso_rc_e rc;
        int failed;

        look(work);
        if (is_fresh(work))
            return SSO_OK;
        failed = sso_document_failed(work, &failure);
        if (failed && may_serve(work) && work->at.now < failure.next + LATE)
            return go_on_with_old(work, failure.next + LATE);
        if (failed && !may_serve(work) && work->at.now < failure.retry)
            return sso_document_fail_again(work, &failure);
        rc = lock(work);
        if (rc == SSO_OK) {
            rc = fetch_locked(work);
            return rc != SSO_OK && may_serve(work) ? go_on_with_old(work, 0) : rc;
        }
        if (rc != SSO_DENIED)
            return rc;
        if (may_serve(work))
            return go_on_with_old(work, 0);
    } while (wait_unlocked(work) == SSO_OK);
    look(work); /* who was killed may still have brought it */
    if (may_serve(work))
        return SSO_OK;
    return sso_fail(&work->at, SSO_UPSTREAM, 350, "%s: another process has not got it within %d s",
                    work->want->kind->name,
                    (int)apr_time_sec(work->want->provider->http.total));
}

/*
 * With the lock. The window opens with a fetch and with nothing else: whoever comes while it is
 * open still gets what that fetch, or any other, brought.
 */
static sso_rc_e renew_locked(sso_document_work_t *work, apr_time_t seen)
{
    apr_interval_time_t window = work->want->provider->config->jwks_min_refresh;
    sso_document_failure_t failure;
    sso_rc_e rc;

    look(work);
    if (is_newer(work, seen))
        return SSO_OK;
    if (sso_document_failed(work, &failure) && work->at.now < failure.retry)
        return sso_document_fail_again(work, &failure);
    rc = entry_add(work, SSO_DOCUMENT_WINDOW, work->at.now + window);
    if (rc != SSO_OK)
        return rc == SSO_DENIED ? SSO_ABSENT : rc;
    return sso_document_fetch(work);
}

/* While the window is open: a fetch under way is waited for, because it may bring the key. */
static sso_rc_e renew_in_window(sso_document_work_t *work, apr_time_t seen)
{
    sso_document_failure_t failure;

    wait_unlocked(work);
    look(work);
    if (is_newer(work, seen))
        return SSO_OK;
    if (sso_document_failed(work, &failure) && work->at.now < failure.retry)
        return sso_document_fail_again(work, &failure);
    return SSO_ABSENT;
}

sso_rc_e sso_document_renew(sso_document_work_t *work, apr_time_t seen)
{
    sso_store_entry_t window;
    sso_rc_e rc;

    do {
        if (entry_get(work, SSO_DOCUMENT_WINDOW, &window) == SSO_OK)
            return renew_in_window(work, seen);
        rc = lock(work);
        if (rc == SSO_OK) {
            rc = renew_locked(work, seen);
            unlock(work);
            return rc;
        }
        if (rc != SSO_DENIED)
            return rc;
        rc = wait_unlocked(work);
        look(work);
        if (is_newer(work, seen))
            return SSO_OK;
    } while (rc == SSO_OK);
    return SSO_ABSENT;
}

/* ---- ahead of expiry */

/* At 80 to 90 % of the TTL: the same for all who have this copy, another one for other copies. */
static apr_time_t due(const sso_document_work_t *work)
{
    const sso_document_t *current = current_of(work);
    apr_interval_time_t ttl = sso_document_ttl(work->want), tenth = ttl / 10;

    return current ? current->stamp + 8 * tenth + (tenth ? current->stamp % tenth : 0) : 0;
}

sso_rc_e sso_document_ahead(sso_document_work_t *work, apr_time_t *next)
{
    sso_document_failure_t failure;
    sso_err_t err;
    sso_rc_e rc;

    look(work);
    *next = due(work);
    if (work->at.now < *next)
        return SSO_OK;
    if (sso_document_failed(work, &failure) && work->at.now < failure.next) {
        *next = failure.next;
        return SSO_OK;
    }
    rc = lock(work);
    *next = work->at.now + SSO_DOCUMENT_SECOND;
    if (rc != SSO_OK) /* somebody is at it, or a store that is full */
        return rc == SSO_DENIED ? SSO_OK : rc;
    look(work);
    if (work->at.now >= due(work))
        rc = sso_document_fetch(work);
    unlock(work);
    if (rc == SSO_OK) {
        *next = due(work);
        return SSO_OK;
    }
    err = work->at.err;
    if (sso_document_failed(work, &failure))
        *next = failure.next;
    work->at.err = err;
    return rc;
}
