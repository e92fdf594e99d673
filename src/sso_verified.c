/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Verdicts about bearer tokens, remembered. How they come about is in sso_access.c and
 * sso_introspect.c.
 */
#include "sso_verified.h"

#include "sso_metadata.h"

#include <apr_strings.h>
#include <string.h>

#define REFUSAL_SLOTS 1024 /* a power of two */
#define PURPOSE       "refused token"
#define TAIL          64 /* bytes at the end of a token that its place goes by */

/* A refusal, as it is sealed. */
typedef struct refusal_t {
    sso_store_key_t token; /* a tag of which: another one may have the same slot */
    apr_int32_t rc, number;
    char text[SSO_ERR_BYTES];
} refusal_t;

sso_rc_e sso_verified_key(sso_ctx_t *ctx, const sso_site_t *site, const apr_array_header_t *names,
                          sso_verdict_t *verdict)
{
    apr_size_t all = strlen(verdict->token), length = all < TAIL ? all : TAIL;
    apr_size_t size = SSO_REALM_BYTES + SSO_DIGEST_BYTES + length + 1;
    sso_bytes_t hashed;
    char *bytes, *at;
    int i;

    for (i = 0; names && i < names->nelts; i++)
        size += strlen(APR_ARRAY_IDX(names, i, const char *)) + 1;
    bytes = at = apr_palloc(ctx->pool, size);
    memcpy(at, site->realm_tag, SSO_REALM_BYTES);
    at += SSO_REALM_BYTES;
    memcpy(at, site->policy, SSO_DIGEST_BYTES);
    at += SSO_DIGEST_BYTES;
    for (i = 0; names && i < names->nelts; i++) {
        const char *name = APR_ARRAY_IDX(names, i, const char *);
        apr_size_t bytes_of = strlen(name) + 1; /* a NUL ends each: no token has one */

        memcpy(at, name, bytes_of);
        at += bytes_of;
    }
    *at++ = '\0';
    memcpy(at, verdict->token + all - length, length);
    hashed.data = bytes;
    hashed.length = size;
    return sso_ring_tag(ctx, site->ring, hashed, verdict->key.bytes);
}

/* ---- refusals */

/* Which slot a token has, and the tag by which it is known there. */
static sso_rc_e slot_key(sso_ctx_t *ctx, const sso_site_t *site, const sso_verdict_t *verdict,
                         sso_store_key_t *slot, sso_store_key_t *token)
{
    unsigned char bytes[SSO_REALM_BYTES + sizeof(PURPOSE) + 2];
    sso_bytes_t hashed = { bytes, sizeof(bytes) }, whole;
    apr_size_t length = strlen(verdict->token);
    unsigned char *text = apr_palloc(ctx->pool, sizeof(verdict->key.bytes) + length);
    unsigned number;

    memcpy(text, verdict->key.bytes, sizeof(verdict->key.bytes));
    memcpy(text + sizeof(verdict->key.bytes), verdict->token, length);
    whole.data = text;
    whole.length = sizeof(verdict->key.bytes) + length;
    SSO_TRY(sso_ring_tag(ctx, site->ring, whole, token->bytes));
    number = (token->bytes[0] | (unsigned)token->bytes[1] << 8) & (REFUSAL_SLOTS - 1);
    memcpy(bytes, site->realm_tag, SSO_REALM_BYTES);
    memcpy(bytes + SSO_REALM_BYTES, PURPOSE, sizeof(PURPOSE));
    bytes[sizeof(bytes) - 2] = (unsigned char)(number & 0xff);
    bytes[sizeof(bytes) - 1] = (unsigned char)(number >> 8);
    return sso_ring_digest(ctx, site->ring, hashed, slot->bytes);
}

