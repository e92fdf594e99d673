/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sessions: built at sign-in, stored, found, replaced, ended. What they look like in the store is
 * sso_session_record.c's.
 */
#include "sso_session_record.h"

#include "sso_json.h"

#include <apr_strings.h>
#include <string.h>

#define ID_BYTES 32
#define COOKIE_BYTES (ID_BYTES + SSO_PERSON_BYTES)
#define COOKIE_CHARS 64

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
    return SSO_OK;
}

/* They are the claims', which go. */
static void own_texts(apr_pool_t *pool, sso_session_t *session)
{
    const char **texts[] = {
        &session->remote_user, &session->username, &session->user_id, &session->email,
        &session->name, &session->tenant, &session->issuer, &session->subject, &session->sid
    };
    unsigned i;

    for (i = 0; i < SSO_COUNT(texts); i++)
        *texts[i] = apr_pstrdup(pool, *texts[i]);
}

sso_rc_e sso_session_build(sso_ctx_t *ctx, const sso_site_t *site, const sso_provider_t *provider,
                           const json_t *claims, sso_session_t **session)
{
    const apr_array_header_t *required = provider->config->require_claim;
    sso_session_t *made = apr_pcalloc(ctx->pool, sizeof(*made));
    json_t *mapped = json_deep_copy(claims);
    sso_rc_e rc;
    int i;

    made->issuer = sso_json_text(claims, "iss"); /* as the provider means them, not as mapped */
    made->subject = sso_json_text(claims, "sub");
    made->sid = sso_json_text(claims, "sid");
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
        rc = sso_revoke_person(ctx, site, provider->tag, made->subject, made->person);
    if (rc == SSO_OK)
        rc = sso_claims_flatten(ctx, mapped, &made->claims);
    if (rc == SSO_OK) {
        own_texts(ctx->pool, made);
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
 */
static sso_rc_e key_of(sso_ctx_t *ctx, const sso_site_t *site, const unsigned char id[ID_BYTES],
                       sso_store_key_t *key)
{
    unsigned char both[SSO_REALM_BYTES + ID_BYTES];
    sso_bytes_t hashed = { both, sizeof(both) };

    memcpy(both, site->realm_tag, SSO_REALM_BYTES);
    memcpy(both + SSO_REALM_BYTES, id, ID_BYTES);
    return sso_ring_digest(ctx, site->ring, hashed, key->bytes);
}

/* What a cookie says: where the session is, and whose. SSO_ABSENT: the text is none of ours. */
static sso_rc_e read_cookie(sso_ctx_t *ctx, const sso_site_t *site, const char *text,
                            sso_store_key_t *key, const unsigned char **person)
{
    unsigned char *bytes;
    apr_size_t length;

    if (strlen(text) != COOKIE_CHARS
        || !sso_b64url_decode(ctx->pool, text, COOKIE_CHARS, &bytes, &length)
        || length != COOKIE_BYTES)
        return SSO_ABSENT;
    *person = bytes + ID_BYTES;
    return key_of(ctx, site, bytes, key);
}

static sso_rc_e make_item(sso_ctx_t *ctx, const sso_site_t *site, const sso_store_key_t *key,
                          const sso_session_t *session, sso_store_item_t *item)
{
    sso_bytes_t value;

    SSO_TRY(sso_record_seal(ctx, site->ring, key, session, &value));
    item->value = value.data;
    item->length = value.length;
    return SSO_OK;
}

sso_rc_e sso_session_store(sso_ctx_t *ctx, const sso_site_t *site, const sso_store_key_t *key,
                           const sso_session_t *session, apr_time_t expires)
{
    sso_store_item_t item = { .expires = expires };

    SSO_TRY(make_item(ctx, site, key, session, &item));
    return sso_store_put(ctx, ctx->ports->store, key, &item);
}

sso_rc_e sso_session_begin(sso_ctx_t *ctx, const sso_site_t *site, const sso_session_t *session,
                           const char **id)
{
    sso_store_item_t item = { .expires = session->idle_ends < session->ends ? session->idle_ends
                                                                            : session->ends };
    sso_revoke_begun_t begun = { session->tag, session->sid, { { 0 } }, SSO_KEPT_IN_STORE,
                                 session->ends };
    unsigned char bytes[COOKIE_BYTES];

    SSO_TRY(sso_random_bytes(ctx, bytes, ID_BYTES));
    memcpy(bytes + ID_BYTES, session->person, SSO_PERSON_BYTES);
    SSO_TRY(key_of(ctx, site, bytes, &begun.key));
    SSO_TRY(make_item(ctx, site, &begun.key, session, &item));
    SSO_TRY(sso_within(ctx, sso_revoke_begin(ctx, site, &begun, &item), "new session"));
    *id = sso_b64url_encode(ctx->pool, bytes, sizeof(bytes));
    return SSO_OK;
}

/* Whether what an entry holds is a session that counts. */
static sso_rc_e judge(sso_ctx_t *ctx, const sso_site_t *site, const sso_store_key_t *key,
                      const sso_store_entry_t *entry, sso_session_t **session)
{
    sso_bytes_t value = { entry->value, entry->length };
    const sso_provider_t *provider;
    sso_session_t *found;

    SSO_TRY(sso_record_open(ctx, site->ring, key, value, &found));
    provider = sso_provider_find(site, found->provider);
    if (found->ends <= ctx->now || !provider || strcmp(provider->tag, found->tag))
        return SSO_ABSENT;
    found->idle_ends = entry->expires < found->ends ? entry->expires : found->ends;
    found->version = entry->version;
    *session = found;
    return SSO_OK;
}

sso_rc_e sso_session_load(sso_ctx_t *ctx, const sso_site_t *site, const sso_store_key_t *key,
                          apr_time_t touch, const sso_session_t **session)
{
    sso_store_entry_t entry;
    sso_session_t *found;

    SSO_TRY(sso_store_get(ctx, ctx->ports->store, key, touch, &entry));
    SSO_TRY(judge(ctx, site, key, &entry, &found));
    *session = found;
    return SSO_OK;
}

sso_rc_e sso_session_find(sso_ctx_t *ctx, const sso_site_t *site, const char *id, int touch,
                          const sso_session_t **session)
{
    sso_store_entry_t entries[2]; /* the session's own, and the mark of whose it is */
    sso_store_key_t keys[2];
    const unsigned char *person;
    sso_session_t *found;

    SSO_TRY(read_cookie(ctx, site, id, &keys[0], &person));
    sso_revoke_mark_key(site, person, &keys[1]);
    SSO_TRY(sso_store_get_two(ctx, ctx->ports->store, keys,
                              touch ? ctx->now + site->config->session_idle : 0, entries));
    if (!entries[0].value)
        return SSO_ABSENT;
    SSO_TRY(judge(ctx, site, &keys[0], &entries[0], &found));
    if (memcmp(found->person, person, SSO_PERSON_BYTES)
        || sso_revoke_marked(&entries[1], found->started))
        return SSO_ABSENT;
    *session = found;
    return SSO_OK;
}

sso_rc_e sso_session_swap(sso_ctx_t *ctx, const sso_site_t *site, const sso_session_t *found,
                          sso_session_t *session)
{
    sso_store_item_t item = { .expires = found->idle_ends };

    session->key = found->key;
    session->started = found->started; /* a mark ends it, whatever has been renewed since */
    memcpy(session->person, found->person, SSO_PERSON_BYTES);
    session->box = found->box;
    session->generation = found->generation + 1;
    session->idle_ends = found->idle_ends < session->ends ? found->idle_ends : session->ends;
    SSO_TRY(make_item(ctx, site, &found->key, session, &item));
    return sso_store_swap(ctx, ctx->ports->store, &found->key, found->version, &item);
}

sso_rc_e sso_session_end_at(sso_ctx_t *ctx, const sso_site_t *site, const sso_store_key_t *key)
{
    (void)site;
    return sso_store_remove(ctx, ctx->ports->store, key);
}

sso_rc_e sso_session_end(sso_ctx_t *ctx, const sso_site_t *site, const char *id)
{
    const unsigned char *person;
    sso_store_key_t key;

    SSO_TRY(read_cookie(ctx, site, id, &key, &person));
    return sso_session_end_at(ctx, site, &key);
}
