/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Session records: packed, sealed, opened. What they mean is sso_session.c's.
 */
#include "sso_session_record.h"

#include "sso_export.h"
#include "sso_text.h"

#include <apr_strings.h>
#include <string.h>

#define MAGIC        0x38535345u /* "ESS8": the layouts below */
#define RECORD       "session"   /* purposes of the two boxes */
#define TOKENS       "session tokens"
#define SEGMENTS_MAX 5 /* of a JWE; a JWS has 3 */
#define ALIGN8(n)    (((n) + 7) & ~(apr_size_t)7)

/* The texts of a record, in the order in which they are packed */
static const apr_size_t texts[] = {
    offsetof(sso_session_t, provider), offsetof(sso_session_t, remote_user),
    offsetof(sso_session_t, username), offsetof(sso_session_t, user_id),
    offsetof(sso_session_t, email), offsetof(sso_session_t, name),
    offsetof(sso_session_t, tenant), offsetof(sso_session_t, remote_id),
    offsetof(sso_session_t, issuer), offsetof(sso_session_t, subject),
    offsetof(sso_session_t, sid), offsetof(sso_session_t, tag)
};

static const apr_size_t kept_texts[] = {
    offsetof(sso_kept_t, access), offsetof(sso_kept_t, refresh), offsetof(sso_kept_t, id)
};

/* What a value begins with, in clear */
typedef struct outer_t {
    apr_uint32_t magic, record_length;
} outer_t;

typedef struct packed_t {
    apr_uint32_t generation, failures, plain, in_browser;
    apr_int64_t started, ends, refresh_due, access_expires, seen;
    unsigned char person[SSO_PERSON_BYTES];
    apr_uint32_t length[SSO_COUNT(texts)]; /* with the NUL; 0: no text */
} packed_t;

typedef struct packed_kept_t {
    apr_int64_t got, expires;
    apr_uint32_t length[SSO_COUNT(kept_texts)]; /* with the NUL, if it is a text; 0: no token */
    apr_uint32_t decoded; /* a bit for each that is kept as decode_token() makes it */
} packed_kept_t;

static const char **slot(const void *record, apr_size_t offset)
{
    return (const char **)((apr_uintptr_t)record + offset);
}

/* ---- texts with their lengths before them */

static apr_size_t measure(const void *record, const apr_size_t *offsets, unsigned count,
                          apr_uint32_t *lengths)
{
    apr_size_t all = 0;
    unsigned i;

    for (i = 0; i < count; i++) {
        const char *text = *slot(record, offsets[i]);

        lengths[i] = text ? (apr_uint32_t)strlen(text) + 1 : 0;
        all += lengths[i];
    }
    return all;
}

static void write_texts(const void *record, const apr_size_t *offsets, unsigned count,
                        const apr_uint32_t *lengths, char *to)
{
    unsigned i;

    for (i = 0; i < count; to += lengths[i++])
        if (lengths[i])
            memcpy(to, *slot(record, offsets[i]), lengths[i]);
}

/* The bytes have been sealed by us; the checks guard against another version's layout. */
static int read_texts(void *record, const apr_size_t *offsets, unsigned count,
                      const apr_uint32_t *lengths, sso_bytes_t from, apr_size_t *at)
{
    const char *bytes = from.data;
    unsigned i;

    for (i = 0; i < count; *at += lengths[i++]) {
        if (lengths[i] > from.length - *at || (lengths[i] && bytes[*at + lengths[i] - 1]))
            return 0;
        *slot(record, offsets[i]) = lengths[i] ? bytes + *at : NULL;
    }
    return 1;
}

/* ---- the record */

static void pack(apr_pool_t *pool, const sso_session_t *session, sso_bytes_t *out)
{
    packed_t head = { .generation = session->generation, .failures = session->failures,
                      .plain = (apr_uint32_t)sso_export_plain(session),
                      .started = session->started, .ends = session->ends,
                      .refresh_due = session->refresh_due,
                      .access_expires = session->access_expires, .seen = session->seen,
                      .in_browser = (apr_uint32_t)session->in_browser };
    apr_size_t claims_at = ALIGN8(sizeof(head)
                                  + measure(session, texts, SSO_COUNT(texts), head.length));
    char *bytes;

    out->length = claims_at + sso_claims_size(&session->claims);
    out->data = bytes = apr_pcalloc(pool, out->length);
    memcpy(head.person, session->person, SSO_PERSON_BYTES);
    memcpy(bytes, &head, sizeof(head));
    write_texts(session, texts, SSO_COUNT(texts), head.length, bytes + sizeof(head));
    sso_claims_write(&session->claims, bytes + claims_at);
}

