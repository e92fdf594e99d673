/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the shared-memory store costs: time of a get of 1.5 KB at a thousand and at a million
 * entries, bytes an entry takes, time to open a file of that size that nobody had open. Not a test.
 *
 *     store_bench DIRECTORY [ENTRIES [GETS]]   makes a file there (2.2 KB an entry), removes it
 *
 * Instructions: under callgrind, as the difference of two runs with different GETS.
 */
#include "sso_store_shm.h"

#include <apr_general.h>
#include <apr_strings.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define VALUE 1500
#define START apr_time_from_sec(1700000000)

static sso_store_key_t key_of(apr_uint64_t number)
{
    sso_store_key_t key;
    unsigned i;

    number += 0x9e3779b97f4a7c15ull;
    for (i = 0; i < sizeof(key.bytes); i++) {
        number = (number ^ (number >> 31)) * 0xbf58476d1ce4e5b9ull + i;
        key.bytes[i] = (unsigned char)(number >> 56);
    }
    return key;
}

static void complain(void *baton, sso_level_e level, const char *text)
{
    (void)baton;
    (void)level;
    fprintf(stderr, "%s\n", text);
}

static void must(const sso_ctx_t *ctx, sso_rc_e rc)
{
    if (rc == SSO_OK)
        return;
    fprintf(stderr, "result %d: %s\n", rc, ctx->err.text);
    exit(1);
}

static double since(apr_time_t start)
{
    return (double)(apr_time_now() - start) * 1000;
}

static void fill(sso_ctx_t *ctx, sso_store_t *store, unsigned long entries)
{
    static unsigned char value[VALUE];
    sso_store_item_t item = { .value = value, .length = VALUE };
    apr_time_t start = apr_time_now();
    unsigned long i;

    for (i = 0; i < entries; i++) {
        sso_store_key_t key = key_of(i);

        memcpy(value, &i, sizeof(i));
        item.expires = START + apr_time_from_sec(7200 + (apr_int64_t)(i % 3600));
        must(ctx, sso_store_put(ctx, store, &key, &item));
    }
    printf("put        %8.0f ns\n", since(start) / (double)entries);
}

static void read_all(sso_ctx_t *ctx, sso_store_t *store, unsigned long entries, unsigned long gets)
{
    apr_pool_t *home = ctx->pool;
    apr_time_t start = apr_time_now();
    unsigned long i;

    apr_pool_create(&ctx->pool, home);
    for (i = 0; i < gets; i++) {
        sso_store_key_t key = key_of(i * 7919 % entries);
        sso_store_entry_t entry;

        must(ctx, sso_store_get(ctx, store, &key, 0, &entry));
        if (entry.length != VALUE)
            exit(1);
        if (i % 16 == 15)
            apr_pool_clear(ctx->pool);
    }
    apr_pool_destroy(ctx->pool);
    ctx->pool = home;
    printf("get        %8.0f ns\n", gets ? since(start) / (double)gets : 0.0);
}

int main(int argc, char **argv)
{
    static const sso_ports_t ports = { .log = complain };
    unsigned long entries = argc > 2 ? strtoul(argv[2], NULL, 10) : 1000;
    unsigned long gets = argc > 3 ? strtoul(argv[3], NULL, 10) : 100000;
    sso_ctx_t ctx = { .now = START, .ports = &ports };
    sso_store_shm_config_t config = { .uid = -1, .gid = -1 };
    sso_store_stats_t stats;
    sso_store_t *store;
    apr_pool_t *pool;
    apr_time_t start;

    apr_initialize();
    apr_pool_create(&ctx.pool, NULL);
    apr_pool_create(&pool, NULL);
    config.size = (apr_uint64_t)entries * 2250;
    if (config.size < 2 * SSO_STORE_SHM_MIN)
        config.size = 2 * SSO_STORE_SHM_MIN;
    config.path = apr_psprintf(ctx.pool, "%s/store-bench", argc > 1 ? argv[1] : ".");
    must(&ctx, sso_store_shm_open(&ctx, pool, &config, &store));
    printf("%lu entries of %d bytes\n", entries, VALUE);
    fill(&ctx, store, entries);
    read_all(&ctx, store, entries, gets);
    must(&ctx, sso_store_stats(&ctx, store, &stats));
    printf("memory     %8.0f bytes an entry, %.0f over its value; %" APR_UINT64_T_FMT
           " evicted\n", (double)stats.bytes_used / (double)stats.entries * 196 / 192,
           (double)stats.bytes_used / (double)stats.entries * 196 / 192 - VALUE,
           stats.evicted_live);
    apr_pool_clear(pool);
    start = apr_time_now();
    must(&ctx, sso_store_shm_open(&ctx, pool, &config, &store));
    printf("open again %8.1f ms\n", since(start) / 1e6);
    apr_pool_clear(pool);
    unlink(config.path);
    apr_terminate();
    return 0;
}
