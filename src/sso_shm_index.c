/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entries in a locked shard: found by key, written into chains of blocks, ordered by use, dropped.
 * When to do what, and what makes room, is in sso_store_shm.c.
 */
#include "sso_shm.h"

#include <stddef.h>
#include <string.h>

#define MIX 0x9e3779b97f4a7c15ull /* odd, so that multiplying by it loses nothing */

static inline apr_uint64_t stir(apr_uint64_t sum, apr_uint64_t word)
{
    sum = (sum ^ word) * MIX;
    return sum ^ (sum >> 32);
}

/* Not against an adversary, whom the caller's seal keeps out: against bits that changed. */
apr_uint64_t sso_shm_digest(const void *bytes, apr_size_t length, apr_uint64_t seed)
{
    const unsigned char *at = bytes;
    apr_uint64_t sum = stir(seed, length), word;

    for (; length >= sizeof(word); length -= sizeof(word), at += sizeof(word)) {
        memcpy(&word, at, sizeof(word));
        sum = stir(sum, word);
    }
    if (length) {
        word = 0;
        memcpy(&word, at, length);
        sum = stir(sum, word);
    }
    return stir(sum, MIX);
}

apr_uint64_t sso_shm_head_check(const sso_shm_head_t *head)
{
    return sso_shm_digest(head, offsetof(sso_shm_head_t, check), SSO_SHM_LAYOUT);
}

apr_uint64_t sso_shm_expires_check(const sso_shm_head_t *head)
{
    return stir(head->check, (apr_uint64_t)head->expires);
}

static apr_uint32_t *bucket_of(const sso_shm_view_t *v, const sso_store_key_t *key)
{
    apr_uint32_t hash;

    memcpy(&hash, key->bytes + 4, sizeof(hash)); /* the first four choose the shard */
    return &v->buckets[hash & v->mask];
}

static inline int same_key(const sso_store_key_t *a, const sso_store_key_t *b)
{
    apr_uint64_t x[4], y[4];

    _Static_assert(sizeof(x) == SSO_STORE_KEY_BYTES, "a key is four words");
    memcpy(x, a->bytes, sizeof(x));
    memcpy(y, b->bytes, sizeof(y));
    return !((x[0] ^ y[0]) | (x[1] ^ y[1]) | (x[2] ^ y[2]) | (x[3] ^ y[3]));
}

static apr_uint32_t search(sso_shm_view_t *v, const sso_store_key_t *key)
{
    apr_uint32_t at = *bucket_of(v, key), steps = 0;

    while (at) {
        sso_shm_head_t *head = sso_shm_head(v, at);

        if (v->torn || ++steps > v->shard->entries) {
            v->torn = 1;
            return 0;
        }
        if (same_key(&head->key, key))
            return at;
        at = head->chain;
    }
    return 0;
}

apr_uint32_t sso_shm_find(sso_shm_view_t *v, const sso_store_key_t *key)
{
    apr_uint32_t at = search(v, key), busy = v->shard->busy;

    if (v->torn) { /* memory was overwritten by something else in a process: try once more */
        sso_shm_rebuild(v);
        if (busy)
            sso_shm_begin(v, 0);
        at = search(v, key);
    }
    if (at && sso_shm_head(v, at)->expires <= v->now) {
        sso_shm_begin(v, 0);
        sso_shm_drop(v, at);
        v->shard->counters.evicted_expired++;
        if (!busy)
            sso_shm_end(v);
        at = 0;
    }
    return at;
}

/* Which of the two orders an entry is in. */
static unsigned class_of(const sso_shm_head_t *head)
{
    return head->class == SSO_STORE_PINNED;
}

static void order_add(sso_shm_view_t *v, apr_uint32_t at)
{
    sso_shm_head_t *head = sso_shm_head(v, at);
    unsigned class = class_of(head);

    head->newer = 0;
    head->older = v->shard->newest[class];
    if (head->older)
        sso_shm_head(v, head->older)->newer = at;
    else
        v->shard->oldest[class] = at;
    v->shard->newest[class] = at;
}

static void order_remove(sso_shm_view_t *v, apr_uint32_t at)
{
    sso_shm_head_t *head = sso_shm_head(v, at);
    unsigned class = class_of(head);

    if (head->newer)
        sso_shm_head(v, head->newer)->older = head->older;
    else
        v->shard->newest[class] = head->older;
    if (head->older)
        sso_shm_head(v, head->older)->newer = head->newer;
    else
        v->shard->oldest[class] = head->newer;
}

void sso_shm_renew(sso_shm_view_t *v, apr_uint32_t at)
{
    order_remove(v, at);
    order_add(v, at);
    sso_shm_head(v, at)->used = v->now;
}

void sso_shm_enlist(sso_shm_view_t *v, apr_uint32_t at)
{
    sso_shm_head_t *head = sso_shm_head(v, at);
    apr_uint32_t *bucket = bucket_of(v, &head->key), count = sso_shm_blocks(head->length);

    head->chain = *bucket;
    *bucket = at;
    order_add(v, at);
    sso_shm_wheel_add(v, at);
    v->shard->entries++;
    v->shard->used += count;
    if (class_of(head) == SSO_STORE_PINNED)
        v->shard->pinned += count;
}

