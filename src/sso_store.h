/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SSO_STORE_H
#define SSO_STORE_H

/*
 * The store: where sessions, replay records and cached documents live between requests.
 *
 * A flat map from 32-byte keys (always a digest or a MAC: a store never sees what it is a key of)
 * to binary values with an expiry. Every change gives an entry a new version, which is what
 * sso_store_swap() compares. ABSENT and DENIED are answers, not failures: nothing is noted with
 * sso_fail() for them. Values are sealed by the caller (sso_seal.h); a store may read, lose
 * or hand back anything without harm to what the caller believes.
 *
 * Back ends are rows of sso_store_kinds[]. All of them pass t/unit/store_*.c, which is the
 * executable form of this text.
 */

#include "sso_base.h"

#define SSO_STORE_KEY_BYTES 32
#define SSO_STORE_VALUE_MAX (1024 * 1024)

typedef struct sso_store_key_t {
    unsigned char bytes[SSO_STORE_KEY_BYTES];
} sso_store_key_t;

typedef struct sso_store_entry_t {
    const unsigned char *value; /* in ctx->pool */
    apr_size_t length;
    apr_uint64_t version;       /* for sso_store_swap() */
    apr_time_t expires;
} sso_store_entry_t;

typedef enum {
    SSO_STORE_PLAIN = 0, /* may be evicted, oldest first, when there is no room */
    SSO_STORE_PINNED = 1 /* replay records, revocations: never evicted before they expire */
} sso_store_class_e;

/** What to write. */
typedef struct sso_store_item_t {
    const void *value;
    apr_size_t length;          /* 0..SSO_STORE_VALUE_MAX */
    apr_time_t expires;         /* absolute, microseconds */
    sso_store_class_e class;
} sso_store_item_t;

typedef struct sso_store_stats_t {
    apr_uint64_t entries, bytes_used, bytes_total;
    apr_uint64_t hits, misses, writes, removals;
    apr_uint64_t evicted_expired, evicted_live, refused_full, lock_waits, lock_recoveries;
    apr_uint64_t failures; /* Redis: commands that failed */
} sso_store_stats_t;

typedef struct sso_store_t sso_store_t;

/** One back end. `store` is its own struct, which begins with an sso_store_t. */
typedef struct sso_store_kind_t {
    const char *scheme; /* "shm", "redis", ... */
    sso_rc_e (*get)(sso_ctx_t *ctx, sso_store_t *store, const sso_store_key_t *key,
                    apr_time_t touch, sso_store_entry_t *entry);
    sso_rc_e (*put)(sso_ctx_t *ctx, sso_store_t *store, const sso_store_key_t *key,
                    const sso_store_item_t *item);
    sso_rc_e (*add)(sso_ctx_t *ctx, sso_store_t *store, const sso_store_key_t *key,
                    const sso_store_item_t *item);
    sso_rc_e (*swap)(sso_ctx_t *ctx, sso_store_t *store, const sso_store_key_t *key,
                     apr_uint64_t version, const sso_store_item_t *item);
    sso_rc_e (*remove)(sso_ctx_t *ctx, sso_store_t *store, const sso_store_key_t *key);
    sso_rc_e (*stats)(sso_ctx_t *ctx, sso_store_t *store, sso_store_stats_t *stats);
    /* NULL where two calls cost no more than one */
    sso_rc_e (*get_two)(sso_ctx_t *ctx, sso_store_t *store, const sso_store_key_t keys[2],
                        apr_time_t touch, sso_store_entry_t entries[2]);
    sso_rc_e (*put_two)(sso_ctx_t *ctx, sso_store_t *store, const sso_store_key_t keys[2],
                        const sso_store_item_t items[2], int *added);
    void (*tend)(sso_store_t *store, int now); /* NULL: there is nothing to do */
} sso_store_kind_t;

struct sso_store_t {
    const sso_store_kind_t *kind;
};

/**
 * Read an entry.
 *
 * @param touch  0, or a new expiry for the entry if it is live: never makes it end earlier, does
 *               not change its version
 * @param entry  out: value copied to ctx->pool; untouched unless SSO_OK
 *
 * @return SSO_ABSENT    no such entry, or it has expired (exactly: expires <= ctx->now)
 *         SSO_UPSTREAM  the back end cannot be reached
 *         SSO_BROKEN    the back end is damaged
 */
