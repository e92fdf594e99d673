/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client-credentials token of the ID mapping: kept in the store for all processes and hosts,
 * renewed ahead of its end, by one for all.
 */
#include "sso_idmap_call.h"

#include "sso_json.h"
#include "sso_token.h"

#include <apr_strings.h>
#include <string.h>

#define MARGIN_SEC    5     /* a token that ends sooner is none */
#define AHEAD_SEC     60    /* before its end it is renewed; or at three quarters of its life */
#define UNSAID_SEC    300   /* how long one is used whose end the answer does not say */
#define POLL_MS       50
#define KEPT_MAX_SEC  86400

typedef struct kept_t {
    const char *authorization;
    apr_int64_t from, until; /* seconds */
} kept_t;

static sso_rc_e key_of(sso_ctx_t *ctx, const sso_site_t *site, const sso_provider_t *api,
                       const char *what, sso_store_key_t *key)
{
    const char *scope = api->scope ? apr_array_pstrcat(ctx->pool, api->scope, ' ') : "";
    sso_bytes_t parts[] = { sso_bytes("idmap"), sso_bytes(what), sso_bytes(site->realm),
                            sso_bytes(api->tag), sso_bytes(scope) };

    return sso_digest(ctx, parts, SSO_COUNT(parts), key->bytes);
}

static sso_bytes_t context_of(const sso_store_key_t *key)
{
    sso_bytes_t context = { key->bytes, sizeof(key->bytes) };

    return context;
}

/* SSO_ABSENT: none, or not to be read (a retired secret). */
static sso_rc_e get(sso_ctx_t *ctx, const sso_site_t *site, const sso_store_key_t *key,
                    kept_t *kept)
{
    sso_store_entry_t entry;
    sso_bytes_t box, plain;
    json_t *object;

    SSO_TRY(sso_store_get(ctx, ctx->ports->store, key, 0, &entry));
    box.data = entry.value;
    box.length = entry.length;
    if (sso_box_open(ctx, site->ring, "idmap token", context_of(key), box, &plain) == SSO_OK
        && sso_json_parse(ctx, "token", plain.data, plain.length, &object) == SSO_OK) {
        kept->authorization = sso_json_text(object, "authorization");
        if (kept->authorization && sso_json_whole(object, "from", &kept->from)
            && sso_json_whole(object, "until", &kept->until))
            return SSO_OK;
    }
    sso_forgive(ctx);
    return SSO_ABSENT;
}

static sso_rc_e put(sso_ctx_t *ctx, const sso_site_t *site, const sso_store_key_t *key,
                    const kept_t *kept)
{
    json_t *object = json_pack("{s:s,s:I,s:I}", "authorization", kept->authorization,
                               "from", (json_int_t)kept->from, "until", (json_int_t)kept->until);
    sso_bytes_t plain = sso_bytes(sso_json_print(ctx->pool, object)), box;
    sso_store_item_t item = { .expires = apr_time_from_sec(kept->until),
                              .class = SSO_STORE_PLAIN };
    sso_rc_e rc;

    json_decref(object);
    rc = sso_box_seal(ctx, site->ring, "idmap token", context_of(key), plain, &box);
    sso_cleanse((void *)(apr_uintptr_t)plain.data, plain.length);
    SSO_TRY(rc);
    item.value = box.data;
    item.length = box.length;
    return sso_store_put(ctx, ctx->ports->store, key, &item);
}

/* edX takes a JWT as `JWT`, and anything else as `Bearer`, and neither for the other. */
sso_rc_e sso_idmap_new_token(sso_ctx_t *ctx, const sso_provider_t *api,
                             const char **authorization, apr_int64_t *seconds)
{
    sso_tokens_t tokens;

    SSO_TRY(sso_token_client(ctx, api, &tokens));
    *authorization = apr_pstrcat(ctx->pool, sso_jwt_looks(tokens.access_token) ? "JWT "
                                                                               : "Bearer ",
                                 tokens.access_token, NULL);
    *seconds = tokens.expires ? apr_time_sec(tokens.expires) - apr_time_sec(ctx->now) : 0;
    return SSO_OK;
}