/* @a known: these bytes have been looked at before */
static int unpack(sso_bytes_t from, int known, sso_session_t *session)
{
    const char *bytes = from.data;
    packed_t head;
    apr_size_t at = sizeof(head);

    if (from.length < sizeof(head))
        return 0;
    memcpy(&head, bytes, sizeof(head));
    session->generation = head.generation;
    session->failures = head.failures;
    session->plain = head.plain != 0;
    session->started = head.started;
    session->ends = head.ends;
    session->refresh_due = head.refresh_due;
    session->access_expires = head.access_expires;
    session->seen = head.seen;
    session->in_browser = (int)head.in_browser;
    session->renew = 0;
    session->kept = NULL;
    memcpy(session->person, head.person, SSO_PERSON_BYTES);
    if (!read_texts(session, texts, SSO_COUNT(texts), head.length, from, &at))
        return 0;
    at = ALIGN8(at);
    return session->provider && session->remote_user && session->tag && at <= from.length
           && (known ? sso_claims_point : sso_claims_read)(bytes + at, from.length - at,
                                                            &session->claims);
}

/* ---- the tokens */

/*
 * A token in compact form (JWS, JWE) is base64url, which takes a third more than what it stands
 * for: kept are its segments, each with its length before it. Returns 0 for any other token, also
 * for one that would not come out again to the letter.
 */
static int decode_token(apr_pool_t *pool, const char *text, sso_bytes_t *out)
{
    char *bytes = apr_palloc(pool, strlen(text) + SEGMENTS_MAX * sizeof(apr_uint32_t)), *at = bytes;
    int i;

    for (i = 0; i < SEGMENTS_MAX; i++) {
        apr_size_t length = strcspn(text, ".");
        unsigned char *segment;
        apr_uint32_t size;

        if (!sso_b64url_decode(pool, text, length, &segment, &length))
            return 0;
        size = (apr_uint32_t)length;
        memcpy(at, &size, sizeof(size));
        memcpy(at + sizeof(size), segment, length);
        at += sizeof(size) + length;
        sso_cleanse(segment, length);
        text += strcspn(text, ".");
        if (!*text++)
            break;
    }
    out->data = bytes;
    out->length = (apr_size_t)(at - bytes);
    return i > 0 && i < SEGMENTS_MAX;
}

/* NULL: another version's layout */
static const char *encode_token(apr_pool_t *pool, sso_bytes_t kept)
{
    const char *bytes = kept.data;
    apr_array_header_t *words = apr_array_make(pool, SEGMENTS_MAX, sizeof(const char *));
    apr_uint32_t size;

    for (; kept.length; bytes += size, kept.length -= size) {
        if (kept.length < sizeof(size) || words->nelts == SEGMENTS_MAX)
            return NULL;
        memcpy(&size, bytes, sizeof(size));
        bytes += sizeof(size);
        kept.length -= sizeof(size);
        if (size > kept.length)
            return NULL;
        APR_ARRAY_PUSH(words, const char *) = sso_b64url_encode(pool, bytes, size);
    }
    return apr_array_pstrcat(pool, words, '.');
}

static void pack_kept(apr_pool_t *pool, const sso_kept_t *kept, sso_bytes_t *out)
{
    packed_kept_t head = { .got = kept->got, .expires = kept->expires };
    sso_bytes_t tokens[SSO_COUNT(kept_texts)];
    char *bytes;
    unsigned i;

    out->length = sizeof(head);
    for (i = 0; i < SSO_COUNT(kept_texts); i++) {
        const char *text = *slot(kept, kept_texts[i]);

        tokens[i].length = 0;
        if (text && decode_token(pool, text, &tokens[i])) {
            head.decoded |= 1u << i;
        }
        else if (text) {
            tokens[i].data = text;
            tokens[i].length = strlen(text) + 1;
        }
        head.length[i] = (apr_uint32_t)tokens[i].length;
        out->length += tokens[i].length;
    }
    out->data = bytes = apr_palloc(pool, out->length);
    memcpy(bytes, &head, sizeof(head));
    bytes += sizeof(head);
    for (i = 0; i < SSO_COUNT(kept_texts); bytes += tokens[i++].length) {
        if (tokens[i].length)
            memcpy(bytes, tokens[i].data, tokens[i].length);
        if (head.decoded & (1u << i))
            sso_cleanse((void *)(apr_uintptr_t)tokens[i].data, tokens[i].length);
    }
}

