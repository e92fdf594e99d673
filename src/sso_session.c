/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Session records: built at sign-in, packed, stored, found, ended.
 */
#include "sso_session.h"

#include "sso_json.h"

#include <apr_strings.h>
#include <string.h>

#define MAGIC    0x32535345u /* "ESS2": the layout below */
#define ID_BYTES 32
#define ID_CHARS 43
#define ALIGN8(n) (((n) + 7) & ~(apr_size_t)7)

/* The texts of a record, in the order in which they are packed */
static const apr_size_t texts[] = {
    offsetof(sso_session_t, provider), offsetof(sso_session_t, remote_user),
    offsetof(sso_session_t, username), offsetof(sso_session_t, user_id),
    offsetof(sso_session_t, email), offsetof(sso_session_t, name),
    offsetof(sso_session_t, tenant), offsetof(sso_session_t, remote_id),
    offsetof(sso_session_t, issuer), offsetof(sso_session_t, subject),
    offsetof(sso_session_t, sid), offsetof(sso_session_t, tag)
};

typedef struct packed_t {
    apr_uint32_t magic, unused;
    apr_int64_t started, ends;
    apr_uint32_t length[SSO_COUNT(texts)]; /* with the NUL; 0: no text */
} packed_t;

static const char **text_slot(const sso_session_t *session, unsigned i)
{
    return (const char **)((apr_uintptr_t)session + texts[i]);
}

static void pack(apr_pool_t *pool, const sso_session_t *session, sso_bytes_t *out)
{
    packed_t head = { MAGIC, 0, session->started, session->ends, { 0 } };
    apr_size_t at = sizeof(head), claims_at;
    char *bytes;
    unsigned i;

    for (i = 0; i < SSO_COUNT(texts); i++) {
        const char *text = *text_slot(session, i);

        head.length[i] = text ? (apr_uint32_t)strlen(text) + 1 : 0;
        at += head.length[i];
    }
    claims_at = ALIGN8(at);
    out->length = claims_at + sso_claims_size(&session->claims);
    out->data = bytes = apr_pcalloc(pool, out->length);
    memcpy(bytes, &head, sizeof(head));
    for (i = 0, at = sizeof(head); i < SSO_COUNT(texts); at += head.length[i++])
        if (head.length[i])
            memcpy(bytes + at, *text_slot(session, i), head.length[i]);
    sso_claims_write(&session->claims, bytes + claims_at);
}

/* The bytes have been sealed by us; the checks guard against another version's layout. */
static int unpack(sso_bytes_t from, sso_session_t *session)
{
    const char *bytes = from.data;
    packed_t head;
    apr_size_t at = sizeof(head);
    unsigned i;

    if (from.length < sizeof(head))
        return 0;
    memcpy(&head, bytes, sizeof(head));
    if (head.magic != MAGIC)
        return 0;
    session->started = head.started;
    session->ends = head.ends;
    for (i = 0; i < SSO_COUNT(texts); at += head.length[i++]) {
        if (head.length[i] > from.length - at)
            return 0;
        *text_slot(session, i) = head.length[i] ? bytes + at : NULL;
    }
    at = ALIGN8(at);
    return at <= from.length && sso_claims_read(bytes + at, from.length - at, &session->claims);
}

/* ---- building ---- */

/* A claim as one text: a string, or a number's digits. */
static const char *claim_text(sso_ctx_t *ctx, const json_t *claims, const char *name)
{
    const json_t *value = json_object_get(claims, name);

    if (json_is_string(value))
        return json_string_length(value) ? json_string_value(value) : NULL;
    return json_is_integer(value)
               ? apr_psprintf(ctx->pool, "%" APR_INT64_T_FMT,
                              (apr_int64_t)json_integer_value(value))
               : NULL;
}

