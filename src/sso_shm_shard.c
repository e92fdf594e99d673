/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One shard: its lock, and how it is made whole after a process died in it or after nobody had the
 * file open. What an entry is made of is in sso_shm_index.c.
 */
#include "sso_shm.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#define LOCK_WAIT 2 /* s: longer than any rebuild; a holder that is stopped must not stop us */
#define LOCK_SLICE (100 * 1000 * 1000) /* ns */

apr_uint32_t sso_shm_number(const sso_shm_t *shm, const sso_store_key_t *key)
{
    apr_uint32_t hash;

    memcpy(&hash, key->bytes, sizeof(hash));
    return (apr_uint32_t)(((apr_uint64_t)hash * shm->plan.shards) >> 32);
}

void sso_shm_view(const sso_shm_t *shm, apr_uint32_t number, apr_time_t now, sso_shm_view_t *v)
{
    const sso_shm_plan_t *plan = &shm->plan;
    unsigned char *base = shm->memory + SSO_SHM_PAGE + number * plan->shard_bytes;

    v->shard = (sso_shm_shard_t *)(void *)base;
    v->buckets = (apr_uint32_t *)(void *)(base + SSO_SHM_PAGE);
    v->links = (apr_uint32_t *)(void *)(base + plan->links_at);
    v->blocks = base + plan->blocks_at;
    v->limit = plan->limit;
    v->mask = plan->buckets - 1;
    v->boot = shm->boot;
    v->number = number;
    v->now = now;
    v->torn = v->rebuilt = v->lost = v->bad_value = 0;
}

int sso_shm_lock_make(sso_shm_shard_t *shard)
{
    pthread_mutexattr_t kind;
    int rc = pthread_mutexattr_init(&kind);

    if (rc)
        return rc;
    rc = pthread_mutexattr_setpshared(&kind, PTHREAD_PROCESS_SHARED);
    if (!rc)
        rc = pthread_mutexattr_setrobust(&kind, PTHREAD_MUTEX_ROBUST);
    if (!rc) {
        memset(&shard->lock, 0, sizeof(shard->lock));
        rc = pthread_mutex_init(&shard->lock, &kind);
    }
    pthread_mutexattr_destroy(&kind);
    return rc;
}

/* Put two lists, newest first, into one. */
static apr_uint32_t merge(sso_shm_view_t *v, apr_uint32_t a, apr_uint32_t b)
{
    apr_uint32_t first = 0, *link = &first;

    while (a && b) {
        apr_uint32_t *from = sso_shm_head(v, a)->used >= sso_shm_head(v, b)->used ? &a : &b;

        *link = *from;
        link = &sso_shm_head(v, *from)->older;
        *from = *link;
    }
    *link = a ? a : b;
    return first;
}

/* Order a class by last use again (its list is linked by `older` in any order). */
static void sort_order(sso_shm_view_t *v, unsigned class)
{
    apr_uint32_t runs[32] = { 0 }, at = v->shard->newest[class], next, newer = 0;
    unsigned i;

    for (; at; at = next) { /* runs[i] is empty or a sorted list of 2^i entries */
        next = sso_shm_head(v, at)->older;
        sso_shm_head(v, at)->older = 0;
        for (i = 0; runs[i]; i++) {
            at = merge(v, runs[i], at);
            runs[i] = 0;
        }
        runs[i] = at;
    }
    for (i = 0; i < SSO_COUNT(runs); i++)
        if (runs[i])
            at = merge(v, runs[i], at);
    v->shard->newest[class] = at;
    for (; at; at = sso_shm_head(v, at)->older) {
        sso_shm_head(v, at)->newer = newer;
        newer = at;
    }
    v->shard->oldest[class] = newer;
}

/* Mark an entry's blocks from one kind to another; returns how many were as they must be. */
static apr_uint32_t mark_chain(sso_shm_view_t *v, apr_uint32_t at, apr_uint32_t from,
                               apr_uint32_t to, apr_uint32_t count)
{
    apr_uint32_t done = 0;

    while (done < count) {
        at = v->links[at] & SSO_SHM_NEXT;
        if (!at || at >= v->shard->high || (v->links[at] & SSO_SHM_KIND) != from)
            break;
        v->links[at] = to | (v->links[at] & SSO_SHM_NEXT);
        done++;
    }
    if (done == count && (v->links[at] & SSO_SHM_NEXT)) /* it must end here */
        return count + 1;
    return done;
}

