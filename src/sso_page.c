/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pages: one template, one escaping writer.
 */
#include "sso_page.h"

#include "sso_json.h"

#include <apr_base64.h>
#include <apr_strings.h>
#include <string.h>

#define ID_BYTES 6 /* of an error id: enough to find one line of a log */

static const char style[] =
    ":root{color-scheme:light dark;--fg:#1b1f24;--bg:#f6f8fa;--card:#fff;"
    "--line:#d0d7de;--go:#0b5cad}"
    "@media(prefers-color-scheme:dark){:root{--fg:#e6edf3;--bg:#0d1117;--card:#161b22;"
    "--line:#3d444d;--go:#1f6feb}}"
    "*{box-sizing:border-box}"
    "body{margin:0;min-height:100vh;display:grid;place-items:center;background:var(--bg);"
    "color:var(--fg);font:1.0625rem/1.55 system-ui,sans-serif}"
    "main{width:min(30rem,calc(100vw - 2rem));margin:1rem;padding:2rem;background:var(--card);"
    "border:1px solid var(--line);border-radius:.75rem}"
    "h1{margin:0 0 1rem;font-size:1.5rem;line-height:1.25}p{margin:0 0 1rem;overflow-wrap:anywhere}"
    "ul{list-style:none;margin:1.5rem 0 0;padding:0;display:grid;gap:.75rem}form{margin:0}"
    "a,button{display:block;width:100%;padding:.75rem 1rem;border:0;border-radius:.5rem;"
    "background:var(--go);color:#fff;font:inherit;font-weight:600;text-align:center;"
    "text-decoration:none;cursor:pointer}"
    "a:focus-visible,button:focus-visible{outline:3px solid var(--fg);outline-offset:2px}"
    "small{display:block;margin-top:1.5rem;opacity:.8}";

static int posts(const sso_page_t *page)
{
    int i;

    for (i = 0; page->actions && i < page->actions->nelts; i++)
        if (APR_ARRAY_IDX(page->actions, i, sso_action_t).post)
            return 1;
    return 0;
}

/*
 * A page may show its own style and nothing else. Where there is a button that posts, form-action
 * is left open: browsers hold it against the redirect that follows, which leads to the provider.
 */
static const char *policy(sso_ctx_t *ctx, const sso_page_t *page)
{
    unsigned char digest[SSO_DIGEST_BYTES];
    char text[64];

    if (sso_sha256(ctx, style, sizeof(style) - 1, digest) != SSO_OK)
        return "default-src 'none'; frame-ancestors 'none'; base-uri 'none'";
    apr_base64_encode_binary(text, digest, sizeof(digest));
    return apr_pstrcat(ctx->pool, "default-src 'none'; style-src 'sha256-", text,
                       "'; ", posts(page) ? "" : "form-action 'none'; ",
                       "frame-ancestors 'none'; base-uri 'none'", NULL);
}

static const char *paragraphs(sso_ctx_t *ctx, const char *text)
{
    const char *html = "";

    while (text && *text) {
        apr_size_t length = strcspn(text, "\n");

        html = apr_pstrcat(ctx->pool, html, "<p>",
                           sso_html(ctx->pool, apr_pstrmemdup(ctx->pool, text, length)), "</p>\n",
                           NULL);
        text += length + (text[length] == '\n');
    }
    return html;
}

/* A sentence with its value. */
static const char *sentence(sso_ctx_t *ctx, const sso_say_t *say)
{
    const char *mark = strstr(say->text, "%s"), *value = say->word ? say->word : say->value;

    if (!mark)
        return say->text;
    return apr_pstrcat(ctx->pool, apr_pstrmemdup(ctx->pool, say->text,
                                                 (apr_size_t)(mark - say->text)),
                       value ? value : "", mark + 2, NULL);
}

static const char *fields(sso_ctx_t *ctx, const apr_table_t *table)
{
    const apr_array_header_t *rows = table ? apr_table_elts(table) : NULL;
    apr_array_header_t *parts = apr_array_make(ctx->pool, 8, sizeof(const char *));
    int i;

    for (i = 0; rows && i < rows->nelts; i++) {
        const apr_table_entry_t *row = &APR_ARRAY_IDX(rows, i, apr_table_entry_t);

        APR_ARRAY_PUSH(parts, const char *) =
            apr_pstrcat(ctx->pool, "<input type=\"hidden\" name=\"", sso_html(ctx->pool, row->key),
                        "\" value=\"", sso_html(ctx->pool, row->val), "\">", NULL);
    }
    return apr_array_pstrcat(ctx->pool, parts, '\n');
}

static const char *actions(sso_ctx_t *ctx, const sso_page_t *page)
{
    const char *html = "";
    int i;

    for (i = 0; page->actions && i < page->actions->nelts; i++) {
        const sso_action_t *action = &APR_ARRAY_IDX(page->actions, i, sso_action_t);
        const char *href = sso_html(ctx->pool, action->href);
        const char *label = sso_html(ctx->pool, action->label);

        html = action->post
                   ? apr_pstrcat(ctx->pool, html, "<li><form method=\"post\" action=\"", href,
                                 "\">", fields(ctx, action->fields), "<button>", label,
                                 "</button></form></li>\n", NULL)
                   : apr_pstrcat(ctx->pool, html, "<li><a href=\"", href, "\">", label,
                                 action->last ? " <small>(last used)</small>" : "", "</a></li>\n",
                                 NULL);
    }
    return *html ? apr_pstrcat(ctx->pool, "<ul>\n", html, "</ul>\n", NULL) : "";
}

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

void sso_page_answer(sso_ctx_t *ctx, const sso_request_t *request, const sso_page_t *page,
                     sso_answer_t *answer)
{
    const char *title = sso_html(ctx->pool, page->title);
    const char *id = page->error_id
                         ? apr_pstrcat(ctx->pool, "<small>Error id: <code>",
                                       sso_html(ctx->pool, page->error_id), "</code></small>\n",
                                       NULL)
                         : "";

    (void)request;
    answer->what = SSO_ANSWER_RESPOND;
    answer->status = page->status;
    answer->content_type = "text/html; charset=utf-8";
    answer->error_id = page->error_id;
    answer->body = apr_pstrcat(ctx->pool,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>", title,
        "</title>\n<style>", style, "</style>\n</head>\n<body>\n<main>\n<h1>", title, "</h1>\n",
        paragraphs(ctx, page->text),
        page->say.text ? paragraphs(ctx, sentence(ctx, &page->say)) : "", actions(ctx, page), id,
        "</main>\n</body>\n</html>\n", NULL);
    apr_table_setn(answer->headers, "Content-Security-Policy", policy(ctx, page));
    apr_table_setn(answer->headers, "Cache-Control", "no-store");
    apr_table_setn(answer->headers, "X-Content-Type-Options", "nosniff");
    apr_table_setn(answer->headers, "Referrer-Policy", "no-referrer");
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
    if (detail && (fault->status == 403 || fault->status == 405))
        page.text = apr_pstrcat(ctx->pool, fault->text, "\n", detail, NULL);
    if (answer->retry)
        sso_page_action(&page, ctx->pool,
                        answer->retry_label ? answer->retry_label : SSO_T("Try again"),
                        answer->retry, 0);
    sso_page_answer(ctx, request, &page, answer);
}
