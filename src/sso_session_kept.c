/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sessions kept, found, replaced, ended: in the store, in the browser. What they look like as bytes
 * is sso_session_record.c's.
 */
#include "sso_session_record.h"

#include <apr_strings.h>
#include <string.h>

#define ID_BYTES 32
#define COOKIE_BYTES (ID_BYTES + SSO_PERSON_BYTES)
#define COOKIE_CHARS 64
#define STEP_MAX apr_time_from_sec(60) /* a copy from later than that: a clock was set back */

/* A copy in the browser is written anew when so much of the idle time has passed. */
#define AGING(idle) ((idle) / 8)

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

/* The same; what is too large for the browser is not kept there (any more). */
static sso_rc_e make_fitting(sso_ctx_t *ctx, const sso_site_t *site, const sso_store_key_t *key,
                             sso_session_t *session, sso_store_item_t *item)
{
    SSO_TRY(make_item(ctx, site, key, session, item));
    if (!session->in_browser || item->length <= SSO_SESSION_COPY_MAX)
        return SSO_OK;
    sso_log(ctx, SSO_LOG_INFO, 1020, "the session of '%.128s' is too large for cookies (%d bytes): "
            "it is kept in the store", session->remote_user, (int)item->length);
    session->in_browser = 0;
    return make_item(ctx, site, key, session, item);
}

static apr_time_t sooner(apr_time_t a, apr_time_t b)
{
    return a < b ? a : b;
}

/* ---- beginning */

sso_rc_e sso_session_store(sso_ctx_t *ctx, const sso_site_t *site, const sso_store_key_t *key,
                           const sso_session_t *session, apr_time_t expires)
{
    sso_store_item_t item = { .expires = expires };

    SSO_TRY(make_item(ctx, site, key, session, &item));
    return sso_store_put(ctx, ctx->ports->store, key, &item);
}

sso_rc_e sso_session_begin(sso_ctx_t *ctx, const sso_site_t *site, sso_session_t *session,
                           const char **id)
{
    sso_store_item_t item = { .expires = sooner(session->idle_ends, session->ends) };
    sso_revoke_begun_t begun = { session->tag, session->sid, { { 0 } }, SSO_KEPT_IN_STORE,
                                 session->ends };
    unsigned char bytes[COOKIE_BYTES];

    SSO_TRY(sso_revoke_person(ctx, site, session->tag, session->subject, session->person));
    SSO_TRY(sso_random_bytes(ctx, bytes, ID_BYTES));
    memcpy(bytes + ID_BYTES, session->person, SSO_PERSON_BYTES);
    SSO_TRY(key_of(ctx, site, bytes, &begun.key));
    session->in_browser = session->renew = site->config->sessions == SSO_SESSIONS_COOKIE;
    session->seen = session->in_browser ? ctx->now : 0;
    session->key = begun.key;
    SSO_TRY(make_fitting(ctx, site, &begun.key, session, &item));
    if (session->in_browser)
        begun.kept = SSO_KEPT_IN_COOKIE;
    SSO_TRY(sso_within(ctx, sso_revoke_begin(ctx, site, &begun, session->in_browser ? NULL : &item),
                       "new session"));
    *id = sso_b64url_encode(ctx->pool, bytes, sizeof(bytes));
    return SSO_OK;
}

sso_rc_e sso_session_copy(sso_ctx_t *ctx, const sso_site_t *site, const sso_session_t *session,
                          sso_bytes_t *copy)
{
    return sso_record_seal(ctx, site->ring, &session->key, session, copy);
}

/* ---- finding */

/* Whether what somebody kept for us is a session that counts. */
static sso_rc_e judge(sso_ctx_t *ctx, const sso_site_t *site, const sso_store_key_t *key,
                      sso_bytes_t value, sso_session_t **session)
{
    const sso_provider_t *provider;
    sso_session_t *found;

    SSO_TRY(sso_record_open(ctx, site->ring, key, value, &found));
    provider = sso_provider_find(site, found->provider);
    if (found->ends <= ctx->now || !provider || strcmp(provider->tag, found->tag))
        return SSO_ABSENT;
    *session = found;
    return SSO_OK;
}

/* What an entry of the store holds. Nothing at all says that the session has ended. */
static sso_rc_e judge_entry(sso_ctx_t *ctx, const sso_site_t *site, const sso_store_key_t *key,
                            const sso_store_entry_t *entry, sso_session_t **session)
{
    sso_bytes_t value = { entry->value, entry->length };

    if (!value.length)
        return SSO_ABSENT;
    SSO_TRY(judge(ctx, site, key, value, session));
    (*session)->idle_ends = sooner(entry->expires, (*session)->ends);
    (*session)->version = entry->version;
    if (site->config->sessions == SSO_SESSIONS_STORE) /* it was another once */
        (*session)->in_browser = 0;
    return SSO_OK;
}

/*
 * What the browser keeps. The time of its last request is in it; where that is yet to come, a clock
 * has been set back, and that must not make the session live on.
 */
static sso_rc_e judge_copy(sso_ctx_t *ctx, const sso_site_t *site, const sso_store_key_t *key,
                           sso_bytes_t value, int touch, sso_session_t **session)
{
    apr_interval_time_t idle = site->config->session_idle;
    sso_session_t *found;

    SSO_TRY(judge(ctx, site, key, value, &found));
    if (!found->in_browser || (found->seen + idle <= ctx->now && touch != SSO_TOUCH_END))
        return SSO_ABSENT;
    found->renew = ctx->now - found->seen > AGING(idle) || found->seen > ctx->now + STEP_MAX;
    if (found->seen > ctx->now)
        found->seen = ctx->now;
    found->idle_ends = sooner(found->seen + idle, found->ends);
    found->version = 0;
    *session = found;
    return SSO_OK;
}

