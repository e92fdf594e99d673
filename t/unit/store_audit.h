/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_AUDIT_H
#define STORE_AUDIT_H

/*
 * Walks all structure of an open shared-memory store and says what does not fit, and what the two
 * tests of it have in common.
 */

#include "sso_shm.h"
#include "store_conformance.h"

#include <sys/stat.h>
#include <time.h>

static const char *audit_chains(sso_shm_view_t *v, unsigned char *seen)
{
    apr_uint32_t entries = 0, used = 0, pinned = 0, bucket, at;

    for (bucket = 0; bucket <= v->mask; bucket++) {
        for (at = v->buckets[bucket]; at; at = sso_shm_head(v, at)->chain) {
            sso_shm_head_t *head = sso_shm_head(v, at);
            apr_uint32_t count = sso_shm_blocks(head->length), hash, block = at;

            memcpy(&hash, head->key.bytes + 4, sizeof(hash));
            if ((hash & v->mask) != bucket)
                return "an entry in another's bucket";
            if (head->check != sso_shm_head_check(head))
                return "a head that was changed";
            if (head->expires_check != sso_shm_expires_check(head))
                return "an expiry that was changed";
            if ((v->links[at] & SSO_SHM_KIND) != SSO_SHM_HEAD)
                return "an entry whose first block is no head";
            entries++;
            used += count;
            pinned += head->class == SSO_STORE_PINNED ? count : 0;
            for (; count; count--) {
                if (!block || block >= v->shard->high || seen[block]++)
                    return "a chain that runs astray";
                block = v->links[block] & SSO_SHM_NEXT;
            }
            if (block)
                return "a chain without an end";
        }
    }
    if (entries != v->shard->entries || used != v->shard->used || pinned != v->shard->pinned)
        return "counts that are wrong";
    return NULL;
}

static const char *audit_lists(sso_shm_view_t *v, unsigned char *seen)
{
    apr_uint32_t in_order = 0, in_wheel = 0, at, before;
    unsigned class, slot;

    for (class = 0; class < 2; class++) {
        for (before = 0, at = v->shard->newest[class]; at;
             before = at, at = sso_shm_head(v, at)->older) {
            sso_shm_head_t *head = sso_shm_head(v, at);

            if (head->newer != before || head->class != class || seen[at]++ != 1)
                return "an order that is broken";
            in_order++;
        }
        if (v->shard->oldest[class] != before)
            return "an order with another end";
    }
    for (slot = 0; slot <= SSO_SHM_DUE; slot++) {
        for (before = 0, at = v->shard->slots[slot]; at;
             before = at, at = sso_shm_head(v, at)->slot_after) {
            sso_shm_head_t *head = sso_shm_head(v, at);

            if (head->slot != slot || head->slot_before != before || seen[at]++ != 2)
                return "a wheel that is broken";
            in_wheel++;
        }
        if (slot < SSO_SHM_DUE && !(v->shard->occupied[slot / 64] >> (slot % 64) & 1) !=
                                      !v->shard->slots[slot])
            return "a wheel whose map is wrong";
    }
    if (in_order != v->shard->entries || in_wheel != v->shard->entries)
        return "an entry that is missing in order or wheel";
    return NULL;
}

static const char *audit_free(sso_shm_view_t *v, unsigned char *seen)
{
    apr_uint32_t count = 0, at;

    for (at = v->shard->free_first; at; at = v->links[at] & SSO_SHM_NEXT) {
        if (at >= v->shard->high || seen[at]++ || (v->links[at] & SSO_SHM_KIND) != SSO_SHM_FREE)
            return "a free list that runs astray";
        count++;
    }
    if (count != v->shard->free_count)
        return "a free count that is wrong";
    if (count + v->shard->used + 1 != v->shard->high)
        return "blocks that were lost";
    return NULL;
}

/* NULL, or what is wrong. */
static const char *audit_store(sso_ctx_t *ctx, sso_store_t *store)
{
    sso_shm_t *shm = (sso_shm_t *)store;
    const char *wrong = NULL;
    apr_uint32_t i;

    for (i = 0; i < shm->plan.shards && !wrong; i++) {
        unsigned char *seen = calloc(shm->plan.limit, 1);
        sso_shm_view_t v;

        sso_shm_view(shm, i, ctx->now, &v);
        if (sso_shm_enter(ctx, &v) != SSO_OK) {
            free(seen);
            return "a lock that cannot be had";
        }
        wrong = audit_chains(&v, seen);
        if (!wrong)
            wrong = audit_lists(&v, seen);
        if (!wrong)
            wrong = audit_free(&v, seen);
        if (!wrong && v.torn)
            wrong = "an index that is none";
        sso_shm_leave(ctx, &v);
        free(seen);
    }
    return wrong;
}

/* Time that nobody sets. */
static inline apr_time_t clock_us(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (apr_time_t)time.tv_sec * APR_USEC_PER_SEC + time.tv_nsec / 1000;
}

static char audit_dir[64] = "store-test.XXXXXX"; /* where this program's files are */

static const char *audit_path(const char *name)
{
    static char paths[4][96];
    static int next;

    next = (next + 1) % 4;
    apr_snprintf(paths[next], sizeof(paths[next]), "%s/%s", audit_dir, name);
    return paths[next];
}

static int audit_start(void)
{
    const char *tmp = getenv("TMPDIR");

    apr_snprintf(audit_dir, sizeof(audit_dir), "%.40s/store-test.XXXXXX", tmp ? tmp : "/tmp");
    return mkdtemp(audit_dir) != NULL;
}

static inline void audit_stop(void)
{
    pid_t pid;

    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        execlp("rm", "rm", "-rf", audit_dir, (char *)NULL);
        _exit(127);
    }
    if (pid > 0)
        waitpid(pid, NULL, 0);
}

/* Open a store of some MiB in a pool of its own; NULL (and the reason in ctx) if that fails. */
static sso_store_t *audit_open(sso_ctx_t *ctx, apr_pool_t **pool, const char *name, unsigned mib)
{
    sso_store_shm_config_t config = { (apr_uint64_t)mib << 20, audit_path(name), -1, -1 };
    sso_store_t *store = NULL;

    apr_pool_create(pool, NULL);
    return sso_store_shm_open(ctx, *pool, &config, &store) == SSO_OK ? store : NULL;
}

static inline sso_rc_e audit_put(sso_store_t *store, const char *family, unsigned number,
                                 const char *text, apr_time_t expires)
{
    sso_store_key_t key = conformance_key(family, number);
    sso_store_item_t item = conformance_item(text, strlen(text), expires);
    sso_ctx_t *ctx = tap_ctx();
    sso_rc_e rc = sso_store_put(ctx, store, &key, &item);

    apr_pool_destroy(ctx->pool);
    return rc;
}

static inline int audit_has(sso_store_t *store, const char *family, unsigned number,
                            const char *text)
{
    const conformance_t how = { .store = store };
    sso_store_key_t key = conformance_key(family, number);

    return conformance_holds(&how, &key, CONFORMANCE_START, text);
}

#endif