static sso_rc_e find_refusal(sso_ctx_t *ctx, const sso_site_t *site, const sso_verdict_t *verdict)
{
    sso_store_entry_t entry;
    sso_store_key_t slot, token;
    sso_bytes_t context = { slot.bytes, sizeof(slot.bytes) }, box, plain;
    refusal_t refusal;

    SSO_TRY(slot_key(ctx, site, verdict, &slot, &token));
    SSO_TRY(sso_store_get(ctx, ctx->ports->store, &slot, 0, &entry));
    box.data = entry.value;
    box.length = entry.length;
    if (sso_box_open(ctx, site->ring, PURPOSE, context, box, &plain) != SSO_OK
        || plain.length != sizeof(refusal)) {
        sso_forgive(ctx);
        return SSO_ABSENT;
    }
    memcpy(&refusal, plain.data, sizeof(refusal));
    if (memcmp(&refusal.token, &token, sizeof(token)))
        return SSO_ABSENT;
    refusal.text[SSO_ERR_BYTES - 1] = '\0';
    ctx->err.rc = (sso_rc_e)refusal.rc;
    ctx->err.number = refusal.number;
    memcpy(ctx->err.text, refusal.text, sizeof(refusal.text));
    return ctx->err.rc;
}

void sso_verified_refuse(sso_ctx_t *ctx, const sso_site_t *site, const sso_verdict_t *verdict,
                         int known)
{
    sso_ctx_t own = *ctx; /* what goes wrong here is not what is being told */
    sso_store_item_t item = { .class = SSO_STORE_PLAIN,
                              .expires = ctx->now + SSO_VERIFIED_REFUSED };
    sso_store_key_t slot;
    sso_bytes_t context = { slot.bytes, sizeof(slot.bytes) }, box, plain;
    refusal_t refusal;

    sso_forgive(&own);
    memset(&refusal, 0, sizeof(refusal));
    refusal.rc = ctx->err.rc;
    refusal.number = ctx->err.number;
    apr_cpystrn(refusal.text, ctx->err.text, sizeof(refusal.text));
    plain.data = &refusal;
    plain.length = sizeof(refusal);
    if (!ctx->ports->store || slot_key(&own, site, verdict, &slot, &refusal.token) != SSO_OK
        || sso_box_seal(&own, site->ring, PURPOSE, context, plain, &box) != SSO_OK)
        return;
    item.value = box.data;
    item.length = box.length;
    sso_store_put(&own, ctx->ports->store, &slot, &item);
    if (known)
        sso_store_remove(&own, ctx->ports->store, &verdict->key);
}

/* ---- good ones */

/* The token itself is where a session has the `sid` that it can be ended by. */
static sso_rc_e find_good(sso_ctx_t *ctx, const sso_site_t *site, const sso_verdict_t *verdict,
                          int *known, const sso_session_t **session)
{
    const sso_session_t *found;
    const sso_provider_t *provider;
    apr_uint32_t generation;

    SSO_TRY(sso_session_load(ctx, site, &verdict->key, 0, &found));
    if (!found->sid || strcmp(found->sid, verdict->token))
        return SSO_ABSENT; /* about another token with the same end */
    provider = sso_provider_find(site, found->provider);
    /* other keys, or keys that are to be looked after first: its key may be gone */
    if (!provider || !sso_documents_generation(ctx, provider, &generation)
        || found->generation != generation)
        return SSO_ABSENT;
    if (found->access_expires && found->access_expires <= ctx->now) {
        *known = 1;
        return SSO_ABSENT;
    }
    *session = found;
    return SSO_OK;
}

sso_rc_e sso_verified_find(sso_ctx_t *ctx, const sso_site_t *site, const sso_verdict_t *verdict,
                           int *known, const sso_session_t **session)
{
    sso_rc_e rc;

    *known = 0;
    if (!ctx->ports->store)
        return SSO_ABSENT;
    rc = find_good(ctx, site, verdict, known, session);
    if (rc == SSO_ABSENT && !*known)
        rc = find_refusal(ctx, site, verdict);
    if (rc == SSO_OK || rc == SSO_ABSENT || rc == SSO_BAD_INPUT || rc == SSO_DENIED)
        return rc;
    sso_forgive(ctx); /* a token can be judged without a store, if need be each time */
    return SSO_ABSENT;
}

void sso_verified_keep(sso_ctx_t *ctx, const sso_site_t *site, const sso_provider_t *provider,
                       const sso_verdict_t *verdict, sso_session_t *session)
{
    session->sid = verdict->token;
    if (!ctx->ports->store || session->ends <= ctx->now
        || !sso_documents_generation(ctx, provider, &session->generation))
        return;
    if (sso_session_store(ctx, site, &verdict->key, session, session->ends) != SSO_OK)
        sso_forgive(ctx);
}