/* The checks guard against another version's layout. */
static int unpack_kept(apr_pool_t *pool, sso_bytes_t from, sso_kept_t *kept)
{
    const char *bytes = from.data;
    packed_kept_t head;
    apr_size_t left;
    unsigned i;

    if (from.length < sizeof(head))
        return 0;
    memcpy(&head, bytes, sizeof(head));
    bytes += sizeof(head);
    left = from.length - sizeof(head);
    kept->got = head.got;
    kept->expires = head.expires;
    for (i = 0; i < SSO_COUNT(kept_texts); left -= head.length[i], bytes += head.length[i], i++) {
        const char **text = slot(kept, kept_texts[i]);
        sso_bytes_t token = { bytes, head.length[i] };

        *text = NULL;
        if (token.length > left)
            return 0;
        if (head.decoded & (1u << i))
            *text = encode_token(pool, token);
        else if (token.length && !bytes[token.length - 1])
            *text = bytes;
        if (token.length && !*text)
            return 0;
    }
    return 1;
}

/* ---- the value */

static sso_bytes_t context_of(const sso_store_key_t *key)
{
    sso_bytes_t context = { key->bytes, sizeof(key->bytes) };

    return context;
}

sso_rc_e sso_record_seal(sso_ctx_t *ctx, const sso_keyring_t *ring, const sso_store_key_t *key,
                         const sso_session_t *session, sso_bytes_t *value)
{
    sso_bytes_t plain, record, tokens = session->box;
    outer_t outer = { .magic = MAGIC };
    char *bytes;

    pack(ctx->pool, session, &plain);
    SSO_TRY(sso_box_seal(ctx, ring, RECORD, context_of(key), plain, &record));
    if (session->kept) {
        pack_kept(ctx->pool, session->kept, &plain);
        SSO_TRY(sso_box_seal(ctx, ring, TOKENS, context_of(key), plain, &tokens));
        sso_cleanse((void *)(apr_uintptr_t)plain.data, plain.length);
    }
    outer.record_length = (apr_uint32_t)record.length;
    value->length = sizeof(outer) + record.length + tokens.length;
    value->data = bytes = apr_palloc(ctx->pool, value->length);
    memcpy(bytes, &outer, sizeof(outer));
    memcpy(bytes + sizeof(outer), record.data, record.length);
    if (tokens.length)
        memcpy(bytes + sizeof(outer) + record.length, tokens.data, tokens.length);
    return SSO_OK;
}

sso_rc_e sso_record_open(sso_ctx_t *ctx, const sso_keyring_t *ring, const sso_store_key_t *key,
                         sso_bytes_t value, sso_session_t **session)
{
    const char *bytes = value.data;
    sso_session_t *found = apr_palloc(ctx->pool, sizeof(*found));
    sso_bytes_t record, plain;
    outer_t outer = { 0, 0 };
    int known = 0;

    if (value.length >= sizeof(outer))
        memcpy(&outer, bytes, sizeof(outer));
    record.data = bytes + sizeof(outer);
    record.length = outer.record_length;
    if (outer.magic == MAGIC && outer.record_length <= value.length - sizeof(outer))
        known = sso_box_known(ctx, ring, context_of(key), record, &plain);
    if (outer.magic != MAGIC || outer.record_length > value.length - sizeof(outer)
        || (!known
            && sso_box_open(ctx, ring, RECORD, context_of(key), record, &plain) != SSO_OK)
        || !unpack(plain, known, found)) {
        /* a retired secret, another version: not worth more than signing in again */
        sso_log(ctx, SSO_LOG_INFO, 605, "a stored session cannot be opened: %s",
                ctx->err.rc ? ctx->err.text : "another version's layout");
        sso_forgive(ctx);
        return SSO_ABSENT;
    }
    if (!known)
        sso_box_remember(ring, context_of(key), record, plain);
    found->key = *key;
    found->box.data = bytes + sizeof(outer) + record.length;
    found->box.length = value.length - sizeof(outer) - record.length;
    *session = found;
    return SSO_OK;
}

sso_rc_e sso_session_tokens(sso_ctx_t *ctx, const sso_site_t *site, const sso_session_t *session,
                            const sso_kept_t **kept)
{
    sso_kept_t *found;
    sso_bytes_t plain;

    if (!session->box.length)
        return SSO_ABSENT;
    found = apr_palloc(ctx->pool, sizeof(*found));
    if (sso_box_open(ctx, site->ring, TOKENS, context_of(&session->key), session->box,
                     &plain) != SSO_OK || !unpack_kept(ctx->pool, plain, found)) {
        sso_log(ctx, SSO_LOG_INFO, 1000, "the tokens of a session cannot be opened: %s",
                ctx->err.rc ? ctx->err.text : "another version's layout");
        sso_forgive(ctx);
        return SSO_ABSENT;
    }
    *kept = found;
    return SSO_OK;
}
