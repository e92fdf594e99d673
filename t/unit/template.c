/* SPDX-License-Identifier: Apache-2.0 */
/* sso_template.c: every value gets the escape of its place, and nothing gets out of it. */
#include "sso_template.h"
#include "tap.h"

#define EVIL "</title></style><script>alert(1)</script>\"'><img src=x onerror=alert(1)>&amp;\\"

enum { NAME, URL, PATH, EMPTY, TEXT, SAID, LIST };
enum { ITEM, INNER };

static const sso_slot_t inner_slots[] = { { "deep", NULL }, { NULL, NULL } };
static const sso_slot_t list_slots[] = { { "item", NULL }, { "inner", inner_slots },
                                         { NULL, NULL } };
static const sso_slot_t slots[] = {
    { "name", NULL }, { "url", NULL }, { "path", NULL }, { "empty", NULL }, { "text", NULL },
    { "said", NULL }, { "list", list_slots }, { NULL, NULL }
};

static const char *page, *other;

static const char *file(void *baton, const char **name)
{
    (void)baton;
    return !strcmp(*name, "page") ? page : !strcmp(*name, "other") ? other
           : !strcmp(*name, "self") ? "{{>self}}" : NULL;
}

static const sso_fill_t *fills(apr_pool_t *pool)
{
    sso_fill_t *made = apr_pcalloc(pool, 7 * sizeof(*made)), *row;
    apr_array_header_t *rows = apr_array_make(pool, 2, sizeof(sso_fill_t *)), *deep;

    made[NAME].say.text = EVIL;
    made[URL].say.text = "https://a.example/?x=\"&y=<";
    made[PATH].say.text = "/x";
    made[EMPTY].say.text = "";
    made[TEXT].say.text = "Hello";
    made[TEXT].translate = 1;
    made[SAID].say.text = "You are %s.";
    made[SAID].say.value = "<%s>";
    made[SAID].translate = 1;
    made[LIST].rows = rows;
    row = apr_pcalloc(pool, 2 * sizeof(*row));
    row[ITEM].say.text = "1";
    APR_ARRAY_PUSH(rows, sso_fill_t *) = row;
    row = apr_pcalloc(pool, 2 * sizeof(*row));
    row[ITEM].say.text = "2";
    deep = apr_array_make(pool, 1, sizeof(sso_fill_t *));
    row[INNER].rows = deep;
    APR_ARRAY_PUSH(rows, sso_fill_t *) = row;
    row = apr_pcalloc(pool, sizeof(*row));
    row[0].say.text = "&";
    APR_ARRAY_PUSH(deep, sso_fill_t *) = row;
    return made;
}

static const char *filled(sso_ctx_t *ctx, const sso_language_t *language)
{
    const sso_template_source_t source = { file, NULL };
    const sso_template_t *compiled;

    if (sso_template_compile(ctx, &source, "page", slots, &compiled) != SSO_OK)
        return ctx->err.text;
    return sso_template_render(ctx->pool, compiled, fills(ctx->pool), language);
}

#define EVIL_HTML "&lt;/title&gt;&lt;/style&gt;&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;" \
                  "&gt;&lt;img src=x onerror=alert(1)&gt;&amp;amp;\\"
#define EVIL_PCT "%3C%2Ftitle%3E%3C%2Fstyle%3E%3Cscript%3Ealert%281%29%3C%2Fscript%3E%22%27%3E" \
                 "%3Cimg%20src%3Dx%20onerror%3Dalert%281%29%3E%26amp%3B%5C"

