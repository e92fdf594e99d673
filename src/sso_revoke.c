/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Marks of persons and the index of sids: see sso_revoke.h. What they do to a session is
 * sso_session.c's.
 */
#include "sso_revoke.h"

#include <apr_strings.h>
#include <string.h>

#define SID_MAX    512
#define ROW_BYTES  (1 + SSO_STORE_KEY_BYTES) /* of the index: how it is kept, and its key */
#define ROWS_MAX   16
#define TRIES      8
#define TIME_CHARS 20

static const unsigned char mark_word[SSO_REALM_BYTES] = "person's mark"; /* no other keys have it */

static sso_rc_e mac_of(sso_ctx_t *ctx, const sso_site_t *site, int which,
                       const char *const texts[3], unsigned char mac[SSO_DIGEST_BYTES])
{
    sso_bytes_t parts[] = { sso_bytes(texts[0]), sso_bytes(texts[1]), sso_bytes(texts[2]) };

    return sso_ring_mac(ctx, site->ring, which, parts, SSO_COUNT(parts), mac);
}

static sso_rc_e person_of(sso_ctx_t *ctx, const sso_site_t *site, int which,
                          const char *const texts[3], unsigned char person[SSO_PERSON_BYTES])
{
    unsigned char mac[SSO_DIGEST_BYTES];

    SSO_TRY(mac_of(ctx, site, which, texts, mac));
    memcpy(person, mac, SSO_PERSON_BYTES);
    return SSO_OK;
}

/* ---- marks ---- */

sso_rc_e sso_revoke_person(sso_ctx_t *ctx, const sso_site_t *site, const char *tag,
                           const char *subject, unsigned char person[SSO_PERSON_BYTES])
{
    const char *const texts[] = { "person", tag, subject ? subject : "" };

    return person_of(ctx, site, 0, texts, person);
}

/* The person is a digest already, and a digest of a digest would be paid by every request. */
void sso_revoke_mark_key(const sso_site_t *site, const unsigned char person[SSO_PERSON_BYTES],
                         sso_store_key_t *key)
{
    int i;

    _Static_assert(SSO_PERSON_BYTES + SSO_REALM_BYTES == SSO_STORE_KEY_BYTES, "they fill a key");
    memcpy(key->bytes, person, SSO_PERSON_BYTES);
    for (i = 0; i < SSO_REALM_BYTES; i++)
        key->bytes[SSO_PERSON_BYTES + i] = site->realm_tag[i] ^ mark_word[i];
}

/* One that cannot be read ends what there is: better to sign in again than not to be signed out. */
int sso_revoke_marked(const sso_store_entry_t *mark, apr_time_t started)
{
    char text[TIME_CHARS + 1];

    if (!mark->value)
        return 0;
    if (mark->length != TIME_CHARS)
        return 1;
    memcpy(text, mark->value, TIME_CHARS);
    text[TIME_CHARS] = '\0';
    return started < apr_strtoi64(text, NULL, 10);
}

sso_rc_e sso_revoke_subject(sso_ctx_t *ctx, const sso_site_t *site, const char *tag,
                            const char *subject)
{
    const char *const texts[] = { "person", tag, subject };
    sso_store_item_t item = { .length = TIME_CHARS, .class = SSO_STORE_PINNED,
                              .expires = ctx->now + site->config->session_max };
    int i;

    item.value = apr_psprintf(ctx->pool, "%020" APR_TIME_T_FMT, ctx->now);
    for (i = 0; i < sso_ring_count(site->ring); i++) {
        unsigned char person[SSO_PERSON_BYTES];
        sso_store_key_t key;

        SSO_TRY(person_of(ctx, site, i, texts, person));
        sso_revoke_mark_key(site, person, &key);
        SSO_TRY(sso_store_put(ctx, ctx->ports->store, &key, &item));
    }
    return SSO_OK;
}

/* ---- the index of sids ---- */

static sso_rc_e index_key(sso_ctx_t *ctx, const sso_site_t *site, int which,
                          const char *const texts[3], sso_store_key_t *key)
{
    return mac_of(ctx, site, which, texts, key->bytes);
}

