/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening the shared-memory store: a new file, one that others have open, one that nobody had
 * open, one of another size, one that cannot be used. Trust in the file as such, and locks on it,
 * are in sso_shm_file.c.
 */
#include "sso_shm.h"

#include <apr_general.h>
#include <apr_strings.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define TRIES 3 /* a file set aside, then another made by somebody else and bad too ... */

void sso_shm_plan(apr_uint64_t size, sso_shm_plan_t *plan)
{
    apr_uint64_t shards = size / SSO_SHM_SHARD_BYTES, bytes, buckets = 64, limit, blocks_at;

    shards = shards < 1 ? 1 : shards > SSO_SHM_SHARDS_MAX ? SSO_SHM_SHARDS_MAX : shards;
    bytes = (size - SSO_SHM_PAGE) / shards / SSO_SHM_PAGE * SSO_SHM_PAGE;
    while (buckets * 2 <= bytes / (2 * SSO_SHM_BLOCK)) /* one for two to four blocks */
        buckets *= 2;
    plan->links_at = SSO_SHM_PAGE + buckets * sizeof(apr_uint32_t);
    limit = (bytes - plan->links_at) / (SSO_SHM_BLOCK + sizeof(apr_uint32_t)) + 1;
    do { /* blocks begin with a cache line */
        limit--;
        blocks_at = plan->links_at + limit * sizeof(apr_uint32_t);
        blocks_at = (blocks_at + SSO_SHM_LINE - 1) / SSO_SHM_LINE * SSO_SHM_LINE;
    } while (blocks_at + limit * SSO_SHM_BLOCK > bytes);
    plan->size = size;
    plan->shard_bytes = bytes;
    plan->blocks_at = blocks_at;
    plan->shards = (apr_uint32_t)shards;
    plan->buckets = (apr_uint32_t)buckets;
    plan->limit = (apr_uint32_t)limit;
}

void sso_shm_seal_header(sso_shm_header_t *header, apr_uint64_t size)
{
    memset(header, 0, sizeof(*header));
    memcpy(header->magic, SSO_SHM_MAGIC, sizeof(header->magic));
    header->layout = SSO_SHM_LAYOUT;
    header->byte_order = 0x01020304;
    header->page = SSO_SHM_PAGE;
    header->block = SSO_SHM_BLOCK;
    header->shard_bytes = sizeof(sso_shm_shard_t);
    header->head_bytes = sizeof(sso_shm_head_t);
    header->lock_bytes = sizeof(pthread_mutex_t);
    header->pointer_bytes = sizeof(void *);
    header->size = size;
    header->check = sso_shm_digest(header, offsetof(sso_shm_header_t, check), 0);
}

/* Why a file that is not empty cannot be used, or NULL. */
static const char *judge(const sso_shm_header_t *header, apr_uint64_t file_size)
{
    sso_shm_header_t want;

    sso_shm_seal_header(&want, header->size);
    if (memcmp(header->magic, want.magic, sizeof(want.magic)))
        return "it is not a store";
    if (header->check != sso_shm_digest(header, offsetof(sso_shm_header_t, check), 0))
        return "its header is damaged";
    if (memcmp(header, &want, offsetof(sso_shm_header_t, check)))
        return "it was made by another version or on another kind of machine";
    if (header->size != file_size || file_size < SSO_STORE_SHM_MIN ||
        file_size > SSO_STORE_SHM_MAX)
        return "its length is not what its header says";
    return NULL;
}

static apr_status_t unmap(void *data)
{
    sso_shm_t *shm = data;

    if (shm->memory)
        munmap(shm->memory, (size_t)shm->plan.size);
    if (shm->fd >= 0)
        close(shm->fd);
    shm->memory = NULL;
    shm->fd = -1;
    return APR_SUCCESS;
}

static sso_rc_e map(sso_ctx_t *ctx, sso_shm_t *shm, apr_uint64_t size)
{
    void *memory = MAP_FAILED;

    errno = EFBIG;
    if ((apr_uint64_t)(size_t)size == size) /* addresses may be shorter than files */
        memory = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, shm->fd, 0);
    if (memory == MAP_FAILED)
        return sso_fail(ctx, SSO_BROKEN, 209, "store: %s: cannot be mapped: %s", shm->path,
                        strerror(errno));
    madvise(memory, (size_t)size, MADV_DONTDUMP); /* not for core files; a refusal is no harm */
    shm->memory = memory;
    sso_shm_plan(size, &shm->plan);
    return SSO_OK;
}

static apr_uint32_t new_boot(void)
{
    apr_uint32_t boot = 0;

    while (!boot)
        if (apr_generate_random_bytes((unsigned char *)&boot, sizeof(boot)) != APR_SUCCESS)
            boot = (apr_uint32_t)apr_time_now();
    return boot;
}