static const struct { const char *page, *out; } goods[] = {
    { "", "" },
    { "a < b & c {x} }} < ", "a < b & c {x} }} < " },
    { "<p>{{name}}</p>", "<p>" EVIL_HTML "</p>" },
    { "<title>{{ name }}</title>", "<title>" EVIL_HTML "</title>" },
    { "<textarea>{{name}}</textarea>", "<textarea>" EVIL_HTML "</textarea>" },
    { "<i title=\"{{name}}\">", "<i title=\"" EVIL_HTML "\">" },
    { "<i title='{{name}}'>", "<i title='" EVIL_HTML "'>" },
    { "<i title = \"a>{{name}}\">", "<i title = \"a>" EVIL_HTML "\">" },
    { "<a href=\"{{name}}\">", "<a href=\"#\">" },
    { "<A HREF='{{url}}'>", "<A HREF='https://a.example/?x=&quot;&amp;y=&lt;'>" },
    { "<a href=\"{{path}}\">", "<a href=\"/x\">" },
    { "<form action=\"{{path}}?n={{name}}\">", "<form action=\"/x?n=" EVIL_PCT "\">" },
    { "<a href=\"/?{{url}}\">", "<a href=\"/?https%3A%2F%2Fa.example%2F%3Fx%3D%22%26y%3D%3C\">" },
    { "<a href=\"mailto:a@b?subject={{name}}\">", "<a href=\"mailto:a@b?subject=" EVIL_PCT "\">" },
    { "{{#name}}yes{{/name}}{{^name}}no{{/name}}", "yes" },
    { "{{#empty}}yes{{/empty}}{{^empty}}no{{/empty}}", "no" },
    { "<li {{#path}}class=\"x\"{{/path}}>", "<li class=\"x\">" },
    { "<li class=\"a{{#path}} b{{/path}}\">", "<li class=\"a b\">" },
    { "{{#list}}[{{item}}{{path}}{{#inner}}{{item}}{{deep}}{{/inner}}{{^inner}}-{{/inner}}]"
      "{{/list}}",
      "[1/x-][2/x2&amp;]" },
    { "{{^list}}none{{/list}}", "" },
    { "{{text}} {{t Hello}} {{t Bye}}", "Hallo &lt;b&gt; Hallo &lt;b&gt; Bye" },
    { "{{said}}", "Sie: <bdi>&lt;%s&gt;</bdi>!" },
    { "<i title=\"{{said}}\">", "<i title=\"Sie: &lt;%s&gt;!\">" },
    { "<!-- x > -- {x} --><!DOCTYPE html>{{path}}", "<!-- x > -- {x} --><!DOCTYPE html>/x" },
    { "<br/>{{path}}</br/>{{path}}<x-y z>{{path}}", "<br/>/x</br/>/x<x-y z>/x" },
    { "<i a b=c d = 'e' f>{{path}}", "<i a b=c d = 'e' f>/x" },
    { "<title></titles></title >{{path}}", "<title></titles></title >/x" },
    { "< {{path}} <1{{path}}", "< /x <1/x" },
    { "({{>other}})", "(<b>/x\n</b>)" },
};

static void good(sso_ctx_t *ctx)
{
    const sso_language_t *german = NULL;
    unsigned i;

    other = "<b>{{path}}\n</b>";
    ok(sso_language_read(ctx, "de.lang", "de",
                         sso_bytes("Hello\n= Hallo <b>\nYou are %s.\n= Sie: %s!\n"), NULL, &german)
       == SSO_OK, "a catalogue");
    for (i = 0; i < SSO_COUNT(goods); i++) {
        page = goods[i].page;
        is(filled(ctx, german), goods[i].out, "%s", goods[i].page);
        sso_forgive(ctx);
    }
}