static int has_control(const char *text)
{
    for (; *text; text++) {
        unsigned char a = (unsigned char)text[0], b = (unsigned char)text[1];

        if (a < 0x20 || a == 0x7f || (a == 0xc2 && b >= 0x80 && b < 0xa0)) /* C0, DEL, C1 */
            return 1;
    }
    return 0;
}

/* For the page: what the user can ask for. */
static void note_missing(sso_ctx_t *ctx, const char *name)
{
    ctx->err.say.text = SSO_T("What is missing: %s.");
    ctx->err.say.value = name;
}

static void map_claims(const sso_provider_t *provider, json_t *claims)
{
    const apr_array_header_t *rows = provider->config->claim_map
                                         ? apr_table_elts(provider->config->claim_map) : NULL;
    int i;

    for (i = 0; rows && i < rows->nelts; i++) {
        const apr_table_entry_t *row = &APR_ARRAY_IDX(rows, i, apr_table_entry_t);
        const json_t *found = sso_claim_path(claims, row->val);

        if (found)
            json_object_set_new(claims, row->key, json_deep_copy(found));
    }
}

static sso_rc_e pick_texts(sso_ctx_t *ctx, const sso_provider_t *provider, const json_t *claims,
                           sso_session_t *session)
{
    const char *const *name;
    const char *user_claim = provider->config->remote_user;

    session->provider = provider->name;
    session->tag = provider->tag;
    session->remote_user = user_claim ? claim_text(ctx, claims, user_claim)
                                      : provider->kind->user(ctx, claims);
    if (!user_claim)
        user_claim = provider->kind->user_id_claims[0];
    if (!session->remote_user) {
        note_missing(ctx, user_claim);
        return sso_fail(ctx, SSO_DENIED, 602, "the claim '%s', which is to become the user name "
                        "(EdxSSORemoteUser), is missing or not a text", user_claim);
    }
    if (has_control(session->remote_user))
        return sso_fail(ctx, SSO_BAD_INPUT, 603, "the claim '%s' has control characters: it cannot "
                        "be a user name", user_claim);
    session->username = claim_text(ctx, claims, "preferred_username");
    for (name = provider->kind->user_id_claims; *name && !session->user_id; name++)
        session->user_id = claim_text(ctx, claims, *name);
    session->email = claim_text(ctx, claims, "email");
    session->name = claim_text(ctx, claims, "name");
    session->tenant = claim_text(ctx, claims, "tid");
    session->issuer = sso_json_text(claims, "iss");
    session->subject = sso_json_text(claims, "sub");
    session->sid = sso_json_text(claims, "sid");
    return SSO_OK;
}

sso_rc_e sso_session_build(sso_ctx_t *ctx, const sso_site_t *site, const sso_provider_t *provider,
                           const json_t *claims, sso_session_t **session)
{
    const apr_array_header_t *required = provider->config->require_claim;
    sso_session_t *made = apr_pcalloc(ctx->pool, sizeof(*made));
    json_t *mapped = json_deep_copy(claims);
    sso_rc_e rc;
    int i;

    map_claims(provider, mapped);
    rc = pick_texts(ctx, provider, mapped, made);
    for (i = 0; rc == SSO_OK && required && i < required->nelts; i++) {
        const char *name = APR_ARRAY_IDX(required, i, const char *);
        const json_t *value = sso_claim_path(mapped, name);

        if (!value || json_is_null(value)
            || (json_is_string(value) && !json_string_length(value))) {
            note_missing(ctx, name);
            rc = sso_fail(ctx, SSO_DENIED, 604, "the claim '%s' is missing (EdxSSORequireClaim)",
                          name);
        }
    }
    if (rc == SSO_OK)
        rc = sso_claims_flatten(ctx, mapped, &made->claims);
    if (rc == SSO_OK) {
        for (i = 0; i < (int)SSO_COUNT(texts); i++)
            *text_slot(made, (unsigned)i) = apr_pstrdup(ctx->pool, *text_slot(made, (unsigned)i));
        made->started = ctx->now;
        made->ends = ctx->now + site->config->session_max;
        made->idle_ends = ctx->now + site->config->session_idle;
        *session = made;
    }
    json_decref(mapped);
    return rc;
}