/*
 * Of what the store has and what the browser keeps, the newer one. Either may be NULL; an entry
 * that cannot be opened is there all the same when it is to be replaced.
 */
static sso_session_t *newer(sso_session_t *stored, sso_session_t *copy, apr_uint64_t version)
{
    if (!copy || (stored && stored->generation > copy->generation)) {
        if (stored)
            stored->renew = copy || stored->in_browser;
        return stored;
    }
    copy->version = version;
    return copy;
}

sso_rc_e sso_session_load(sso_ctx_t *ctx, const sso_site_t *site, const sso_store_key_t *key,
                          apr_time_t touch, const sso_session_t **session)
{
    sso_store_entry_t entry;
    sso_session_t *found;

    SSO_TRY(sso_store_get(ctx, ctx->ports->store, key, touch, &entry));
    SSO_TRY(judge_entry(ctx, site, key, &entry, &found));
    *session = found;
    return SSO_OK;
}

sso_rc_e sso_session_find_brought(sso_ctx_t *ctx, const sso_site_t *site,
                                  const sso_brought_t *brought, int touch,
                                  const sso_session_t **session)
{
    sso_store_entry_t entries[2]; /* the session's own, and the mark of whose it is */
    sso_session_t *stored = NULL, *copy = NULL, *found;
    apr_interval_time_t idle = site->config->session_idle;
    int kept = brought->copy.length > 0; /* there: then its entry is left to expire */
    sso_store_key_t keys[2];
    const unsigned char *person;

    SSO_TRY(read_cookie(ctx, site, brought->id, &keys[0], &person));
    sso_revoke_mark_key(site, person, &keys[1]);
    SSO_TRY(sso_store_get_two(ctx, ctx->ports->store, keys,
                              touch > 0 && !kept ? ctx->now + idle : 0, entries));
    if (entries[0].value && !entries[0].length)
        return SSO_ABSENT;
    if (entries[0].value)
        judge_entry(ctx, site, &keys[0], &entries[0], &stored);
    if (kept)
        judge_copy(ctx, site, &keys[0], brought->copy, touch, &copy);
    found = newer(stored, copy, entries[0].value ? entries[0].version : 0);
    if (!found || memcmp(found->person, person, SSO_PERSON_BYTES)
        || sso_revoke_marked(&entries[1], found->started))
        return SSO_ABSENT;
    if (touch > 0)
        found->seen = ctx->now;
    else if (found == copy)
        found->renew = 0; /* a request that does not count leaves no trace */
    *session = found;
    return SSO_OK;
}

sso_rc_e sso_session_find(sso_ctx_t *ctx, const sso_site_t *site, const char *id, int touch,
                          const sso_session_t **session)
{
    sso_brought_t brought = { id, { NULL, 0 } };

    return sso_session_find_brought(ctx, site, &brought, touch, session);
}

sso_rc_e sso_session_again(sso_ctx_t *ctx, const sso_site_t *site, const sso_session_t *found,
                           const sso_session_t **session)
{
    sso_session_t *stored = NULL, *copy = NULL;
    apr_uint64_t version = 0;
    sso_store_entry_t entry;
    sso_rc_e rc = sso_store_get(ctx, ctx->ports->store, &found->key, 0, &entry);

    if (rc != SSO_OK && (rc != SSO_ABSENT || !found->in_browser))
        return rc;
    if (rc == SSO_OK) {
        version = entry.version;
        rc = judge_entry(ctx, site, &found->key, &entry, &stored);
        if (rc != SSO_OK && (!entry.length || !found->in_browser))
            return rc;
    }
    if (found->in_browser)
        copy = apr_pmemdup(ctx->pool, found, sizeof(*copy));
    *session = newer(stored, copy, version);
    return SSO_OK;
}

/* ---- replacing, ending */

sso_rc_e sso_session_swap(sso_ctx_t *ctx, const sso_site_t *site, const sso_session_t *found,
                          sso_session_t *session)
{
    sso_store_item_t item = { .expires = found->idle_ends };
    sso_rc_e rc = SSO_ABSENT;

    session->key = found->key;
    session->started = found->started; /* a mark ends it, whatever has been renewed since */
    memcpy(session->person, found->person, SSO_PERSON_BYTES);
    session->box = found->box;
    session->generation = found->generation + 1;
    session->idle_ends = sooner(found->idle_ends, session->ends);
    session->in_browser = found->in_browser;
    session->seen = found->seen;
    SSO_TRY(make_fitting(ctx, site, &found->key, session, &item));
    if (found->version)
        rc = sso_store_swap(ctx, ctx->ports->store, &found->key, found->version, &item);
    if (rc == SSO_ABSENT && found->in_browser) /* there need not be one, unless it has ended */
        rc = sso_store_add(ctx, ctx->ports->store, &found->key, &item);
    return rc;
}

/*
 * One that is in the store now may have been in the browser before it grew too large for it: an old
 * copy, which somebody kept, must find that it has ended, and not that there is no newer one.
 */
sso_rc_e sso_session_end_found(sso_ctx_t *ctx, const sso_site_t *site,
                               const sso_session_t *session)
{
    int copied = session->in_browser || site->config->sessions == SSO_SESSIONS_COOKIE;

    return sso_revoke_end(ctx, copied ? SSO_KEPT_IN_COOKIE : SSO_KEPT_IN_STORE, &session->key,
                          session->ends);
}

sso_rc_e sso_session_end(sso_ctx_t *ctx, const sso_site_t *site, const char *id)
{
    const unsigned char *person;
    sso_store_key_t key;

    SSO_TRY(read_cookie(ctx, site, id, &key, &person));
    return sso_revoke_end(ctx, SSO_KEPT_IN_STORE, &key, 0);
}
