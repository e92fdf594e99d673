/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SSO_PAGE_H
#define SSO_PAGE_H

/*
 * Pages for people. All of them are one template: a title, paragraphs, links or buttons. The only
 * place where HTML is written; every text goes through one escaping writer.
 */

#include "sso_answer.h"
#include "sso_fault.h"

/** A link (GET) or a button that posts. */
typedef struct sso_action_t {
    const char *label, *href;
    int post;
} sso_action_t;

typedef struct sso_page_t {
    int status;
    const char *title;
    const char *text;         /* plain text; "\n" separates paragraphs */
    const char *error_id;     /* NULL: none */
    apr_array_header_t *actions; /* of sso_action_t, or NULL */
} sso_page_t;

/**
 * Render; sets status, body and the headers every page carries (CSP, no-store, nosniff,
 * no-referrer).
 */
void sso_page_answer(sso_ctx_t *ctx, const sso_request_t *request, const sso_page_t *page,
                     sso_answer_t *answer);

/** Turn ctx->err into a page with a link to answer->retry (if there is one), or JSON. */
void sso_page_fault(sso_ctx_t *ctx, const sso_request_t *request, int as_json,
                    sso_answer_t *answer);

/** Append an action. */
void sso_page_action(sso_page_t *page, apr_pool_t *pool, const char *label, const char *href,
                     int post);

#endif
