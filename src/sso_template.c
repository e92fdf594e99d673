/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Templates compiled to a list of operations. Where in HTML one is: sso_template_html.c. How it is
 * filled in: sso_template_fill.c.
 */
#include "sso_template.h"

#include "sso_template_html.h"
#include "sso_template_ops.h"
#include "sso_text.h"

#include <apr_base64.h>
#include <apr_strings.h>
#include <string.h>

#define MARK_MAX     400 /* bytes of what stands between {{ and }} */
#define INCLUDES_MAX 8   /* files within files */
#define SECTIONS_MAX 16  /* sections within sections */
#define OPS_MAX      4000

typedef struct section_t {
    const char *name;
    int op, depth, scoped;
    sso_html_place_t place;
} section_t;

typedef struct compiler_t {
    sso_ctx_t *ctx;
    const sso_template_source_t *source;
    apr_array_header_t *ops, *style;
    const char *styles;
    const char *file;
    int line, depth;
    sso_html_place_t place;
    section_t sections[SECTIONS_MAX];
    int section_count;
    const sso_slot_t *scopes[SSO_TEMPLATE_SCOPES];
    int scope;
} compiler_t;

/* ---- compiling ---- */

static sso_rc_e complain(const compiler_t *x, const char *name, const char *what)
{
    return sso_fail(x->ctx, SSO_MISCONFIG, 1271, "%s: line %d: %s%s%s", x->file, x->line, name,
                    *name ? ": " : "", what);
}

static op_t *add(compiler_t *x, op_e what)
{
    op_t *op = &APR_ARRAY_PUSH(x->ops, op_t);

    memset(op, 0, sizeof(*op));
    op->what = what;
    return op;
}

static void add_literal(compiler_t *x, const char *text, apr_size_t length)
{
    op_t *op;

    if (!length)
        return;
    op = add(x, OP_LITERAL);
    op->text = text;
    op->length = length;
}

static escape_e escape_here(const compiler_t *x)
{
    if (x->place.in == SSO_IN_TEXT)
        return ESCAPE_TEXT;
    if (!sso_html_in_url(&x->place))
        return ESCAPE_PLAIN;
    return x->place.at_start ? ESCAPE_URL : ESCAPE_PART;
}

/* "there is no such name" with the nearest one that there is. */
static sso_rc_e unknown_name(compiler_t *x, const char *name)
{
    apr_array_header_t *names = apr_array_make(x->ctx->pool, 16, sizeof(const char *));
    const char *near;
    int scope;

    for (scope = 0; scope <= x->scope; scope++) {
        const sso_slot_t *slot;

        for (slot = x->scopes[scope]; slot->name; slot++)
            APR_ARRAY_PUSH(names, const char *) = slot->name;
    }
    APR_ARRAY_PUSH(names, const char *) = NULL;
    near = sso_nearest(name, (const char *const *)(const void *)names->elts);
    names->nelts--;
    return complain(x, apr_pstrcat(x->ctx->pool, "{{", name, "}}", NULL),
                    near ? apr_psprintf(x->ctx->pool, "there is no such name here; did you mean "
                                        "'%s'?", near)
                         : apr_pstrcat(x->ctx->pool, "there is no such name here; there are: ",
                                       apr_array_pstrcat(x->ctx->pool, names, ' '), NULL));
}

/* The slot of a name, the innermost list's first. */
static const sso_slot_t *find(const compiler_t *x, const char *name, op_t *op)
{
    int scope;

    for (scope = x->scope; scope >= 0; scope--) {
        const sso_slot_t *slot;

        for (slot = x->scopes[scope]; slot->name; slot++)
            if (!strcmp(slot->name, name)) {
                op->scope = scope;
                op->slot = (int)(slot - x->scopes[scope]);
                return slot;
            }
    }
    return NULL;
}

static sso_rc_e take_value(compiler_t *x, const char *name)
{
    op_t found = { .what = OP_VALUE };
    const sso_slot_t *slot = find(x, name, &found);
    const char *refused = sso_html_refuses(&x->place);

    if (!slot)
        return unknown_name(x, name);
    if (slot->rows)
        return complain(x, name, "is a list: it is used as {{#name}}...{{/name}}");
    if (refused)
        return complain(x, name, refused);
    found.escape = escape_here(x);
    APR_ARRAY_PUSH(x->ops, op_t) = found;
    x->place.at_start = 0;
    return SSO_OK;
}

