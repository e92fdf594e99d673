/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WORLD_H
#define WORLD_H

/*
 * A site with two LMSs, a store that can fail, a token endpoint that says what it is told, and a
 * browser with a cookie jar: enough for every flow to run in one process. Included once per test
 * program, after nothing else.
 */

#include "forge.h"
#include "sso_answer.h"
#include "sso_fault.h"
#include "sso_json.h"
#include "sso_provider.h"
#include "sso_session.h"

#define WORLD_NOW     APR_INT64_C(1700000000)
#define WORLD_ORIGIN  "https://site.example"
#define WORLD_ISSUER  "https://lms.example/oauth2"
#define WORLD_MAC     "an-hmac-key-canary-of-32-or-more-bytes"
#define WORLD_CANARY  "client-secret-canary"
#define WORLD_ENTRIES 4096

typedef struct memory_entry_t {
    int live;
    sso_store_key_t key;
    sso_store_item_t item;
    apr_uint64_t version;
} memory_entry_t;

static struct {
    sso_store_t store; /* first: this is one */
    memory_entry_t entries[WORLD_ENTRIES];
    apr_uint64_t version;
    int calls;   /* so far */
    int fail_at; /* the call that fails, and all after it; 0: none */
} memory;

static struct {
    int calls;
    const char *url, *body, *authorization;
    int once, plain_ok;
    int fail; /* number to fail with, 0: answer */
    sso_reply_t reply;
} token_endpoint;

static sso_ports_t world_ports;
static sso_site_t *world_site;
static apr_pool_t *world_pool;

/* ---- the store */

static inline int memory_down(sso_ctx_t *ctx)
{
    memory.calls++;
    if (!memory.fail_at || memory.calls < memory.fail_at)
        return 0;
    sso_fail(ctx, SSO_UPSTREAM, 250, "the store is away");
    return 1;
}

static inline memory_entry_t *memory_find(const sso_ctx_t *ctx, const sso_store_key_t *key)
{
    int i;

    for (i = 0; i < WORLD_ENTRIES; i++)
        if (memory.entries[i].live && !memcmp(&memory.entries[i].key, key, sizeof(*key))
            && memory.entries[i].item.expires > ctx->now)
            return &memory.entries[i];
    return NULL;
}

static inline sso_rc_e memory_get(sso_ctx_t *ctx, sso_store_t *store, const sso_store_key_t *key,
                                  apr_time_t touch, sso_store_entry_t *entry)
{
    memory_entry_t *found;

    (void)store;
    if (memory_down(ctx))
        return SSO_UPSTREAM;
    found = memory_find(ctx, key);
    if (!found)
        return SSO_ABSENT;
    if (touch > found->item.expires)
        found->item.expires = touch;
    entry->value = apr_pmemdup(ctx->pool, found->item.value, found->item.length);
    entry->length = found->item.length;
    entry->version = found->version;
    entry->expires = found->item.expires;
    return SSO_OK;
}

static inline sso_rc_e memory_put(sso_ctx_t *ctx, sso_store_t *store, const sso_store_key_t *key,
                                  const sso_store_item_t *item)
{
    memory_entry_t *slot = memory_find(ctx, key);
    int i;

    (void)store;
    if (memory_down(ctx))
        return SSO_UPSTREAM;
    for (i = 0; !slot; i++) {
        FORGE_MUST(i < WORLD_ENTRIES);
        if (!memory.entries[i].live || memory.entries[i].item.expires <= ctx->now)
            slot = &memory.entries[i];
    }
    slot->live = 1;
    slot->key = *key;
    slot->item = *item;
    slot->item.value = apr_pmemdup(world_pool, item->value, item->length);
    slot->version = ++memory.version;
    return SSO_OK;
}

static inline sso_rc_e memory_add(sso_ctx_t *ctx, sso_store_t *store, const sso_store_key_t *key,
                                  const sso_store_item_t *item)
{
    if (memory_find(ctx, key) && !memory_down(ctx))
        return SSO_DENIED;
    return memory_put(ctx, store, key, item);
}

