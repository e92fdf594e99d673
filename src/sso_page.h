/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SSO_PAGE_H
#define SSO_PAGE_H

/*
 * Pages for people. A page is asked for as a title, paragraphs, links or buttons, all in plain
 * English marked SSO_T(); templates and catalogues (pages/) make HTML in the reader's language of
 * it. The only place where HTML is written.
 */

#include "sso_answer.h"
#include "sso_fault.h"

/** A link (GET) or a button that posts. */
typedef struct sso_action_t {
    const char *label;         /* an SSO_T(), or a name from the configuration */
    const char *href;
    int post;
    int last;                  /* marked as the choice of last time */
    const apr_table_t *fields; /* hidden fields of a form that posts, or NULL */
} sso_action_t;

/** Set by name; what is not set is absent. */
typedef struct sso_page_t {
    sso_page_e kind;
    int status;
    const char *title;        /* an SSO_T() */
    const char *text;         /* an SSO_T(), or NULL; "\n" separates paragraphs */
    sso_say_t say;            /* a paragraph after it, with a value in it */
    const char *error_id;     /* NULL: none */
    apr_array_header_t *actions; /* of sso_action_t, or NULL */
} sso_page_t;

/**
 * Render; sets status, body and the headers every page carries (CSP, no-store, nosniff,
 * no-referrer).
 */
void sso_page_answer(sso_ctx_t *ctx, const sso_request_t *request, const sso_page_t *page,
                     sso_answer_t *answer);

/**
 * Turn ctx->err into a page with a link to answer->retry (if there is one), or JSON. What
 * ctx->err.say has is a paragraph of the page.
 */
void sso_page_fault(sso_ctx_t *ctx, const sso_request_t *request, int as_json,
                    sso_answer_t *answer);

/** Append an action. The result, for `last` and `fields`, is good until the next is appended. */
sso_action_t *sso_page_action(sso_page_t *page, apr_pool_t *pool, const char *label,
                              const char *href, int post);

#endif