static sso_rc_e take_text(compiler_t *x, const char *text)
{
    const char *refused = sso_html_refuses(&x->place);
    op_t *op;

    if (refused)
        return complain(x, text, refused);
    if (sso_html_in_url(&x->place))
        return complain(x, text, "a text is no URL");
    op = add(x, OP_TEXT);
    op->escape = escape_here(x);
    op->text = text;
    x->place.at_start = 0;
    return SSO_OK;
}

static sso_rc_e open_section(compiler_t *x, const char *name, op_e what)
{
    op_t found = { .what = what };
    const sso_slot_t *slot = find(x, name, &found);
    section_t *section = &x->sections[x->section_count];

    if (!slot)
        return unknown_name(x, name);
    if (x->place.in != SSO_IN_TAG && sso_html_refuses(&x->place))
        return complain(x, name, "no section can begin here: leave a blank before it, or take it "
                        "out of the tag, style or comment");
    if (x->section_count == SECTIONS_MAX
        || (slot->rows && what == OP_SECTION && x->scope + 1 == SSO_TEMPLATE_SCOPES))
        return complain(x, name, "there are too many sections within sections");
    section->name = name;
    section->op = x->ops->nelts;
    section->depth = x->depth;
    section->place = x->place;
    section->scoped = slot->rows && what == OP_SECTION;
    if (section->scoped)
        x->scopes[++x->scope] = slot->rows;
    x->section_count++;
    APR_ARRAY_PUSH(x->ops, op_t) = found;
    return SSO_OK;
}

static sso_rc_e close_section(compiler_t *x, const char *name)
{
    const section_t *section = x->section_count ? &x->sections[x->section_count - 1] : NULL;

    if (!section || section->depth != x->depth || strcmp(section->name, name))
        return complain(x, name, "this section is not the one that is open here");
    if (!sso_html_same(&section->place, &x->place))
        return complain(x, name, "the section ends in another part of the HTML than it began in");
    x->section_count--;
    if (section->scoped)
        x->scope--;
    APR_ARRAY_IDX(x->ops, section->op, op_t).end = x->ops->nelts;
    add(x, OP_END);
    return SSO_OK;
}

static sso_rc_e compile_file(compiler_t *x, const char *name);

static sso_rc_e take_include(compiler_t *x, const char *name)
{
    const char *file = x->file, *found = name;
    int line = x->line;
    sso_html_place_t place = x->place;

    if (x->depth == INCLUDES_MAX)
        return complain(x, name, "there are too many files within files");
    if (!x->source->file(x->source->baton, &found))
        return complain(x, name, "there is no such part");
    if (place.in != SSO_IN_TEXT && place.in != SSO_IN_RAW)
        return complain(x, name, "no file can be put in here");
    SSO_TRY(compile_file(x, name));
    if (!sso_html_same(&place, &x->place))
        return complain(x, "at its end", "a tag, a quote or a comment is still open");
    x->file = file;
    x->line = line;
    return SSO_OK;
}

/* What stands between {{ and }}. */
static sso_rc_e take_mark(compiler_t *x, const char *mark)
{
    const char *name = mark + 1 + strspn(mark + 1, " ");

    switch (*mark) {
    case '#':
        return open_section(x, name, OP_SECTION);
    case '^':
        return open_section(x, name, OP_UNLESS);
    case '/':
        return close_section(x, name);
    case '>':
        return take_include(x, name);
    default:
        return !strncmp(mark, "t ", 2) ? take_text(x, name) : take_value(x, mark);
    }
}

