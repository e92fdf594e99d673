/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ID mapping: what is kept of it, and whose entry is whose. Asking is sso_idmap_read.c's.
 */
#include "sso_idmap.h"
#include "sso_idmap_call.h"

#include "sso_json.h"
#include "sso_user.h"

#include <apr_lib.h>
#include <apr_strings.h>
#include <string.h>

#define API_PATH        "/api/third_party_auth/v0/providers/"
#define LTI             "lti-"
#define FILTER_MAX      4000 /* bytes of ids in a URL */
#define STORE_FAILED(n) ((n) >= 200 && (n) < 300)

/* ---- configuration ---- */

static int id_ok(const char *id)
{
    const char *c;

    for (c = id; apr_isalnum(*c) || (*c && strchr("_.+:-", *c)); c++)
        ;
    return *id && !*c && *id != ':';
}

static sso_rc_e find_api(sso_ctx_t *ctx, const sso_site_t *site, const char *name,
                         const sso_provider_t **api)
{
    const sso_provider_t *found = sso_section_find(site, name);

    if (!found)
        return sso_fail(ctx, SSO_MISCONFIG, 1200, "EdxSSOIDMapping: there is no <EdxSSOProvider %s "
                        "edx> here, which would say how to ask the LMS; it is usually a section of "
                        "its own, with EdxSSOSignIn off", name);
    if (found->kind != &sso_kind_edx)
        return sso_fail(ctx, SSO_MISCONFIG, 1201, "EdxSSOIDMapping: <EdxSSOProvider %s %s> is no "
                        "LMS; it takes the name of a section of the type edx", name,
                        found->kind->name);
    *api = found;
    return SSO_OK;
}

static const char *claim_of(const sso_provider_t *provider)
{
    if (provider->kind == &sso_kind_edx)
        return "preferred_username";
    if (provider->config->id_mapping_claim)
        return provider->config->id_mapping_claim;
    return provider->kind == &sso_kind_entra ? "upn" : "sub";
}

static sso_rc_e resolve(sso_ctx_t *ctx, const sso_site_t *site, const sso_provider_t *provider,
                        sso_idmap_t *map)
{
    const apr_array_header_t *words = provider->config->id_mapping;

    SSO_TRY(find_api(ctx, site, APR_ARRAY_IDX(words, 0, const char *), &map->api));
    map->provider_id = APR_ARRAY_IDX(words, 1, const char *);
    if (!id_ok(map->provider_id))
        return sso_fail(ctx, SSO_MISCONFIG, 1202, "EdxSSOIDMapping: '%.100s' is not the LMS's name "
                        "of an identity provider, such as saml-campus or oa2-azuread-oauth2",
                        map->provider_id);
    if (!strchr(map->provider_id, '-'))
        sso_log(ctx, SSO_LOG_WARN, 1203, "<EdxSSOProvider %s %s>: EdxSSOIDMapping: an LMS names "
                "its identity providers saml-NAME, oa2-NAME or lti-NAME; it answers '%s' with an "
                "error", provider->name, provider->kind->name, map->provider_id);
    map->url = apr_pstrcat(ctx->pool, map->api->config->url_root, API_PATH, map->provider_id,
                           "/users", NULL);
    map->claim = claim_of(provider);
    map->by = provider->kind == &sso_kind_edx ? SSO_IDMAP_USERNAME : SSO_IDMAP_REMOTE_ID;
    map->any_case = provider->kind == &sso_kind_entra && !strcmp(map->claim, "upn");
    map->prefix = strncmp(map->provider_id, LTI, strlen(LTI))
                      ? "" : apr_pstrcat(ctx->pool, map->provider_id + strlen(LTI), ":", NULL);
    map->ttl = provider->config->id_mapping_ttl;
    return SSO_OK;
}

sso_rc_e sso_idmap_resolve(sso_ctx_t *ctx, const sso_site_t *site, sso_provider_t *provider)
{
    sso_idmap_t *map;

    if (!provider->config->id_mapping)
        return SSO_OK;
    map = apr_pcalloc(ctx->pool, sizeof(*map));
    SSO_TRY(sso_within(ctx, resolve(ctx, site, provider, map),
                       apr_psprintf(ctx->pool, "<EdxSSOProvider %s %s>", provider->name,
                                    provider->kind->name)));
    provider->idmap = map;
    return SSO_OK;
}

