/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sessions in cookies: cut to pieces and put together. What the bytes mean is sso_session_kept.c's.
 */
#include "sso_jar.h"

#include "sso_cookie.h"

#include <apr_strings.h>
#include <string.h>

#define PIECES_MAX  2
#define PIECE_CHARS 2800 /* two of them hold SSO_SESSION_COPY_MAX in base64url */

static const char *piece_name(sso_ctx_t *ctx, const sso_request_t *request, int number)
{
    return apr_psprintf(ctx->pool, "%s_%d",
                        sso_site_cookie(request->site, sso_request_secure(request),
                                        SSO_COOKIE_SESSION), number);
}

static const char *piece(sso_ctx_t *ctx, const sso_request_t *request, int number)
{
    const char *text = NULL;

    return sso_cookie_find(ctx->pool, request->cookies, piece_name(ctx, request, number),
                           &text) == SSO_OK && strlen(text) <= PIECE_CHARS + 2 ? text : NULL;
}

void sso_jar_read(sso_ctx_t *ctx, const sso_request_t *request, sso_brought_t *brought)
{
    const char *all, *more;
    unsigned char *bytes;
    apr_size_t length;
    int count, i;

    brought->copy.data = NULL;
    brought->copy.length = 0;
    all = piece(ctx, request, 1);
    if (!all || all[0] < '1' || all[0] > '0' + PIECES_MAX || all[1] != '.')
        return;
    count = all[0] - '0';
    all += 2;
    for (i = 2; i <= count; i++) {
        more = piece(ctx, request, i);
        if (!more)
            return;
        all = apr_pstrcat(ctx->pool, all, more, NULL);
    }
    length = strlen(all);
    if (length && sso_b64url_decode(ctx->pool, all, length, &bytes, &length)
        && length <= SSO_SESSION_COPY_MAX) {
        brought->copy.data = bytes;
        brought->copy.length = length;
    }
}

static void set_piece(sso_ctx_t *ctx, const sso_request_t *request, int number, const char *value,
                      sso_answer_t *answer)
{
    sso_answer_cookie_as(ctx, request, SSO_COOKIE_SESSION, piece_name(ctx, request, number), value,
                         answer);
}

/* Take away the pieces from a number on that the browser has. */
static void clear_pieces(sso_ctx_t *ctx, const sso_request_t *request, int number,
                         sso_answer_t *answer)
{
    const char *text;

    for (; number <= PIECES_MAX; number++)
        if (sso_cookie_find(ctx->pool, request->cookies, piece_name(ctx, request, number),
                            &text) != SSO_ABSENT)
            set_piece(ctx, request, number, "", answer);
}

void sso_jar_write(sso_ctx_t *ctx, const sso_request_t *request, const sso_session_t *session,
                   sso_answer_t *answer)
{
    sso_bytes_t copy;
    const char *text;
    int count, i;

    if (!session->renew)
        return;
    /* what is made for one browser is kept by no cache on its way */
    apr_table_setn(answer->headers, "Cache-Control", "no-store");
    if (!session->in_browser) {
        clear_pieces(ctx, request, 1, answer);
        return;
    }
    if (sso_session_copy(ctx, request->site, session, &copy) != SSO_OK) {
        sso_log(ctx, SSO_LOG_WARN, 1021, "the session in the browser is not renewed: %s",
                ctx->err.text);
        sso_forgive(ctx);
        return;
    }
    text = sso_b64url_encode(ctx->pool, copy.data, copy.length);
    count = (int)((strlen(text) + PIECE_CHARS - 1) / PIECE_CHARS);
    for (i = 1; i <= count; i++, text += strlen(text) < PIECE_CHARS ? strlen(text) : PIECE_CHARS) {
        const char *part = apr_pstrndup(ctx->pool, text, PIECE_CHARS);

        set_piece(ctx, request, i, i > 1 ? part : apr_psprintf(ctx->pool, "%d.%s", count, part),
                  answer);
    }
    clear_pieces(ctx, request, count + 1, answer);
}

sso_rc_e sso_jar_end(sso_ctx_t *ctx, const sso_request_t *request)
{
    const sso_session_t *session;
    const char *id;

    if (sso_request_cookie(ctx, request, SSO_COOKIE_SESSION, &id) != SSO_OK)
        return SSO_ABSENT;
    if (request->site->config->sessions == SSO_SESSIONS_STORE)
        return sso_session_end(ctx, request->site, id);
    /* only for what has been a session an entry is made that says that it has ended */
    SSO_TRY(sso_request_session(ctx, request, SSO_TOUCH_END, &session));
    return sso_session_end_found(ctx, request->site, session);
}

void sso_jar_clear(sso_ctx_t *ctx, const sso_request_t *request, sso_answer_t *answer)
{
    sso_answer_cookie(ctx, request, SSO_COOKIE_SESSION, "", answer);
    clear_pieces(ctx, request, 1, answer);
}