static sso_rc_e read_mark(compiler_t *x, const char **p)
{
    const char *from = *p + 2, *end = strstr(from, "}}");
    char *mark;

    if (!end || end - from > MARK_MAX || memchr(from, '\n', (apr_size_t)(end - from)))
        return complain(x, "{{", "there is no }} after it on this line");
    *p = end + 2;
    from += strspn(from, " ");
    while (end > from && end[-1] == ' ')
        end--;
    if (end <= from)
        return complain(x, "{{}}", "is empty");
    if (x->ops->nelts >= OPS_MAX)
        return complain(x, "{{", "there are too many of these");
    mark = apr_pstrmemdup(x->ctx->pool, from, (apr_size_t)(end - from));
    return take_mark(x, mark);
}

/* A policy names a style by its digest: CSP 3, 2.3.1. */
static sso_rc_e end_style(compiler_t *x)
{
    unsigned char digest[SSO_DIGEST_BYTES];
    char text[64];

    SSO_TRY(sso_sha256(x->ctx, x->style->elts, (apr_size_t)x->style->nelts, digest));
    apr_base64_encode_binary(text, digest, sizeof(digest));
    x->styles = apr_pstrcat(x->ctx->pool, x->styles, *x->styles ? " " : "", "'sha256-", text, "'",
                            NULL);
    x->style->nelts = 0;
    return SSO_OK;
}

static int in_style(const compiler_t *x)
{
    return x->place.in == SSO_IN_RAW && !strcmp(x->place.tag, "style");
}

static sso_rc_e step(compiler_t *x, const char **p)
{
    int style = in_style(x);
    const char *from = *p;

    *p += sso_html_step(&x->place, from);
    if (x->place.fault)
        return complain(x, *x->place.attribute ? x->place.attribute : x->place.tag,
                        x->place.fault);
    if (style && !in_style(x))
        return end_style(x);
    for (; from < *p; from++) {
        x->line += *from == '\n';
        if (style)
            APR_ARRAY_PUSH(x->style, char) = *from;
    }
    return SSO_OK;
}

/* What is put in after '<' would be a tag's name, and bring attributes along. */
static sso_rc_e check_before(const compiler_t *x, const char *text, const char *p)
{
    int in_text = x->place.in == SSO_IN_TEXT || x->place.in == SSO_IN_RAW;

    if (in_text && p > text && (p[-1] == '<' || (p[-1] == '/' && p > text + 1 && p[-2] == '<')))
        return complain(x, "<", "nothing can be put in right after it");
    return SSO_OK;
}

static sso_rc_e compile_file(compiler_t *x, const char *name)
{
    const char *p = x->source->file(x->source->baton, &name), *literal = p, *text = p;
    int open = x->section_count;

    x->file = name;
    x->line = 1;
    x->depth++;
    while (*p) {
        if (p[0] != '{' || p[1] != '{') {
            SSO_TRY(step(x, &p));
            continue;
        }
        SSO_TRY(check_before(x, text, p));
        add_literal(x, literal, (apr_size_t)(p - literal));
        SSO_TRY(read_mark(x, &p));
        literal = p;
    }
    SSO_TRY(check_before(x, text, p));
    add_literal(x, literal, (apr_size_t)(p - literal));
    if (x->section_count != open)
        return complain(x, x->sections[x->section_count - 1].name, "this section has no end");
    x->depth--;
    return SSO_OK;
}

sso_rc_e sso_template_compile(sso_ctx_t *ctx, const sso_template_source_t *source,
                              const char *start, const sso_slot_t *slots,
                              const sso_template_t **compiled)
{
    compiler_t x = { .ctx = ctx, .source = source, .styles = "", .file = start, .line = 1 };
    sso_template_t *made = apr_pcalloc(ctx->pool, sizeof(*made));

    x.ops = apr_array_make(ctx->pool, 64, sizeof(op_t));
    x.style = apr_array_make(ctx->pool, 4096, sizeof(char));
    x.scopes[0] = slots;
    if (!source->file(source->baton, &x.file))
        return complain(&x, "", "there is no such file");
    SSO_TRY(compile_file(&x, start));
    if (x.place.in != SSO_IN_TEXT)
        return complain(&x, "at the end", "a tag, a quote, a comment or a style is still open");
    made->ops = x.ops;
    made->styles = x.styles;
    *compiled = made;
    return SSO_OK;
}

const char *sso_template_styles(const sso_template_t *compiled)
{
    return compiled->styles;
}
