/* SPDX-License-Identifier: Apache-2.0 */
#ifndef METADATA_WORLD_H
#define METADATA_WORLD_H

/*
 * A provider that does as it is told, and a store that can be watched and can fail. What is told
 * and counted is shared by forked processes. Included once per test program.
 */

#include "sso_document.h"
#include "sso_jwk.h"
#include "tap.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define WORLD_START apr_time_from_sec(1700000000)
#define SECONDS(n)  apr_time_from_sec(n)
#define ISSUER      "https://lms.example/oauth2"
#define DISCOVERY   "https://lms.example/.well-known/openid-configuration"
#define JWKS_URL    "https://lms.example/jwks.json"
#define EC_POINT /* RFC 7515 A.3 */                                                               \
    "\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","     \
    "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\""
#define METADATA "{\"issuer\":\"" ISSUER "\",\"jwks_uri\":\"" JWKS_URL "\","                      \
    "\"token_endpoint\":\"https://lms.example/token\",\"authorization_endpoint\":\"\"}"

typedef struct world_t {
    atomic_int discoveries, key_calls; /* calls that came in */
    atomic_int gets, others;           /* of the store */
    atomic_int generation;             /* the key id that is published: k<generation> */
    int fail;                          /* number of a failed call, 0: none */
    int status;
    const char *type, *body, *retry_after; /* body NULL: the good ones; set before forking */
    int delay_ms;
    int store_fails, puts_fail;
    int garble; /* which byte of values read is changed, from the end; 0: none */
    atomic_int readable; /* values that went to the store unsealed */
} world_t;

typedef struct watched_t {
    sso_store_t store;
    sso_store_t *behind;
} watched_t;

static world_t *world;
static watched_t watched;
static apr_pool_t *world_pool;
static sso_ports_t world_ports;
static void (*world_before_add)(void); /* done once, before the next add: somebody was faster */

static sso_rc_e world_call(sso_ctx_t *ctx, const sso_call_t *call, sso_reply_t *reply)
{
    int keys = strstr(call->url, "jwks") != NULL;

    atomic_fetch_add(keys ? &world->key_calls : &world->discoveries, 1);
    if (world->delay_ms)
        apr_sleep(apr_time_from_msec(world->delay_ms));
    if (world->fail)
        return sso_fail(ctx, SSO_UPSTREAM, world->fail, "%s: nobody answers", call->what);
    memset(reply, 0, sizeof(*reply));
    reply->status = world->status;
    reply->content_type = world->type;
    reply->retry_after = world->retry_after;
    reply->body = world->body ? world->body
                  : !keys ? METADATA
                  : apr_psprintf(ctx->pool, "{\"keys\":[{" EC_POINT ",\"kid\":\"k%d\"}]}",
                                 atomic_load(&world->generation));
    reply->length = strlen(reply->body);
    return SSO_OK;
}

static sso_rc_e watched_get(sso_ctx_t *ctx, sso_store_t *store, const sso_store_key_t *key,
                            apr_time_t touch, sso_store_entry_t *entry)
{
    (void)store;
    atomic_fetch_add(&world->gets, 1);
    if (world->store_fails)
        return sso_fail(ctx, SSO_UPSTREAM, 250, "the store is away");
    SSO_TRY(sso_store_get(ctx, watched.behind, key, touch, entry));
    if (world->garble && entry->length >= (apr_size_t)world->garble) {
        unsigned char *bent = apr_pmemdup(ctx->pool, entry->value, entry->length);

        bent[entry->length - (apr_size_t)world->garble] ^= 1;
        entry->value = bent;
    }
    return SSO_OK;
}

static sso_rc_e watched_put(sso_ctx_t *ctx, sso_store_t *store, const sso_store_key_t *key,
                            const sso_store_item_t *item)
{
    (void)store;
    atomic_fetch_add(&world->others, 1);
    if (memmem(item->value, item->length, "lms.example", 11)
        || memmem(item->value, item->length, "f83OJ3D2xF1Bg8vub9tL", 20)
        || memmem(item->value, item->length, "nobody answers", 14))
        atomic_fetch_add(&world->readable, 1);
    if (world->store_fails || world->puts_fail || item->length > SSO_STORE_VALUE_MAX)
        return sso_fail(ctx, SSO_UPSTREAM, 250, "the store is full");
    return sso_store_put(ctx, watched.behind, key, item);
}

static sso_rc_e watched_add(sso_ctx_t *ctx, sso_store_t *store, const sso_store_key_t *key,
                            const sso_store_item_t *item)
{
    void (*before)(void) = world_before_add;

    (void)store;
    if (before) {
        world_before_add = NULL;
        before();
    }
    atomic_fetch_add(&world->others, 1);
    if (world->store_fails)
        return sso_fail(ctx, SSO_UPSTREAM, 250, "the store is away");
    return sso_store_add(ctx, watched.behind, key, item);
}

static sso_rc_e watched_remove(sso_ctx_t *ctx, sso_store_t *store, const sso_store_key_t *key)
{
    (void)store;
    atomic_fetch_add(&world->others, 1);
    if (world->store_fails)
        return sso_fail(ctx, SSO_UPSTREAM, 250, "the store is away");
    return sso_store_remove(ctx, watched.behind, key);
}