static void bucket_remove(sso_shm_view_t *v, apr_uint32_t at)
{
    apr_uint32_t *link = bucket_of(v, &sso_shm_head(v, at)->key), steps = 0;

    while (*link && *link != at) {
        if (v->torn || ++steps > v->shard->entries) {
            v->torn = 1;
            return;
        }
        link = &sso_shm_head(v, *link)->chain;
    }
    if (*link)
        *link = sso_shm_head(v, at)->chain;
    else
        v->torn = 1;
}

static apr_uint32_t next_block(sso_shm_view_t *v, apr_uint32_t at)
{
    apr_uint32_t next = v->links[at] & SSO_SHM_NEXT;

    if (!next || next >= v->limit) {
        v->torn = 1;
        return 0;
    }
    return next;
}

static void free_block(sso_shm_view_t *v, apr_uint32_t at)
{
    v->links[at] = SSO_SHM_FREE | v->shard->free_first;
    v->shard->free_first = at;
    v->shard->free_count++;
}

void sso_shm_drop(sso_shm_view_t *v, apr_uint32_t at)
{
    sso_shm_head_t *head = sso_shm_head(v, at);
    apr_uint32_t count = sso_shm_blocks(head->length), next;

    if (v->torn || count >= v->limit) {
        v->torn = 1;
        return;
    }
    bucket_remove(v, at);
    order_remove(v, at);
    sso_shm_wheel_remove(v, at);
    if (v->torn) /* the entry is still whole: a rebuild finds it */
        return;
    v->shard->entries--;
    v->shard->used -= count;
    if (class_of(head) == SSO_STORE_PINNED)
        v->shard->pinned -= count;
    for (;; at = next) {
        next = --count ? next_block(v, at) : 0;
        free_block(v, at);
        if (!next)
            return;
    }
}

apr_uint32_t sso_shm_free_count(const sso_shm_view_t *v)
{
    return v->shard->free_count + (v->limit - v->shard->high);
}

/* A block to write into. Used ones first, so that untouched pages stay untouched. */
static apr_uint32_t take_block(sso_shm_view_t *v)
{
    apr_uint32_t at = v->shard->free_first;

    if (!at && v->shard->high < v->limit)
        return v->shard->high++;
    if (!at || at >= v->limit || !v->shard->free_count) {
        v->torn = 1;
        return 0;
    }
    v->shard->free_first = v->links[at] & SSO_SHM_NEXT;
    v->shard->free_count--;
    return at;
}

static void fill_head(sso_shm_view_t *v, sso_shm_head_t *head, const sso_store_key_t *key,
                      const sso_store_item_t *item)
{
    head->key = *key;
    head->version = v->shard->version++;
    head->length = (apr_uint32_t)item->length;
    head->class = item->class == SSO_STORE_PINNED ? SSO_STORE_PINNED : SSO_STORE_PLAIN;
    head->expires = item->expires;
    head->used = v->now;
    head->boot = v->boot;
}

apr_uint32_t sso_shm_write(sso_shm_view_t *v, const sso_store_key_t *key,
                           const sso_store_item_t *item, apr_uint64_t value_check)
{
    apr_size_t left = item->length, part = left < SSO_SHM_FIRST_BYTES ? left : SSO_SHM_FIRST_BYTES;
    apr_uint32_t first = take_block(v), last = first, second = 0;
    const unsigned char *value = left ? item->value : (const void *)"";
    sso_shm_head_t *head;

    if (!first)
        return 0;
    head = sso_shm_head(v, first);
    fill_head(v, head, key, item);
    head->value_check = value_check;
    head->check = sso_shm_head_check(head);
    head->expires_check = sso_shm_expires_check(head);
    memcpy(head + 1, value, part);
    for (left -= part, value += part; left; left -= part, value += part) {
        apr_uint32_t block = take_block(v);

        if (!block)
            return 0;
        part = left < SSO_SHM_BLOCK ? left : SSO_SHM_BLOCK;
        memcpy(v->blocks + (apr_size_t)block * SSO_SHM_BLOCK, value, part);
        v->links[block] = SSO_SHM_BODY;
        if (last == first)
            second = block;
        else
            v->links[last] = SSO_SHM_BODY | block;
        last = block;
    }
    SSO_SHM_ORDER();
    v->links[first] = SSO_SHM_HEAD | second; /* from here on the entry is there */
    SSO_SHM_ORDER();
    return first;
}

int sso_shm_read(sso_shm_view_t *v, apr_uint32_t at, unsigned char *value)
{
    sso_shm_head_t *head = sso_shm_head(v, at);
    apr_size_t left = head->length;
    apr_size_t part = left < SSO_SHM_FIRST_BYTES ? left : SSO_SHM_FIRST_BYTES;
    unsigned char *out = value;

    memcpy(out, head + 1, part);
    for (left -= part, out += part; left; left -= part, out += part) {
        at = next_block(v, at);
        if (!at)
            return 0;
        part = left < SSO_SHM_BLOCK ? left : SSO_SHM_BLOCK;
        memcpy(out, v->blocks + (apr_size_t)at * SSO_SHM_BLOCK, part);
    }
    if (head->boot == v->boot)
        return 1;
    if (sso_shm_digest(value, head->length, 0) != head->value_check) {
        v->bad_value = 1;
        return 0;
    }
    head->boot = v->boot;
    return 1;
}