static sso_rc_e make_locks(sso_ctx_t *ctx, const sso_shm_t *shm)
{
    sso_shm_view_t v;
    apr_uint32_t i;
    int rc;

    for (i = 0; i < shm->plan.shards; i++) {
        sso_shm_view(shm, i, ctx->now, &v);
        rc = sso_shm_lock_make(v.shard);
        if (rc)
            return sso_fail(ctx, SSO_BROKEN, 210, "store: %s: cannot make locks: %s", shm->path,
                            strerror(rc));
    }
    return SSO_OK;
}

/* Make a store of an empty file. The header comes last: a file without one was never finished. */
static sso_rc_e make(sso_ctx_t *ctx, sso_shm_t *shm, apr_uint64_t size)
{
    sso_shm_header_t header;
    sso_shm_view_t v;
    apr_uint32_t i;

    if (ftruncate(shm->fd, 0))
        return sso_fail(ctx, SSO_MISCONFIG, 216, "store: %s: %s", shm->path, strerror(errno));
    SSO_TRY(sso_shm_file_extend(ctx, shm->path, shm->fd, size));
    SSO_TRY(map(ctx, shm, size));
    SSO_TRY(make_locks(ctx, shm));
    for (i = 0; i < shm->plan.shards; i++) {
        sso_shm_view(shm, i, ctx->now, &v);
        v.shard->high = 1;
        /* of the clock, not of zero, so that no version comes back when a file is made anew */
        v.shard->version = (apr_uint64_t)apr_time_now();
    }
    sso_shm_seal_header(&header, size);
    header.boot = new_boot();
    SSO_SHM_ORDER();
    memcpy(shm->memory, &header, sizeof(header));
    shm->boot = header.boot;
    return SSO_OK;
}

/* Nobody had this file open, whatever its locks say: new locks, and all of it is looked at. */
static sso_rc_e revive(sso_ctx_t *ctx, sso_shm_t *shm, const char **why)
{
    sso_shm_header_t *header = (sso_shm_header_t *)(void *)shm->memory;
    sso_shm_view_t v;
    apr_uint32_t i;

    SSO_TRY(make_locks(ctx, shm));
    for (i = 0; i < shm->plan.shards; i++) {
        sso_shm_view(shm, i, ctx->now, &v);
        if (!sso_shm_check(&v)) {
            *why = "it is damaged";
            return SSO_BROKEN;
        }
    }
    header->boot = new_boot();
    return SSO_OK;
}

/* Use the file that is open, whatever it is; @a why is set if it has to be set aside. */
static sso_rc_e attach(sso_ctx_t *ctx, sso_shm_t *shm, apr_uint64_t size, const char **why)
{
    sso_shm_header_t header, nothing = { .layout = 0 };
    struct stat info;
    int alone = sso_shm_file_alone(shm->fd);
    sso_rc_e rc;

    if (fstat(shm->fd, &info))
        return sso_fail(ctx, SSO_MISCONFIG, 217, "store: %s: %s", shm->path, strerror(errno));
    if (info.st_size == 0 && alone) /* else somebody has emptied it under those who have it */
        return make(ctx, shm, size);
    memset(&header, 0xff, sizeof(header));
    if (pread(shm->fd, &header, sizeof(header), 0) == (ssize_t)sizeof(header) && alone &&
        !memcmp(&header, &nothing, sizeof(header)))
        return make(ctx, shm, size); /* whoever began to make it did not come to the end */
    *why = judge(&header, (apr_uint64_t)info.st_size);
    if (*why)
        return SSO_BROKEN;
    SSO_TRY(map(ctx, shm, header.size));
    rc = alone ? revive(ctx, shm, why) : SSO_OK;
    shm->boot = ((sso_shm_header_t *)(void *)shm->memory)->boot;
    return rc;
}

/* Open the file of a name, whatever its size; a bad one makes room for a new one. */
static sso_rc_e open_any(sso_ctx_t *ctx, apr_pool_t *pool, const sso_store_shm_config_t *config,
                         sso_shm_t **opened)
{
    sso_shm_t *shm = apr_pcalloc(pool, sizeof(*shm));
    sso_rc_e rc;
    int i;

    shm->store.kind = &sso_store_shm_kind;
    shm->path = apr_pstrdup(pool, config->path);
    for (i = 0; i < TRIES; i++) {
        const char *why = NULL;

        shm->fd = -1;
        SSO_TRY(sso_shm_file_open(ctx, config, &shm->fd));
        rc = attach(ctx, shm, config->size, &why);
        if (rc == SSO_OK) {
            *opened = shm;
            return SSO_OK;
        }
        if (why)
            rc = sso_shm_file_set_aside(ctx, config->path, why);
        unmap(shm);
        SSO_TRY(rc);
    }
    return sso_fail(ctx, SSO_MISCONFIG, 219, "store: %s: bad each time it is made anew: does "
                    "something else write to it?", config->path);
}

