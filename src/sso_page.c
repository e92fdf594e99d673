/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a page has, put where its template wants it, and the headers that every page carries.
 * Templates and languages are sso_pages.c's.
 */
#include "sso_page.h"

#include "sso_flow.h"
#include "sso_json.h"
#include "sso_pages.h"

#include <apr_strings.h>
#include <string.h>

#define ID_BYTES 6 /* of an error id: enough to find one line of a log */

/* ---- filling slots ---- */

static void fill(sso_fill_t *slot, const char *text, int translate)
{
    slot->say.text = text;
    slot->translate = translate;
}

static apr_array_header_t *rows_of(apr_pool_t *pool, sso_fill_t *slot)
{
    apr_array_header_t *rows = apr_array_make(pool, 4, sizeof(sso_fill_t *));

    slot->rows = rows;
    return rows;
}

static sso_fill_t *add_row(apr_pool_t *pool, apr_array_header_t *rows, int slots)
{
    sso_fill_t *row = apr_pcalloc(pool, (apr_size_t)slots * sizeof(*row));

    APR_ARRAY_PUSH(rows, const sso_fill_t *) = row;
    return row;
}

static void fill_paragraphs(apr_pool_t *pool, const sso_page_t *page, sso_fill_t *slot)
{
    apr_array_header_t *rows = rows_of(pool, slot);
    const char *text = page->text;

    while (text && *text) {
        apr_size_t length = strcspn(text, "\n");

        fill(&add_row(pool, rows, SSO_PARAGRAPH_SLOTS)[SSO_SLOT_PARAGRAPH],
             apr_pstrmemdup(pool, text, length), 1);
        text += length + (text[length] == '\n');
    }
    if (page->say.text) {
        sso_fill_t *row = add_row(pool, rows, SSO_PARAGRAPH_SLOTS);

        row[SSO_SLOT_PARAGRAPH].say = page->say;
        row[SSO_SLOT_PARAGRAPH].translate = 1;
    }
}

static void fill_fields(apr_pool_t *pool, const apr_table_t *fields, sso_fill_t *slot)
{
    const apr_array_header_t *entries = fields ? apr_table_elts(fields) : NULL;
    apr_array_header_t *rows = rows_of(pool, slot);
    int i;

    for (i = 0; entries && i < entries->nelts; i++) {
        const apr_table_entry_t *entry = &APR_ARRAY_IDX(entries, i, apr_table_entry_t);
        sso_fill_t *row = add_row(pool, rows, SSO_FIELD_SLOTS);

        fill(&row[SSO_SLOT_NAME], entry->key, 0);
        fill(&row[SSO_SLOT_VALUE], entry->val, 0);
    }
}

static void fill_actions(apr_pool_t *pool, const sso_page_t *page, sso_fill_t *slot)
{
    apr_array_header_t *rows = rows_of(pool, slot);
    int i;

    for (i = 0; page->actions && i < page->actions->nelts; i++) {
        const sso_action_t *action = &APR_ARRAY_IDX(page->actions, i, sso_action_t);
        sso_fill_t *row = add_row(pool, rows, SSO_ACTION_SLOTS);

        fill(&row[SSO_SLOT_LABEL], action->label, 1);
        fill(&row[SSO_SLOT_HREF], action->href, 0);
        fill(&row[SSO_SLOT_POST], action->post ? "post" : NULL, 0);
        fill(&row[SSO_SLOT_LAST], action->last ? "last" : NULL, 0);
        fill_fields(pool, action->fields, &row[SSO_SLOT_FIELDS]);
    }
}

