/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pools for the address sanitizer. APR carves small pieces out of large blocks, so that writing
 * past one, or reading it after its pool was cleared, goes unseen. Linked into the unit tests of
 * make
 * check-asan, these functions stand in front of APR's own: each piece is a malloc() of its own,
 * freed when its pool is cleared or destroyed.
 */
#include <apr_pools.h>
#include <apr_strings.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

typedef struct piece_t {
    struct piece_t *next;
    apr_pool_t *pool;
    void *memory;
} piece_t;

#define BUCKETS 1024

static piece_t *pieces[BUCKETS]; /* by pool */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static __thread int inside; /* apr_pool_cleanup_register() allocates, too */

static piece_t **bucket(const apr_pool_t *pool)
{
    return &pieces[((apr_uintptr_t)pool >> 4) % BUCKETS];
}

static apr_status_t free_pieces(void *pool)
{
    piece_t **at;

    pthread_mutex_lock(&lock);
    for (at = bucket(pool); *at;) {
        piece_t *piece = *at;

        if (piece->pool != pool) {
            at = &piece->next;
            continue;
        }
        *at = piece->next;
        free(piece->memory);
        free(piece);
    }
    pthread_mutex_unlock(&lock);
    return APR_SUCCESS;
}

/* Whether this is the pool's first piece. */
static int note_piece(apr_pool_t *pool, void *memory)
{
    piece_t *piece = malloc(sizeof(*piece)), *other;
    int first = 1;

    if (!piece)
        abort();
    piece->pool = pool;
    piece->memory = memory;
    pthread_mutex_lock(&lock);
    for (other = *bucket(pool); other && first; other = other->next)
        first = other->pool != pool;
    piece->next = *bucket(pool);
    *bucket(pool) = piece;
    pthread_mutex_unlock(&lock);
    return first;
}

/* What APR needs for its own cleanup records, which it may read after our cleanup ran. */
static void *lasting(apr_size_t size)
{
    static piece_t *kept; /* reachable, so that it is no leak */
    piece_t *piece = malloc(sizeof(*piece));

    if (!piece || !(piece->memory = malloc(size)))
        abort();
    pthread_mutex_lock(&lock);
    piece->pool = NULL;
    piece->next = kept;
    kept = piece;
    pthread_mutex_unlock(&lock);
    return piece->memory;
}

void *apr_palloc(apr_pool_t *pool, apr_size_t size)
{
    void *memory;

    if (inside)
        return lasting(size);
    memory = malloc(size ? size : 1);
    if (!memory)
        abort();
    if (note_piece(pool, memory)) {
        /* registered first, so it runs last: other cleanups may still use the pool's memory */
        inside = 1;
        apr_pool_cleanup_register(pool, pool, free_pieces, apr_pool_cleanup_null);
        inside = 0;
    }
    return memory;
}

char *apr_pvsprintf(apr_pool_t *pool, const char *fmt, va_list args)
{
    va_list again;
    apr_size_t size = 256;
    char *text = malloc(size), *copy;

    for (;;) {
        int length;

        if (!text)
            abort();
        va_copy(again, args);
        length = apr_vsnprintf(text, size, fmt, again);
        va_end(again);
        if (length >= 0 && (apr_size_t)length + 1 < size)
            break;
        free(text);
        size *= 2;
        text = malloc(size);
    }
    copy = apr_pstrdup(pool, text);
    free(text);
    return copy;
}

/* The C library's copy of a string, so that reading past its end is seen, too. */
char *apr_pstrdup(apr_pool_t *pool, const char *text)
{
    apr_size_t size;

    if (!text)
        return NULL;
    size = strlen(text) + 1;
    return memcpy(apr_palloc(pool, size), text, size);
}