/* Copy a shard's live entries of one class, the least recently used first. */
static void copy_class(sso_ctx_t *ctx, sso_shm_view_t *v, int class, sso_shm_t *to,
                       apr_uint64_t *counts)
{
    unsigned char *value = apr_palloc(ctx->pool, SSO_STORE_VALUE_MAX);
    apr_uint32_t at = v->shard->oldest[class], steps = 0;

    for (; at && ++steps <= v->shard->entries; at = sso_shm_head(v, at)->newer) {
        sso_shm_head_t *head = sso_shm_head(v, at);
        sso_store_item_t item = { .value = value, .length = head->length,
                                  .expires = head->expires, .class = (sso_store_class_e)class };

        if (v->torn || head->length > SSO_STORE_VALUE_MAX || !sso_shm_read(v, at, value))
            return;
        if (head->expires <= ctx->now)
            continue;
        counts[sso_store_put(ctx, &to->store, &head->key, &item) != SSO_OK]++;
        sso_forgive(ctx);
    }
}

/* Into a new file of the size wanted, which then takes the old one's name. After a failure all is
 * as it was. */
static sso_rc_e move(sso_ctx_t *ctx, apr_pool_t *pool, const sso_store_shm_config_t *config,
                     sso_shm_t **shm)
{
    sso_store_shm_config_t aside = *config;
    sso_shm_t *from = *shm, *to;
    apr_uint64_t counts[2] = { 0, 0 };
    sso_ctx_t work = *ctx;
    sso_shm_view_t v;
    apr_uint32_t i;
    sso_rc_e rc;

    aside.path = apr_pstrcat(ctx->pool, config->path, ".new", NULL);
    unlink(aside.path); /* of one who did not come to the end; other openers wait for us */
    rc = open_any(ctx, pool, &aside, &to);
    if (rc != SSO_OK) {
        unlink(aside.path);
        return rc;
    }
    apr_pool_create(&work.pool, ctx->pool);
    for (i = 0; i < from->plan.shards; i++) {
        sso_shm_view(from, i, ctx->now, &v);
        if (sso_shm_enter(&work, &v) != SSO_OK) {
            sso_forgive(&work);
            continue;
        }
        copy_class(&work, &v, SSO_STORE_PINNED, to, counts);
        copy_class(&work, &v, SSO_STORE_PLAIN, to, counts);
        sso_shm_leave(&work, &v);
        apr_pool_clear(work.pool);
    }
    apr_pool_destroy(work.pool);
    if (rename(aside.path, config->path)) {
        unmap(to);
        unlink(aside.path);
        return sso_fail(ctx, SSO_MISCONFIG, 218, "store: %s: %s", config->path, strerror(errno));
    }
    sso_log(ctx, SSO_LOG_INFO, 212, "store: %s: moved from %" APR_UINT64_T_FMT " to %"
            APR_UINT64_T_FMT " bytes: %" APR_UINT64_T_FMT " entries kept, %" APR_UINT64_T_FMT
            " had no room", config->path, from->plan.size, config->size, counts[0], counts[1]);
    to->path = from->path;
    unmap(from);
    *shm = to;
    return SSO_OK;
}

sso_rc_e sso_store_shm_open(sso_ctx_t *ctx, apr_pool_t *pool, const sso_store_shm_config_t *config,
                            sso_store_t **store)
{
    sso_shm_t *shm;
    sso_rc_e rc = SSO_OK;

    if (config->size < SSO_STORE_SHM_MIN || config->size > SSO_STORE_SHM_MAX)
        return sso_fail(ctx, SSO_MISCONFIG, 200, "store: shm:%" APR_UINT64_T_FMT ": the size must "
                        "be from 1M to 64G", config->size);
    SSO_TRY(sso_shm_dir_check(ctx, config->path));
    SSO_TRY(open_any(ctx, pool, config, &shm));
    if (shm->plan.size != config->size)
        rc = move(ctx, pool, config, &shm);
    if (rc != SSO_OK) { /* no reason to do without: a graceful restart would end httpd */
        sso_log(ctx, SSO_LOG_ERROR, 1421, "store: stays at %" APR_UINT64_T_FMT " bytes: %s",
                shm->plan.size, ctx->err.text);
        sso_forgive(ctx);
    }
    sso_shm_file_share(shm->fd);
    apr_pool_cleanup_register(pool, shm, unmap, apr_pool_cleanup_null);
    *store = &shm->store;
    return SSO_OK;
}