static void fill_page(apr_pool_t *pool, const sso_request_t *request, const sso_page_t *page,
                      const sso_language_t *language, sso_fill_t *slots)
{
    const char *host = request->origin ? strstr(request->origin, "://") : NULL;

    fill(&slots[SSO_SLOT_LANG], language->tag, 0);
    fill(&slots[SSO_SLOT_DIR], language->rtl ? "rtl" : "ltr", 0);
    fill(&slots[SSO_SLOT_TITLE], page->title, 1);
    fill(&slots[SSO_SLOT_SITE], host ? host + 3 : NULL, 0);
    fill(&slots[SSO_SLOT_HOME], host ? apr_pstrcat(pool, request->origin, "/", NULL) : "/", 0);
    fill(&slots[SSO_SLOT_ERROR_ID], page->error_id, 0);
    fill(&slots[SSO_SLOT_DETAIL], page->say.word ? page->say.word : page->say.value,
         page->say.word != NULL);
    fill_paragraphs(pool, page, &slots[SSO_SLOT_PARAGRAPHS]);
    fill_actions(pool, page, &slots[SSO_SLOT_ACTIONS]);
}

/* ---- answering ---- */

sso_action_t *sso_page_action(sso_page_t *page, apr_pool_t *pool, const char *label,
                              const char *href, int post)
{
    sso_action_t *action;

    if (!page->actions)
        page->actions = apr_array_make(pool, 2, sizeof(sso_action_t));
    action = &APR_ARRAY_PUSH(page->actions, sso_action_t);
    action->label = label;
    action->href = href;
    action->post = post;
    action->last = 0;
    action->fields = NULL;
    return action;
}

static int posts(const sso_page_t *page)
{
    int i;

    for (i = 0; page->actions && i < page->actions->nelts; i++)
        if (APR_ARRAY_IDX(page->actions, i, sso_action_t).post)
            return 1;
    return 0;
}

/*
 * A page may show the styles that stand in it and nothing else; one of the site's own also the
 * site's images and fonts. Where there is a button that posts, form-action is left open: browsers
 * hold it against the redirect that follows, which leads to the provider.
 */
static const char *policy(sso_ctx_t *ctx, const sso_pages_t *pages, const sso_page_t *page)
{
    const char *styles = sso_template_styles(pages->templates[page->kind]);

    return apr_pstrcat(ctx->pool, "default-src 'none'; style-src ",
                       pages->own ? "'self' " : *styles ? "" : "'none'", styles, "; ",
                       pages->own ? "img-src 'self' data:; font-src 'self'; " : "",
                       posts(page) ? "" : "form-action 'none'; ",
                       "frame-ancestors 'none'; base-uri 'none'", NULL);
}

/* What is left when there is no page: it must not happen, and nobody shall see a blank one. */
static const char bare_page[] =
    "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Error</title></head>"
    "<body><main><h1>This site has a problem</h1></main></body></html>\n";

static sso_rc_e render(sso_ctx_t *ctx, const sso_request_t *request, const sso_page_t *page,
                       sso_answer_t *answer)
{
    const sso_pages_t *pages = request->site->pages;
    const sso_language_t *language;
    sso_fill_t slots[SSO_SLOT_COUNT];
    const char *html;

    if (!pages)
        SSO_TRY(sso_pages_load(ctx, NULL, &pages));
    language = sso_language_choose(pages->languages,
                                   apr_table_get(request->headers, "Accept-Language"));
    memset(slots, 0, sizeof(slots));
    fill_page(ctx->pool, request, page, language, slots);
    html = sso_template_render(ctx->pool, pages->templates[page->kind], slots, language);
    if (!html) { /* a line of its own: the page may be about another failure */
        sso_log(ctx, SSO_LOG_ERROR, 1280, "the page '%s' would be over %d bytes", page->title,
                SSO_TEMPLATE_HTML_MAX);
        return SSO_BROKEN;
    }
    answer->body = html;
    apr_table_setn(answer->headers, "Content-Language", language->tag);
    apr_table_setn(answer->headers, "Content-Security-Policy", policy(ctx, pages, page));
    return SSO_OK;
}

