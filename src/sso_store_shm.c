/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The calls of the store, on shared memory: each is one stay in one shard. How a shard works is in
 * sso_shm_index.c and its neighbours (see sso_shm.h), opening the file in sso_shm_open.c.
 */
#include "sso_shm.h"

#include <string.h>

#define SMALL_VALUE 8000 /* a pool has room for this much at hand: asked for with the lock held */
#define RENEW_AFTER (apr_uint64_t) APR_USEC_PER_SEC /* the order of use is kept to the second */
#define EXPIRE_AT_ONCE 4             /* expired entries a write drops though it needs no room */

typedef enum { WRITE_ALWAYS, WRITE_IF_ABSENT, WRITE_IF_VERSION } write_rule_e;

typedef struct write_t {
    const sso_store_key_t *key;
    const sso_store_item_t *item;
    write_rule_e rule;
    apr_uint64_t version;
    apr_uint64_t value_check;
    apr_uint32_t blocks;
} write_t;

static sso_rc_e enter(sso_ctx_t *ctx, sso_store_t *store, const sso_store_key_t *key,
                      sso_shm_view_t *v)
{
    const sso_shm_t *shm = (const sso_shm_t *)store;

    sso_shm_view(shm, sso_shm_number(shm, key), ctx->now, v);
    return sso_shm_enter(ctx, v);
}

/* An entry was used: it becomes the newest, and ends later if that is asked for. */
static void use_entry(sso_shm_view_t *v, apr_uint32_t at, apr_time_t touch)
{
    sso_shm_head_t *head = sso_shm_head(v, at);
    int later = touch > head->expires;

    if (!later && (apr_uint64_t)v->now - (apr_uint64_t)head->used < RENEW_AFTER)
        return;
    sso_shm_begin(v, at);
    if (later) {
        head->expires = touch; /* the wheel finds out when the old time comes */
        head->expires_check = sso_shm_expires_check(head);
    }
    sso_shm_renew(v, at);
    sso_shm_end(v);
}

static void drop_bad(sso_shm_view_t *v, apr_uint32_t at)
{
    sso_shm_begin(v, 0);
    sso_shm_drop(v, at);
    sso_shm_end(v);
}

/* Copy an entry out: into *room, if that has the *size, or into new memory if it is small; else
 * returns 0, and in *size how much is needed. */
static int fetch(sso_ctx_t *ctx, sso_shm_view_t *v, apr_uint32_t at, unsigned char **room,
                 apr_size_t *size)
{
    apr_size_t length = sso_shm_head(v, at)->length;

    if (length > SSO_STORE_VALUE_MAX) {
        v->torn = 1;
        return 1;
    }
    if (!*room || length > *size) {
        *size = length;
        if (length > SMALL_VALUE)
            return 0;
        *room = apr_palloc(ctx->pool, length + 1);
    }
    if (sso_shm_read(v, at, *room))
        (*room)[length] = '\0'; /* not counted: for callers whose value is text */
    else if (v->bad_value)
        drop_bad(v, at);
    return 1;
}

static sso_rc_e shm_get(sso_ctx_t *ctx, sso_store_t *store, const sso_store_key_t *key,
                        apr_time_t touch, sso_store_entry_t *entry)
{
    unsigned char *room = NULL;
    apr_size_t size = 0;
    int torn = 0;

    for (;;) {
        sso_shm_view_t v;
        apr_uint32_t at;

        SSO_TRY(enter(ctx, store, key, &v));
        at = sso_shm_find(&v, key);
        if (at && !fetch(ctx, &v, at, &room, &size)) {
            sso_shm_leave(ctx, &v); /* nobody waits while we get memory; it may have grown after */
            room = apr_palloc(ctx->pool, size + 1);
            continue;
        }
        if (v.torn) { /* memory was overwritten: rebuilt on leaving */
            sso_shm_leave(ctx, &v);
            if (!torn++)
                continue;
            return sso_fail(ctx, SSO_BROKEN, 228, "store: shard %u: cannot be read", v.number);
        }
        if (!at || v.bad_value) {
            v.shard->counters.misses++;
            sso_shm_leave(ctx, &v);
            return SSO_ABSENT;
        }
        v.shard->counters.hits++;
        use_entry(&v, at, touch);
        entry->value = room;
        entry->length = sso_shm_head(&v, at)->length;
        entry->version = sso_shm_head(&v, at)->version;
        entry->expires = sso_shm_head(&v, at)->expires;
        sso_shm_leave(ctx, &v);
        return SSO_OK;
    }
}