static inline sso_rc_e memory_swap(sso_ctx_t *ctx, sso_store_t *store, const sso_store_key_t *key,
                                   apr_uint64_t version, const sso_store_item_t *item)
{
    const memory_entry_t *found = memory_find(ctx, key);

    if (memory_down(ctx))
        return SSO_UPSTREAM;
    if (!found)
        return SSO_ABSENT;
    return found->version == version ? memory_put(ctx, store, key, item) : SSO_DENIED;
}

static inline sso_rc_e memory_remove(sso_ctx_t *ctx, sso_store_t *store,
                                     const sso_store_key_t *key)
{
    memory_entry_t *found = memory_find(ctx, key);

    (void)store;
    if (memory_down(ctx))
        return SSO_UPSTREAM;
    if (!found)
        return SSO_ABSENT;
    found->live = 0;
    return SSO_OK;
}

static inline int memory_count(void)
{
    int i, count = 0;

    for (i = 0; i < WORLD_ENTRIES; i++)
        count += memory.entries[i].live;
    return count;
}

/* ---- the token endpoint */

static inline sso_rc_e token_call(sso_ctx_t *ctx, const sso_call_t *call, sso_reply_t *reply)
{
    token_endpoint.calls++;
    token_endpoint.url = apr_pstrdup(world_pool, call->url);
    token_endpoint.body = apr_pstrmemdup(world_pool, call->body ? call->body : "",
                                         call->body_length);
    token_endpoint.authorization = apr_pstrdup(world_pool, call->authorization);
    token_endpoint.once = call->once;
    token_endpoint.plain_ok = call->plain_ok;
    if (token_endpoint.fail)
        return sso_fail(ctx, SSO_UPSTREAM, token_endpoint.fail, "%s: nobody answers", call->what);
    *reply = token_endpoint.reply;
    return SSO_OK;
}

static inline void token_says(int status, const char *content_type, const char *body)
{
    sso_reply_t reply = { .status = status, .content_type = content_type, .body = body,
                          .length = strlen(body), .max_age = -1 };

    token_endpoint.reply = reply;
    token_endpoint.fail = 0;
}

/* An LMS's claims; @a more is further members as text, starting with a comma, or "". */
static inline const char *world_claims(const char *more)
{
    return apr_psprintf(world_pool, "{\"aud\":\"openedx\",\"exp\":%" APR_INT64_T_FMT ",\"iat\":%"
                        APR_INT64_T_FMT ",\"iss\":\"" WORLD_ISSUER "\",\"sub\":\"e3bf\","
                        "\"preferred_username\":\"jsmith\",\"version\":\"1.2.0\",\"user_id\":42,"
                        "\"email\":\"jsmith@example.com\",\"name\":\"Joe Smith\"%s}",
                        WORLD_NOW + 3600, WORLD_NOW - 5, more);
}

static inline const char *world_token(const char *claims)
{
    return forge_mac(WORLD_MAC, strlen(WORLD_MAC), "HS256", "{\"alg\":\"HS256\",\"typ\":\"JWT\"}",
                     claims);
}

static inline void token_gives(const char *claims)
{
    token_says(200, "application/json",
               apr_psprintf(world_pool, "{\"access_token\": \"%s\", \"expires_in\": 3600, "
                            "\"token_type\": \"JWT\"}", world_token(claims)));
}

/* ---- the site */

/* A context at WORLD_NOW plus some seconds. */
static inline sso_ctx_t *world_ctx(int later_sec)
{
    sso_ctx_t *ctx = tap_ctx();

    ctx->ports = &world_ports;
    ctx->now += apr_time_from_sec(later_sec);
    return ctx;
}