/* ---- the store ---- */

/*
 * Where a session is kept: the digest of its id and of whose it is. What is hashed fits into one
 * block of SHA-256, since every request of a signed-in user comes by here.
 *
 * @return SSO_ABSENT  the text is no session id
 */
static sso_rc_e key_of(sso_ctx_t *ctx, const sso_site_t *site, const char *id, sso_store_key_t *key)
{
    unsigned char both[SSO_REALM_BYTES + ID_BYTES], *bytes;
    sso_bytes_t hashed = { both, sizeof(both) };
    apr_size_t length;

    if (strlen(id) != ID_CHARS || !sso_b64url_decode(ctx->pool, id, ID_CHARS, &bytes, &length))
        return SSO_ABSENT;
    memcpy(both, site->realm_tag, SSO_REALM_BYTES);
    memcpy(both + SSO_REALM_BYTES, bytes, ID_BYTES);
    return sso_ring_digest(ctx, site->ring, hashed, key->bytes);
}

sso_rc_e sso_session_begin(sso_ctx_t *ctx, const sso_site_t *site, const sso_session_t *session,
                           const char **id)
{
    sso_store_item_t item = { .expires = session->idle_ends < session->ends ? session->idle_ends
                                                                            : session->ends };
    sso_bytes_t plain, context, box;
    sso_store_key_t key;
    const char *made;

    SSO_TRY(sso_random_text(ctx, ID_BYTES, &made));
    SSO_TRY(key_of(ctx, site, made, &key));
    pack(ctx->pool, session, &plain);
    context.data = key.bytes;
    context.length = sizeof(key.bytes);
    SSO_TRY(sso_box_seal(ctx, site->ring, "session", context, plain, &box));
    item.value = box.data;
    item.length = box.length;
    SSO_TRY(sso_within(ctx, sso_store_put(ctx, ctx->ports->store, &key, &item), "new session"));
    *id = made;
    return SSO_OK;
}

sso_rc_e sso_session_find(sso_ctx_t *ctx, const sso_site_t *site, const char *id, int touch,
                          const sso_session_t **session)
{
    const sso_provider_t *provider;
    sso_session_t *found;
    sso_store_entry_t entry;
    sso_bytes_t box, context, plain;
    sso_store_key_t key;

    SSO_TRY(key_of(ctx, site, id, &key));
    SSO_TRY(sso_store_get(ctx, ctx->ports->store, &key,
                          touch ? ctx->now + site->config->session_idle : 0, &entry));
    box.data = entry.value;
    box.length = entry.length;
    context.data = key.bytes;
    context.length = sizeof(key.bytes);
    found = apr_palloc(ctx->pool, sizeof(*found));
    if (sso_box_open(ctx, site->ring, "session", context, box, &plain) != SSO_OK
        || !unpack(plain, found)) {
        /* a retired secret, another version: not worth more than signing in again */
        sso_log(ctx, SSO_LOG_INFO, 605, "a stored session cannot be opened: %s",
                ctx->err.rc ? ctx->err.text : "another version's layout");
        sso_forgive(ctx);
        return SSO_ABSENT;
    }
    provider = sso_provider_find(site, found->provider);
    if (found->ends <= ctx->now || !provider || !found->tag
        || strcmp(provider->tag, found->tag))
        return SSO_ABSENT;
    found->idle_ends = entry.expires < found->ends ? entry.expires : found->ends;
    *session = found;
    return SSO_OK;
}

sso_rc_e sso_session_end(sso_ctx_t *ctx, const sso_site_t *site, const char *id)
{
    sso_store_key_t key;

    SSO_TRY(key_of(ctx, site, id, &key));
    return sso_store_remove(ctx, ctx->ports->store, &key);
}