static const struct { const char *page, *complaint; } bads[] = {
    { "\n\n{{nam}}", "page: line 3: {{nam}}: there is no such name here; did you mean 'name'?" },
    { "{{zzzzzz}}", "there are: name url path empty text said list" },
    { "{{item}}", "no such name here" },
    { "{{list}}", "is a list" },
    { "{{}}", "is empty" },
    { "{{  }}", "is empty" },
    { "{{name", "no }} after it on this line" },
    { "{{name\n}}", "no }} after it on this line" },
    { "{{#name}}", "name: this section has no end" },
    { "{{/name}}", "not the one that is open here" },
    { "{{#name}}{{#path}}{{/name}}{{/path}}", "not the one that is open here" },
    { "{{#name}}<i>{{/name}}<b {{#path}}>{{/path}}", "ends in another part" },
    { "<i title=\"{{#path}}\"{{/path}}>", "ends in another part" },
    { "<i a=\"{{#path}}\" b=\"{{/path}}\">", "ends in another part" },
    { "{{#path}}<title>{{/path}}</title>", "ends in another part" },
    { "<li{{#path}} a=\"x\"{{/path}}>", "begin here: leave a blank before it" },
    { "<i title={{name}}>", "needs quotes" },
    { "<i title=a{{name}}>", "needs quotes" },
    { "<i title = {{name}}>", "needs quotes" },
    { "<i {{name}}>", "values of attributes" },
    { "<i{{name}}>", "values of attributes" },
    { "<i a{{name}}=\"\">", "values of attributes" },
    { "<i/{{name}}>", "values of attributes" },
    { "<style>{{name}}</style>", "into a style" },
    { "<style>{{#name}}{{/name}}</style>", "no section can begin here" },
    { "<STYLE>a</styles>{{t x}}</STYLE>", "into a style" },
    { "<!-- {{name}} -->", "into a comment" },
    { "<!--> {{name}} -->", "into a comment" },
    { "<!DOCTYPE {{name}}>", "into a comment" },
    { "<p>\n<script>", "line 2: script: this element is not for pages" },
    { "<SCRIPT\n>", "not for pages" },
    { "<svg/onload=x>", "not for pages" },
    { "<iframe src=\"/\"></iframe>", "not for pages" },
    { "<base href=\"/\">", "not for pages" },
    { "<p onclick=\"x\">", "onclick: an event handler" },
    { "<p a=b ONfocus=\"{{name}}\">", "an event handler" },
    { "<p/onclick>", "an event handler" },
    { "<p title=\"\"onclick=''>", "an event handler" },
    { "<p style=\"a\">", "style: this attribute" },
    { "<meta http-equiv=\"refresh\">", "this attribute" },
    { "<a href=\"{{t Hello}}\">", "a text is no URL" },
    { "<{{name}}>", "nothing can be put in right after it" },
    { "</{{name}}>", "nothing can be put in right after it" },
    { "{{#path}}<{{/path}}{{name}}>", "nothing can be put in right after it" },
    { "{{#path}}</{{/path}}{{name}}>", "nothing can be put in right after it" },
    { "<{{#path}}a href={{/path}}{{name}}>", "nothing can be put in right after it" },
    { "a <", "nothing can be put in right after it" },
    { "<p", "still open" },
    { "<p a=\"", "still open" },
    { "<!-- ", "still open" },
    { "<style>", "still open" },
    { "{{>nothing}}", "there is no such part" },
    { "{{>self}}", "too many files within files" },
    { "<i title=\"{{>other}}\">", "no file can be put in here" },
    { "{{>other}}", "at its end: a tag, a quote or a comment is still open" },
    { "{{#list}}{{#inner}}{{#list}}{{#list}}{{/list}}{{/list}}{{/inner}}{{/list}}",
      "too many sections" },
    { "{{#path}}{{#path}}{{#path}}{{#path}}{{#path}}{{#path}}{{#path}}{{#path}}{{#path}}"
      "{{#path}}{{#path}}{{#path}}{{#path}}{{#path}}{{#path}}{{#path}}{{#path}}",
      "too many sections" },
};

static void bad(sso_ctx_t *ctx)
{
    unsigned i;

    other = "<b";
    for (i = 0; i < SSO_COUNT(bads); i++) {
        page = bads[i].page;
        filled(ctx, NULL);
        ok(ctx->err.rc == SSO_MISCONFIG && ctx->err.number == 1271
           && strstr(ctx->err.text, bads[i].complaint), "%s", bads[i].page);
        if (!strstr(ctx->err.text, bads[i].complaint))
            printf("#   %s\n", ctx->err.text);
        sso_forgive(ctx);
    }
}

