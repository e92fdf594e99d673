/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeping pictures, and <EdxSSOPath>/photo.
 */
#include "sso_photo.h"

#define CACHE_CONTROL "private, max-age=300"
#define POLICY        "default-src 'none'; sandbox"

/* Of the user, not of the session: all sessions of a user share it. */
static sso_rc_e key_of(sso_ctx_t *ctx, const sso_site_t *site, const sso_session_t *session,
                       sso_store_key_t *key)
{
    sso_bytes_t parts[] = { sso_bytes("photo"), sso_bytes(site->realm),
                            sso_bytes(session->provider),
                            sso_bytes(session->issuer ? session->issuer : ""),
                            sso_bytes(session->subject ? session->subject
                                                       : session->remote_user) };

    return sso_digest(ctx, parts, SSO_COUNT(parts), key->bytes);
}

static sso_rc_e put(sso_ctx_t *ctx, const sso_site_t *site, const sso_session_t *session,
                    sso_bytes_t bytes)
{
    sso_store_item_t item = { .expires = session->ends, .class = SSO_STORE_PLAIN };
    sso_bytes_t box, context;
    sso_store_key_t key;

    SSO_TRY(key_of(ctx, site, session, &key));
    if (!bytes.data) {
        sso_rc_e rc = sso_store_remove(ctx, ctx->ports->store, &key);

        return rc == SSO_ABSENT ? SSO_OK : rc;
    }
    context.data = key.bytes;
    context.length = sizeof(key.bytes);
    SSO_TRY(sso_box_seal(ctx, site->ring, "photo", context, bytes, &box));
    item.value = box.data;
    item.length = box.length;
    return sso_store_put(ctx, ctx->ports->store, &key, &item);
}

void sso_photo_keep(sso_ctx_t *ctx, const sso_site_t *site, const sso_session_t *session,
                    const sso_photo_t *photo)
{
    if (!photo->bytes.data && !photo->none)
        return;
    if (put(ctx, site, session, photo->bytes) != SSO_OK) {
        sso_log(ctx, SSO_LOG_WARN, 840, "%s: the picture is not kept: %s", session->provider,
                ctx->err.rc ? ctx->err.text : "the store does not take it");
        sso_forgive(ctx);
    }
}

static sso_rc_e get(sso_ctx_t *ctx, const sso_site_t *site, const sso_session_t *session,
                    sso_bytes_t *bytes)
{
    sso_bytes_t box, context;
    sso_store_entry_t entry;
    sso_store_key_t key;

    SSO_TRY(key_of(ctx, site, session, &key));
    SSO_TRY(sso_store_get(ctx, ctx->ports->store, &key, 0, &entry));
    box.data = entry.value;
    box.length = entry.length;
    context.data = key.bytes;
    context.length = sizeof(key.bytes);
    if (sso_box_open(ctx, site->ring, "photo", context, box, bytes) == SSO_OK
        && sso_photo_type(*bytes))
        return SSO_OK;
    sso_forgive(ctx); /* a retired secret: the next sign-in brings it anew */
    return SSO_ABSENT;
}

sso_rc_e sso_photo_serve(sso_ctx_t *ctx, const sso_request_t *request, const char *rest,
                         sso_answer_t *answer)
{
    const sso_session_t *session;
    sso_bytes_t bytes;
    sso_rc_e rc = sso_request_session(ctx, request, 0, &session);

    (void)rest;
    if (rc == SSO_ABSENT)
        return sso_fail(ctx, SSO_DENIED, 841, "nobody is signed in");
    SSO_TRY(rc);
    rc = get(ctx, request->site, session, &bytes);
    if (rc == SSO_ABSENT)
        return sso_fail(ctx, SSO_ABSENT, 842, "there is no picture of '%.128s'",
                        session->remote_user);
    SSO_TRY(rc);
    answer->what = SSO_ANSWER_RESPOND;
    answer->status = 200;
    answer->content_type = sso_photo_type(bytes);
    answer->body = bytes.data;
    answer->body_length = bytes.length;
    apr_table_setn(answer->headers, "Cache-Control", CACHE_CONTROL);
    apr_table_setn(answer->headers, "Vary", "Cookie");
    apr_table_setn(answer->headers, "Content-Security-Policy", POLICY);
    apr_table_setn(answer->headers, "Cross-Origin-Resource-Policy", "same-site");
    apr_table_setn(answer->headers, "X-Content-Type-Options", "nosniff");
    return SSO_OK;
}