/* ---- what is kept ---- */

static sso_rc_e key_of(sso_ctx_t *ctx, const sso_site_t *site, const sso_idmap_t *map,
                       const sso_idmap_ask_t *ask, sso_store_key_t *key)
{
    sso_bytes_t parts[] = { sso_bytes("idmap row"), sso_bytes(site->realm),
                            sso_bytes(map->api->tag), sso_bytes(map->provider_id),
                            sso_bytes(ask->by == SSO_IDMAP_USERNAME ? "u"
                                                                    : map->any_case ? "c" : "r"),
                            sso_bytes(ask->id) };

    return sso_digest(ctx, parts, SSO_COUNT(parts), key->bytes);
}

static apr_array_header_t *read_rows(apr_pool_t *pool, const json_t *list)
{
    apr_array_header_t *rows = apr_array_make(pool, 1, sizeof(sso_idmap_row_t));
    const json_t *item;
    size_t i;

    json_array_foreach(list, i, item) {
        sso_idmap_row_t *row = &APR_ARRAY_PUSH(rows, sso_idmap_row_t);

        row->username = json_string_value(json_array_get(item, 0));
        row->remote_id = json_string_value(json_array_get(item, 1));
    }
    return rows;
}

/* What is kept of a question, in its time or beyond. A value that cannot be opened is none. */
static sso_rc_e recall(sso_ctx_t *ctx, const sso_site_t *site, const sso_idmap_t *map,
                       sso_idmap_ask_t *ask)
{
    sso_bytes_t box, context, plain;
    sso_store_entry_t entry;
    sso_store_key_t key;
    apr_int64_t until;
    json_t *object;

    SSO_TRY(key_of(ctx, site, map, ask, &key));
    SSO_TRY(sso_store_get(ctx, ctx->ports->store, &key, 0, &entry));
    box.data = entry.value;
    box.length = entry.length;
    context.data = key.bytes;
    context.length = sizeof(key.bytes);
    if (sso_box_open(ctx, site->ring, "idmap row", context, box, &plain) != SSO_OK
        || sso_json_parse(ctx, "row", plain.data, plain.length, &object) != SSO_OK
        || !sso_json_whole(object, "until", &until)) {
        sso_forgive(ctx);
        return SSO_ABSENT;
    }
    ask->stale = read_rows(ctx->pool, json_object_get(object, "rows"));
    if (until > ctx->now)
        ask->rows = ask->stale;
    return SSO_OK;
}

static const char *rows_text(apr_pool_t *pool, const apr_array_header_t *rows, apr_time_t until)
{
    json_t *list = json_array(), *object;
    const char *text;
    int i;

    for (i = 0; i < rows->nelts; i++) {
        const sso_idmap_row_t *row = &APR_ARRAY_IDX(rows, i, sso_idmap_row_t);

        json_array_append_new(list, json_pack("[s,s]", row->username, row->remote_id));
    }
    object = json_pack("{s:I,s:o}", "until", (json_int_t)until, "rows", list);
    text = sso_json_print(pool, object);
    json_decref(object);
    return text;
}

static sso_rc_e keep(sso_ctx_t *ctx, const sso_site_t *site, const sso_idmap_t *map,
                     const sso_idmap_ask_t *ask)
{
    apr_time_t until = ctx->now + map->ttl;
    sso_store_item_t item = { .class = SSO_STORE_PLAIN,
                              .expires = until + map->api->config->stale_if_error };
    sso_bytes_t context, box;
    sso_store_key_t key;

    SSO_TRY(key_of(ctx, site, map, ask, &key));
    context.data = key.bytes;
    context.length = sizeof(key.bytes);
    SSO_TRY(sso_box_seal(ctx, site->ring, "idmap row", context,
                         sso_bytes(rows_text(ctx->pool, ask->rows, until)), &box));
    item.value = box.data;
    item.length = box.length;
    return sso_store_put(ctx, ctx->ports->store, &key, &item);
}

