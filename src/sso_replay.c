/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Forms that wait for the end of a sign-in: kept, offered, taken. How their bytes become the body
 * of a request is the glue's.
 */
#include "sso_replay.h"

#include "sso_page.h"

#include <apr_strings.h>
#include <string.h>
#include <strings.h>

#define PURPOSE   "posted form"
#define SLOTS     64 /* times SSO_REPLAY_MAX is what all of them can take of the store */
#define TRIES     4  /* to find one that is free */
#define ID_BYTES  16
#define ID_CHARS  (2 + 22) /* the slot, and what nobody can guess */
#define TYPE_MAX  512
#define TARGET_MAX 4096

static const char *const types[] = { "application/x-www-form-urlencoded", "multipart/form-data" };

int sso_replay_is_id(const char *text)
{
    return strlen(text) == ID_CHARS && sso_hex_value(text[0]) >= 0 && sso_hex_value(text[1]) >= 0
           && sso_hex_value(text[0]) * 16 + sso_hex_value(text[1]) < SLOTS
           && strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
                  == ID_CHARS;
}

const char *sso_replay_link(sso_ctx_t *ctx, const sso_request_t *request, const char *id)
{
    return sso_own_url(ctx, request, apr_pstrcat(ctx->pool, request->site->path, "/replay", NULL),
                       apr_pstrcat(ctx->pool, "id=", id, NULL));
}

static sso_rc_e slot_key(sso_ctx_t *ctx, const sso_site_t *site, const char *id,
                         sso_store_key_t *key)
{
    const char *slot = apr_pstrndup(ctx->pool, id, 2);
    sso_bytes_t parts[] = { sso_bytes(PURPOSE), sso_bytes(site->realm), sso_bytes(slot) };

    return sso_digest(ctx, parts, SSO_COUNT(parts), key->bytes);
}

/* ---- keeping ---- */

static int is_form(const sso_request_t *request)
{
    const char *type = apr_table_get(request->headers, "Content-Type");
    unsigned i;

    if (!type || strlen(type) > TYPE_MAX || apr_table_get(request->headers, "Content-Encoding"))
        return 0;
    for (i = 0; i < SSO_COUNT(types); i++) {
        apr_size_t length = strlen(types[i]);

        if (!strncasecmp(type, types[i], length) && (!type[length] || strchr("; \t", type[length])))
            return 1;
    }
    return 0;
}

/* The sealed entry: who may have it, its id, type and address, a line each, then the bytes. */
static sso_rc_e seal_entry(sso_ctx_t *ctx, const sso_request_t *request, const char *head,
                           sso_bytes_t body, sso_bytes_t *box)
{
    sso_bytes_t plain = { NULL, strlen(head) + body.length }, none = { NULL, 0 };
    char *bytes = apr_palloc(ctx->pool, plain.length + 1);

    memcpy(bytes, head, strlen(head));
    memcpy(bytes + strlen(head), body.data, body.length);
    plain.data = bytes;
    SSO_TRY(sso_box_seal(ctx, request->site->ring, PURPOSE, none, plain, box));
    sso_cleanse(bytes, plain.length);
    return SSO_OK;
}

/* One of a few slots that is free, or else whatever is in the last one goes. */
static sso_rc_e put_entry(sso_ctx_t *ctx, const sso_request_t *request, const char *secret,
                          const char *head, const char **id)
{
    sso_store_item_t item = { .expires = ctx->now + request->site->config->login_timeout };
    sso_rc_e rc = SSO_DENIED;
    sso_store_key_t key;
    sso_bytes_t body, box;
    const char *made = NULL;
    int tries;

    SSO_TRY(request->read_body(ctx, request->baton, SSO_REPLAY_MAX, &body));
    for (tries = 1; rc == SSO_DENIED; tries++) {
        made = apr_psprintf(ctx->pool, "%02x%s", sso_random_below(SLOTS), secret);
        SSO_TRY(seal_entry(ctx, request, apr_pstrcat(ctx->pool, made, "\n", head, NULL), body,
                           &box));
        SSO_TRY(slot_key(ctx, request->site, made, &key));
        item.value = box.data;
        item.length = box.length;
        rc = tries < TRIES ? sso_store_add(ctx, ctx->ports->store, &key, &item)
                           : sso_store_put(ctx, ctx->ports->store, &key, &item);
    }
    *id = made;
    return rc;
}