/* Whether what is marked as an entry is one; its blocks are then kept for it. */
static int claim(sso_shm_view_t *v, apr_uint32_t at, apr_uint32_t touched)
{
    sso_shm_head_t *head = sso_shm_head(v, at);
    apr_uint32_t count, done;

    if (head->length > SSO_STORE_VALUE_MAX || head->class > SSO_STORE_PINNED ||
        head->check != sso_shm_head_check(head))
        return 0;
    if (head->expires_check != sso_shm_expires_check(head)) {
        if (at != touched)
            return 0;
        head->expires_check = sso_shm_expires_check(head); /* its writer died half-way */
    }
    count = sso_shm_blocks(head->length) - 1;
    done = mark_chain(v, at, SSO_SHM_BODY, SSO_SHM_KEPT, count);
    if (done == count)
        return 1;
    mark_chain(v, at, SSO_SHM_KEPT, SSO_SHM_BODY, done < count ? done : count);
    return 0;
}

/* The entry already found under the same key, if any. */
static apr_uint32_t rival_of(sso_shm_view_t *v, const sso_shm_head_t *head)
{
    apr_uint32_t at, hash;

    memcpy(&hash, head->key.bytes + 4, sizeof(hash));
    for (at = v->buckets[hash & v->mask]; at; at = sso_shm_head(v, at)->chain)
        if (!memcmp(&sso_shm_head(v, at)->key, &head->key, sizeof(head->key)))
            return at;
    return 0;
}

/* Keep a complete entry; of two under one key the newer: its writer died before it dropped the
 * other. */
static void keep(sso_shm_view_t *v, apr_uint32_t at)
{
    sso_shm_head_t *head = sso_shm_head(v, at);
    apr_uint32_t rival = rival_of(v, head);

    if (rival && sso_shm_head(v, rival)->version > head->version) {
        mark_chain(v, at, SSO_SHM_KEPT, SSO_SHM_BODY, sso_shm_blocks(head->length) - 1);
        v->links[at] = SSO_SHM_BODY;
        return;
    }
    if (rival)
        sso_shm_drop(v, rival);
    if (head->version >= v->shard->version)
        v->shard->version = head->version + 1;
    sso_shm_enlist(v, at);
}

static void forget_structure(sso_shm_view_t *v)
{
    sso_shm_shard_t *shard = v->shard;
    apr_uint32_t at;

    memset(v->buckets, 0, ((apr_size_t)v->mask + 1) * sizeof(*v->buckets));
    memset(shard->newest, 0, sizeof(shard->newest));
    memset(shard->oldest, 0, sizeof(shard->oldest));
    sso_shm_wheel_clear(v);
    shard->free_first = shard->free_count = 0;
    shard->entries = shard->used = shard->pinned = 0;
    v->torn = 0;
    if (!shard->high || shard->high > v->limit)
        shard->high = v->limit;
    for (at = 1; at < shard->high; at++) /* in case a rebuild was cut off */
        if ((v->links[at] & SSO_SHM_KIND) == SSO_SHM_KEPT)
            v->links[at] = SSO_SHM_BODY | (v->links[at] & SSO_SHM_NEXT);
}