/* Put a row into an index that is there; of too many, the oldest goes. */
static sso_rc_e append(sso_ctx_t *ctx, const sso_store_key_t *key, const sso_store_item_t *added)
{
    sso_store_item_t item = *added;
    sso_store_entry_t entry;
    unsigned char *rows;
    apr_size_t old;
    int tries;
    sso_rc_e rc = SSO_DENIED;

    for (tries = 0; rc == SSO_DENIED && tries < TRIES; tries++) {
        rc = sso_store_get(ctx, ctx->ports->store, key, 0, &entry);
        if (rc == SSO_ABSENT) { /* it expired just now */
            rc = sso_store_add(ctx, ctx->ports->store, key, added);
            continue;
        }
        SSO_TRY(rc);
        old = entry.length - entry.length % ROW_BYTES;
        if (old > (ROWS_MAX - 1) * ROW_BYTES)
            old = (ROWS_MAX - 1) * ROW_BYTES;
        item.length = old + ROW_BYTES;
        item.value = rows = apr_palloc(ctx->pool, item.length);
        memcpy(rows, added->value, ROW_BYTES); /* newest first */
        memcpy(rows + ROW_BYTES, entry.value, old);
        item.expires = entry.expires > added->expires ? entry.expires : added->expires;
        rc = sso_store_swap(ctx, ctx->ports->store, key, entry.version, &item);
        if (rc == SSO_ABSENT)
            rc = SSO_DENIED; /* gone since: once more */
    }
    return rc == SSO_DENIED ? sso_fail(ctx, SSO_UPSTREAM, 1061, "the index of a sid is changed by "
                                       "others all the time") : rc;
}

sso_rc_e sso_revoke_begin(sso_ctx_t *ctx, const sso_site_t *site, const sso_revoke_begun_t *begun,
                          const sso_store_item_t *item)
{
    const char *const texts[] = { "sid", begun->tag, begun->sid ? begun->sid : "" };
    unsigned char row[ROW_BYTES] = { (unsigned char)begun->kept };
    sso_store_item_t items[2] = { { 0 }, { row, sizeof(row), begun->ends, SSO_STORE_PLAIN } };
    sso_store_key_t keys[2] = { begun->key };
    int added = 0;
    sso_rc_e rc;

    if (!*texts[2] || strlen(texts[2]) > SID_MAX)
        return item ? sso_store_put(ctx, ctx->ports->store, &begun->key, item) : SSO_OK;
    memcpy(row + 1, begun->key.bytes, SSO_STORE_KEY_BYTES);
    SSO_TRY(index_key(ctx, site, 0, texts, &keys[1]));
    if (item) {
        items[0] = *item;
        SSO_TRY(sso_store_put_two(ctx, ctx->ports->store, keys, items, &added));
    }
    else {
        rc = sso_store_add(ctx, ctx->ports->store, &keys[1], &items[1]);
        if (rc != SSO_DENIED)
            return rc;
    }
    return added ? SSO_OK : append(ctx, &keys[1], &items[1]);
}

sso_rc_e sso_revoke_end(sso_ctx_t *ctx, sso_kept_e kept, const sso_store_key_t *key,
                        apr_time_t until)
{
    sso_store_item_t item = { .value = "", .expires = until, .class = SSO_STORE_PINNED };

    return kept == SSO_KEPT_IN_STORE ? sso_store_remove(ctx, ctx->ports->store, key)
                                     : sso_store_put(ctx, ctx->ports->store, key, &item);
}

sso_rc_e sso_revoke_sid(sso_ctx_t *ctx, const sso_site_t *site, const char *tag, const char *sid,
                        int *count)
{
    const char *const texts[] = { "sid", tag, sid };
    apr_size_t at;
    int i, ended = -1;

    for (i = 0; strlen(sid) <= SID_MAX && i < sso_ring_count(site->ring); i++) {
        sso_store_entry_t entry;
        sso_store_key_t key;
        sso_rc_e rc;

        SSO_TRY(index_key(ctx, site, i, texts, &key));
        rc = sso_store_get(ctx, ctx->ports->store, &key, 0, &entry);
        if (rc == SSO_ABSENT)
            continue;
        SSO_TRY(rc);
        ended = ended < 0 ? 0 : ended;
        for (at = 0; at + ROW_BYTES <= entry.length; at += ROW_BYTES) {
            memcpy(key.bytes, entry.value + at + 1, SSO_STORE_KEY_BYTES);
            rc = sso_revoke_end(ctx, (sso_kept_e)entry.value[at], &key, entry.expires);
            if (rc != SSO_ABSENT)
                SSO_TRY(rc);
            ended += rc == SSO_OK;
        }
    }
    *count = ended;
    return SSO_OK;
}