static sso_rc_e forget(sso_ctx_t *ctx, const sso_site_t *site, const sso_idmap_t *map,
                       const sso_idmap_ask_t *ask)
{
    sso_store_key_t key;
    sso_rc_e rc;

    SSO_TRY(key_of(ctx, site, map, ask, &key));
    rc = sso_store_remove(ctx, ctx->ports->store, &key);
    return rc == SSO_ABSENT ? SSO_OK : rc;
}

/* ---- questions ---- */

/* Ask for those of a batch; what is kept beyond its time does where nobody can be reached. */
static sso_rc_e ask_batch(sso_ctx_t *ctx, const sso_site_t *site, const sso_idmap_t *map,
                          const apr_array_header_t *batch)
{
    sso_rc_e rc = sso_idmap_read(ctx, site, map, batch);
    int i, stale = rc == SSO_UPSTREAM && SSO_HTTP_UNREACHABLE(ctx->err.number);

    for (i = 0; i < batch->nelts; i++) {
        sso_idmap_ask_t *ask = APR_ARRAY_IDX(batch, i, sso_idmap_ask_t *);

        stale = stale && ask->stale;
        if (rc != SSO_OK || keep(ctx, site, map, ask) == SSO_OK)
            continue;
        sso_log(ctx, SSO_LOG_WARN, 1229, "ID mapping: an answer is not kept: %s",
                ctx->err.rc ? ctx->err.text : "the store does not take it");
        sso_forgive(ctx);
    }
    if (!stale)
        return rc;
    sso_log(ctx, SSO_LOG_WARN, 1225, "ID mapping: %s: %s; an answer whose time is over does "
            "instead (EdxSSOStaleIfError)", map->api->name, ctx->err.text);
    sso_forgive(ctx);
    for (i = 0; i < batch->nelts; i++)
        APR_ARRAY_IDX(batch, i, sso_idmap_ask_t *)->rows =
            APR_ARRAY_IDX(batch, i, sso_idmap_ask_t *)->stale;
    return SSO_OK;
}

sso_rc_e sso_idmap_find(sso_ctx_t *ctx, const sso_site_t *site, const sso_idmap_t *map,
                        apr_array_header_t *asks)
{
    apr_array_header_t *batch = apr_array_make(ctx->pool, SSO_IDMAP_BATCH,
                                               sizeof(sso_idmap_ask_t *));
    apr_size_t bytes = 0;
    sso_rc_e rc;
    int i;

    for (i = 0; i < asks->nelts; i++) {
        sso_idmap_ask_t *ask = &APR_ARRAY_IDX(asks, i, sso_idmap_ask_t);
        apr_size_t length = strlen(sso_pct_encode(ctx->pool, ask->id));

        rc = recall(ctx, site, map, ask);
        if (rc != SSO_OK && rc != SSO_ABSENT)
            return rc;
        if (ask->rows)
            continue;
        if (batch->nelts == SSO_IDMAP_BATCH || (batch->nelts && bytes + length > FILTER_MAX)) {
            SSO_TRY(ask_batch(ctx, site, map, batch));
            apr_array_clear(batch);
            bytes = 0;
        }
        APR_ARRAY_PUSH(batch, sso_idmap_ask_t *) = ask;
        bytes += length + 3;
    }
    return batch->nelts ? ask_batch(ctx, site, map, batch) : SSO_OK;
}

/* ---- who signs in ---- */

/* SSO_ABSENT: there is no id that could be asked for. */
static sso_rc_e question(sso_ctx_t *ctx, const sso_provider_t *provider, const json_t *claims,
                         sso_idmap_ask_t *ask)
{
    const sso_idmap_t *map = provider->idmap;
    const char *id = sso_user_text(ctx, claims, map->claim);

    if (!id || strchr(id, ',') || sso_user_control(id) || strlen(id) > FILTER_MAX / 3) {
        sso_log(ctx, SSO_LOG_WARN, 1227, "%s: ID mapping: the claim '%s' is %s; as if there were "
                "no entry", provider->name, map->claim,
                !id ? "missing (EdxSSOIDMappingClaim)"
                    : strchr(id, ',') ? "an id with a comma, which the API cannot be asked for"
                                      : "no id");
        return SSO_ABSENT;
    }
    if (map->by == SSO_IDMAP_REMOTE_ID && *map->prefix
        && strncmp(id, map->prefix, strlen(map->prefix)))
        id = apr_pstrcat(ctx->pool, map->prefix, id, NULL);
    ask->by = map->by;
    ask->id = id;
    ask->rows = ask->stale = NULL;
    return SSO_OK;
}