/* Set directives: name, value, name, value ..., NULL. Values are split at single spaces. */
static inline void world_set(void *record, const char *name, ...)
{
    sso_ctx_t *ctx = tap_ctx();
    va_list more;

    ctx->pool = world_pool;
    va_start(more, name);
    for (; name; name = va_arg(more, const char *)) {
        apr_array_header_t *words = sso_words(world_pool, va_arg(more, const char *));
        const sso_field_t *field = sso_option_find(name);

        if (!field || sso_record_set(ctx, record, field, words->nelts,
                                     (const char *const *)(const void *)words->elts) != SSO_OK)
            printf("Bail out! %s: %s\n", name, ctx->err.text);
        FORGE_MUST(field && ctx->err.rc == SSO_OK);
    }
    va_end(more);
}

/* An empty record: nothing set, no presets. */
static inline sso_config_t *world_record(void)
{
    sso_config_t *record = apr_pcalloc(world_pool, sizeof(*record));

    record->head.shape = &sso_config_shape;
    return record;
}

static inline sso_config_t *world_presets(void)
{
    sso_ctx_t *ctx = tap_ctx();
    sso_config_t *record;

    ctx->pool = world_pool;
    FORGE_MUST(sso_record_make(ctx, &sso_config_shape, &record) == SSO_OK);
    return record;
}

static inline sso_rc_e world_make(sso_ctx_t *ctx, const char *name, const sso_config_t *config,
                                  sso_provider_t **provider)
{
    sso_section_t section = { name, "edx", "line 7", config };

    return sso_provider_make(ctx, world_site, &section, NULL, provider);
}

static inline void world_add(const char *name, const sso_config_t *config)
{
    sso_ctx_t *ctx = tap_ctx();
    sso_provider_t *provider = NULL;

    ctx->pool = world_pool;
    if (world_make(ctx, name, config, &provider) != SSO_OK)
        printf("Bail out! %s\n", ctx->err.text);
    FORGE_MUST(provider);
    APR_ARRAY_PUSH(world_site->providers, sso_provider_t *) = provider;
}

static inline sso_config_t *world_lms(void)
{
    sso_config_t *lms = world_record();

    world_set(lms, "EdxSSOURLRoot", "http://127.0.0.1:8000", "EdxSSOPublicURLRoot",
              "https://lms.example", "EdxSSOClientID", "site", "EdxSSOClientSecret", WORLD_CANARY,
              "EdxSSOJWSHMACKey", WORLD_MAC, NULL);
    return lms;
}

/* A site with its own realm, no providers yet. */
static inline sso_site_t *world_empty_site(const char *realm, const char *secret)
{
    sso_ctx_t *ctx = tap_ctx();
    sso_site_t *site = apr_pcalloc(world_pool, sizeof(*site));
    apr_array_header_t *secrets = apr_array_make(world_pool, 1, sizeof(sso_bytes_t));

    ctx->pool = world_pool;
    site->realm = realm;
    site->config = world_presets();
    site->path = "/edxsso";
    site->providers = apr_array_make(world_pool, 2, sizeof(sso_provider_t *));
    site->own_paths = sso_words(world_pool, "/complete/campus/");
    APR_ARRAY_PUSH(secrets, sso_bytes_t) = sso_bytes(secret);
    FORGE_MUST(sso_site_seal(ctx, site, secrets) == SSO_OK);
    return site;
}

static inline void world_start(void)
{
    static const sso_store_kind_t kind = { .scheme = "memory", .get = memory_get,
                                           .put = memory_put, .add = memory_add,
                                           .swap = memory_swap, .remove = memory_remove };
    sso_config_t *campus;

    forge_start();
    world_pool = forge_pool;
    memory.store.kind = &kind;
    world_ports.log = tap_log;
    world_ports.call = token_call;
    world_ports.store = &memory.store;
    world_site = world_empty_site("site.example:443", "a secret of the site, long enough");
    world_add("lms", world_lms());
    campus = world_lms();
    world_set(campus, "EdxSSOPublicURLRoot", "https://campus.example", "EdxSSOCallbackPath",
              "/complete/campus/", "EdxSSODisplayName", "Campus", NULL);
    world_add("campus", campus);
}

static inline sso_config_t *world_config(void)
{
    return (sso_config_t *)(apr_uintptr_t)world_site->config;
}

#endif
