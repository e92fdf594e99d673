/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bodies of requests: read for the core, and put in the place of another (sso_replay.h).
 */
#include "mod_glue.h"

#include "sso_replay.h"

#include <util_filter.h>

#include <apr_strings.h>

#define FILTER "EDXSSO_REPLAY"

sso_rc_e mod_body_read(sso_ctx_t *ctx, void *baton, apr_size_t limit, sso_bytes_t *body)
{
    request_rec *r = baton;
    char *text = apr_palloc(ctx->pool, limit + 2);
    apr_size_t length = 0;
    long n = 1;

    if (ap_setup_client_block(r, REQUEST_CHUNKED_DECHUNK) != OK)
        return sso_fail(ctx, SSO_BAD_INPUT, 900, "the request body cannot be read");
    if (ap_should_client_block(r))
        while (length <= limit
               && (n = ap_get_client_block(r, text + length, limit + 1 - length)) > 0)
            length += (apr_size_t)n;
    if (n < 0 || length > limit)
        return sso_fail(ctx, SSO_BAD_INPUT, 901, "the request body is broken off, or over %d bytes",
                        (int)limit);
    text[length] = '\0';
    body->data = text;
    body->length = length;
    return SSO_OK;
}

/* ---- the parameter ---- */

/* A query without the parameter, which is well formed there or not taken for one. */
static const char *without(apr_pool_t *pool, const char *query, const char **id)
{
    static const char name[] = SSO_REPLAY_PARAMETER "=";
    const char *found = query, *end;

    while ((found = strstr(found, name)) != NULL && found != query && found[-1] != '&')
        found++;
    if (!found)
        return query;
    end = found + strcspn(found, "&");
    *id = apr_pstrmemdup(pool, found + sizeof(name) - 1,
                         (apr_size_t)(end - found) - sizeof(name) + 1);
    if (found > query) /* with the & before it, or else the one after it */
        return apr_pstrcat(pool, apr_pstrmemdup(pool, query, (apr_size_t)(found - query) - 1), end,
                           NULL);
    return *end ? end + 1 : NULL;
}

/* Put another query into a text that has one. */
static char *with_query(apr_pool_t *pool, const char *text, const char *query, const char *after)
{
    const char *mark = text ? strchr(text, '?') : NULL;

    return mark ? apr_pstrcat(pool, apr_pstrmemdup(pool, text, (apr_size_t)(mark - text)),
                              query ? "?" : "", query ? query : "", after, NULL)
                : apr_pstrdup(pool, text);
}

/* Before anybody else reads it: neither the app nor a log has a use for it. */
const char *mod_body_parameter(request_rec *r)
{
    const char *id = NULL, *query, *mark;

    if (!r->args || r->method_number != M_POST || !strstr(r->args, SSO_REPLAY_PARAMETER "="))
        return NULL;
    query = without(r->pool, r->args, &id);
    if (!id)
        return NULL;
    r->args = apr_pstrdup(r->pool, query);
    r->parsed_uri.query = r->args;
    r->unparsed_uri = with_query(r->pool, r->unparsed_uri, query, "");
    mark = r->the_request ? strrchr(r->the_request, ' ') : NULL;
    if (mark && strchr(r->the_request, '?') && strchr(r->the_request, '?') < mark)
        r->the_request = with_query(r->pool, r->the_request, query, mark);
    return id;
}

/* ---- another body ---- */

static apr_status_t give(ap_filter_t *f, apr_bucket_brigade *out, ap_input_mode_t mode,
                         apr_read_type_e block, apr_off_t wanted)
{
    apr_bucket_brigade *left = f->ctx;
    apr_bucket *at, *e;
    apr_status_t rv;

    (void)block;
    if (mode != AP_MODE_READBYTES && mode != AP_MODE_SPECULATIVE)
        return APR_ENOTIMPL;
    if (APR_BRIGADE_EMPTY(left)) {
        APR_BRIGADE_INSERT_TAIL(out, apr_bucket_eos_create(out->bucket_alloc));
        return APR_SUCCESS;
    }
    rv = apr_brigade_partition(left, wanted, &at);
    if (rv != APR_SUCCESS && rv != APR_INCOMPLETE)
        return rv;
    for (e = APR_BRIGADE_FIRST(left); e != APR_BRIGADE_SENTINEL(left) && e != at;
         e = APR_BRIGADE_FIRST(left)) {
        apr_bucket *copy;

        if (mode == AP_MODE_SPECULATIVE) {
            apr_bucket_copy(e, &copy);
            APR_BRIGADE_INSERT_TAIL(out, copy);
            break;
        }
        APR_BUCKET_REMOVE(e);
        APR_BRIGADE_INSERT_TAIL(out, e);
    }
    return APR_SUCCESS;
}

void mod_body_replace(request_rec *r, const sso_replay_t *replay)
{
    apr_bucket_brigade *body = apr_brigade_create(r->pool, r->connection->bucket_alloc);
    char *length = apr_psprintf(r->pool, "%" APR_SIZE_T_FMT, replay->body.length);

    ap_discard_request_body(r); /* the button's, which is empty */
    apr_table_unset(r->headers_in, "Transfer-Encoding");
    apr_table_unset(r->headers_in, "Content-Encoding");
    apr_table_unset(r->headers_in, "Expect");
    apr_table_setn(r->headers_in, "Content-Length", length);
    apr_table_setn(r->headers_in, "Content-Type", apr_pstrdup(r->pool, replay->content_type));
    apr_brigade_write(body, NULL, NULL, replay->body.data, replay->body.length);
    APR_BRIGADE_INSERT_TAIL(body, apr_bucket_eos_create(body->bucket_alloc));
    mod_request_state(mod_request_original(r))->body = body;
    ap_add_input_filter(FILTER, body, r, r->connection);
}

/* An internal redirect (RewriteRule, FallbackResource) starts without filters. */
void mod_body_follow(request_rec *r)
{
    apr_bucket_brigade *body = mod_request_state(mod_request_original(r))->body;

    if (body)
        ap_add_input_filter(FILTER, body, r, r->connection);
}

void mod_body_hooks(apr_pool_t *pool)
{
    (void)pool;
    ap_register_input_filter(FILTER, give, NULL, AP_FTYPE_RESOURCE);
}