static sso_rc_e fetch(sso_ctx_t *ctx, const sso_site_t *site, const sso_provider_t *api,
                      const sso_store_key_t *key, const char **authorization)
{
    apr_int64_t now = apr_time_sec(ctx->now), seconds;
    kept_t kept;

    SSO_TRY(sso_idmap_new_token(ctx, api, &kept.authorization, &seconds));
    kept.from = now;
    kept.until = now + (seconds ? seconds : UNSAID_SEC);
    if (kept.until > now + KEPT_MAX_SEC)
        kept.until = now + KEPT_MAX_SEC;
    if (put(ctx, site, key, &kept) != SSO_OK) {
        sso_log(ctx, SSO_LOG_WARN, 1211, "%s: the token is not kept, so that each question asks "
                "for one: %s", api->name, ctx->err.rc ? ctx->err.text
                                                       : "the store does not take it");
        sso_forgive(ctx);
    }
    *authorization = kept.authorization;
    return SSO_OK;
}

/* One that is good yet is used on when it cannot be renewed. */
static sso_rc_e renew(sso_ctx_t *ctx, const sso_site_t *site, const sso_provider_t *api,
                      const sso_store_key_t *key, const char **authorization)
{
    sso_rc_e rc = fetch(ctx, site, api, key, authorization);

    if (rc == SSO_OK || !*authorization)
        return rc;
    sso_log(ctx, SSO_LOG_WARN, ctx->err.number, "%s: %s; the token at hand is used on", api->name,
            ctx->err.text);
    sso_forgive(ctx);
    return SSO_OK;
}

static int is_good(const sso_ctx_t *ctx, const kept_t *kept, const char *refused)
{
    return kept->until > apr_time_sec(ctx->now) + MARGIN_SEC
           && (!refused || strcmp(refused, kept->authorization));
}

static int is_due(const sso_ctx_t *ctx, const kept_t *kept)
{
    apr_int64_t ahead = (kept->until - kept->from) / 4;

    return apr_time_sec(ctx->now) >= kept->until - (ahead < AHEAD_SEC ? ahead : AHEAD_SEC);
}

/* Somebody else has asked: it comes, or the lock goes without it, or time is up. */
static sso_rc_e wait_for(sso_ctx_t *ctx, const sso_site_t *site, const sso_provider_t *api,
                         const char *refused, const char **authorization)
{
    apr_interval_time_t left = api->http.total;
    sso_store_key_t key, lock;
    sso_store_entry_t entry;
    kept_t kept;
    sso_rc_e rc;

    SSO_TRY(key_of(ctx, site, api, "token", &key));
    SSO_TRY(key_of(ctx, site, api, "lock", &lock));
    do {
        apr_sleep(apr_time_from_msec(POLL_MS));
        left -= apr_time_from_msec(POLL_MS);
        rc = sso_store_get(ctx, ctx->ports->store, &lock, 0, &entry);
        if (rc != SSO_OK && rc != SSO_ABSENT)
            return rc;
    } while (rc == SSO_OK && left > 0);
    rc = get(ctx, site, &key, &kept);
    if (rc == SSO_OK && is_good(ctx, &kept, refused)) {
        *authorization = kept.authorization;
        return SSO_OK;
    }
    return rc == SSO_OK || rc == SSO_ABSENT
               ? sso_fail(ctx, SSO_UPSTREAM, 1210, "the token that another request asked for did "
                          "not come")
               : rc;
}

sso_rc_e sso_idmap_token(sso_ctx_t *ctx, const sso_site_t *site, const sso_provider_t *api,
                         const char *refused, const char **authorization)
{
    sso_store_item_t item = { .value = "", .class = SSO_STORE_PLAIN };
    const char *good = NULL;
    sso_store_key_t key, lock;
    kept_t kept;
    sso_rc_e rc;

    SSO_TRY(key_of(ctx, site, api, "token", &key));
    SSO_TRY(key_of(ctx, site, api, "lock", &lock));
    rc = get(ctx, site, &key, &kept);
    if (rc != SSO_OK && rc != SSO_ABSENT)
        return rc;
    if (rc == SSO_OK && is_good(ctx, &kept, refused))
        good = kept.authorization;
    if (good && !is_due(ctx, &kept)) {
        *authorization = good;
        return SSO_OK;
    }
    item.expires = ctx->now + api->http.total + apr_time_from_sec(1);
    rc = sso_store_add(ctx, ctx->ports->store, &lock, &item);
    if (rc == SSO_DENIED && !good)
        return wait_for(ctx, site, api, refused, authorization);
    if (rc == SSO_OK) {
        rc = renew(ctx, site, api, &key, &good);
        if (sso_store_remove(ctx, ctx->ports->store, &lock) != SSO_OK && rc == SSO_OK)
            sso_forgive(ctx); /* it ends by itself */
    }
    else if (rc == SSO_DENIED)
        rc = SSO_OK; /* somebody else renews it */
    if (rc == SSO_OK)
        *authorization = good;
    return rc;
}