/* Drop expired entries: up to @a count, and more until there are @a blocks free. */
static void expire(sso_shm_view_t *v, unsigned count, apr_uint32_t blocks)
{
    apr_uint32_t at;

    sso_shm_wheel_turn(v);
    while (!v->torn && (count || sso_shm_free_count(v) < blocks) &&
           (at = sso_shm_wheel_due(v)) != 0) {
        sso_shm_drop(v, at);
        v->shard->counters.evicted_expired++;
        count -= count > 0;
    }
}

/* Free blocks for an entry: the least recently used go; the one to be replaced (own) goes last,
 * and is then 0. Returns 0, having dropped nothing, if even all that may go is not enough. */
static int make_room(sso_shm_view_t *v, apr_uint32_t blocks, apr_uint32_t *own)
{
    sso_shm_shard_t *shard = v->shard;
    apr_uint32_t room = v->limit - 1 - shard->pinned, at = shard->oldest[SSO_STORE_PLAIN], next;

    if (*own && sso_shm_head(v, *own)->class == SSO_STORE_PINNED)
        room += sso_shm_blocks(sso_shm_head(v, *own)->length);
    if (room < blocks)
        return 0;
    for (; at && !v->torn && sso_shm_free_count(v) < blocks; at = next) {
        next = sso_shm_head(v, at)->newer;
        if (at == *own)
            continue;
        sso_shm_drop(v, at);
        shard->counters.evicted_live++;
    }
    if (*own && !v->torn && sso_shm_free_count(v) < blocks) {
        sso_shm_drop(v, *own);
        *own = 0;
    }
    return 1;
}

static sso_rc_e judge(sso_shm_view_t *v, const write_t *write, apr_uint32_t own)
{
    if (write->rule == WRITE_IF_ABSENT)
        return own ? SSO_DENIED : SSO_OK;
    if (write->rule == WRITE_IF_VERSION)
        return !own ? SSO_ABSENT
                    : sso_shm_head(v, own)->version == write->version ? SSO_OK : SSO_DENIED;
    return SSO_OK;
}

/* With the lock held and the shard marked busy. */
static sso_rc_e replace(sso_shm_view_t *v, const write_t *write)
{
    apr_uint32_t own, at;

    expire(v, EXPIRE_AT_ONCE, write->blocks);
    own = sso_shm_find(v, write->key);
    SSO_TRY(judge(v, write, own));
    if (write->item->expires > v->now) {
        if (!make_room(v, write->blocks, &own)) {
            v->shard->counters.refused_full++;
            return SSO_UPSTREAM;
        }
        at = v->torn ? 0 : sso_shm_write(v, write->key, write->item, write->value_check);
        if (!at)
            return SSO_BROKEN;
        sso_shm_enlist(v, at);
    }
    if (own)
        sso_shm_drop(v, own);
    v->shard->counters.writes++;
    return SSO_OK;
}

