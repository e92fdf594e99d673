/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SSO_SHM_H
#define SSO_SHM_H

/*
 * How the shared-memory store is laid out, for the sso_shm_*.c files and their tests only.
 *
 * The file is a header page and then shards of equal size. A shard is
 *
 *     a page       lock, counters, list heads
 *     buckets[]    the hash table: number of an entry's first block, 0 if none
 *     links[]      one word a block: what it is (two bits) and which block follows it
 *     blocks[]     192 bytes each; an entry is a chain of them, its head in the first
 *
 * Blocks are numbered from 1, so zeroed pages are an empty shard and nothing has to be touched
 * before it is used; block 0 is where an index that cannot be true is sent, harmlessly.
 *
 * Promise: a process may be killed between any two instructions. What counts is links[] and the
 * heads. An entry exists from the instruction that marks its first block HEAD, when all else of it
 * is in place, to the instruction that unmarks it. All other structure (hash table, free list,
 * orders, wheel) can be made anew from those, and is, by the next process that takes the lock and
 * finds `busy` set. The same code checks a file that nobody had open.
 */

#include "sso_store_shm.h"

#include <pthread.h>

#define SSO_SHM_MAGIC  "edxsso store\r\n\x1a\n" /* 16 bytes without the NUL */
#define SSO_SHM_LAYOUT 2

#define SSO_SHM_PAGE        4096u
#define SSO_SHM_LINE        64u  /* of the processor's cache */
#define SSO_SHM_BLOCK       (3 * SSO_SHM_LINE)
#define SSO_SHM_SHARD_BYTES (4u << 20)
#define SSO_SHM_SHARDS_MAX  1024u

/* a link: kind in the two upper bits, following block below */
#define SSO_SHM_FREE 0u
#define SSO_SHM_HEAD (1u << 30)
#define SSO_SHM_BODY (2u << 30)
#define SSO_SHM_KEPT (3u << 30) /* a body whose head was found, while a shard is rebuilt */
#define SSO_SHM_KIND (3u << 30)
#define SSO_SHM_NEXT ((1u << 30) - 1)

/* the wheel: lists by the second in which to look at an entry, finer the sooner that is */
#define SSO_SHM_LEVELS   6u
#define SSO_SHM_DUE      (SSO_SHM_LEVELS * 64u) /* one list more: time to look */
#define SSO_SHM_TIME_MAX (((apr_uint64_t)1 << 36) - 1)

#define SSO_SHM_BUSY (1u << 31)

typedef struct sso_shm_header_t {
    char magic[16];
    apr_uint32_t layout, byte_order, page, block;
    apr_uint32_t shard_bytes, head_bytes, lock_bytes, pointer_bytes; /* sizes of structs */
    apr_uint64_t size;
    apr_uint64_t check; /* of all above */
    apr_uint32_t boot;  /* another number each time nobody had the file open */
} sso_shm_header_t;

typedef struct sso_shm_shard_t {
    pthread_mutex_t lock;
    apr_uint32_t busy; /* 0 at rest; SSO_SHM_BUSY and the block whose expiry is being changed */
    apr_uint32_t high; /* blocks from here on were never used; at least 1 */
    apr_uint32_t free_first, free_count;
    apr_uint32_t entries, used, pinned; /* the latter two in blocks */
    apr_uint32_t newest[2], oldest[2];  /* by class, in the order of use */
    apr_uint64_t version;               /* of the next write */
    apr_uint64_t base;                  /* second up to which the wheel has turned */
    apr_uint64_t occupied[SSO_SHM_LEVELS];
    apr_uint32_t slots[SSO_SHM_DUE + 1];
    sso_store_stats_t counters;
} sso_shm_shard_t;

_Static_assert(sizeof(sso_shm_shard_t) <= SSO_SHM_PAGE, "a shard's head has one page");

typedef struct sso_shm_head_t {
    sso_store_key_t key;
    apr_uint64_t version;
    apr_uint64_t value_check;
    apr_uint32_t length;
    apr_uint32_t class;
    apr_uint64_t check; /* of all above */
    /* from here on changed in place */
    apr_uint64_t expires_check;
    apr_time_t expires, used;
    apr_uint32_t boot; /* the value was written or checked since that boot */
    apr_uint32_t chain; /* next in the bucket */
    apr_uint32_t newer, older;
    apr_uint32_t slot, slot_before, slot_after;
} sso_shm_head_t;

#define SSO_SHM_FIRST_BYTES (SSO_SHM_BLOCK - sizeof(sso_shm_head_t))

/** Where things are in a file of one size. */
typedef struct sso_shm_plan_t {
    apr_uint64_t size, shard_bytes;
    apr_uint64_t links_at, blocks_at; /* in a shard */
    apr_uint32_t shards;
    apr_uint32_t buckets; /* a power of two */
    apr_uint32_t limit;   /* blocks of a shard, block 0 included */
} sso_shm_plan_t;

/** The file as this process has it mapped. Never changes once open. */
typedef struct sso_shm_t {
    sso_store_t store;
    sso_shm_plan_t plan;
    const char *path;
    unsigned char *memory;
    apr_uint32_t boot;
    int fd;
} sso_shm_t;

/** One shard, locked, as one call sees it. */
typedef struct sso_shm_view_t {
    sso_shm_shard_t *shard;
    apr_uint32_t *buckets, *links;
    unsigned char *blocks;
    apr_uint32_t limit, mask, boot, number;
    apr_time_t now;
    int torn;      /* met something that cannot be */
    int rebuilt;   /* times, since it was locked */
    int lost;      /* entries that a rebuild had to drop */
    int bad_value; /* an entry's value was not what was written */
} sso_shm_view_t;

