/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Back ends of the store: a row each.
 */
#include "sso_store_open.h"

#include "sso_store_redis.h"
#include "sso_store_shm.h"

#include <apr_lib.h>
#include <apr_strings.h>
#include <string.h>

/* 64M, 1G, 4096K, or bytes */
static sso_rc_e shm_size(sso_ctx_t *ctx, const char *spec, apr_uint64_t *size)
{
    static const char units[] = "KMG";
    const char *text = spec + strlen("shm:"), *c = text, *unit;
    apr_uint64_t count = 0;

    while (apr_isdigit(*c) && count < APR_UINT64_C(100000000000))
        count = count * 10 + (apr_uint64_t)(*c++ - '0');
    unit = *c ? strchr(units, apr_toupper(*c)) : NULL;
    if (unit)
        count <<= 10 * (unit - units + 1), c++;
    if (c == text || *c || count < SSO_STORE_SHM_MIN || count > SSO_STORE_SHM_MAX)
        return sso_fail(ctx, SSO_MISCONFIG, 59, "EdxSSOStore: '%s' is not shm: with a size from 1M "
                        "to 64G, such as shm:64M", spec);
    *size = count;
    return SSO_OK;
}

static sso_rc_e shm_check(sso_ctx_t *ctx, const char *spec)
{
    apr_uint64_t size;

    return shm_size(ctx, spec, &size);
}

static sso_rc_e shm_open(sso_ctx_t *ctx, apr_pool_t *pool, const char *spec, const char *dir,
                         sso_store_t **store)
{
    sso_store_shm_config_t config = { 0, apr_pstrcat(ctx->pool, dir, "/store.shm", NULL), -1, -1 };

    SSO_TRY(shm_size(ctx, spec, &config.size));
    return sso_store_shm_open(ctx, pool, &config, store);
}

static sso_rc_e redis_open(sso_ctx_t *ctx, apr_pool_t *pool, const char *spec, const char *dir,
                           sso_store_t **store)
{
    sso_store_redis_config_t config = { .url = spec };

    (void)dir;
    return sso_store_redis_open(ctx, pool, &config, store);
}

static sso_rc_e redis_check(sso_ctx_t *ctx, const char *spec)
{
    sso_store_t *store;

    return redis_open(ctx, ctx->pool, spec, NULL, &store); /* connects when it is first used */
}

static const struct {
    const char *prefix;
    sso_rc_e (*check)(sso_ctx_t *ctx, const char *spec);
    sso_rc_e (*open)(sso_ctx_t *ctx, apr_pool_t *pool, const char *spec, const char *dir,
                     sso_store_t **store);
} kinds[] = {
    { "shm:", shm_check, shm_open },
    { "redis://", redis_check, redis_open },
    { "rediss://", redis_check, redis_open },
    { "redis+unix://", redis_check, redis_open },
};

static int kind_of(sso_ctx_t *ctx, const char *spec)
{
    /* what follows // may have a password in it */
    int shown = strstr(spec, "//") ? (int)(strstr(spec, "//") - spec) : 40;
    unsigned i;

    for (i = 0; i < SSO_COUNT(kinds); i++)
        if (!strncmp(spec, kinds[i].prefix, strlen(kinds[i].prefix)))
            return (int)i;
    sso_fail(ctx, SSO_MISCONFIG, 60, "EdxSSOStore: '%.*s' begins with none of shm:, redis://, "
             "rediss://, redis+unix://", shown, spec);
    return -1;
}

sso_rc_e sso_store_check(sso_ctx_t *ctx, const char *spec)
{
    int kind = kind_of(ctx, spec);

    return kind < 0 ? SSO_MISCONFIG : kinds[kind].check(ctx, spec);
}

sso_rc_e sso_store_open(sso_ctx_t *ctx, apr_pool_t *pool, const char *spec, const char *dir,
                        sso_store_t **store)
{
    int kind = kind_of(ctx, spec);

    return kind < 0 ? SSO_MISCONFIG : kinds[kind].open(ctx, pool, spec, dir, store);
}