static inline sso_rc_e sso_store_get(sso_ctx_t *ctx, sso_store_t *store,
                                     const sso_store_key_t *key, apr_time_t touch,
                                     sso_store_entry_t *entry)
{
    return store->kind->get(ctx, store, key, touch, entry);
}

/**
 * Write an entry, whether or not there is one.
 *
 * @return SSO_BAD_INPUT  value over SSO_STORE_VALUE_MAX, or larger than this store can ever hold
 *         SSO_UPSTREAM   no room (all of it pinned), or the back end cannot be reached
 */
static inline sso_rc_e sso_store_put(sso_ctx_t *ctx, sso_store_t *store,
                                     const sso_store_key_t *key, const sso_store_item_t *item)
{
    return store->kind->put(ctx, store, key, item);
}

/** Write an entry only if there is no live one. SSO_DENIED: there is; else as sso_store_put(). */
static inline sso_rc_e sso_store_add(sso_ctx_t *ctx, sso_store_t *store,
                                     const sso_store_key_t *key, const sso_store_item_t *item)
{
    return store->kind->add(ctx, store, key, item);
}

/**
 * Replace an entry only if it still has the version that was read.
 * SSO_ABSENT: it is gone; SSO_DENIED: somebody else changed it; else as sso_store_put().
 */
static inline sso_rc_e sso_store_swap(sso_ctx_t *ctx, sso_store_t *store,
                                      const sso_store_key_t *key, apr_uint64_t version,
                                      const sso_store_item_t *item)
{
    return store->kind->swap(ctx, store, key, version, item);
}

/** Remove an entry. SSO_ABSENT: there was none. */
static inline sso_rc_e sso_store_remove(sso_ctx_t *ctx, sso_store_t *store,
                                        const sso_store_key_t *key)
{
    return store->kind->remove(ctx, store, key);
}

/**
 * Read two entries in one go: in Redis, one round trip.
 *
 * @param touch    of the first, as for sso_store_get(); the second is not touched
 * @param entries  out: one that is not there has no value (NULL)
 * @return SSO_OK  both have been looked for; else as sso_store_get()
 */
static inline sso_rc_e sso_store_get_two(sso_ctx_t *ctx, sso_store_t *store,
                                         const sso_store_key_t keys[2], apr_time_t touch,
                                         sso_store_entry_t entries[2])
{
    sso_rc_e rc;
    int i;

    if (store->kind->get_two)
        return store->kind->get_two(ctx, store, keys, touch, entries);
    for (i = 0; i < 2; i++) {
        rc = sso_store_get(ctx, store, &keys[i], i ? 0 : touch, &entries[i]);
        if (rc == SSO_ABSENT)
            entries[i].value = NULL;
        else if (rc != SSO_OK)
            return rc;
    }
    return SSO_OK;
}

/**
 * Write the first entry, and the second if there is none, in one go.
 *
 * @param added  out: whether the second was written
 * @return as sso_store_put(); the first may have been written all the same
 */
static inline sso_rc_e sso_store_put_two(sso_ctx_t *ctx, sso_store_t *store,
                                         const sso_store_key_t keys[2],
                                         const sso_store_item_t items[2], int *added)
{
    sso_rc_e rc;

    if (store->kind->put_two)
        return store->kind->put_two(ctx, store, keys, items, added);
    rc = sso_store_put(ctx, store, &keys[0], &items[0]);
    if (rc == SSO_OK)
        rc = sso_store_add(ctx, store, &keys[1], &items[1]);
    *added = rc == SSO_OK;
    return rc == SSO_DENIED ? SSO_OK : rc;
}

/**
 * What a store has to do that may take long and is no request's business. To be called again and
 * again by one process of all, from a thread of its own. Where that is never done, requests do it.
 *
 * @param now  0: do nothing yet, but count on being called
 */
static inline void sso_store_tend(sso_store_t *store, int now)
{
    store->kind->tend(store, now);
}

/** Whether it has anything of the kind to do. */
static inline int sso_store_is_tended(const sso_store_t *store)
{
    return store->kind->tend != NULL;
}

/** Counters since the store was made. */
static inline sso_rc_e sso_store_stats(sso_ctx_t *ctx, sso_store_t *store,
                                       sso_store_stats_t *stats)
{
    return store->kind->stats(ctx, store, stats);
}

#endif