int sso_shm_rebuild(sso_shm_view_t *v)
{
    sso_shm_shard_t *shard = v->shard;
    apr_uint32_t touched = shard->busy & SSO_SHM_NEXT, at;
    int lost = 0;

    sso_shm_begin(v, touched);
    forget_structure(v);
    for (at = 1; at < shard->high; at++) {
        if ((v->links[at] & SSO_SHM_KIND) != SSO_SHM_HEAD)
            continue;
        if (claim(v, at, touched)) {
            keep(v, at);
            continue;
        }
        v->links[at] = SSO_SHM_BODY;
        lost++;
    }
    shard->free_first = shard->free_count = 0; /* all that nobody kept, dropped rivals included */
    for (at = shard->high - 1; at; at--) {
        apr_uint32_t kind = v->links[at] & SSO_SHM_KIND;

        if (kind == SSO_SHM_KEPT)
            v->links[at] = SSO_SHM_BODY | (v->links[at] & SSO_SHM_NEXT);
        else if (kind != SSO_SHM_HEAD) {
            v->links[at] = SSO_SHM_FREE | shard->free_first;
            shard->free_first = at;
            shard->free_count++;
        }
    }
    sort_order(v, SSO_STORE_PLAIN);
    sort_order(v, SSO_STORE_PINNED);
    v->rebuilt++;
    v->lost += lost;
    sso_shm_end(v);
    return lost;
}

int sso_shm_check(sso_shm_view_t *v)
{
    const sso_shm_shard_t was = *v->shard;
    sso_shm_shard_t *shard = v->shard;

    if (!was.high || was.high > v->limit ||
        (was.busy && (was.busy & ~SSO_SHM_NEXT) != SSO_SHM_BUSY))
        return 0;
    if (was.high == 1) { /* never used: leave its pages alone */
        sso_shm_wheel_clear(v);
        memset(shard->newest, 0, sizeof(shard->newest));
        memset(shard->oldest, 0, sizeof(shard->oldest));
        shard->busy = 0;
        shard->free_first = 0;
        return !was.entries && !was.used && !was.pinned && !was.free_count;
    }
    if (sso_shm_rebuild(v) || v->torn)
        return 0;
    return was.busy || (was.entries == shard->entries && was.used == shard->used &&
                        was.pinned == shard->pinned && was.free_count == shard->free_count);
}

static int take_lock(sso_shm_shard_t *shard)
{
    struct timespec start, now;
    int rc = pthread_mutex_trylock(&shard->lock);

    if (rc != EBUSY)
        return rc;
    clock_gettime(CLOCK_MONOTONIC, &start);
    do { /* POSIX waits by the other clock, which may be set: so a little at a time */
        clock_gettime(CLOCK_REALTIME, &now);
        now.tv_nsec += LOCK_SLICE;
        now.tv_sec += now.tv_nsec / 1000000000;
        now.tv_nsec %= 1000000000;
        rc = pthread_mutex_timedlock(&shard->lock, &now);
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while (rc == ETIMEDOUT && now.tv_sec - start.tv_sec < LOCK_WAIT);
    if (!rc || rc == EOWNERDEAD)
        shard->counters.lock_waits++;
    return rc;
}

sso_rc_e sso_shm_enter(sso_ctx_t *ctx, sso_shm_view_t *v)
{
    int rc = take_lock(v->shard);

    if (rc == ETIMEDOUT)
        return sso_fail(ctx, SSO_UPSTREAM, 223, "store: shard %u: its lock was not free for %d s",
                        v->number, LOCK_WAIT);
    if (rc && rc != EOWNERDEAD)
        return sso_fail(ctx, SSO_BROKEN, 224, "store: shard %u: cannot take its lock: error %d",
                        v->number, rc);
    if (v->shard->busy)
        sso_shm_rebuild(v);
    if (rc == EOWNERDEAD) {
        v->shard->counters.lock_recoveries++;
        pthread_mutex_consistent(&v->shard->lock);
    }
    return SSO_OK;
}

void sso_shm_leave(sso_ctx_t *ctx, sso_shm_view_t *v)
{
    apr_uint32_t entries;

    if (v->torn)
        sso_shm_rebuild(v);
    entries = v->shard->entries;
    pthread_mutex_unlock(&v->shard->lock);
    if (v->rebuilt)
        sso_log(ctx, SSO_LOG_WARN, 225, "store: shard %u was put right after a process died while "
                "writing to it, or wrote where it must not: %u entries kept, %d dropped",
                v->number, entries, v->lost);
    if (v->bad_value)
        sso_log(ctx, SSO_LOG_WARN, 226, "store: an entry of shard %u did not have the bytes that "
                "were written: dropped", v->number);
}