/* One edX user, or none: who could be two people is nobody. */
static const char *one_user(sso_ctx_t *ctx, const sso_provider_t *provider,
                            const apr_array_header_t *rows)
{
    const char *user = NULL;
    int i;

    for (i = 0; i < rows->nelts; i++) {
        const char *name = APR_ARRAY_IDX(rows, i, sso_idmap_row_t).username;

        if (user && strcmp(user, name)) {
            sso_log(ctx, SSO_LOG_WARN, 1228, "%s: ID mapping: one remote id belongs to several "
                    "users, '%.64s' and '%.64s'; as if there were no entry", provider->name, user,
                    name);
            return NULL;
        }
        user = name;
    }
    return user && !sso_user_control(user) ? user : NULL;
}

/* A user may be linked more than once: the same one counts each time. */
static const char *first_id(const apr_array_header_t *rows)
{
    const char *first = NULL;
    int i;

    for (i = 0; i < rows->nelts; i++) {
        const char *id = APR_ARRAY_IDX(rows, i, sso_idmap_row_t).remote_id;

        if (!first || strcmp(id, first) < 0)
            first = id;
    }
    return first;
}

static sso_rc_e no_entry(sso_ctx_t *ctx, const sso_provider_t *provider)
{
    if (provider->config->id_mapping_missing == SSO_MISSING_ALLOW)
        return SSO_OK;
    if (provider->config->id_mapping_missing == SSO_MISSING_DENY)
        return sso_fail(ctx, SSO_DENIED, 1223, "the ID mapping has no entry for this user "
                        "(EdxSSOIDMappingMissing deny)");
    sso_user_lacks(ctx, "idmapping", NULL);
    ctx->err.say.word = SSO_T("a linked account of the learning site");
    return sso_fail(ctx, SSO_DENIED, 1224, "the ID mapping has no entry for this user "
                    "(EdxSSOIDMappingMissing incomplete)");
}

sso_rc_e sso_idmap_join(sso_ctx_t *ctx, const sso_site_t *site, const sso_provider_t *provider,
                        const json_t *claims, sso_idmap_mode_e mode, sso_idmap_row_t *row)
{
    const sso_idmap_row_t nobody = { NULL, NULL };
    apr_array_header_t *asks;
    sso_idmap_ask_t *ask;
    sso_rc_e rc;

    *row = nobody;
    if (!provider->idmap)
        return SSO_OK;
    asks = apr_array_make(ctx->pool, 1, sizeof(sso_idmap_ask_t));
    ask = &APR_ARRAY_PUSH(asks, sso_idmap_ask_t);
    if (question(ctx, provider, claims, ask) != SSO_OK)
        return no_entry(ctx, provider);
    if (mode == SSO_IDMAP_ANEW)
        SSO_TRY(forget(ctx, site, provider->idmap, ask));
    rc = sso_idmap_find(ctx, site, provider->idmap, asks);
    if (rc != SSO_OK && STORE_FAILED(ctx->err.number))
        return rc;
    if (rc != SSO_OK) {
        ask->rows = mode == SSO_IDMAP_PATIENT ? ask->stale : NULL;
        sso_log(ctx, SSO_LOG_WARN, ctx->err.number, "%s: ID mapping: %s; %s", provider->name,
                ctx->err.text, ask->rows ? "what it said last goes on" : "as if there were no "
                "entry");
        sso_forgive(ctx);
        if (!ask->rows)
            return no_entry(ctx, provider);
    }
    if (ask->by == SSO_IDMAP_USERNAME)
        row->remote_id = first_id(ask->rows);
    else
        row->username = one_user(ctx, provider, ask->rows);
    return row->username || row->remote_id ? SSO_OK : no_entry(ctx, provider);
}