static const sso_store_kind_t watched_kind = {
    .scheme = "watched", .get = watched_get, .put = watched_put, .add = watched_add,
    .remove = watched_remove
};

static sso_ctx_t *world_ctx(apr_time_t now)
{
    sso_ctx_t *ctx;
    apr_pool_t *pool;

    apr_pool_create(&pool, world_pool);
    ctx = apr_pcalloc(pool, sizeof(*ctx));
    ctx->pool = pool;
    ctx->now = now;
    ctx->ports = &world_ports;
    return ctx;
}

/* A fresh world: an empty store, a provider that is well. */
static inline void world_make(void)
{
    sso_ctx_t *ctx = tap_ctx(); /* empties the log */

    if (!world)
        world = mmap(NULL, sizeof(*world), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
                     0);
    if (world_pool)
        apr_pool_destroy(world_pool);
    apr_pool_create(&world_pool, NULL);
    memset(world, 0, sizeof(*world));
    world->status = 200;
    world->type = "application/json";
    atomic_store(&world->generation, 1);
    sso_document_local_make(ctx, world_pool, &watched.behind);
    watched.store.kind = &watched_kind;
    world_ports.log = tap_log;
    world_ports.call = world_call;
    world_ports.store = &watched.store;
}

static inline sso_documents_t *world_documents(void)
{
    static const char secret[] = "0123456789abcdef0123456789abcdef";
    sso_ctx_t *ctx = world_ctx(WORLD_START);
    apr_array_header_t *secrets = apr_array_make(world_pool, 1, sizeof(sso_bytes_t));
    sso_documents_t *documents = NULL;
    sso_keyring_t *ring;

    APR_ARRAY_PUSH(secrets, sso_bytes_t) = sso_bytes(secret);
    if (sso_keyring_make(ctx, world_pool, secrets, "test", &ring) != SSO_OK
        || sso_documents_make(ctx, world_pool, ring, &documents) != SSO_OK)
        printf("Bail out! %s\n", ctx->err.text);
    return documents;
}

/* A provider as one process has it. TTL of metadata 1000 s, of keys 100 s, 50 s of grace. */
static inline sso_provider_t *world_provider(void)
{
    sso_provider_t *provider = apr_pcalloc(world_pool, sizeof(*provider));
    apr_array_header_t *issuers = apr_array_make(world_pool, 1, sizeof(const char *));
    sso_ctx_t *ctx = world_ctx(WORLD_START);
    sso_config_t *config;

    if (sso_record_make(ctx, &sso_config_shape, &config) != SSO_OK)
        printf("Bail out! %s\n", ctx->err.text);
    config->metadata_ttl = SECONDS(1000);
    config->jwks_ttl = SECONDS(100);
    config->stale_if_error = SECONDS(50);
    config->jwks_min_refresh = SECONDS(60);
    APR_ARRAY_PUSH(issuers, const char *) = ISSUER;
    provider->name = "lms";
    provider->kind = &sso_kind_edx;
    provider->config = config;
    provider->issuers = issuers;
    provider->metadata_url = DISCOVERY;
    provider->http.connect = provider->http.total = SECONDS(5);
    provider->documents = world_documents();
    return provider;
}

static inline int key_number(const sso_keys_t *keys)
{
    return (int)apr_strtoi64(keys->keys[0]->kid + 1, NULL, 10);
}

/* Ask for keys as one request does. Returns the number of the failure, or the key's (k7: -7). */
static inline int ask(const sso_provider_t *provider, apr_time_t now)
{
    sso_ctx_t *ctx = world_ctx(now);
    const sso_keys_t *keys;
    sso_rc_e rc = sso_documents_keys(ctx, provider, 0, &keys);
    int result = rc != SSO_OK ? ctx->err.number : -key_number(keys);

    apr_pool_destroy(ctx->pool);
    return result;
}

/* Ask as a request does whose token has an unknown key. 1000: nothing newer. */
static inline int ask_newer(const sso_provider_t *provider, apr_time_t now)
{
    sso_ctx_t *ctx = world_ctx(now);
    const sso_keys_t *keys;
    sso_rc_e rc = sso_documents_keys(ctx, provider, 0, &keys);
    int result;

    if (rc == SSO_OK)
        rc = sso_documents_keys(ctx, provider, 1, &keys);
    result = rc == SSO_ABSENT ? 1000 : rc != SSO_OK ? ctx->err.number
                                                    : -key_number(keys);
    apr_pool_destroy(ctx->pool);
    return result;
}

#define calls_are(d, k, ...)                                                                      \
    ok(world->discoveries == (d) && world->key_calls == (k), __VA_ARGS__);                        \
    if (world->discoveries != (d) || world->key_calls != (k))                                     \
        printf("#   %d discoveries, %d key requests\n", world->discoveries, world->key_calls)

/* How often a text is in the log. */
static inline int log_count(const char *text)
{
    const char *at = tap_log_text;
    int count = 0;

    while ((at = strstr(at, text)) != NULL) {
        count++;
        at++;
    }
    return count;
}

#endif