static void urls(sso_ctx_t *ctx)
{
    static const struct { const char *url; int good; } rows[] = {
        { "https://a/", 1 }, { "http://a/", 1 }, { "/", 1 }, { "/a?b#c", 1 },
        { "", 0 }, { "//a/", 0 }, { "/\\a", 0 }, { "\\/a", 0 }, { "/\t/a", 0 }, { "\n/a", 0 },
        { "javascript:alert(1)", 0 }, { "JavaScript:alert(1)", 0 }, { " https://a/", 0 },
        { "data:text/html,x", 0 }, { "https:a", 0 }, { "a", 0 }, { "https:/\\a", 0 },
    };
    const sso_template_source_t source = { file, NULL };
    const sso_template_t *compiled = NULL;
    sso_fill_t values[7];
    unsigned i;

    page = "<a href=\"{{url}}\">";
    ok(sso_template_compile(ctx, &source, "page", slots, &compiled) == SSO_OK, "a link");
    for (i = 0; i < SSO_COUNT(rows); i++) {
        memset(values, 0, sizeof(values));
        values[URL].say.text = rows[i].url;
        is(sso_template_render(ctx->pool, compiled, values, NULL),
           apr_pstrcat(ctx->pool, "<a href=\"", rows[i].good ? rows[i].url : "#", "\">", NULL),
           "'%s'", rows[i].url);
    }
}

static void styles(sso_ctx_t *ctx)
{
    const sso_template_source_t source = { file, NULL };
    const sso_template_t *compiled = NULL;

    page = "<style>{{>other}}</style><style></style>";
    other = "a{}";
    ok(sso_template_compile(ctx, &source, "page", slots, &compiled) == SSO_OK, "two styles");
    is(sso_template_styles(compiled),
       "'sha256-X1RutGBrXCt9KkSaXMK7tHftWiRscFHOhxsS8tv8hBk=' "
       "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='", "each has its digest");
    page = "<p>";
    ok(sso_template_compile(ctx, &source, "page", slots, &compiled) == SSO_OK, "none");
    is(sso_template_styles(compiled), "", "has none");
}

/* What a template of many loops makes of a long list is bounded. */
static void bounds(sso_ctx_t *ctx)
{
    const sso_template_source_t source = { file, NULL };
    const sso_template_t *compiled = NULL;
    sso_fill_t values[7];
    sso_fill_t row[2];
    apr_array_header_t *rows = apr_array_make(ctx->pool, 64, sizeof(sso_fill_t *));
    char *text = apr_pcalloc(ctx->pool, 70001);
    int i;

    memset(values, 0, sizeof(values));
    memset(row, 0, sizeof(row));
    for (i = 0; i < 64; i++)
        APR_ARRAY_PUSH(rows, sso_fill_t *) = row;
    values[LIST].rows = rows;
    memset(text, 'x', 70000);
    values[NAME].say.text = text;
    page = "{{#list}}{{name}}{{/list}}";
    ok(sso_template_compile(ctx, &source, "page", slots, &compiled) == SSO_OK, "a loop");
    ok(!sso_template_render(ctx->pool, compiled, values, NULL), "over 4 MiB: none");
    rows->nelts = 59;
    is_int(strlen(sso_template_render(ctx->pool, compiled, values, NULL)), 59 * 70000,
           "under: all of it");
    text = apr_pcalloc(ctx->pool, 4000 * 8 + 100);
    for (i = 0; i < 4001; i++)
        strncat(text + i * 8, "{{name}}", 9);
    page = text;
    ok(sso_template_compile(ctx, &source, "page", slots, &compiled) == SSO_MISCONFIG,
       "a template has at most 4000 marks");
    sso_forgive(ctx);
}

int main(void)
{
    sso_ctx_t *ctx = tap_ctx();

    good(ctx);
    bad(ctx);
    urls(ctx);
    styles(ctx);
    bounds(ctx);
    return tap_done();
}
