/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Templates filled in: every value goes through one of four escapes.
 */
#include "sso_template_ops.h"
#include "sso_text.h"

#include <apr_strings.h>
#include <string.h>

typedef struct writer_t {
    apr_pool_t *pool;
    const sso_language_t *language;
    char *text;
    apr_size_t length, size;
    int over;
} writer_t;

static void put(writer_t *out, const char *text, apr_size_t length)
{
    if (out->over || length >= SSO_TEMPLATE_HTML_MAX - out->length) {
        out->over = 1;
        return;
    }
    if (out->length + length >= out->size) {
        char *grown;

        while (out->length + length >= out->size)
            out->size *= 2;
        grown = apr_palloc(out->pool, out->size);
        memcpy(grown, out->text, out->length);
        out->text = grown;
    }
    memcpy(out->text + out->length, text, length);
    out->length += length;
}

static void put_html(writer_t *out, const char *text)
{
    const char *escaped = sso_html(out->pool, text);

    put(out, escaped, strlen(escaped));
}

/* A text with its value, which may be written in the other direction: isolated where it can be. */
static void put_sentence(writer_t *out, const char *text, const char *value, int isolate)
{
    const char *mark = value ? strstr(text, "%s") : NULL;

    if (!mark) {
        put_html(out, text);
        return;
    }
    put_html(out, apr_pstrmemdup(out->pool, text, (apr_size_t)(mark - text)));
    if (isolate)
        put(out, "<bdi>", 5);
    put_html(out, value);
    if (isolate)
        put(out, "</bdi>", 6);
    put_html(out, mark + 2);
}

/* Browsers drop tabs and newlines from URLs and take \ for /, so both are out. */
static int url_ok(const char *url)
{
    const char *c;

    for (c = url; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == '\\')
            return 0;
    return !strncmp(url, "https://", 8) || !strncmp(url, "http://", 7)
           || (url[0] == '/' && url[1] != '/');
}

static void put_value(writer_t *out, escape_e escape, const sso_fill_t *fill)
{
    const char *text = fill->say.text ? fill->say.text : "";
    const char *value = fill->say.word ? sso_language_text(out->language, fill->say.word)
                                       : fill->say.value;

    if (fill->translate)
        text = sso_language_text(out->language, text);
    if (escape == ESCAPE_URL)
        put_html(out, url_ok(text) ? text : "#");
    else if (escape == ESCAPE_PART)
        put_html(out, sso_pct_encode(out->pool, text));
    else
        put_sentence(out, text, value, escape == ESCAPE_TEXT && !fill->say.word);
}

static int holds(const sso_fill_t *fill)
{
    return fill->rows ? fill->rows->nelts > 0 : fill->say.text && *fill->say.text;
}

static void run(writer_t *out, const apr_array_header_t *ops, int at, int end,
                const sso_fill_t **scopes);

static void run_section(writer_t *out, const apr_array_header_t *ops, int at,
                        const sso_fill_t **scopes)
{
    const op_t *op = &APR_ARRAY_IDX(ops, at, op_t);
    const sso_fill_t *fill = &scopes[op->scope][op->slot];
    const sso_fill_t *inner[SSO_TEMPLATE_SCOPES];
    int i, scope;

    if ((op->what == OP_UNLESS) == holds(fill))
        return;
    if (op->what == OP_UNLESS || !fill->rows) {
        run(out, ops, at + 1, op->end, scopes);
        return;
    }
    memcpy(inner, scopes, sizeof(inner));
    for (scope = 0; scope < SSO_TEMPLATE_SCOPES - 1 && inner[scope]; scope++)
        ;
    for (i = 0; i < fill->rows->nelts && !out->over; i++) {
        inner[scope] = APR_ARRAY_IDX(fill->rows, i, const sso_fill_t *);
        run(out, ops, at + 1, op->end, inner);
    }
}

static void run(writer_t *out, const apr_array_header_t *ops, int at, int end,
                const sso_fill_t **scopes)
{
    for (; at < end && !out->over; at++) {
        const op_t *op = &APR_ARRAY_IDX(ops, at, op_t);

        if (op->what == OP_LITERAL)
            put(out, op->text, op->length);
        else if (op->what == OP_TEXT)
            put_html(out, sso_language_text(out->language, op->text));
        else if (op->what == OP_VALUE)
            put_value(out, op->escape, &scopes[op->scope][op->slot]);
        else if (op->what != OP_END) {
            run_section(out, ops, at, scopes);
            at = op->end;
        }
    }
}

const char *sso_template_render(apr_pool_t *pool, const sso_template_t *compiled,
                                const sso_fill_t *fills, const sso_language_t *language)
{
    writer_t out = { .pool = pool, .language = language, .size = 16384 };
    const sso_fill_t *scopes[SSO_TEMPLATE_SCOPES] = { fills };

    out.text = apr_palloc(pool, out.size);
    run(&out, compiled->ops, 0, compiled->ops->nelts, scopes);
    if (out.over)
        return NULL;
    out.text[out.length] = '\0';
    return out.text;
}