void sso_page_answer(sso_ctx_t *ctx, const sso_request_t *request, const sso_page_t *page,
                     sso_answer_t *answer)
{
    answer->what = SSO_ANSWER_RESPOND;
    answer->status = page->status;
    answer->content_type = "text/html; charset=utf-8";
    answer->error_id = page->error_id;
    apr_table_setn(answer->headers, "Cache-Control", "no-store");
    apr_table_setn(answer->headers, "X-Content-Type-Options", "nosniff");
    /* a kept form goes to an app that may look at its Origin, which no-referrer makes "null" */
    apr_table_setn(answer->headers, "Referrer-Policy",
                   page->kind == SSO_PAGE_REPLAY ? "strict-origin" : "no-referrer");
    apr_table_mergen(answer->headers, "Vary", "Accept-Language");
    if (render(ctx, request, page, answer) == SSO_OK)
        return;
    answer->status = 500;
    answer->body = bare_page;
    apr_table_setn(answer->headers, "Content-Security-Policy",
                   "default-src 'none'; frame-ancestors 'none'; base-uri 'none'");
}

static void fault_json(sso_ctx_t *ctx, const sso_fault_t *fault, const char *id,
                       sso_answer_t *answer)
{
    json_t *body = json_pack("{s:s,s:s,s:s}", "error", fault->code, "message", fault->text,
                             "error_id", id);

    sso_answer_json(ctx, fault->status, sso_json_print(ctx->pool, body), answer);
    json_decref(body);
}

/* What a provider asked for, if that is a number of seconds up to a day or a date; else our own. */
static const char *retry_after(const char *asked)
{
    apr_size_t length = asked ? strlen(asked) : 0;

    if (length && strspn(asked, "0123456789") == length)
        return length <= 5 ? asked : "86400";
    return length == 29 && !strcmp(asked + 25, " GMT") ? asked : "5";
}

/* From every page there is a way on: to where the step began, else to sign-in or the front page. */
static void add_way_on(sso_ctx_t *ctx, const sso_request_t *request, const sso_fault_t *fault,
                       const sso_answer_t *answer, sso_page_t *page)
{
    const char *label = answer->retry_label ? answer->retry_label : SSO_T("Try again");
    const char *href = answer->retry;
    int elsewhere = fault->status == 404 || fault->status == 405 || fault->status == 413
                    || !strcmp(fault->code, "cross_origin");

    if (!href && !request->origin)
        href = "/"; /* nothing is known of this site's own address */
    else if (!href && elsewhere) {
        label = SSO_T("Go to the front page");
        href = apr_pstrcat(ctx->pool, request->origin, "/", NULL);
    }
    else if (!href) {
        href = sso_login_link(ctx, request, NULL, NULL);
        if (fault->status == 401 || ctx->err.number == 681)
            label = SSO_T("Sign in");
    }
    sso_page_action(page, ctx->pool, label, href, 0);
}

void sso_page_fault(sso_ctx_t *ctx, const sso_request_t *request, int as_json,
                    sso_answer_t *answer)
{
    const sso_fault_t *fault = sso_fault_find(&ctx->err);
    const char *id = "none", *detail = ctx->err.detail;
    sso_page_t page = { .kind = fault->page, .status = fault->status, .title = fault->title,
                        .text = fault->text, .say = ctx->err.say };

    sso_random_text(ctx, ID_BYTES, &id);
    if (fault->status == 503)
        apr_table_setn(answer->headers, "Retry-After", retry_after(detail));
    if (fault->status == 401 && !apr_table_get(answer->headers, "WWW-Authenticate"))
        apr_table_setn(answer->headers, "WWW-Authenticate",
                       apr_psprintf(ctx->pool, "Bearer realm=\"%s\"", request->origin));
    if (as_json) {
        fault_json(ctx, fault, id, answer);
        answer->error_id = id;
        return;
    }
    page.error_id = id;
    add_way_on(ctx, request, fault, answer, &page);
    sso_page_answer(ctx, request, &page, answer);
}
