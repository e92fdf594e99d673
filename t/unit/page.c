/* SPDX-License-Identifier: Apache-2.0 */
/* sso_page.c, sso_pages.c: each kind of page in each language, as built in. */
#include "sso_page.h"
#include "sso_pages.h"
#include "tap.h"

#define EVIL "</title><script>alert(1)</script>\"'><img src=x onerror=alert(1)>&amp;"
#define EVIL_HTML "&lt;/title&gt;&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&gt;" \
                  "&lt;img src=x onerror=alert(1)&gt;&amp;amp;"

static const char *const languages[] = { "en", "ar", "de", "es", "fr" };
static const char *const again[] = { "Try again", "إعادة المحاولة", "Noch einmal versuchen",
                                     "Intentar de nuevo", "Réessayer" };

static int count(const char *text, const char *word)
{
    int found = 0;

    while ((text = strstr(text, word))) {
        found++;
        text += strlen(word);
    }
    return found;
}

/* A page that has everything a page can have. */
static const char *render(sso_ctx_t *ctx, const sso_site_t *site, sso_page_e kind,
                          const char *accept, sso_answer_t *answer)
{
    sso_request_t request = { .site = site, .origin = "https://studio.example" };
    sso_page_t page = { .kind = kind, .status = 200, .title = SSO_T("Try again"),
                        .text = EVIL "\nsecond", .error_id = "abcd1234",
                        .say = { .text = SSO_T("You are signed in as %s."), .value = EVIL } };
    apr_table_t *fields = apr_table_make(ctx->pool, 2);

    memset(answer, 0, sizeof(*answer));
    answer->headers = apr_table_make(ctx->pool, 8);
    request.headers = apr_table_make(ctx->pool, 1);
    apr_table_setn(request.headers, "Accept-Language", accept);
    apr_table_addn(fields, "line", "a\nb");
    apr_table_addn(fields, "line", EVIL);
    sso_page_action(&page, ctx->pool, EVIL, "https://lms.example/?a=1&b=" EVIL, 0)->last = 1;
    sso_page_action(&page, ctx->pool, SSO_T("Try again"), "javascript:alert(1)", 0);
    sso_page_action(&page, ctx->pool, SSO_T("Sign out"), "https://studio.example/out", 1)->fields =
        fields;
    sso_page_answer(ctx, &request, &page, answer);
    return answer->body;
}

static void each(sso_ctx_t *ctx, const sso_site_t *site)
{
    unsigned kind, i;

    for (kind = 0; kind < SSO_PAGE_COUNT; kind++)
        for (i = 0; i < SSO_COUNT(languages); i++) {
            sso_answer_t answer;
            const char *html = render(ctx, site, (sso_page_e)kind, languages[i], &answer);
            const char *tag = languages[i];

            is_int(answer.status, 200, "page %u, %s", kind, tag);
            is(apr_table_get(answer.headers, "Content-Language"), tag, "says so");
            ok(strstr(html, apr_psprintf(ctx->pool, "<html lang=\"%s\" dir=\"%s\">", tag,
                                         i == 1 ? "rtl" : "ltr")), "in its direction");
            ok(strstr(html, apr_pstrcat(ctx->pool, "<h1>", again[i], "</h1>", NULL)), "heading");
            ok(strstr(html, apr_pstrcat(ctx->pool, "<title>", again[i], " · studio.example</title>",
                                        NULL)), "title");
            ok(strstr(html, "<p>" EVIL_HTML "</p>") && strstr(html, "<p>second</p>"), "paragraphs");
            ok(strstr(html, "<bdi>" EVIL_HTML "</bdi>"), "a value on its own");
            ok(!strstr(html, "<script") && !strstr(html, "<img") && !strstr(html, "javascript:"),
               "nothing gets out");
            ok(strstr(html, "<a href=\"https://lms.example/?a=1&amp;b=" EVIL_HTML "\""), "a link");
            ok(strstr(html, "<a href=\"#\">"), "one that leads nowhere");
            is_int(count(html, "<a "), kind == SSO_PAGE_SIGN_IN ? 3 : 2, "links");
            is_int(count(html, "<main>") + count(html, "</main>"), 2, "main part");
        }
}

/* What a form has to bring back. */
static void form(sso_ctx_t *ctx, const sso_site_t *site)
{
    sso_answer_t answer;
    const char *html = render(ctx, site, SSO_PAGE_REPLAY, NULL, &answer);

    ok(strstr(html, "<form method=\"post\" action=\"https://studio.example/out\">"
                    "<input type=\"hidden\" name=\"line\" value=\"a\nb\">"
                    "<input type=\"hidden\" name=\"line\" value=\"" EVIL_HTML "\">"
                    "<button>Sign out</button></form>"), "its fields, in order");
    ok(!strstr(apr_table_get(answer.headers, "Content-Security-Policy"), "form-action"),
       "the policy lets it be posted");
    is(apr_table_get(answer.headers, "Referrer-Policy"), "strict-origin", "with an Origin");
    html = render(ctx, site, SSO_PAGE_SIGN_IN, NULL, &answer);
    ok(strstr(html, " class=\"last\">" EVIL_HTML " <span class=\"note\">Last used</span></a>"),
       "the choice of last time");
}

static void policy(sso_ctx_t *ctx, const sso_site_t *site)
{
    sso_request_t request = { .site = site, .origin = NULL };
    sso_page_t page = { .status = 400, .title = "t" };
    sso_answer_t answer = { .headers = apr_table_make(ctx->pool, 8) };
    const char *text;

    request.headers = apr_table_make(ctx->pool, 1);
    sso_page_answer(ctx, &request, &page, &answer);
    text = apr_table_get(answer.headers, "Content-Security-Policy");
    ok(strstr(text, "default-src 'none'; style-src 'sha256-") == text, "one style, by its digest");
    ok(!strstr(text, "unsafe") && !strstr(text, "img-src") && !strstr(text, "script-src"),
       "nothing else");
    ok(strstr(text, "; form-action 'none'; frame-ancestors 'none'; base-uri 'none'"), "its end");
    is(apr_table_get(answer.headers, "Vary"), "Accept-Language", "Vary");
    ok(!strstr(answer.body, "<header>") && strstr(answer.body, "<title>t</title>"),
       "a host that is not ours is not shown");
}

int main(void)
{
    sso_ctx_t *ctx = tap_ctx();
    sso_site_t site = { .realm = "x" };
    const sso_pages_t *pages = NULL;

    ok(sso_pages_load(ctx, NULL, &pages) == SSO_OK, "what is built in loads: %s", ctx->err.text);
    is_int(pages->languages->nelts, SSO_COUNT(languages), "languages");
    is(tap_log_text, "", "without a word");
    site.pages = pages;
    each(ctx, &site);
    form(ctx, &site);
    policy(ctx, &site);
    site.pages = NULL;
    policy(ctx, &site);
    return tap_done();
}
