/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fill the store of a httpd that is stopped with entries of strangers: what does a request cost
 * beside a million others? Not a test.
 *
 *     store_fill FILE BYTES ENTRIES VALUE [LATER]
 *
 * BYTES: the size that EdxSSOStore says. LATER: as if it were so many seconds later; the strangers
 * go again, as has all that they met and that had expired by then.
 */
#include "sso_store_shm.h"

#include <apr_general.h>
#include <apr_time.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VALUE_MAX 65536

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

int main(int argc, char **argv)
{
    static unsigned char value[VALUE_MAX];
    sso_ctx_t ctx = { .now = apr_time_now() };
    sso_store_shm_config_t config = { .uid = -1, .gid = -1 };
    sso_store_item_t item = { .value = value };
    sso_store_stats_t stats;
    sso_store_t *store;
    apr_pool_t *pool;
    unsigned long i, count;

    if (argc != 5 && argc != 6)
        return 2;
    apr_initialize();
    apr_pool_create(&ctx.pool, NULL);
    apr_pool_create(&pool, NULL);
    config.path = argv[1];
    config.size = strtoull(argv[2], NULL, 10);
    ctx.now += apr_time_from_sec(argc == 6 ? strtol(argv[5], NULL, 10) : 0);
    count = strtoul(argv[3], NULL, 10);
    item.length = strtoul(argv[4], NULL, 10) % VALUE_MAX;
    item.expires = ctx.now + apr_time_from_sec(86400);
    if (sso_store_shm_open(&ctx, pool, &config, &store) != SSO_OK)
        goto failed;
    for (i = 0; i < count; i++) {
        sso_store_key_t key = key_of(i);

        memcpy(value, &i, sizeof(i));
        if (sso_store_put(&ctx, store, &key, &item) != SSO_OK
            || (argc == 6 && sso_store_remove(&ctx, store, &key) != SSO_OK))
            goto failed;
    }
    if (sso_store_stats(&ctx, store, &stats) != SSO_OK)
        goto failed;
    printf("%" APR_UINT64_T_FMT " entries, %" APR_UINT64_T_FMT " evicted, %" APR_UINT64_T_FMT
           " bytes\n", stats.entries, stats.evicted_live, stats.bytes_used);
    apr_pool_destroy(pool);
    return 0;
failed:
    fprintf(stderr, "%s\n", ctx.err.text);
    return 1;
}