sso_rc_e sso_replay_keep(sso_ctx_t *ctx, const sso_request_t *request, sso_answer_t *answer,
                         const char **id)
{
    const char *mark, *secret, *length = apr_table_get(request->headers, "Content-Length");
    sso_rc_e rc;

    *id = NULL;
    if (!request->place->preserve_post || strcmp(request->method, "POST") || !is_form(request)
        || !sso_request_same_origin(ctx, request, 0) || strlen(request->target) > TARGET_MAX)
        return SSO_OK;
    if (length && apr_strtoi64(length, NULL, 10) > SSO_REPLAY_MAX)
        return sso_fail(ctx, SSO_BAD_INPUT, 1085, "%s: a form of %.20s bytes, of somebody who has "
                        "to sign in: at most %d are kept", request->path, length, SSO_REPLAY_MAX);
    SSO_TRY(sso_login_bind(ctx, request, answer, &mark));
    SSO_TRY(sso_random_text(ctx, ID_BYTES, &secret));
    rc = put_entry(ctx, request, secret,
                   apr_pstrcat(ctx->pool, mark, "\n",
                               apr_table_get(request->headers, "Content-Type"), "\n",
                               request->target, "\n", NULL), id);
    if (rc == SSO_BAD_INPUT) { /* chunked, and longer than it may be; or broken off */
        sso_forgive(ctx);
        return sso_fail(ctx, rc, 1086, "%s: a form of over %d bytes, or broken off, of somebody "
                        "who has to sign in: it is not kept", request->path, SSO_REPLAY_MAX);
    }
    return sso_within(ctx, rc, "posted form");
}

/* ---- offering and taking ---- */

static const char *next_line(char **at)
{
    char *line = *at, *end = strchr(line, '\n');

    if (end)
        *end++ = '\0';
    *at = end ? end : line + strlen(line);
    return line;
}

static sso_rc_e absent(sso_ctx_t *ctx)
{
    sso_forgive(ctx);
    return sso_fail(ctx, SSO_DENIED, 1087, "the form is not there (any more): it has been sent, it "
                    "waited too long, or it is another browser's or address's");
}

/* What is kept under an id, if this browser may have it. */
static sso_rc_e open_entry(sso_ctx_t *ctx, const sso_request_t *request, const char *id,
                           sso_store_key_t *key, sso_replay_t *replay)
{
    sso_bytes_t box, plain, none = { NULL, 0 };
    sso_store_entry_t entry;
    const char *mark;
    char *at;
    sso_rc_e rc;

    if (!sso_replay_is_id(id) || sso_login_bind(ctx, request, NULL, &mark) != SSO_OK)
        return absent(ctx);
    SSO_TRY(slot_key(ctx, request->site, id, key));
    rc = sso_store_get(ctx, ctx->ports->store, key, 0, &entry);
    if (rc != SSO_OK)
        return rc == SSO_ABSENT ? absent(ctx) : rc;
    box.data = entry.value;
    box.length = entry.length;
    if (sso_box_open(ctx, request->site->ring, PURPOSE, none, box, &plain) != SSO_OK)
        return absent(ctx);
    at = (char *)(apr_uintptr_t)plain.data;
    if (!sso_same_secret(next_line(&at), id) || !sso_same_secret(next_line(&at), mark))
        return absent(ctx);
    replay->content_type = next_line(&at);
    replay->target = next_line(&at);
    replay->body.data = at;
    replay->body.length = plain.length - (apr_size_t)(at - (const char *)plain.data);
    return SSO_OK;
}

sso_rc_e sso_replay_serve(sso_ctx_t *ctx, const sso_request_t *request, const char *rest,
                          sso_answer_t *answer)
{
    sso_page_t page = { .kind = SSO_PAGE_REPLAY, .status = 200,
                        .title = SSO_T("You are signed in"),
                        .text = SSO_T("The form that you sent before you signed in has been kept. "
                                      "Send it now?") };
    sso_replay_t replay;
    sso_store_key_t key;
    apr_table_t *fields;
    const char *id, *url;
    int repeated = 0;

    (void)rest;
    if (!sso_form_parse(ctx->pool, request->query, &fields)
        || !(id = sso_form_one(fields, "id", &repeated)) || repeated)
        return sso_fail(ctx, SSO_BAD_INPUT, 1088, "the query has not exactly one id");
    SSO_TRY(open_entry(ctx, request, id, &key, &replay));
    url = apr_pstrcat(ctx->pool, request->origin, replay.target, NULL);
    sso_page_action(&page, ctx->pool, SSO_T("Send the form"),
                    sso_url_with_query(ctx->pool, url,
                                       apr_pstrcat(ctx->pool, SSO_REPLAY_PARAMETER "=", id, NULL)),
                    1);
    sso_page_action(&page, ctx->pool, SSO_T("Go on without it"), url, 0);
    sso_page_answer(ctx, request, &page, answer);
    return SSO_OK;
}

sso_rc_e sso_replay_take(sso_ctx_t *ctx, const sso_request_t *request,
                         const sso_replay_t **replay)
{
    sso_replay_t *taken = apr_palloc(ctx->pool, sizeof(*taken));
    sso_store_key_t key;
    sso_rc_e rc;

    if (!request->place->preserve_post || !sso_request_same_origin(ctx, request, 0))
        return absent(ctx);
    SSO_TRY(open_entry(ctx, request, request->replay, &key, taken));
    if (strcmp(taken->target, request->target))
        return absent(ctx);
    rc = sso_store_remove(ctx, ctx->ports->store, &key);
    if (rc == SSO_ABSENT) /* somebody was faster: once is once */
        return absent(ctx);
    if (rc == SSO_OK)
        *replay = taken;
    return rc;
}