/** Keep the compiler from moving stores over this line. A process's own stores are seen in their
 *  order by whoever takes the lock after its death, so nothing more is needed. */
#define SSO_SHM_ORDER() __atomic_signal_fence(__ATOMIC_SEQ_CST)

static inline sso_shm_head_t *sso_shm_head(sso_shm_view_t *v, apr_uint32_t at)
{
    if (at >= v->limit) {
        v->torn = 1;
        at = 0;
    }
    return (sso_shm_head_t *)(void *)(v->blocks + (apr_size_t)at * SSO_SHM_BLOCK);
}

static inline apr_uint32_t sso_shm_blocks(apr_size_t length)
{
    if (length <= SSO_SHM_FIRST_BYTES)
        return 1;
    return 1 + (apr_uint32_t)((length - SSO_SHM_FIRST_BYTES + SSO_SHM_BLOCK - 1) / SSO_SHM_BLOCK);
}

static inline void sso_shm_begin(sso_shm_view_t *v, apr_uint32_t touched)
{
    *(volatile apr_uint32_t *)&v->shard->busy = SSO_SHM_BUSY | touched;
    SSO_SHM_ORDER();
}

static inline void sso_shm_end(sso_shm_view_t *v)
{
    SSO_SHM_ORDER();
    if (!v->torn) /* else sso_shm_leave() puts it right */
        *(volatile apr_uint32_t *)&v->shard->busy = 0;
}

/* sso_shm_shard.c: locking, and making a shard whole */

void sso_shm_view(const sso_shm_t *shm, apr_uint32_t number, apr_time_t now, sso_shm_view_t *v);
apr_uint32_t sso_shm_number(const sso_shm_t *shm, const sso_store_key_t *key);

/** Make the lock of a new shard, or of one that nobody has open. 0, or an errno value. */
int sso_shm_lock_make(sso_shm_shard_t *shard);

/** Take the lock, within 2 s; what a killed process left is put right. SSO_UPSTREAM, SSO_BROKEN. */
sso_rc_e sso_shm_enter(sso_ctx_t *ctx, sso_shm_view_t *v);

/** Give it back, and log what was found. */
void sso_shm_leave(sso_ctx_t *ctx, sso_shm_view_t *v);

/** Make all structure anew from links and heads. Returns how many entries had to be dropped. */
int sso_shm_rebuild(sso_shm_view_t *v);

/** Rebuild a shard that nobody has open. 1: all was as it must have been; 0: it is damaged. */
int sso_shm_check(sso_shm_view_t *v);

/* sso_shm_index.c: entries in a shard */

apr_uint64_t sso_shm_digest(const void *bytes, apr_size_t length, apr_uint64_t seed);
apr_uint64_t sso_shm_head_check(const sso_shm_head_t *head);
apr_uint64_t sso_shm_expires_check(const sso_shm_head_t *head);

/** First block of a key's entry, 0 if there is none; one that has expired is dropped. */
apr_uint32_t sso_shm_find(sso_shm_view_t *v, const sso_store_key_t *key);

/** Put a complete entry into hash table, order and wheel. */
void sso_shm_enlist(sso_shm_view_t *v, apr_uint32_t at);

/** Take an entry out of everything and free its blocks. */
void sso_shm_drop(sso_shm_view_t *v, apr_uint32_t at);

/** Write an entry into free blocks, of which there are enough. What else there is under the key
 *  must be dropped after it. 0: torn. */
apr_uint32_t sso_shm_write(sso_shm_view_t *v, const sso_store_key_t *key,
                           const sso_store_item_t *item, apr_uint64_t value_check);

/** Copy an entry's value out. Returns 0 (and sets torn, or bad_value) if it cannot be right. */
int sso_shm_read(sso_shm_view_t *v, apr_uint32_t at, unsigned char *value);

/** Make an entry the newest of its class. */
void sso_shm_renew(sso_shm_view_t *v, apr_uint32_t at);

apr_uint32_t sso_shm_free_count(const sso_shm_view_t *v);

/* sso_shm_wheel.c: which entries have expired */

void sso_shm_wheel_clear(sso_shm_view_t *v);
void sso_shm_wheel_add(sso_shm_view_t *v, apr_uint32_t at);
void sso_shm_wheel_remove(sso_shm_view_t *v, apr_uint32_t at);

/** Turn the wheel to v->now. */
void sso_shm_wheel_turn(sso_shm_view_t *v);

/** An entry that has expired, to be dropped; 0 if there is none. */
apr_uint32_t sso_shm_wheel_due(sso_shm_view_t *v);

/* sso_shm_file.c: the file, who may have it, and its life */

void sso_shm_plan(apr_uint64_t size, sso_shm_plan_t *plan);
void sso_shm_seal_header(sso_shm_header_t *header, apr_uint64_t size);

/** The directory is there, and not everybody may write to it. SSO_MISCONFIG. */
sso_rc_e sso_shm_dir_check(sso_ctx_t *ctx, const char *path);

/** Open or make a file and have it for ourselves as an opener. SSO_MISCONFIG, SSO_UPSTREAM. */
sso_rc_e sso_shm_file_open(sso_ctx_t *ctx, const sso_store_shm_config_t *config, int *fd);

/** Whether nobody else has the file open. */
int sso_shm_file_alone(int fd);

/** Count as one who has it open; let other openers in. */
void sso_shm_file_share(int fd);

/** Give an empty file its size, with room on the disk behind it. SSO_MISCONFIG. */
sso_rc_e sso_shm_file_extend(sso_ctx_t *ctx, const char *path, int fd, apr_uint64_t size);

/** Rename a file to PATH.bad-TIME, for @a why. SSO_MISCONFIG. */
sso_rc_e sso_shm_file_set_aside(sso_ctx_t *ctx, const char *path, const char *why);

#endif