static sso_rc_e write_entry(sso_ctx_t *ctx, sso_store_t *store, write_t *write)
{
    const sso_shm_t *shm = (const sso_shm_t *)store;
    apr_size_t length = write->item->length, largest;
    sso_shm_view_t v;
    sso_rc_e rc;
    int tries = 0;

    if (length > SSO_STORE_VALUE_MAX)
        return sso_fail(ctx, SSO_BAD_INPUT, 220, "store: a value of %" APR_SIZE_T_FMT
                        " bytes: at most %d are taken", length, SSO_STORE_VALUE_MAX);
    write->blocks = sso_shm_blocks(length);
    largest = (shm->plan.limit - 2) * (apr_size_t)SSO_SHM_BLOCK + SSO_SHM_FIRST_BYTES;
    if (length > largest)
        return sso_fail(ctx, SSO_BAD_INPUT, 221, "store: a value of %" APR_SIZE_T_FMT " bytes: a "
                        "store of this size takes at most %" APR_SIZE_T_FMT, length, largest);
    write->value_check = sso_shm_digest(write->item->value, length, 0);
    do {
        SSO_TRY(enter(ctx, store, write->key, &v));
        sso_shm_begin(&v, 0);
        rc = replace(&v, write);
        sso_shm_end(&v);
        sso_shm_leave(ctx, &v);
    } while (rc == SSO_BROKEN && !tries++); /* it has been rebuilt on leaving */
    if (rc == SSO_UPSTREAM)
        return sso_fail(ctx, rc, 222, "store: no room for %" APR_SIZE_T_FMT " bytes: shard %u is "
                        "full of entries that must be kept until they expire", length, v.number);
    if (rc == SSO_BROKEN)
        return sso_fail(ctx, rc, 227, "store: shard %u: cannot be written to", v.number);
    return rc;
}

static sso_rc_e shm_put(sso_ctx_t *ctx, sso_store_t *store, const sso_store_key_t *key,
                        const sso_store_item_t *item)
{
    write_t write = { .key = key, .item = item, .rule = WRITE_ALWAYS };

    return write_entry(ctx, store, &write);
}

static sso_rc_e shm_add(sso_ctx_t *ctx, sso_store_t *store, const sso_store_key_t *key,
                        const sso_store_item_t *item)
{
    write_t write = { .key = key, .item = item, .rule = WRITE_IF_ABSENT };

    return write_entry(ctx, store, &write);
}

static sso_rc_e shm_swap(sso_ctx_t *ctx, sso_store_t *store, const sso_store_key_t *key,
                         apr_uint64_t version, const sso_store_item_t *item)
{
    write_t write = { .key = key, .item = item, .rule = WRITE_IF_VERSION, .version = version };

    return write_entry(ctx, store, &write);
}

static sso_rc_e shm_remove(sso_ctx_t *ctx, sso_store_t *store, const sso_store_key_t *key)
{
    sso_shm_view_t v;
    apr_uint32_t at;

    SSO_TRY(enter(ctx, store, key, &v));
    at = sso_shm_find(&v, key);
    if (at) {
        sso_shm_begin(&v, 0);
        sso_shm_drop(&v, at);
        v.shard->counters.removals++;
        sso_shm_end(&v);
    }
    sso_shm_leave(ctx, &v);
    return at ? SSO_OK : SSO_ABSENT;
}

static sso_rc_e shm_stats(sso_ctx_t *ctx, sso_store_t *store, sso_store_stats_t *stats)
{
    const sso_shm_t *shm = (const sso_shm_t *)store;
    sso_store_stats_t sum = { .entries = 0 };
    apr_uint64_t *to = (apr_uint64_t *)&sum;
    apr_uint32_t i;
    unsigned k;

    _Static_assert(sizeof(sum) % sizeof(*to) == 0, "counters are all of one type");
    for (i = 0; i < shm->plan.shards; i++) {
        const apr_uint64_t *from;
        sso_shm_view_t v;

        sso_shm_view(shm, i, ctx->now, &v);
        SSO_TRY(sso_shm_enter(ctx, &v));
        from = (const apr_uint64_t *)&v.shard->counters;
        for (k = 0; k < sizeof(sum) / sizeof(*to); k++)
            to[k] += from[k];
        sum.entries += v.shard->entries;
        sum.bytes_used += (apr_uint64_t)v.shard->used * SSO_SHM_BLOCK;
        sum.bytes_total += (apr_uint64_t)(v.limit - 1) * SSO_SHM_BLOCK;
        sso_shm_leave(ctx, &v);
    }
    *stats = sum;
    return SSO_OK;
}

const sso_store_kind_t sso_store_shm_kind = {
    .scheme = "shm",
    .get = shm_get,
    .put = shm_put,
    .add = shm_add,
    .swap = shm_swap,
    .remove = shm_remove,
    .stats = shm_stats,
};
